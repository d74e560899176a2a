/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `mtlsctl account` and `mtlsctl bind` share: settings, transaction, messages. */
#ifndef MTLS_TOOLS_CTL_ACCOUNTS_H
#define MTLS_TOOLS_CTL_ACCOUNTS_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/acctdb/writer.h"
#include "lib/settings/accountd.h"
#include "tools/ctl.h"

struct ctl_accounts {
	struct mtls_settings_accountd *settings;
	struct mtls_local *local;
	struct mtls_acctdb_txn *txn; /* NULL for a list */
	struct mtls_acctset *set;    /* the transaction's, or @listed */
	struct mtls_acctset *listed; /* owned */
};

/* Embed it zeroed. They print what is wrong to standard error and return an exit code. */
int ctl_accounts_change(struct ctl_accounts *accounts);
int ctl_accounts_read(struct ctl_accounts *accounts);
int ctl_accounts_commit(struct ctl_accounts *accounts, bool dry_run);
void ctl_accounts_done(struct ctl_accounts *accounts);

/* A line "mtlsctl: ..." on standard error; returns @code. */
int ctl_accounts_fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Prints what @walk makes of @set, @ctx being its argument: with @json (an array that the walk
 * fills) as JSON, else as lines below @header.
 */
int ctl_accounts_print(const struct mtls_acctset *set, const struct mtls_acctset_walk *walk,
		       void *ctx, const json_t *json, const char *header);

/* One action of a subcommand: argv[0] is its name. */
struct ctl_action {
	const char *name;
	int (*run)(int argc, char **argv);
};
/* Runs the action that argv[1] names, or prints @usage; --help prints it to standard output. */
int ctl_accounts_dispatch(const struct ctl_action *actions, const char *usage, int argc,
			  char **argv);

/*
 * True if an account of that name is known to this machine from another source than ours (the set
 * does not have it, the normal lookup does); @ret_uid is its uid.
 */
bool ctl_accounts_foreign_user(const struct ctl_accounts *accounts, const char *name,
			       uint32_t *ret_uid);

#endif
