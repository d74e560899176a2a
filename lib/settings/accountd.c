/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of accountd.conf. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

static int check(const struct mtls_conf_source *source,
		 const struct mtls_settings_accountd *settings, struct mtls_diag *diag)
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
	return 0;
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

int mtls_settings_accountd_load(const char *path, struct mtls_settings_accountd **ret,
				struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(MTLS_CONF_FILE_MAX);
	struct mtls_conf_source source = { 0 };

	int r = mtls_settings_read(path, true, &text, &source, diag);
	return r < 0 ? r : mtls_settings_accountd_parse(&source, ret, diag);
}

int mtls_settings_accountd_dump(const char *path, struct mtls_buf *out, struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(MTLS_CONF_FILE_MAX);
	struct mtls_conf_source source = { 0 };

	int r = mtls_settings_read(path, true, &text, &source, diag);
	return r < 0 ? r : mtls_conf_dump(&mtls_settings_accountd_table, &source, out, diag);
}

void mtls_settings_accountd_free(struct mtls_settings_accountd *settings)
{
	if (!settings)
		return;
	mtls_conf_release(&mtls_settings_accountd_table, settings);
	free(settings);
}
