/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/cert: DER reader, fields, flags. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <gnutls/crypto.h>

#include "lib/base/str.h"
#include "lib/cert/cert.h"
#include "lib/cert/der.h"
#include "lib/wire/msg.h"
#include "tests/unit/certgen.h"

#define B(text) text, sizeof(text) - 1

static void elements_are_strict(void **state)
{
	static const struct {
		const char *name;
		const char *der;
		size_t len;
		int want;
		size_t body, rest;
	} rows[] = {
		{ "short form", B("\x04\x02xyz"), 0, 2, 1 },
		{ "empty", B("\x30\x00"), 0, 0, 0 },
		{ "nothing", B(""), MTLS_E_SYNTAX, 0, 0 },
		{ "no length", B("\x30"), MTLS_E_SYNTAX, 0, 0 },
		{ "past the end", B("\x04\x03xy"), MTLS_E_SYNTAX, 0, 0 },
		{ "indefinite", B("\x30\x80\x00\x00"), MTLS_E_SYNTAX, 0, 0 },
		{ "long form for short", B("\x04\x81\x02xy"), MTLS_E_SYNTAX, 0, 0 },
		{ "padded length", B("\x04\x82\x00\x80xy"), MTLS_E_SYNTAX, 0, 0 },
		{ "five length octets", B("\x04\x85\x01\x00\x00\x00\x00"), MTLS_E_SYNTAX, 0, 0 },
		{ "length cut off", B("\x04\x82\x01"), MTLS_E_SYNTAX, 0, 0 },
		{ "high tag", B("\x1f\x21\x00"), MTLS_E_SYNTAX, 0, 0 },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct mtls_der in = { .data = (const uint8_t *)rows[i].der, .len = rows[i].len };
		struct mtls_der_element element = { 0 };
		int got = mtls_der_next(&in, &element);
		if (got != rows[i].want || element.body.len != rows[i].body ||
		    (got == 0 && in.len != rows[i].rest))
			fail_msg("row '%s'", rows[i].name);
	}
	uint8_t big[3 + 200] = { 0x04, 0x81, 200 };
	struct mtls_der in = { .data = big, .len = sizeof(big) };
	struct mtls_der_element element;
	assert_int_equal(mtls_der_next(&in, &element), 0);
	assert_int_equal(element.body.len, 200);
	assert_int_equal(element.whole.len, sizeof(big));
}

static void oids_have_one_text(void **state)
{
	static const struct {
		const char *der;
		size_t len;
		int want;
		const char *text;
	} rows[] = {
		{ B("\x55\x04\x03"), 0, "2.5.4.3" },
		{ B("\x2b\x06\x01\x05\x05\x07\x03\x02"), 0, "1.3.6.1.5.5.7.3.2" },
		{ B("\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19"), 0, "0.9.2342.19200300.100.1.25" },
		{ B("\x88\x37\x03"), 0, "2.999.3" },
		{ B("\x8f\xff\xff\xff\x7f"), 0, "2.4294967215" },
		{ B("\x90\x80\x80\x80\x00"), MTLS_E_LIMIT, NULL },
		{ B(""), MTLS_E_SYNTAX, NULL },
		{ B("\x55\x80\x03"), MTLS_E_SYNTAX, NULL },
		{ B("\x55\x84"), MTLS_E_SYNTAX, NULL },
	};
	char text[64];
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct mtls_der oid = { .data = (const uint8_t *)rows[i].der, .len = rows[i].len };
		assert_int_equal(mtls_der_oid_text(&oid, text, sizeof(text)), rows[i].want);
		if (rows[i].text)
			assert_string_equal(text, rows[i].text);
	}
	struct mtls_der oid = { .data = (const uint8_t *)"\x55\x04\x03", .len = 3 };
	assert_int_equal(mtls_der_oid_text(&oid, text, 7), MTLS_E_LIMIT);
	assert_int_equal(mtls_der_oid_text(&oid, text, 8), 0);
}

static struct mtls_cert *parse(const struct certgen *cert)
{
	struct mtls_cert *parsed = NULL;
	struct mtls_diag diag = { 0 };
	int err = mtls_cert_from_der(cert->der.data, cert->der.size, &parsed, &diag);
	if (err < 0)
		fail_msg("%s", mtls_diag_text(&diag, err));
	return parsed;
}

static void fields_are_read(void **state)
{
	const time_t now = time(NULL);
	const uint8_t serial[] = { 0x00, 0xf1, 0x02 };
	struct certgen *ca = certgen_new(
		&(struct certgen_options){ .dn = "CN=Root,O=Example", .ca = true }, NULL);
	struct certgen *leaf = certgen_new(
		&(struct certgen_options){ .dn = "CN=Smith\\, Alice,OU=People,O=Example",
					   .serial = serial,
					   .serial_len = sizeof(serial),
					   .not_before = now - 10,
					   .not_after = now + 10,
					   .eku = { GNUTLS_KP_TLS_WWW_CLIENT } },
		ca);
	struct mtls_cert *cert = parse(leaf);
	uint8_t id[32];
	size_t len;
	(void)state;

	assert_string_equal(mtls_cert_subject(cert), "CN=Smith\\, Alice,OU=People,O=Example");
	assert_string_equal(mtls_cert_issuer(cert), "CN=Root,O=Example");
	assert_string_equal(mtls_cert_label(cert), "Smith, Alice");
	assert_memory_equal(mtls_cert_serial(cert, &len), serial + 1, 2);
	assert_int_equal(len, 2);
	assert_int_equal(mtls_cert_not_before(cert), now - 10);
	assert_int_equal(mtls_cert_not_after(cert), now + 10);
	assert_int_equal(mtls_cert_algorithm(cert), MTLS_CERT_ALG_P256);
	assert_int_equal(mtls_cert_key_bits(cert), 256);
	assert_int_equal(mtls_cert_flags(cert), MTLS_CERT_HAS_KU | MTLS_CERT_KU_SIGN |
							MTLS_CERT_HAS_EKU | MTLS_CERT_EKU_CLIENT);
	assert_memory_equal(mtls_cert_der(cert, &len), leaf->der.data, leaf->der.size);
	assert_int_equal(len, leaf->der.size);
	assert_int_equal(gnutls_hash_fast(GNUTLS_DIG_SHA256, leaf->der.data, leaf->der.size, id),
			 0);
	assert_memory_equal(mtls_cert_sha256(cert), id, 32);
	size_t id_len = sizeof(id);
	assert_int_equal(
		gnutls_x509_crt_get_key_id(leaf->crt, GNUTLS_KEYID_USE_SHA256, id, &id_len), 0);
	assert_memory_equal(mtls_cert_spki_sha256(cert), id, 32);
	mtls_cert_free(cert);
	cert = parse(ca);
	assert_int_equal(mtls_cert_flags(cert), MTLS_CERT_IS_CA | MTLS_CERT_HAS_KU |
							MTLS_CERT_KU_CERT_SIGN |
							MTLS_CERT_KU_CRL_SIGN);
	mtls_cert_free(cert);
	certgen_free(leaf);
	certgen_free(ca);
}

#define PLAIN     (MTLS_CERT_HAS_KU | MTLS_CERT_KU_SIGN)
#define SAN(text) .ext = { { "2.5.29.17", B(text), false } }

static void flags_are_set(void **state)
{
	static const uint8_t long_serial[21] = { 1 }, max_serial[20] = { 1 };
	static const uint8_t huge_serial[40] = { 1 };
	static const struct {
		const char *name;
		struct certgen_options options;
		unsigned int want;
	} rows[] = {
		{ "plain", { 0 }, PLAIN },
		{ "no KU", { .ku = CERTGEN_NO_KU }, 0 },
		{ "KU encipherment", { .ku = GNUTLS_KEY_KEY_ENCIPHERMENT }, MTLS_CERT_HAS_KU },
		{ "KU cert sign",
		  { .ku = GNUTLS_KEY_KEY_CERT_SIGN },
		  MTLS_CERT_HAS_KU | MTLS_CERT_KU_CERT_SIGN },
		{ "server",
		  { .eku = { GNUTLS_KP_TLS_WWW_SERVER } },
		  PLAIN | MTLS_CERT_HAS_EKU | MTLS_CERT_EKU_SERVER },
		{ "smart card",
		  { .eku = { "1.3.6.1.4.1.311.20.2.2" } },
		  PLAIN | MTLS_CERT_HAS_EKU | MTLS_CERT_EKU_SMARTCARD },
		{ "any",
		  { .eku = { GNUTLS_KP_ANY } },
		  PLAIN | MTLS_CERT_HAS_EKU | MTLS_CERT_EKU_ANY },
		{ "other purpose",
		  { .eku = { GNUTLS_KP_CODE_SIGNING } },
		  PLAIN | MTLS_CERT_HAS_EKU },
		{ "longer OID than client's",
		  { .eku = { "1.3.6.1.5.5.7.3.2.1" } },
		  PLAIN | MTLS_CERT_HAS_EKU },
		{ "empty EKU",
		  { .ext = { { "2.5.29.37", B("\x30\x00"), false } } },
		  PLAIN | MTLS_CERT_HAS_EKU },
		{ "serial of 20", { .serial = max_serial, .serial_len = 20 }, PLAIN },
		{ "serial of 21",
		  { .serial = long_serial, .serial_len = 21 },
		  PLAIN | MTLS_CERT_BAD_SERIAL },
		{ "serial of 40",
		  { .serial = huge_serial, .serial_len = 40 },
		  PLAIN | MTLS_CERT_BAD_SERIAL },
		{ "negative serial",
		  { .serial = "\xff", .serial_len = 1 },
		  PLAIN | MTLS_CERT_BAD_SERIAL },
		{ "version 1", { .version = 1 }, MTLS_CERT_NOT_V3 },
		{ "NUL in CN", { .raw_cn = B("alice\0x") }, PLAIN | MTLS_CERT_BAD_IDENTITY },
		{ "control in CN", { .raw_cn = B("a\x1b[31m") }, PLAIN | MTLS_CERT_BAD_IDENTITY },
		{ "UTF-8 in CN", { .raw_cn = B("J\xc3\xb6rg") }, PLAIN },
		{ "empty subject", { .dn = "" }, PLAIN },
		{ "SAN", { .dns = "a.example.org", .email = "a@example.org" }, PLAIN },
		{ "SAN NUL",
		  { SAN("\x30\x05\x82\x03"
			"a\0b") },
		  PLAIN | MTLS_CERT_BAD_IDENTITY },
		{ "SAN not ASCII",
		  { SAN("\x30\x04\x82\x02\xc3\xb6") },
		  PLAIN | MTLS_CERT_BAD_IDENTITY },
		{ "SAN empty list", { SAN("\x30\x00") }, PLAIN | MTLS_CERT_BAD_IDENTITY },
		{ "SAN address", { SAN("\x30\x06\x87\x04\x7f\0\0\1") }, PLAIN },
		{ "SAN address of 5",
		  { SAN("\x30\x07\x87\x05\x7f\0\0\1\1") },
		  PLAIN | MTLS_CERT_BAD_IDENTITY },
		{ "SAN id", { SAN("\x30\x04\x88\x02\x2a\x03") }, PLAIN },
		{ "UPN",
		  { SAN("\x30\x13\xa0\x11\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x14\x02\x03\xa0\x03"
			"\x0c\x01"
			"a") },
		  PLAIN },
		{ "UPN control",
		  { SAN("\x30\x13\xa0\x11\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x14\x02\x03\xa0\x03"
			"\x0c\x01\n") },
		  PLAIN | MTLS_CERT_BAD_IDENTITY },
		{ "UPN not UTF-8",
		  { SAN("\x30\x13\xa0\x11\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x14\x02\x03\xa0\x03"
			"\x0c\x01\xff") },
		  PLAIN | MTLS_CERT_BAD_IDENTITY },
		{ "otherName structured",
		  { SAN("\x30\x0a\xa0\x08\x06\x02\x2a\x03\xa0\x02\x30\x00") },
		  PLAIN },
		{ "directoryName",
		  { SAN("\x30\x10\xa4\x0e\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01"
			"a") },
		  PLAIN },
		{ "directoryName NUL",
		  { SAN("\x30\x10\xa4\x0e\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01\0") },
		  PLAIN | MTLS_CERT_BAD_IDENTITY },
		{ "unknown", { .ext = { { "1.2.3", B("\x05\x00"), false } } }, PLAIN },
		{ "unknown critical",
		  { .ext = { { "1.2.3", B("\x05\x00"), true } } },
		  PLAIN | MTLS_CERT_UNKNOWN_CRITICAL },
		{ "policy constraints",
		  { .ext = { { "2.5.29.36", B("\x30\x03\x80\x01\x00"), true } } },
		  PLAIN | MTLS_CERT_UNKNOWN_CRITICAL },
		{ "policies",
		  { .ext = { { "2.5.29.32", B("\x30\x06\x30\x04\x06\x02\x2a\x03"), true } } },
		  PLAIN },
		{ "name constraints",
		  { .ext = { { "2.5.29.30", B("\x30\x00"), false } } },
		  PLAIN | MTLS_CERT_HAS_NAME_CONSTRAINTS },
		{ "CA false in words",
		  { .ext = { { "2.5.29.19", B("\x30\x03\x01\x01\x00"), true } } },
		  PLAIN },
		{ "SHA-1", { .digest = GNUTLS_DIG_SHA1 }, PLAIN | MTLS_CERT_WEAK_SIGNATURE },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct certgen *made = certgen_new(&rows[i].options, NULL);
		struct mtls_cert *cert = parse(made);
		unsigned int want = rows[i].want;
		if (rows[i].options.dn && !*rows[i].options.dn)
			want |= MTLS_CERT_EMPTY_ISSUER; /* it is self-signed */
		if (mtls_cert_flags(cert) != want)
			fail_msg("row '%s': flags %#x, want %#x", rows[i].name,
				 mtls_cert_flags(cert), want);
		if (want & MTLS_CERT_BAD_IDENTITY && rows[i].options.raw_cn)
			assert_string_equal(mtls_cert_subject(cert), "");
		mtls_cert_free(cert);
		certgen_free(made);
	}
}

static void malformed_ones_are_refused(void **state)
{
	static const struct {
		const char *name;
		struct certgen_ext ext;
	} rows[] = {
		{ "KU is no BIT STRING", { "2.5.29.15", B("\x04\x02\x07\x80"), true } },
		{ "KU empty", { "2.5.29.15", B("\x03\x00"), true } },
		{ "BC no SEQUENCE", { "2.5.29.19", B("\x31\x00"), true } },
		{ "BC odd boolean", { "2.5.29.19", B("\x30\x03\x01\x01\x01"), true } },
		{ "BC trailing", { "2.5.29.19", B("\x30\x00\x00"), true } },
		{ "SAN of unknown kind",
		  { "2.5.29.17",
		    B("\x30\x03\x8c\x01"
		      "a"),
		    false } },
		{ "SAN with an empty name", { "2.5.29.17", B("\x30\x02\x82\x00"), false } },
		{ "SAN with a trailing byte",
		  { "2.5.29.17",
		    B("\x30\x03\x82\x01"
		      "a\0"),
		    false } },
		{ "SAN cut off",
		  { "2.5.29.17",
		    B("\x30\x03\x82\x02"
		      "a"),
		    false } },
		{ "otherName without value",
		  { "2.5.29.17", B("\x30\x06\xa0\x04\x06\x02\x2a\x03"), false } },
		{ "EKU no OID", { "2.5.29.37", B("\x30\x02\x05\x00"), true } },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct certgen *made = certgen_new(
			&(struct certgen_options){ .ku = CERTGEN_NO_KU, .ext = { rows[i].ext } },
			NULL);
		struct mtls_cert *cert = NULL;
		int err = mtls_cert_from_der(made->der.data, made->der.size, &cert, NULL);
		if (err != MTLS_E_SYNTAX || cert)
			fail_msg("row '%s': %d", rows[i].name, err);
		certgen_free(made);
	}
}

static void bytes_are_refused(void **state)
{
	struct certgen *made = certgen_new(&(struct certgen_options){ 0 }, NULL);
	uint8_t *der = calloc(1, MTLS_CERT_MAX + 1);
	struct mtls_cert *cert = NULL;
	(void)state;
	memcpy(der, made->der.data, made->der.size);
	assert_int_equal(mtls_cert_from_der(der, made->der.size + 1, &cert, NULL), MTLS_E_SYNTAX);
	assert_int_equal(mtls_cert_from_der(der, 0, &cert, NULL), MTLS_E_SYNTAX);
	assert_int_equal(mtls_cert_from_der(der, MTLS_CERT_MAX + 1, &cert, NULL), MTLS_E_LIMIT);
	for (size_t len = 1; len < made->der.size; len++)
		assert_int_equal(mtls_cert_from_der(der, len, &cert, NULL), MTLS_E_SYNTAX);
	assert_null(cert);
	free(der);
	certgen_free(made);
}

/* The extension's OID is replaced by the one of the extension before it. */
static void extensions_come_once(void **state)
{
	static const char ku[] = "\x06\x03\x55\x1d\x0f", eku[] = "\x06\x03\x55\x1d\x25";
	struct certgen *made =
		certgen_new(&(struct certgen_options){ .eku = { GNUTLS_KP_TLS_WWW_CLIENT } }, NULL);
	struct mtls_cert *cert = NULL;
	(void)state;
	uint8_t *at = memmem(made->der.data, made->der.size, eku, 5);
	assert_non_null(at);
	assert_non_null(memmem(made->der.data, made->der.size, ku, 5));
	memcpy(at, ku, 5);
	assert_int_equal(mtls_cert_from_der(made->der.data, made->der.size, &cert, NULL),
			 MTLS_E_SYNTAX);
	certgen_free(made);
}

/* The GnuTLS of the tests makes no such certificate: the number is changed afterwards. */
static void zero_is_no_serial(void **state)
{
	const uint8_t serial[] = { 0x55, 0x66 };
	struct certgen *made = certgen_new(
		&(struct certgen_options){ .serial = serial, .serial_len = sizeof(serial) }, NULL);
	(void)state;
	uint8_t *at = memmem(made->der.data, made->der.size, "\x02\x02\x55\x66", 4);
	assert_non_null(at);
	memset(at + 2, 0, 2);
	struct mtls_cert *cert = parse(made);
	size_t len = 9;
	(void)mtls_cert_serial(cert, &len);
	assert_int_equal(len, 0);
	assert_true(mtls_cert_flags(cert) & MTLS_CERT_BAD_SERIAL);
	mtls_cert_free(cert);
	at[3] = 1; /* padded */
	cert = parse(made);
	assert_memory_equal(mtls_cert_serial(cert, &len), "\1", 1);
	assert_true(mtls_cert_flags(cert) & MTLS_CERT_BAD_SERIAL);
	mtls_cert_free(cert);
	certgen_free(made);
}

static void keys_are_classified(void **state)
{
	static const struct {
		enum certgen_key key;
		enum mtls_cert_algorithm want;
		unsigned int bits;
	} rows[] = {
		{ CERTGEN_P256, MTLS_CERT_ALG_P256, 256 },
		{ CERTGEN_P384, MTLS_CERT_ALG_P384, 384 },
		{ CERTGEN_P521, MTLS_CERT_ALG_P521, 521 },
		{ CERTGEN_ED25519, MTLS_CERT_ALG_ED25519, 256 },
		{ CERTGEN_ED448, MTLS_CERT_ALG_OTHER, 456 },
		{ CERTGEN_RSA2048, MTLS_CERT_ALG_RSA, 2048 },
		{ CERTGEN_RSA1024, MTLS_CERT_ALG_RSA, 1024 },
		{ CERTGEN_DSA2048, MTLS_CERT_ALG_OTHER, 2048 },
	};
	struct certgen *ca = certgen_new(&(struct certgen_options){ .ca = true }, NULL);
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct certgen *made =
			certgen_new(&(struct certgen_options){ .key = rows[i].key }, ca);
		struct mtls_cert *cert = parse(made);
		assert_int_equal(mtls_cert_algorithm(cert), rows[i].want);
		assert_int_equal(mtls_cert_key_bits(cert), rows[i].bits);
		assert_false(mtls_cert_flags(cert) & MTLS_CERT_WEAK_SIGNATURE);
		mtls_cert_free(cert);
		certgen_free(made);
	}
	certgen_free(ca);
}

/* 65537 becomes another number of the same length. */
static void odd_rsa_exponents_are_refused(void **state)
{
	static const struct {
		uint8_t exponent[3];
		enum mtls_cert_algorithm want;
	} rows[] = {
		{ { 0x01, 0x00, 0x01 }, MTLS_CERT_ALG_RSA },
		{ { 0x01, 0x00, 0x03 }, MTLS_CERT_ALG_RSA },
		{ { 0x01, 0x00, 0x02 }, MTLS_CERT_ALG_OTHER },
	};
	struct certgen *made =
		certgen_new(&(struct certgen_options){ .key = CERTGEN_RSA2048 }, NULL);
	(void)state;
	uint8_t *at = memmem(made->der.data, made->der.size, "\x02\x03\x01\x00\x01", 5);
	assert_non_null(at);
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		memcpy(at + 2, rows[i].exponent, 3);
		struct mtls_cert *cert = parse(made);
		assert_int_equal(mtls_cert_algorithm(cert), rows[i].want);
		mtls_cert_free(cert);
	}
	certgen_free(made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements_are_strict),
		cmocka_unit_test(oids_have_one_text),
		cmocka_unit_test(fields_are_read),
		cmocka_unit_test(flags_are_set),
		cmocka_unit_test(malformed_ones_are_refused),
		cmocka_unit_test(bytes_are_refused),
		cmocka_unit_test(extensions_come_once),
		cmocka_unit_test(zero_is_no_serial),
		cmocka_unit_test(keys_are_classified),
		cmocka_unit_test(odd_rsa_exponents_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
