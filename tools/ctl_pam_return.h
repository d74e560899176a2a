/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a change that nobody confirmed goes back. */
#ifndef MTLS_TOOLS_CTL_PAM_RETURN_H
#define MTLS_TOOLS_CTL_PAM_RETURN_H

#include <stdbool.h>

#include "tools/ctl_pam_state.h"

/*
 * Brings the file as it was before back, whatever stands there now; what others wrote meanwhile is
 * kept in CTL_PAM_STATE. With the lock. 0 or an error; @said is a sentence in either case.
 */
int ctl_pam_return(struct ctl_pam_state *state, const char *why, struct mtls_diag *said);

typedef void ctl_pam_said_fn(void *ctx, bool failed, const char *sentence);

/* Likewise all changes whose time is over. With the lock. 0 or the last error. */
int ctl_pam_return_due(ctl_pam_said_fn *said, void *ctx);

/* For every mtlsctl of root: without waiting, and without a word where nothing is due. */
void ctl_pam_return_by_the_way(void);

/*
 * Starts the watcher: a process of its own session, without terminal, that brings back what is due
 * until nothing waits any more. It does nothing before the caller, who has the lock @lock_fd, gives
 * it up or dies. 0 when it is ready, or -errno.
 */
int ctl_pam_watch(int lock_fd, struct mtls_diag *diag);

#endif
