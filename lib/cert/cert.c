/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A certificate, parsed once. Two parsers must agree on it: GnuTLS, which will verify it, and our
 * strict reader, which takes what mapping and policy rest on (serial, names, public key,
 * extensions) from the exact bytes. Immutable after creation, but for the GnuTLS object.
 */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>

#include "lib/cert/cert_impl.h"
#include "lib/name/dn.h"
#include "lib/wire/msg.h"

#define SERIAL_OCTETS_MAX 20
#define EXPONENT_OCTETS   8

struct mtls_cert *mtls_cert_ref(struct mtls_cert *cert)
{
	(void)atomic_fetch_add_explicit(&cert->owners, 1, memory_order_relaxed);
	return cert;
}

void mtls_cert_free(struct mtls_cert *cert)
{
	if (!cert || atomic_fetch_sub_explicit(&cert->owners, 1, memory_order_acq_rel) > 1)
		return;
	if (cert->crt)
		gnutls_x509_crt_deinit(cert->crt);
	free(cert->der);
	free(cert->subject);
	free(cert->issuer);
	free(cert->label);
	free(cert);
}

/* version [0] EXPLICIT INTEGER DEFAULT v1; we want v3 (2). */
static int read_version(struct mtls_cert *cert, struct mtls_der *tbs)
{
	struct mtls_der_element wrapped, version;

	if (mtls_der_peek(tbs) != MTLS_DER_CONTEXT_CONSTRUCTED(0)) {
		cert->flags |= MTLS_CERT_NOT_V3;
		return 0;
	}
	if (mtls_der_next(tbs, &wrapped) < 0 ||
	    mtls_der_expect(&wrapped.body, MTLS_DER_INTEGER, &version) < 0 || wrapped.body.len)
		return MTLS_E_SYNTAX;
	if (!mtls_der_equal(&version.body, "\x02", 1))
		cert->flags |= MTLS_CERT_NOT_V3;
	return 0;
}

static void read_serial(struct mtls_cert *cert, struct mtls_der serial)
{
	const bool padded = serial.len > 1 && serial.data[0] == 0 && serial.data[1] < 0x80;

	if (serial.len == 0 || serial.len > SERIAL_OCTETS_MAX || padded || serial.data[0] & 0x80)
		cert->flags |= MTLS_CERT_BAD_SERIAL;
	while (serial.len && serial.data[0] == 0) {
		serial.data++;
		serial.len--;
	}
	if (serial.len == 0)
		cert->flags |= MTLS_CERT_BAD_SERIAL; /* zero */
	if (serial.len > MTLS_SERIAL_MAX)
		serial.len = MTLS_SERIAL_MAX;
	cert->serial = serial;
}

static int find_extensions(struct mtls_cert *cert, struct mtls_der *tbs)
{
	return mtls_der_extensions(tbs, &cert->extensions);
}

static int slice(struct mtls_cert *cert)
{
	struct mtls_der in = { .data = cert->der, .len = cert->der_len };
	struct mtls_der_element whole, tbs, serial, skipped, issuer, subject, spki;

	if (mtls_der_expect(&in, MTLS_DER_SEQUENCE, &whole) < 0 || in.len ||
	    mtls_der_expect(&whole.body, MTLS_DER_SEQUENCE, &tbs) < 0 ||
	    read_version(cert, &tbs.body) < 0 ||
	    mtls_der_expect(&tbs.body, MTLS_DER_INTEGER, &serial) < 0 ||
	    mtls_der_expect(&tbs.body, MTLS_DER_SEQUENCE, &skipped) < 0 || /* signature */
	    mtls_der_expect(&tbs.body, MTLS_DER_SEQUENCE, &issuer) < 0 ||
	    mtls_der_expect(&tbs.body, MTLS_DER_SEQUENCE, &skipped) < 0 || /* validity */
	    mtls_der_expect(&tbs.body, MTLS_DER_SEQUENCE, &subject) < 0 ||
	    mtls_der_expect(&tbs.body, MTLS_DER_SEQUENCE, &spki) < 0)
		return MTLS_E_SYNTAX;
	read_serial(cert, serial.body);
	cert->raw_issuer = issuer.whole;
	cert->raw_subject = subject.whole;
	cert->spki = spki.whole;
	if (issuer.body.len == 0)
		cert->flags |= MTLS_CERT_EMPTY_ISSUER;
	return find_extensions(cert, &tbs.body);
}

static int import_crt(struct mtls_cert *cert, struct mtls_diag *diag)
{
	const gnutls_datum_t der = { .data = cert->der, .size = (unsigned int)cert->der_len };
	gnutls_x509_crt_t crt;

	if (gnutls_x509_crt_init(&crt) < 0)
		return -ENOMEM;
	int rc = gnutls_x509_crt_import(crt, &der, GNUTLS_X509_FMT_DER);
	if (rc >= 0) {
		cert->crt = crt;
		return 0;
	}
	gnutls_x509_crt_deinit(crt);
	if (rc == GNUTLS_E_MEMORY_ERROR)
		return -ENOMEM;
	return mtls_diag_set(diag, MTLS_E_SYNTAX, "not a certificate: %s", gnutls_strerror(rc));
}

static int read_times(struct mtls_cert *cert, struct mtls_diag *diag)
{
	cert->not_before = gnutls_x509_crt_get_activation_time(cert->crt);
	cert->not_after = gnutls_x509_crt_get_expiration_time(cert->crt);
	if (cert->not_before == -1 || cert->not_after == -1)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "malformed validity");
	return 0;
}

/* An exponent as long as the modulus makes each verification as slow as a signature. */
static bool rsa_exponent_usual(gnutls_x509_crt_t crt)
{
	gnutls_datum_t modulus = { 0 }, exponent = { 0 };

	if (gnutls_x509_crt_get_pk_rsa_raw(crt, &modulus, &exponent) < 0)
		return false;
	size_t zeros = 0;
	while (zeros < exponent.size && exponent.data[zeros] == 0)
		zeros++;
	const size_t len = exponent.size - zeros;
	const bool usual = len > 0 && len <= EXPONENT_OCTETS &&
			   (exponent.data[exponent.size - 1] & 1) &&
			   !(len == 1 && exponent.data[zeros] == 1);
	gnutls_free(modulus.data);
	gnutls_free(exponent.data);
	return usual;
}

/* GnuTLS rounds the size of P-521 up to whole octets: the table has the true one. */
static void read_curve(struct mtls_cert *cert)
{
	static const struct {
		gnutls_ecc_curve_t curve;
		enum mtls_cert_algorithm algorithm;
		unsigned int bits;
	} rows[] = {
		{ GNUTLS_ECC_CURVE_SECP256R1, MTLS_CERT_ALG_P256, 256 },
		{ GNUTLS_ECC_CURVE_SECP384R1, MTLS_CERT_ALG_P384, 384 },
		{ GNUTLS_ECC_CURVE_SECP521R1, MTLS_CERT_ALG_P521, 521 },
		{ GNUTLS_ECC_CURVE_ED25519, MTLS_CERT_ALG_ED25519, 256 },
	};
	gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;

	if (gnutls_x509_crt_get_pk_ecc_raw(cert->crt, &curve, NULL, NULL) < 0)
		return;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		if (rows[i].curve != curve)
			continue;
		cert->algorithm = rows[i].algorithm;
		cert->key_bits = rows[i].bits;
	}
}

static void read_key(struct mtls_cert *cert)
{
	unsigned int bits = 0;
	int algorithm = gnutls_x509_crt_get_pk_algorithm(cert->crt, &bits);

	cert->key_bits = bits;
	switch (algorithm) {
	case GNUTLS_PK_RSA:
		if (rsa_exponent_usual(cert->crt))
			cert->algorithm = MTLS_CERT_ALG_RSA;
		break;
	case GNUTLS_PK_ECDSA:
	case GNUTLS_PK_EDDSA_ED25519:
		read_curve(cert);
		break;
	default:
		break;
	}
}

static bool signature_strong(gnutls_x509_crt_t crt)
{
	static const gnutls_sign_algorithm_t strong[] = {
		GNUTLS_SIGN_ECDSA_SHA256,        GNUTLS_SIGN_ECDSA_SHA384,
		GNUTLS_SIGN_ECDSA_SHA512,        GNUTLS_SIGN_EDDSA_ED25519,
		GNUTLS_SIGN_RSA_SHA256,          GNUTLS_SIGN_RSA_SHA384,
		GNUTLS_SIGN_RSA_SHA512,          GNUTLS_SIGN_RSA_PSS_SHA256,
		GNUTLS_SIGN_RSA_PSS_SHA384,      GNUTLS_SIGN_RSA_PSS_SHA512,
		GNUTLS_SIGN_RSA_PSS_RSAE_SHA256, GNUTLS_SIGN_RSA_PSS_RSAE_SHA384,
		GNUTLS_SIGN_RSA_PSS_RSAE_SHA512,
	};
	const int algorithm = gnutls_x509_crt_get_signature_algorithm(crt);

	for (size_t i = 0; i < MTLS_COUNT(strong); i++)
		if ((int)strong[i] == algorithm)
			return true;
	return false;
}

static int hash(const struct mtls_der *der, uint8_t *out)
{
	return gnutls_hash_fast(GNUTLS_DIG_SHA256, der->data, der->len, out) < 0 ? MTLS_E_CRYPTO
										 : 0;
}

/* @ret_text: owned; "" and a flag if the name is malformed. */
static int name_text(struct mtls_cert *cert, const struct mtls_der *name,
		     int (*append)(const struct mtls_der *name, struct mtls_buf *out),
		     char **ret_text)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(MTLS_DN_TEXT_MAX);

	int err = append(name, &text);
	if (err == -ENOMEM)
		return err;
	const char *value = err < 0 ? "" : mtls_buf_cstr(&text);
	if (err < 0)
		cert->flags |= MTLS_CERT_BAD_IDENTITY;
	*ret_text = value ? strdup(value) : NULL;
	return *ret_text ? 0 : -ENOMEM;
}

static int read_names(struct mtls_cert *cert)
{
	int err = name_text(cert, &cert->raw_subject, mtls_cert_format_name, &cert->subject);
	if (err == 0)
		err = name_text(cert, &cert->raw_issuer, mtls_cert_format_name, &cert->issuer);
	if (err == 0)
		err = name_text(cert, &cert->raw_subject, mtls_cert_common_name, &cert->label);
	if (err < 0 || *cert->label)
		return err;
	free(cert->label);
	cert->label = strdup(cert->subject);
	return cert->label ? 0 : -ENOMEM;
}

static int read_fields(struct mtls_cert *cert, struct mtls_diag *diag)
{
	if (slice(cert) < 0)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "not the DER of a certificate");
	int err = import_crt(cert, diag);
	if (err == 0)
		err = read_times(cert, diag);
	if (err < 0)
		return err;
	read_key(cert);
	if (!signature_strong(cert->crt))
		cert->flags |= MTLS_CERT_WEAK_SIGNATURE;
	const struct mtls_der whole = { .data = cert->der, .len = cert->der_len };
	err = hash(&whole, cert->sha256);
	if (err == 0)
		err = hash(&cert->spki, cert->spki_sha256);
	if (err == 0)
		err = read_names(cert);
	return err == 0 ? mtls_cert_read_extensions(cert, diag) : err;
}

int mtls_cert_from_der(const uint8_t *der, size_t len, struct mtls_cert **ret_cert,
		       struct mtls_diag *diag)
{
	_cleanup_(mtls_cert_freep) struct mtls_cert *cert = NULL;

	if (len == 0)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "an empty certificate");
	if (len > MTLS_CERT_MAX)
		return mtls_diag_set(diag, MTLS_E_LIMIT, "a certificate of %zu bytes", len);
	cert = calloc(1, sizeof(*cert));
	if (!cert)
		return -ENOMEM;
	atomic_init(&cert->owners, 1);
	cert->der = malloc(len);
	if (!cert->der)
		return -ENOMEM;
	memcpy(cert->der, der, len);
	cert->der_len = len;
	int err = read_fields(cert, diag);
	if (err < 0)
		return err;
	*ret_cert = MTLS_TAKE(cert);
	return 0;
}

const uint8_t *mtls_cert_der(const struct mtls_cert *cert, size_t *ret_len)
{
	*ret_len = cert->der_len;
	return cert->der;
}

const char *mtls_cert_subject(const struct mtls_cert *cert)
{
	return cert->subject;
}

const char *mtls_cert_issuer(const struct mtls_cert *cert)
{
	return cert->issuer;
}

const uint8_t *mtls_cert_raw_subject(const struct mtls_cert *cert, size_t *ret_len)
{
	*ret_len = cert->raw_subject.len;
	return cert->raw_subject.data;
}

const uint8_t *mtls_cert_raw_issuer(const struct mtls_cert *cert, size_t *ret_len)
{
	*ret_len = cert->raw_issuer.len;
	return cert->raw_issuer.data;
}

const uint8_t *mtls_cert_serial(const struct mtls_cert *cert, size_t *ret_len)
{
	*ret_len = cert->serial.len;
	return cert->serial.data;
}

const uint8_t *mtls_cert_sha256(const struct mtls_cert *cert)
{
	return cert->sha256;
}

const uint8_t *mtls_cert_spki_sha256(const struct mtls_cert *cert)
{
	return cert->spki_sha256;
}

int64_t mtls_cert_not_before(const struct mtls_cert *cert)
{
	return cert->not_before;
}

int64_t mtls_cert_not_after(const struct mtls_cert *cert)
{
	return cert->not_after;
}

unsigned int mtls_cert_flags(const struct mtls_cert *cert)
{
	return cert->flags;
}

enum mtls_cert_algorithm mtls_cert_algorithm(const struct mtls_cert *cert)
{
	return cert->algorithm;
}

unsigned int mtls_cert_key_bits(const struct mtls_cert *cert)
{
	return cert->key_bits;
}

const char *mtls_cert_label(const struct mtls_cert *cert)
{
	return cert->label;
}

gnutls_x509_crt_t mtls_cert_crt(struct mtls_cert *cert)
{
	if (!cert->crt && import_crt(cert, NULL) < 0)
		return NULL;
	return cert->crt;
}

void mtls_cert_forget_crt(struct mtls_cert *cert)
{
	if (cert->crt)
		gnutls_x509_crt_deinit(cert->crt);
	cert->crt = NULL;
}
