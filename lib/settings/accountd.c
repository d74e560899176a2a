/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of accountd.conf. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/name/account.h"
#include "lib/settings/accountd.h"
#include "lib/settings/settings.h"

#define FIELD(name) offsetof(struct mtls_settings_accountd, name)
/* Numbers in the table are text; the tests compare these with lib/name/id.h. */
#define WINDOW_MIN "2000200001"
#define WINDOW_MAX "2147352575"

static bool path_valid(const char *value)
{
	return mtls_account_path_valid(value, strlen(value));
}

/* "MIN-MAX", what mtls_conf has already found to be short. 0 or MTLS_E_SYNTAX. */
static int parse_range(const char *value, struct mtls_id_window *ret)
{
	char first[16];
	const char *dash = strchr(value, '-');
	size_t len = dash ? (size_t)(dash - value) : 0;

	if (!dash || len >= sizeof(first))
		return MTLS_E_SYNTAX;
	memcpy(first, value, len);
	first[len] = '\0';
	struct mtls_id_window range = { 0 };
	if (mtls_parse_u32(first, &range.min) < 0 || mtls_parse_u32(dash + 1, &range.max) < 0)
		return MTLS_E_SYNTAX;
	if (range.min > range.max || mtls_id_reserved(range.min) || mtls_id_reserved(range.max))
		return MTLS_E_SYNTAX;
	*ret = range;
	return 0;
}

static bool range_valid(const char *value)
{
	struct mtls_id_window range;

	return parse_range(value, &range) == 0;
}

static const struct mtls_conf_item items[] = {
	{ .key = "id_min",
	  .type = MTLS_CONF_U32,
	  .offset = FIELD(window.min),
	  .def = WINDOW_MIN,
	  .min = 1000,
	  .max = 2147483647,
	  .help = "The first uid and gid of accounts that are kept here." },
	{ .key = "id_max",
	  .type = MTLS_CONF_U32,
	  .offset = FIELD(window.max),
	  .def = WINDOW_MAX,
	  .min = 1000,
	  .max = 2147483647,
	  .help = "The last uid and gid of accounts that are kept here." },
	{ .key = "foreign_ids",
	  .type = MTLS_CONF_STRINGS,
	  .offset = FIELD(foreign_ids),
	  .valid = range_valid,
	  .expected = "MIN-MAX, a range whose ends no system range holds",
	  .help = "Ranges of ids outside of id_min and id_max that imported accounts and those of "
		  "files may keep; at most 8." },
	{ .key = "enumerate",
	  .type = MTLS_CONF_BOOL,
	  .offset = FIELD(enumerate),
	  .def = "yes",
	  .help = "Whether programs that list all users and groups see those that are kept here." },
	{ .key = "store",
	  .type = MTLS_CONF_PATH,
	  .offset = FIELD(store),
	  .def = MTLS_STATEDIR "/accountd/store.db",
	  .help = "The database of the accounts." },
	{ .key = "source_directory",
	  .type = MTLS_CONF_PATH,
	  .offset = FIELD(source_directory),
	  .def = MTLS_SYSCONFDIR "/accounts.d",
	  .help = "The folder of files with accounts: NAME.passwd and NAME.group." },
	{ .key = "control_socket",
	  .type = MTLS_CONF_PATH,
	  .offset = FIELD(control_socket),
	  .def = MTLS_RUNDIR "/accountd-control.sock",
	  .valid = mtls_settings_socket_valid,
	  .expected = "an absolute path of at most 107 bytes",
	  .help = "The socket for mtlsctl." },
	{ .key = "authd_socket",
	  .type = MTLS_CONF_PATH,
	  .offset = FIELD(authd_socket),
	  .def = MTLS_RUNDIR "/accountd-authd.sock",
	  .valid = mtls_settings_socket_valid,
	  .expected = "an absolute path of at most 107 bytes",
	  .help = "The socket for mtls-authd." },
	{ .key = "user",
	  .type = MTLS_CONF_STRING,
	  .offset = FIELD(user),
	  .def = "mtls-accountd",
	  .valid = mtls_settings_user_valid,
	  .expected = "the name of a system user",
	  .help = "The system user that keeps the database." },
	{ .key = "authd_user",
	  .type = MTLS_CONF_STRING,
	  .offset = FIELD(authd_user),
	  .def = "mtls-authd",
	  .valid = mtls_settings_user_valid,
	  .expected = "the name of a system user",
	  .help = "The system user that may use authd_socket." },
	{ .key = "snapshot",
	  .type = MTLS_CONF_PATH,
	  .offset = FIELD(snapshot),
	  .def = MTLS_STATEDIR "/snapshot/accounts.cdb",
	  .help = "The file that nss_mtls reads." },
	{ .key = "home_base",
	  .type = MTLS_CONF_PATH,
	  .offset = FIELD(home_base),
	  .def = "/home",
	  .valid = path_valid,
	  .expected = "an absolute path without ':'",
	  .help = "The folder of the homes of new accounts." },
	{ .key = "shell",
	  .type = MTLS_CONF_PATH,
	  .offset = FIELD(shell),
	  .def = "/bin/bash",
	  .valid = path_valid,
	  .expected = "an absolute path without ':'",
	  .help = "The shell of new accounts." },
};

const struct mtls_conf_table mtls_settings_accountd_table = {
	.name = "accountd.conf",
	.size = sizeof(struct mtls_settings_accountd),
	.items = items,
	.item_count = MTLS_COUNT(items),
};

static bool overlap(const struct mtls_id_window *a, const struct mtls_id_window *b)
{
	return a->min <= b->max && b->min <= a->max;
}

/* Two ranges of one id would leave open whose rule it follows. */
static int add_foreign(const struct mtls_conf_source *source, const char *text,
		       struct mtls_id_rules *ids, struct mtls_diag *diag)
{
	struct mtls_id_window range;

	if (parse_range(text, &range) < 0)
		return mtls_diag_set(diag, MTLS_E_BUG, "foreign_ids was not checked");
	bool clash = overlap(&range, &ids->window);
	for (uint32_t i = 0; i < ids->foreign_count; i++)
		clash |= overlap(&range, &ids->foreign[i]);
	if (clash)
		return mtls_diag_set(diag, MTLS_E_CONFIG,
				     "%s: found '%s' in foreign_ids, expected no overlap with "
				     "id_min-id_max or another range",
				     source->name, text);
	if (ids->foreign_count == MTLS_ID_FOREIGN_MAX)
		return mtls_diag_set(diag, MTLS_E_CONFIG,
				     "%s: found more than %d ranges in foreign_ids, expected fewer",
				     source->name, MTLS_ID_FOREIGN_MAX);
	ids->foreign[ids->foreign_count++] = range;
	return 0;
}

static int gather_ids(const struct mtls_conf_source *source,
		      struct mtls_settings_accountd *settings, struct mtls_diag *diag)
{
	settings->ids = (struct mtls_id_rules){ .window = settings->window };
	for (char **text = settings->foreign_ids; text && *text; text++) {
		int r = add_foreign(source, *text, &settings->ids, diag);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check(const struct mtls_conf_source *source, struct mtls_settings_accountd *settings,
		 struct mtls_diag *diag)
{
	const struct mtls_id_window *window = &settings->window;

	if (window->min > window->max)
		return mtls_diag_set(
			diag, MTLS_E_CONFIG,
			"%s: found id_min %u over id_max %u, expected a smaller number",
			source->name, window->min, window->max);
	if (mtls_id_reserved(window->min) || mtls_id_reserved(window->max))
		return mtls_diag_set(
			diag, MTLS_E_CONFIG,
			"%s: found the window %u-%u, expected ends that no system range holds",
			source->name, window->min, window->max);
	if (mtls_streq(settings->control_socket, settings->authd_socket))
		return mtls_diag_set(diag, MTLS_E_CONFIG,
				     "%s: found one path for control_socket and authd_socket, "
				     "expected two",
				     source->name);
	return gather_ids(source, settings, diag);
}

int mtls_settings_accountd_parse(const struct mtls_conf_source *source,
				 struct mtls_settings_accountd **ret, struct mtls_diag *diag)
{
	_cleanup_(mtls_settings_accountd_freep) struct mtls_settings_accountd *settings =
		calloc(1, sizeof(*settings));
	if (!settings)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	int r = mtls_conf_parse_buffer(&mtls_settings_accountd_table, source, settings, diag);
	if (r >= 0)
		r = check(source, settings, diag);
	if (r < 0)
		return r;
	*ret = MTLS_TAKE(settings);
	return 0;
}

int mtls_settings_accountd_read(const char *path, struct mtls_buf *text,
				struct mtls_conf_source *source, struct mtls_diag *diag)
{
	/* Who names a file means that file. */
	return mtls_settings_read(path, mtls_streq(path, MTLS_ACCOUNTD_CONF), text, source, diag);
}

int mtls_settings_accountd_load(const char *path, struct mtls_settings_accountd **ret,
				struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(MTLS_CONF_FILE_MAX);
	struct mtls_conf_source source = { 0 };

	int r = mtls_settings_accountd_read(path, &text, &source, diag);
	return r < 0 ? r : mtls_settings_accountd_parse(&source, ret, diag);
}

int mtls_settings_accountd_dump(const char *path, struct mtls_buf *out, struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(MTLS_CONF_FILE_MAX);
	struct mtls_conf_source source = { 0 };

	int r = mtls_settings_accountd_read(path, &text, &source, diag);
	return r < 0 ? r : mtls_conf_dump(&mtls_settings_accountd_table, &source, out, diag);
}

void mtls_settings_accountd_free(struct mtls_settings_accountd *settings)
{
	if (!settings)
		return;
	mtls_conf_release(&mtls_settings_accountd_table, settings);
	free(settings);
}
