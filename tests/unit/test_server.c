/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A TLS server for tests of the client. Built on GnuTLS alone, so that it shares no mistake. */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gnutls/abstract.h>

#include "lib/base/cleanup.h"
#include "lib/tls/tls.h"
#include "tests/unit/test_server.h"

#define PATIENCE_MS 10000

struct server {
	const struct server_script *script;
	gnutls_session_t session;
	gnutls_certificate_credentials_t credentials;
	int fd;
	bool flight_out;
	int seen;
	uint8_t nonce[MTLS_NONCE_LEN];
};

static void die(const char *what)
{
	(void)fprintf(stderr, "test server: %s\n", what);
	_exit(255);
}

static void must(int rc, const char *what)
{
	if (rc < 0)
		die(what);
}

static int verify_client(gnutls_session_t session)
{
	struct server *server = gnutls_session_get_ptr(session);
	unsigned int status = 1;
	if (gnutls_certificate_verify_peers2(session, &status) < 0)
		return GNUTLS_E_CERTIFICATE_ERROR;
	if (status & GNUTLS_CERT_SIGNER_NOT_FOUND)
		server->seen |= SERVER_SAW_OTHER;
	if (status != 0)
		return GNUTLS_E_CERTIFICATE_ERROR;
	server->seen |= SERVER_SAW_CERT;
	return 0;
}

static int watch(gnutls_session_t session, unsigned int type, unsigned int when,
		 unsigned int incoming, const gnutls_datum_t *msg)
{
	struct server *server = gnutls_session_get_ptr(session);
	(void)when;
	(void)msg;
	if (!incoming && type == GNUTLS_HANDSHAKE_HELLO_RETRY_REQUEST)
		server->seen |= SERVER_SAW_RETRY;
	if (!incoming && type == GNUTLS_HANDSHAKE_FINISHED)
		server->flight_out = true;
	return 0;
}

static int forged_info(gnutls_privkey_t key, unsigned int flags, void *ctx)
{
	(void)key;
	(void)ctx;
	if (flags & GNUTLS_PRIVKEY_INFO_PK_ALGO)
		return GNUTLS_PK_RSA;
	if (flags & GNUTLS_PRIVKEY_INFO_PK_ALGO_BITS)
		return 2048;
	return (flags & GNUTLS_PRIVKEY_INFO_HAVE_SIGN_ALGO) &&
	       GNUTLS_FLAGS_TO_SIGN_ALGO(flags) == GNUTLS_SIGN_RSA_PSS_RSAE_SHA256;
}

static int forge(gnutls_privkey_t key, gnutls_sign_algorithm_t algorithm, void *ctx,
		 unsigned int flags, const gnutls_datum_t *data, gnutls_datum_t *signature)
{
	struct certgen *cert = ctx;
	unsigned int bits = 0;

	(void)key;
	(void)algorithm;
	(void)flags;
	(void)data;
	must(gnutls_x509_crt_get_pk_algorithm(cert->crt, &bits), "key size");
	signature->size = bits / 8;
	signature->data = gnutls_malloc(signature->size);
	memset(signature->data, 0x5a, signature->size);
	return 0;
}

static void use_forged_key(struct server *server, struct certgen *cert)
{
	gnutls_pcert_st *pcert = gnutls_calloc(1, sizeof(*pcert));
	gnutls_privkey_t key;

	must(gnutls_pcert_import_x509(pcert, cert->crt, 0), "certificate");
	must(gnutls_privkey_init(&key), "key");
	must(gnutls_privkey_import_ext4(key, cert, forge, forge, NULL, NULL, forged_info, 0),
	     "key");
	gnutls_certificate_set_flags(server->credentials, GNUTLS_CERTIFICATE_SKIP_KEY_CERT_MATCH);
	must(gnutls_certificate_set_key(server->credentials, NULL, 0, pcert, 1, key), "set key");
}

static void use_true_key(struct server *server, struct certgen *cert)
{
	gnutls_datum_t pem = certgen_pem(cert), key = certgen_key_pem(cert);
	must(gnutls_certificate_set_x509_key_mem2(server->credentials, &pem, &key,
						  GNUTLS_X509_FMT_PEM, NULL, 0),
	     "key");
	gnutls_free(pem.data);
	gnutls_free(key.data);
}

static void use_certificate(struct server *server, struct certgen *cert, struct certgen *client_ca)
{
	gnutls_datum_t ca = certgen_pem(client_ca);
	must(gnutls_certificate_allocate_credentials(&server->credentials), "credentials");
	if (server->script->forged)
		use_forged_key(server, cert);
	else
		use_true_key(server, cert);
	must(gnutls_certificate_set_x509_trust_mem(server->credentials, &ca, GNUTLS_X509_FMT_PEM),
	     "CA");
	gnutls_free(ca.data);
}

static void offer_alpn(struct server *server)
{
	const char *alpn = server->script->alpn ? server->script->alpn : MTLS_ALPN;
	char *copy = strdup(alpn);
	gnutls_datum_t name = { .data = (unsigned char *)copy, .size = (unsigned int)strlen(alpn) };
	if (*alpn)
		must(gnutls_alpn_set_protocols(server->session, &name, 1, 0), "ALPN");
	free(copy);
}

static void prepare(struct server *server, struct certgen *cert, struct certgen *client_ca)
{
	const struct server_script *script = server->script;
	const char *priority =
		script->priority ? script->priority : "NORMAL:-VERS-ALL:+VERS-TLS1.3";
	unsigned int flags = GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL;

	use_certificate(server, cert, client_ca);
	must(gnutls_init(&server->session, script->tickets ? flags : flags | GNUTLS_NO_TICKETS),
	     "session");
	must(gnutls_priority_set_direct(server->session, priority, NULL), "priority");
	must(gnutls_credentials_set(server->session, GNUTLS_CRD_CERTIFICATE, server->credentials),
	     "set credentials");
	gnutls_session_set_ptr(server->session, server);
	gnutls_certificate_server_set_request(
		server->session, script->want_no_cert ? GNUTLS_CERT_IGNORE : GNUTLS_CERT_REQUIRE);
	gnutls_session_set_verify_function(server->session, verify_client);
	gnutls_handshake_set_hook_function(server->session, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_BOTH,
					   watch);
	if (script->tickets) {
		gnutls_datum_t key;
		must(gnutls_session_ticket_key_generate(&key), "ticket key");
		must(gnutls_session_ticket_enable_server(server->session, &key), "tickets");
		gnutls_free(key.data);
	}
	offer_alpn(server);
	gnutls_transport_set_int(server->session, server->fd);
}

static void wait_input(const struct server *server)
{
	struct pollfd pfd = { .fd = server->fd, .events = POLLIN };
	if (poll(&pfd, 1, PATIENCE_MS) == 0)
		die("the client is silent");
}

static bool shake_hands(struct server *server)
{
	const enum server_act act = server->script->act;
	for (;;) {
		int rc = gnutls_handshake(server->session);
		if (rc == 0)
			return true;
		if (rc != GNUTLS_E_AGAIN && rc != GNUTLS_E_INTERRUPTED) {
			if ((server->seen & SERVER_SAW_OTHER) && server->script->alert)
				(void)gnutls_alert_send(
					server->session, GNUTLS_AL_FATAL,
					(gnutls_alert_description_t)server->script->alert);
			else
				(void)gnutls_alert_send_appropriate(server->session, rc);
			server->seen |= SERVER_FAILED;
			return false;
		}
		if (server->flight_out && act == ACT_ALERT_EARLY)
			(void)gnutls_alert_send(server->session, GNUTLS_AL_FATAL,
						(gnutls_alert_description_t)server->script->alert);
		if (server->flight_out && (act == ACT_ALERT_EARLY || act == ACT_CLOSE_MIDDLE))
			return false;
		wait_input(server);
	}
}

/* The next message, 0 at the end of the stream or after an alert. */
static struct mtls_msg *receive(struct server *server)
{
	uint8_t data[8192];
	struct mtls_msg *msg = NULL;
	ssize_t n;
	while ((n = gnutls_record_recv(server->session, data, sizeof(data))) == GNUTLS_E_AGAIN ||
	       n == GNUTLS_E_INTERRUPTED)
		wait_input(server);
	if (n <= 0 || mtls_msg_decode(data, (size_t)n, &msg, NULL) < 0)
		return NULL;
	return msg;
}

static void send_bytes(struct server *server, const void *data, size_t len)
{
	ssize_t n;
	while ((n = gnutls_record_send(server->session, data, len)) == GNUTLS_E_AGAIN)
		;
	if (n != (ssize_t)len)
		die("send");
}

static void set_text(char **field, const char *text)
{
	must(mtls_msg_set_text(field, text), "memory");
}

/* The answer to @server's request; @account NULL: an offer of two. */
static uint8_t *make_reply(struct server *server, const char *account, size_t *ret_len)
{
	const struct server_script *script = server->script;
	struct mtls_msg *msg = mtls_msg_new(MTLS_MSG_AUTH_REPLY);
	struct mtls_auth_reply *reply = &msg->u.auth_reply;
	uint8_t *der = NULL;
	struct mtls_diag diag = { 0 };

	reply->version = script->act == ACT_VERSION ? 2 : MTLS_PROTOCOL_VERSION;
	memcpy(reply->nonce, server->nonce, sizeof(reply->nonce));
	reply->nonce[MTLS_NONCE_LEN - 1] ^= script->act == ACT_NONCE;
	set_text(&reply->audit_id, "audit-1");
	if (!account) {
		reply->verdict = MTLS_VERDICT_CHOOSE;
		reply->reason = MTLS_REASON_CHOOSE;
		set_text(&reply->candidates[0], "alice");
		set_text(&reply->candidates[1], "bob");
		reply->candidate_count = 2;
	} else if (script->act == ACT_DENY) {
		reply->verdict = MTLS_VERDICT_DENIED;
		reply->reason = script->reason;
	} else {
		reply->verdict = MTLS_VERDICT_ALLOWED;
		reply->has_account = true;
		set_text(&reply->account, account);
		reply->uid = reply->gid = 1001;
	}
	if (mtls_msg_encode(msg, &der, ret_len, &diag) < 0)
		die(diag.text);
	mtls_msg_free(msg);
	if (script->act == ACT_PATCHED) {
		/* Behind the nonce stand two elements of one octet: verdict and reason. */
		uint8_t *at = memmem(der, *ret_len, server->nonce, MTLS_NONCE_LEN);
		if (!at || at[MTLS_NONCE_LEN + 1] != 1 || at[MTLS_NONCE_LEN + 4] != 1)
			die("the answer has another form");
		at[MTLS_NONCE_LEN + 2] = (uint8_t)script->verdict;
		at[MTLS_NONCE_LEN + 5] = (uint8_t)script->reason;
	}
	return der;
}

static uint8_t held[65536];
static size_t held_len;

static ssize_t hold(gnutls_transport_ptr_t ptr, const void *data, size_t len)
{
	(void)ptr;
	if (len > sizeof(held) - held_len)
		die("too much to hold");
	memcpy(held + held_len, data, len);
	held_len += len;
	return (ssize_t)len;
}

/* Two records in one write: the second is there when the first is read. */
static void send_two(struct server *server, const uint8_t *der, size_t len)
{
	gnutls_transport_set_push_function(server->session, hold);
	send_bytes(server, der, len);
	send_bytes(server, der, len);
	if (send(server->fd, held, held_len, MSG_NOSIGNAL) != (ssize_t)held_len)
		die("send");
}

static void send_reply(struct server *server, const char *account)
{
	size_t len;
	uint8_t *der = make_reply(server, account, &len);
	uint8_t *both = calloc(2, len + 1);

	memcpy(both, der, len);
	switch (server->script->act) {
	case ACT_TWO:
		send_two(server, der, len);
		break;
	case ACT_TWO_IN_ONE:
		memcpy(both + len, der, len);
		send_bytes(server, both, 2 * len);
		break;
	case ACT_TRAILING:
		send_bytes(server, both, len + 1);
		break;
	case ACT_PIECES:
		for (size_t i = 0; i < len; i++)
			send_bytes(server, both + i, 1);
		break;
	case ACT_CUT:
		send_bytes(server, both, len / 2);
		break;
	default:
		send_bytes(server, both, len);
		break;
	}
	free(both);
	free(der);
}

static void offer_choice(struct server *server)
{
	const enum server_act act = server->script->act;
	const char *allowed = "alice";

	send_reply(server, NULL);
	if (act != ACT_CHOOSE_EARLY) {
		struct mtls_msg *choice = receive(server);
		if (!choice)
			return;
		if (choice->type != MTLS_MSG_AUTH_CHOICE ||
		    memcmp(choice->u.auth_choice.nonce, server->nonce, MTLS_NONCE_LEN) != 0)
			die("that is no choice");
		const bool alice = strcmp(choice->u.auth_choice.account, "alice") == 0;
		allowed = alice != (act == ACT_CHOOSE_OTHER) ? "alice" : "bob";
		mtls_msg_free(choice);
	}
	send_reply(server, act == ACT_CHOOSE_TWICE ? NULL : allowed);
}

static void answer(struct server *server)
{
	static const uint8_t oversized[] = { 0x62, 0x83, 0x01, 0x00, 0x00 };
	struct mtls_msg *request = receive(server);
	const struct server_script *script = server->script;

	if (!request || request->type != MTLS_MSG_AUTH_REQUEST)
		return;
	server->seen |= SERVER_SAW_REQUEST;
	memcpy(server->nonce, request->u.auth_request.nonce, MTLS_NONCE_LEN);
	const char *account = request->u.auth_request.account;
	switch (script->act) {
	case ACT_CHOOSE:
	case ACT_CHOOSE_TWICE:
	case ACT_CHOOSE_OTHER:
	case ACT_CHOOSE_EARLY:
		offer_choice(server);
		break;
	case ACT_OVERSIZED:
		send_bytes(server, oversized, sizeof(oversized));
		break;
	case ACT_OTHER_TYPE: {
		uint8_t *der = NULL;
		size_t len;
		must(mtls_msg_encode(request, &der, &len, NULL), "encode");
		send_bytes(server, der, len);
		free(der);
		break;
	}
	case ACT_NOISE:
		send_bytes(server, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
		break;
	case ACT_CLOSE:
		break;
	case ACT_SILENT_LATER:
		mtls_msg_free(receive(server));
		break;
	case ACT_ALERT:
		(void)gnutls_alert_send(server->session, GNUTLS_AL_FATAL,
					(gnutls_alert_description_t)script->alert);
		break;
	default:
		send_reply(server, account ? account : "alice");
		break;
	}
	mtls_msg_free(request);
}

/* Until the client has gone. */
static void wait_end(const struct server *server)
{
	char byte;
	do {
		wait_input(server);
	} while (recv(server->fd, &byte, 1, MSG_DONTWAIT) > 0);
}

static void serve(struct server *server, struct certgen *cert, struct certgen *client_ca)
{
	static const char greeting[] = "220 mail.example.org ESMTP ready\r\n";

	switch (server->script->act) {
	case ACT_CLOSE_AT_ONCE:
		return;
	case ACT_SILENT:
		wait_end(server);
		return;
	case ACT_NOT_TLS:
		(void)send(server->fd, greeting, sizeof(greeting) - 1, MSG_NOSIGNAL);
		wait_end(server);
		return;
	default:
		break;
	}
	prepare(server, cert, client_ca);
	if (!shake_hands(server))
		return;
	answer(server);
	(void)gnutls_bye(server->session, GNUTLS_SHUT_WR);
}

static int listen_on(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
		abort();
	strcpy(address.sun_path, path);
	(void)unlink(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 4) < 0)
		abort();
	return fd;
}

pid_t server_start(const char *path, const struct server_script *script, struct certgen *cert,
		   struct certgen *client_ca)
{
	int listener = listen_on(path);
	(void)fflush(NULL);
	pid_t pid = fork();
	if (pid < 0)
		abort();
	if (pid > 0) {
		(void)close(listener);
		return pid;
	}
	struct pollfd pfd = { .fd = listener, .events = POLLIN };
	struct server server = { .script = script, .fd = -1 };
	/* Nobody may come: some clients refuse before they connect. */
	if (poll(&pfd, 1, PATIENCE_MS) == 1)
		server.fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (server.fd >= 0)
		serve(&server, cert, client_ca);
	(void)close(server.fd);
	_exit(server.seen);
}

int server_wait(pid_t pid)
{
	int status;
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) == 255)
		return -1;
	return WEXITSTATUS(status);
}
