/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between intake.c and the readers of the two forms. */
#ifndef MTLS_SIGNER_INTAKE_PARTS_H
#define MTLS_SIGNER_INTAKE_PARTS_H

#include <gnutls/x509.h>

#include "signer/intake.h"

#define PARTS_CERTS_MAX  16 /* in one file; a chain has at most MTLS_CHAIN_MAX of them */
#define PARTS_BESIDE_MAX PARTS_CERTS_MAX /* from one other file */

/* What was found in a file, in its order. */
struct parts {
	gnutls_x509_crt_t certs[PARTS_CERTS_MAX + PARTS_BESIDE_MAX]; /* owned */
	size_t cert_count;
	gnutls_x509_privkey_t key; /* owned; NULL: none, or locked */
	size_t key_count;          /* private keys seen, readable or not */
	bool locked;               /* a secret is needed */
	bool hidden;               /* for the certificates too: PKCS#12 */
	bool by_secret;
};

/* Readers: fill @parts; 0, or codes and @diag as intake_read(). @secret may be NULL. */
int parts_from_pem(const uint8_t *data, size_t len, const char *secret, uint32_t iterations_max,
		   struct parts *parts, struct mtls_diag *diag);
int parts_from_pkcs12(const uint8_t *data, size_t len, const char *secret, uint32_t iterations_max,
		      struct parts *parts, struct mtls_diag *diag);

/* One certificate in DER at the end of the list. */
int parts_add_cert(struct parts *parts, const gnutls_datum_t *der, struct mtls_diag *diag);

/*
 * Decrypts one PKCS#8 key in @format; without @secret it only looks whether that could be done.
 * Returns 0, MTLS_E_NEEDSECRET, MTLS_E_SECRET, or a code of damage.
 */
int parts_encrypted_pkcs8(const gnutls_datum_t *data, gnutls_x509_crt_fmt_t format,
			  const char *secret, uint32_t iterations_max, gnutls_x509_privkey_t *ret,
			  struct mtls_diag *diag);

/* GnuTLS's code to ours, its text to @diag behind @what. */
int parts_error(int code, struct mtls_diag *diag, const char *what);

void parts_done(struct parts *parts);

#endif
