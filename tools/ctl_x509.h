/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys, certificates and the first CRL that mtlsctl makes. The only maker of certificates. */
#ifndef MTLS_TOOLS_CTL_X509_H
#define MTLS_TOOLS_CTL_X509_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <gnutls/abstract.h>
#include <gnutls/x509.h>

#include "lib/base/buf.h"
#include "lib/base/cleanup.h"
#include "lib/base/err.h"

/* A certificate with its private key, which is wiped when it is freed. */
struct ctl_pair {
	gnutls_x509_crt_t crt;
	gnutls_x509_privkey_t key;
};

void ctl_pair_done(struct ctl_pair *pair);

enum ctl_profile {
	CTL_PROFILE_CA,     /* path length 0, keyCertSign, cRLSign */
	CTL_PROFILE_SERVER, /* subjectAltName, serverAuth */
	CTL_PROFILE_USER,   /* clientAuth */
};

struct ctl_certificate {
	enum ctl_profile profile;
	const char *common_name; /* UTF-8, at most 64 characters count in a CN */
	const char *dns_name;    /* SERVER */
	gnutls_pubkey_t key;     /* what is certified; NULL: a new key is made */
	time_t not_before;
	time_t not_after; /* cut at the issuer's end */
};

/*
 * A new P-256 key and its certificate, signed by @issuer, or by itself for NULL. Random serial of
 * 20 octets, SHA-256, key identifiers. With a given key ret->key is NULL. @ret is set on success
 * only. 0 or MTLS_E_CRYPTO.
 */
int ctl_pair_make(const struct ctl_certificate *what, const struct ctl_pair *issuer,
		  struct ctl_pair *ret, struct mtls_diag *diag);

/* Reads PEM texts and checks that they belong together. 0, MTLS_E_SYNTAX, MTLS_E_CRYPTO. */
int ctl_pair_load(const struct mtls_buf *crt_pem, const struct mtls_buf *key_pem,
		  struct ctl_pair *ret, struct mtls_diag *diag);

/* Append PEM text. @passphrase NULL: PKCS#8 in the clear; else PBES2 with AES-256. */
int ctl_pem_key(const struct ctl_pair *pair, const char *passphrase, struct mtls_buf *out,
		struct mtls_diag *diag);
int ctl_pem_crt(gnutls_x509_crt_t crt, struct mtls_buf *out, struct mtls_diag *diag);

/*
 * Appends a PKCS#12 file of key, certificate and, if there is one, its @issuer: PBES2 with AES-256,
 * integrity by SHA-256. @name is what programs show.
 */
int ctl_pkcs12(const struct ctl_pair *pair, gnutls_x509_crt_t issuer, const char *name,
	       const char *passphrase, struct mtls_buf *out, struct mtls_diag *diag);

/*
 * Certificate requests (PKCS#10). _make appends DER, signed by @key, with these dNSNames (NULL:
 * none; else NULL-terminated).
 * _read takes PEM or DER and checks the signature: who made it holds the key. 0, MTLS_E_SYNTAX,
 * MTLS_E_CRYPTO.
 */
int ctl_request_make(gnutls_x509_privkey_t key, const char *common_name,
		     const char *const *dns_names, struct mtls_buf *out, struct mtls_diag *diag);
int ctl_request_read(const uint8_t *data, size_t len, gnutls_x509_crq_t *ret,
		     struct mtls_diag *diag);

/* The key of a request, or the one with this SubjectPublicKeyInfo (DER). Deinit it. */
int ctl_public_key_of(gnutls_x509_crq_t request, gnutls_pubkey_t *ret, struct mtls_diag *diag);
int ctl_public_key_read(const uint8_t *spki, size_t len, gnutls_pubkey_t *ret,
			struct mtls_diag *diag);

/* Appends an empty CRL of @issuer, number 1, that holds until the issuer's certificate ends. */
int ctl_pem_empty_crl(const struct ctl_pair *issuer, time_t now, struct mtls_buf *out,
		      struct mtls_diag *diag);

/* Whether extendedKeyUsage has @oid. */
bool ctl_crt_has_purpose(gnutls_x509_crt_t crt, const char *oid);

/* As lib/tls compares: a dNSName, letters of either case, no wildcard, no common name. */
bool ctl_crt_has_name(gnutls_x509_crt_t crt, const char *name);

/* Takes over @datum: appends, wipes, frees. 0 or an error of @out. */
int ctl_take_datum(gnutls_datum_t *datum, struct mtls_buf *out, struct mtls_diag *diag);

/* A random serial: positive, never zero, 20 octets on the wire (the first is 0x40-0x7f). A code of
 * GnuTLS. */
int ctl_crt_set_serial(gnutls_x509_crt_t crt);

/* Two thirds of the time from @start to @end are over. */
bool ctl_is_due(time_t start, time_t end, time_t now);

/*
 * A certificate like @old, same key, names and extensions, with a new serial and other times, cut
 * at the issuer's end. MTLS_E_UNTRUSTED: @issuer has not signed @old; MTLS_E_CRYPTO.
 */
int ctl_crt_again(gnutls_x509_crt_t old, const struct ctl_pair *issuer, time_t not_before,
		  time_t not_after, gnutls_x509_crt_t *ret, struct mtls_diag *diag);

/*
 * A CRL like @old, for as long as it was for, cut at the issuer's end, with the next number, as
 * PEM. @ret_end is its nextUpdate. MTLS_E_UNTRUSTED: @issuer has not signed it.
 */
int ctl_crl_again(gnutls_x509_crl_t old, const struct ctl_pair *issuer, time_t now,
		  struct mtls_buf *out, time_t *ret_end, struct mtls_diag *diag);

#endif
