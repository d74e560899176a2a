/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The handshake of a connection. GnuTLS shows every message to on_message() before and after it
 * deals with it; the chain is judged there, before CertificateVerify is computed.
 */
#include <config.h>

#include <errno.h>
#include <sys/socket.h>

#include <gnutls/crypto.h>

#include "authd/chain.h"
#include "authd/conn_impl.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/tls/intake.h"
#include "lib/tls/tls.h"

/*
 * The human budget: the person may have to touch a key. Only once we have said all of ours. On unix
 * sockets it is the same for everybody: in front of a screen locker is a person, too, and the
 * places that a uid can hold so long are counted.
 */
static uint32_t sign_budget(const struct conn *conn)
{
	const struct mtls_settings_authd *settings = conn->env->config->settings;

	return conn->peer.transport == PEER_UNIX ? settings->sign_timeout_ms
						 : settings->tcp_sign_timeout_ms;
}

/* Where the verdict on the chain is explained; NULL without memory. */
static struct mtls_diag *chain_diag(struct conn *conn)
{
	if (!conn->chain_diag)
		conn->chain_diag = calloc(1, sizeof(*conn->chain_diag));
	return conn->chain_diag;
}

/* Before GnuTLS decodes the certificates. */
static int bound_certificates(struct conn *conn, const gnutls_datum_t *msg)
{
	int r = mtls_tls_certificate_message(msg->data, msg->size);
	if (r == 0)
		return 0;
	conn->chain = r == MTLS_E_LIMIT ? MTLS_REASON_CERT_BOUNDS : MTLS_REASON_CERT_REFUSED;
	(void)mtls_diag_set(chain_diag(conn), r, "the certificates as sent: %s", mtls_strerror(r));
	return GNUTLS_E_CERTIFICATE_ERROR;
}

/* Our flight is out. This happens once, so that no bytes of the client start the budget again. */
static void await_signature(struct conn *conn)
{
	if (conn->state != CONN_HANDSHAKE)
		return;
	conn_advance(conn, CONN_SIGN);
	conn_timer(conn, sign_budget(conn));
}

/* Sees every handshake message before and after GnuTLS deals with it. */
static int on_message(gnutls_session_t session, unsigned int type, unsigned int when,
		      unsigned int incoming, const gnutls_datum_t *msg)
{
	struct conn *conn = gnutls_session_get_ptr(session);

	if (incoming)
		conn->heard = true;
	else if (type == GNUTLS_HANDSHAKE_FINISHED && when == GNUTLS_HOOK_POST)
		await_signature(conn);
	if (incoming && type == GNUTLS_HANDSHAKE_CERTIFICATE_PKT && when == GNUTLS_HOOK_PRE)
		return bound_certificates(conn, msg);
	if (!incoming || type != GNUTLS_HANDSHAKE_CERTIFICATE_VERIFY || when != GNUTLS_HOOK_PRE)
		return 0;
	/* One comes in a handshake; GnuTLS shows us what comes behind it before it refuses that. */
	if (conn->state != CONN_SIGN || conn->path)
		return GNUTLS_E_UNEXPECTED_PACKET;
	conn->chain = chain_judge(session, conn->env->config->anchors, &conn->env->config->bounds,
				  conn->env->memo, &conn->path, chain_diag(conn));
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

/*
 * Who shows somebody else's chain and cannot sign waits as long for the refusal as without a memo:
 * else the time would tell strangers whose certificates were used here lately.
 */
static void judge_after_all(const struct conn *conn)
{
	const struct configuration *config = conn->env->config;
	_cleanup_(mtls_path_freep) struct mtls_path *again = NULL;

	if (conn->path && conn->path->quicker)
		(void)chain_judge(conn->session, config->anchors, &config->bounds, NULL, &again,
				  NULL);
}

static void handshake_failed(struct conn *conn)
{
	bool ours = conn->chain != MTLS_REASON_ALLOWED && conn->chain != MTLS_REASON_INTERNAL;
	enum mtls_reason reason = ours ? conn->chain : chain_reason_of(conn->io.code);
	const char *detail = ours && conn->chain_diag && conn->chain_diag->text[0]
				     ? conn->chain_diag->text
				     : gnutls_strerror(conn->io.code);

	if (!conn->heard && mtls_tls_error(conn->io.code) == MTLS_E_CLOSED) {
		conn_count(conn, COUNTER_SILENT);
		conn_close(conn);
		return;
	}
	judge_after_all(conn);
	conn_count(conn, COUNTER_BAD_TLS);
	conn_audit(conn, reason, detail);
	if (conn->io.code != GNUTLS_E_FATAL_ALERT_RECEIVED)
		(void)gnutls_alert_send(conn->session, GNUTLS_AL_FATAL,
					chain_alert(reason, conn->io.code));
	conn_linger(conn);
}

/* Now that the peer has proved to hold the key: before, anybody could fill the memo. */
static void remember(struct conn *conn)
{
	if (!conn->env->memo)
		return;
	conn_count(conn, conn->path->remembered ? COUNTER_MEMO_HIT : COUNTER_MEMO_MISS);
	mtls_memo_remember(conn->env->memo, conn->path);
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

void conn_handshake(struct conn *conn)
{
	struct mtls_diag diag = { 0 };

	int r = tlsio_handshake(&conn->io);
	if (r == -EAGAIN)
		return;
	if (r < 0) {
		handshake_failed(conn);
		return;
	}
	if (!handshake_good(conn, &diag)) {
		conn_count(conn, COUNTER_BAD_TLS);
		conn_audit(conn, MTLS_REASON_PROTOCOL, diag.text);
		(void)gnutls_alert_send(conn->session, GNUTLS_AL_FATAL,
					GNUTLS_A_NO_APPLICATION_PROTOCOL);
		conn_linger(conn);
		return;
	}
	conn_count(conn, COUNTER_HANDSHAKES);
	remember(conn);
	conn->finished_us = mtls_now_us();
	counters_observe(conn->env->counters, COUNTER_DURATION_HANDSHAKE,
			 conn->finished_us - conn->started_us);
	conn->request = calloc(1, sizeof(*conn->request));
	if (!conn->request) {
		conn_refuse(conn, COUNTER_ABANDONED, MTLS_REASON_INTERNAL, "out of memory");
		return;
	}
	request_init(conn->request, &conn->env->request, &conn->peer, conn->path, conn->audit_id);
	conn_gate(conn);
	mtls_frame_expect(&conn->frame, MTLS_EXPECT(AUTH_REQUEST));
	conn_enter(conn, CONN_REQUEST);
	conn_read(conn); /* it usually came with Finished */
}

static int make_audit_id(struct conn *conn)
{
	uint8_t random[CONN_AUDIT_BYTES];

	if (gnutls_rnd(GNUTLS_RND_NONCE, random, sizeof(random)) < 0)
		return MTLS_E_CRYPTO;
	mtls_hex_encode(random, sizeof(random), conn->audit_id);
	return 0;
}

static int start_session(struct conn *conn)
{
	int r = make_audit_id(conn);
	if (r < 0)
		return r;
	r = mtls_tls_session_new(GNUTLS_SERVER | GNUTLS_NONBLOCK, &conn->session, NULL);
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
	tlsio_attach(&conn->io, conn->session);
	return 0;
}

/* A session costs more than all else of a connection: only who says something gets one. */
void conn_hear(struct conn *conn)
{
	uint8_t byte;
	ssize_t n = recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		tlsio_wait_readable(&conn->io);
		return;
	}
	if (n <= 0) {
		conn_count(conn, COUNTER_SILENT);
		conn_close(conn);
		return;
	}
	int r = start_session(conn);
	if (r < 0) {
		conn_refuse(conn, COUNTER_ABANDONED, MTLS_REASON_INTERNAL, mtls_strerror(r));
		return;
	}
	conn_advance(conn, CONN_HANDSHAKE);
	conn_handshake(conn);
}
