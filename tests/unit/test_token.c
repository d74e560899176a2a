/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lib/token with a real module, SoftHSM2: key pairs of every type, certificates, PINs; and what
 * mtls-signer-token signs with them, checked by GnuTLS. The small pure parts (names, numbers, DER)
 * as tables.
 */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <gnutls/abstract.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/token/token_impl.h"
#include "tests/unit/certgen.h"
#include "tests/unit/token_talk.h"

#define LABEL  "alice's card"
#define PIN    "123456"
#define SO_PIN "87654321"

static const char module[] = SOFTHSM_MODULE;
static char conf[128], certs[128];
static struct certgen *ca;

/* clang-format off */
static const struct {
	enum mtls_key_type type;
	enum mtls_sign_scheme scheme;
	gnutls_sign_algorithm_t algorithm;
	const char *label, *id;
} keys[] = {
	{ MTLS_KEY_TYPE_ECDSA_P256, MTLS_SIGN_ECDSA_P256_SHA256,   GNUTLS_SIGN_ECDSA_SECP256R1_SHA256, "p256", "1" },
	{ MTLS_KEY_TYPE_ECDSA_P384, MTLS_SIGN_ECDSA_P384_SHA384,   GNUTLS_SIGN_ECDSA_SECP384R1_SHA384, "p384", "2" },
	{ MTLS_KEY_TYPE_ECDSA_P521, MTLS_SIGN_ECDSA_P521_SHA512,   GNUTLS_SIGN_ECDSA_SECP521R1_SHA512, "p521", "3" },
	{ MTLS_KEY_TYPE_ED25519,    MTLS_SIGN_ED25519,             GNUTLS_SIGN_EDDSA_ED25519,          "ed",   "4" },
	{ MTLS_KEY_TYPE_RSA,        MTLS_SIGN_RSA_PSS_RSAE_SHA256, GNUTLS_SIGN_RSA_PSS_RSAE_SHA256,    "rsa",  "5" },
	{ MTLS_KEY_TYPE_RSA,        MTLS_SIGN_RSA_PSS_RSAE_SHA384, GNUTLS_SIGN_RSA_PSS_RSAE_SHA384,    "rsa384", "6" },
	{ MTLS_KEY_TYPE_RSA,        MTLS_SIGN_RSA_PSS_RSAE_SHA512, GNUTLS_SIGN_RSA_PSS_RSAE_SHA512,    "rsa512", "7" },
};
/* clang-format on */
static struct certgen *cert[MTLS_COUNT(keys)];

static void say(void *ctx, const char *what, const char *text)
{
	(void)ctx;
	(void)fprintf(stderr, "# %s: %s\n", what, text);
}

static struct mtls_tokens *open_tokens(void)
{
	const char *const paths[] = { module };
	struct mtls_tokens *tokens = NULL;
	assert_int_equal(mtls_tokens_open(paths, 1, say, NULL, &tokens), 0);
	assert_int_equal(mtls_tokens_modules(tokens), 1);
	return tokens;
}

static struct mtls_token *the_token(struct mtls_tokens *tokens)
{
	assert_int_equal(mtls_tokens_look(tokens, NULL), MTLS_REASON_ALLOWED);
	assert_int_equal(mtls_tokens_count(tokens), 1);
	return mtls_tokens_at(tokens, 0);
}

/* --- the pure parts --- */

static void names(void **state)
{
	static const struct {
		const char *name, *field;
		size_t len;
		const char *want;
	} rows[] = {
		{ "plain", "card            ", 16, "card" },
		{ "padded with NUL", "card\0\0\0\0", 8, "card" },
		{ "blanks before", "  card  ", 8, "card" },
		{ "empty", "                ", 16, "" },
		{ "full", "0123456789abcdef", 16, "0123456789abcdef" },
		{ "UTF-8", "Kärtchen        ", 17, "Kärtchen" },
		{ "cut in a character", "0123456789abcde\xc3", 16, "0123456789abcde" },
		{ "newline", "a\nb\x1b[31m ", 9, "a?b?[31m" },
		{ "Latin-1", "K\xe4rtchen", 8, "K?rtchen" },
		{ "NUL within", "a\0b", 3, "a?b" },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		char out[33];
		token_text(out, sizeof(out), (const unsigned char *)rows[i].field, rows[i].len);
		if (strcmp(out, rows[i].want) != 0)
			fail_msg("%s: '%s'", rows[i].name, out);
	}
	char tiny[4];
	token_text(tiny, sizeof(tiny), (const unsigned char *)"abcdef", 6);
	assert_string_equal(tiny, "abc");
	token_text(tiny, sizeof(tiny), (const unsigned char *)"ab\xc3\xa4", 4);
	assert_string_equal(tiny, "ab");
}

static void signatures_in_der(void **state)
{
	static const struct {
		const char *name, *raw;
		size_t len;
		const char *der;
		size_t der_len;
		int want;
	} rows[] = {
		{ "small", "\x01\x02", 2, "\x30\x06\x02\x01\x01\x02\x01\x02", 8, 0 },
		{ "high bit", "\x80\x7f", 2, "\x30\x07\x02\x02\x00\x80\x02\x01\x7f", 9, 0 },
		{ "zeros before", "\x00\x05\x00\xff", 4, "\x30\x07\x02\x01\x05\x02\x02\x00\xff", 9,
		  0 },
		{ "odd", "\x01\x02\x03", 3, "", 0, MTLS_E_SYNTAX },
		{ "nothing", "", 0, "", 0, MTLS_E_SYNTAX },
		{ "r is zero", "\x00\x01", 2, "", 0, MTLS_E_SYNTAX },
		{ "s is zero", "\x01\x00", 2, "", 0, MTLS_E_SYNTAX },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_buf_ struct mtls_buf out = MTLS_BUF(64);
		int r = token_ecdsa_der((const uint8_t *)rows[i].raw, rows[i].len, &out);
		if (r != rows[i].want || (r == 0 && (out.len != rows[i].der_len ||
						     memcmp(out.data, rows[i].der, out.len) != 0)))
			fail_msg("%s: %d, %zu", rows[i].name, r, out.len);
	}
}

/* What a token says of a key becomes what GnuTLS makes of the same key. */
static void public_keys(void **state)
{
	static const struct {
		const char *name;
		CK_KEY_TYPE type;
		const char *params;
		size_t params_len;
		int before; /* bytes before the bare point, of this header */
		const char *header;
		size_t cut;
		enum certgen_key key;
		int want;
	} rows[] = {
		{ "octet string", CKK_EC, "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 10, 2,
		  "\x04\x41", 0, CERTGEN_P256, 0 },
		{ "bare", CKK_EC, "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 10, 0, "", 0,
		  CERTGEN_P256, 0 },
		{ "bit string", CKK_EC, "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 10, 3,
		  "\x03\x42\x00", 0, CERTGEN_P256, 0 },
		{ "cut", CKK_EC, "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 10, 2, "\x04\x41", 1,
		  CERTGEN_P256, MTLS_E_SYNTAX },
		{ "a lying header", CKK_EC, "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 10, 2,
		  "\x04\x40", 0, CERTGEN_P256, MTLS_E_SYNTAX },
		{ "another curve's point", CKK_EC, "\x06\x05\x2b\x81\x04\x00\x22", 7, 2, "\x04\x41",
		  0, CERTGEN_P256, MTLS_E_SYNTAX },
		{ "unknown curve", CKK_EC, "\x06\x05\x2b\x81\x04\x00\x0a", 7, 2, "\x04\x41", 0,
		  CERTGEN_P256, MTLS_E_UNSUPPORTED },
		{ "no curve", CKK_EC, "", 0, 2, "\x04\x41", 0, CERTGEN_P256, MTLS_E_UNSUPPORTED },
		{ "P-521", CKK_EC, "\x06\x05\x2b\x81\x04\x00\x23", 7, 3, "\x04\x81\x85", 0,
		  CERTGEN_P521, 0 },
		{ "not this type", CKK_EC_EDWARDS, "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 10,
		  2, "\x04\x41", 0, CERTGEN_P256, MTLS_E_UNSUPPORTED },
		{ "DSA", CKK_DSA, "", 0, 0, "", 0, CERTGEN_P256, MTLS_E_UNSUPPORTED },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct certgen *own =
			certgen_new(&(struct certgen_options){ .key = rows[i].key }, NULL);
		_cleanup_buf_ struct mtls_buf out = MTLS_BUF(MTLS_TOKEN_SPKI_MAX);
		gnutls_pubkey_t pubkey;
		gnutls_datum_t spki;
		uint8_t point[160];
		enum mtls_key_type type;
		assert_int_equal(gnutls_pubkey_init(&pubkey), 0);
		assert_int_equal(gnutls_pubkey_import_x509(pubkey, own->crt, 0), 0);
		assert_int_equal(gnutls_pubkey_export2(pubkey, GNUTLS_X509_FMT_DER, &spki), 0);
		size_t bare = rows[i].key == CERTGEN_P521 ? 133 : 65;
		memcpy(point, rows[i].header, (size_t)rows[i].before);
		memcpy(point + rows[i].before, spki.data + spki.size - bare, bare);
		const struct token_public key = {
			.type = rows[i].type,
			.params = (const uint8_t *)rows[i].params,
			.params_len = rows[i].params_len,
			.point = point,
			.point_len = (size_t)rows[i].before + bare - rows[i].cut,
		};
		int r = token_spki(&key, &out, &type);
		if (r != rows[i].want ||
		    (r == 0 && (out.len != spki.size || memcmp(out.data, spki.data, out.len) != 0)))
			fail_msg("%s: %d, %zu of %u", rows[i].name, r, out.len, spki.size);
		gnutls_free(spki.data);
		gnutls_pubkey_deinit(pubkey);
		certgen_free(own);
	}
}

static void results(void **state)
{
	static const struct {
		CK_RV rv;
		enum mtls_reason reason;
		const char *text;
	} rows[] = {
		{ CKR_OK, MTLS_REASON_ALLOWED, "" },
		{ CKR_PIN_INCORRECT, MTLS_REASON_PIN_WRONG, "C_X: CKR_PIN_INCORRECT" },
		{ CKR_PIN_LOCKED, MTLS_REASON_PIN_LOCKED, "C_X: CKR_PIN_LOCKED" },
		{ CKR_DEVICE_REMOVED, MTLS_REASON_TOKEN_GONE, "C_X: CKR_DEVICE_REMOVED" },
		{ CKR_FUNCTION_CANCELED, MTLS_REASON_SECRET_EMPTY, "C_X: CKR_FUNCTION_CANCELED" },
		{ CKR_USER_ALREADY_LOGGED_IN, MTLS_REASON_MODULE_FAILED,
		  "C_X: CKR_USER_ALREADY_LOGGED_IN" },
		{ CKR_VENDOR_DEFINED | 7, MTLS_REASON_MODULE_FAILED, "C_X: error 0x80000007" },
		{ 0x12345, MTLS_REASON_MODULE_FAILED, "C_X: error 0x12345" },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct mtls_diag diag = { 0 };
		assert_int_equal(token_result(rows[i].rv, "C_X", &diag), rows[i].reason);
		assert_string_equal(diag.text, rows[i].text);
	}
	for (CK_RV rv = 1; rv < 0x300; rv++) /* nothing but OK is a success */
		assert_int_not_equal(token_result(rv, "C_X", NULL), MTLS_REASON_ALLOWED);
}

/* --- SoftHSM --- */

static void token_info(void **state)
{
	struct mtls_tokens *tokens = open_tokens();
	const struct mtls_token_info *info = mtls_token_info(the_token(tokens));
	(void)state;
	assert_string_equal(info->label, LABEL);
	assert_string_equal(info->module, module);
	assert_true(info->initialised && info->pin_set && info->login_required);
	assert_false(info->pin_pad);
	assert_int_equal(info->tries_left, MTLS_TRIES_UNKNOWN);
	mtls_tokens_free(tokens);
}

/* Makes the keys that the other tests use. */
static void key_pairs(void **state)
{
	struct mtls_tokens *tokens = open_tokens();
	struct mtls_token *token = the_token(tokens);
	struct mtls_diag diag = { 0 };
	(void)state;
	assert_int_equal(mtls_token_login(token, PIN, 6, &diag), MTLS_REASON_ALLOWED);
	for (size_t i = 0; i < MTLS_COUNT(keys); i++) {
		struct mtls_bytes spki = { 0 };
		const struct mtls_token_new_key key = { .type = keys[i].type,
							.label = keys[i].label,
							.id = (const uint8_t *)keys[i].id,
							.id_len = 1 };
		enum mtls_reason reason = mtls_token_generate(token, &key, &spki, &diag);
		if (reason != MTLS_REASON_ALLOWED)
			fail_msg("%s: %s", keys[i].label, diag.text);
		const gnutls_datum_t der = { spki.data, (unsigned int)spki.len };
		char dn[32];
		(void)snprintf(dn, sizeof(dn), "CN=%s", keys[i].label);
		cert[i] = certgen_new(&(struct certgen_options){ .dn = dn, .spki = &der }, ca);
		free(spki.data);
	}
	mtls_tokens_free(tokens);
}

static void store(struct mtls_token *token, size_t i, const struct certgen *new)
{
	struct mtls_diag diag = { 0 };
	gnutls_datum_t subject, issuer;
	assert_int_equal(gnutls_x509_crt_get_raw_dn(new->crt, &subject), 0);
	assert_int_equal(gnutls_x509_crt_get_raw_issuer_dn(new->crt, &issuer), 0);
	const struct mtls_token_new_certificate object = {
		.der = new->der.data,
		.der_len = new->der.size,
		.subject = subject.data,
		.subject_len = subject.size,
		.issuer = issuer.data,
		.issuer_len = issuer.size,
		.serial = (const uint8_t *)"\x02\x01\x01",
		.serial_len = 3,
		.label = keys[i].label,
		.id = (const uint8_t *)keys[i].id,
		.id_len = 1,
	};
	enum mtls_reason reason = mtls_token_store(token, &object, &diag);
	if (reason != MTLS_REASON_ALLOWED)
		fail_msg("%s: %s", keys[i].label, diag.text);
	gnutls_free(subject.data);
	gnutls_free(issuer.data);
}

/* A second certificate of the same id takes the first one's place. */
static void certificates(void **state)
{
	struct mtls_tokens *tokens = open_tokens();
	struct mtls_token *token = the_token(tokens);
	struct mtls_token_objects objects;
	(void)state;
	assert_int_equal(mtls_token_login(token, PIN, 6, NULL), MTLS_REASON_ALLOWED);
	store(token, 0, ca);
	for (size_t i = 0; i + 1 < MTLS_COUNT(keys); i++) /* the last one's lies beside */
		store(token, i, cert[i]);
	assert_int_equal(mtls_token_find(token, MTLS_TOKEN_CERTIFICATE, NULL, &objects, NULL),
			 MTLS_REASON_ALLOWED);
	assert_int_equal(objects.count, MTLS_COUNT(keys) - 1);
	for (size_t i = 0; i < objects.count; i++) {
		size_t k = (size_t)(objects.item[i].id.data[0] - '1');
		assert_string_equal(objects.item[i].label, keys[k].label);
		assert_int_equal(objects.item[i].data.len, cert[k]->der.size);
		assert_memory_equal(objects.item[i].data.data, cert[k]->der.data,
				    cert[k]->der.size);
	}
	mtls_token_objects_done(&objects);
	mtls_tokens_free(tokens);
}

/* One PIN is one try, and a login is not kept by what came before. */
static void logins(void **state)
{
	struct mtls_tokens *tokens = open_tokens();
	struct mtls_token *token = the_token(tokens);
	struct mtls_token_objects objects;
	(void)state;
	assert_int_equal(mtls_token_login(token, "0000", 4, NULL), MTLS_REASON_PIN_WRONG);
	assert_int_equal(mtls_token_info(token)->tries_left, 2);
	assert_int_equal(mtls_token_login(token, "", 0, NULL), MTLS_REASON_SECRET_EMPTY);
	assert_int_equal(mtls_token_login(token, NULL, 0, NULL), MTLS_REASON_SECRET_EMPTY);
	assert_int_equal(mtls_token_login(token, PIN, 6, NULL), MTLS_REASON_ALLOWED);
	assert_int_equal(mtls_token_find(token, MTLS_TOKEN_PRIVATE_KEY, NULL, &objects, NULL),
			 MTLS_REASON_ALLOWED);
	assert_int_equal(objects.count, MTLS_COUNT(keys));
	mtls_token_objects_done(&objects);
	assert_int_equal(mtls_token_login(token, "0000", 4, NULL), MTLS_REASON_PIN_WRONG);
	assert_int_equal(mtls_token_find(token, MTLS_TOKEN_PRIVATE_KEY, NULL, &objects, NULL),
			 MTLS_REASON_ALLOWED);
	assert_int_equal(objects.count, 0);
	mtls_token_objects_done(&objects);
	assert_int_equal(mtls_token_login(token, PIN, 6, NULL), MTLS_REASON_ALLOWED);
	mtls_tokens_free(tokens);
}

static struct mtls_token_pin pin(const char *text)
{
	return (struct mtls_token_pin){ .data = text, .len = strlen(text) };
}

static void new_pins(void **state)
{
	struct mtls_tokens *tokens = open_tokens();
	struct mtls_token *token = the_token(tokens);
	struct mtls_diag diag = { 0 };
	(void)state;
	assert_int_equal(mtls_token_set_pin(token, pin("0000"), pin("222222"), &diag),
			 MTLS_REASON_PIN_WRONG);
	assert_int_equal(mtls_token_set_pin(token, pin(PIN), pin("1"), &diag),
			 MTLS_REASON_KEY_UNUSABLE);
	assert_non_null(strstr(diag.text, "its length"));
	assert_int_equal(mtls_token_set_pin(token, pin(PIN), pin(""), &diag),
			 MTLS_REASON_SECRET_EMPTY);
	assert_int_equal(mtls_token_set_pin(token, pin(PIN), pin("222222"), &diag),
			 MTLS_REASON_ALLOWED);
	assert_int_equal(mtls_token_login(token, PIN, 6, &diag), MTLS_REASON_PIN_WRONG);
	assert_int_equal(mtls_token_login(token, "222222", 6, &diag), MTLS_REASON_ALLOWED);
	assert_int_equal(mtls_token_init_pin(token, pin("00000000"), pin(PIN), &diag),
			 MTLS_REASON_PIN_WRONG);
	assert_int_equal(mtls_token_init_pin(token, pin(SO_PIN), pin(PIN), &diag),
			 MTLS_REASON_ALLOWED);
	assert_int_equal(mtls_token_login(token, PIN, 6, &diag), MTLS_REASON_ALLOWED);
	mtls_tokens_free(tokens);
}

static void nothing_happens(void **state)
{
	struct mtls_tokens *tokens = open_tokens();
	(void)state;
	assert_int_equal(mtls_tokens_wait(tokens, 1), 0);
	mtls_tokens_free(tokens);
}

/* The folder of SoftHSM2's tokens: away, as if the card were not in its reader, and back. */
static void move_tokens(bool away)
{
	char here[160], there[160];
	(void)snprintf(here, sizeof(here), "%s/tokens", talk_base);
	(void)snprintf(there, sizeof(there), "%s/away", talk_base);
	assert_int_equal(rename(away ? here : there, away ? there : here), 0);
	if (away)
		assert_int_equal(mkdir(here, 0755), 0);
}

static void put_back(void)
{
	char here[160];
	(void)snprintf(here, sizeof(here), "%s/tokens", talk_base);
	assert_int_equal(rmdir(here), 0);
	move_tokens(false);
}

/* SoftHSM2 sees a new token only when it starts. */
static void restart_finds_what_was_inserted(void **state)
{
	struct mtls_diag diag = { 0 };
	(void)state;
	move_tokens(true);
	struct mtls_tokens *tokens = open_tokens();
	assert_int_equal(mtls_tokens_look(tokens, NULL), MTLS_REASON_NO_TOKEN);
	put_back();
	mtls_tokens_restart(tokens);
	struct mtls_token *token = the_token(tokens);
	assert_int_equal(mtls_token_login(token, PIN, 6, &diag), MTLS_REASON_ALLOWED);
	/* All of it ends: nobody is logged in, and a pointer from before is no token. */
	mtls_tokens_restart(tokens);
	assert_int_equal(mtls_tokens_count(tokens), 0);
	assert_false(mtls_token_present(token));
	assert_int_equal(mtls_token_login(token, PIN, 6, &diag), MTLS_REASON_TOKEN_GONE);
	assert_ptr_equal(the_token(tokens), token);
	mtls_tokens_free(tokens);
}

/* --- the signer on it --- */

static void start(struct talk *talk, const char *id)
{
	char env[160], uri[64];
	(void)snprintf(env, sizeof(env), "SOFTHSM2_CONF=%s", conf);
	(void)snprintf(uri, sizeof(uri), "pkcs11:token=alice%%27s%%20card;id=%s", id);
	const char *argv[] = { "mtls-signer-token",
			       "--source",
			       "pkcs11",
			       "--module",
			       module,
			       "--env",
			       env,
			       "--uri",
			       uri,
			       "--dir",
			       certs,
			       NULL };
	talk_start(talk, argv);
}

static void verify(size_t i, const uint8_t *signature, size_t len)
{
	uint8_t content[TALK_CONTENT_LEN];
	gnutls_pubkey_t key;
	talk_content("TLS 1.3, client CertificateVerify", content);
	const gnutls_datum_t data = { content, sizeof(content) };
	union {
		const uint8_t *given;
		unsigned char *wanted;
	} bytes = { .given = signature };
	const gnutls_datum_t sig = { bytes.wanted, (unsigned int)len };
	assert_int_equal(gnutls_pubkey_init(&key), 0);
	assert_int_equal(gnutls_pubkey_import_x509(key, cert[i]->crt, 0), 0);
	int r = gnutls_pubkey_verify_data2(key, keys[i].algorithm, 0, &data, &sig);
	if (r < 0)
		fail_msg("%s: %s", keys[i].label, gnutls_strerror(r));
	gnutls_pubkey_deinit(key);
}

static void signs_with_each(void **state)
{
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(keys); i++) {
		enum mtls_presence presence;
		uint8_t signature[MTLS_SIGNATURE_MAX];
		size_t len = sizeof(signature);
		struct talk talk;
		start(&talk, keys[i].id);
		if (talk.reason != MTLS_REASON_ALLOWED || talk_count(&talk) != 1)
			fail_msg("%s: %s, %zu, %s", keys[i].label, mtls_reason_token(talk.reason),
				 talk_count(&talk), talk.diag.text);
		assert_string_equal(talk_item(&talk, 0)->label, keys[i].label);
		assert_int_equal(talk_item(&talk, 0)->key_type, keys[i].type);
		assert_string_equal(talk_item(&talk, 0)->token, LABEL);
		assert_int_equal(talk_unlock(&talk, "000000", &presence, &talk.tries),
				 MTLS_REASON_PIN_WRONG);
		assert_int_equal(talk.tries, 2); /* SoftHSM: "low" after one */
		assert_int_equal(talk_sign(&talk, keys[i].scheme, signature, &len),
				 MTLS_REASON_SECRET_EMPTY);
		assert_int_equal(talk_unlock(&talk, PIN, &presence, &talk.tries),
				 MTLS_REASON_ALLOWED);
		assert_int_equal(presence, MTLS_PRESENCE_SECRET);
		len = sizeof(signature);
		assert_int_equal(talk_sign(&talk, keys[i].scheme, signature, &len),
				 MTLS_REASON_ALLOWED);
		verify(i, signature, len);
		talk_stop(&talk);
	}
}

/* Who asks again waits for a card. */
static void a_later_list_finds_what_was_inserted(void **state)
{
	struct talk talk;
	enum mtls_presence presence;
	(void)state;
	move_tokens(true);
	start(&talk, "1");
	assert_int_equal(talk.reason, MTLS_REASON_NO_TOKEN);
	talk_list(&talk);
	assert_int_equal(talk.reason, MTLS_REASON_NO_TOKEN);
	put_back();
	talk_list(&talk);
	assert_int_equal(talk.reason, MTLS_REASON_ALLOWED);
	assert_int_equal(talk_unlock(&talk, PIN, &presence, &talk.tries), MTLS_REASON_ALLOWED);
	talk_stop(&talk);
}

/* --- --- */

static int write_conf(void)
{
	char text[256], tokens[128];
	(void)snprintf(tokens, sizeof(tokens), "%s/tokens", talk_base);
	(void)snprintf(conf, sizeof(conf), "%s/softhsm2.conf", talk_base);
	(void)snprintf(text, sizeof(text),
		       "directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n",
		       tokens);
	const struct mtls_file_mode mode = { .mode = 0644, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	return mkdir(tokens, 0755) < 0 || setenv("SOFTHSM2_CONF", conf, 1) < 0
		       ? -1
		       : mtls_file_replace(conf, text, strlen(text), &mode, NULL);
}

static int set_up(void **state)
{
	(void)state;
	if (talk_set_up("mtls-signer-token") < 0 || write_conf() < 0)
		return -1;
	(void)snprintf(certs, sizeof(certs), "%s/certs", talk_base);
	if (mkdir(certs, 0755) < 0)
		return -1;
	ca = certgen_new(&(struct certgen_options){ .dn = "CN=Example CA", .ca = true }, NULL);
	return system("softhsm2-util --init-token --free --label \"" LABEL "\" --so-pin " SO_PIN
		      " --pin " PIN " >/dev/null");
}

/* What the other tests made becomes the person's. */
static void hand_over(void **state)
{
	char command[256], path[160];
	(void)state;
	(void)snprintf(path, sizeof(path), "%s/rsa512.crt", certs);
	certgen_write(path, &cert[MTLS_COUNT(keys) - 1]->der);
	(void)snprintf(command, sizeof(command), "chown -R %u %s/tokens %s", talk_person, talk_base,
		       certs);
	assert_int_equal(system(command), 0);
}

static int tear_down(void **state)
{
	for (size_t i = 0; i < MTLS_COUNT(keys); i++)
		certgen_free(cert[i]);
	certgen_free(ca);
	return talk_tear_down(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(signatures_in_der),
		cmocka_unit_test(public_keys),
		cmocka_unit_test(results),
		cmocka_unit_test(token_info),
		cmocka_unit_test(key_pairs),
		cmocka_unit_test(certificates),
		cmocka_unit_test(logins),
		cmocka_unit_test(new_pins),
		cmocka_unit_test(nothing_happens),
		cmocka_unit_test(restart_finds_what_was_inserted),
		cmocka_unit_test(hand_over),
		cmocka_unit_test(signs_with_each),
		cmocka_unit_test(a_later_list_finds_what_was_inserted),
	};
	if (access(module, R_OK) != 0) {
		(void)printf("1..0 # SKIP no SoftHSM2 (softhsm2)\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
