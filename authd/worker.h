/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The worker process: accepts, speaks TLS, decides. Single-threaded, never blocks, opens nothing.
 */
#ifndef AUTHD_WORKER_H
#define AUTHD_WORKER_H

#include <stddef.h>
#include <sys/types.h>

#include "authd/audit_sink.h"
#include "authd/configuration.h"
#include "authd/listener.h"
#include "authd/shared.h"

/* How long verdicts under way have when the daemon stops. */
#define WORKER_STOP_MS 3000

/* All borrowed from the supervisor's memory, of which the worker has a copy. */
struct worker_setup {
	const struct configuration *config;
	const struct listener *listeners;
	size_t listener_count;
	struct audit_sink *audit;
	struct shared *shared;
	size_t slot; /* the row of @shared that is this worker's */
	int channel_fd;
	pid_t supervisor;
	uint32_t beat_ms; /* how often its pulse is looked at */
};

/* Runs until told to stop or until the supervisor is gone; returns an exit code. */
int worker_run(const struct worker_setup *setup);

#endif
