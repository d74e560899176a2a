/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `watch-card` does when a card was removed. */
#ifndef MTLS_TOOLS_CTL_WATCH_ACT_H
#define MTLS_TOOLS_CTL_WATCH_ACT_H

#include "lib/base/err.h"

/*
 * Locks the person's session ("lock"), ends it ("logout"), or runs @action by /bin/sh, with @label
 * as MTLS_TOKEN in its environment. The session is that of XDG_SESSION_ID, else the person's
 * graphical one, else each on a seat. Waits for the end. 0, or negative with @diag: it was not
 * done.
 */
int ctl_watch_act(const char *action, const char *label, struct mtls_diag *diag);

#endif
