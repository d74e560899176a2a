/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The worker: loop, listeners, channel to the supervisor. What a connection does is in conn.c. */
#include <config.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <uv.h>

#include "authd/channel.h"
#include "authd/conn.h"
#include "authd/sandbox.h"
#include "authd/warmup.h"
#include "authd/worker.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

#define LISTENERS_MAX 16
#define ACCEPTS_MAX   32  /* in a row, before connections get their turn */
#define PAUSE_MS      100 /* of accepting, when descriptors or memory run out */
#define TICK_MS       50  /* between two looks whether the last connection has ended */

struct acceptor {
	uv_poll_t poll;
	struct worker *worker;
	const struct listener *listener; /* borrowed */
};

struct worker {
	const struct worker_setup *setup;
	uv_loop_t loop;
	struct conn_env env;
	struct acceptor acceptors[LISTENERS_MAX];
	uv_poll_t channel;
	uv_timer_t timer; /* a pause, or the end */
	uv_timer_t pulse;
	bool stopping; /* accepts never again */
	mtls_deadline stop_by;
	mtls_deadline quiet_until; /* no further log line about limits before */
};

static void start_accepting(struct worker *worker);

static void stop_accepting(struct worker *worker)
{
	for (size_t i = 0; i < worker->setup->listener_count; i++)
		(void)uv_poll_stop(&worker->acceptors[i].poll);
}

static void on_pause_over(uv_timer_t *timer)
{
	start_accepting(timer->data);
}

/* Out of descriptors or memory: without a pause the loop would spin on the pending connection. */
static void pause_accepting(struct worker *worker, int err)
{
	mtls_log(MTLS_LOG_ERROR, "accept: %s; pausing", mtls_strerror(err));
	stop_accepting(worker);
	if (!worker->stopping)
		(void)uv_timer_start(&worker->timer, on_pause_over, PAUSE_MS, 0);
}

static void turn_away(struct worker *worker, int fd, const struct peer *peer)
{
	(void)close(fd);
	counters_add(worker->env.counters, COUNTER_LIMITED_TOTAL);
	if (mtls_deadline_left_ms(worker->quiet_until))
		return;
	worker->quiet_until = mtls_deadline_in_ms(1000);
	if (peer->transport == PEER_UNIX)
		mtls_log(MTLS_LOG_WARNING, "connection of uid %u closed: over a limit",
			 (unsigned int)peer->uid);
	else
		mtls_log(MTLS_LOG_WARNING, "connection from %s closed: over a limit",
			 peer->address);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
	struct acceptor *acceptor = poll->data;
	struct worker *worker = acceptor->worker;

	(void)status;
	(void)events;
	for (int i = 0; i < ACCEPTS_MAX; i++) {
		struct peer peer;
		int fd = -1;
		int r = listener_accept(acceptor->listener, &fd, &peer);
		if (r == -EAGAIN)
			return;
		if (r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -ENOBUFS) {
			pause_accepting(worker, r);
			return;
		}
		if (r < 0)
			continue; /* that peer has gone already */
		if (!limits_admit(worker->env.limits, &peer)) {
			turn_away(worker, fd, &peer);
			continue;
		}
		r = conn_new(&worker->env, fd, &peer);
		if (r < 0)
			mtls_log(MTLS_LOG_ERROR, "connection: %s", mtls_strerror(r));
	}
}

static void start_accepting(struct worker *worker)
{
	for (size_t i = 0; i < worker->setup->listener_count; i++)
		(void)uv_poll_start(&worker->acceptors[i].poll, UV_READABLE, on_connection);
}

/* ---------------------------------------------------------------------------- the end */

static void tell_supervisor(const struct worker *worker, uint32_t type)
{
	const struct channel_msg msg = { .type = type };
	int r = channel_send(worker->setup->channel_fd, &msg, -1);

	if (r < 0)
		mtls_log(MTLS_LOG_ERROR, "cannot tell the supervisor: %s", mtls_strerror(r));
}

static void on_tick(uv_timer_t *timer)
{
	struct worker *worker = timer->data;

	if (!worker->env.first) {
		uv_stop(&worker->loop);
	} else if (mtls_deadline_left_ms(worker->stop_by) == 0) {
		conn_close_all(&worker->env);
		worker->stop_by = mtls_deadline_in_ms(WORKER_STOP_MS);
	}
}

/* Every connection has deadlines of its own, so the last one ends. */
static void drain(struct worker *worker)
{
	if (worker->stopping)
		return;
	worker->stopping = true;
	worker->stop_by = INT64_MAX;
	stop_accepting(worker);
	tell_supervisor(worker, CHANNEL_CLOSED);
	(void)uv_timer_start(&worker->timer, on_tick, 0, TICK_MS);
}

/* Verdicts under way are given; who would have to choose or to type first is told to come again. */
static void stop(struct worker *worker)
{
	drain(worker);
	if (worker->stop_by != INT64_MAX)
		return;
	worker->stop_by = mtls_deadline_in_ms(WORKER_STOP_MS);
	conn_stop_all(&worker->env);
}

/* ------------------------------------------------------------------------ supervisor */

static void obey(struct worker *worker, const struct channel_msg *msg, int fd)
{
	if (msg->type == CHANNEL_LOOKUP && fd >= 0) {
		lookup_client_attach(worker->env.lookups, msg->kind, msg->slot, msg->generation,
				     fd);
		return;
	}
	if (fd >= 0)
		(void)close(fd);
	if (msg->type == CHANNEL_STOP)
		stop(worker);
	else if (msg->type == CHANNEL_DRAIN)
		drain(worker);
	else if (msg->type == CHANNEL_ACCEPT && !worker->stopping)
		start_accepting(worker);
}

static void on_channel(uv_poll_t *poll, int status, int events)
{
	struct worker *worker = poll->data;

	(void)status;
	(void)events;
	for (;;) {
		struct channel_msg msg;
		int fd = -1;
		int r = channel_recv(worker->setup->channel_fd, &msg, &fd);
		if (r == -EAGAIN)
			return;
		if (r <= 0) {
			/* The supervisor is gone: nobody would replace a lookup or stop us. */
			uv_stop(&worker->loop);
			return;
		}
		obey(worker, &msg, fd);
	}
}

static void kill_lookup(void *ctx, enum mtls_lookup_kind kind, uint32_t slot, uint32_t generation)
{
	struct worker *worker = ctx;
	const struct channel_msg msg = {
		.type = CHANNEL_KILL_LOOKUP, .kind = kind, .slot = slot, .generation = generation
	};

	counters_add(worker->env.counters, COUNTER_LATE_X509 + kind);
	int r = channel_send(worker->setup->channel_fd, &msg, -1);
	if (r < 0)
		mtls_log(MTLS_LOG_ERROR, "cannot tell the supervisor: %s", mtls_strerror(r));
}

static void lookup_asked(void *ctx, enum mtls_lookup_kind kind)
{
	struct worker *worker = ctx;
	counters_add(worker->env.counters, COUNTER_LOOKUPS_X509 + kind);
}

/* ---------------------------------------------------------------------------- begin */

static int make_env(struct worker *worker)
{
	const struct configuration *config = worker->setup->config;
	const struct mtls_settings_authd *settings = config->settings;
	const struct limits_config limits = {
		.max_connections = settings->max_connections,
		.reserved = limits_reserve(settings->max_connections),
		.max_per_uid = settings->max_per_uid,
		.max_per_address = settings->max_per_address,
	};
	const struct lookup_client_config lookups = {
		.timeout_ms = settings->lookup_timeout_ms,
		.slots = settings->lookups,
		.kill = kill_lookup,
		.asked = lookup_asked,
		.ctx = worker,
	};

	worker->env = (struct conn_env){
		.loop = &worker->loop,
		.config = config,
		.request = { .anchors = config->anchors,
			     .bounds = config->bounds,
			     .min_uid = settings->min_uid },
		.audit = worker->setup->audit,
		.counters = counter_set_slot(worker->setup->shared->counters, worker->setup->slot),
	};
	conn_prepare(config->credentials);
	int r = limits_new(&limits, &worker->env.limits);
	if (r >= 0)
		r = lookup_client_new(&worker->loop, &lookups, &worker->env.lookups);
	if (r >= 0 && settings->chain_memo)
		r = mtls_memo_new(settings->chain_memo, config->generation, &worker->env.memo);
	return r;
}

static int make_polls(struct worker *worker)
{
	for (size_t i = 0; i < worker->setup->listener_count; i++) {
		struct acceptor *acceptor = &worker->acceptors[i];
		acceptor->worker = worker;
		acceptor->listener = &worker->setup->listeners[i];
		int r = uv_poll_init(&worker->loop, &acceptor->poll, acceptor->listener->fd);
		if (r < 0)
			return r;
		acceptor->poll.data = acceptor;
	}
	int r = uv_poll_init(&worker->loop, &worker->channel, worker->setup->channel_fd);
	if (r < 0)
		return r;
	worker->channel.data = worker;
	(void)uv_timer_init(&worker->loop, &worker->timer);
	worker->timer.data = worker;
	(void)uv_timer_init(&worker->loop, &worker->pulse);
	worker->pulse.data = worker;
	return uv_poll_start(&worker->channel, UV_READABLE | UV_DISCONNECT, on_channel);
}

static int prepare(struct worker *worker, struct mtls_diag *diag)
{
	(void)signal(SIGPIPE, SIG_IGN);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != worker->setup->supervisor)
		return mtls_diag_set(diag, MTLS_E_CLOSED, "the supervisor is gone");
	if (worker->setup->listener_count > LISTENERS_MAX)
		return mtls_diag_set(diag, MTLS_E_LIMIT, "more than %d addresses to listen on",
				     LISTENERS_MAX);
	int r = shared_keep(worker->setup->shared, worker->setup->slot);
	if (r < 0)
		return mtls_diag_set(diag, r, "shared memory: %s", mtls_strerror(r));
	r = uv_loop_init(&worker->loop);
	if (r >= 0)
		r = make_env(worker);
	if (r >= 0)
		r = make_polls(worker);
	if (r < 0)
		return mtls_diag_set(diag, r, "event loop: %s", mtls_strerror(r));
	r = warmup_run(diag);
	if (r < 0)
		return r;
	r = sandbox_worker();
	return r < 0 ? mtls_diag_set(diag, r, "sandbox: %s", mtls_strerror(r)) : 0;
}

/* That the loop goes round is what counts; an idle one does it for this. */
static void on_pulse(uv_timer_t *timer)
{
	const struct worker *worker = timer->data;

	pulse_beat(&worker->setup->shared->pulses, worker->setup->slot);
}

int worker_run(const struct worker_setup *setup)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	struct mtls_diag diag = { 0 };

	mtls_log_set_level(setup->config->settings->debug ? MTLS_LOG_DEBUG : MTLS_LOG_INFO);
	if (!worker)
		return 1;
	worker->setup = setup;
	int r = prepare(worker, &diag);
	if (r < 0) {
		mtls_log(MTLS_LOG_ERROR, "worker: %s", mtls_diag_text(&diag, r));
		return 1;
	}
	(void)uv_timer_start(&worker->pulse, on_pulse, 0, setup->beat_ms);
	tell_supervisor(worker, CHANNEL_READY);
	(void)uv_run(&worker->loop, UV_RUN_DEFAULT);
	return 0; /* the process ends here; its memory goes with it */
}
