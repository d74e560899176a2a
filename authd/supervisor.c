/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The supervisor. One thread, a poll(2) loop over a signalfd, the workers' channels, lookup
 * processes that start, and the control socket.
 */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "authd/channel.h"
#include "authd/supervisor_impl.h"
#include "authd/verbs.h"
#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/service/child.h"
#include "lib/service/notify.h"
#include "lib/service/rights.h"
#include "lib/service/socket.h"

#define BACKLOG     16    /* of the control socket */
#define IDLE_MS     60000 /* of its connections, between requests */
#define MOVE_MS     10000 /* for a request that has begun; for an answer */
#define STOP_MS     8000  /* for workers to end by themselves: above WORKER_STOP_MS */
#define FILES_SPARE 128   /* descriptors besides connections */
#define TICKS_HUNG  4     /* a worker that is still for so many ticks hangs */
#define DAY_S       86400

/* ------------------------------------------------------------------------------- signals */

static void reap(struct supervisor *s)
{
	int status = 0;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (struct generation *g = s->generations; g; g = g->next)
			if (crew_ended(s, g, pid, status))
				break;
}

void supervisor_stop(struct supervisor *s, int exit_code)
{
	if (!s->stopping) {
		s->stop_by = mtls_deadline_in_ms(STOP_MS);
		s->exit_code = exit_code;
		manager_tell("STOPPING=1\nSTATUS=stopping");
	}
	s->stopping = true;
	reload_stop(s);
	for (struct generation *g = s->generations; g; g = g->next)
		crew_tell(g, CHANNEL_STOP);
}

static void on_signal(struct supervisor *s)
{
	struct signalfd_siginfo info;

	while (read(s->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGCHLD:
			reap(s);
			break;
		case SIGUSR1:
			counter_set_log(s->shared->counters);
			break;
		case SIGHUP:
			if (!s->stopping)
				(void)reload_ask(s);
			break;
		default:
			mtls_log(MTLS_LOG_NOTICE, "stopping");
			supervisor_stop(s, AUTHD_EXIT_OK);
			break;
		}
	}
}

/* ---------------------------------------------------------------------------------- loop */

static void watch_fd(const struct supervisor *s, int fd, size_t *count)
{
	if (fd < 0)
		return;
	assert(*count < s->descriptor_room);
	s->watched[(*count)++] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

static void watch_worker(const struct supervisor *s, const struct worker_slot *worker,
			 size_t *count)
{
	watch_fd(s, worker->channel_fd, count);
	for (int kind = 0; kind < MTLS_LOOKUP_KINDS; kind++)
		for (size_t slot = 0; slot < LOOKUP_SLOTS_MAX; slot++)
			watch_fd(s, worker->lookups[kind][slot].fd, count);
}

/* In the same order: what is heard closes no descriptor that has not been passed. */
static void hear_worker(struct generation *generation, struct worker_slot *worker,
			const struct pollfd *fds, size_t *count)
{
	if (worker->channel_fd >= 0 && fds[(*count)++].revents)
		crew_on_channel(generation, worker);
	for (int kind = 0; kind < MTLS_LOOKUP_KINDS; kind++)
		for (uint32_t slot = 0; slot < LOOKUP_SLOTS_MAX; slot++)
			if (worker->lookups[kind][slot].fd >= 0 && fds[(*count)++].revents)
				crew_on_hello(generation, worker, kind, slot);
}

static void each_worker(struct supervisor *s, bool hear)
{
	size_t count = 1 + MTLS_CONTROL_POLL_MAX;

	for (struct generation *g = s->generations; g; g = g->next)
		for (size_t i = 0; i < g->worker_count; i++) {
			if (hear)
				hear_worker(g, &g->workers[i], s->watched, &count);
			else
				watch_worker(s, &g->workers[i], &count);
		}
	s->watched_count = count;
}

/* How long poll(2) may wait: until something is due. */
static int wait_ms(const struct supervisor *s)
{
	mtls_deadline earliest = mtls_deadline_min(s->tick_at, mtls_control_server_due(s->server));

	if (s->stopping)
		earliest = mtls_deadline_min(earliest, s->stop_by);
	for (const struct generation *g = s->generations; g && !s->stopping; g = g->next)
		if (g->state != GENERATION_FAILED)
			earliest = mtls_deadline_min(earliest, crew_due(g));
	int left = mtls_deadline_left_ms(earliest);
	return left ? left + 1 : 0;
}

static void wait_event(struct supervisor *s)
{
	struct pollfd *fds = s->watched, *control = &fds[1];

	fds[0] = (struct pollfd){ .fd = s->signal_fd, .events = POLLIN };
	mtls_control_server_watch(s->server, control);
	each_worker(s, false);
	if (poll(fds, s->watched_count, wait_ms(s)) <= 0) {
		mtls_control_server_run(s->server, NULL);
		return;
	}
	each_worker(s, true);
	mtls_control_server_run(s->server, control);
	if (fds[0].revents)
		on_signal(s);
}

static void tell_expiries(struct supervisor *s)
{
	time_t now = time(NULL);

	/* Or the clock was set back. */
	if (!s->current || (now >= s->expiries_told && now - s->expiries_told < DAY_S))
		return;
	s->expiries_told = now;
	expiries_log(&s->current->config->expiries, (int64_t)now, false);
}

static void tick(struct supervisor *s)
{
	if (mtls_deadline_left_ms(s->tick_at))
		return;
	s->tick_at = mtls_deadline_in_ms(s->tick_ms);
	for (struct generation *g = s->generations; g; g = g->next)
		generation_tick(s, g);
	manager_watchdog(s);
	tell_expiries(s);
}

static void loop(struct supervisor *s)
{
	while (!s->stopping || (generations_any_left(s) && mtls_deadline_left_ms(s->stop_by))) {
		tick(s);
		for (struct generation *g = s->generations; g && !s->stopping; g = g->next)
			if (g->state != GENERATION_FAILED)
				crew_start_due(s, g);
		if (!s->stopping)
			reload_step(s);
		generations_sweep(s);
		wait_event(s);
	}
	for (struct generation *g = s->generations; g; g = g->next)
		crew_kill(g);
	while (waitpid(-1, NULL, 0) > 0)
		;
	counter_set_log(s->shared->counters);
}

/* -------------------------------------------------------------------------------- begin */

static int open_signals(struct supervisor *s, struct mtls_diag *diag)
{
	static const int wanted[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD };
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < MTLS_COUNT(wanted); i++)
		(void)sigaddset(&set, wanted[i]);
	/* A parent may have left these ignored; then no child could be reaped. */
	for (size_t i = 0; i < MTLS_COUNT(wanted); i++)
		(void)signal(wanted[i], SIG_DFL);
	(void)signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
		return mtls_diag_set(diag, -errno, "sigprocmask: %s", strerrordesc_np(errno));
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signal_fd < 0)
		return mtls_diag_set(diag, -errno, "signalfd: %s", strerrordesc_np(errno));
	return 0;
}

static int bind_all(struct supervisor *s, const struct mtls_settings_authd *settings,
		    struct mtls_diag *diag)
{
	for (char **text = settings->listen; *text; text++) {
		if (s->listener_count == LISTENERS_MAX)
			return mtls_diag_set(diag, MTLS_E_LIMIT, "listen: more than %d addresses",
					     LISTENERS_MAX);
		int r = listener_open(*text, &s->listeners[s->listener_count], diag);
		if (r < 0)
			return r;
		s->listener_count++;
	}
	return 0;
}

static int open_control(struct supervisor *s, const struct mtls_settings_authd *settings,
			struct mtls_diag *diag)
{
	const struct mtls_socket_spec spec = { .path = settings->control_socket,
					       .mode = 0600,
					       .backlog = BACKLOG };
	bool ours;

	int r = mtls_socket_open(&spec, &s->control_fd, &ours, diag);
	if (r < 0)
		return r;
	const struct mtls_control_service service = {
		.fd = s->control_fd,
		.uid = 0,
		.idle_ms = IDLE_MS,
		.move_ms = MOVE_MS,
		.handle = verbs_run,
		.ctx = s,
	};
	r = mtls_control_server_new(&service, &s->server);
	return r < 0 ? mtls_diag_set(diag, r, "control socket: %s", mtls_strerror(r)) : 0;
}

/* Descriptors that a process of ours may need at a time: connections, or channels to workers. */
static uint32_t files_wanted(const struct mtls_settings_authd *settings)
{
	size_t each = ROWS_A_WORKER + MTLS_LOOKUP_KINDS * (size_t)settings->lookups;

	return settings->max_connections + FILES_SPARE +
	       (uint32_t)(generation_workers(settings) * each);
}

int supervisor_has_room(const struct supervisor *s, const struct mtls_settings_authd *settings,
			struct mtls_diag *diag)
{
	/* Twice as many must fit: those that serve, and those that come. */
	if (generation_workers(settings) * 2 > s->row_count)
		return mtls_diag_set(diag, MTLS_E_CONFIG,
				     "workers: from %zu to %zu needs a restart",
				     s->row_count / ROWS_A_WORKER, generation_workers(settings));
	return process_raise_files(files_wanted(settings), diag);
}

static void set_ticks(struct supervisor *s, const struct mtls_settings_authd *settings)
{
	uint32_t watchdog_ms = mtls_service_watchdog_ms();

	s->tick_ms = settings->worker_timeout_ms / TICKS_HUNG;
	if (watchdog_ms && watchdog_ms < s->tick_ms)
		s->tick_ms = watchdog_ms;
	s->ticks_hung = (settings->worker_timeout_ms + s->tick_ms - 1) / s->tick_ms;
}

/*
 * Of a worker that runs, and so has a row: its channel, sockets of its lookup processes, its
 * generation's records. Of the rest: the daemon's own, and three generations without a process.
 */
static size_t most_descriptors(size_t rows)
{
	const size_t each = 2 + MTLS_LOOKUP_KINDS * LOOKUP_SLOTS_MAX;

	return 8 + MTLS_CONTROL_POLL_MAX + rows * each;
}

static int make_room(struct supervisor *s, const struct mtls_settings_authd *settings,
		     struct mtls_diag *diag)
{
	s->row_count = generation_workers(settings) * ROWS_A_WORKER;
	s->descriptor_room = most_descriptors(s->row_count);
	s->row_used = calloc(s->row_count, sizeof(*s->row_used));
	s->watched = calloc(s->descriptor_room, sizeof(*s->watched));
	s->descriptors = calloc(s->descriptor_room, sizeof(*s->descriptors));
	if (!s->row_used || !s->watched || !s->descriptors)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	int r = shared_new(s->row_count, &s->shared);
	return r < 0 ? mtls_diag_set(diag, r, "shared memory: %s", mtls_strerror(r)) : 0;
}

/* Who connects there would wait for ever. */
static void warn_of_left(void)
{
	const char *name;

	for (size_t i = 0; (name = mtls_service_left(i)) != NULL; i++)
		mtls_log(MTLS_LOG_WARNING,
			 "the service manager passed a socket '%s' that authd.conf does not name: "
			 "change its .socket unit, or 'listen' and 'control_socket'",
			 name);
}

/* The part that needs root. Returns an exit code. */
static int prepare(struct supervisor *s, const struct configuration *config,
		   struct audit_sink **ret_audit, struct mtls_diag *diag)
{
	const struct mtls_settings_authd *settings = config->settings;
	const struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none); /* the key must not end in a file */
	if (process_raise_files(files_wanted(settings), diag) < 0)
		return AUTHD_EXIT_CONFIG;
	if (audit_sink_open(settings->audit_file, ret_audit, diag) < 0)
		return AUTHD_EXIT_CONFIG;
	if (mtls_child_open_self(&s->self_fd) < 0 || open_signals(s, diag) < 0 ||
	    make_room(s, settings, diag) < 0)
		return AUTHD_EXIT_OSERR;
	set_ticks(s, settings);
	if (bind_all(s, settings, diag) < 0 || open_control(s, settings, diag) < 0)
		return AUTHD_EXIT_UNAVAILABLE;
	warn_of_left();
	if (mtls_rights_give_up(config->uid, config->gid, diag) < 0)
		return AUTHD_EXIT_OSERR;
	return AUTHD_EXIT_OK;
}

static int begin(struct supervisor *s, struct configuration **config, struct mtls_diag *diag)
{
	_cleanup_(audit_sink_freep) struct audit_sink *audit = NULL;

	int code = prepare(s, *config, &audit, diag);
	if (code != AUTHD_EXIT_OK)
		return code;
	s->reload.last_number = (*config)->generation;
	if (generation_start(s, *config, audit, &s->reload.fresh) < 0)
		return AUTHD_EXIT_OSERR;
	*config = NULL;
	audit = NULL;
	return AUTHD_EXIT_OK;
}

static void supervisor_free(struct supervisor *s)
{
	s->current = NULL;
	generations_sweep(s); /* no process is left */
	for (size_t i = 0; i < s->listener_count; i++)
		(void)close(s->listeners[i].fd);
	mtls_control_server_free(s->server);
	if (s->control_fd >= 0)
		(void)close(s->control_fd);
	shared_free(s->shared);
	free(s->row_used);
	free(s->watched);
	free(s->descriptors);
	free(s);
}
MTLS_DEFINE_CLEANUP(struct supervisor *, supervisor_free)

int supervisor_run(struct configuration *config, const char *path)
{
	_cleanup_(configuration_freep) struct configuration *owned = config;
	_cleanup_(supervisor_freep) struct supervisor *s = calloc(1, sizeof(*s));
	struct mtls_diag diag = { 0 };

	if (!s)
		return AUTHD_EXIT_OSERR;
	s->path = path;
	s->started = time(NULL);
	s->signal_fd = s->self_fd = s->control_fd = -1;
	int code = begin(s, &owned, &diag);
	if (code != AUTHD_EXIT_OK) {
		mtls_log(MTLS_LOG_ERROR, "%s", mtls_diag_text(&diag, MTLS_E_BUG));
		return code;
	}
	mtls_log(MTLS_LOG_NOTICE, "%s %s runs, %zu worker%s", PACKAGE_NAME, PACKAGE_VERSION,
		 s->reload.fresh->worker_count, s->reload.fresh->worker_count == 1 ? "" : "s");
	loop(s);
	return s->exit_code;
}
