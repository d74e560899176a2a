/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The actions of `mtlsctl account`, a file each but for the changes of one account. */
#ifndef MTLS_TOOLS_CTL_ACCOUNT_H
#define MTLS_TOOLS_CTL_ACCOUNT_H

#include "tools/ctl_action.h"
#include "tools/ctl_snapshot.h"

extern const struct ctl_option ctl_account_list_options[];
int ctl_account_list(const struct ctl_action *action, int argc, char **argv);
extern const struct ctl_option ctl_account_status_options[];
int ctl_account_status(const struct ctl_action *action, int argc, char **argv);
extern const struct ctl_option ctl_account_import_options[];
int ctl_account_import(const struct ctl_action *action, int argc, char **argv);
extern const struct ctl_option ctl_account_export_options[];
int ctl_account_export(const struct ctl_action *action, int argc, char **argv);

/* Rows of accounts, for the list and the export: @ctx. */
struct ctl_account_rows {
	const struct ctl_snapshot *snapshot;
	struct mtls_acct_user *users; /* owned */
	size_t count;
};
json_t *ctl_account_json(const void *ctx, size_t index);

#endif
