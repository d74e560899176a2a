/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Priorities, sessions and codes that client and server share. The priority string is narrow on
 * purpose: it is quicker to negotiate, and what is not in it cannot be agreed on. Its signatures
 * also bound those inside certificate chains, so the PKCS#1 ones are there for RSA CAs; TLS 1.3
 * itself never uses them for CertificateVerify. Ed448 is absent because nettle accepts malformed
 * encodings of its signatures. Any thread.
 */
#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <gnutls/x509.h>

#include "lib/tls/tls.h"

#define PRIORITIES                                                                                 \
	"NONE:+VERS-TLS1.3:+AEAD:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305"                     \
	":+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:+CTYPE-X509"                             \
	":+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-EDDSA-ED25519"                                        \
	":+SIGN-ECDSA-SECP384R1-SHA384:+SIGN-ECDSA-SECP521R1-SHA512"                               \
	":+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-PSS-RSAE-SHA384:+SIGN-RSA-PSS-RSAE-SHA512"           \
	":+SIGN-RSA-SHA256:+SIGN-RSA-SHA384:+SIGN-RSA-SHA512"                                      \
	":%PROFILE_MEDIUM:%DISABLE_TLS13_COMPAT_MODE"

static pthread_once_t priority_once = PTHREAD_ONCE_INIT;
static gnutls_priority_t priority_shared;
static int priority_rc = GNUTLS_E_INTERNAL_ERROR;

static void make_priority(void)
{
	const char *error_at = NULL;
	priority_rc = gnutls_priority_init2(&priority_shared, PRIORITIES, &error_at, 0);
}

int mtls_tls_priority(gnutls_priority_t *ret, struct mtls_diag *diag)
{
	if (pthread_once(&priority_once, make_priority) != 0 || priority_rc < 0)
		return mtls_diag_set(diag, MTLS_E_TLS, "GnuTLS refuses the priorities: %s",
				     gnutls_strerror(priority_rc));
	*ret = priority_shared;
	return 0;
}

int mtls_tls_credentials_new(gnutls_certificate_credentials_t *ret)
{
	gnutls_certificate_credentials_t credentials;
	if (gnutls_certificate_allocate_credentials(&credentials) < 0)
		return -ENOMEM;
	gnutls_certificate_set_verify_flags(credentials,
					    GNUTLS_PROFILE_TO_VFLAGS(GNUTLS_PROFILE_MEDIUM));
	gnutls_certificate_set_verify_limits(credentials, MTLS_TLS_KEY_BITS_MAX, MTLS_CHAIN_MAX);
	*ret = credentials;
	return 0;
}

static int set_options(gnutls_session_t session, struct mtls_diag *diag)
{
	static const char alpn[] = MTLS_ALPN;
	/* GnuTLS copies the name; its parameter is not const. */
	union {
		const char *text;
		unsigned char *data;
	} name = { .text = alpn };
	const gnutls_datum_t protocol = { .data = name.data, .size = sizeof(alpn) - 1 };
	gnutls_priority_t priority;

	int err = mtls_tls_priority(&priority, diag);
	if (err < 0)
		return err;
	int rc = gnutls_priority_set(session, priority);
	if (rc < 0)
		return mtls_diag_set(diag, mtls_tls_error(rc), "priorities: %s",
				     gnutls_strerror(rc));
	rc = gnutls_alpn_set_protocols(session, &protocol, 1, GNUTLS_ALPN_MANDATORY);
	if (rc < 0)
		return mtls_diag_set(diag, mtls_tls_error(rc), "ALPN: %s", gnutls_strerror(rc));
	gnutls_handshake_set_max_packet_length(session, MTLS_TLS_HANDSHAKE_MAX);
	gnutls_handshake_set_timeout(session, 0);
	return 0;
}

int mtls_tls_session_new(unsigned int flags, gnutls_session_t *ret, struct mtls_diag *diag)
{
	_cleanup_(gnutls_deinitp) gnutls_session_t session = NULL;

	flags |= GNUTLS_NO_TICKETS | GNUTLS_NO_SIGNAL;
	/* One key share is enough: all our servers take the first group. */
	if (flags & GNUTLS_CLIENT)
		flags |= GNUTLS_KEY_SHARE_TOP;
	int rc = gnutls_init(&session, flags);
	if (rc < 0) {
		session = NULL;
		return mtls_diag_set(diag, mtls_tls_error(rc), "TLS session: %s",
				     gnutls_strerror(rc));
	}
	int err = set_options(session, diag);
	if (err < 0)
		return err;
	*ret = MTLS_TAKE(session);
	return 0;
}

int mtls_tls_session_check(gnutls_session_t session, struct mtls_diag *diag)
{
	gnutls_datum_t alpn = { 0 };

	if (gnutls_protocol_get_version(session) != GNUTLS_TLS1_3)
		return mtls_diag_set(diag, MTLS_E_PROTOCOL, "the connection is not TLS 1.3");
	if (gnutls_session_is_resumed(session))
		return mtls_diag_set(diag, MTLS_E_PROTOCOL, "the TLS session is a resumed one");
	if (gnutls_session_get_flags(session) & GNUTLS_SFLAGS_EARLY_DATA)
		return mtls_diag_set(diag, MTLS_E_PROTOCOL, "early data was accepted");
	if (gnutls_alpn_get_selected_protocol(session, &alpn) < 0 || !alpn.data)
		return mtls_diag_set(diag, MTLS_E_PROTOCOL, "no ALPN protocol was agreed on");
	if (alpn.size != strlen(MTLS_ALPN) || memcmp(alpn.data, MTLS_ALPN, alpn.size) != 0)
		return mtls_diag_set(diag, MTLS_E_PROTOCOL, "another ALPN protocol was agreed on");
	return 0;
}

int mtls_tls_error(int gnutls_code)
{
	static const struct {
		int gnutls, ours;
	} rows[] = {
		{ GNUTLS_E_AGAIN, -EAGAIN },
		{ GNUTLS_E_INTERRUPTED, -EAGAIN },
		{ GNUTLS_E_MEMORY_ERROR, -ENOMEM },
		{ GNUTLS_E_TIMEDOUT, -ETIMEDOUT },
		{ GNUTLS_E_FATAL_ALERT_RECEIVED, MTLS_E_ALERT },
		{ GNUTLS_E_WARNING_ALERT_RECEIVED, MTLS_E_ALERT },
		{ GNUTLS_E_PREMATURE_TERMINATION, MTLS_E_CLOSED },
		{ GNUTLS_E_SESSION_EOF, MTLS_E_CLOSED },
		{ GNUTLS_E_PULL_ERROR, MTLS_E_CLOSED },
		{ GNUTLS_E_PUSH_ERROR, MTLS_E_CLOSED },
	};
	if (gnutls_code >= 0)
		return 0;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		if (rows[i].gnutls == gnutls_code)
			return rows[i].ours;
	return MTLS_E_TLS;
}

static const struct {
	gnutls_sign_algorithm_t algorithm;
	enum mtls_sign_scheme scheme;
} schemes[] = {
	{ GNUTLS_SIGN_RSA_PSS_RSAE_SHA256, MTLS_SIGN_RSA_PSS_RSAE_SHA256 },
	{ GNUTLS_SIGN_RSA_PSS_RSAE_SHA384, MTLS_SIGN_RSA_PSS_RSAE_SHA384 },
	{ GNUTLS_SIGN_RSA_PSS_RSAE_SHA512, MTLS_SIGN_RSA_PSS_RSAE_SHA512 },
	{ GNUTLS_SIGN_ECDSA_SECP256R1_SHA256, MTLS_SIGN_ECDSA_P256_SHA256 },
	{ GNUTLS_SIGN_ECDSA_SECP384R1_SHA384, MTLS_SIGN_ECDSA_P384_SHA384 },
	{ GNUTLS_SIGN_ECDSA_SECP521R1_SHA512, MTLS_SIGN_ECDSA_P521_SHA512 },
	{ GNUTLS_SIGN_EDDSA_ED25519, MTLS_SIGN_ED25519 },
};

enum mtls_sign_scheme mtls_tls_scheme(gnutls_sign_algorithm_t algorithm)
{
	for (size_t i = 0; i < MTLS_COUNT(schemes); i++)
		if (schemes[i].algorithm == algorithm)
			return schemes[i].scheme;
	return 0;
}

gnutls_sign_algorithm_t mtls_tls_sign_algorithm(enum mtls_sign_scheme scheme)
{
	for (size_t i = 0; i < MTLS_COUNT(schemes); i++)
		if (schemes[i].scheme == scheme)
			return schemes[i].algorithm;
	return GNUTLS_SIGN_UNKNOWN;
}
