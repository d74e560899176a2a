/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mtlsctl account list: the published accounts, as a table or as JSON. One thread. */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/str.h"
#include "tools/ctl_account.h"
#include "tools/ctl_accounts.h"

struct options {
	bool json;
};

const struct ctl_option ctl_account_list_options[] = {
	CTL_OPTION(struct options, json, "json", NULL, "an array of objects instead of lines"),
	{ 0 },
};

static json_t *json_of_groups(const struct ctl_account_rows *rows, struct mtls_acct_str name)
{
	_cleanup_(mtls_strv_freep) char **groups = NULL;

	if (ctl_snapshot_groups_of(rows->snapshot, name, &groups) < 0)
		return NULL;
	json_t *array = json_array();
	for (char **group = groups; array && *group; group++)
		if (json_array_append_new(array, json_string(*group)) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

json_t *ctl_account_json(const void *ctx, size_t index)
{
	const struct ctl_account_rows *rows = ctx;
	const struct mtls_acct_user *user = &rows->users[index];

	/* A NULL among them makes json_pack() fail and free the others. */
	return json_pack("{s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "name",
			 ctl_json_str(user->name), "uid", (json_int_t)user->uid, "gid",
			 (json_int_t)user->gid, "gecos", ctl_json_str(user->gecos), "home",
			 ctl_json_str(user->home), "shell", ctl_json_str(user->shell), "groups",
			 json_of_groups(rows, user->name), "source",
			 ctl_json_str(ctl_snapshot_source(rows->snapshot, user->source)));
}

#define STR(s) (int)(s).len, (s).data

static int print_row(const void *ctx, size_t index)
{
	const struct ctl_account_rows *rows = ctx;
	const struct mtls_acct_user *user = &rows->users[index];
	_cleanup_(mtls_strv_freep) char **groups = NULL;
	struct mtls_acct_str source = ctl_snapshot_source(rows->snapshot, user->source);

	int r = ctl_snapshot_groups_of(rows->snapshot, user->name, &groups);
	if (r < 0)
		return r;
	(void)printf("%.*s\t%" PRIu32 "\t%" PRIu32 "\t%.*s\t%.*s\t%.*s\t", STR(user->name),
		     user->uid, user->gid, STR(user->home), STR(user->shell), STR(user->gecos));
	for (char **group = groups; *group; group++)
		(void)printf("%s%s", group == groups ? "" : ",", *group);
	(void)printf("\t%.*s\n", STR(source));
	return 0;
}

int ctl_account_list(const struct ctl_action *action, int argc, char **argv)
{
	static const struct ctl_listing listing = {
		.header = "NAME\tUID\tGID\tHOME\tSHELL\tGECOS\tGROUPS\tSOURCE",
		.text = print_row,
		.json = ctl_account_json,
	};
	_cleanup_(ctl_accounts_done) struct ctl_accounts accounts = { 0 };
	_cleanup_free_ struct mtls_acct_user *users = NULL;
	struct options o = { 0 };
	size_t user_count = 0;
	char **args;
	int count;

	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (!code)
		code = ctl_accounts_read(&accounts);
	if (code)
		return code;
	int r = ctl_snapshot_users(&accounts.snapshot, &users, &user_count);
	const struct ctl_account_rows rows = { &accounts.snapshot, users, user_count };
	if (r == 0)
		r = ctl_print_listing(&listing, &rows, user_count, o.json);
	if (r < 0)
		return ctl_accounts_fail(CTL_FAILED, "'%s': %s", accounts.settings->snapshot,
					 mtls_strerror(r));
	return CTL_OK;
}
