/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The publisher process: root's uid without any capability. It reads the stream of accounts, judges
 * each record with this machine's rules (lib/acctdb/build.h) and puts the snapshot in place. The
 * rules come from accountd.conf, never from the store.
 */
#ifndef ACCOUNTD_PUBLISHER_H
#define ACCOUNTD_PUBLISHER_H

#include <sys/types.h>

#include "lib/base/err.h"

/* Started by the supervisor only. Runs until the pair's other end closes; an exit code. */
int publisher_run(pid_t supervisor);

/* What it can still do from here on; for good. After process_give_up(). */
int publisher_confine(const char *snapshot, struct mtls_diag *diag);

#endif
