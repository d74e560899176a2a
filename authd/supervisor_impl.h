/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of the supervisor share: supervisor.c (start, loop, signals, end), generation.c
 * (a configuration and its workers), crew.c (processes), reload.c, manager.c (the service manager),
 * verbs.c and status.c (the control socket). One thread.
 */
#ifndef AUTHD_SUPERVISOR_IMPL_H
#define AUTHD_SUPERVISOR_IMPL_H

#include <stdbool.h>
#include <time.h>

#include "authd/audit_sink.h"
#include "authd/configuration.h"
#include "authd/listener.h"
#include "authd/lookup_client.h"
#include "authd/process.h"
#include "authd/pulse.h"
#include "authd/shared.h"
#include "authd/supervisor.h"
#include "lib/control/server.h"

#define WORKERS_MAX      64
#define WORKERS_AUTO_MAX 16 /* of one for each CPU */
#define LISTENERS_MAX    16
#define WORKER_START_MS  30000 /* for a worker or a lookup process to say that it is there */
/*
 * Workers at a time, those that start and those that drain included, for each one of the first
 * configuration. A reload waits while there is no room for its workers.
 */
#define ROWS_A_WORKER 8

struct lookup_slot {
	struct process_slot process;
	int fd;        /* -1, or its socket, until it has said that it is there */
	bool attached; /* the worker has the socket */
};

enum worker_state {
	WORKER_WAITING = 0, /* does not run: a pause before its next start */
	WORKER_STARTING,
	WORKER_READY, /* prepared, and lookup processes of each kind are there; does not accept */
	WORKER_RUNNING,
	WORKER_DRAINING, /* accepts no more */
	WORKER_GONE,     /* has ended and has no successor */
};

struct worker_slot {
	struct process_slot process;
	enum worker_state state;
	size_t row;     /* of shared memory */
	int channel_fd; /* -1: not running */
	bool prepared;  /* said so */
	bool closed;    /* said that it accepts no more */
	bool hung;      /* is being killed for that */
	mtls_deadline start_by;
	struct pulse_watch pulse;
	time_t started;
	char error[MTLS_DIAG_MAX]; /* how the one before it ended; "": well */
	struct lookup_slot lookups[MTLS_LOOKUP_KINDS][LOOKUP_SLOTS_MAX];
};

enum generation_state {
	GENERATION_STARTING,
	GENERATION_CURRENT,
	GENERATION_DRAINING,
	GENERATION_FAILED, /* could not start; its processes end */
};

/* A configuration and the workers that have it. */
struct generation {
	struct generation *next;
	enum generation_state state;
	struct configuration *config;
	struct audit_sink *audit;
	struct worker_slot *workers;
	size_t worker_count;
	mtls_deadline drain_by;
	char error[MTLS_DIAG_MAX]; /* why it failed */
};

/* Reloads: one at a time; what is asked for meanwhile waits for the next. */
struct reload {
	uint64_t asked;   /* counts requests */
	uint64_t loading; /* value of @asked when the files of the one under way were read */
	uint64_t done;    /* all requests up to this one are answered */
	struct generation *fresh;  /* starts */
	struct generation *old;    /* its workers have been told to accept no more */
	uint64_t last_number;      /* of a generation */
	time_t at;                 /* the last one; 0: there was none */
	char error[MTLS_DIAG_MAX]; /* "": it was good */
};

struct supervisor {
	const char *path; /* of the settings */
	struct generation *generations;
	struct generation *current; /* NULL until the first one accepts */
	struct reload reload;
	struct listener listeners[LISTENERS_MAX];
	size_t listener_count;
	int signal_fd, self_fd, control_fd;
	struct mtls_control_server *server;
	struct shared *shared; /* a row for each worker */
	bool *row_used;
	size_t row_count;
	struct pollfd *watched; /* room for everything that is waited for */
	int *descriptors;       /* room for everything that a child must not have */
	size_t descriptor_room; /* of both */
	size_t watched_count;
	uint32_t tick_ms, ticks_hung; /* a worker's pulse is looked at; still for so many: hung */
	mtls_deadline tick_at;
	mtls_deadline watchdog_at;
	time_t started;
	time_t expiries_told; /* once a day */
	bool stopping;
	mtls_deadline stop_by;
	int exit_code;
};

/* generation.c */

/* How many workers @settings ask for. */
size_t generation_workers(const struct mtls_settings_authd *settings);
/*
 * Starts workers for @config and @audit, which it takes over with success. 0, -ENOMEM, MTLS_E_BUSY:
 * there is no room for them now.
 */
int generation_start(struct supervisor *s, struct configuration *config, struct audit_sink *audit,
		     struct generation **ret);
/* It could not start: its processes end. The first @why counts. */
void generation_fail(struct generation *generation, const char *why);
/* All its workers may accept. */
bool generation_ready(const struct generation *generation);
/* None of its workers accepts any more. */
bool generation_closed(const struct generation *generation);
/* Its workers accept; from now on it is the current one, and the one before it drains. */
void generation_enter(struct supervisor *s, struct generation *generation);
/* Frees those that have no process left. */
void generations_sweep(struct supervisor *s);
bool generations_any_left(const struct supervisor *s);
/* Once a tick: ends what takes too long. */
void generation_tick(struct supervisor *s, struct generation *generation);

/* crew.c */

void crew_start_due(struct supervisor *s, struct generation *generation);
/* To all workers that run. */
void crew_tell(struct generation *generation, uint32_t type);
void crew_accept(struct worker_slot *worker);
/* Kills all processes of the worker, or of all. */
void crew_kill_worker(struct worker_slot *worker);
void crew_kill(struct generation *generation);
/* False if @pid is none of this generation's. */
bool crew_ended(struct supervisor *s, struct generation *generation, pid_t pid, int status);
void crew_on_channel(struct generation *generation, struct worker_slot *worker);
void crew_on_hello(struct generation *generation, struct worker_slot *worker, int kind,
		   uint32_t slot);
/* When crew_start_due() has something to do; INT64_MAX: not before something ends. */
mtls_deadline crew_due(const struct generation *generation);

/* reload.c */

/* Asks for a reload. The ticket with which it will be answered. */
uint64_t reload_ask(struct supervisor *s);
/* Does what can be done now. */
void reload_step(struct supervisor *s);
/* Nothing more is reloaded: who waits is told so. */
void reload_stop(struct supervisor *s);

/* manager.c */

void manager_tell(const char *state);
void manager_ready(const struct supervisor *s);
void manager_reloading(void);
/* Once a tick: tells the watchdog that workers live, if they do. */
void manager_watchdog(struct supervisor *s);

/* supervisor.c */

void supervisor_stop(struct supervisor *s, int exit_code);
/* Whether a reload can use @settings: workers, descriptors. 0 or an error with @diag. */
int supervisor_has_room(const struct supervisor *s, const struct mtls_settings_authd *settings,
			struct mtls_diag *diag);

#endif
