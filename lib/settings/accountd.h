/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Settings of the accounts: /etc/mtls/accountd.conf. A missing file means the defaults. */
#ifndef MTLS_SETTINGS_ACCOUNTD_H
#define MTLS_SETTINGS_ACCOUNTD_H

#include <stdbool.h>

#include "lib/base/cleanup.h"
#include "lib/base/err.h"
#include "lib/name/id.h"

#define MTLS_ACCOUNTD_CONF MTLS_SYSCONFDIR "/accountd.conf"

struct mtls_settings_accountd {
	struct mtls_id_window window; /* id_min, id_max */
	struct mtls_id_rules ids;     /* the same window, and foreign_ids */
	char **foreign_ids;           /* "5000-5999": ids outside of the window that may be kept;
				       * NULL: none. None overlaps another or the window. */
	bool enumerate;               /* yes: getpwent(3) shows our accounts */
	char *store;                  /* default STATEDIR/accountd/store.db */
	char *source_directory;       /* default SYSCONFDIR/accounts.d: NAME.passwd, NAME.group */
	char *control_socket;         /* default RUNDIR/accountd-control.sock */
	char *authd_socket;           /* default RUNDIR/accountd-authd.sock */
	char *user;                   /* default mtls-accountd */
	char *authd_user;             /* default mtls-authd: who may use authd_socket */
	char *snapshot;               /* default STATEDIR/snapshot/accounts.cdb */
	char *home_base;              /* default /home: home of a new account without one */
	char *shell;                  /* default /bin/bash */
};

int mtls_settings_accountd_load(const char *path, struct mtls_settings_accountd **ret,
				struct mtls_diag *diag);
void mtls_settings_accountd_free(struct mtls_settings_accountd *settings);
MTLS_DEFINE_CLEANUP(struct mtls_settings_accountd *, mtls_settings_accountd_free)

#endif
