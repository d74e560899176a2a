/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mtlsctl account export: the published accounts in the formats that `import` and other systems
 * read. Entry by entry, so that a million of them need no memory. One thread.
 */
#include <config.h>

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/roster/roster.h"
#include "tools/ctl_account.h"
#include "tools/ctl_accounts.h"

struct options {
	const char *format, *source;
};

const struct ctl_option ctl_account_export_options[] = {
	CTL_OPTION(struct options, format, "format", "passwd|group|csv|json", "instead of passwd"),
	CTL_OPTION(struct options, source, "source", "NAME",
		   "only what this source gives: store, or a file in accounts.d"),
	{ 0 },
};

/* A NUL-terminated copy; NULL when memory is short. */
static char *copy_str(struct mtls_acct_str str)
{
	return strndup(str.data, str.len);
}

static int flush_entry(struct mtls_buf *out)
{
	if (out->err)
		return out->err;
	(void)fwrite(out->data, 1, out->len, stdout);
	mtls_buf_reset(out);
	return 0;
}

typedef int write_user(const struct mtls_roster_user *user, struct mtls_buf *out);

static int export_user(const struct ctl_snapshot *snapshot, const struct mtls_acct_user *user,
		       write_user *write, struct mtls_buf *out)
{
	_cleanup_free_ char *name = copy_str(user->name);
	_cleanup_free_ char *gecos = copy_str(user->gecos);
	_cleanup_free_ char *home = copy_str(user->home);
	_cleanup_free_ char *shell = copy_str(user->shell);
	_cleanup_(mtls_strv_freep) char **groups = NULL;

	if (!name || !gecos || !home || !shell)
		return -ENOMEM;
	int r = ctl_snapshot_groups_of(snapshot, user->name, &groups);
	if (r < 0)
		return r;
	const struct mtls_roster_user entry = {
		.name = name,
		.gecos = gecos,
		.home = home,
		.shell = shell,
		.groups = groups,
		.uid = user->uid,
		.gid = user->gid,
	};
	r = write(&entry, out);
	return r < 0 ? r : flush_entry(out);
}

static int export_group(const struct mtls_acct_group *group, struct mtls_buf *out)
{
	_cleanup_free_ char *name = copy_str(group->name);
	_cleanup_(mtls_strv_freep) char **members =
		calloc((size_t)group->members.count + 1, sizeof(*members));
	struct mtls_acct_str member;
	size_t cursor = 0, count = 0;

	if (!name || !members)
		return -ENOMEM;
	while (mtls_acct_names_next(&group->members, &cursor, &member)) {
		members[count] = copy_str(member);
		if (!members[count++])
			return -ENOMEM;
	}
	const struct mtls_roster_group entry = {
		.name = name, .members = members, .member_count = count, .gid = group->gid
	};
	int r = mtls_roster_write_group(&entry, out);
	return r < 0 ? r : flush_entry(out);
}

static bool is_wanted(const struct ctl_snapshot *snapshot, uint8_t index, const char *source)
{
	struct mtls_acct_str name = ctl_snapshot_source(snapshot, index);
	return !source || mtls_acct_str_eq(name, source, strlen(source));
}

/* Drops the users of other sources from the array. */
static void select_users(struct ctl_account_rows *rows, const char *source)
{
	size_t kept = 0;

	for (size_t i = 0; i < rows->count; i++)
		if (is_wanted(rows->snapshot, rows->users[i].source, source))
			rows->users[kept++] = rows->users[i];
	rows->count = kept;
}

static int load_users(struct ctl_account_rows *rows, const struct options *o)
{
	int r = ctl_snapshot_users(rows->snapshot, &rows->users, &rows->count);
	if (r == 0)
		select_users(rows, o->source);
	return r;
}

static int export_users(const struct ctl_snapshot *snapshot, const struct options *o,
			write_user *write)
{
	struct ctl_account_rows rows = { .snapshot = snapshot };
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(MTLS_ROSTER_LINE_MAX);
	int r = load_users(&rows, o);

	for (size_t i = 0; r == 0 && i < rows.count; i++)
		r = export_user(snapshot, &rows.users[i], write, &out);
	free(rows.users);
	return r;
}

static int export_passwd(const struct ctl_snapshot *snapshot, const struct options *o)
{
	return export_users(snapshot, o, mtls_roster_write_passwd);
}

static int export_csv(const struct ctl_snapshot *snapshot, const struct options *o)
{
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(MTLS_ROSTER_LINE_MAX);
	int r = mtls_roster_write_csv_header(&out);

	if (r == 0)
		r = flush_entry(&out);
	return r < 0 ? r : export_users(snapshot, o, mtls_roster_write_csv);
}

static int export_json(const struct ctl_snapshot *snapshot, const struct options *o)
{
	static const struct ctl_listing listing = { .json = ctl_account_json };
	struct ctl_account_rows rows = { .snapshot = snapshot };
	int r = load_users(&rows, o);

	if (r == 0)
		r = ctl_print_listing(&listing, &rows, rows.count, true);
	free(rows.users);
	return r;
}

/* With the private groups: a group file without them leaves gids without a name. */
static int export_groups(const struct ctl_snapshot *snapshot, const struct options *o)
{
	_cleanup_free_ struct mtls_acct_group *groups = NULL;
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(MTLS_ROSTER_LINE_MAX);
	size_t count = 0;
	int r = ctl_snapshot_groups(snapshot, true, &groups, &count);

	for (size_t i = 0; r == 0 && i < count; i++)
		if (is_wanted(snapshot, groups[i].source, o->source))
			r = export_group(&groups[i], &out);
	return r;
}

static const struct {
	const char *name;
	int (*export)(const struct ctl_snapshot *snapshot, const struct options *o);
} formats[] = {
	{ "passwd", export_passwd },
	{ "group", export_groups },
	{ "csv", export_csv },
	{ "json", export_json },
};

int ctl_account_export(const struct ctl_action *action, int argc, char **argv)
{
	_cleanup_(ctl_accounts_done) struct ctl_accounts accounts = { 0 };
	struct options o = { 0 };
	size_t format = 0;
	char **args;
	int count;

	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (code)
		return code;
	while (o.format && format < MTLS_COUNT(formats) &&
	       !mtls_streq(formats[format].name, o.format))
		format++;
	if (format == MTLS_COUNT(formats))
		return ctl_action_usage(
			action, "--format: '%s' is none of passwd, group, csv, json", o.format);
	code = ctl_accounts_read(&accounts);
	if (code)
		return code;
	int r = formats[format].export(&accounts.snapshot, &o);
	if (r < 0)
		return ctl_accounts_fail(CTL_FAILED, "'%s': %s", accounts.settings->snapshot,
					 mtls_strerror(r));
	return CTL_OK;
}
