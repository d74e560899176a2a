/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mtlsctl account import: files of other systems become one change in mtls-accountd. The files are
 * read and judged here, as whoever runs this; the daemon judges every entry again. One thread.
 */
#include <config.h>

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/str.h"
#include "lib/roster/roster.h"
#include "tools/ctl_account.h"
#include "tools/ctl_accounts.h"
#include "tools/ctl_json.h"

#define PROGRESS_STEP 1000 /* entries between two progress lines */
#define FOREIGN_SHOWN 10   /* names of other sources that are listed */

struct options {
	const char *format, *group, *keep_ids;
	bool dry_run, json;
};

const struct ctl_option ctl_account_import_options[] = {
	CTL_OPTION(struct options, format, "format", "passwd|csv",
		   "instead of the format that the file's name says: csv if it ends in .csv"),
	CTL_OPTION(struct options, group, "group", "FILE",
		   "a file like group(5) that belongs to it"),
	CTL_OPTION(struct options, keep_ids, "keep-ids", "MIN-MAX",
		   "keep numbers in this range, which accountd.conf must admit (foreign_ids)"),
	CTL_OPTION(struct options, dry_run, "dry-run", NULL, "all checks, but change nothing"),
	CTL_OPTION(struct options, json, "json", NULL, "print one JSON object"),
	{ 0 },
};

struct import {
	struct ctl_accounts accounts;
	struct mtls_roster roster;
	const struct options *o;
	struct mtls_id_window keep; /* of --keep-ids; empty without it */
	bool terminal;              /* standard error is one */
	size_t sent, total;
	size_t renumbered[2]; /* users, groups */
	json_t *numbers;      /* owned: with --json, whose number is new */
};

static void import_done(struct import *im)
{
	mtls_roster_done(&im->roster);
	ctl_accounts_done(&im->accounts);
	json_decref(im->numbers);
}

/* --- reading --- */

typedef int parse_file(const char *file, const uint8_t *text, size_t len,
		       struct mtls_roster *roster, struct mtls_diag *diag);

static int read_roster(struct import *im, const char *path, parse_file *parse)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(MTLS_ROSTER_FILE_MAX);
	struct mtls_diag diag = { "" };
	int r = mtls_file_read(path, NULL, &text, &diag);

	if (r == 0)
		r = parse(path, text.data, text.len, &im->roster, &diag);
	/* After each file, so that what is there twice is named with its own file. */
	if (r >= 0)
		r = mtls_roster_check(path, &im->roster, &diag);
	if (r < 0)
		return ctl_accounts_fail(CTL_FAILED, "%s", mtls_diag_text(&diag, r));
	return CTL_OK;
}

static parse_file *parser_of(const char *format, const char *path)
{
	size_t len = strlen(path);

	if (!format)
		format = len > 4 && mtls_streq(path + len - 4, ".csv") ? "csv" : "passwd";
	return mtls_streq(format, "csv")      ? mtls_roster_csv
	       : mtls_streq(format, "passwd") ? mtls_roster_passwd
					      : NULL;
}

static int read_files(struct import *im, const char *path, parse_file *parse)
{
	int code = read_roster(im, path, parse);

	if (!code && im->o->group)
		code = read_roster(im, im->o->group, mtls_roster_group);
	if (code)
		return code;
	im->total = im->roster.user_count + im->roster.group_count;
	return CTL_OK;
}

/* --- what other sources have --- */

/*
 * Not refused, unlike a single account: who moves accounts here from a directory has them in both
 * until that is turned off. But nobody shall be surprised.
 */
static void warn_of_foreign(const struct import *im)
{
	size_t count = 0;
	uint32_t uid;

	for (size_t i = 0; i < im->roster.user_count; i++) {
		const char *name = im->roster.users[i].name;
		if (!ctl_foreign_user(&im->accounts, name, &uid))
			continue;
		if (count++ < FOREIGN_SHOWN)
			(void)fprintf(
				stderr,
				"mtlsctl: note: '%s' is an account of another source too (uid "
				"%" PRIu32 ")\n",
				name, uid);
	}
	if (count > FOREIGN_SHOWN)
		(void)fprintf(stderr, "mtlsctl: note: so are %zu more\n", count - FOREIGN_SHOWN);
}

/* Whoever has a number that is kept has the files, too: this is refused. */
static int check_kept_user(const struct import *im, const char *name, uint32_t uid)
{
	struct mtls_acct_user ours;
	const struct ctl_snapshot *snapshot = &im->accounts.snapshot;

	if (uid < im->keep.min || uid > im->keep.max ||
	    (snapshot->open && mtls_acctdb_user_by_uid(&snapshot->db, uid, &ours) == 0))
		return CTL_OK;
	const struct passwd *pw = getpwuid(uid);
	if (!pw || mtls_streq(pw->pw_name, name))
		return CTL_OK;
	return ctl_accounts_fail(CTL_FAILED,
				 "'%s' cannot keep uid %" PRIu32
				 ": it is that of '%s' in another source",
				 name, uid, pw->pw_name);
}

static int check_kept_group(const struct import *im, const char *name, uint32_t gid)
{
	struct mtls_acct_group ours;
	const struct ctl_snapshot *snapshot = &im->accounts.snapshot;

	if (gid < im->keep.min || gid > im->keep.max ||
	    (snapshot->open && mtls_acctdb_group_by_gid(&snapshot->db, gid, &ours) == 0))
		return CTL_OK;
	const struct group *gr = getgrgid(gid);
	if (!gr || mtls_streq(gr->gr_name, name))
		return CTL_OK;
	return ctl_accounts_fail(CTL_FAILED,
				 "'%s' cannot keep gid %" PRIu32
				 ": it is that of '%s' in another source",
				 name, gid, gr->gr_name);
}

static int check_kept(const struct import *im)
{
	const struct mtls_roster *roster = &im->roster;
	int code = CTL_OK;

	for (size_t i = 0; !code && im->o->keep_ids && i < roster->user_count; i++)
		code = check_kept_user(im, roster->users[i].name, roster->users[i].uid);
	for (size_t i = 0; !code && im->o->keep_ids && i < roster->group_count; i++)
		code = check_kept_group(im, roster->groups[i].name, roster->groups[i].gid);
	return code;
}

/* "MIN-MAX"; whether it may be kept is mtls-accountd's business. */
static int parse_keep(const struct ctl_action *action, const char *text, struct mtls_id_window *ret)
{
	_cleanup_free_ char *first = NULL;
	const char *dash = text ? strchr(text, '-') : NULL;

	if (!text)
		return CTL_OK;
	if (dash) {
		first = strndup(text, (size_t)(dash - text));
		if (!first)
			return ctl_accounts_fail(CTL_FAILED, "out of memory");
	}
	if (!first || mtls_parse_u32(first, &ret->min) < 0 ||
	    mtls_parse_u32(dash + 1, &ret->max) < 0 || ret->min == 0 || ret->min > ret->max)
		return ctl_action_usage(action, "--keep-ids: '%s' is not a range MIN-MAX", text);
	return CTL_OK;
}

/* --- sending --- */

static void progress(struct import *im, const char *what)
{
	if (im->terminal)
		(void)fprintf(stderr, "\rmtlsctl: %zu of %zu entries %s\033[K", im->sent, im->total,
			      what);
}

static void progress_done(const struct import *im)
{
	if (im->terminal)
		(void)fputs("\r\033[K", stderr);
}

/* Appends @name to a list in @text if the list stays short enough for a field. */
static bool append_name(struct mtls_buf *text, const char *name)
{
	size_t len = strlen(name);

	if (text->len + len + (text->len > 0) > MTLS_CONTROL_VALUE_MAX)
		return false;
	if (text->len)
		(void)mtls_buf_append_byte(text, ',');
	return mtls_buf_append(text, name, len) == 0;
}

static int send_item(struct import *im, struct ctl_message *message)
{
	int code = ctl_send(&im->accounts, message);
	ctl_message_done(message);
	return code;
}

/* @gid: MTLS_ROSTER_NO_ID for none; @members: NULL for none. */
static int send_group(struct import *im, const char *name, uint32_t gid, const char *members)
{
	struct ctl_message message;

	ctl_message_init(&message, MTLS_MSG_CONTROL_ITEM, "group");
	ctl_message_add(&message, "name", name);
	if (gid != MTLS_ROSTER_NO_ID)
		ctl_message_add_u32(&message, "gid", gid);
	ctl_message_add(&message, "members", members);
	return send_item(im, &message);
}

/* As many items as the members need; they come behind all users. */
static int send_members(struct import *im, const struct mtls_roster_group *group)
{
	_cleanup_buf_ struct mtls_buf list = MTLS_BUF(MTLS_CONTROL_VALUE_MAX + 1);

	for (size_t i = 0; i < group->member_count;) {
		mtls_buf_reset(&list);
		while (i < group->member_count && append_name(&list, group->members[i]))
			i++;
		const char *text = mtls_buf_cstr(&list);
		if (!text)
			return ctl_accounts_fail(CTL_FAILED, "out of memory");
		int code = send_group(im, group->name, group->gid, text);
		if (code)
			return code;
	}
	return CTL_OK;
}

/* What a CSV file says of a user's groups, and what of it did not fit into the item. */
static int send_user(struct import *im, const struct mtls_roster_user *user)
{
	const struct mtls_settings_accountd *settings = im->accounts.settings;
	_cleanup_buf_ struct mtls_buf list = MTLS_BUF(MTLS_CONTROL_VALUE_MAX + 1);
	_cleanup_free_ char *home = NULL;
	struct ctl_message message;
	char **group = user->groups;

	while (group && *group && append_name(&list, *group))
		group++;
	const char *groups = mtls_buf_cstr(&list);
	if (!groups ||
	    (!user->home && asprintf(&home, "%s/%s", settings->home_base, user->name) < 0))
		return ctl_accounts_fail(CTL_FAILED, "out of memory");
	ctl_message_init(&message, MTLS_MSG_CONTROL_ITEM, "user");
	ctl_message_add(&message, "name", user->name);
	if (user->uid != MTLS_ROSTER_NO_ID)
		ctl_message_add_u32(&message, "uid", user->uid);
	if (user->gid != MTLS_ROSTER_NO_ID)
		ctl_message_add_u32(&message, "gid", user->gid);
	ctl_message_add(&message, "gecos", user->gecos);
	ctl_message_add(&message, "home", user->home ? user->home : home);
	ctl_message_add(&message, "shell", user->shell ? user->shell : settings->shell);
	ctl_message_add(&message, "groups", *groups ? groups : NULL);
	int code = send_item(im, &message);
	for (; !code && group && *group; group++)
		code = send_group(im, *group, MTLS_ROSTER_NO_ID, user->name);
	return code;
}

static void count_sent(struct import *im)
{
	if (++im->sent % PROGRESS_STEP == 0)
		progress(im, "sent");
}

/* Groups, users, members: whoever is named has come before. */
static int send_roster(struct import *im)
{
	const struct mtls_roster *roster = &im->roster;
	int code = CTL_OK;

	for (size_t i = 0; !code && i < roster->group_count; i++, count_sent(im))
		code = send_group(im, roster->groups[i].name, roster->groups[i].gid, NULL);
	for (size_t i = 0; !code && i < roster->user_count; i++, count_sent(im))
		code = send_user(im, &roster->users[i]);
	for (size_t i = 0; !code && i < roster->group_count; i++)
		code = send_members(im, &roster->groups[i]);
	return code;
}

static int send_import(struct import *im)
{
	struct ctl_message message;

	ctl_message_init(&message, MTLS_MSG_CONTROL_REQUEST, MTLS_ACCT_VERB_IMPORT);
	ctl_message_add(&message, "keep-ids", im->o->keep_ids);
	ctl_message_add(&message, "dry-run", im->o->dry_run ? "yes" : NULL);
	int code = send_item(im, &message);
	if (!code)
		code = send_roster(im);
	if (code)
		return code;
	ctl_message_init(&message, MTLS_MSG_CONTROL_END, NULL);
	code = send_item(im, &message);
	progress(im, "sent; mtls-accountd is at work");
	return code;
}

/* --- the answer --- */

static void take_renumbered(void *ctx, const struct mtls_control_item *item)
{
	struct import *im = ctx;
	const char *kind = ctl_field(&item->fields, "kind");

	if (!mtls_streq(item->kind, "renumbered"))
		return;
	progress_done(im);
	im->renumbered[mtls_streq(kind, "group")]++;
	if (im->numbers) {
		/* One that is missing for want of memory is noticed by the sums. */
		(void)json_array_append_new(
			im->numbers,
			json_pack("{s:s, s:s, s:I, s:I}", "kind", kind, "name",
				  ctl_field(&item->fields, "name"), "old",
				  (json_int_t)ctl_field_u32(&item->fields, "old"), "new",
				  (json_int_t)ctl_field_u32(&item->fields, "new")));
		return;
	}
	(void)printf("%s '%s': %s -> %s\n", kind, ctl_field(&item->fields, "name"),
		     ctl_field(&item->fields, "old"), ctl_field(&item->fields, "new"));
}

static void say_imported(const struct import *im, const struct mtls_msg *end)
{
	const struct mtls_control_fields *f = &end->u.control_end.fields;

	if (im->renumbered[0])
		(void)puts("files keep the old uid; on each file system that has them: find "
			   "FOLDER -xdev -uid OLD -exec chown -h NEW {} +");
	if (im->renumbered[1])
		(void)puts("files keep the old gid; on each file system that has them: find "
			   "FOLDER -xdev -gid OLD -exec chgrp -h NEW {} +");
	if (im->roster.hashes_dropped)
		(void)printf(
			"%zu password hashes were not taken over: accounts of pam-mtls have no "
			"password\n",
			im->roster.hashes_dropped);
	if (im->o->dry_run)
		(void)puts("dry run: nothing was changed");
	(void)printf("%s users, %s groups imported; %s numbers are new\n", ctl_field(f, "users"),
		     ctl_field(f, "groups"), ctl_field(f, "renumbered"));
}

/* The sums, and each number that is new. */
static int print_imported(const struct import *im, const struct mtls_msg *end)
{
	json_t *object = ctl_json_fields(&end->u.control_end.fields);
	bool whole = json_array_size(im->numbers) == im->renumbered[0] + im->renumbered[1];

	if (!object || !whole ||
	    json_object_set_new(object, "renumbered", json_incref(im->numbers)) < 0 ||
	    json_object_set_new(object, "hashes_dropped",
				json_integer((json_int_t)im->roster.hashes_dropped)) < 0 ||
	    json_object_set_new(object, "dry_run", json_boolean(im->o->dry_run)) < 0) {
		json_decref(object);
		object = NULL;
	}
	return ctl_json_print(object);
}

static int run_import(struct import *im)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *end = NULL;
	int code = send_import(im);

	if (!code)
		code = ctl_receive(&im->accounts, take_renumbered, im, &end);
	progress_done(im);
	if (!code)
		code = ctl_end(end);
	if (code && end && ctl_was_taken(end))
		(void)ctl_accounts_fail(code,
					"nothing was imported: an import is taken as a whole; "
					"mend that entry, or take it out of the file");
	if (im->numbers && !code)
		return print_imported(im, end);
	if (!im->numbers && ctl_was_done(code))
		say_imported(im, end);
	return code;
}

int ctl_account_import(const struct ctl_action *action, int argc, char **argv)
{
	_cleanup_(import_done) struct import im = { .terminal = isatty(STDERR_FILENO) };
	struct options o = { 0 };
	char **args;
	int count;

	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (code)
		return code;
	im.o = &o;
	im.numbers = o.json ? json_array() : NULL;
	if (o.json && !im.numbers)
		return ctl_accounts_fail(CTL_FAILED, "out of memory");
	code = parse_keep(action, o.keep_ids, &im.keep);
	if (code)
		return code;
	parse_file *parse = parser_of(o.format, args[0]);
	if (!parse)
		return ctl_action_usage(action, "--format: '%s' is none of passwd, csv", o.format);
	code = read_files(&im, args[0], parse);
	if (!code)
		code = ctl_accounts_open(&im.accounts, CTL_PATIENCE_IMPORT_MS);
	if (code)
		return code;
	code = check_kept(&im);
	if (code)
		return code;
	warn_of_foreign(&im);
	return run_import(&im);
}
