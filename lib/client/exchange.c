/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The client's side of one login: connect, handshake, request, perhaps a choice, reply. Blocking,
 * bounded by deadlines; everything belongs to the struct, so any number may run in any threads.
 * The result starts as a refusal, and one line makes it ALLOWED.
 */
#include <config.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gnutls/crypto.h>

#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "lib/client/connect.h"
#include "lib/client/exchange_impl.h"
#include "lib/tls/intake.h"
#include "lib/tls/peer.h"
#include "lib/tls/tls.h"

#define CA_FILE_MAX   (1 << 20)
#define HOST_NAME_LEN 256

enum mtls_reason mtls_exchange_fail(struct mtls_exchange *exchange, enum mtls_reason reason,
				    const char *fmt, ...)
{
	char text[MTLS_DIAG_MAX];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	(void)mtls_diag_set(exchange->diag, 0, "%s", text);
	return reason;
}

static int load_server_ca(struct mtls_exchange *exchange, const char *path, struct mtls_diag *diag)
{
	const struct mtls_file_trust trust = { .owner = geteuid() };
	_cleanup_buf_ struct mtls_buf pem = MTLS_BUF(CA_FILE_MAX);
	struct mtls_diag why = { 0 };

	int err = mtls_file_read(path, &trust, &pem, diag);
	if (err < 0)
		return err;
	err = mtls_peer_trust(exchange->credentials, pem.data, pem.len, &why);
	if (err < 0)
		return mtls_diag_set(diag, err, "server_ca %s: %s", path,
				     mtls_diag_text(&why, err));
	return 0;
}

/* Stops the handshake before our certificate is shown to a stranger. */
static int verify_server(gnutls_session_t session)
{
	struct mtls_exchange *exchange = gnutls_session_get_ptr(session);

	exchange->callback_reason =
		mtls_peer_verify(session, exchange->settings->server_name, exchange->diag);
	exchange->server_verified = exchange->callback_reason == MTLS_REASON_ALLOWED;
	return exchange->server_verified ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

static int see_message(gnutls_session_t session, unsigned int type, unsigned int when,
		       unsigned int incoming, const gnutls_datum_t *body)
{
	struct mtls_exchange *exchange = gnutls_session_get_ptr(session);

	(void)when;
	if (incoming)
		exchange->heard = true;
	if (type == GNUTLS_HANDSHAKE_NEW_SESSION_TICKET)
		exchange->ticket = true;
	if (incoming && type == GNUTLS_HANDSHAKE_CERTIFICATE_PKT &&
	    mtls_tls_certificate_message(body->data, body->size) < 0) {
		exchange->callback_reason =
			mtls_exchange_fail(exchange, MTLS_REASON_SERVER_UNTRUSTED,
					   "the server's certificates are over the limits");
		return GNUTLS_E_CERTIFICATE_ERROR;
	}
	if (incoming && type == GNUTLS_HANDSHAKE_CERTIFICATE_VERIFY) {
		exchange->callback_reason = mtls_peer_bounds(session, exchange->diag);
		if (exchange->callback_reason != MTLS_REASON_ALLOWED)
			return GNUTLS_E_CERTIFICATE_ERROR;
	}
	int err = mtls_transcript_add(&exchange->transcript, type, body->data, body->size);
	if (err == 0)
		return 0;
	exchange->callback_reason = mtls_exchange_fail(exchange, MTLS_REASON_HANDSHAKE,
						       "handshake message: %s", mtls_strerror(err));
	return GNUTLS_E_HANDSHAKE_TOO_LARGE;
}

static int prepare_session(struct mtls_exchange *exchange, struct mtls_diag *diag)
{
	_cleanup_(gnutls_deinitp) gnutls_session_t session = NULL;
	const char *name = exchange->settings->server_name;

	int err = mtls_tls_session_new(GNUTLS_CLIENT | GNUTLS_NONBLOCK, &session, diag);
	if (err < 0)
		return err;
	int rc = gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, exchange->credentials);
	if (rc >= 0)
		rc = gnutls_server_name_set(session, GNUTLS_NAME_DNS, name, strlen(name));
	if (rc < 0)
		return mtls_diag_set(diag, mtls_tls_error(rc), "TLS session for '%s': %s", name,
				     gnutls_strerror(rc));
	gnutls_session_set_ptr(session, exchange);
	gnutls_session_set_verify_function(session, verify_server);
	gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_PRE,
					   see_message);
	exchange->session = MTLS_TAKE(session);
	return 0;
}

static int prepare(struct mtls_exchange *exchange, struct mtls_diag *diag)
{
	const struct mtls_settings_client *settings = exchange->settings;

	if (!settings->server_name || !*settings->server_name)
		return mtls_diag_set(diag, MTLS_E_CONFIG, "server_name is not set");
	if (mtls_strv_count(settings->server_ca) == 0)
		return mtls_diag_set(diag, MTLS_E_CONFIG, "server_ca is not set");
	int err = mtls_tls_credentials_new(&exchange->credentials);
	for (char **path = settings->server_ca; err == 0 && *path; path++)
		err = load_server_ca(exchange, *path, diag);
	if (err < 0)
		return err;
	mtls_exchange_key_use(exchange->credentials);
	return prepare_session(exchange, diag);
}

int mtls_exchange_new(const struct mtls_settings_client *settings, struct mtls_exchange **ret,
		      struct mtls_diag *diag)
{
	_cleanup_(mtls_exchange_freep) struct mtls_exchange *exchange =
		calloc(1, sizeof(*exchange));

	if (!exchange)
		return -ENOMEM;
	exchange->settings = settings;
	exchange->fd = -1;
	int err = prepare(exchange, diag);
	if (err < 0)
		return err;
	*ret = MTLS_TAKE(exchange);
	return 0;
}

/* Ends one run: connection, session, key. */
static void finish_run(struct mtls_exchange *exchange)
{
	if (exchange->session)
		gnutls_deinit(exchange->session);
	exchange->session = NULL;
	mtls_exchange_key_unload(exchange);
	mtls_transcript_done(&exchange->transcript);
	mtls_frame_done(&exchange->frame);
	if (exchange->fd >= 0)
		(void)close(exchange->fd);
	exchange->fd = -1;
	exchange->key = NULL;
	exchange->diag = NULL;
}

void mtls_exchange_free(struct mtls_exchange *exchange)
{
	if (!exchange)
		return;
	finish_run(exchange);
	mtls_exchange_cas_forget(&exchange->cas);
	if (exchange->credentials)
		gnutls_certificate_free_credentials(exchange->credentials);
	free(exchange);
}

static enum mtls_reason key_reason(struct mtls_exchange *exchange, int err)
{
	switch (err) {
	case 0:
		return MTLS_REASON_ALLOWED;
	case MTLS_E_LIMIT:
		return mtls_exchange_fail(exchange, MTLS_REASON_CERT_BOUNDS,
					  "the certificate chain is over the limits");
	case MTLS_E_UNSUPPORTED:
		return mtls_exchange_fail(exchange, MTLS_REASON_KEY_UNUSABLE, "unknown key type");
	default:
		return mtls_exchange_fail(exchange, MTLS_REASON_INTERNAL, "the key: %s",
					  mtls_strerror(err));
	}
}

static enum mtls_reason start_run(struct mtls_exchange *exchange,
				  const struct mtls_exchange_key *key)
{
	struct mtls_diag why = { 0 };

	exchange->key = key;
	exchange->heard = exchange->ticket = exchange->proven = false;
	exchange->server_verified = exchange->complete = false;
	mtls_exchange_cas_forget(&exchange->cas);
	exchange->callback_reason = MTLS_REASON_ALLOWED;
	mtls_transcript_init(&exchange->transcript);
	mtls_frame_init(&exchange->frame, false);
	int err = exchange->session ? 0 : prepare_session(exchange, &why);
	if (err < 0)
		return mtls_exchange_fail(exchange, MTLS_REASON_CONFIG, "%s",
					  mtls_diag_text(&why, err));
	if (gnutls_rnd(GNUTLS_RND_NONCE, exchange->nonce, sizeof(exchange->nonce)) < 0)
		return mtls_exchange_fail(exchange, MTLS_REASON_INTERNAL, "no random numbers");
	return key_reason(exchange, mtls_exchange_key_load(exchange));
}

static enum mtls_reason connect_server(struct mtls_exchange *exchange, uid_t invoker)
{
	const struct mtls_settings_client *settings = exchange->settings;
	struct mtls_diag why = { 0 };

	int err = mtls_client_connect(settings->servers, invoker,
				      mtls_deadline_in_ms(settings->connect_timeout_ms),
				      &exchange->fd, &why);
	if (err == 0)
		return MTLS_REASON_ALLOWED;
	return mtls_exchange_fail(exchange,
				  err == -ETIMEDOUT      ? MTLS_REASON_TIMEOUT
				  : err == MTLS_E_CONFIG ? MTLS_REASON_CONFIG
							 : MTLS_REASON_UNREACHABLE,
				  "%s", mtls_diag_text(&why, err));
}

static int fill_request(const struct mtls_exchange *exchange,
			const struct mtls_exchange_request *request, struct mtls_auth_request *ret)
{
	char host[HOST_NAME_LEN] = "";
	const struct {
		char **field;
		const char *value;
	} texts[] = {
		{ &ret->service, request->service },
		{ &ret->account, request->account },
		{ &ret->tty, request->tty },
		{ &ret->remote_host, request->remote_host },
		{ &ret->remote_user, request->remote_user },
		{ &ret->host_name, host },
	};

	if (gethostname(host, sizeof(host) - 1) < 0)
		host[0] = '\0';
	ret->version = MTLS_PROTOCOL_VERSION;
	ret->uid = request->uid;
	memcpy(ret->nonce, exchange->nonce, sizeof(ret->nonce));
	for (size_t i = 0; i < MTLS_COUNT(texts); i++) {
		const char *value = texts[i].value && *texts[i].value ? texts[i].value : NULL;
		int err = mtls_msg_set_text(texts[i].field, value);
		if (err < 0)
			return err;
	}
	return 0;
}

static enum mtls_reason send_request(struct mtls_exchange *exchange,
				     const struct mtls_exchange_request *request)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = mtls_msg_new(MTLS_MSG_AUTH_REQUEST);

	if (!msg || fill_request(exchange, request, &msg->u.auth_request) < 0)
		return mtls_exchange_fail(exchange, MTLS_REASON_INTERNAL, "out of memory");
	return mtls_exchange_io_send(exchange, msg);
}

/* A reply that belongs to this run, to *@ret_msg; nothing else of it is looked at. */
static enum mtls_reason read_reply(struct mtls_exchange *exchange, struct mtls_msg **ret_msg)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = NULL;

	enum mtls_reason reason = mtls_exchange_io_reply(exchange, &msg);
	if (reason != MTLS_REASON_ALLOWED)
		return reason;
	const struct mtls_auth_reply *reply = &msg->u.auth_reply;
	if (reply->version != MTLS_PROTOCOL_VERSION)
		return mtls_exchange_fail(exchange, MTLS_REASON_VERSION,
					  "the server speaks version %u", reply->version);
	if (gnutls_memcmp(reply->nonce, exchange->nonce, sizeof(exchange->nonce)) != 0)
		return mtls_exchange_fail(exchange, MTLS_REASON_NONCE,
					  "the answer carries another nonce");
	mtls_msg_free(*ret_msg);
	*ret_msg = MTLS_TAKE(msg);
	return MTLS_REASON_ALLOWED;
}

/* Asks the person and tells the server. */
static enum mtls_reason send_choice(struct mtls_exchange *exchange,
				    const struct mtls_auth_reply *offer,
				    mtls_exchange_choose *choose, void *ctx, char **ret_chosen)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = mtls_msg_new(MTLS_MSG_AUTH_CHOICE);

	if (!msg)
		return mtls_exchange_fail(exchange, MTLS_REASON_INTERNAL, "out of memory");
	if (mtls_frame_pending(&exchange->frame))
		return mtls_exchange_fail(exchange, MTLS_REASON_PROTOCOL,
					  "the server did not wait for the choice");
	const int64_t start = mtls_now_ms();
	int index = choose(ctx, offer->candidates, offer->candidate_count);
	exchange->deadline += mtls_now_ms() - start;
	if (index < 0 || (size_t)index >= offer->candidate_count)
		return mtls_exchange_fail(exchange, MTLS_REASON_CHOOSE, "no account was chosen");
	memcpy(msg->u.auth_choice.nonce, exchange->nonce, sizeof(exchange->nonce));
	if (mtls_msg_set_text(&msg->u.auth_choice.account, offer->candidates[index]) < 0)
		return mtls_exchange_fail(exchange, MTLS_REASON_INTERNAL, "out of memory");
	*ret_chosen = strdup(offer->candidates[index]);
	if (!*ret_chosen)
		return mtls_exchange_fail(exchange, MTLS_REASON_INTERNAL, "out of memory");
	return mtls_exchange_io_send(exchange, msg);
}

/* A verdict and its reason must say the same. */
static enum mtls_reason judge(struct mtls_exchange *exchange, const struct mtls_auth_reply *reply,
			      const char *chosen)
{
	if (reply->verdict == MTLS_VERDICT_DENIED && reply->reason != MTLS_REASON_ALLOWED &&
	    reply->reason != MTLS_REASON_CHOOSE)
		return mtls_exchange_fail(exchange, reply->reason, "the server's verdict");
	if (reply->verdict != MTLS_VERDICT_ALLOWED || reply->reason != MTLS_REASON_ALLOWED ||
	    !reply->has_account || !reply->account)
		return mtls_exchange_fail(exchange, MTLS_REASON_PROTOCOL,
					  "verdict and reason of the answer do not fit");
	if (!exchange->proven)
		return mtls_exchange_fail(exchange, MTLS_REASON_PROTOCOL,
					  "the server allowed a key that it did not ask for");
	if (chosen && !mtls_streq(chosen, reply->account))
		return mtls_exchange_fail(exchange, MTLS_REASON_NAME_MISMATCH,
					  "the server allowed another account than was chosen");
	return MTLS_REASON_ALLOWED;
}

/* From the first reply to the last; *@ret_reply is the latest that belongs to this run. */
static enum mtls_reason obtain_verdict(struct mtls_exchange *exchange, mtls_exchange_choose *choose,
				       void *ctx, struct mtls_msg **ret_reply)
{
	_cleanup_free_ char *chosen = NULL;

	enum mtls_reason reason = read_reply(exchange, ret_reply);
	if (reason != MTLS_REASON_ALLOWED)
		return reason;
	if ((*ret_reply)->u.auth_reply.verdict == MTLS_VERDICT_CHOOSE) {
		if (!choose)
			return mtls_exchange_fail(exchange, MTLS_REASON_CHOOSE,
						  "nobody can be asked which account");
		reason = send_choice(exchange, &(*ret_reply)->u.auth_reply, choose, ctx, &chosen);
		if (reason == MTLS_REASON_ALLOWED)
			reason = read_reply(exchange, ret_reply);
		if (reason != MTLS_REASON_ALLOWED)
			return reason;
	}
	enum mtls_reason verdict = judge(exchange, &(*ret_reply)->u.auth_reply, chosen);
	reason = mtls_exchange_io_close(exchange);
	return reason == MTLS_REASON_ALLOWED ? verdict : reason;
}

static enum mtls_reason run(struct mtls_exchange *exchange, const struct mtls_exchange_key *key,
			    const struct mtls_exchange_request *request,
			    mtls_exchange_choose *choose, void *choose_ctx,
			    struct mtls_msg **ret_reply)
{
	/* The same question that GnuTLS asks before it writes the secrets of a session. */
	if (secure_getenv("SSLKEYLOGFILE"))
		return mtls_exchange_fail(exchange, MTLS_REASON_KEYLOG,
					  "SSLKEYLOGFILE is set in the environment");
	enum mtls_reason reason = start_run(exchange, key);
	if (reason == MTLS_REASON_ALLOWED)
		reason = connect_server(exchange, geteuid() == 0 ? request->uid : 0);
	if (reason != MTLS_REASON_ALLOWED)
		return reason;
	exchange->deadline = mtls_deadline_in_ms(exchange->settings->exchange_timeout_ms);
	mtls_exchange_io_attach(exchange);
	reason = mtls_exchange_io_handshake(exchange);
	exchange->complete = reason == MTLS_REASON_ALLOWED;
	if (reason == MTLS_REASON_ALLOWED)
		reason = send_request(exchange, request);
	if (reason == MTLS_REASON_ALLOWED)
		reason = obtain_verdict(exchange, choose, choose_ctx, ret_reply);
	return reason;
}

enum mtls_reason mtls_exchange_run(struct mtls_exchange *exchange,
				   const struct mtls_exchange_key *key,
				   const struct mtls_exchange_request *request,
				   mtls_exchange_choose *choose, void *choose_ctx,
				   struct mtls_msg **ret_reply, struct mtls_diag *diag)
{
	exchange->diag = diag;
	*ret_reply = NULL;
	enum mtls_reason reason = run(exchange, key, request, choose, choose_ctx, ret_reply);
	finish_run(exchange);
	return reason;
}

void mtls_exchange_accepted(const struct mtls_exchange *exchange,
			    struct mtls_exchange_accepted *ret)
{
	static const struct exchange_cas nobody;
	const bool authentic = exchange->server_verified && exchange->complete;

	mtls_exchange_cas_show(authentic ? &exchange->cas : &nobody, ret);
}
