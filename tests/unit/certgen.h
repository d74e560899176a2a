/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Certificates and CRLs for tests, made when the test runs, by GnuTLS. Every failure aborts: a test
 * without its certificate has nothing to say.
 */
#ifndef TESTS_CERTGEN_H
#define TESTS_CERTGEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

enum certgen_key {
	CERTGEN_P256 = 0,
	CERTGEN_P384,
	CERTGEN_P521,
	CERTGEN_ED25519,
	CERTGEN_RSA2048,
	CERTGEN_RSA1024,
	CERTGEN_RSA3072,
	CERTGEN_ED448,
	CERTGEN_DSA2048,
};

#define CERTGEN_NO_KU (1U << 31)

struct certgen_ext {
	const char *oid;
	const void *der;
	size_t len;
	bool critical;
};

struct certgen {
	gnutls_x509_crt_t crt;
	gnutls_x509_privkey_t key;
	gnutls_datum_t der;
};

/* All zero: a leaf, P-256, one day valid, digitalSignature, no EKU, CN=leaf. */
struct certgen_options {
	const char *dn;       /* RFC 4514 text; "": an empty name */
	const void *raw_cn;   /* instead of dn: one CN with these bytes */
	size_t raw_cn_len;    /* with raw_cn */
	enum certgen_key key; /* of a new key, unless same_key */
	struct certgen *same_key;
	const gnutls_datum_t *spki; /* of somebody else's key, DER; then there is no private one */
	bool ca;
	int path_len;    /* with ca: 0 means no limit, n means n - 1 */
	unsigned int ku; /* GNUTLS_KEY_*; 0: what fits leaf or CA; CERTGEN_NO_KU: none */
	const char *eku[3];
	const char *dns;
	const char *email;
	const void *serial;
	size_t serial_len;
	int64_t not_before; /* 0: an hour ago */
	int64_t not_after;  /* 0: in a day */
	gnutls_digest_algorithm_t digest;
	unsigned int version; /* 0: 3 */
	struct certgen_ext ext[2];
};

/* @issuer NULL: self-signed. The result is freed by certgen_free(). */
struct certgen *certgen_new(const struct certgen_options *options, struct certgen *issuer);
void certgen_free(struct certgen *cert);

/* PEM of the certificate or of the unencrypted key (PKCS#8); freed by gnutls_free(data). */
gnutls_datum_t certgen_pem(const struct certgen *cert);
gnutls_datum_t certgen_key_pem(const struct certgen *cert);

struct certgen_crl {
	const struct certgen *const *revoked;
	size_t revoked_count;
	int64_t this_update; /* 0: an hour ago */
	int64_t next_update; /* 0: in a day */
	bool no_next_update; /* leaves it out */
	gnutls_digest_algorithm_t digest;
};

/* A CRL of @issuer in DER; freed by gnutls_free(data). */
gnutls_datum_t certgen_crl(const struct certgen_crl *options, struct certgen *issuer);

/* Writes @data to @path, mode 0600; aborts if it cannot. */
void certgen_write(const char *path, const gnutls_datum_t *data);

#endif
