/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a supervisor does with its children. It has one thread, so that fork is safe. */
#ifndef MTLS_SERVICE_CHILD_H
#define MTLS_SERVICE_CHILD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/clock.h"
#include "lib/base/err.h"

/* Opens this program's image, which children are made of by execveat(2). 0 or -errno. */
int mtls_child_open_self(int *ret_fd);

/*
 * In the child: the supervisor's signals are its own. Children end by their sockets or by SIGKILL;
 * who wants to hear of SIGTERM asks again.
 */
void mtls_child_reset_signals(void);

/* How a child ended, from waitpid(2): 0 if it ended well, else an error and @diag says how. */
int mtls_child_end(int status, struct mtls_diag *diag);

/* When a child may be started again. Embed it zeroed. */
struct mtls_child_pause {
	int64_t started_ms;
	uint32_t backoff_ms;
	mtls_deadline restart_at;
};

void mtls_child_started(struct mtls_child_pause *pause);
/*
 * It may start again at once if it ended @on_purpose or lived long; with the shortest pause if it
 * @proved that it can run; else after ever longer ones.
 */
void mtls_child_ended(struct mtls_child_pause *pause, bool on_purpose, bool proved);

#endif
