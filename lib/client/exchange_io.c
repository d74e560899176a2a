/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes and time of an exchange: GnuTLS on a non-blocking socket, poll(2) until the one deadline,
 * and what every failure on the way means to the person.
 *
 * In TLS 1.3 the client's handshake ends before the server has judged the client's certificate: its
 * refusal is an alert that arrives when we read. While it is on the way our own writing may fail
 * already, since the server has closed. So a broken pipe is no end: the writing side pretends, and
 * the reading side finds the alert, or the end of the stream.
 */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/client/exchange_impl.h"
#include "lib/tls/tls.h"

#define READ_SIZE 4096

enum mtls_reason mtls_exchange_alert_reason(unsigned int alert)
{
	static const struct {
		gnutls_alert_description_t alert;
		enum mtls_reason reason;
	} rows[] = {
		{ GNUTLS_A_UNKNOWN_CA, MTLS_REASON_ISSUER_UNTRUSTED },
		{ GNUTLS_A_DECRYPT_ERROR, MTLS_REASON_BAD_SIGNATURE },
		{ GNUTLS_A_CERTIFICATE_REQUIRED, MTLS_REASON_CERT_REQUIRED },
		{ GNUTLS_A_BAD_CERTIFICATE, MTLS_REASON_CERT_BOUNDS },
		{ GNUTLS_A_UNSUPPORTED_CERTIFICATE, MTLS_REASON_KU_WRONG },
		{ GNUTLS_A_CERTIFICATE_REVOKED, MTLS_REASON_CERT_REFUSED },
		{ GNUTLS_A_CERTIFICATE_EXPIRED, MTLS_REASON_CERT_REFUSED },
		{ GNUTLS_A_CERTIFICATE_UNKNOWN, MTLS_REASON_CERT_REFUSED },
		{ GNUTLS_A_ACCESS_DENIED, MTLS_REASON_CERT_REFUSED },
		{ GNUTLS_A_NO_APPLICATION_PROTOCOL, MTLS_REASON_PROTOCOL },
		{ GNUTLS_A_USER_CANCELED, MTLS_REASON_BUSY }, /* turned away at the door */
		{ GNUTLS_A_UNEXPECTED_MESSAGE, MTLS_REASON_PROTOCOL },
	};
	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		if ((unsigned int)rows[i].alert == alert)
			return rows[i].reason;
	return MTLS_REASON_HANDSHAKE;
}

static ssize_t send_flight(gnutls_transport_ptr_t ptr, const giovec_t *iov, int count)
{
	const struct mtls_exchange *exchange = ptr;
	/* giovec_t is struct iovec where that exists. */
	union {
		const giovec_t *in;
		struct iovec *out;
	} vector = { .in = iov };
	const struct msghdr msg = { .msg_iov = vector.out, .msg_iovlen = (size_t)count };

	ssize_t n = sendmsg(exchange->fd, &msg, MSG_NOSIGNAL);
	if (n >= 0 || (errno != EPIPE && errno != ECONNRESET))
		return n;
	n = 0;
	for (int i = 0; i < count; i++)
		n += (ssize_t)iov[i].iov_len;
	return n;
}

static ssize_t receive(gnutls_transport_ptr_t ptr, void *data, size_t len)
{
	const struct mtls_exchange *exchange = ptr;
	return recv(exchange->fd, data, len, 0);
}

/* GnuTLS asks this only where it would block; we wait ourselves. */
static int can_receive(gnutls_transport_ptr_t ptr, unsigned int timeout_ms)
{
	const struct mtls_exchange *exchange = ptr;
	struct pollfd pfd = { .fd = exchange->fd, .events = POLLIN };
	(void)timeout_ms;
	return poll(&pfd, 1, 0);
}

void mtls_exchange_io_attach(struct mtls_exchange *exchange)
{
	gnutls_transport_set_ptr(exchange->session, exchange);
	gnutls_transport_set_vec_push_function(exchange->session, send_flight);
	gnutls_transport_set_pull_function(exchange->session, receive);
	gnutls_transport_set_pull_timeout_function(exchange->session, can_receive);
}

/* Codes of a peer that does not speak TLS. */
static bool not_tls(int rc)
{
	return rc == GNUTLS_E_UNEXPECTED_PACKET || rc == GNUTLS_E_UNEXPECTED_PACKET_LENGTH ||
	       rc == GNUTLS_E_UNSUPPORTED_VERSION_PACKET || rc == GNUTLS_E_RECORD_OVERFLOW;
}

/* What an end of the stream means depends on how far we came. */
static enum mtls_reason closed(struct mtls_exchange *exchange, bool after_handshake)
{
	if (after_handshake)
		return mtls_exchange_fail(exchange, MTLS_REASON_PROTOCOL,
					  "the server closed the connection without an answer");
	if (exchange->heard)
		return mtls_exchange_fail(exchange, MTLS_REASON_HANDSHAKE,
					  "the server closed the connection in the handshake");
	return mtls_exchange_fail(exchange, MTLS_REASON_UNREACHABLE,
				  "the server closed the connection at once");
}

static enum mtls_reason failure(struct mtls_exchange *exchange, int rc, bool after_handshake)
{
	/* A callback knows better than the code that GnuTLS makes of it. */
	if (exchange->callback_reason != MTLS_REASON_ALLOWED)
		return exchange->callback_reason;
	switch (mtls_tls_error(rc)) {
	case MTLS_E_ALERT: {
		const gnutls_alert_description_t alert = gnutls_alert_get(exchange->session);
		const char *name = gnutls_alert_get_name(alert);
		return mtls_exchange_fail(exchange, mtls_exchange_alert_reason(alert),
					  "the server's alert %d: %s", (int)alert,
					  name ? name : "unknown");
	}
	case MTLS_E_CLOSED:
		return closed(exchange, after_handshake);
	case -ENOMEM:
		return mtls_exchange_fail(exchange, MTLS_REASON_INTERNAL, "out of memory");
	default:
		break;
	}
	return mtls_exchange_fail(exchange,
				  not_tls(rc) || after_handshake ? MTLS_REASON_PROTOCOL
								 : MTLS_REASON_HANDSHAKE,
				  "TLS: %s", gnutls_strerror(rc));
}

/* Until the socket is ready for what GnuTLS wants to do next. */
static enum mtls_reason wait_ready(struct mtls_exchange *exchange)
{
	const short events = gnutls_record_get_direction(exchange->session) ? POLLOUT : POLLIN;

	int err = mtls_wait_fd(exchange->fd, events, exchange->deadline);
	if (err == -ETIMEDOUT)
		return mtls_exchange_fail(exchange, MTLS_REASON_TIMEOUT,
					  "no answer within exchange_timeout");
	if (err < 0)
		return mtls_exchange_fail(exchange, MTLS_REASON_INTERNAL, "poll: %s",
					  mtls_strerror(err));
	return MTLS_REASON_ALLOWED;
}

static bool try_again(int rc)
{
	return rc == GNUTLS_E_AGAIN || rc == GNUTLS_E_INTERRUPTED;
}

enum mtls_reason mtls_exchange_io_handshake(struct mtls_exchange *exchange)
{
	for (;;) {
		int rc = gnutls_handshake(exchange->session);
		if (rc == 0)
			break;
		if (try_again(rc)) {
			enum mtls_reason reason = wait_ready(exchange);
			if (reason != MTLS_REASON_ALLOWED)
				return reason;
			continue;
		}
		if (rc == GNUTLS_E_WARNING_ALERT_RECEIVED || !gnutls_error_is_fatal(rc))
			continue;
		enum mtls_reason reason = failure(exchange, rc, false);
		/* So that the server's log has the cause; whether it arrives is not ours. */
		(void)gnutls_alert_send_appropriate(exchange->session, rc);
		return reason;
	}
	/* A handshake without a server certificate would never have called back. */
	if (!exchange->server_verified)
		return mtls_exchange_fail(exchange, MTLS_REASON_SERVER_UNTRUSTED,
					  "the server showed no certificate");
	struct mtls_diag why = { 0 };
	if (mtls_tls_session_check(exchange->session, &why) < 0)
		return mtls_exchange_fail(exchange, MTLS_REASON_PROTOCOL, "%s", why.text);
	return MTLS_REASON_ALLOWED;
}

enum mtls_reason mtls_exchange_io_send(struct mtls_exchange *exchange, const struct mtls_msg *msg)
{
	_cleanup_free_ uint8_t *der = NULL;
	struct mtls_diag why = { 0 };
	size_t len = 0;

	int err = mtls_msg_encode(msg, &der, &len, &why);
	if (err == -ENOMEM)
		return mtls_exchange_fail(exchange, MTLS_REASON_INTERNAL, "out of memory");
	if (err < 0)
		return mtls_exchange_fail(exchange, MTLS_REASON_BAD_REQUEST, "%s",
					  mtls_diag_text(&why, err));
	for (size_t sent = 0; sent < len;) {
		ssize_t n = gnutls_record_send(exchange->session, der + sent, len - sent);
		if (n > 0) {
			sent += (size_t)n;
			continue;
		}
		if (!try_again((int)n))
			return failure(exchange, (int)n, true);
		enum mtls_reason reason = wait_ready(exchange);
		if (reason != MTLS_REASON_ALLOWED)
			return reason;
	}
	return MTLS_REASON_ALLOWED;
}

/* One step of the frame: ALLOWED with *@ret set if a message is whole, else NULL. */
static enum mtls_reason take_message(struct mtls_exchange *exchange, const uint8_t *data,
				     size_t len, struct mtls_msg **ret)
{
	struct mtls_diag why = { 0 };

	int err = mtls_frame_push(&exchange->frame, data, len);
	if (err == 0)
		err = mtls_frame_next(&exchange->frame, ret, &why);
	if (err >= 0)
		return MTLS_REASON_ALLOWED;
	return mtls_exchange_fail(exchange,
				  err == -ENOMEM ? MTLS_REASON_INTERNAL : MTLS_REASON_PROTOCOL,
				  "the server's answer: %s", mtls_diag_text(&why, err));
}

enum mtls_reason mtls_exchange_io_reply(struct mtls_exchange *exchange, struct mtls_msg **ret)
{
	uint8_t data[READ_SIZE];
	struct mtls_msg *msg = NULL;

	mtls_frame_expect(&exchange->frame, MTLS_EXPECT(AUTH_REPLY));
	while (!msg) {
		ssize_t n = gnutls_record_recv(exchange->session, data, sizeof(data));
		enum mtls_reason reason = MTLS_REASON_ALLOWED;
		if (n > 0)
			reason = take_message(exchange, data, (size_t)n, &msg);
		else if (n == 0)
			reason = closed(exchange, true);
		else if (try_again((int)n))
			reason = wait_ready(exchange);
		else
			reason = failure(exchange, (int)n, true);
		if (reason != MTLS_REASON_ALLOWED)
			return reason;
	}
	*ret = msg;
	return MTLS_REASON_ALLOWED;
}

/* What has arrived is looked at; the server is not waited for, its answer is complete. */
enum mtls_reason mtls_exchange_io_close(struct mtls_exchange *exchange)
{
	uint8_t byte;
	ssize_t n = mtls_frame_pending(&exchange->frame)
			    ? 1
			    : gnutls_record_recv(exchange->session, &byte, sizeof(byte));

	if (n > 0)
		return mtls_exchange_fail(exchange, MTLS_REASON_PROTOCOL,
					  "the server sent more than one answer");
	if (exchange->ticket ||
	    gnutls_session_get_flags(exchange->session) & GNUTLS_SFLAGS_SESSION_TICKET)
		return mtls_exchange_fail(exchange, MTLS_REASON_PROTOCOL,
					  "the server sent a session ticket");
	(void)gnutls_bye(exchange->session, GNUTLS_SHUT_WR);
	return MTLS_REASON_ALLOWED;
}
