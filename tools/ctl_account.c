/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mtlsctl account: the table of its actions, and the changes of one account. An account is first
 * asked for with dry-run: so the number that it will get is compared with other sources before
 * anybody owns it. One thread.
 */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "lib/name/account.h"
#include "tools/ctl_account.h"
#include "tools/ctl_accounts.h"

static const char about[] =
	"Accounts of pam-mtls: libnss_mtls shows them to every process. mtls-accountd keeps them;\n"
	"list and export read what it has published and need neither it nor root.\n"
	"Numbers are never used a second time.";

struct add {
	const char *name, *uid, *gid, *gecos, *home, *shell, *groups;
	bool dry_run, json;
};

#define JSON(type)    CTL_OPTION(type, json, "json", NULL, "print one JSON object")
#define DRY_RUN(type) CTL_OPTION(type, dry_run, "dry-run", NULL, "all checks, but change nothing")

static const struct ctl_option add_options[] = {
	CTL_OPTION(struct add, uid, "uid", "N", "this number instead of the next free one"),
	CTL_OPTION(struct add, gid, "gid", "N", "the primary group, instead of a private one"),
	CTL_OPTION(struct add, gecos, "gecos", "TEXT", "the person's name"),
	CTL_OPTION(struct add, home, "home", "FOLDER", "instead of home_base of accountd.conf"),
	CTL_OPTION(struct add, shell, "shell", "FILE", "instead of shell of accountd.conf"),
	CTL_OPTION(struct add, groups, "groups", "GROUP,...",
		   "further groups of pam-mtls; one that does not exist is made"),
	DRY_RUN(struct add),
	JSON(struct add),
	{ 0 },
};

static int parse_id(const struct ctl_action *action, const char *option, const char *text)
{
	uint32_t id;
	if (!text || (mtls_parse_u32(text, &id) == 0 && id))
		return CTL_OK;
	return ctl_action_usage(action, "--%s: '%s' is not a %s", option, text, option);
}

/* Other sources (LDAP, SSSD, systemd) are asked too: two accounts of one name or id are one. */
static int check_sources(const struct ctl_accounts *accounts, const struct add *o)
{
	struct mtls_acct_user user;
	uint32_t uid;
	/* Our own rules come first: they name what is wrong with the name. */
	if (!ctl_snapshot_user(&accounts->snapshot, o->name, &user) &&
	    mtls_account_name_ownable(o->name, strlen(o->name))) {
		if (ctl_foreign_user(accounts, o->name, &uid))
			return ctl_accounts_fail(CTL_FAILED,
						 "an account '%s' (uid %" PRIu32
						 ") exists already in another source; to log in to "
						 "it by certificate: mtlsctl bind add %s ...",
						 o->name, uid, o->name);
		if (ctl_foreign_group(accounts, o->name))
			return ctl_accounts_fail(CTL_FAILED,
						 "a group '%s' exists already in another source",
						 o->name);
	}
	return o->groups ? ctl_check_groups(accounts, o->groups) : CTL_OK;
}

/* One user-add; @uid is a number as text, or NULL for the next free one. */
static int ask_add(struct ctl_accounts *accounts, const struct add *o, const char *uid,
		   bool dry_run, struct mtls_msg **ret_end)
{
	_cleanup_(ctl_message_done) struct ctl_message message;
	ctl_message_init(&message, MTLS_MSG_CONTROL_REQUEST, MTLS_ACCT_VERB_USER_ADD);
	ctl_message_add(&message, "name", o->name);
	ctl_message_add(&message, "home", o->home);
	ctl_message_add(&message, "shell", o->shell);
	ctl_message_add(&message, "gecos", o->gecos);
	ctl_message_add(&message, "uid", uid);
	ctl_message_add(&message, "gid", o->gid);
	ctl_message_add(&message, "groups", o->groups);
	ctl_message_add(&message, "dry-run", dry_run ? "yes" : NULL);
	return ctl_ask(accounts, &message, NULL, NULL, ret_end);
}

/*
 * Asks which number the account would get, compares it with other sources, and takes exactly that
 * one. @ret_end is the daemon's last word.
 */
static int add_account(struct ctl_accounts *accounts, const struct add *o,
		       struct mtls_msg **ret_end)
{
	for (int i = 0; i < CTL_ADD_TRIES; i++) {
		_cleanup_(mtls_msg_freep) struct mtls_msg *plan = NULL;
		_cleanup_(mtls_msg_freep) struct mtls_msg *end = NULL;
		int code = ask_add(accounts, o, o->uid, true, &plan);
		if (!code)
			code = ctl_end(plan);
		if (code)
			return code;
		const char *uid = ctl_field(&plan->u.control_end.fields, "uid");
		code = ctl_check_id(accounts, ctl_field_u32(&plan->u.control_end.fields, "uid"),
				    "--uid");
		if (!code && !o->dry_run)
			code = ask_add(accounts, o, uid, false, &end);
		if (code)
			return code;
		if (end && ctl_was_taken(end) && !o->uid && i + 1 < CTL_ADD_TRIES)
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

static void say_added(const struct mtls_msg *end, const struct add *o)
{
	const struct mtls_control_fields *f = &end->u.control_end.fields;
	const char *former = mtls_control_get(f, "former-uid");
	if (former)
		(void)fprintf(
			stderr,
			"mtlsctl: note: a removed account was called '%s' (uid %s); its files "
			"do not belong to the new one\n",
			o->name, former);
	if (access(o->shell, X_OK) < 0)
		(void)fprintf(stderr, "mtlsctl: note: the shell '%s' cannot be executed here\n",
			      o->shell);
	say_dry_run(o->dry_run);
	(void)printf("account '%s': uid %s, gid %s, home %s (not made: pam_mkhomedir or mkdir does "
		     "that)\n",
		     o->name, ctl_field(f, "uid"), ctl_field(f, "gid"), o->home);
}

static int run_add(const struct ctl_action *action, int argc, char **argv)
{
	_cleanup_(ctl_accounts_done) struct ctl_accounts accounts = { 0 };
	_cleanup_(mtls_msg_freep) struct mtls_msg *end = NULL;
	_cleanup_free_ char *home = NULL;
	struct add o = { 0 };
	char **args;
	int count;
	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (!code)
		code = parse_id(action, "uid", o.uid);
	if (!code)
		code = parse_id(action, "gid", o.gid);
	if (!code)
		code = ctl_accounts_open(&accounts, CTL_PATIENCE_MS);
	if (code)
		return code;
	o.name = args[0];
	if (!o.home && asprintf(&home, "%s/%s", accounts.settings->home_base, o.name) < 0) {
		home = NULL;
		return ctl_accounts_fail(CTL_FAILED, "out of memory");
	}
	o.home = o.home ? o.home : home;
	o.shell = o.shell ? o.shell : accounts.settings->shell;
	code = check_sources(&accounts, &o);
	if (!code)
		code = add_account(&accounts, &o, &end);
	if (o.json)
		return ctl_print_change(code, end, o.dry_run);
	if (ctl_was_done(code))
		say_added(end, &o);
	return code;
}

struct change {
	const char *gecos, *home, *shell, *join, *leave;
	bool dry_run, json;
};

static const struct ctl_option change_options[] = {
	CTL_OPTION(struct change, gecos, "gecos", "TEXT", "the person's name"),
	CTL_OPTION(struct change, home, "home", "FOLDER", "another home folder (nothing is moved)"),
	CTL_OPTION(struct change, shell, "shell", "FILE", "another shell"),
	CTL_OPTION(struct change, join, "join", "GROUP,...",
		   "groups of pam-mtls to join; one that does not exist is made"),
	CTL_OPTION(struct change, leave, "leave", "GROUP,...", "groups to leave"),
	DRY_RUN(struct change),
	JSON(struct change),
	{ 0 },
};

static int run_change(const struct ctl_action *action, int argc, char **argv)
{
	_cleanup_(ctl_accounts_done) struct ctl_accounts accounts = { 0 };
	_cleanup_(ctl_message_done) struct ctl_message message = { 0 };
	_cleanup_(mtls_msg_freep) struct mtls_msg *end = NULL;
	struct change o = { 0 };
	char **args;
	int count;
	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (!code && !o.gecos && !o.home && !o.shell && !o.join && !o.leave)
		code = ctl_action_usage(action, "nothing to change");
	if (!code)
		code = ctl_accounts_open(&accounts, CTL_PATIENCE_MS);
	if (!code && o.join)
		code = ctl_check_groups(&accounts, o.join);
	if (code)
		return code;
	ctl_message_init(&message, MTLS_MSG_CONTROL_REQUEST, MTLS_ACCT_VERB_USER_CHANGE);
	ctl_message_add(&message, "name", args[0]);
	ctl_message_add(&message, "gecos", o.gecos);
	ctl_message_add(&message, "home", o.home);
	ctl_message_add(&message, "shell", o.shell);
	ctl_message_add(&message, "join", o.join);
	ctl_message_add(&message, "leave", o.leave);
	ctl_message_add(&message, "dry-run", o.dry_run ? "yes" : NULL);
	code = ctl_change(&accounts, &message, &end);
	if (o.json)
		return ctl_print_change(code, end, o.dry_run);
	if (ctl_was_done(code)) {
		say_dry_run(o.dry_run);
		(void)printf("account '%s' changed\n", args[0]);
	}
	return code;
}

struct removal {
	bool dry_run, json;
};

static const struct ctl_option remove_options[] = {
	DRY_RUN(struct removal),
	JSON(struct removal),
	{ 0 },
};

/* A group of that name was meant, perhaps. */
static void hint_group(const struct ctl_accounts *accounts, const char *name)
{
	struct mtls_acct_group group;
	if (ctl_snapshot_group(&accounts->snapshot, name, &group))
		(void)fprintf(stderr, "mtlsctl: '%s' is a group: mtlsctl group remove %s\n", name,
			      name);
}

static int run_remove(const struct ctl_action *action, int argc, char **argv)
{
	_cleanup_(ctl_accounts_done) struct ctl_accounts accounts = { 0 };
	_cleanup_(ctl_message_done) struct ctl_message message = { 0 };
	_cleanup_(mtls_msg_freep) struct mtls_msg *end = NULL;
	struct removal o = { 0 };
	char **args;
	int count;
	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (!code)
		code = ctl_accounts_open(&accounts, CTL_PATIENCE_MS);
	if (code)
		return code;
	ctl_message_init(&message, MTLS_MSG_CONTROL_REQUEST, MTLS_ACCT_VERB_USER_REMOVE);
	ctl_message_add(&message, "name", args[0]);
	ctl_message_add(&message, "dry-run", o.dry_run ? "yes" : NULL);
	code = ctl_change(&accounts, &message, &end);
	if (o.json)
		return ctl_print_change(code, end, o.dry_run);
	if (ctl_was_done(code)) {
		say_dry_run(o.dry_run);
		(void)printf("account '%s' removed with its bindings; uid %s is never used again; "
			     "its files and processes stay\n",
			     args[0], ctl_field(&end->u.control_end.fields, "uid"));
	} else if (end && end->u.control_end.code == MTLS_CONTROL_NOTFOUND) {
		hint_group(&accounts, args[0]);
	}
	return code;
}

struct publish {
	bool json;
};

static const struct ctl_option publish_options[] = {
	JSON(struct publish),
	{ 0 },
};

static int run_publish(const struct ctl_action *action, int argc, char **argv)
{
	_cleanup_(ctl_accounts_done) struct ctl_accounts accounts = { 0 };
	_cleanup_(ctl_message_done) struct ctl_message message = { 0 };
	_cleanup_(mtls_msg_freep) struct mtls_msg *end = NULL;
	struct publish o = { 0 };
	char **args;
	int count;
	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (!code)
		code = ctl_accounts_connect(&accounts, CTL_PATIENCE_MS);
	if (code)
		return code;
	ctl_message_init(&message, MTLS_MSG_CONTROL_REQUEST, MTLS_ACCT_VERB_PUBLISH);
	code = ctl_change(&accounts, &message, &end);
	if (o.json)
		return ctl_print_change(code, end, false);
	if (!code)
		(void)puts("published");
	return code;
}

/* clang-format off */
static const struct ctl_action actions[] = {
	{ "account", "add", "NAME", "Makes an account, with a private group of its own unless --gid names one",
	  1, 1, add_options, run_add },
	{ "account", "change", "ACCOUNT", "Changes an account; its name and number stay",
	  1, 1, change_options, run_change },
	{ "account", "remove", "ACCOUNT", "Removes an account, its private group and its bindings",
	  1, 1, remove_options, run_remove },
	{ "account", "list", "", "Lists the published accounts, sorted by name",
	  0, 0, ctl_account_list_options, ctl_account_list },
	{ "account", "status", "", "Shows what mtls-accountd holds and whether everything is published. Exit code 1:\n"
	  "something needs attention",
	  0, 0, ctl_account_status_options, ctl_account_status },
	{ "account", "import", "FILE", "Takes accounts over from passwd(5) or CSV, all of them or none. Passwords are never\n"
	  "taken over. Accounts get new numbers, but for those that --keep-ids keeps",
	  1, 1, ctl_account_import_options, ctl_account_import },
	{ "account", "export", "", "Prints the published accounts",
	  0, 0, ctl_account_export_options, ctl_account_export },
	{ "account", "publish", "", "Writes the snapshot anew from the store of mtls-accountd", 0, 0, publish_options, run_publish },
};
/* clang-format on */

const struct ctl_command ctl_account = {
	.name = "account",
	.help = "the accounts that pam-mtls itself provides",
	.about = about,
	.actions = actions,
	.count = MTLS_COUNT(actions),
};
