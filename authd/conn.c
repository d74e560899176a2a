/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections. Each is owned by itself: it lives until its two libuv handles are closed, and it is
 * on the worker's list meanwhile. One thread.
 */
#include <config.h>

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <gnutls/crypto.h>

#include "authd/chain.h"
#include "authd/conn.h"
#include "authd/tlsio.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/tls/tls.h"
#include "lib/wire/frame.h"

#define LINGER_MS   1000        /* for the peer to read our last bytes and close */
#define LINGER_MAX  (64 * 1024) /* bytes thrown away meanwhile */
#define AUDIT_BYTES 16          /* of randomness in an audit id */

enum conn_state {
	CONN_HANDSHAKE,
	CONN_REQUEST, /* the AuthRequest is awaited */
	CONN_LOOKUP,  /* a lookup process works for us */
	CONN_OFFER,   /* the candidates are being sent */
	CONN_CHOICE,  /* the AuthChoice is awaited */
	CONN_REPLY,   /* the verdict is being sent */
	CONN_LINGER,  /* everything is said */
	CONN_CLOSED,  /* waits for libuv to let go of the handles */
};

struct conn {
	struct conn_env *env;
	struct conn *next, *prev;
	struct peer peer;
	int fd;
	gnutls_session_t session;
	struct tlsio io;
	uv_timer_t timer;
	int open_handles;

	enum conn_state state;
	bool heard;             /* the peer sent at least one handshake message */
	bool flight_out;        /* our Finished is on its way */
	bool audited;           /* its one record is written */
	enum mtls_reason chain; /* verdict on the chain: ALLOWED with a path */
	struct mtls_diag chain_diag;
	struct mtls_path *path; /* owned */
	char audit_id[2 * AUDIT_BYTES + 1];
	int64_t started_ms;
	int64_t handshake_ms; /* how long it took; negative: not finished */

	struct mtls_frame frame;
	struct request request;
	struct lookup_ticket ticket;
	uint8_t *out; /* owned: the encoded reply */
	size_t out_len;
	size_t out_done;
	size_t lingered;
};

static void handshake(struct conn *conn);
static void read_message(struct conn *conn);
static void send_out(struct conn *conn);
static void choice_late(struct conn *conn);
static void linger_read(struct conn *conn);
static void close_now(struct conn *conn);

#define BUDGET(field) (offsetof(struct mtls_settings_authd, field))
#define NO_BUDGET     SIZE_MAX

/*
 * The table: what may happen in which state, and for how long. NULL: that event closes. Answers
 * of lookups come by the ticket, which exists in CONN_LOOKUP only; their deadline is the lookup
 * client's.
 */
static const struct state_row {
	const char *name;
	void (*on_io)(struct conn *conn);
	void (*on_deadline)(struct conn *conn);
	size_t budget; /* the setting that holds the milliseconds */
} states[] = {
	/* clang-format off */
	[CONN_HANDSHAKE] = { "handshake", handshake,    NULL,        BUDGET(handshake_timeout_ms) },
	[CONN_REQUEST]   = { "request",   read_message, NULL,        BUDGET(request_timeout_ms) },
	[CONN_LOOKUP]    = { "lookup",    NULL,         NULL,        NO_BUDGET },
	[CONN_OFFER]     = { "offer",     send_out,     NULL,        BUDGET(request_timeout_ms) },
	[CONN_CHOICE]    = { "choice",    read_message, choice_late, BUDGET(choice_timeout_ms) },
	[CONN_REPLY]     = { "reply",     send_out,     NULL,        BUDGET(request_timeout_ms) },
	[CONN_LINGER]    = { "linger",    linger_read,  close_now,   NO_BUDGET },
	[CONN_CLOSED]    = { "closed",    NULL,         NULL,        NO_BUDGET },
	/* clang-format on */
};

static void count(const struct conn *conn, enum counter counter)
{
	counters_add(conn->env->counters, counter);
}

/* ------------------------------------------------------------------------- end and audit */

static void handle_closed(uv_handle_t *handle)
{
	struct conn *conn = handle->data;

	if (--conn->open_handles > 0)
		return;
	gnutls_deinit(conn->session);
	(void)close(conn->fd);
	limits_release(conn->env->limits, &conn->peer);
	mtls_frame_done(&conn->frame);
	request_done(&conn->request);
	mtls_path_free(conn->path);
	free(conn->out);
	if (conn->prev)
		conn->prev->next = conn->next;
	else
		conn->env->first = conn->next;
	if (conn->next)
		conn->next->prev = conn->prev;
	free(conn);
}

static void poll_closed(uv_handle_t *handle)
{
	struct tlsio *io = handle->data;
	handle->data = io->ctx;
	handle_closed(handle);
}

static void close_now(struct conn *conn)
{
	if (conn->state == CONN_CLOSED)
		return;
	conn->state = CONN_CLOSED;
	lookup_client_cancel(conn->env->lookups, &conn->ticket);
	uv_close((uv_handle_t *)&conn->io.poll, poll_closed);
	uv_close((uv_handle_t *)&conn->timer, handle_closed);
}

static int64_t now_us(void)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* The connection's one record. Later calls do nothing. */
static void audit(struct conn *conn, enum mtls_reason reason, const char *detail)
{
	unsigned int chain_len = 0;
	const gnutls_datum_t *chain;
	bool finished = conn->handshake_ms >= 0;

	if (conn->audited)
		return;
	conn->audited = true;
	count(conn, reason == MTLS_REASON_ALLOWED ? COUNTER_ALLOWED : COUNTER_DENIED);
	struct audit_record record = {
		.time_us = now_us(),
		.audit_id = conn->audit_id,
		.reason = reason,
		.detail = detail,
		.peer = &conn->peer,
		/* Before the end of the handshake nobody has proved to hold its key. */
		.path = finished ? conn->path : NULL,
		.request = finished ? &conn->request : NULL,
		.handshake_ms = conn->handshake_ms,
		.total_ms = mtls_now_ms() - conn->started_ms,
	};
	chain = gnutls_certificate_get_peers(conn->session, &chain_len);
	if (chain && chain_len) {
		record.leaf = chain[0].data;
		record.leaf_len = chain[0].size;
	}
	int r = audit_sink_write(conn->env->audit, &record);
	if (r < 0) {
		count(conn, COUNTER_AUDIT_LOST);
		mtls_log(MTLS_LOG_ERROR, "audit record %s was lost: %s", conn->audit_id,
			 mtls_strerror(r));
	}
}

/* -------------------------------------------------------------------------------- states */

static void on_timer(uv_timer_t *timer);

static void start_timer(struct conn *conn, uint32_t ms)
{
	uv_update_time(conn->env->loop);
	(void)uv_timer_start(&conn->timer, on_timer, ms, 0);
}

static void enter(struct conn *conn, enum conn_state state)
{
	const char *settings = (const char *)conn->env->config->settings;
	size_t budget = states[state].budget;

	conn->state = state;
	if (budget != NO_BUDGET)
		start_timer(conn, *(const uint32_t *)(const void *)(settings + budget));
	else
		(void)uv_timer_stop(&conn->timer);
}

/* Everything is said: give the peer a moment to read it, so that no reset overtakes it. */
static void linger(struct conn *conn)
{
	if (conn->state == CONN_CLOSED)
		return;
	(void)shutdown(conn->fd, SHUT_WR);
	enter(conn, CONN_LINGER);
	start_timer(conn, LINGER_MS);
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
		close_now(conn);
}

/* Ends without a verdict. */
static void refuse(struct conn *conn, enum counter counter, enum mtls_reason reason,
		   const char *detail)
{
	count(conn, counter);
	audit(conn, reason, detail);
	close_now(conn);
}

/* An event in a state that has no handler for it. */
static void unexpected(struct conn *conn, const char *event)
{
	char detail[64];
	uint8_t byte;

	(void)snprintf(detail, sizeof(detail), "%s in state %s", event, states[conn->state].name);
	if (recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
		refuse(conn, COUNTER_ABANDONED, MTLS_REASON_PROTOCOL,
		       "the peer went away before the verdict");
	else
		refuse(conn, COUNTER_BAD_BYTES, MTLS_REASON_BAD_REQUEST, detail);
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
	refuse(conn, COUNTER_TIMEOUTS, MTLS_REASON_TIMEOUT, detail);
}

/* ----------------------------------------------------------------------------- handshake */

/* The human budget: the person may have to touch a key. Only once we have said all of ours. */
static uint32_t sign_budget(const struct conn *conn)
{
	const struct mtls_settings_authd *settings = conn->env->config->settings;
	bool root = conn->peer.transport == PEER_UNIX && conn->peer.uid == 0;

	return root ? settings->sign_timeout_ms : settings->tcp_sign_timeout_ms;
}

/* Sees every handshake message before and after GnuTLS deals with it. */
static int on_message(gnutls_session_t session, unsigned int type, unsigned int when,
		      unsigned int incoming, const gnutls_datum_t *msg)
{
	struct conn *conn = gnutls_session_get_ptr(session);

	(void)msg;
	if (incoming)
		conn->heard = true;
	else if (type == GNUTLS_HANDSHAKE_FINISHED && when == GNUTLS_HOOK_POST)
		conn->flight_out = true;
	if (!incoming || type != GNUTLS_HANDSHAKE_CERTIFICATE_VERIFY || when != GNUTLS_HOOK_PRE)
		return 0;
	mtls_path_free(conn->path);
	conn->path = NULL;
	conn->chain = chain_judge(session, conn->env->config->anchors, &conn->env->config->bounds,
				  &conn->path, &conn->chain_diag);
	return conn->chain == MTLS_REASON_ALLOWED ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

/* After the signature was found good: the stored result. */
static int verify_stored(gnutls_session_t session)
{
	const struct conn *conn = gnutls_session_get_ptr(session);
	bool good = conn && conn->chain == MTLS_REASON_ALLOWED && conn->path;

	return good ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

void conn_prepare(gnutls_certificate_credentials_t credentials)
{
	gnutls_certificate_set_verify_function(credentials, verify_stored);
}

static void handshake_failed(struct conn *conn)
{
	bool ours = conn->chain != MTLS_REASON_ALLOWED && conn->chain != MTLS_REASON_INTERNAL;
	enum mtls_reason reason = ours ? conn->chain : chain_reason_of(conn->io.code);
	const char *detail = ours && conn->chain_diag.text[0] ? conn->chain_diag.text
							      : gnutls_strerror(conn->io.code);

	if (!conn->heard && mtls_tls_error(conn->io.code) == MTLS_E_CLOSED) {
		count(conn, COUNTER_SILENT);
		close_now(conn);
		return;
	}
	count(conn, COUNTER_BAD_TLS);
	audit(conn, reason, detail);
	if (conn->io.code != GNUTLS_E_FATAL_ALERT_RECEIVED)
		(void)gnutls_alert_send(conn->session, GNUTLS_AL_FATAL,
					chain_alert(reason, conn->io.code));
	linger(conn);
}

/* TLS 1.3, our protocol, not resumed, and the chain was judged: else nothing is read. */
static bool handshake_good(struct conn *conn, struct mtls_diag *diag)
{
	if (mtls_tls_session_check(conn->session, diag) < 0)
		return false;
	if (conn->chain != MTLS_REASON_ALLOWED || !conn->path) {
		(void)mtls_diag_set(diag, 0, "the chain was not judged");
		return false;
	}
	return true;
}

static void handshake(struct conn *conn)
{
	struct mtls_diag diag = { 0 };
	bool was_out = conn->flight_out;

	int r = tlsio_handshake(&conn->io);
	if (r == -EAGAIN) {
		if (conn->flight_out && !was_out)
			start_timer(conn, sign_budget(conn));
		return;
	}
	if (r < 0) {
		handshake_failed(conn);
		return;
	}
	if (!handshake_good(conn, &diag)) {
		count(conn, COUNTER_BAD_TLS);
		audit(conn, MTLS_REASON_PROTOCOL, diag.text);
		(void)gnutls_alert_send(conn->session, GNUTLS_AL_FATAL,
					GNUTLS_A_NO_APPLICATION_PROTOCOL);
		linger(conn);
		return;
	}
	count(conn, COUNTER_HANDSHAKES);
	conn->handshake_ms = mtls_now_ms() - conn->started_ms;
	request_init(&conn->request, &conn->env->request, &conn->peer, conn->path, conn->audit_id);
	mtls_frame_expect(&conn->frame, MTLS_EXPECT(AUTH_REQUEST));
	enter(conn, CONN_REQUEST);
	read_message(conn); /* it usually came with Finished */
}

/* ------------------------------------------------------------------------------- request */

static void step(struct conn *conn, enum request_step next);

static void fill_query(void *ctx, struct lookup_query *query)
{
	const struct conn *conn = ctx;
	request_query(&conn->request, query);
}

static void on_answer(void *ctx, const struct lookup_answer *answer)
{
	struct conn *conn = ctx;
	step(conn, request_answer(&conn->request, answer));
}

static void look_up(struct conn *conn)
{
	enter(conn, CONN_LOOKUP);
	tlsio_wait_readable(&conn->io); /* to notice that the peer goes away, or talks */
	conn->ticket = (struct lookup_ticket){
		.kind = conn->request.lookup_kind,
		.fill = fill_query,
		.answered = on_answer,
		.ctx = conn,
	};
	lookup_client_ask(conn->env->lookups, &conn->ticket);
}

static void reply(struct conn *conn, enum conn_state state)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = NULL;
	struct mtls_diag diag = { 0 };

	free(conn->out);
	conn->out = NULL;
	conn->out_len = conn->out_done = 0;
	int r = request_reply(&conn->request, &msg);
	if (r >= 0)
		r = mtls_msg_encode(msg, &conn->out, &conn->out_len, &diag);
	if (r < 0) {
		refuse(conn, COUNTER_BAD_BYTES, MTLS_REASON_INTERNAL, mtls_diag_text(&diag, r));
		return;
	}
	/* The record comes first: no verdict without one. */
	if (state == CONN_REPLY)
		audit(conn, conn->request.reason, conn->request.detail.text);
	enter(conn, state);
	send_out(conn);
}

static void step(struct conn *conn, enum request_step next)
{
	switch (next) {
	case REQUEST_LOOKUP:
		look_up(conn);
		return;
	case REQUEST_OFFER:
		reply(conn, CONN_OFFER);
		return;
	case REQUEST_REPLY:
		reply(conn, CONN_REPLY);
		return;
	}
}

static void sent(struct conn *conn)
{
	if (conn->state == CONN_OFFER) {
		mtls_frame_expect(&conn->frame, MTLS_EXPECT(AUTH_CHOICE));
		enter(conn, CONN_CHOICE);
		read_message(conn);
		return;
	}
	(void)tlsio_bye(&conn->io);
	linger(conn);
}

static void send_out(struct conn *conn)
{
	int r = tlsio_send(&conn->io, conn->out, conn->out_len, &conn->out_done);
	if (r == -EAGAIN)
		return;
	if (r < 0)
		refuse(conn, COUNTER_ABANDONED, MTLS_REASON_PROTOCOL,
		       "the peer went away before the verdict");
	else
		sent(conn);
}

static void choice_late(struct conn *conn)
{
	step(conn, request_deny(&conn->request, MTLS_REASON_CHOICE_TIMEOUT, NULL));
}

static void take_message(struct conn *conn, struct mtls_msg *msg)
{
	/* One message is all that may come now; more is not waited for, it is refused. */
	if (mtls_frame_pending(&conn->frame) || tlsio_pending(&conn->io)) {
		mtls_msg_free(msg);
		refuse(conn, COUNTER_BAD_BYTES, MTLS_REASON_BAD_REQUEST,
		       "bytes behind the message");
		return;
	}
	mtls_frame_expect(&conn->frame, 0);
	if (conn->state == CONN_CHOICE) {
		enum request_step next = request_choice(&conn->request, msg);
		mtls_msg_free(msg);
		step(conn, next);
		return;
	}
	step(conn, request_begin(&conn->request, msg, (int64_t)(now_us() / 1000000)));
}

/* True if a whole message is there or the connection has ended; false: more is needed. */
static bool take_bytes(struct conn *conn, const uint8_t *data, size_t len)
{
	struct mtls_diag diag = { 0 };
	struct mtls_msg *msg = NULL;

	int r = mtls_frame_push(&conn->frame, data, len);
	if (r >= 0)
		r = mtls_frame_next(&conn->frame, &msg, &diag);
	if (r == 0)
		return false;
	if (r < 0)
		refuse(conn, COUNTER_BAD_BYTES, MTLS_REASON_BAD_REQUEST, mtls_diag_text(&diag, r));
	else
		take_message(conn, msg);
	return true;
}

static void read_message(struct conn *conn)
{
	uint8_t data[8192];

	for (;;) {
		ssize_t n = tlsio_recv(&conn->io, data, sizeof(data));
		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			refuse(conn, COUNTER_ABANDONED, MTLS_REASON_PROTOCOL,
			       n == 0 ? "the peer closed before its message was complete"
				      : gnutls_strerror(conn->io.code));
			return;
		}
		if (take_bytes(conn, data, (size_t)n))
			return;
	}
}

/* -------------------------------------------------------------------------------- begin */

static int start_session(struct conn *conn)
{
	int r = mtls_tls_session_new(GNUTLS_SERVER | GNUTLS_NONBLOCK, &conn->session, NULL);
	if (r < 0)
		return r;
	r = gnutls_credentials_set(conn->session, GNUTLS_CRD_CERTIFICATE,
				   conn->env->config->credentials);
	if (r < 0)
		return mtls_tls_error(r);
	gnutls_certificate_server_set_request(conn->session, GNUTLS_CERT_REQUIRE);
	gnutls_certificate_send_x509_rdn_sequence(conn->session, 0);
	gnutls_handshake_set_hook_function(conn->session, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_BOTH,
					   on_message);
	gnutls_session_set_ptr(conn->session, conn);
	gnutls_transport_set_int(conn->session, conn->fd);
	return 0;
}

static int make_audit_id(struct conn *conn)
{
	uint8_t random[AUDIT_BYTES];

	if (gnutls_rnd(GNUTLS_RND_NONCE, random, sizeof(random)) < 0)
		return MTLS_E_CRYPTO;
	mtls_hex_encode(random, sizeof(random), conn->audit_id);
	return 0;
}

static int conn_setup(struct conn *conn)
{
	int r = make_audit_id(conn);
	if (r >= 0)
		r = start_session(conn);
	if (r >= 0)
		r = tlsio_init(&conn->io, conn->env->loop, conn->fd, conn->session, on_ready, conn);
	return r;
}

int conn_new(struct conn_env *env, int fd, const struct peer *peer)
{
	struct conn *conn = calloc(1, sizeof(*conn));
	int r = -ENOMEM;

	if (conn) {
		*conn = (struct conn){ .env = env,
				       .fd = fd,
				       .peer = *peer,
				       .chain = MTLS_REASON_INTERNAL,
				       .handshake_ms = -1,
				       .started_ms = mtls_now_ms() };
		r = conn_setup(conn);
	}
	if (r < 0) {
		if (conn && conn->session)
			gnutls_deinit(conn->session);
		free(conn);
		(void)close(fd);
		limits_release(env->limits, peer);
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
	count(conn, COUNTER_ACCEPTED);
	enter(conn, CONN_HANDSHAKE);
	handshake(conn);
	return 0;
}

void conn_close_all(struct conn_env *env)
{
	for (struct conn *conn = env->first; conn; conn = conn->next)
		if (conn->state != CONN_CLOSED && conn->state != CONN_LINGER)
			refuse(conn, COUNTER_ABANDONED, MTLS_REASON_BUSY, "the daemon stops");
		else
			close_now(conn);
}
