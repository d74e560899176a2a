/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The floor of a login: mutual TLS 1.3 handshakes with chain checks on both sides plus one request
 *and one reply, between two sessions of this process over a socket pair; P-256, our priorities.
 *What a login costs above this is ours: processes, prompts, policy, lookups.
 *
 *	bench/bench_handshake [ROUNDS]          prints the median in microseconds
 *	bench/bench_handshake ROUNDS server     the server's part of the CPU time alone
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "lib/tls/tls.h"

#define ROUNDS_DEFAULT 300
#define ROUNDS_MAX     100000
#define MESSAGE_LEN    512

static void need(int r, const char *what)
{
	if (r >= 0)
		return;
	(void)fprintf(stderr, "handshake: %s: %s\n", what, gnutls_strerror(r));
	exit(1);
}

struct identity {
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t cert;
};

static struct identity make_identity(const char *cn, const struct identity *issuer,
				     const char *purpose)
{
	struct identity id;
	time_t now = time(NULL);

	need(gnutls_x509_privkey_init(&id.key), "key");
	need(gnutls_x509_privkey_generate(id.key, GNUTLS_PK_ECDSA,
					  GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
	     "generate");
	need(gnutls_x509_crt_init(&id.cert), "certificate");
	need(gnutls_x509_crt_set_version(id.cert, 3), "version");
	need(gnutls_x509_crt_set_serial(id.cert, cn, strlen(cn) < 8 ? strlen(cn) : 8), "serial");
	need(gnutls_x509_crt_set_dn_by_oid(id.cert, GNUTLS_OID_X520_COMMON_NAME, 0, cn,
					   (unsigned int)strlen(cn)),
	     "subject");
	need(gnutls_x509_crt_set_activation_time(id.cert, now - 3600), "time");
	need(gnutls_x509_crt_set_expiration_time(id.cert, now + 86400), "time");
	need(gnutls_x509_crt_set_key(id.cert, id.key), "key");
	need(gnutls_x509_crt_set_ca_status(id.cert, !issuer), "ca");
	need(gnutls_x509_crt_set_key_usage(id.cert, issuer ? GNUTLS_KEY_DIGITAL_SIGNATURE
							   : GNUTLS_KEY_KEY_CERT_SIGN),
	     "usage");
	if (purpose)
		need(gnutls_x509_crt_set_key_purpose_oid(id.cert, purpose, 0), "purpose");
	need(gnutls_x509_crt_sign2(id.cert, issuer ? issuer->cert : id.cert,
				   issuer ? issuer->key : id.key, GNUTLS_DIG_SHA256, 0),
	     "sign");
	return id;
}

static gnutls_certificate_credentials_t make_credentials(struct identity *own,
							 struct identity *anchor)
{
	gnutls_certificate_credentials_t c;

	need(gnutls_certificate_allocate_credentials(&c), "credentials");
	need(gnutls_certificate_set_x509_trust(c, &anchor->cert, 1), "trust");
	need(gnutls_certificate_set_x509_key(c, &own->cert, 1, own->key), "own key");
	return c;
}

static gnutls_session_t make_session(unsigned int flags, gnutls_certificate_credentials_t c, int fd,
				     gnutls_typed_vdata_st *purpose)
{
	gnutls_session_t s = NULL;
	struct mtls_diag diag = { 0 };

	if (mtls_tls_session_new(flags | GNUTLS_NONBLOCK, &s, &diag) < 0) {
		(void)fprintf(stderr, "handshake: %s\n", diag.text);
		exit(1);
	}
	need(gnutls_credentials_set(s, GNUTLS_CRD_CERTIFICATE, c), "credentials");
	gnutls_session_set_verify_cert2(s, purpose, 1, 0);
	if (flags & GNUTLS_SERVER)
		gnutls_certificate_server_set_request(s, GNUTLS_CERT_REQUIRE);
	gnutls_transport_set_int(s, fd);
	return s;
}

/* 1: done, 0: waits for the other side. */
static int step(int r, const char *what)
{
	if (r >= 0)
		return 1;
	if (gnutls_error_is_fatal(r))
		need(r, what);
	return 0;
}

static void receive(gnutls_session_t session, char *message)
{
	while (!step((int)gnutls_record_recv(session, message, MESSAGE_LEN), "receive"))
		;
}

static double seconds(clockid_t clock)
{
	struct timespec t;

	(void)clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct took {
	double all;    /* wall time, µs */
	double server; /* CPU time of the server's half, µs */
};

/* The CPU time between the two is the server's. */
static void server_begins(struct took *took)
{
	took->server -= seconds(CLOCK_THREAD_CPUTIME_ID) * 1e6;
}

static void server_ends(struct took *took)
{
	took->server += seconds(CLOCK_THREAD_CPUTIME_ID) * 1e6;
}

static struct took one_round(gnutls_certificate_credentials_t server_cred,
			     gnutls_certificate_credentials_t client_cred)
{
	static char server_oid[] = GNUTLS_KP_TLS_WWW_SERVER,
		    client_oid[] = GNUTLS_KP_TLS_WWW_CLIENT;
	gnutls_typed_vdata_st is_server = { GNUTLS_DT_KEY_PURPOSE_OID, (unsigned char *)server_oid,
					    0 };
	gnutls_typed_vdata_st is_client = { GNUTLS_DT_KEY_PURPOSE_OID, (unsigned char *)client_oid,
					    0 };
	char message[MESSAGE_LEN] = { 0 };
	struct took took = { 0 };
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		exit(1);
	const double start = seconds(CLOCK_MONOTONIC);
	server_begins(&took);
	gnutls_session_t server = make_session(GNUTLS_SERVER, server_cred, fds[0], &is_client);
	server_ends(&took);
	gnutls_session_t client = make_session(GNUTLS_CLIENT, client_cred, fds[1], &is_server);
	for (int c = 0, s = 0; !c || !s;) {
		c = c || step(gnutls_handshake(client), "client");
		server_begins(&took);
		s = s || step(gnutls_handshake(server), "server");
		server_ends(&took);
	}
	need((int)gnutls_record_send(client, message, sizeof(message)), "send");
	server_begins(&took);
	receive(server, message);
	need((int)gnutls_record_send(server, message, sizeof(message)), "send");
	gnutls_deinit(server);
	server_ends(&took);
	receive(client, message);
	gnutls_deinit(client);
	took.all = (seconds(CLOCK_MONOTONIC) - start) * 1e6;
	(void)close(fds[0]);
	(void)close(fds[1]);
	return took;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	uint32_t rounds = ROUNDS_DEFAULT;

	const bool server_only = argc > 2 && mtls_streq(argv[2], "server");
	if (argc > 1 && (mtls_parse_u32(argv[1], &rounds) < 0 || !rounds || rounds > ROUNDS_MAX)) {
		(void)fprintf(stderr, "usage: handshake [ROUNDS [server]], 1 to %d\n", ROUNDS_MAX);
		return 2;
	}
	struct identity user_ca = make_identity("user-ca", NULL, NULL);
	struct identity server_ca = make_identity("server-ca", NULL, NULL);
	struct identity server = make_identity("server", &server_ca, GNUTLS_KP_TLS_WWW_SERVER);
	struct identity client = make_identity("client", &user_ca, GNUTLS_KP_TLS_WWW_CLIENT);
	gnutls_certificate_credentials_t server_cred = make_credentials(&server, &user_ca);
	gnutls_certificate_credentials_t client_cred = make_credentials(&client, &server_ca);

	_cleanup_free_ double *times = calloc(rounds, sizeof(*times));
	if (!times)
		return 1;
	(void)one_round(server_cred, client_cred);
	for (uint32_t i = 0; i < rounds; i++) {
		const struct took took = one_round(server_cred, client_cred);
		times[i] = server_only ? took.server : took.all;
	}
	qsort(times, rounds, sizeof(*times), compare);
	printf("%.1f\n", times[rounds / 2]);
	return 0;
}
