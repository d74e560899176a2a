/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a connection does after its handshake: messages in, lookups, replies out. */
#include <config.h>

#include <errno.h>
#include <time.h>

#include "authd/conn_impl.h"
#include "lib/base/clock.h"

static void step(struct conn *conn, enum request_step next);

static void fill_query(void *ctx, struct mtls_lookup_query *query)
{
	const struct conn *conn = ctx;
	request_query(conn->request, query);
}

static void on_answer(void *ctx, const struct mtls_lookup_answer *answer)
{
	struct conn *conn = ctx;
	step(conn, request_answer(conn->request, answer));
}

static enum lookup_line line_of(const struct conn *conn)
{
	bool root = conn->peer.transport == PEER_UNIX && conn->peer.uid == 0;
	return root ? LOOKUP_LINE_ROOT : LOOKUP_LINE_OTHERS;
}

static void look_up(struct conn *conn)
{
	conn_enter(conn, CONN_LOOKUP);
	tlsio_wait_readable(&conn->io); /* to notice that the peer goes away, or talks */
	conn->ticket = (struct lookup_ticket){
		.turn = { .line = line_of(conn), .origin = conn->origin.key },
		.kind = conn->request->lookup_kind,
		.fill = fill_query,
		.answered = on_answer,
		.ctx = conn,
	};
	if (lookup_client_ask(conn->env->lookups, &conn->ticket))
		return;
	const struct mtls_lookup_answer busy = { .status = MTLS_LOOKUP_BUSY };
	step(conn, request_answer(conn->request, &busy));
}

static void reply(struct conn *conn, enum conn_state state)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = NULL;
	struct mtls_diag diag = { 0 };

	free(conn->out);
	conn->out = NULL;
	conn->out_len = conn->out_done = 0;
	int r = request_reply(conn->request, &msg);
	if (r >= 0)
		r = mtls_msg_encode(msg, &conn->out, &conn->out_len, &diag);
	if (r < 0) {
		conn_refuse(conn, COUNTER_BAD_BYTES, MTLS_REASON_INTERNAL,
			    mtls_diag_text(&diag, r));
		return;
	}
	/*
	 * The record comes first: a crash between the two leaves no login without one. A record
	 * that cannot be written is counted and logged; a full disk must not lock everybody out.
	 */
	if (state == CONN_REPLY) {
		conn_audit(conn, conn->request->reason, conn->request->detail.text);
		tlsio_hold(&conn->io);
	}
	conn_enter(conn, state);
	conn_send(conn);
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
		conn_enter(conn, CONN_CHOICE);
		conn_read(conn);
		return;
	}
	(void)tlsio_bye(&conn->io);
	conn_linger(conn);
}

void conn_send(struct conn *conn)
{
	int r = tlsio_send(&conn->io, conn->out, conn->out_len, &conn->out_done);
	if (r == -EAGAIN)
		return;
	if (r < 0)
		conn_refuse(conn, COUNTER_ABANDONED, MTLS_REASON_PROTOCOL,
			    "the peer went away before the verdict");
	else
		sent(conn);
}

void conn_deny(struct conn *conn, enum mtls_reason reason)
{
	step(conn, request_deny(conn->request, reason, NULL));
}

void conn_choice_late(struct conn *conn)
{
	conn_deny(conn, MTLS_REASON_CHOICE_TIMEOUT);
}

static void take_message(struct conn *conn, struct mtls_msg *msg)
{
	/* One message is all that may come now; more is not waited for, it is refused. */
	if (mtls_frame_pending(&conn->frame) || tlsio_pending(&conn->io)) {
		mtls_msg_free(msg);
		conn_refuse(conn, COUNTER_BAD_BYTES, MTLS_REASON_BAD_REQUEST,
			    "bytes behind the message");
		return;
	}
	mtls_frame_expect(&conn->frame, 0);
	if (conn->state == CONN_CHOICE) {
		enum request_step next = request_choice(conn->request, msg);
		mtls_msg_free(msg);
		step(conn, next);
		return;
	}
	step(conn, request_begin(conn->request, msg, (int64_t)time(NULL)));
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
		conn_refuse(conn, COUNTER_BAD_BYTES, MTLS_REASON_BAD_REQUEST,
			    mtls_diag_text(&diag, r));
	else
		take_message(conn, msg);
	return true;
}

void conn_read(struct conn *conn)
{
	uint8_t data[8192];

	for (;;) {
		ssize_t n = tlsio_recv(&conn->io, data, sizeof(data));
		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			conn_refuse(conn, COUNTER_ABANDONED, MTLS_REASON_PROTOCOL,
				    n == 0 ? "the peer closed before its message was complete"
					   : gnutls_strerror(conn->io.code));
			return;
		}
		if (take_bytes(conn, data, (size_t)n))
			return;
	}
}
