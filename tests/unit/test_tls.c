/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lib/tls: sessions and the server's identity, by handshakes in one process over a socket pair.
 * Each row starts from the set-up that passes and changes one thing.
 */
#include <config.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <gnutls/abstract.h>
#include <gnutls/x509.h>

#include "lib/tls/intake.h"
#include "lib/tls/peer.h"
#include "lib/tls/tls.h"
#include "tests/unit/certgen.h"

#define HOUR 3600

struct pair {
	gnutls_session_t client, server;
	gnutls_certificate_credentials_t client_credentials, server_credentials;
	int fds[2];
	const char *name;
	enum mtls_reason reason;
	struct mtls_diag diag;
};

static struct certgen *ca, *other_ca;

static int make_cas(void **state)
{
	(void)state;
	ca = certgen_new(&(struct certgen_options){ .dn = "CN=Server CA", .ca = true }, NULL);
	other_ca = certgen_new(&(struct certgen_options){ .dn = "CN=Server CA", .ca = true }, NULL);
	return 0;
}

static int free_cas(void **state)
{
	(void)state;
	certgen_free(ca);
	certgen_free(other_ca);
	return 0;
}

static int verify_server(gnutls_session_t session)
{
	struct pair *pair = gnutls_session_get_ptr(session);
	pair->reason = mtls_peer_verify(session, pair->name, &pair->diag);
	return pair->reason == MTLS_REASON_ALLOWED ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

static void use_cert(gnutls_certificate_credentials_t credentials, const struct certgen *cert)
{
	gnutls_privkey_t key;
	gnutls_pcert_st *pcert = gnutls_calloc(1, sizeof(*pcert));
	assert_non_null(pcert);
	assert_int_equal(gnutls_privkey_init(&key), 0);
	assert_int_equal(gnutls_privkey_import_x509(key, cert->key, GNUTLS_PRIVKEY_IMPORT_COPY), 0);
	assert_int_equal(gnutls_pcert_import_x509(pcert, cert->crt, 0), 0);
	assert_int_equal(gnutls_certificate_set_key(credentials, NULL, 0, pcert, 1, key), 0);
	gnutls_free(pcert);
}

static void pair_init(struct pair *pair, const struct certgen *server_cert)
{
	memset(pair, 0, sizeof(*pair));
	pair->name = "auth.example.org";
	pair->reason = MTLS_REASON_INTERNAL;
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair->fds), 0);
	assert_int_equal(mtls_tls_credentials_new(&pair->client_credentials), 0);
	assert_int_equal(mtls_tls_credentials_new(&pair->server_credentials), 0);
	gnutls_datum_t pem = certgen_pem(ca);
	assert_int_equal(mtls_peer_trust(pair->client_credentials, pem.data, pem.size, NULL), 1);
	gnutls_free(pem.data);
	use_cert(pair->server_credentials, server_cert);
	gnutls_certificate_set_verify_function(pair->client_credentials, verify_server);

	assert_int_equal(mtls_tls_session_new(GNUTLS_CLIENT | GNUTLS_NONBLOCK, &pair->client, NULL),
			 0);
	assert_int_equal(mtls_tls_session_new(GNUTLS_SERVER | GNUTLS_NONBLOCK, &pair->server, NULL),
			 0);
	gnutls_session_set_ptr(pair->client, pair);
	assert_int_equal(gnutls_credentials_set(pair->client, GNUTLS_CRD_CERTIFICATE,
						pair->client_credentials),
			 0);
	assert_int_equal(gnutls_credentials_set(pair->server, GNUTLS_CRD_CERTIFICATE,
						pair->server_credentials),
			 0);
	gnutls_transport_set_int(pair->client, pair->fds[0]);
	gnutls_transport_set_int(pair->server, pair->fds[1]);
}

static void pair_done(struct pair *pair)
{
	gnutls_deinit(pair->client);
	gnutls_deinit(pair->server);
	gnutls_certificate_free_credentials(pair->client_credentials);
	gnutls_certificate_free_credentials(pair->server_credentials);
	(void)close(pair->fds[0]);
	(void)close(pair->fds[1]);
}

/* Both sides in turn. Ends when both are done, or one failed. */
static int handshake(struct pair *pair, int *ret_server)
{
	int client = GNUTLS_E_AGAIN, server = GNUTLS_E_AGAIN;
	for (int i = 0; i < 50; i++) {
		if (client == GNUTLS_E_AGAIN)
			client = gnutls_handshake(pair->client);
		if (client < 0 && client != GNUTLS_E_AGAIN) {
			(void)gnutls_alert_send_appropriate(pair->client, client);
			(void)shutdown(pair->fds[0], SHUT_WR);
		}
		if (server == GNUTLS_E_AGAIN)
			server = gnutls_handshake(pair->server);
		if (server < 0 && server != GNUTLS_E_AGAIN)
			(void)gnutls_alert_send_appropriate(pair->server, server);
		if (client != GNUTLS_E_AGAIN && server != GNUTLS_E_AGAIN)
			break;
	}
	if (ret_server)
		*ret_server = server;
	return client;
}

struct server_row {
	const char *name;
	struct certgen_options options;
	struct certgen **issuer; /* NULL: self-signed */
	const char *server_name; /* NULL: auth.example.org */
	enum mtls_reason want;
};

#define SERVER_AUTH .eku = { GNUTLS_KP_TLS_WWW_SERVER }
#define NAME        .dns = "auth.example.org"

static void check_server(const struct server_row *row)
{
	struct certgen *cert = certgen_new(&row->options, row->issuer ? *row->issuer : NULL);
	struct pair pair;
	pair_init(&pair, cert);
	if (row->server_name)
		pair.name = row->server_name;
	int rc = handshake(&pair, NULL);
	if (pair.reason != row->want || (rc == 0) != (row->want == MTLS_REASON_ALLOWED))
		fail_msg("row '%s': reason %d, want %d, rc %d: %s", row->name, pair.reason,
			 row->want, rc, pair.diag.text);
	if (row->want != MTLS_REASON_ALLOWED)
		assert_string_not_equal(pair.diag.text, "");
	pair_done(&pair);
	certgen_free(cert);
}

static void servers_are_identified(void **state)
{
	const time_t now = time(NULL);
	const struct server_row rows[] = {
		{ "right", { SERVER_AUTH, NAME }, &ca, NULL, MTLS_REASON_ALLOWED },
		{ "right, other case",
		  { SERVER_AUTH, NAME },
		  &ca,
		  "AUTH.Example.org",
		  MTLS_REASON_ALLOWED },
		{ "RSA",
		  { SERVER_AUTH, NAME, .key = CERTGEN_RSA2048 },
		  &ca,
		  NULL,
		  MTLS_REASON_ALLOWED },
		{ "P-384",
		  { SERVER_AUTH, NAME, .key = CERTGEN_P384 },
		  &ca,
		  NULL,
		  MTLS_REASON_ALLOWED },
		{ "P-521",
		  { SERVER_AUTH, NAME, .key = CERTGEN_P521 },
		  &ca,
		  NULL,
		  MTLS_REASON_ALLOWED },
		{ "Ed25519",
		  { SERVER_AUTH, NAME, .key = CERTGEN_ED25519 },
		  &ca,
		  NULL,
		  MTLS_REASON_ALLOWED },
		{ "self-signed", { SERVER_AUTH, NAME }, NULL, NULL, MTLS_REASON_SERVER_UNTRUSTED },
		{ "CA of the same name",
		  { SERVER_AUTH, NAME },
		  &other_ca,
		  NULL,
		  MTLS_REASON_SERVER_UNTRUSTED },
		{ "expired",
		  { SERVER_AUTH, NAME, .not_before = now - 9 * HOUR, .not_after = now - HOUR },
		  &ca,
		  NULL,
		  MTLS_REASON_SERVER_EXPIRED },
		{ "not yet",
		  { SERVER_AUTH, NAME, .not_before = now + HOUR },
		  &ca,
		  NULL,
		  MTLS_REASON_SERVER_NOT_YET },
		{ "no EKU", { NAME }, &ca, NULL, MTLS_REASON_SERVER_PURPOSE },
		{ "client EKU",
		  { NAME, .eku = { GNUTLS_KP_TLS_WWW_CLIENT } },
		  &ca,
		  NULL,
		  MTLS_REASON_SERVER_PURPOSE },
		{ "any EKU",
		  { NAME, .eku = { GNUTLS_KP_ANY } },
		  &ca,
		  NULL,
		  MTLS_REASON_SERVER_PURPOSE },
		{ "two EKUs",
		  { NAME, .eku = { GNUTLS_KP_TLS_WWW_CLIENT, GNUTLS_KP_TLS_WWW_SERVER } },
		  &ca,
		  NULL,
		  MTLS_REASON_ALLOWED },
		{ "a CA",
		  { SERVER_AUTH, NAME, .ca = true,
		    .ku = GNUTLS_KEY_DIGITAL_SIGNATURE | GNUTLS_KEY_KEY_CERT_SIGN },
		  &ca,
		  NULL,
		  MTLS_REASON_SERVER_PURPOSE },
		{ "other name",
		  { SERVER_AUTH, .dns = "www.example.org" },
		  &ca,
		  NULL,
		  MTLS_REASON_SERVER_NAME },
		{ "only in CN",
		  { SERVER_AUTH, .dn = "CN=auth.example.org" },
		  &ca,
		  NULL,
		  MTLS_REASON_SERVER_NAME },
		{ "as e-mail",
		  { SERVER_AUTH, .email = "auth.example.org" },
		  &ca,
		  NULL,
		  MTLS_REASON_SERVER_NAME },
		{ "wildcard",
		  { SERVER_AUTH, .dns = "*.example.org" },
		  &ca,
		  NULL,
		  MTLS_REASON_SERVER_NAME },
		{ "prefix",
		  { SERVER_AUTH, .dns = "auth.example.or" },
		  &ca,
		  NULL,
		  MTLS_REASON_SERVER_NAME },
		{ "longer",
		  { SERVER_AUTH, .dns = "auth.example.org.evil" },
		  &ca,
		  NULL,
		  MTLS_REASON_SERVER_NAME },
		{ "no name wanted", { SERVER_AUTH, NAME }, &ca, "", MTLS_REASON_SERVER_NAME },
		{ "weak key",
		  { SERVER_AUTH, NAME, .key = CERTGEN_RSA1024 },
		  &ca,
		  NULL,
		  MTLS_REASON_SERVER_UNTRUSTED },
		{ "SHA-1",
		  { SERVER_AUTH, NAME, .digest = GNUTLS_DIG_SHA1 },
		  &ca,
		  NULL,
		  MTLS_REASON_SERVER_UNTRUSTED },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		check_server(&rows[i]);
}

static void a_name_with_nul_is_no_name(void **state)
{
	/* SubjectAltName { dNSName "auth.example.org\0.evil" } */
	static const uint8_t san[] = "\x30\x18\x82\x16"
				     "auth.example.org\0.evil";
	const struct server_row row = {
		"NUL in SAN",
		{ SERVER_AUTH, .ext = { { "2.5.29.17", san, 26, false } } },
		&ca,
		NULL,
		MTLS_REASON_SERVER_NAME,
	};
	(void)state;
	check_server(&row);
}

static void anchors_are_required(void **state)
{
	gnutls_certificate_credentials_t credentials;
	struct mtls_diag diag = { 0 };
	(void)state;
	assert_int_equal(mtls_tls_credentials_new(&credentials), 0);
	assert_int_equal(mtls_peer_trust(credentials, (const uint8_t *)"", 0, &diag),
			 MTLS_E_SYNTAX);
	assert_int_equal(mtls_peer_trust(credentials, (const uint8_t *)"none\n", 5, &diag),
			 MTLS_E_SYNTAX);
	gnutls_datum_t pem = certgen_pem(ca);
	pem.data[pem.size / 2] = '!';
	assert_int_equal(mtls_peer_trust(credentials, pem.data, pem.size, &diag), MTLS_E_SYNTAX);
	assert_string_not_equal(diag.text, "");
	gnutls_free(pem.data);
	gnutls_certificate_free_credentials(credentials);
}

static void a_good_session_passes(struct pair *pair, int want)
{
	struct mtls_diag diag = { 0 };
	int server = 0;
	int rc = handshake(pair, &server);
	if (rc == 0 && server == 0) {
		assert_int_equal(mtls_tls_session_check(pair->client, &diag), want);
		assert_int_equal(mtls_tls_session_check(pair->server, &diag), want);
	} else {
		assert_int_not_equal(want, 0); /* the handshake itself refused */
	}
}

static void sessions_are_checked(void **state)
{
	static const struct {
		const char *name;
		const char *priority; /* of the server; NULL: ours */
		const char *alpn;     /* of the server; NULL: ours; "": none */
		int want;
	} rows[] = {
		{ "ours", NULL, NULL, 0 },
		{ "stock server", "NORMAL:-VERS-ALL:+VERS-TLS1.3", NULL, 0 },
		{ "TLS 1.2", "NORMAL:-VERS-ALL:+VERS-TLS1.2", NULL, MTLS_E_PROTOCOL },
		{ "no ALPN", "NORMAL:-VERS-ALL:+VERS-TLS1.3", "", MTLS_E_PROTOCOL },
		{ "other ALPN", NULL, "h2", MTLS_E_PROTOCOL },
		{ "prefix ALPN", NULL, "mtls-auth/", MTLS_E_PROTOCOL },
	};
	struct certgen *cert = certgen_new(&(struct certgen_options){ SERVER_AUTH, NAME }, ca);
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct pair pair;
		pair_init(&pair, cert);
		if (rows[i].priority) {
			/* A session of the server's own making. */
			gnutls_deinit(pair.server);
			assert_int_equal(gnutls_init(&pair.server, GNUTLS_SERVER | GNUTLS_NONBLOCK),
					 0);
			assert_int_equal(
				gnutls_priority_set_direct(pair.server, rows[i].priority, NULL), 0);
			assert_int_equal(gnutls_credentials_set(pair.server, GNUTLS_CRD_CERTIFICATE,
								pair.server_credentials),
					 0);
			gnutls_transport_set_int(pair.server, pair.fds[1]);
		}
		const char *alpn = rows[i].alpn ? rows[i].alpn : MTLS_ALPN;
		if (*alpn) {
			gnutls_datum_t name = { .data = (unsigned char *)strdup(alpn),
						.size = (unsigned int)strlen(alpn) };
			assert_int_equal(gnutls_alpn_set_protocols(pair.server, &name, 1, 0), 0);
			free(name.data);
		}
		print_message("# %s\n", rows[i].name);
		a_good_session_passes(&pair, rows[i].want);
		pair_done(&pair);
	}
	certgen_free(cert);
}

static void schemes_map_both_ways(void **state)
{
	static const enum mtls_sign_scheme all[] = {
		MTLS_SIGN_RSA_PSS_RSAE_SHA256,
		MTLS_SIGN_RSA_PSS_RSAE_SHA384,
		MTLS_SIGN_RSA_PSS_RSAE_SHA512,
		MTLS_SIGN_ECDSA_P256_SHA256,
		MTLS_SIGN_ECDSA_P384_SHA384,
		MTLS_SIGN_ECDSA_P521_SHA512,
		MTLS_SIGN_ED25519,
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(all); i++)
		assert_int_equal(mtls_tls_scheme(mtls_tls_sign_algorithm(all[i])), all[i]);
	assert_int_equal(mtls_tls_scheme(GNUTLS_SIGN_RSA_SHA256), 0);
	assert_int_equal(mtls_tls_scheme(GNUTLS_SIGN_EDDSA_ED448), 0);
	assert_int_equal(mtls_tls_sign_algorithm(0x0201), GNUTLS_SIGN_UNKNOWN);
}

static void codes_are_converted(void **state)
{
	(void)state;
	assert_int_equal(mtls_tls_error(0), 0);
	assert_int_equal(mtls_tls_error(7), 0);
	assert_int_equal(mtls_tls_error(GNUTLS_E_AGAIN), -EAGAIN);
	assert_int_equal(mtls_tls_error(GNUTLS_E_FATAL_ALERT_RECEIVED), MTLS_E_ALERT);
	assert_int_equal(mtls_tls_error(GNUTLS_E_PREMATURE_TERMINATION), MTLS_E_CLOSED);
	assert_int_equal(mtls_tls_error(GNUTLS_E_TIMEDOUT), -ETIMEDOUT);
	assert_int_equal(mtls_tls_error(GNUTLS_E_CERTIFICATE_ERROR), MTLS_E_TLS);
	assert_int_equal(mtls_tls_error(-99999), MTLS_E_TLS);
}

static uint8_t message[16 * (MTLS_CERT_MAX + 8)];
static size_t message_len;

static void put(size_t number, unsigned int octets)
{
	while (octets-- > 0)
		message[message_len++] = (uint8_t)(number >> (8 * octets));
}

/* A message of @certs certificates, each a SEQUENCE of @nulls elements and @pad octets in one. */
static int intake(size_t certs, size_t nulls, size_t pad)
{
	const size_t body = 2 * nulls + (pad ? pad + 4 : 0), cert = body + 4;

	message_len = 0;
	put(0, 1);
	put(certs * (cert + 5), 3);
	for (size_t i = 0; i < certs; i++) {
		put(cert, 3);
		put(0x3082, 2);
		put(body, 2);
		for (size_t k = 0; k < nulls; k++)
			put(0x0500, 2);
		if (pad) {
			put(0x0482, 2);
			put(pad, 2);
			memset(message + message_len, 0xff, pad);
			message_len += pad;
		}
		put(0, 2);
	}
	return mtls_tls_certificate_message(message, message_len);
}

static void certificate_messages_are_bounded(void **state)
{
	static const struct {
		const char *name;
		size_t certs, nulls, pad;
		int want;
	} rows[] = {
		{ "one", 1, 10, 100, 0 },
		{ "none", 0, 0, 0, 0 },
		{ "as many as may be", MTLS_CHAIN_MAX, 10, 100, 0 },
		{ "one more", MTLS_CHAIN_MAX + 1, 10, 100, MTLS_E_LIMIT },
		{ "as large as may be", 1, 0, MTLS_CERT_MAX - 8, 0 },
		{ "larger", 1, 0, MTLS_CERT_MAX - 7, MTLS_E_LIMIT },
		{ "as many elements as may be", 2, MTLS_TLS_ELEMENTS_MAX - 1, 0, 0 },
		{ "one element more", 2, MTLS_TLS_ELEMENTS_MAX, 0, MTLS_E_LIMIT },
	};
	static const uint8_t broken[][12] = {
		{ 0, 0, 0, 7, 0, 0, 2, 0x05, 0x01, 0, 0 }, /* an element runs out */
		{ 0, 0, 0, 7, 0, 0, 2, 0x30, 0x80, 0, 0 }, /* indefinite length */
		{ 0, 0, 0, 7, 0, 0, 2, 0x1f, 0x00, 0, 0 }, /* a high tag */
		{ 0, 0, 0, 7, 0, 0, 9, 0x05, 0x00, 0, 0 }, /* a certificate runs out */
		{ 0, 0, 0, 7, 0, 0, 2, 0x05, 0x00, 0, 9 }, /* its extensions do */
		{ 0, 0, 0, 8, 0, 0, 2, 0x05, 0x00, 0, 0 }, /* the list does */
		{ 0, 0, 0, 6, 0, 0, 1, 0x05, 0, 0, 0 },    /* half an element; a byte behind */
		{ 9, 0, 0, 7, 0, 0, 2, 0x05, 0x00, 0, 0 }, /* the context does */
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		if (intake(rows[i].certs, rows[i].nulls, rows[i].pad) != rows[i].want)
			fail_msg("row '%s'", rows[i].name);
	for (size_t i = 0; i < MTLS_COUNT(broken); i++)
		if (mtls_tls_certificate_message(broken[i], 11) != MTLS_E_SYNTAX)
			fail_msg("broken %zu", i);
	assert_int_equal(intake(1, 3, 5), 0);
	for (size_t len = 0; len < message_len; len++)
		assert_int_equal(mtls_tls_certificate_message(message, len), MTLS_E_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(servers_are_identified),
		cmocka_unit_test(a_name_with_nul_is_no_name),
		cmocka_unit_test(anchors_are_required),
		cmocka_unit_test(sessions_are_checked),
		cmocka_unit_test(schemes_map_both_ways),
		cmocka_unit_test(codes_are_converted),
		cmocka_unit_test(certificate_messages_are_bounded),
	};
	return cmocka_run_group_tests(tests, make_cas, free_cas);
}
