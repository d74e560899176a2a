/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The warm-up. Its handshake uses a key made here and credentials of its own, which accept that
 * key: nothing of it is left when connections are served.
 */
#include <config.h>

#include <errno.h>
#include <jansson.h>
#include <sys/socket.h>
#include <time.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "authd/warmup.h"
#include "lib/base/cleanup.h"
#include "lib/tls/tls.h"

#define ROUNDS_MAX 64

struct stage {
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t cert;
	gnutls_certificate_credentials_t credentials;
	gnutls_session_t sessions[2];
	int fds[2];
};

static void done(struct stage *stage)
{
	for (int i = 0; i < 2; i++) {
		if (stage->sessions[i])
			gnutls_deinit(stage->sessions[i]);
		if (stage->fds[i] >= 0)
			(void)close(stage->fds[i]);
	}
	if (stage->credentials)
		gnutls_certificate_free_credentials(stage->credentials);
	if (stage->cert)
		gnutls_x509_crt_deinit(stage->cert);
	if (stage->key)
		gnutls_x509_privkey_deinit(stage->key);
}

static int make_certificate(struct stage *stage)
{
	static const unsigned char serial[] = { 1 };
	time_t now = time(NULL);

	int r = gnutls_x509_privkey_init(&stage->key);
	if (r >= 0)
		r = gnutls_x509_privkey_generate(stage->key, GNUTLS_PK_ECDSA,
						 GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1),
						 0);
	if (r >= 0)
		r = gnutls_x509_crt_init(&stage->cert);
	if (r >= 0)
		r = gnutls_x509_crt_set_version(stage->cert, 3);
	if (r >= 0)
		r = gnutls_x509_crt_set_serial(stage->cert, serial, sizeof(serial));
	if (r >= 0)
		r = gnutls_x509_crt_set_dn(stage->cert, "CN=warm-up", NULL);
	if (r >= 0)
		r = gnutls_x509_crt_set_activation_time(stage->cert, now - 60);
	if (r >= 0)
		r = gnutls_x509_crt_set_expiration_time(stage->cert, now + 3600);
	if (r >= 0)
		r = gnutls_x509_crt_set_key(stage->cert, stage->key);
	if (r >= 0)
		r = gnutls_x509_crt_sign2(stage->cert, stage->cert, stage->key, GNUTLS_DIG_SHA256,
					  0);
	return r;
}

/* The chain code of GnuTLS is run, whatever it says about a certificate of our own. */
static int verify_own(gnutls_session_t session)
{
	unsigned int status = 0;

	return gnutls_certificate_verify_peers2(session, &status) < 0 ? GNUTLS_E_CERTIFICATE_ERROR
								      : 0;
}

static int make_credentials(struct stage *stage)
{
	if (mtls_tls_credentials_new(&stage->credentials) < 0)
		return GNUTLS_E_MEMORY_ERROR;
	gnutls_certificate_set_verify_function(stage->credentials, verify_own);
	int r = gnutls_certificate_set_x509_key(stage->credentials, &stage->cert, 1, stage->key);
	return r < 0 ? r : gnutls_certificate_set_x509_trust(stage->credentials, &stage->cert, 1);
}

static int make_sessions(struct stage *stage)
{
	static const unsigned int side[2] = { GNUTLS_SERVER, GNUTLS_CLIENT };

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, stage->fds) < 0)
		return GNUTLS_E_INTERNAL_ERROR;
	for (int i = 0; i < 2; i++) {
		if (mtls_tls_session_new(side[i] | GNUTLS_NONBLOCK, &stage->sessions[i], NULL) < 0)
			return GNUTLS_E_INTERNAL_ERROR;
		int r = gnutls_credentials_set(stage->sessions[i], GNUTLS_CRD_CERTIFICATE,
					       stage->credentials);
		if (r < 0)
			return r;
		gnutls_transport_set_int(stage->sessions[i], stage->fds[i]);
	}
	gnutls_certificate_server_set_request(stage->sessions[0], GNUTLS_CERT_REQUIRE);
	return 0;
}

/* Both ends by turns, until both are through. */
static int shake_hands(struct stage *stage)
{
	int r[2] = { GNUTLS_E_AGAIN, GNUTLS_E_AGAIN };

	for (int round = 0; round < ROUNDS_MAX; round++) {
		int i = round % 2;
		if (r[i] != 0)
			r[i] = gnutls_handshake(stage->sessions[i]);
		if (r[i] < 0 && gnutls_error_is_fatal(r[i]))
			return r[i];
		if (r[0] == 0 && r[1] == 0)
			return 0;
	}
	return GNUTLS_E_TIMEDOUT;
}

/* One record each way, and the orderly end. */
static int talk(struct stage *stage)
{
	char byte = 'x';
	ssize_t r = gnutls_record_send(stage->sessions[1], &byte, 1);

	if (r >= 0)
		r = gnutls_record_recv(stage->sessions[0], &byte, 1);
	if (r >= 0)
		r = gnutls_record_send(stage->sessions[0], &byte, 1);
	if (r >= 0)
		r = gnutls_record_recv(stage->sessions[1], &byte, 1);
	if (r >= 0)
		r = gnutls_bye(stage->sessions[0], GNUTLS_SHUT_WR);
	return (int)r;
}

static int warm_random(void)
{
	uint8_t bytes[32];

	int r = gnutls_rnd(GNUTLS_RND_NONCE, bytes, sizeof(bytes));
	if (r >= 0)
		r = gnutls_rnd(GNUTLS_RND_RANDOM, bytes, sizeof(bytes));
	if (r >= 0)
		r = gnutls_rnd(GNUTLS_RND_KEY, bytes, sizeof(bytes));
	return r;
}

int warmup_run(struct mtls_diag *diag)
{
	_cleanup_(done) struct stage stage = { .fds = { -1, -1 } };
	struct tm tm;
	time_t now = time(NULL);

	tzset();
	(void)gmtime_r(&now, &tm);
	json_object_seed(0);
	int r = warm_random();
	if (r >= 0)
		r = make_certificate(&stage);
	if (r >= 0)
		r = make_credentials(&stage);
	if (r >= 0)
		r = make_sessions(&stage);
	if (r >= 0)
		r = shake_hands(&stage);
	if (r >= 0)
		r = talk(&stage);
	if (r < 0)
		return mtls_diag_set(diag, MTLS_E_TLS, "GnuTLS: %s", gnutls_strerror(r));
	return 0;
}
