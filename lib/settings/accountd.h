/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Settings of the accounts: /etc/mtls/accountd.conf. A missing file means the defaults. */
#ifndef MTLS_SETTINGS_ACCOUNTD_H
#define MTLS_SETTINGS_ACCOUNTD_H

#include "lib/base/cleanup.h"
#include "lib/base/err.h"
#include "lib/name/id.h"

#define MTLS_ACCOUNTD_CONF MTLS_SYSCONFDIR "/accountd.conf"

struct mtls_settings_accountd {
	struct mtls_id_window window; /* id_min, id_max */
	char *snapshot;               /* default STATEDIR/snapshot/accounts.cdb */
	char *home_base;              /* default /home: home of a new account without one */
	char *shell;                  /* default /bin/bash */
};

int mtls_settings_accountd_load(const char *path, struct mtls_settings_accountd **ret,
				struct mtls_diag *diag);
void mtls_settings_accountd_free(struct mtls_settings_accountd *settings);
MTLS_DEFINE_CLEANUP(struct mtls_settings_accountd *, mtls_settings_accountd_free)

#endif
