/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The server's identity. GnuTLS verifies chain, times and (where the extension is present) purpose;
 * what it is lenient about is checked here: a certificate without extendedKeyUsage, and its
 * fall-back from SAN to common name and wildcards. Any thread, no state.
 */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <string.h>

#include <gnutls/x509.h>

#include "lib/base/cleanup.h"
#include "lib/tls/peer.h"
#include "lib/tls/tls.h"

#define NAME_MAX_LEN   255
#define SAN_COUNT_MAX  256
#define EKU_COUNT_MAX  64
#define OID_BUFFER_LEN 128
#define EXPONENT_MAX   8 /* octets; an exponent as long as the modulus is as slow as signing */

MTLS_DEFINE_CLEANUP(gnutls_x509_crt_t, gnutls_x509_crt_deinit)

int mtls_peer_trust(gnutls_certificate_credentials_t credentials, const uint8_t *pem, size_t len,
		    struct mtls_diag *diag)
{
	union {
		const uint8_t *text;
		unsigned char *data;
	} source = { .text = pem };
	if (len > INT_MAX)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "too long");
	const gnutls_datum_t datum = { .data = source.data, .size = (unsigned int)len };
	int count = gnutls_certificate_set_x509_trust_mem(credentials, &datum, GNUTLS_X509_FMT_PEM);
	if (count == GNUTLS_E_MEMORY_ERROR)
		return -ENOMEM;
	if (count < 0)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "not PEM certificates: %s",
				     gnutls_strerror(count));
	if (count == 0)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "no certificate in it");
	return count;
}

/* Times and purpose have reasons of their own only if nothing else is wrong. */
static enum mtls_reason status_reason(unsigned int status)
{
	const unsigned int own = GNUTLS_CERT_INVALID | GNUTLS_CERT_EXPIRED |
				 GNUTLS_CERT_NOT_ACTIVATED | GNUTLS_CERT_PURPOSE_MISMATCH;
	if (status == 0)
		return MTLS_REASON_ALLOWED;
	if (status & ~own)
		return MTLS_REASON_SERVER_UNTRUSTED;
	if (status & GNUTLS_CERT_PURPOSE_MISMATCH)
		return MTLS_REASON_SERVER_PURPOSE;
	if (status & GNUTLS_CERT_NOT_ACTIVATED)
		return MTLS_REASON_SERVER_NOT_YET;
	if (status & GNUTLS_CERT_EXPIRED)
		return MTLS_REASON_SERVER_EXPIRED;
	return MTLS_REASON_SERVER_UNTRUSTED;
}

static enum mtls_reason verify_chain(gnutls_session_t session, struct mtls_diag *diag)
{
	char purpose[] = GNUTLS_KP_TLS_WWW_SERVER;
	gnutls_typed_vdata_st data = { .type = GNUTLS_DT_KEY_PURPOSE_OID,
				       .data = (unsigned char *)purpose };
	unsigned int status = GNUTLS_CERT_INVALID;
	gnutls_datum_t text = { 0 };

	int rc = gnutls_certificate_verify_peers(session, &data, 1, &status);
	if (rc < 0) {
		(void)mtls_diag_set(diag, MTLS_E_IDENTITY, "the server's certificate: %s",
				    gnutls_strerror(rc));
		return MTLS_REASON_SERVER_UNTRUSTED;
	}
	enum mtls_reason reason = status_reason(status);
	if (reason == MTLS_REASON_ALLOWED)
		return reason;
	if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0) < 0)
		text.data = NULL;
	(void)mtls_diag_set(diag, MTLS_E_IDENTITY, "the server's certificate: %s",
			    text.data ? (const char *)text.data : "invalid");
	gnutls_free(text.data);
	return reason;
}

static int import_leaf(gnutls_session_t session, gnutls_x509_crt_t *ret)
{
	unsigned int count = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
	if (!chain || count == 0)
		return MTLS_E_IDENTITY;
	_cleanup_(gnutls_x509_crt_deinitp) gnutls_x509_crt_t leaf = NULL;
	if (gnutls_x509_crt_init(&leaf) < 0) {
		leaf = NULL;
		return -ENOMEM;
	}
	if (gnutls_x509_crt_import(leaf, &chain[0], GNUTLS_X509_FMT_DER) < 0)
		return MTLS_E_IDENTITY;
	*ret = MTLS_TAKE(leaf);
	return 0;
}

/* True for a key without such an exponent, too. */
static bool exponent_short(gnutls_x509_crt_t leaf)
{
	gnutls_datum_t modulus = { 0 }, exponent = { 0 };
	unsigned int zeros = 0;

	int rc = gnutls_x509_crt_get_pk_rsa_raw(leaf, &modulus, &exponent);
	if (rc < 0)
		return rc == GNUTLS_E_INVALID_REQUEST;
	while (zeros < exponent.size && exponent.data[zeros] == 0)
		zeros++;
	const bool is_short = exponent.size - zeros <= EXPONENT_MAX;
	gnutls_free(modulus.data);
	gnutls_free(exponent.data);
	return is_short;
}

static bool key_bounded(gnutls_session_t session)
{
	_cleanup_(gnutls_x509_crt_deinitp) gnutls_x509_crt_t leaf = NULL;
	unsigned int bits = 0;

	if (import_leaf(session, &leaf) < 0)
		return false;
	return gnutls_x509_crt_get_pk_algorithm(leaf, &bits) >= 0 &&
	       bits <= MTLS_TLS_KEY_BITS_MAX && exponent_short(leaf);
}

enum mtls_reason mtls_peer_bounds(gnutls_session_t session, struct mtls_diag *diag)
{
	unsigned int count = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
	bool bounded = chain && count > 0 && count <= MTLS_CHAIN_MAX;

	for (unsigned int i = 0; bounded && i < count; i++)
		bounded = chain[i].size <= MTLS_CERT_MAX;
	if (bounded && key_bounded(session))
		return MTLS_REASON_ALLOWED;
	(void)mtls_diag_set(diag, MTLS_E_IDENTITY,
			    "the server's certificates or its key are over the limits");
	return MTLS_REASON_SERVER_UNTRUSTED;
}

static bool has_server_auth(gnutls_x509_crt_t leaf)
{
	for (unsigned int i = 0; i < EKU_COUNT_MAX; i++) {
		char oid[OID_BUFFER_LEN];
		size_t size = sizeof(oid);
		int rc = gnutls_x509_crt_get_key_purpose_oid(leaf, i, oid, &size, NULL);
		if (rc == GNUTLS_E_SHORT_MEMORY_BUFFER)
			continue; /* no purpose of ours is that long */
		if (rc < 0)
			return false;
		if (strcmp(oid, GNUTLS_KP_TLS_WWW_SERVER) == 0)
			return true;
	}
	return false;
}

/* Case aside for ASCII letters only: strcasecmp() would ask the host program's locale. */
static bool same_letters(const char *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		const char x = a[i] >= 'A' && a[i] <= 'Z' ? (char)(a[i] | 0x20) : a[i];
		const char y = b[i] >= 'A' && b[i] <= 'Z' ? (char)(b[i] | 0x20) : b[i];
		if (x != y)
			return false;
	}
	return true;
}

/* A dNSName that holds a NUL differs in length, so it equals no name. */
static bool has_name(gnutls_x509_crt_t leaf, const char *name)
{
	const size_t name_len = strlen(name);

	for (unsigned int i = 0; i < SAN_COUNT_MAX; i++) {
		char san[NAME_MAX_LEN + 2];
		size_t len = sizeof(san);
		unsigned int type = 0;
		int rc = gnutls_x509_crt_get_subject_alt_name2(leaf, i, san, &len, &type, NULL);
		if (rc == GNUTLS_E_SHORT_MEMORY_BUFFER)
			continue;
		if (rc < 0)
			return false;
		if (type == GNUTLS_SAN_DNSNAME && len == name_len && same_letters(san, name, len))
			return true;
	}
	return false;
}

enum mtls_reason mtls_peer_verify(gnutls_session_t session, const char *name,
				  struct mtls_diag *diag)
{
	_cleanup_(gnutls_x509_crt_deinitp) gnutls_x509_crt_t leaf = NULL;

	if (!name || !*name || strlen(name) > NAME_MAX_LEN) {
		(void)mtls_diag_set(diag, MTLS_E_IDENTITY, "no server name to check");
		return MTLS_REASON_SERVER_NAME;
	}
	enum mtls_reason reason = verify_chain(session, diag);
	if (reason != MTLS_REASON_ALLOWED)
		return reason;
	if (import_leaf(session, &leaf) < 0) {
		(void)mtls_diag_set(diag, MTLS_E_IDENTITY,
				    "the server's certificate cannot be read");
		return MTLS_REASON_SERVER_UNTRUSTED;
	}
	if (gnutls_x509_crt_get_ca_status(leaf, NULL) > 0) {
		(void)mtls_diag_set(diag, MTLS_E_IDENTITY, "the server's certificate is a CA");
		return MTLS_REASON_SERVER_PURPOSE;
	}
	if (!has_server_auth(leaf)) {
		(void)mtls_diag_set(diag, MTLS_E_IDENTITY,
				    "the server's certificate lacks extendedKeyUsage serverAuth");
		return MTLS_REASON_SERVER_PURPOSE;
	}
	if (!has_name(leaf, name)) {
		(void)mtls_diag_set(diag, MTLS_E_IDENTITY,
				    "the server's certificate does not name '%s'", name);
		return MTLS_REASON_SERVER_NAME;
	}
	return MTLS_REASON_ALLOWED;
}
