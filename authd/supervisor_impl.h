/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the supervisor share: supervisor.c (processes, loop), verbs.c, status.c. */
#ifndef AUTHD_SUPERVISOR_IMPL_H
#define AUTHD_SUPERVISOR_IMPL_H

#include <stdbool.h>
#include <time.h>

#include "authd/audit_sink.h"
#include "authd/listener.h"
#include "authd/lookup_client.h"
#include "authd/process.h"
#include "authd/shared.h"
#include "authd/supervisor.h"
#include "lib/control/server.h"

#define WORKERS_MAX   64
#define LISTENERS_MAX 16

struct worker_slot {
	struct process_slot process;
	int channel_fd; /* -1: not running */
	time_t started;
	struct process_slot lookups[MTLS_LOOKUP_KINDS][LOOKUP_SLOTS_MAX];
};

struct supervisor {
	const struct configuration *config;
	const char *path; /* of its file */
	struct listener listeners[LISTENERS_MAX];
	size_t listener_count;
	struct audit_sink *audit;
	int signal_fd;
	int self_fd;
	int control_fd;
	bool control_ours; /* bound here */
	struct mtls_control_server *server;
	struct worker_slot workers[WORKERS_MAX];
	size_t worker_count;
	struct shared *shared; /* a row for each worker */
	int64_t started_ms;
	time_t started;
	bool stopping;
	mtls_deadline stop_by;
	int exit_code;
};

#endif
