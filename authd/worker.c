/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The worker: loop, listeners, channel to the supervisor. What a connection does is in conn.c. */
#include <config.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
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

/*
 * A TLS alert in the clear, "user_canceled": that the handshake ends for a reason that is not in
 * the protocol. A client of ours says "busy" then. Whether it arrives is not waited for.
 */
static void turn_away(struct worker *worker, int fd, const struct peer *peer, enum counter counter,
		      const char *why)
{
	static const uint8_t alert[] = {
		0x15, 0x03, 0x03, 0x00, 0x02, 0x02, GNUTLS_A_USER_CANCELED
	};

	(void)send(fd, alert, sizeof(alert), MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)close(fd);
	counters_add(worker->env.counters, counter);
	if (mtls_deadline_left_ms(worker->quiet_until))
		return;
	worker->quiet_until = mtls_deadline_in_ms(1000);
	if (peer->transport == PEER_UNIX)
		mtls_log(MTLS_LOG_WARNING, "connection of uid %u%s turned away: %s",
			 (unsigned int)(peer->uid ? peer->uid : peer->invoker),
			 peer->uid == 0 && peer->invoker ? " (through root's program)" : "", why);
	else
		mtls_log(MTLS_LOG_WARNING, "connection from %s turned away: %s", peer->address,
			 why);
}

/* Counts the connection, or turns it away. */
static bool admit(struct worker *worker, int fd, const struct peer *peer,
		  struct limits_place *ret_place)
{
	const struct origin origin = origin_of_peer(worker->env.secret, peer);

	*ret_place = limits_place_of(peer, &origin);
	/* Root's programs hear about penalties when they have asked, in words. */
	bool root = peer->transport == PEER_UNIX && peer->uid == 0;
	if (!root && penalties_wait(worker->env.penalties, &origin, mtls_now_ms())) {
		turn_away(worker, fd, peer, COUNTER_LIMITED_PENALTY, "too many failures");
		return false;
	}
	enum limits_cause cause = limits_admit(worker->env.limits, ret_place);
	if (cause == LIMITS_OK)
		return true;
	turn_away(worker, fd, peer, limits_counter(cause), limits_cause_text(cause));
	return false;
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
		struct limits_place place;
		if (!admit(worker, fd, &peer, &place))
			continue;
		r = conn_new(&worker->env, fd, &peer, &place);
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

/* ---------------------------------------------------------------------------- begin */

static int make_env(struct worker *worker)
{
	const struct configuration *config = worker->setup->config;
	const struct mtls_settings_authd *settings = config->settings;
	struct shared *shared = worker->setup->shared;
	const size_t slot = worker->setup->slot;
	struct limits_config limits;
	const struct penalties_config penalties = {
		.failure_ms = settings->penalty_ms,
		.grace_ms = settings->penalty_grace_ms,
		.max_ms = settings->penalty_max_ms,
	};
	const struct lookup_client_config lookups = {
		.timeout_ms = settings->lookup_timeout_ms,
		.slots = settings->lookups,
		.kill = kill_lookup,
		.ctx = worker,
		.counters = counter_set_slot(shared->counters, slot),
	};

	worker->env = (struct conn_env){
		.loop = &worker->loop,
		.config = config,
		.request = { .anchors = config->anchors,
			     .bounds = config->bounds,
			     .min_uid = settings->min_uid },
		.audit = worker->setup->audit,
		.counters = counter_set_slot(shared->counters, slot),
		.secret = &shared->secret,
	};
	conn_prepare(config->credentials);
	limits_config_make(settings, &limits);
	int r = limits_new(&limits, &shared->limits, slot, &worker->env.limits);
	if (r >= 0)
		r = penalties_new(&penalties, &shared->penalties, slot, &worker->env.penalties);
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
