/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections: states, deadlines, the end. Each is owned by itself: it lives until its two libuv
 * handles are closed, and it is on the worker's list meanwhile. One thread.
 */
#include <config.h>

#include <errno.h>
#include <malloc.h>
#include <stddef.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "authd/conn_impl.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

#define LINGER_MS  1000        /* for the peer to read our last bytes and close */
#define CROWD      256         /* connections whose memory is worth giving back */
#define LINGER_MAX (64 * 1024) /* bytes thrown away meanwhile */

static void linger_read(struct conn *conn);
static void silent_late(struct conn *conn);

#define BUDGET(field) (offsetof(struct mtls_settings_authd, field))
#define NO_BUDGET     SIZE_MAX
#define GAUGE(name)   COUNTER_STATE_##name
#define NO_GAUGE      COUNTER_COUNT

/*
 * The table: what may happen in which state, and for how long. NULL: that event closes. Answers
 * of lookups come by the ticket, which exists in CONN_LOOKUP only; their deadline is the lookup
 * client's.
 */
static const struct state_row {
	const char *name;
	enum counter gauge; /* counts the connections in this state */
	void (*on_io)(struct conn *conn);
	void (*on_deadline)(struct conn *conn);
	size_t budget; /* the setting that holds the milliseconds */
} states[] = {
	/* clang-format off */
	[CONN_SILENT]    = { "silent",    GAUGE(SILENT),    conn_hear,      silent_late,      BUDGET(handshake_timeout_ms) },
	[CONN_HANDSHAKE] = { "handshake", GAUGE(HANDSHAKE), conn_handshake, NULL,             NO_BUDGET }, /* what is left of silent's */
	[CONN_SIGN]      = { "sign",      GAUGE(SIGN),      conn_handshake, NULL,             NO_BUDGET }, /* conn_tls.c has it */
	[CONN_REQUEST]   = { "request",   GAUGE(REQUEST),   conn_read,      NULL,             BUDGET(request_timeout_ms) },
	[CONN_LOOKUP]    = { "lookup",    GAUGE(LOOKUP),    NULL,           NULL,             NO_BUDGET },
	[CONN_OFFER]     = { "offer",     GAUGE(CHOICE),    conn_send,      NULL,             BUDGET(request_timeout_ms) },
	[CONN_CHOICE]    = { "choice",    GAUGE(CHOICE),    conn_read,      conn_choice_late, BUDGET(choice_timeout_ms) },
	[CONN_REPLY]     = { "reply",     GAUGE(REPLY),     conn_send,      NULL,             BUDGET(request_timeout_ms) },
	[CONN_LINGER]    = { "linger",    GAUGE(LINGER),    linger_read,    conn_close,       NO_BUDGET },
	[CONN_CLOSED]    = { "closed",    NO_GAUGE,         NULL,           NULL,             NO_BUDGET },
	/* clang-format on */
};

void conn_count(const struct conn *conn, enum counter counter)
{
	counters_add(conn->env->counters, counter);
}

/* ------------------------------------------------------------------------- end and audit */

/* After a crowd has gone; for a few it is not worth the walk through the heap. */
static void give_memory_back(struct conn_env *env)
{
	if (env->peak < CROWD || env->open > env->peak / 4)
		return;
	env->peak = env->open;
	(void)malloc_trim(0);
}

static void handle_closed(uv_handle_t *handle)
{
	struct conn *conn = handle->data;

	if (--conn->open_handles > 0)
		return;
	if (conn->session)
		gnutls_deinit(conn->session);
	(void)close(conn->fd);
	limits_release(conn->env->limits, &conn->place);
	mtls_frame_done(&conn->frame);
	if (conn->request)
		request_done(conn->request);
	free(conn->request);
	mtls_path_free(conn->path);
	free(conn->chain_diag);
	free(conn->out);
	tlsio_done(&conn->io);
	if (conn->prev)
		conn->prev->next = conn->next;
	else
		conn->env->first = conn->next;
	if (conn->next)
		conn->next->prev = conn->prev;
	struct conn_env *env = conn->env;
	free(conn);
	env->open--;
	give_memory_back(env);
}

static void poll_closed(uv_handle_t *handle)
{
	struct tlsio *io = handle->data;
	handle->data = io->ctx;
	handle_closed(handle);
}

static void set_state(struct conn *conn, enum conn_state state)
{
	if (states[conn->state].gauge != NO_GAUGE)
		counters_subtract(conn->env->counters, states[conn->state].gauge);
	if (states[state].gauge != NO_GAUGE)
		counters_add(conn->env->counters, states[state].gauge);
	conn->state = state;
}

void conn_close(struct conn *conn)
{
	if (conn->state == CONN_CLOSED)
		return;
	set_state(conn, CONN_CLOSED);
	lookup_client_cancel(conn->env->lookups, &conn->ticket);
	uv_close((uv_handle_t *)&conn->io.poll, poll_closed);
	uv_close((uv_handle_t *)&conn->timer, handle_closed);
}

static int64_t utc_us(void)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

void conn_audit(struct conn *conn, enum mtls_reason reason, const char *detail)
{
	unsigned int chain_len = 0;
	const gnutls_datum_t *chain;
	bool finished = conn->finished_us > 0;

	if (conn->audited)
		return;
	conn->audited = true;
	if (finished)
		counters_observe(conn->env->counters, COUNTER_DURATION_VERDICT,
				 mtls_now_us() - conn->finished_us);
	counters_verdict(conn->env->counters, reason);
	conn_penalise(conn, reason);
	struct audit_record record = {
		.time_us = utc_us(),
		.audit_id = conn->audit_id,
		.reason = reason,
		.detail = detail,
		.peer = &conn->peer,
		/* Before the end of the handshake nobody has proved to hold its key. */
		.path = finished ? conn->path : NULL,
		.request = finished ? conn->request : NULL,
		.handshake_ms = finished ? (conn->finished_us - conn->started_us) / 1000 : -1,
		.total_ms = (mtls_now_us() - conn->started_us) / 1000,
	};
	chain = conn->session ? gnutls_certificate_get_peers(conn->session, &chain_len) : NULL;
	if (chain && chain_len) {
		record.leaf = chain[0].data;
		record.leaf_len = chain[0].size;
	}
	int r = audit_sink_write(conn->env->audit, &record);
	if (r < 0) {
		conn_count(conn, COUNTER_AUDIT_LOST);
		mtls_log(MTLS_LOG_ERROR, "audit record %s was lost: %s", conn->audit_id,
			 mtls_strerror(r));
	}
}

/* -------------------------------------------------------------------------------- states */

static void on_timer(uv_timer_t *timer);

void conn_timer(struct conn *conn, uint32_t ms)
{
	uv_update_time(conn->env->loop);
	(void)uv_timer_start(&conn->timer, on_timer, ms, 0);
}

void conn_advance(struct conn *conn, enum conn_state state)
{
	set_state(conn, state);
}

void conn_enter(struct conn *conn, enum conn_state state)
{
	const char *settings = (const char *)conn->env->config->settings;
	size_t budget = states[state].budget;

	set_state(conn, state);
	if (budget != NO_BUDGET)
		conn_timer(conn, *(const uint32_t *)(const void *)(settings + budget));
	else
		(void)uv_timer_stop(&conn->timer);
}

void conn_linger(struct conn *conn)
{
	if (conn->state == CONN_CLOSED)
		return;
	(void)shutdown(conn->fd, SHUT_WR);
	conn_enter(conn, CONN_LINGER);
	conn_timer(conn, LINGER_MS);
	tlsio_wait_readable(&conn->io);
}

static void linger_read(struct conn *conn)
{
	uint8_t waste[4096];
	ssize_t n = recv(conn->fd, waste, sizeof(waste), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		conn->lingered += (size_t)n;
	if (n <= 0 || conn->lingered > LINGER_MAX)
		conn_close(conn);
}

void conn_refuse(struct conn *conn, enum counter counter, enum mtls_reason reason,
		 const char *detail)
{
	conn->left = counter == COUNTER_ABANDONED;
	conn_count(conn, counter);
	conn_audit(conn, reason, detail);
	conn_close(conn);
}

/* An event in a state that has no handler for it. */
static void unexpected(struct conn *conn, const char *event)
{
	char detail[64];
	uint8_t byte;

	(void)snprintf(detail, sizeof(detail), "%s in state %s", event, states[conn->state].name);
	if (recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
		conn_refuse(conn, COUNTER_ABANDONED, MTLS_REASON_PROTOCOL,
			    "the peer went away before the verdict");
	else
		conn_refuse(conn, COUNTER_BAD_BYTES, MTLS_REASON_BAD_REQUEST, detail);
}

static void on_ready(void *ctx)
{
	struct conn *conn = ctx;
	const struct state_row *row = &states[conn->state];

	if (row->on_io)
		row->on_io(conn);
	else if (conn->state != CONN_CLOSED)
		unexpected(conn, "bytes");
}

/* Who said nothing has left nothing that a record could tell. */
static void silent_late(struct conn *conn)
{
	conn_count(conn, COUNTER_TIMEOUTS);
	conn_penalise(conn, MTLS_REASON_TIMEOUT);
	conn_close(conn);
}

static void on_timer(uv_timer_t *timer)
{
	struct conn *conn = timer->data;
	const struct state_row *row = &states[conn->state];
	char detail[64];

	if (row->on_deadline) {
		row->on_deadline(conn);
		return;
	}
	if (conn->state == CONN_CLOSED)
		return;
	(void)snprintf(detail, sizeof(detail), "deadline in state %s", row->name);
	conn_refuse(conn, COUNTER_TIMEOUTS, MTLS_REASON_TIMEOUT, detail);
}

/* -------------------------------------------------------------------------------- begin */

int conn_new(struct conn_env *env, int fd, const struct peer *peer,
	     const struct limits_place *place)
{
	struct conn *conn = calloc(1, sizeof(*conn));
	int r = -ENOMEM;

	if (conn) {
		*conn = (struct conn){ .env = env,
				       .fd = fd,
				       .peer = *peer,
				       .place = *place,
				       .origin = origin_of_peer(env->secret, peer),
				       .state = CONN_CLOSED,
				       .chain = MTLS_REASON_INTERNAL,
				       .started_us = mtls_now_us() };
		r = tlsio_init(&conn->io, env->loop, fd, on_ready, conn);
	}
	if (r < 0) {
		free(conn);
		(void)close(fd);
		limits_release(env->limits, place);
		return r;
	}
	(void)uv_timer_init(env->loop, &conn->timer);
	conn->timer.data = conn;
	conn->open_handles = 2;
	mtls_frame_init(&conn->frame, false);
	conn->next = env->first;
	if (env->first)
		env->first->prev = conn;
	env->first = conn;
	env->open++;
	env->peak = env->open > env->peak ? env->open : env->peak;
	conn_count(conn,
		   peer->transport == PEER_UNIX ? COUNTER_ACCEPTED_UNIX : COUNTER_ACCEPTED_TCP);
	conn_enter(conn, CONN_SILENT);
	conn_hear(conn); /* the first bytes may be there already */
	return 0;
}

void conn_stop_all(struct conn_env *env)
{
	for (struct conn *conn = env->first, *next; conn; conn = next) {
		next = conn->next;
		if (conn->state == CONN_CHOICE)
			conn_deny(conn, MTLS_REASON_BUSY);
	}
}

void conn_close_all(struct conn_env *env)
{
	for (struct conn *conn = env->first, *next; conn; conn = next) {
		next = conn->next;
		if (conn->state == CONN_CLOSED || conn->state == CONN_LINGER ||
		    conn->state == CONN_SILENT) {
			conn_close(conn);
			continue;
		}
		/* Whose turn it was: a client of ours says "busy" then. */
		if (conn->state == CONN_HANDSHAKE || conn->state == CONN_SIGN ||
		    conn->state == CONN_REQUEST)
			(void)gnutls_alert_send(conn->session, GNUTLS_AL_FATAL,
						GNUTLS_A_USER_CANCELED);
		conn_refuse(conn, COUNTER_ABANDONED, MTLS_REASON_BUSY, "the daemon stops");
	}
}
