/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starting the children, and what a child gives up first. */
#ifndef ACCOUNTD_PROCESS_H
#define ACCOUNTD_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "accountd/accountd.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"

#define PROCESS_ARGS_MAX 8

/* When the pair may be started again. */
struct process_pause {
	int64_t started_ms;
	uint32_t backoff_ms;
	mtls_deadline restart_at;
};

/* Opens this program's image, which the children are made of. 0 or -errno. */
int process_open_self(int *ret_fd);

/*
 * Starts @self with @option, our pid and @args (NULL-terminated, at most PROCESS_ARGS_MAX). @fds[i]
 * becomes descriptor ACCOUNTD_FD_SETTINGS + i, -1 leaves one out; it gets no other. The pid or
 * -errno.
 */
pid_t process_start(const char *option, const char *const *args, int self,
		    const int fds[ACCOUNTD_FD_END - ACCOUNTD_FD_SETTINGS]);

void process_started(struct process_pause *pause);
/*
 * The pair has ended. It may start again at once if that was @on_purpose; with the shortest pause
 * if it @proved that it can run; else after ever longer ones.
 */
void process_ended(struct process_pause *pause, bool on_purpose, bool proved);

/* What a child does first: it dies with @supervisor, which must be its parent. */
int process_begin(pid_t supervisor, struct mtls_diag *diag);

/*
 * For good, checked: no capability, none by exec either, no new privileges, not dumpable; and with
 * @uid other than 0 that user, without supplementary groups.
 */
int process_give_up(uid_t uid, gid_t gid, struct mtls_diag *diag);

#endif
