/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Certificates and CRLs for tests, made when the test runs. */
#include <config.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <gnutls/abstract.h>

#include "tests/unit/certgen.h"

#define CHECK(call) check((call), #call)

static int check(int rc, const char *what)
{
	if (rc < 0) {
		(void)fprintf(stderr, "certgen: %s: %s\n", what, gnutls_strerror(rc));
		abort();
	}
	return rc;
}

static gnutls_x509_privkey_t make_key(enum certgen_key kind)
{
	static const struct {
		gnutls_pk_algorithm_t algorithm;
		unsigned int bits;
	} rows[] = {
		[CERTGEN_P256] = { GNUTLS_PK_ECDSA,
				   GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1) },
		[CERTGEN_P384] = { GNUTLS_PK_ECDSA,
				   GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP384R1) },
		[CERTGEN_P521] = { GNUTLS_PK_ECDSA,
				   GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP521R1) },
		[CERTGEN_ED25519] = { GNUTLS_PK_EDDSA_ED25519,
				      GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_ED25519) },
		[CERTGEN_RSA2048] = { GNUTLS_PK_RSA, 2048 },
		[CERTGEN_RSA1024] = { GNUTLS_PK_RSA, 1024 },
		[CERTGEN_RSA3072] = { GNUTLS_PK_RSA, 3072 },
		[CERTGEN_ED448] = { GNUTLS_PK_EDDSA_ED448,
				    GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_ED448) },
		[CERTGEN_DSA2048] = { GNUTLS_PK_DSA, 2048 },
	};
	gnutls_x509_privkey_t key;
	CHECK(gnutls_x509_privkey_init(&key));
	CHECK(gnutls_x509_privkey_generate(key, rows[kind].algorithm, rows[kind].bits, 0));
	return key;
}

static void set_name(gnutls_x509_crt_t crt, const struct certgen_options *options)
{
	if (options->raw_cn)
		CHECK(gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0,
						    options->raw_cn,
						    (unsigned int)options->raw_cn_len));
	else if (!options->dn || *options->dn)
		CHECK(gnutls_x509_crt_set_dn(crt, options->dn ? options->dn : "CN=leaf", NULL));
}

static void set_usage(gnutls_x509_crt_t crt, const struct certgen_options *options)
{
	unsigned int ku = options->ku;
	if (!ku)
		ku = options->ca ? GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN
				 : GNUTLS_KEY_DIGITAL_SIGNATURE;
	if (ku != CERTGEN_NO_KU)
		CHECK(gnutls_x509_crt_set_key_usage(crt, ku));
	if (options->ca)
		CHECK(gnutls_x509_crt_set_basic_constraints(crt, 1, options->path_len - 1));
	for (size_t i = 0; i < 3 && options->eku[i]; i++)
		CHECK(gnutls_x509_crt_set_key_purpose_oid(crt, options->eku[i], 0));
}

static void set_extensions(gnutls_x509_crt_t crt, const struct certgen_options *options)
{
	if (options->dns)
		CHECK(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, options->dns,
							   (unsigned int)strlen(options->dns),
							   GNUTLS_FSAN_APPEND));
	if (options->email)
		CHECK(gnutls_x509_crt_set_subject_alt_name(
			crt, GNUTLS_SAN_RFC822NAME, options->email,
			(unsigned int)strlen(options->email), GNUTLS_FSAN_APPEND));
	for (size_t i = 0; i < 2 && options->ext[i].oid; i++)
		CHECK(gnutls_x509_crt_set_extension_by_oid(crt, options->ext[i].oid,
							   options->ext[i].der, options->ext[i].len,
							   options->ext[i].critical));
}

static void set_serial_and_times(gnutls_x509_crt_t crt, const struct certgen_options *options)
{
	static unsigned int next_serial = 1;
	const time_t now = time(NULL);
	const unsigned int number = next_serial++;
	const uint8_t serial[] = { 0x4d, (uint8_t)(number >> 16), (uint8_t)(number >> 8),
				   (uint8_t)number };

	if (options->serial)
		CHECK(gnutls_x509_crt_set_serial(crt, options->serial, options->serial_len));
	else
		CHECK(gnutls_x509_crt_set_serial(crt, serial, sizeof(serial)));
	CHECK(gnutls_x509_crt_set_activation_time(crt, options->not_before ? options->not_before
									   : now - 3600));
	CHECK(gnutls_x509_crt_set_expiration_time(crt, options->not_after ? options->not_after
									  : now + 86400));
}

/* gnutls_x509_crt_sign2() refuses nothing by itself: MD5 and SHA-1 are for the tests to see. */
static void sign(struct certgen *cert, const struct certgen *issuer,
		 gnutls_digest_algorithm_t digest)
{
	const int algorithm = gnutls_x509_privkey_get_pk_algorithm(issuer->key);
	if (algorithm == GNUTLS_PK_EDDSA_ED25519)
		digest = GNUTLS_DIG_SHA512;
	else if (algorithm == GNUTLS_PK_EDDSA_ED448)
		digest = GNUTLS_DIG_SHAKE_256;
	else if (!digest)
		digest = algorithm == GNUTLS_PK_ECDSA ? GNUTLS_DIG_SHA384 : GNUTLS_DIG_SHA256;
	CHECK(gnutls_x509_crt_sign2(cert->crt, issuer->crt, issuer->key, digest, 0));
}

static void set_foreign_key(gnutls_x509_crt_t crt, const gnutls_datum_t *spki)
{
	gnutls_pubkey_t key;
	CHECK(gnutls_pubkey_init(&key));
	CHECK(gnutls_pubkey_import(key, spki, GNUTLS_X509_FMT_DER));
	CHECK(gnutls_x509_crt_set_pubkey(crt, key));
	gnutls_pubkey_deinit(key);
}

struct certgen *certgen_new(const struct certgen_options *options, struct certgen *issuer)
{
	struct certgen *cert = calloc(1, sizeof(*cert));
	if (!cert)
		abort();
	CHECK(gnutls_x509_crt_init(&cert->crt));
	if (options->spki) {
		set_foreign_key(cert->crt, options->spki);
	} else if (options->same_key) {
		CHECK(gnutls_x509_privkey_init(&cert->key));
		CHECK(gnutls_x509_privkey_cpy(cert->key, options->same_key->key));
	} else {
		cert->key = make_key(options->key);
	}
	CHECK(gnutls_x509_crt_set_version(cert->crt, options->version ? options->version : 3));
	if (cert->key)
		CHECK(gnutls_x509_crt_set_key(cert->crt, cert->key));
	set_name(cert->crt, options);
	set_serial_and_times(cert->crt, options);
	if (!options->version || options->version == 3) {
		set_usage(cert->crt, options);
		set_extensions(cert->crt, options);
	}
	sign(cert, issuer ? issuer : cert, options->digest);
	CHECK(gnutls_x509_crt_export2(cert->crt, GNUTLS_X509_FMT_DER, &cert->der));
	return cert;
}

void certgen_free(struct certgen *cert)
{
	if (!cert)
		return;
	gnutls_x509_crt_deinit(cert->crt);
	gnutls_x509_privkey_deinit(cert->key);
	gnutls_free(cert->der.data);
	free(cert);
}

gnutls_datum_t certgen_pem(const struct certgen *cert)
{
	gnutls_datum_t pem = { 0 };
	CHECK(gnutls_x509_crt_export2(cert->crt, GNUTLS_X509_FMT_PEM, &pem));
	return pem;
}

gnutls_datum_t certgen_key_pem(const struct certgen *cert)
{
	gnutls_datum_t pem = { 0 };
	CHECK(gnutls_x509_privkey_export2_pkcs8(cert->key, GNUTLS_X509_FMT_PEM, NULL,
						GNUTLS_PKCS_PLAIN, &pem));
	return pem;
}

gnutls_datum_t certgen_crl(const struct certgen_crl *options, struct certgen *issuer)
{
	const time_t now = time(NULL);
	const time_t this_update = options->this_update ? options->this_update : now - 3600;
	const uint8_t number[] = { 1 };
	gnutls_datum_t der = { 0 };
	gnutls_x509_crl_t crl;

	CHECK(gnutls_x509_crl_init(&crl));
	CHECK(gnutls_x509_crl_set_version(crl, 2));
	CHECK(gnutls_x509_crl_set_this_update(crl, this_update));
	const int64_t next_update = options->next_update ? options->next_update : now + 86400;
	if (!options->no_next_update)
		CHECK(gnutls_x509_crl_set_next_update(crl, next_update));
	CHECK(gnutls_x509_crl_set_number(crl, number, sizeof(number)));
	for (size_t i = 0; i < options->revoked_count; i++)
		CHECK(gnutls_x509_crl_set_crt(crl, options->revoked[i]->crt, this_update));
	CHECK(gnutls_x509_crl_sign2(crl, issuer->crt, issuer->key,
				    options->digest ? options->digest : GNUTLS_DIG_SHA256, 0));
	CHECK(gnutls_x509_crl_export2(crl, GNUTLS_X509_FMT_DER, &der));
	gnutls_x509_crl_deinit(crl);
	return der;
}

void certgen_write(const char *path, const gnutls_datum_t *data)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, data->data, data->size) != (ssize_t)data->size || close(fd) != 0) {
		perror(path);
		abort();
	}
}
