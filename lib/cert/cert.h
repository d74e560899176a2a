/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A certificate, parsed once: what verifying, mapping and auditing look at. The only user of
 * GnuTLS's X.509 field functions outside lib/verify and lib/tls. Immutable after creation; any
 * thread.
 */
#ifndef MTLS_CERT_CERT_H
#define MTLS_CERT_CERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/cleanup.h"
#include "lib/base/err.h"

struct mtls_cert;

enum mtls_cert_flag {
	MTLS_CERT_IS_CA = 1 << 0, /* basicConstraints CA:true */
	MTLS_CERT_HAS_KU = 1 << 1,
	MTLS_CERT_KU_SIGN = 1 << 2,      /* digitalSignature */
	MTLS_CERT_KU_CERT_SIGN = 1 << 3, /* keyCertSign */
	MTLS_CERT_HAS_EKU = 1 << 4,
	MTLS_CERT_EKU_CLIENT = 1 << 5,    /* 1.3.6.1.5.5.7.3.2 */
	MTLS_CERT_EKU_SMARTCARD = 1 << 6, /* 1.3.6.1.4.1.311.20.2.2 */
	MTLS_CERT_EKU_SERVER = 1 << 7,
	MTLS_CERT_EKU_ANY = 1 << 8,
	MTLS_CERT_UNKNOWN_CRITICAL = 1 << 9, /* a critical extension that we do not implement */
	/* NUL, control character, invalid UTF-8, malformed DER in subject, issuer or SAN */
	MTLS_CERT_BAD_IDENTITY = 1 << 10,
	MTLS_CERT_BAD_SERIAL = 1 << 11, /* negative, zero, padded, or over 20 octets */
	MTLS_CERT_NOT_V3 = 1 << 12,
	/* signed with anything but RSA, ECDSA or Ed25519 with SHA-256 or better */
	MTLS_CERT_WEAK_SIGNATURE = 1 << 13,
	MTLS_CERT_KU_CRL_SIGN = 1 << 14, /* cRLSign */
	MTLS_CERT_HAS_NAME_CONSTRAINTS = 1 << 15,
	MTLS_CERT_EMPTY_ISSUER = 1 << 16,
};

enum mtls_cert_algorithm {
	/* DSA, Ed448, rsassaPss keys, an unknown curve, an RSA exponent that is even, 1 or over 64
	 * bits: refused */
	MTLS_CERT_ALG_OTHER = 0,
	MTLS_CERT_ALG_RSA,
	MTLS_CERT_ALG_P256,
	MTLS_CERT_ALG_P384,
	MTLS_CERT_ALG_P521,
	MTLS_CERT_ALG_ED25519,
};

/*
 * Parses @der (@len bytes, at most MTLS_CERT_MAX of lib/wire/msg.h; copied). @ret_cert is set on
 * success only. Returns 0, -ENOMEM, MTLS_E_LIMIT, MTLS_E_SYNTAX (also for an extension that comes
 * twice). A malformed identity is not an error here but a flag: the verifier refuses it with a
 * reason, and the audit record can show the rest.
 */
int mtls_cert_from_der(const uint8_t *der, size_t len, struct mtls_cert **ret_cert,
		       struct mtls_diag *diag);
/* One more owner of @cert; each calls mtls_cert_free(). Any thread. */
struct mtls_cert *mtls_cert_ref(struct mtls_cert *cert);
void mtls_cert_free(struct mtls_cert *cert);
MTLS_DEFINE_CLEANUP(struct mtls_cert *, mtls_cert_free)

/* Borrowed, valid as long as @cert. */
const uint8_t *mtls_cert_der(const struct mtls_cert *cert, size_t *ret_len);
/* Canonical DN; "" if malformed or empty. */
const char *mtls_cert_subject(const struct mtls_cert *cert);
const char *mtls_cert_issuer(const struct mtls_cert *cert);
/* The names' DER, for comparing bytes. */
const uint8_t *mtls_cert_raw_subject(const struct mtls_cert *cert, size_t *ret_len);
const uint8_t *mtls_cert_raw_issuer(const struct mtls_cert *cert, size_t *ret_len);
/* No leading zero octets; at most MTLS_SERIAL_MAX, then cut and flagged BAD_SERIAL. */
#define MTLS_SERIAL_MAX 32
const uint8_t *mtls_cert_serial(const struct mtls_cert *cert, size_t *ret_len);
const uint8_t *mtls_cert_sha256(const struct mtls_cert *cert);      /* 32 bytes */
const uint8_t *mtls_cert_spki_sha256(const struct mtls_cert *cert); /* 32 bytes */
int64_t mtls_cert_not_before(const struct mtls_cert *cert);         /* seconds since 1970 */
int64_t mtls_cert_not_after(const struct mtls_cert *cert);
unsigned int mtls_cert_flags(const struct mtls_cert *cert);
enum mtls_cert_algorithm mtls_cert_algorithm(const struct mtls_cert *cert);
unsigned int mtls_cert_key_bits(const struct mtls_cert *cert);
/* The most specific CN, else the whole subject; "" if that is malformed. For prompts. */
const char *mtls_cert_label(const struct mtls_cert *cert);

#endif
