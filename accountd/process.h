/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starting the children, and what a child gives up first. */
#ifndef ACCOUNTD_PROCESS_H
#define ACCOUNTD_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "accountd/accountd.h"
#include "lib/base/err.h"

#define PROCESS_ARGS_MAX 8

/*
 * Starts @self with @option, our pid and @args (NULL-terminated, at most PROCESS_ARGS_MAX). @fds[i]
 * becomes descriptor ACCOUNTD_FD_SETTINGS + i, -1 leaves one out; it gets no other. The pid or
 * -errno.
 */
pid_t process_start(const char *option, const char *const *args, int self,
		    const int fds[ACCOUNTD_FD_END - ACCOUNTD_FD_SETTINGS]);

/* What a child does first: it dies with @supervisor, which must be its parent. */
int process_begin(pid_t supervisor, struct mtls_diag *diag);

/* mtls_rights_give_up(), and it still dies with its parent. */
int process_give_up(uid_t uid, gid_t gid, struct mtls_diag *diag);

#endif
