/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* signer/intake: every form of key file, with the right, a wrong, and no passphrase. */
#include <config.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "lib/tls/transcript.h"
#include "signer/intake.h"
#include "signer/key.h"
#include "tests/unit/keyfiles.h"

#define SECRET "correct horse"

static struct certgen *root, *issuer, *alice, *other;

enum form {
	PEM_PLAIN,
	PEM_TRADITIONAL,
	PEM_ENCRYPTED,
	PEM_KEY_FIRST,
	PEM_CHAIN_MIXED,
	PEM_EMPTY_SECRET,
	P12_USUAL,
	P12_OLD,
	P12_CLEAR_CERTS,
	P12_NO_MAC,
	P12_EMPTY_SECRET,
	P12_NULL_SECRET,
	P12_MAC_ONLY,
	P12_CLEAR_KEY_CERTS_HIDDEN,
};

static void build_pem(enum form form, struct mtls_buf *out)
{
	if (form == PEM_KEY_FIRST)
		keyfile_encrypted(out, alice, SECRET);
	if (form == PEM_CHAIN_MIXED) {
		keyfile_cert(out, root);
		keyfile_cert(out, issuer);
		keyfile_cert(out, other);
	}
	keyfile_cert(out, alice);
	if (form == PEM_KEY_FIRST)
		keyfile_cert(out, issuer);
	if (form == PEM_PLAIN || form == PEM_CHAIN_MIXED)
		keyfile_plain(out, alice);
	if (form == PEM_TRADITIONAL)
		keyfile_traditional(out, alice);
	if (form == PEM_ENCRYPTED)
		keyfile_encrypted(out, alice, SECRET);
	if (form == PEM_EMPTY_SECRET)
		keyfile_encrypted(out, alice, "");
}

static void build(enum form form, struct mtls_buf *out)
{
	struct keyfile_p12 p12 = { .cert = alice, .issuer = issuer, .secret = SECRET };

	if (form < P12_USUAL) {
		build_pem(form, out);
		return;
	}
	p12.old_ciphers = form == P12_OLD;
	p12.clear_certs = form == P12_CLEAR_CERTS || form == P12_MAC_ONLY;
	p12.clear_key = form == P12_MAC_ONLY || form == P12_CLEAR_KEY_CERTS_HIDDEN;
	p12.no_mac = form == P12_NO_MAC;
	if (form == P12_EMPTY_SECRET)
		p12.secret = "";
	if (form == P12_NULL_SECRET)
		p12.secret = NULL;
	keyfile_pkcs12(out, &p12);
}

static struct intake_input input_of(const struct mtls_buf *buf)
{
	return (struct intake_input){ .data = buf->data,
				      .len = buf->len,
				      .iterations_max = INTAKE_ITERATIONS_MAX };
}

static void check_chain(const char *name, const struct intake *intake, size_t want)
{
	if (intake->chain_count != want)
		fail_msg("%s: %zu certificates, expected %zu", name, intake->chain_count, want);
	if (want == 0)
		return;
	assert_int_equal(intake->chain[0].len, alice->der.size);
	assert_memory_equal(intake->chain[0].data, alice->der.data, alice->der.size);
	if (want > 1)
		assert_memory_equal(intake->chain[1].data, issuer->der.data, issuer->der.size);
	assert_string_equal(intake->subject, "Alice");
	assert_string_equal(intake->issuer, "Issuing CA");
	assert_int_equal(intake->key_type, MTLS_KEY_TYPE_ECDSA_P256);
	assert_true(intake->not_after > 0);
}

static void reads_every_form(void **state)
{
	static const struct {
		const char *name;
		enum form form;
		bool locked;    /* without a secret */
		size_t chain;   /* without a secret */
		bool by_secret; /* with the right one */
		size_t chain_with;
	} rows[] = {
		{ "plain PEM", PEM_PLAIN, false, 1, false, 1 },
		{ "traditional PEM", PEM_TRADITIONAL, false, 1, false, 1 },
		{ "encrypted PEM", PEM_ENCRYPTED, true, 1, true, 1 },
		{ "encrypted PEM, key first, two certificates", PEM_KEY_FIRST, true, 2, true, 2 },
		{ "PEM, chain out of order, root and stranger", PEM_CHAIN_MIXED, false, 2, false,
		  2 },
		{ "PKCS#12", P12_USUAL, true, 0, true, 2 },
		{ "PKCS#12 of old ciphers", P12_OLD, true, 0, true, 2 },
		{ "PKCS#12, certificates in the clear", P12_CLEAR_CERTS, true, 0, true, 2 },
		{ "PKCS#12 without integrity check", P12_NO_MAC, true, 0, true, 2 },
		{ "PKCS#12, empty passphrase", P12_EMPTY_SECRET, false, 2, false, 0 },
		{ "PKCS#12, null passphrase", P12_NULL_SECRET, false, 2, false, 0 },
		{ "PKCS#12, only the check has a passphrase", P12_MAC_ONLY, true, 0, false, 2 },
		{ "PKCS#12, key in the clear", P12_CLEAR_KEY_CERTS_HIDDEN, true, 0, false, 2 },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_buf_ struct mtls_buf buf = MTLS_BUF(INTAKE_FILE_MAX);
		_cleanup_(intake_freep) struct intake *without = NULL, *with = NULL;
		struct mtls_diag diag = { 0 };

		print_message("# %s\n", rows[i].name);
		build(rows[i].form, &buf);
		struct intake_input input = input_of(&buf);
		if (intake_read(&input, NULL, &without, &diag) != 0)
			fail_msg("%s: %s", rows[i].name, diag.text);
		assert_int_equal(without->locked, rows[i].locked);
		assert_int_equal(without->key == NULL, rows[i].locked);
		assert_false(without->by_secret);
		check_chain(rows[i].name, without, rows[i].chain);
		if (!rows[i].chain_with)
			continue;
		if (intake_read(&input, SECRET, &with, &diag) != 0)
			fail_msg("%s: %s", rows[i].name, diag.text);
		assert_non_null(with->key);
		assert_int_equal(with->by_secret, rows[i].by_secret);
		check_chain(rows[i].name, with, rows[i].chain_with);
	}
}

static void refuses_wrong_secrets(void **state)
{
	static const enum form forms[] = { PEM_ENCRYPTED,    P12_USUAL,        P12_OLD,
					   P12_CLEAR_CERTS,  P12_NO_MAC,       P12_MAC_ONLY,
					   PEM_EMPTY_SECRET, P12_EMPTY_SECRET, P12_NULL_SECRET };
	static const char *const secrets[] = {
		"", "x", "correct hors", "correct horse ", "Correct horse", "\xff\xfe"
	};
	(void)state;
	for (size_t f = 0; f < MTLS_COUNT(forms); f++) {
		_cleanup_buf_ struct mtls_buf buf = MTLS_BUF(INTAKE_FILE_MAX);
		build(forms[f], &buf);
		struct intake_input input = input_of(&buf);
		for (size_t i = 0; i < MTLS_COUNT(secrets); i++) {
			struct intake *intake = NULL;
			int r = intake_read(&input, secrets[i], &intake, NULL);
			if (r != MTLS_E_SECRET || intake)
				fail_msg("form %zu, secret %zu: %d", f, i, r);
		}
	}
}

/* OpenSSL's old encryption, which has neither a check nor many iterations. */
static void reads_old_openssl_keys(void **state)
{
	_cleanup_buf_ struct mtls_buf buf = MTLS_BUF(INTAKE_FILE_MAX);
	struct certgen own = { .crt = NULL };
	const gnutls_datum_t pem = { (unsigned char *)(uintptr_t)keyfile_openssl_plain,
				     (unsigned int)strlen(keyfile_openssl_plain) };
	(void)state;
	assert_int_equal(gnutls_x509_privkey_init(&own.key), 0);
	assert_int_equal(gnutls_x509_privkey_import(own.key, &pem, GNUTLS_X509_FMT_PEM), 0);
	struct certgen_options options = { .dn = "CN=Old", .same_key = &own };
	struct certgen *cert = certgen_new(&options, issuer);
	keyfile_cert(&buf, cert);
	assert_int_equal(mtls_buf_append_str(&buf, keyfile_openssl_encrypted), 0);

	struct intake_input input = input_of(&buf);
	_cleanup_(intake_freep) struct intake *locked = NULL, *open = NULL, *wrong = NULL;
	assert_int_equal(intake_read(&input, NULL, &locked, NULL), 0);
	assert_true(locked->locked && !locked->key);
	assert_int_equal(intake_read(&input, "Secret", &wrong, NULL), MTLS_E_SECRET);
	assert_int_equal(intake_read(&input, "secret", &open, NULL), 0);
	assert_true(open->by_secret && open->key);
	certgen_free(cert);
	gnutls_x509_privkey_deinit(own.key);
}

enum damage {
	NO_KEY,
	NO_CERT,
	NO_CERT_ENCRYPTED,
	TWO_KEYS,
	FOREIGN_KEY,
	GARBAGE,
	CUT_P12,
	CUT_ENCRYPTED,
	BROKEN_BASE64,
	OPENSSH,
	DSA_LABEL,
	PLAIN_AS_ENCRYPTED,
	MANY_CERTS,
	CUT_CERT,
	NO_END,
};

static void append_text(struct mtls_buf *out, const char *text)
{
	assert_int_equal(mtls_buf_append_str(out, text), 0);
}

/* The text of a key with another label. */
static void relabel(struct mtls_buf *out, const char *begin, const char *end)
{
	_cleanup_buf_ struct mtls_buf key = MTLS_BUF(INTAKE_FILE_MAX);
	keyfile_plain(&key, alice);
	const char *text = mtls_buf_cstr(&key);
	const char *body = strchr(text, '\n');
	const char *stop = strstr(text, "-----END");
	append_text(out, begin);
	assert_int_equal(mtls_buf_append(out, body, (size_t)(stop - body)), 0);
	append_text(out, end);
}

static void cut(struct mtls_buf *out, size_t len)
{
	assert_true(out->len > len);
	out->len -= len;
}

static void build_damaged_key(enum damage damage, struct mtls_buf *out)
{
	keyfile_cert(out, alice);
	if (damage == TWO_KEYS) {
		keyfile_plain(out, alice);
		keyfile_encrypted(out, alice, SECRET);
	}
	if (damage == FOREIGN_KEY)
		keyfile_plain(out, other);
	if (damage == CUT_ENCRYPTED || damage == NO_END) {
		keyfile_encrypted(out, alice, SECRET);
		cut(out, damage == NO_END ? 36 : 120);
	}
	if (damage == BROKEN_BASE64)
		append_text(out, "-----BEGIN PRIVATE KEY-----\n!!!!\n-----END PRIVATE KEY-----\n");
	if (damage == OPENSSH)
		relabel(out, "-----BEGIN OPENSSH PRIVATE KEY-----",
			"-----END OPENSSH PRIVATE KEY-----\n");
	if (damage == DSA_LABEL)
		relabel(out, "-----BEGIN DSA PRIVATE KEY-----", "-----END DSA PRIVATE KEY-----\n");
	if (damage == PLAIN_AS_ENCRYPTED)
		relabel(out, "-----BEGIN ENCRYPTED PRIVATE KEY-----",
			"-----END ENCRYPTED PRIVATE KEY-----\n");
}

static void build_damaged(enum damage damage, struct mtls_buf *out)
{
	const struct keyfile_p12 p12 = { .cert = alice, .secret = SECRET };

	if (damage == NO_CERT)
		keyfile_plain(out, alice);
	else if (damage == NO_CERT_ENCRYPTED)
		keyfile_encrypted(out, alice, SECRET);
	else if (damage == GARBAGE)
		append_text(out, "\x30\x82\x01nonsense");
	else if (damage == CUT_P12)
		keyfile_pkcs12(out, &p12);
	else
		build_damaged_key(damage, out);
	if (damage == CUT_P12)
		cut(out, 200);
	if (damage == CUT_CERT)
		cut(out, 300);
	for (int i = 0; damage == MANY_CERTS && i < 16; i++)
		keyfile_cert(out, issuer);
	if (damage == MANY_CERTS || damage == CUT_CERT)
		keyfile_plain(out, alice);
}

static void refuses_damage(void **state)
{
	static const struct {
		const char *name;
		enum damage damage;
		int want;
		const char *text;
	} rows[] = {
		{ "no key", NO_KEY, MTLS_E_NOTFOUND, "no private key" },
		{ "no certificate", NO_CERT, MTLS_E_NOTFOUND, "no certificate" },
		{ "no certificate, encrypted key", NO_CERT_ENCRYPTED, MTLS_E_NOTFOUND,
		  "no certificate" },
		{ "two keys", TWO_KEYS, MTLS_E_UNSUPPORTED, "2 private keys" },
		{ "another key", FOREIGN_KEY, MTLS_E_CERT, "belongs to the private key" },
		{ "garbage", GARBAGE, MTLS_E_SYNTAX, "cannot be read" },
		{ "PKCS#12 cut", CUT_P12, MTLS_E_SYNTAX, "cannot be read" },
		{ "encrypted key cut", CUT_ENCRYPTED, MTLS_E_SYNTAX, "cannot be read" },
		{ "END line cut", NO_END, MTLS_E_SYNTAX, "cannot be read" },
		{ "broken base64", BROKEN_BASE64, MTLS_E_SYNTAX, "cannot be read" },
		{ "OpenSSH's form", OPENSSH, MTLS_E_UNSUPPORTED, "ssh-keygen" },
		{ "DSA", DSA_LABEL, MTLS_E_UNSUPPORTED, "'DSA PRIVATE KEY'" },
		{ "plain key labelled encrypted", PLAIN_AS_ENCRYPTED, MTLS_E_SYNTAX,
		  "cannot be read" },
		{ "17 certificates", MANY_CERTS, MTLS_E_LIMIT, "more than 16" },
		{ "certificate cut", CUT_CERT, MTLS_E_SYNTAX, "certificate" },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_buf_ struct mtls_buf buf = MTLS_BUF(INTAKE_FILE_MAX);
		struct intake *intake = NULL;
		struct mtls_diag diag = { 0 };
		build_damaged(rows[i].damage, &buf);
		struct intake_input input = input_of(&buf);
		int r = intake_read(&input, NULL, &intake, &diag);
		if (r != rows[i].want || !strstr(diag.text, rows[i].text) || intake)
			fail_msg("%s: %d, '%s'", rows[i].name, r, diag.text);
	}
}

static void bounds_derivations(void **state)
{
	static const enum form forms[] = { PEM_ENCRYPTED, P12_USUAL, P12_NO_MAC };
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(forms); i++) {
		_cleanup_buf_ struct mtls_buf buf = MTLS_BUF(INTAKE_FILE_MAX);
		struct intake *intake = NULL;
		struct mtls_diag diag = { 0 };
		build(forms[i], &buf);
		struct intake_input input = input_of(&buf);
		input.iterations_max = 100;
		assert_int_equal(intake_read(&input, SECRET, &intake, &diag), MTLS_E_LIMIT);
		assert_non_null(strstr(diag.text, "iterations"));
	}
}

static void takes_a_key_beside(void **state)
{
	(void)state;
	for (int der = 0; der < 2; der++) {
		_cleanup_buf_ struct mtls_buf cert = MTLS_BUF(INTAKE_FILE_MAX);
		_cleanup_buf_ struct mtls_buf key = MTLS_BUF(INTAKE_FILE_MAX);
		_cleanup_(intake_freep) struct intake *locked = NULL, *open = NULL;
		if (der)
			assert_int_equal(mtls_buf_append(&cert, alice->der.data, alice->der.size),
					 0);
		else
			keyfile_cert(&cert, alice);
		keyfile_encrypted(&key, alice, SECRET);
		assert_true(intake_lacks_key(cert.data, cert.len));
		assert_false(intake_is_secret(cert.data, cert.len));
		assert_true(intake_is_secret(key.data, key.len));
		struct intake_input input = input_of(&cert);
		input.key_data = key.data;
		input.key_len = key.len;
		assert_int_equal(intake_read(&input, NULL, &locked, NULL), 0);
		assert_true(locked->locked);
		assert_int_equal(intake_read(&input, SECRET, &open, NULL), 0);
		assert_true(open->key && open->by_secret);
		check_chain("beside", open, 1);
	}
}

static void texts_are_displayable(void **state)
{
	static const struct {
		const char *cn;
		size_t len;
		const char *want;
	} rows[] = {
		{ "J\xc3\xb6rg", 5, "J\xc3\xb6rg" },
		{ "a\x1b[2Jb", 6, "a?[2Jb" },
		{ "a\xff"
		  "b",
		  3, "a?b" },
		{ "a\xc2\x9b"
		  "b",
		  4, "a??b" },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_buf_ struct mtls_buf buf = MTLS_BUF(INTAKE_FILE_MAX);
		_cleanup_(intake_freep) struct intake *intake = NULL;
		struct certgen_options options = { .raw_cn = rows[i].cn,
						   .raw_cn_len = rows[i].len };
		struct certgen *cert = certgen_new(&options, issuer);
		keyfile_cert(&buf, cert);
		keyfile_plain(&buf, cert);
		struct intake_input input = input_of(&buf);
		assert_int_equal(intake_read(&input, NULL, &intake, NULL), 0);
		assert_string_equal(intake->subject, rows[i].want);
		certgen_free(cert);
	}
}

/* What is signed and what is not. */
static void fill_content(struct mtls_bytes *out, const char *context, size_t digest_len)
{
	_cleanup_buf_ struct mtls_buf buf = MTLS_BUF(MTLS_SIGN_CONTENT_MAX);
	for (int i = 0; i < 64; i++)
		(void)mtls_buf_append_byte(&buf, ' ');
	(void)mtls_buf_append_str(&buf, context);
	(void)mtls_buf_append_byte(&buf, 0);
	for (size_t i = 0; i < digest_len; i++)
		(void)mtls_buf_append_byte(&buf, (uint8_t)i);
	assert_int_equal(mtls_buf_take(&buf, &out->data, &out->len), 0);
}

static const char client_context[] = "TLS 1.3, client CertificateVerify";

static void signs_with_every_key(void **state)
{
	static const struct {
		const char *name;
		enum certgen_key key;
		enum mtls_key_type type;
		enum mtls_sign_scheme scheme;
		gnutls_sign_algorithm_t algorithm;
	} rows[] = {
		{ "P-256", CERTGEN_P256, MTLS_KEY_TYPE_ECDSA_P256, MTLS_SIGN_ECDSA_P256_SHA256,
		  GNUTLS_SIGN_ECDSA_SECP256R1_SHA256 },
		{ "P-384", CERTGEN_P384, MTLS_KEY_TYPE_ECDSA_P384, MTLS_SIGN_ECDSA_P384_SHA384,
		  GNUTLS_SIGN_ECDSA_SECP384R1_SHA384 },
		{ "P-521", CERTGEN_P521, MTLS_KEY_TYPE_ECDSA_P521, MTLS_SIGN_ECDSA_P521_SHA512,
		  GNUTLS_SIGN_ECDSA_SECP521R1_SHA512 },
		{ "Ed25519", CERTGEN_ED25519, MTLS_KEY_TYPE_ED25519, MTLS_SIGN_ED25519,
		  GNUTLS_SIGN_EDDSA_ED25519 },
		{ "RSA, SHA-256", CERTGEN_RSA2048, MTLS_KEY_TYPE_RSA, MTLS_SIGN_RSA_PSS_RSAE_SHA256,
		  GNUTLS_SIGN_RSA_PSS_RSAE_SHA256 },
		{ "RSA, SHA-384", CERTGEN_RSA2048, MTLS_KEY_TYPE_RSA, MTLS_SIGN_RSA_PSS_RSAE_SHA384,
		  GNUTLS_SIGN_RSA_PSS_RSAE_SHA384 },
		{ "RSA, SHA-512", CERTGEN_RSA2048, MTLS_KEY_TYPE_RSA, MTLS_SIGN_RSA_PSS_RSAE_SHA512,
		  GNUTLS_SIGN_RSA_PSS_RSAE_SHA512 },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_buf_ struct mtls_buf buf = MTLS_BUF(INTAKE_FILE_MAX);
		_cleanup_(intake_freep) struct intake *intake = NULL;
		struct certgen_options options = { .key = rows[i].key };
		struct certgen *cert = certgen_new(&options, issuer);
		struct mtls_bytes content = { 0 }, signature = { 0 };
		gnutls_pubkey_t public;
		keyfile_cert(&buf, cert);
		keyfile_encrypted(&buf, cert, SECRET);
		struct intake_input input = input_of(&buf);
		assert_int_equal(intake_read(&input, SECRET, &intake, NULL), 0);
		assert_int_equal(intake->key_type, rows[i].type);
		fill_content(&content, client_context, 32);
		for (size_t j = 0; j < MTLS_COUNT(rows); j++) {
			if (rows[j].type == rows[i].type)
				continue;
			assert_int_equal(key_sign(intake->key, intake->key_type, rows[j].scheme,
						  &content, &signature),
					 MTLS_E_UNSUPPORTED);
			assert_null(signature.data);
		}
		assert_int_equal(key_sign(intake->key, intake->key_type, rows[i].scheme, &content,
					  &signature),
				 0);
		assert_int_equal(gnutls_pubkey_init(&public), 0);
		assert_int_equal(gnutls_pubkey_import_x509(public, cert->crt, 0), 0);
		const gnutls_datum_t data = { content.data, (unsigned int)content.len };
		const gnutls_datum_t sig = { signature.data, (unsigned int)signature.len };
		int r = gnutls_pubkey_verify_data2(public, rows[i].algorithm, 0, &data, &sig);
		if (r < 0)
			fail_msg("%s: %s", rows[i].name, gnutls_strerror(r));
		gnutls_pubkey_deinit(public);
		free(content.data);
		free(signature.data);
		certgen_free(cert);
	}
}

static void signs_nothing_else(void **state)
{
	static const struct {
		const char *name, *context;
		size_t digest_len;
	} rows[] = {
		{ "server's context", "TLS 1.3, server CertificateVerify", 32 },
		{ "another text", "TLS 1.3, client certificateVerify", 32 },
		{ "digest of 20", client_context, 20 },
		{ "digest of 33", client_context, 33 },
		{ "digest of 64", client_context, 64 },
		{ "no digest", client_context, 0 },
		{ "no context", "", 32 },
	};
	_cleanup_buf_ struct mtls_buf buf = MTLS_BUF(INTAKE_FILE_MAX);
	_cleanup_(intake_freep) struct intake *intake = NULL;
	(void)state;
	keyfile_cert(&buf, alice);
	keyfile_plain(&buf, alice);
	struct intake_input input = input_of(&buf);
	assert_int_equal(intake_read(&input, NULL, &intake, NULL), 0);
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct mtls_bytes content = { 0 }, signature = { 0 };
		fill_content(&content, rows[i].context, rows[i].digest_len);
		int r = key_sign(intake->key, intake->key_type, MTLS_SIGN_ECDSA_P256_SHA256,
				 &content, &signature);
		if (r != MTLS_E_DENIED || signature.data)
			fail_msg("%s: %d", rows[i].name, r);
		free(content.data);
	}
}

/* Keys that TLS 1.3 here has no scheme for. */
static void refuses_other_key_types(void **state)
{
	static const enum certgen_key keys[] = { CERTGEN_ED448, CERTGEN_DSA2048 };
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(keys); i++) {
		_cleanup_buf_ struct mtls_buf buf = MTLS_BUF(INTAKE_FILE_MAX);
		struct intake *intake = NULL;
		struct certgen_options options = { .key = keys[i] };
		struct certgen *cert = certgen_new(&options, issuer);
		keyfile_cert(&buf, cert);
		keyfile_plain(&buf, cert);
		struct intake_input input = input_of(&buf);
		assert_int_equal(intake_read(&input, NULL, &intake, NULL), MTLS_E_UNSUPPORTED);
		certgen_free(cert);
	}
}

static int set_up(void **state)
{
	struct certgen_options ca = { .dn = "CN=Root", .ca = true };
	struct certgen_options sub = { .dn = "CN=Issuing CA", .ca = true };
	struct certgen_options leaf = { .dn = "CN=Alice" };
	struct certgen_options stranger = { .dn = "CN=Other" };
	(void)state;
	root = certgen_new(&ca, NULL);
	issuer = certgen_new(&sub, root);
	alice = certgen_new(&leaf, issuer);
	other = certgen_new(&stranger, NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	certgen_free(root);
	certgen_free(issuer);
	certgen_free(alice);
	certgen_free(other);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_form),       cmocka_unit_test(refuses_wrong_secrets),
		cmocka_unit_test(reads_old_openssl_keys), cmocka_unit_test(refuses_damage),
		cmocka_unit_test(bounds_derivations),     cmocka_unit_test(takes_a_key_beside),
		cmocka_unit_test(texts_are_displayable),  cmocka_unit_test(signs_with_every_key),
		cmocka_unit_test(signs_nothing_else),     cmocka_unit_test(refuses_other_key_types),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
