/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lib/client/exchange and connect against servers that behave and servers that do not. The
 * certificates are made when the test runs; the key signs by a callback, as a signer would.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <gnutls/abstract.h>

#include "lib/base/str.h"
#include "lib/client/connect.h"
#include "lib/client/exchange.h"
#include "lib/tls/tls.h"
#include "lib/tls/transcript.h"
#include "lib/wire/invoker.h"
#include "tests/unit/certgen.h"
#include "tests/unit/test_server.h"

#define SERVER_NAME "auth.example.org"
#define SERVER_AUTH .eku = { GNUTLS_KP_TLS_WWW_SERVER }, .dns = SERVER_NAME
#define LOGIN       .eku = { GNUTLS_KP_TLS_WWW_CLIENT }
#define PATIENT_MS  20000
#define HASTY_MS    300
#define HOUR        3600

static char folder[] = "/tmp/mtls-exchange-XXXXXX", socket_path[64], server_url[80], ca_path[64];
static struct certgen *server_ca, *user_ca, *server_cert, *alice;

static void write_ca(const struct certgen *ca)
{
	gnutls_datum_t pem = certgen_pem(ca);
	certgen_write(ca_path, &pem);
	gnutls_free(pem.data);
}

static int set_up(void **state)
{
	(void)state;
	(void)unsetenv("SSLKEYLOGFILE");
	/* A raised SIGPIPE would end the test program. */
	(void)signal(SIGPIPE, SIG_DFL);
	if (!mkdtemp(folder))
		return -1;
	(void)snprintf(socket_path, sizeof(socket_path), "%s/sock", folder);
	(void)snprintf(server_url, sizeof(server_url), "unix:%s", socket_path);
	(void)snprintf(ca_path, sizeof(ca_path), "%s/ca.pem", folder);
	server_ca =
		certgen_new(&(struct certgen_options){ .dn = "CN=Server CA", .ca = true }, NULL);
	user_ca = certgen_new(&(struct certgen_options){ .dn = "CN=User CA", .ca = true }, NULL);
	server_cert = certgen_new(&(struct certgen_options){ SERVER_AUTH }, server_ca);
	alice = certgen_new(&(struct certgen_options){ .dn = "CN=alice", LOGIN }, user_ca);
	write_ca(server_ca);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	certgen_free(server_ca);
	certgen_free(user_ca);
	certgen_free(server_cert);
	certgen_free(alice);
	(void)unlink(socket_path);
	(void)unlink(ca_path);
	return rmdir(folder);
}

/* The key of a certificate, as a signer holds it. */
struct holder {
	struct certgen *cert;
	int refuse;   /* an error instead of a signature */
	int delay_ms; /* what a person takes */
	int asked;
	bool oversize; /* claims more bytes than there is room for */
};

static void sleep_ms(int ms)
{
	const struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000L };
	(void)nanosleep(&pause, NULL);
}

static int sign(void *ctx, enum mtls_sign_scheme scheme, const uint8_t *content, size_t len,
		uint8_t *sig, size_t *sig_len)
{
	struct holder *holder = ctx;
	gnutls_privkey_t key;
	gnutls_datum_t data = { .data = malloc(len), .size = (unsigned int)len }, out = { 0 };

	holder->asked++;
	assert_true(mtls_transcript_is_client_verify(content, len));
	if (holder->delay_ms)
		sleep_ms(holder->delay_ms);
	memcpy(data.data, content, len);
	assert_int_equal(gnutls_privkey_init(&key), 0);
	assert_int_equal(gnutls_privkey_import_x509(key, holder->cert->key, 0), 0);
	assert_int_equal(
		gnutls_privkey_sign_data2(key, mtls_tls_sign_algorithm(scheme), 0, &data, &out), 0);
	assert_true(out.size <= *sig_len);
	memcpy(sig, out.data, out.size);
	*sig_len = holder->oversize ? *sig_len + 1 : out.size;
	gnutls_free(out.data);
	gnutls_privkey_deinit(key);
	free(data.data);
	return holder->refuse;
}

static enum mtls_key_type key_type(enum certgen_key key)
{
	switch (key) {
	case CERTGEN_P384:
		return MTLS_KEY_TYPE_ECDSA_P384;
	case CERTGEN_P521:
		return MTLS_KEY_TYPE_ECDSA_P521;
	case CERTGEN_ED25519:
		return MTLS_KEY_TYPE_ED25519;
	case CERTGEN_RSA2048:
		return MTLS_KEY_TYPE_RSA;
	default:
		return MTLS_KEY_TYPE_ECDSA_P256;
	}
}

/* One run; every field that is zero is as it should be. */
struct trial {
	struct server_script script;
	struct certgen *server; /* certificate; NULL: server_cert */
	struct certgen *people; /* the CA that the server takes; NULL: user_ca */
	struct holder holder;   /* .cert NULL: alice */
	enum mtls_key_type type;
	const struct mtls_bytes *chain; /* NULL: alice's certificate alone */
	size_t chain_count;
	const char *account, *tty;
	mtls_exchange_choose *choose;
	uint32_t timeout_ms;
	/* Results. */
	int seen;
	struct mtls_msg *reply;
	struct mtls_diag diag;
	struct mtls_exchange_accepted accepted;
};

static enum mtls_reason attempt(struct trial *trial)
{
	char *servers[] = { server_url, NULL }, *cas[] = { ca_path, NULL };
	char name[] = SERVER_NAME;
	const struct mtls_settings_client settings = {
		.servers = servers,
		.server_ca = cas,
		.server_name = name,
		.connect_timeout_ms = PATIENT_MS,
		.exchange_timeout_ms = trial->timeout_ms ? trial->timeout_ms : PATIENT_MS,
	};
	if (!trial->holder.cert)
		trial->holder.cert = alice;
	const struct mtls_bytes leaf = { .data = trial->holder.cert->der.data,
					 .len = trial->holder.cert->der.size };
	const struct mtls_exchange_key key = {
		.chain = trial->chain ? trial->chain : &leaf,
		.chain_count = trial->chain ? trial->chain_count : 1,
		.key_type = trial->type ? trial->type : MTLS_KEY_TYPE_ECDSA_P256,
		.sign = sign,
		.ctx = &trial->holder,
	};
	const struct mtls_exchange_request request = {
		.service = "login", .uid = 1001, .account = trial->account, .tty = trial->tty
	};
	struct mtls_exchange *exchange = NULL;
	pid_t pid = server_start(socket_path, &trial->script,
				 trial->server ? trial->server : server_cert,
				 trial->people ? trial->people : user_ca);
	assert_int_equal(mtls_exchange_new(&settings, &exchange, &trial->diag), 0);
	enum mtls_reason reason = mtls_exchange_run(exchange, &key, &request, trial->choose, NULL,
						    &trial->reply, &trial->diag);
	mtls_exchange_accepted(exchange, &trial->accepted);
	mtls_exchange_free(exchange);
	/* Where the client refused before it connected, the server must not wait for it. */
	int fd = -1;
	if (mtls_client_connect(servers, 0, mtls_deadline_in_ms(PATIENT_MS), &fd, NULL) == 0)
		(void)close(fd);
	trial->seen = server_wait(pid);
	return reason;
}

static void check(const char *name, struct trial *trial, enum mtls_reason want)
{
	enum mtls_reason got = attempt(trial);
	if (got != want)
		fail_msg("row '%s': %d, want %d: %s", name, got, want, trial->diag.text);
	if (got != MTLS_REASON_ALLOWED && !*trial->diag.text)
		fail_msg("row '%s': no sentence", name);
	if (trial->seen < 0)
		fail_msg("row '%s': the server failed", name);
	mtls_msg_free(trial->reply);
}

static void keys_of_each_type_log_in(void **state)
{
	static const struct {
		const char *name;
		enum certgen_key key;
	} rows[] = {
		{ "P-256", CERTGEN_P256 },       { "P-384", CERTGEN_P384 },
		{ "P-521", CERTGEN_P521 },       { "Ed25519", CERTGEN_ED25519 },
		{ "RSA-2048", CERTGEN_RSA2048 },
	};
	static const struct {
		const char *name, *priority;
		int seen;
	} servers[] = {
		{ "stock", NULL, 0 },
		{ "SHA-384", "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-256-GCM", 0 },
		{ "SHA-256", "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM", 0 },
		{ "hello retry", "NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-SECP256R1",
		  SERVER_SAW_RETRY },
		{ "hello retry, SHA-256",
		  "NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-SECP384R1:-CIPHER-ALL:+AES-128-"
		  "GCM",
		  SERVER_SAW_RETRY },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct certgen *cert = certgen_new(
			&(struct certgen_options){ .dn = "CN=alice", LOGIN, .key = rows[i].key },
			user_ca);
		for (size_t k = 0; k < MTLS_COUNT(servers); k++) {
			char name[64];
			struct trial trial = { .holder = { .cert = cert },
					       .type = key_type(rows[i].key),
					       .script = { .priority = servers[k].priority } };
			(void)snprintf(name, sizeof(name), "%s, %s", rows[i].name, servers[k].name);
			check(name, &trial, MTLS_REASON_ALLOWED);
			assert_int_equal(trial.seen,
					 SERVER_SAW_CERT | SERVER_SAW_REQUEST | servers[k].seen);
			assert_int_equal(trial.holder.asked, 1);
		}
		certgen_free(cert);
	}
}

static void the_reply_is_handed_over(void **state)
{
	struct trial trial = { .account = "bob" };
	(void)state;
	assert_int_equal(attempt(&trial), MTLS_REASON_ALLOWED);
	assert_non_null(trial.reply);
	assert_int_equal(trial.reply->type, MTLS_MSG_AUTH_REPLY);
	assert_string_equal(trial.reply->u.auth_reply.account, "bob");
	assert_int_equal(trial.reply->u.auth_reply.uid, 1001);
	mtls_msg_free(trial.reply);

	/* A refusal's reply too: its audit id is worth a line in the log. */
	trial = (struct trial){ .script = { .act = ACT_DENY, .reason = MTLS_REASON_UNMAPPED } };
	assert_int_equal(attempt(&trial), MTLS_REASON_UNMAPPED);
	assert_non_null(trial.reply);
	assert_string_equal(trial.reply->u.auth_reply.audit_id, "audit-1");
	mtls_msg_free(trial.reply);

	/* But none that is not about this run. */
	trial = (struct trial){ .script = { .act = ACT_NONCE } };
	assert_int_equal(attempt(&trial), MTLS_REASON_NONCE);
	assert_null(trial.reply);
}

static void servers_that_misbehave_are_refused(void **state)
{
	static const struct {
		const char *name;
		struct server_script script;
		enum mtls_reason want;
		uint32_t timeout_ms;
	} rows[] = {
		{ "right", { 0 }, MTLS_REASON_ALLOWED, 0 },
		{ "in pieces", { .act = ACT_PIECES }, MTLS_REASON_ALLOWED, 0 },
		{ "denied",
		  { .act = ACT_DENY, .reason = MTLS_REASON_CERT_EXPIRED },
		  MTLS_REASON_CERT_EXPIRED,
		  0 },
		{ "allowed, rewritten as it was",
		  { .act = ACT_PATCHED, .verdict = MTLS_VERDICT_ALLOWED },
		  MTLS_REASON_ALLOWED,
		  0 },
		{ "allowed with a reason",
		  { .act = ACT_PATCHED,
		    .verdict = MTLS_VERDICT_ALLOWED,
		    .reason = MTLS_REASON_UNMAPPED },
		  MTLS_REASON_PROTOCOL,
		  0 },
		{ "denied as allowed",
		  { .act = ACT_PATCHED, .verdict = MTLS_VERDICT_DENIED },
		  MTLS_REASON_PROTOCOL,
		  0 },
		{ "denied as choose",
		  { .act = ACT_PATCHED,
		    .verdict = MTLS_VERDICT_DENIED,
		    .reason = MTLS_REASON_CHOOSE },
		  MTLS_REASON_PROTOCOL,
		  0 },
		{ "denied with an account",
		  { .act = ACT_PATCHED,
		    .verdict = MTLS_VERDICT_DENIED,
		    .reason = MTLS_REASON_UNMAPPED },
		  MTLS_REASON_UNMAPPED,
		  0 },
		{ "an unknown verdict",
		  { .act = ACT_PATCHED, .verdict = 7 },
		  MTLS_REASON_PROTOCOL,
		  0 },
		{ "another nonce", { .act = ACT_NONCE }, MTLS_REASON_NONCE, 0 },
		{ "another version", { .act = ACT_VERSION }, MTLS_REASON_VERSION, 0 },
		{ "two answers", { .act = ACT_TWO }, MTLS_REASON_PROTOCOL, 0 },
		{ "two answers in one record", { .act = ACT_TWO_IN_ONE }, MTLS_REASON_PROTOCOL, 0 },
		{ "trailing byte", { .act = ACT_TRAILING }, MTLS_REASON_PROTOCOL, 0 },
		{ "oversized", { .act = ACT_OVERSIZED }, MTLS_REASON_PROTOCOL, 0 },
		{ "another type", { .act = ACT_OTHER_TYPE }, MTLS_REASON_PROTOCOL, 0 },
		{ "noise", { .act = ACT_NOISE }, MTLS_REASON_PROTOCOL, 0 },
		{ "cut off", { .act = ACT_CUT }, MTLS_REASON_PROTOCOL, 0 },
		{ "closes", { .act = ACT_CLOSE }, MTLS_REASON_PROTOCOL, 0 },
		{ "silent", { .act = ACT_SILENT }, MTLS_REASON_TIMEOUT, HASTY_MS },
		{ "silent after the handshake",
		  { .act = ACT_SILENT_LATER },
		  MTLS_REASON_TIMEOUT,
		  HASTY_MS },
		{ "closes at once", { .act = ACT_CLOSE_AT_ONCE }, MTLS_REASON_UNREACHABLE, 0 },
		{ "no TLS", { .act = ACT_NOT_TLS }, MTLS_REASON_PROTOCOL, 0 },
		{ "TLS 1.2",
		  { .priority = "NORMAL:-VERS-ALL:+VERS-TLS1.2" },
		  MTLS_REASON_HANDSHAKE,
		  0 },
		{ "no ALPN", { .alpn = "" }, MTLS_REASON_PROTOCOL, 0 },
		{ "another ALPN", { .alpn = "h2" }, MTLS_REASON_PROTOCOL, 0 },
		{ "session ticket", { .tickets = true }, MTLS_REASON_PROTOCOL, 0 },
		{ "asks for no certificate", { .want_no_cert = true }, MTLS_REASON_PROTOCOL, 0 },
		{ "offers a choice to nobody", { .act = ACT_CHOOSE }, MTLS_REASON_CHOOSE, 0 },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct trial trial = { .script = rows[i].script, .timeout_ms = rows[i].timeout_ms };
		const int64_t start = mtls_now_ms();
		check(rows[i].name, &trial, rows[i].want);
		if (rows[i].timeout_ms && mtls_now_ms() - start < HASTY_MS)
			fail_msg("row '%s': too early", rows[i].name);
		if (rows[i].timeout_ms && mtls_now_ms() - start > 10 * HASTY_MS)
			fail_msg("row '%s': too late", rows[i].name);
	}
}

static void alerts_are_translated(void **state)
{
	static const struct {
		int alert;
		enum mtls_reason want;
	} rows[] = {
		{ GNUTLS_A_UNKNOWN_CA, MTLS_REASON_ISSUER_UNTRUSTED },
		{ GNUTLS_A_DECRYPT_ERROR, MTLS_REASON_BAD_SIGNATURE },
		{ GNUTLS_A_CERTIFICATE_REQUIRED, MTLS_REASON_CERT_REQUIRED },
		{ GNUTLS_A_BAD_CERTIFICATE, MTLS_REASON_CERT_BOUNDS },
		{ GNUTLS_A_UNSUPPORTED_CERTIFICATE, MTLS_REASON_KU_WRONG },
		{ GNUTLS_A_CERTIFICATE_UNKNOWN, MTLS_REASON_CERT_REFUSED },
		{ GNUTLS_A_ACCESS_DENIED, MTLS_REASON_CERT_REFUSED },
		{ GNUTLS_A_HANDSHAKE_FAILURE, MTLS_REASON_HANDSHAKE },
		{ GNUTLS_A_INTERNAL_ERROR, MTLS_REASON_HANDSHAKE },
		{ GNUTLS_A_NO_APPLICATION_PROTOCOL, MTLS_REASON_PROTOCOL },
		{ 199, MTLS_REASON_HANDSHAKE },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		char name[32];
		struct trial late = { .script = { .act = ACT_ALERT, .alert = rows[i].alert } };
		(void)snprintf(name, sizeof(name), "alert %d", rows[i].alert);
		check(name, &late, rows[i].want);
		/*
		 * The server has closed before we write a word of our flight: writing fails, and
		 * the alert must be found all the same.
		 */
		struct trial early = { .script = { .act = ACT_ALERT_EARLY, .alert = rows[i].alert },
				       .holder = { .delay_ms = 50 } };
		(void)snprintf(name, sizeof(name), "early alert %d", rows[i].alert);
		check(name, &early, rows[i].want);
		assert_int_equal(early.seen & SERVER_SAW_CERT, 0);
	}
	struct trial gone = { .script = { .act = ACT_CLOSE_MIDDLE }, .holder = { .delay_ms = 50 } };
	check("gone before our flight", &gone, MTLS_REASON_PROTOCOL);
}

/* The server's list is a hint: what is not in it is shown all the same, and said to be refused. */
static void a_refused_issuer_is_explained(void **state)
{
	struct certgen *other = certgen_new(
		&(struct certgen_options){ .dn = "O=Corp,CN=Other CA", .ca = true }, NULL);
	struct certgen *fake = certgen_new(&(struct certgen_options){ SERVER_AUTH }, other);
	struct trial trial = { .people = other, .script = { .alert = GNUTLS_A_UNKNOWN_CA } };
	(void)state;
	check("not in the list", &trial, MTLS_REASON_ISSUER_UNTRUSTED);
	assert_int_equal(trial.seen, SERVER_SAW_OTHER | SERVER_FAILED);
	assert_int_equal(trial.accepted.count, 1);
	assert_string_equal(trial.accepted.labels[0], "Other CA");
	assert_int_equal(trial.accepted.more, 0);

	/* A stranger's words are not passed on, nor those of a handshake that did not end well. */
	struct trial stranger = { .people = other, .server = fake };
	check("a stranger", &stranger, MTLS_REASON_SERVER_UNTRUSTED);
	assert_int_equal(stranger.accepted.count + stranger.accepted.more, 0);
	struct trial unsigned_ = { .holder = { .refuse = MTLS_E_CRYPTO } };
	check("no signature", &unsigned_, MTLS_REASON_SIGNER_FAILED);
	assert_int_equal(unsigned_.accepted.count + unsigned_.accepted.more, 0);
	struct trial nobody = { .script = { .act = ACT_CLOSE_AT_ONCE } };
	check("nobody", &nobody, MTLS_REASON_UNREACHABLE);
	assert_int_equal(nobody.accepted.count + nobody.accepted.more, 0);
	certgen_free(fake);
	certgen_free(other);
}

static void servers_must_be_ours(void **state)
{
	const time_t now = time(NULL);
	struct certgen *other_ca =
		certgen_new(&(struct certgen_options){ .dn = "CN=Server CA", .ca = true }, NULL);
	const struct {
		const char *name;
		struct certgen_options options;
		struct certgen *issuer;
		enum mtls_reason want;
	} rows[] = {
		{ "right", { SERVER_AUTH }, server_ca, MTLS_REASON_ALLOWED },
		{ "another CA", { SERVER_AUTH }, other_ca, MTLS_REASON_SERVER_UNTRUSTED },
		{ "the CA of people", { SERVER_AUTH }, user_ca, MTLS_REASON_SERVER_UNTRUSTED },
		{ "another name",
		  { .eku = { GNUTLS_KP_TLS_WWW_SERVER }, .dns = "www.example.org" },
		  server_ca,
		  MTLS_REASON_SERVER_NAME },
		{ "expired",
		  { SERVER_AUTH, .not_before = now - 9 * HOUR, .not_after = now - HOUR },
		  server_ca,
		  MTLS_REASON_SERVER_EXPIRED },
		{ "not yet",
		  { SERVER_AUTH, .not_before = now + HOUR },
		  server_ca,
		  MTLS_REASON_SERVER_NOT_YET },
		{ "no serverAuth", { .dns = SERVER_NAME }, server_ca, MTLS_REASON_SERVER_PURPOSE },
		{ "a client's",
		  { LOGIN, .dns = SERVER_NAME },
		  server_ca,
		  MTLS_REASON_SERVER_PURPOSE },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct certgen *cert = certgen_new(&rows[i].options, rows[i].issuer);
		struct trial trial = { .server = cert };
		check(rows[i].name, &trial, rows[i].want);
		/* To a stranger nothing is shown, and the key is not used. */
		const bool ours = rows[i].want == MTLS_REASON_ALLOWED;
		assert_int_equal(trial.holder.asked, ours);
		assert_int_equal(trial.seen & SERVER_SAW_CERT, ours ? SERVER_SAW_CERT : 0);
		certgen_free(cert);
	}
	certgen_free(other_ca);
}

/*
 * A server's certificate by @issuer over an RSA key of @bits whose public exponent has
 * @exponent_octets. Nobody holds the private key; who checks a signature by it works all the same.
 */
static struct certgen *costly_certificate(unsigned int bits, unsigned int exponent_octets,
					  struct certgen *issuer)
{
	struct certgen *cert =
		certgen_new(&(struct certgen_options){ SERVER_AUTH, .key = CERTGEN_RSA2048,
						       .ku = GNUTLS_KEY_DIGITAL_SIGNATURE },
			    issuer);
	gnutls_datum_t m = { .data = malloc(bits / 8), .size = bits / 8 };
	gnutls_datum_t e = { .data = malloc(exponent_octets), .size = exponent_octets };
	gnutls_pubkey_t key;

	memset(m.data, 0xa5, m.size);
	memset(e.data, 0x5b, e.size);
	assert_int_equal(gnutls_pubkey_init(&key), 0);
	assert_int_equal(gnutls_pubkey_import_rsa_raw(key, &m, &e), 0);
	assert_int_equal(gnutls_x509_crt_set_pubkey(cert->crt, key), 0);
	assert_int_equal(
		gnutls_x509_crt_sign2(cert->crt, issuer->crt, issuer->key, GNUTLS_DIG_SHA256, 0),
		0);
	gnutls_pubkey_deinit(key);
	free(m.data);
	free(e.data);
	return cert;
}

static int64_t cpu_ms(void)
{
	struct timespec ts;
	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts), 0);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Before the name of the server is known to be ours, it must not make root compute for seconds. */
static void costly_server_keys_are_refused(void **state)
{
	static const struct {
		const char *name;
		unsigned int bits, exponent_octets;
		enum mtls_reason want;
	} rows[] = {
		{ "2,048 bits, forged", 2048, 3, MTLS_REASON_HANDSHAKE },
		{ "8,192 bits, forged", 8192, 3, MTLS_REASON_HANDSHAKE },
		{ "8,192 bits, long exponent", 8192, 1024, MTLS_REASON_SERVER_UNTRUSTED },
		{ "8,200 bits", 8200, 3, MTLS_REASON_SERVER_UNTRUSTED },
		{ "16,384 bits, long exponent", 16384, 2048, MTLS_REASON_SERVER_UNTRUSTED },
		{ "48,000 bits, long exponent", 48000, 6000, MTLS_REASON_SERVER_UNTRUSTED },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct certgen *cert =
			costly_certificate(rows[i].bits, rows[i].exponent_octets, user_ca);
		struct trial trial = { .server = cert, .script = { .forged = true } };
		const int64_t start = cpu_ms();
		check(rows[i].name, &trial, rows[i].want);
		if (cpu_ms() - start > 250)
			fail_msg("row '%s': %lld ms of CPU", rows[i].name,
				 (long long)(cpu_ms() - start));
		assert_int_equal(trial.holder.asked, 0);
		certgen_free(cert);
	}
}

static void keys_that_fail_are_named(void **state)
{
	struct certgen *other = certgen_new(&(struct certgen_options){ LOGIN }, user_ca);
	struct certgen *stranger = certgen_new(&(struct certgen_options){ LOGIN }, server_ca);
	static uint8_t garbage[] = { 0x30, 0x03, 0x02, 0x01, 0x01 };
	static uint8_t big[MTLS_CERT_MAX + 1];
	const struct mtls_bytes others = { .data = other->der.data, .len = other->der.size };
	const struct mtls_bytes no_cert = { .data = garbage, .len = sizeof(garbage) };
	const struct mtls_bytes too_big = { .data = big, .len = sizeof(big) };
	struct mtls_bytes many[MTLS_CHAIN_MAX + 1];
	for (size_t i = 0; i <= MTLS_CHAIN_MAX; i++)
		many[i] = (struct mtls_bytes){ .data = big, .len = 100 };
	struct {
		const char *name;
		struct trial trial;
		enum mtls_reason want;
	} rows[] = {
		{ "another's certificate",
		  { .chain = &others, .chain_count = 1 },
		  MTLS_REASON_BAD_SIGNATURE },
		{ "no certificate at all",
		  { .chain = &no_cert, .chain_count = 1 },
		  MTLS_REASON_CERT_BOUNDS },
		{ "wrong CA", { .holder = { .cert = stranger } }, MTLS_REASON_CERT_BOUNDS },
		{ "signer fails",
		  { .holder = { .refuse = MTLS_E_CRYPTO } },
		  MTLS_REASON_SIGNER_FAILED },
		{ "signer is late",
		  { .holder = { .refuse = -ETIMEDOUT } },
		  MTLS_REASON_SIGNER_TIMEOUT },
		{ "signer claims too much",
		  { .holder = { .oversize = true } },
		  MTLS_REASON_SIGNER_FAILED },
		{ "a person is slow",
		  { .holder = { .delay_ms = 2 * HASTY_MS }, .timeout_ms = HASTY_MS },
		  MTLS_REASON_ALLOWED },
		{ "nine certificates",
		  { .chain = many, .chain_count = MTLS_CHAIN_MAX + 1 },
		  MTLS_REASON_CERT_BOUNDS },
		{ "a large one", { .chain = &too_big, .chain_count = 1 }, MTLS_REASON_CERT_BOUNDS },
		{ "none", { .chain = many, .chain_count = 0 }, MTLS_REASON_CERT_BOUNDS },
		{ "unknown key type", { .type = 99 }, MTLS_REASON_KEY_UNUSABLE },
		{ "a terminal's name that is too long",
		  { .tty = "012345678901234567890123456789012345678901234567890123456789012345678"
			   "9" },
		  MTLS_REASON_BAD_REQUEST },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		bool no_server = rows[i].trial.type == 99 || rows[i].trial.chain == many ||
				 rows[i].trial.chain == &too_big;
		if (no_server)
			rows[i].trial.script.act = ACT_CLOSE_AT_ONCE;
		check(rows[i].name, &rows[i].trial, rows[i].want);
	}
	certgen_free(other);
	certgen_free(stranger);
}

static int chosen_index;

static int choose(void *ctx, char *const *candidates, size_t count)
{
	(void)ctx;
	assert_int_equal(count, 2);
	assert_string_equal(candidates[0], "alice");
	assert_string_equal(candidates[1], "bob");
	sleep_ms(chosen_index < 0 ? 0 : HASTY_MS + 50);
	return chosen_index;
}

static void a_person_chooses(void **state)
{
	static const struct {
		const char *name;
		enum server_act act;
		int index;
		enum mtls_reason want;
	} rows[] = {
		{ "alice", ACT_CHOOSE, 0, MTLS_REASON_ALLOWED },
		{ "bob", ACT_CHOOSE, 1, MTLS_REASON_ALLOWED },
		{ "gives up", ACT_CHOOSE, -1, MTLS_REASON_CHOOSE },
		{ "chooses what was not offered", ACT_CHOOSE, 2, MTLS_REASON_CHOOSE },
		{ "asked again", ACT_CHOOSE_TWICE, 0, MTLS_REASON_PROTOCOL },
		{ "another is allowed", ACT_CHOOSE_OTHER, 0, MTLS_REASON_NAME_MISMATCH },
		{ "not needed", ACT_ALLOW, 0, MTLS_REASON_ALLOWED },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		/* The deadline is shorter than what the person takes. */
		struct trial trial = { .script = { .act = rows[i].act },
				       .choose = choose,
				       .timeout_ms = HASTY_MS };
		chosen_index = rows[i].index;
		enum mtls_reason got = attempt(&trial);
		if (got != rows[i].want)
			fail_msg("row '%s': %d, want %d: %s", rows[i].name, got, rows[i].want,
				 trial.diag.text);
		if (got == MTLS_REASON_ALLOWED)
			assert_string_equal(trial.reply->u.auth_reply.account,
					    rows[i].index ? "bob" : "alice");
		mtls_msg_free(trial.reply);
	}
}

static void key_logs_are_refused(void **state)
{
	struct trial trial = { .script = { .act = ACT_CLOSE_AT_ONCE } };
	char path[80];
	(void)state;
	(void)snprintf(path, sizeof(path), "%s/keys", folder);
	assert_int_equal(setenv("SSLKEYLOGFILE", path, 1), 0);
	/* The server waits for nobody: it must not hold up the test. */
	char *servers[] = { server_url, NULL }, *cas[] = { ca_path, NULL }, name[] = SERVER_NAME;
	const struct mtls_settings_client settings = { .servers = servers,
						       .server_ca = cas,
						       .server_name = name };
	const struct mtls_exchange_key key = { .key_type = MTLS_KEY_TYPE_ECDSA_P256 };
	const struct mtls_exchange_request request = { .service = "login" };
	struct mtls_exchange *exchange = NULL;
	assert_int_equal(mtls_exchange_new(&settings, &exchange, NULL), 0);
	assert_int_equal(
		mtls_exchange_run(exchange, &key, &request, NULL, NULL, &trial.reply, &trial.diag),
		MTLS_REASON_KEYLOG);
	assert_int_equal(access(path, F_OK), -1);
	mtls_exchange_free(exchange);
	assert_int_equal(unsetenv("SSLKEYLOGFILE"), 0);
}

static void set_ups_are_checked(void **state)
{
	char missing[] = "/nonexistent/ca.pem", empty[80], name[] = SERVER_NAME, no_name[] = "";
	char *servers[] = { server_url, NULL };
	char *good[] = { ca_path, NULL }, *none[] = { NULL }, *gone[] = { missing, NULL };
	char *second_empty[] = { ca_path, empty, NULL };
	struct mtls_exchange *exchange = NULL;
	struct mtls_diag diag;
	(void)state;
	(void)snprintf(empty, sizeof(empty), "%s/empty.pem", folder);
	certgen_write(empty, &(gnutls_datum_t){ .data = (unsigned char *)name, .size = 4 });
	const struct {
		const char *what;
		struct mtls_settings_client settings;
		int want;
	} rows[] = {
		{ "right", { .servers = servers, .server_ca = good, .server_name = name }, 0 },
		{ "no name", { .servers = servers, .server_ca = good }, MTLS_E_CONFIG },
		{ "empty name",
		  { .servers = servers, .server_ca = good, .server_name = no_name },
		  MTLS_E_CONFIG },
		{ "no CA",
		  { .servers = servers, .server_ca = none, .server_name = name },
		  MTLS_E_CONFIG },
		{ "missing CA",
		  { .servers = servers, .server_ca = gone, .server_name = name },
		  -ENOENT },
		{ "a file without a certificate",
		  { .servers = servers, .server_ca = second_empty, .server_name = name },
		  MTLS_E_SYNTAX },
	};
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		diag = (struct mtls_diag){ 0 };
		int got = mtls_exchange_new(&rows[i].settings, &exchange, &diag);
		if (got != rows[i].want || (got < 0 && !*diag.text))
			fail_msg("row '%s': %d %s", rows[i].what, got, diag.text);
		if (got == 0)
			mtls_exchange_free(exchange);
	}
	(void)unlink(empty);

	/* Whoever may write the file decides whom we trust. */
	assert_int_equal(chmod(ca_path, 0622), 0);
	assert_int_equal(mtls_exchange_new(&rows[0].settings, &exchange, &diag), MTLS_E_UNTRUSTED);
	assert_int_equal(chmod(ca_path, 0600), 0);
}

static void one_exchange_runs_again(void **state)
{
	char *servers[] = { server_url, NULL }, *cas[] = { ca_path, NULL }, name[] = SERVER_NAME;
	const struct mtls_settings_client settings = { .servers = servers,
						       .server_ca = cas,
						       .server_name = name,
						       .connect_timeout_ms = PATIENT_MS,
						       .exchange_timeout_ms = PATIENT_MS };
	struct holder holder = { .cert = alice };
	const struct mtls_bytes leaf = { .data = alice->der.data, .len = alice->der.size };
	const struct mtls_exchange_key key = { .chain = &leaf,
					       .chain_count = 1,
					       .key_type = MTLS_KEY_TYPE_ECDSA_P256,
					       .sign = sign,
					       .ctx = &holder };
	const struct mtls_exchange_request request = { .service = "login" };
	const struct server_script scripts[] = { { .act = ACT_CLOSE },
						 { .act = ACT_ALLOW },
						 { .act = ACT_ALLOW } };
	const enum mtls_reason want[] = { MTLS_REASON_PROTOCOL, MTLS_REASON_ALLOWED,
					  MTLS_REASON_ALLOWED };
	struct mtls_exchange *exchange = NULL;
	struct mtls_diag diag = { 0 };
	(void)state;
	assert_int_equal(mtls_exchange_new(&settings, &exchange, NULL), 0);
	for (size_t i = 0; i < MTLS_COUNT(scripts); i++) {
		struct mtls_msg *reply = NULL;
		pid_t pid = server_start(socket_path, &scripts[i], server_cert, user_ca);
		enum mtls_reason got =
			mtls_exchange_run(exchange, &key, &request, NULL, NULL, &reply, &diag);
		if (got != want[i])
			fail_msg("run %zu: %d %s", i, got, diag.text);
		mtls_msg_free(reply);
		assert_true(server_wait(pid) >= 0);
	}
	mtls_exchange_free(exchange);
}

static void connections_are_tried_in_order(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	char refused[40], listening[40], absent[90];
	int fd = -1, on = 1;
	(void)state;
	int closed_one = socket(AF_INET, SOCK_STREAM, 0),
	    open_one = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(closed_one, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(closed_one, (struct sockaddr *)&address, &len), 0);
	(void)snprintf(refused, sizeof(refused), "tcp:127.0.0.1:%u", ntohs(address.sin_port));
	address.sin_port = 0;
	assert_int_equal(setsockopt(open_one, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	assert_int_equal(bind(open_one, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(open_one, 4), 0);
	assert_int_equal(getsockname(open_one, (struct sockaddr *)&address, &len), 0);
	(void)snprintf(listening, sizeof(listening), "tcp:127.0.0.1:%u", ntohs(address.sin_port));
	(void)snprintf(absent, sizeof(absent), "unix:%s/absent", folder);

	struct mtls_diag diag = { 0 };
	char *all[] = { absent, refused, listening, NULL };
	assert_int_equal(mtls_client_connect(all, 0, mtls_deadline_in_ms(PATIENT_MS), &fd, &diag),
			 0);
	assert_true(fd > 2);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	(void)close(fd);
	char *bad[] = { absent, refused, NULL };
	assert_int_equal(mtls_client_connect(bad, 0, mtls_deadline_in_ms(PATIENT_MS), &fd, &diag),
			 -ECONNREFUSED);
	assert_non_null(strstr(diag.text, refused));
	char *no_socket[] = { absent, NULL };
	assert_int_equal(
		mtls_client_connect(no_socket, 0, mtls_deadline_in_ms(PATIENT_MS), &fd, &diag),
		-ENOENT);
	(void)close(closed_one);
	(void)close(open_one);
}

/* A daemon on this machine learns from the name of the socket who runs root's program. */
static void the_invoker_is_named(void **state)
{
	static const uid_t uids[] = { 0, 1234 };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char server[256];

	(void)state;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/named", folder);
	(void)snprintf(server, sizeof(server), "unix:%s", address.sun_path);
	int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listening, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listening, 4), 0);
	for (size_t i = 0; i < MTLS_COUNT(uids); i++) {
		char *servers[] = { server, NULL };
		struct sockaddr_storage name = { 0 };
		socklen_t len = sizeof(name);
		int fd = -1;
		assert_int_equal(mtls_client_connect(servers, uids[i],
						     mtls_deadline_in_ms(PATIENT_MS), &fd, NULL),
				 0);
		int peer = accept(listening, (struct sockaddr *)&name, &len);
		assert_true(peer >= 0);
		assert_int_equal(mtls_invoker_uid((struct sockaddr *)&name, len), uids[i]);
		(void)close(peer);
		(void)close(fd);
	}
	(void)close(listening);
	assert_int_equal(unlink(address.sun_path), 0);
}

static void server_names_are_strict(void **state)
{
	static char rows[][48] = {
		"",          "/run/sock",     "unix:relative", "unix:",          "tcp:",
		"tcp::7443", "tcp:host:",     "tcp:host:0",    "tcp:host:65536", "tcp:host:7443x",
		"tcp:[::1",  "tcp:[::1]7443", "tcp:::1",       "http:host",      "UNIX:/x"
	};
	int fd = -1;
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		char *servers[] = { rows[i], NULL };
		if (mtls_client_connect(servers, 0, mtls_deadline_in_ms(100), &fd, NULL) !=
		    MTLS_E_CONFIG)
			fail_msg("row '%s'", rows[i]);
	}
	char *none[] = { NULL };
	assert_int_equal(mtls_client_connect(none, 0, mtls_deadline_in_ms(100), &fd, NULL),
			 MTLS_E_CONFIG);
}

/* A daemon that hangs: its queue is full, and nobody accepts. */
static void full_queues_time_out(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char path[80], url[90];
	char *servers[] = { url, NULL };
	int fd = -1, filler[8];
	size_t filled = 0;
	(void)state;
	(void)snprintf(path, sizeof(path), "%s/full", folder);
	(void)snprintf(url, sizeof(url), "unix:%s", path);
	(void)strcpy(address.sun_path, path);
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 0), 0);
	for (; filled < MTLS_COUNT(filler); filled++) {
		filler[filled] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (connect(filler[filled], (struct sockaddr *)&address, sizeof(address)) < 0)
			break;
	}
	const int64_t start = mtls_now_ms();
	assert_int_equal(mtls_client_connect(servers, 0, mtls_deadline_in_ms(HASTY_MS), &fd, NULL),
			 -ETIMEDOUT);
	assert_true(mtls_now_ms() - start >= HASTY_MS - 20);
	for (size_t i = 0; i <= filled && i < MTLS_COUNT(filler); i++)
		(void)close(filler[i]);
	(void)close(listener);
	(void)unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_of_each_type_log_in),
		cmocka_unit_test(the_reply_is_handed_over),
		cmocka_unit_test(servers_that_misbehave_are_refused),
		cmocka_unit_test(alerts_are_translated),
		cmocka_unit_test(a_refused_issuer_is_explained),
		cmocka_unit_test(servers_must_be_ours),
		cmocka_unit_test(costly_server_keys_are_refused),
		cmocka_unit_test(keys_that_fail_are_named),
		cmocka_unit_test(a_person_chooses),
		cmocka_unit_test(key_logs_are_refused),
		cmocka_unit_test(set_ups_are_checked),
		cmocka_unit_test(one_exchange_runs_again),
		cmocka_unit_test(connections_are_tried_in_order),
		cmocka_unit_test(the_invoker_is_named),
		cmocka_unit_test(server_names_are_strict),
		cmocka_unit_test(full_queues_time_out),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
