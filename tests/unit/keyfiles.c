/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/pkcs12.h>

#include "tests/unit/keyfiles.h"

const char keyfile_openssl_encrypted[] =
	"-----BEGIN EC PRIVATE KEY-----\n"
	"Proc-Type: 4,ENCRYPTED\n"
	"DEK-Info: AES-128-CBC,58EEE0A7E70940C18554F5ACE8D79AFD\n"
	"\n"
	"PMr2MsswHt4xPcwyQFgV88wT9RQPQftnxJefEJ0FdKClQ2esF60LjhNDXBQXFP4i\n"
	"N6P4Rtbsz4U3Q9ls/whsFyFk8hC3fto0NpFaKYTzGkJXQDwj1AIuNEBP8ElD/sw5\n"
	"WB/d4U4F2kCgQ4fy4LvhjA7w0ugR4BQGab2ZJoSn0IM=\n"
	"-----END EC PRIVATE KEY-----\n";
const char keyfile_openssl_plain[] =
	"-----BEGIN EC PRIVATE KEY-----\n"
	"MHcCAQEEIB1FJ/tBv/OW+j5/9h5dR/lnbLZPzlnyZ7b040Vzw/w4oAoGCCqGSM49\n"
	"AwEHoUQDQgAE+4l5UuXjyB0t8+jX3qLOv/k51drRxjEmq19wdzo/DivF6jRQk328\n"
	"mpjTKuck36EZUHiGBT/yKnbaip/j1sPnAw==\n"
	"-----END EC PRIVATE KEY-----\n";

#define MUST(call) must((call) >= 0, #call)

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "keyfiles: %s failed\n", what);
	abort();
}

static void append(struct mtls_buf *out, gnutls_datum_t *data)
{
	MUST(mtls_buf_append(out, data->data, data->size));
	gnutls_free(data->data);
}

void keyfile_cert(struct mtls_buf *out, const struct certgen *cert)
{
	gnutls_datum_t pem = certgen_pem(cert);
	append(out, &pem);
}

void keyfile_plain(struct mtls_buf *out, const struct certgen *cert)
{
	gnutls_datum_t pem = certgen_key_pem(cert);
	append(out, &pem);
}

void keyfile_traditional(struct mtls_buf *out, const struct certgen *cert)
{
	gnutls_datum_t pem = { NULL, 0 };
	MUST(gnutls_x509_privkey_export2(cert->key, GNUTLS_X509_FMT_PEM, &pem));
	append(out, &pem);
}

static gnutls_datum_t pkcs8(const struct certgen *cert, gnutls_x509_crt_fmt_t format,
			    const char *secret, unsigned int flags)
{
	gnutls_datum_t data = { NULL, 0 };
	MUST(gnutls_x509_privkey_export2_pkcs8(cert->key, format, secret, flags, &data));
	return data;
}

void keyfile_encrypted(struct mtls_buf *out, const struct certgen *cert, const char *secret)
{
	gnutls_datum_t pem = pkcs8(cert, GNUTLS_X509_FMT_PEM, secret, GNUTLS_PKCS_PBES2_AES_256);
	append(out, &pem);
}

static unsigned int cipher_flags(const struct keyfile_p12 *options)
{
	unsigned int null = options->secret ? 0 : GNUTLS_PKCS_NULL_PASSWORD;
	return null | (options->old_ciphers ? GNUTLS_PKCS_PKCS12_3DES : GNUTLS_PKCS_PBES2_AES_256);
}

static void add_certs(gnutls_pkcs12_t p12, const struct keyfile_p12 *options)
{
	gnutls_pkcs12_bag_t bag;
	MUST(gnutls_pkcs12_bag_init(&bag));
	MUST(gnutls_pkcs12_bag_set_crt(bag, options->cert->crt));
	if (options->issuer)
		MUST(gnutls_pkcs12_bag_set_crt(bag, options->issuer->crt));
	if (!options->clear_certs)
		MUST(gnutls_pkcs12_bag_encrypt(bag, options->secret, cipher_flags(options)));
	MUST(gnutls_pkcs12_set_bag(p12, bag));
	gnutls_pkcs12_bag_deinit(bag);
}

static void add_key(gnutls_pkcs12_t p12, const struct keyfile_p12 *options)
{
	const char *secret = options->key_secret ? options->key_secret : options->secret;
	gnutls_datum_t key = pkcs8(options->cert, GNUTLS_X509_FMT_DER, secret,
				   options->clear_key ? GNUTLS_PKCS_PLAIN : cipher_flags(options));
	gnutls_pkcs12_bag_t bag;
	MUST(gnutls_pkcs12_bag_init(&bag));
	MUST(gnutls_pkcs12_bag_set_data(
		bag, options->clear_key ? GNUTLS_BAG_PKCS8_KEY : GNUTLS_BAG_PKCS8_ENCRYPTED_KEY,
		&key));
	MUST(gnutls_pkcs12_set_bag(p12, bag));
	gnutls_pkcs12_bag_deinit(bag);
	gnutls_free(key.data);
}

/* Header and content of the DER element at @data. */
static size_t element_len(const uint8_t *data, size_t *ret_header)
{
	size_t len = data[1], bytes = 0;
	if (len & 0x80) {
		bytes = len & 0x7f;
		len = 0;
		for (size_t i = 0; i < bytes; i++)
			len = len << 8 | data[2 + i];
	}
	*ret_header = 2 + bytes;
	return 2 + bytes + len;
}

/*
 * PFX ::= SEQUENCE { version, authSafe, macData OPTIONAL }: keeps the first two. GnuTLS cannot
 * export a file without macData.
 */
static void strip_mac(struct mtls_buf *out, const gnutls_datum_t *der)
{
	size_t outer, inner;
	(void)element_len(der->data, &outer);
	const uint8_t *version = der->data + outer;
	size_t version_len = element_len(version, &inner);
	size_t len = version_len + element_len(version + version_len, &inner);
	const uint8_t header[] = { 0x30, 0x82, (uint8_t)(len >> 8), (uint8_t)len };
	MUST(mtls_buf_append(out, header, sizeof(header)));
	MUST(mtls_buf_append(out, version, len));
}

void keyfile_pkcs12(struct mtls_buf *out, const struct keyfile_p12 *options)
{
	gnutls_datum_t der = { NULL, 0 };
	gnutls_pkcs12_t p12;
	MUST(gnutls_pkcs12_init(&p12));
	add_certs(p12, options);
	add_key(p12, options);
	MUST(gnutls_pkcs12_generate_mac2(p12, GNUTLS_MAC_SHA256, options->secret));
	MUST(gnutls_pkcs12_export2(p12, GNUTLS_X509_FMT_DER, &der));
	gnutls_pkcs12_deinit(p12);
	if (!options->no_mac) {
		append(out, &der);
		return;
	}
	strip_mac(out, &der);
	gnutls_free(der.data);
}
