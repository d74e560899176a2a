/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The frame of a change to the accounts. Root only: the snapshot is what every process believes. */
#include <config.h>

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "tools/ctl_accounts.h"

#define LOCK_TIMEOUT_MS 10000

int ctl_accounts_fail(int code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	(void)fputs("mtlsctl: ", stderr);
	(void)vfprintf(stderr, fmt, ap);
	(void)fputc('\n', stderr);
	va_end(ap);
	return code;
}

static int load_settings(struct ctl_accounts *accounts)
{
	struct mtls_diag diag = { "" };
	int r = mtls_settings_accountd_load(MTLS_ACCOUNTD_CONF, &accounts->settings, &diag);
	if (r < 0)
		return ctl_accounts_fail(CTL_FAILED, "%s", mtls_diag_text(&diag, r));
	return CTL_OK;
}

int ctl_accounts_change(struct ctl_accounts *accounts)
{
	struct mtls_diag diag = { "" };
	if (geteuid() != 0)
		return ctl_accounts_fail(CTL_FAILED, "only root can change accounts: try sudo");
	int code = load_settings(accounts);
	if (code)
		return code;
	const struct mtls_acctdb_place place = { .path = accounts->settings->snapshot,
						 .owner = 0,
						 .lock_timeout_ms = LOCK_TIMEOUT_MS };
	int r = mtls_local_load("/etc", &accounts->local, &diag);
	if (r >= 0)
		r = mtls_acctdb_begin(&place, &accounts->settings->window, accounts->local,
				      &accounts->txn, &diag);
	if (r < 0)
		return ctl_accounts_fail(CTL_FAILED, "%s", mtls_diag_text(&diag, r));
	accounts->set = mtls_acctdb_txn_set(accounts->txn);
	return CTL_OK;
}

int ctl_accounts_read(struct ctl_accounts *accounts)
{
	struct mtls_diag diag = { "" };
	struct mtls_acctdb db;
	int code = load_settings(accounts);
	if (code)
		return code;
	const struct mtls_id_window *window = &accounts->settings->window;
	int r = mtls_acctdb_open(&db, accounts->settings->snapshot, 0, &diag);
	if (r == -ENOENT) {
		/* nobody has added an account yet */
		r = mtls_acctset_new(window, NULL, &accounts->listed);
	} else if (r >= 0) {
		r = mtls_acctset_load(&db, window, NULL, &accounts->listed, &diag);
		mtls_acctdb_close(&db);
	}
	if (r < 0)
		return ctl_accounts_fail(CTL_FAILED, "%s", mtls_diag_text(&diag, r));
	accounts->set = accounts->listed;
	return CTL_OK;
}

int ctl_accounts_commit(struct ctl_accounts *accounts, bool dry_run)
{
	struct mtls_diag diag = { "" };
	int r = mtls_acctdb_commit(accounts->txn, dry_run, &diag);
	if (r < 0)
		return ctl_accounts_fail(CTL_FAILED, "%s", mtls_diag_text(&diag, r));
	if (dry_run)
		(void)puts("dry run: nothing was changed");
	return CTL_OK;
}

int ctl_accounts_print(const struct mtls_acctset *set, const struct mtls_acctset_walk *walk,
		       void *ctx, const json_t *json, const char *header)
{
	if (!json)
		(void)puts(header);
	if (mtls_acctset_walk(set, walk, ctx) != 0)
		return ctl_accounts_fail(CTL_FAILED, "out of memory");
	if (json && (json_dumpf(json, stdout, JSON_INDENT(2)) < 0 || putchar('\n') == EOF))
		return ctl_accounts_fail(CTL_FAILED, "the list could not be written");
	return CTL_OK;
}

void ctl_accounts_done(struct ctl_accounts *accounts)
{
	mtls_acctdb_txn_free(accounts->txn);
	mtls_acctset_free(accounts->listed);
	mtls_local_free(accounts->local);
	mtls_settings_accountd_free(accounts->settings);
	*accounts = (struct ctl_accounts){ 0 };
}

int ctl_accounts_dispatch(const struct ctl_action *actions, const char *usage, int argc,
			  char **argv)
{
	/* Before the action or behind it. */
	for (int i = 1; i < argc && i <= 2; i++)
		if (mtls_streq(argv[i], "--help") || mtls_streq(argv[i], "-h")) {
			(void)fputs(usage, stdout);
			return CTL_OK;
		}
	for (; argc >= 2 && actions->name; actions++)
		if (mtls_streq(argv[1], actions->name))
			return actions->run(argc - 1, argv + 1);
	if (argc >= 2)
		(void)ctl_accounts_fail(CTL_USAGE, "%s: unknown action '%s'", argv[0], argv[1]);
	(void)fputs(usage, stderr);
	return CTL_USAGE;
}

bool ctl_accounts_foreign_user(const struct ctl_accounts *accounts, const char *name,
			       uint32_t *ret_uid)
{
	if (mtls_acctset_user(accounts->set, name))
		return false;
	/* Some sources fold case or strip a domain: the name must be the account's own. */
	const struct passwd *pw = getpwnam(name);
	if (!pw || !mtls_streq(pw->pw_name, name))
		return false;
	*ret_uid = pw->pw_uid;
	return true;
}
