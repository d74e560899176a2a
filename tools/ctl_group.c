/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mtlsctl group: the groups of pam-mtls that are not one account's own. One thread. */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/name/account.h"
#include "tools/ctl_accounts.h"
#include "tools/ctl_json.h"

#define MEMBERS_MAX 1024 /* arguments of one join or leave */

static const char about[] =
	"Groups of pam-mtls, for its own accounts only. mtls-accountd keeps them; list reads what\n"
	"it has published. Numbers are never used a second time.";

struct options {
	const char *gid;
	bool dry_run, json;
};

#define DRY_RUN                                                                                    \
	CTL_OPTION(struct options, dry_run, "dry-run", NULL, "all checks, but change nothing")

#define JSON CTL_OPTION(struct options, json, "json", NULL, "print one JSON object")

static const struct ctl_option add_options[] = {
	CTL_OPTION(struct options, gid, "gid", "N", "this number instead of the next free one"),
	DRY_RUN,
	JSON,
	{ 0 },
};

static const struct ctl_option remove_options[] = {
	DRY_RUN,
	JSON,
	{ 0 },
};

static const struct ctl_option member_options[] = {
	DRY_RUN,
	JSON,
	{ 0 },
};

static const struct ctl_option list_options[] = {
	CTL_OPTION(struct options, json, "json", NULL, "an array of objects instead of lines"),
	{ 0 },
};

static int ask(struct ctl_accounts *accounts, const char *verb, const char *name, const char *gid,
	       bool dry_run, struct mtls_msg **ret_end)
{
	_cleanup_(ctl_message_done) struct ctl_message message;

	ctl_message_init(&message, MTLS_MSG_CONTROL_REQUEST, verb);
	ctl_message_add(&message, "name", name);
	ctl_message_add(&message, "gid", gid);
	ctl_message_add(&message, "dry-run", dry_run ? "yes" : NULL);
	return ctl_ask(accounts, &message, NULL, NULL, ret_end);
}

/* As with accounts: the number is compared with other sources before the group is made. */
static int add_group(struct ctl_accounts *accounts, const char *name, const struct options *o,
		     struct mtls_msg **ret_end)
{
	for (int i = 0; i < CTL_ADD_TRIES; i++) {
		_cleanup_(mtls_msg_freep) struct mtls_msg *plan = NULL;
		_cleanup_(mtls_msg_freep) struct mtls_msg *end = NULL;
		int code = ask(accounts, MTLS_ACCT_VERB_GROUP_ADD, name, o->gid, true, &plan);
		if (!code)
			code = ctl_end(plan);
		if (code)
			return code;
		const struct mtls_control_fields *f = &plan->u.control_end.fields;
		code = ctl_check_id(accounts, ctl_field_u32(f, "gid"), "--gid");
		if (!code && !o->dry_run)
			code = ask(accounts, MTLS_ACCT_VERB_GROUP_ADD, name, ctl_field(f, "gid"),
				   false, &end);
		if (code)
			return code;
		if (end && ctl_was_taken(end) && !o->gid && i + 1 < CTL_ADD_TRIES)
			continue;
		*ret_end = end ? MTLS_TAKE(end) : MTLS_TAKE(plan);
		return ctl_end(*ret_end);
	}
	return CTL_FAILED;
}

static void say_dry_run(bool dry_run)
{
	if (dry_run)
		(void)puts("dry run: nothing was changed");
}

static int run_add(const struct ctl_action *action, int argc, char **argv)
{
	_cleanup_(ctl_accounts_done) struct ctl_accounts accounts = { 0 };
	_cleanup_(mtls_msg_freep) struct mtls_msg *end = NULL;
	struct options o = { 0 };
	uint32_t gid;
	char **args;
	int count;

	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (!code && o.gid && (mtls_parse_u32(o.gid, &gid) < 0 || !gid))
		code = ctl_action_usage(action, "--gid: '%s' is not a gid", o.gid);
	if (!code)
		code = ctl_accounts_open(&accounts, CTL_PATIENCE_MS);
	if (code)
		return code;
	if (mtls_account_name_ownable(args[0], strlen(args[0])) &&
	    ctl_foreign_group(&accounts, args[0]))
		return ctl_accounts_fail(CTL_FAILED,
					 "a group '%s' exists already in another source", args[0]);
	code = add_group(&accounts, args[0], &o, &end);
	if (o.json)
		return ctl_print_change(code, end, o.dry_run);
	if (ctl_was_done(code)) {
		say_dry_run(o.dry_run);
		(void)printf("group '%s': gid %s\n", args[0],
			     ctl_field(&end->u.control_end.fields, "gid"));
	}
	return code;
}

static int run_remove(const struct ctl_action *action, int argc, char **argv)
{
	_cleanup_(ctl_accounts_done) struct ctl_accounts accounts = { 0 };
	_cleanup_(mtls_msg_freep) struct mtls_msg *end = NULL;
	struct options o = { 0 };
	char **args;
	int count;

	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (!code)
		code = ctl_accounts_open(&accounts, CTL_PATIENCE_MS);
	if (!code)
		code = ask(&accounts, MTLS_ACCT_VERB_GROUP_REMOVE, args[0], NULL, o.dry_run, &end);
	if (!code)
		code = ctl_end(end);
	if (o.json)
		return ctl_print_change(code, end, o.dry_run);
	if (ctl_was_done(code)) {
		say_dry_run(o.dry_run);
		(void)printf("group '%s' removed; its gid is never used again\n", args[0]);
	}
	return code;
}

/* One change a user: the first that fails ends it, and says whose it was. */
static int change_members(struct ctl_accounts *accounts, const char *field, char **args, int count,
			  const struct options *o)
{
	int done = CTL_OK;

	for (int i = 1; i < count; i++) {
		_cleanup_(ctl_message_done) struct ctl_message message;
		_cleanup_(mtls_msg_freep) struct mtls_msg *end = NULL;
		ctl_message_init(&message, MTLS_MSG_CONTROL_REQUEST, MTLS_ACCT_VERB_USER_CHANGE);
		ctl_message_add(&message, "name", args[i]);
		ctl_message_add(&message, field, args[0]);
		ctl_message_add(&message, "dry-run", o->dry_run ? "yes" : NULL);
		int code = ctl_change(accounts, &message, &end);
		if (!ctl_was_done(code))
			return code;
		/* UNPUBLISHED stays said even if a later change is published: then all are. */
		done = code;
		if (!o->json)
			(void)printf("'%s' %s '%s'\n", args[i],
				     mtls_streq(field, "join") ? "joined" : "left", args[0]);
	}
	if (!o->json)
		say_dry_run(o->dry_run);
	return done;
}

static int print_members(const char *field, char **args, int count, bool dry_run)
{
	json_t *users = json_array();

	for (int i = 1; users && i < count; i++)
		if (json_array_append_new(users, json_string(args[i])) < 0) {
			json_decref(users);
			users = NULL;
		}
	return ctl_json_print(users ? json_pack("{s:s, s:o, s:b}", "group", args[0],
						mtls_streq(field, "join") ? "joined" : "left",
						users, "dry_run", (int)dry_run)
				    : NULL);
}

static int run_members(const struct ctl_action *action, int argc, char **argv)
{
	_cleanup_(ctl_accounts_done) struct ctl_accounts accounts = { 0 };
	struct mtls_acct_group group;
	struct options o = { 0 };
	char **args;
	int count;

	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	/* Two names in one argument would be two groups for the daemon. */
	if (!code && strchr(args[0], ','))
		code = ctl_action_usage(action, "'%s' is not a name", args[0]);
	if (!code)
		code = ctl_accounts_open(&accounts, CTL_PATIENCE_MS);
	if (code)
		return code;
	if (!ctl_snapshot_group(&accounts.snapshot, args[0], &group))
		return ctl_accounts_fail(
			CTL_FAILED,
			ctl_foreign_group(&accounts, args[0])
				? "the group '%s' belongs to another source: an "
				  "account of pam-mtls can only join its own groups"
				: "there is no group '%s': mtlsctl group add",
			args[0]);
	code = change_members(&accounts, action->name, args, count, &o);
	return o.json && !code ? print_members(action->name, args, count, o.dry_run) : code;
}

struct rows {
	const struct ctl_snapshot *snapshot;
	struct mtls_acct_group *groups;
};

#define STR(s) (int)(s).len, (s).data

static int print_row(const void *ctx, size_t index)
{
	const struct rows *rows = ctx;
	const struct mtls_acct_group *group = &rows->groups[index];
	struct mtls_acct_str source = ctl_snapshot_source(rows->snapshot, group->source);
	struct mtls_acct_str member;

	(void)printf("%.*s\t%" PRIu32 "\t", STR(group->name), group->gid);
	for (size_t cursor = 0, n = 0; mtls_acct_names_next(&group->members, &cursor, &member); n++)
		(void)printf("%s%.*s", n ? "," : "", STR(member));
	(void)printf("\t%.*s\n", STR(source));
	return 0;
}

static json_t *row_json(const void *ctx, size_t index)
{
	const struct rows *rows = ctx;
	const struct mtls_acct_group *group = &rows->groups[index];
	json_t *members = json_array();
	struct mtls_acct_str member;
	size_t cursor = 0;

	while (members && mtls_acct_names_next(&group->members, &cursor, &member))
		if (json_array_append_new(members, ctl_json_str(member)) < 0) {
			json_decref(members);
			return NULL;
		}
	return json_pack("{s:o, s:I, s:o, s:o}", "name", ctl_json_str(group->name), "gid",
			 (json_int_t)group->gid, "members", members, "source",
			 ctl_json_str(ctl_snapshot_source(rows->snapshot, group->source)));
}

static int run_list(const struct ctl_action *action, int argc, char **argv)
{
	static const struct ctl_listing listing = {
		.header = "NAME\tGID\tMEMBERS\tSOURCE",
		.text = print_row,
		.json = row_json,
	};
	_cleanup_(ctl_accounts_done) struct ctl_accounts accounts = { 0 };
	_cleanup_free_ struct mtls_acct_group *groups = NULL;
	struct options o = { 0 };
	size_t group_count = 0;
	char **args;
	int count;

	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (!code)
		code = ctl_accounts_read(&accounts);
	if (code)
		return code;
	int r = ctl_snapshot_groups(&accounts.snapshot, false, &groups, &group_count);
	const struct rows rows = { &accounts.snapshot, groups };
	if (r == 0)
		r = ctl_print_listing(&listing, &rows, group_count, o.json);
	if (r < 0)
		return ctl_accounts_fail(CTL_FAILED, "'%s': %s", accounts.settings->snapshot,
					 mtls_strerror(r));
	return CTL_OK;
}

/* clang-format off */
static const struct ctl_action actions[] = {
	{ "group", "add", "NAME", "Makes a group without members", 1, 1, add_options, run_add },
	{ "group", "remove", "GROUP", "Removes a group that is nobody's primary one; its members stay", 1, 1, remove_options, run_remove },
	{ "group", "list", "", "Lists the published groups, sorted by name, without those that one account has for itself",
	  0, 0, list_options, run_list },
	{ "group", "join", "GROUP ACCOUNT...", "Makes accounts members of a group", 2, MEMBERS_MAX, member_options, run_members },
	{ "group", "leave", "GROUP ACCOUNT...", "Takes accounts out of a group", 2, MEMBERS_MAX, member_options, run_members },
};
/* clang-format on */

const struct ctl_command ctl_group = {
	.name = "group",
	.help = "the groups of these accounts",
	.about = about,
	.actions = actions,
	.count = MTLS_COUNT(actions),
};
