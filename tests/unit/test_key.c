/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/name/key: typed certificate keys. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "lib/name/dn.h"
#include "lib/name/key.h"

#define HEX8   "0123456789abcdef"
#define HEX32  HEX8 HEX8 HEX8 HEX8
#define UPPER8 "0123456789ABCDEF"
#define COLON8 "01:23:45:67:89:AB:cd:EF"

#define NONE MTLS_KEY_KINDS

static void keys_are_parsed(void **state)
{
	/* clang-format off */
	static const struct { const char *text; int result; enum mtls_key_kind kind; const char *want; } rows[] = {
		{ "sha256:" HEX32, 0, MTLS_KEY_SHA256, "sha256:" HEX32 },
		{ "sha256:" UPPER8 UPPER8 UPPER8 UPPER8, 0, MTLS_KEY_SHA256, "sha256:" HEX32 },
		{ "sha256:" COLON8 ":" COLON8 ":" COLON8 ":" COLON8, 0, MTLS_KEY_SHA256, "sha256:" HEX32 },
		{ "spki-sha256:" HEX32, 0, MTLS_KEY_SPKI_SHA256, "spki-sha256:" HEX32 },
		{ "subject:cn=Alice, o=Example", 0, MTLS_KEY_SUBJECT, "subject:CN=Alice,O=Example" },
		{ "subject:CN=a:b", 0, MTLS_KEY_SUBJECT, "subject:CN=a:b" },
		{ "issuer-serial:01:CN=CA", 0, MTLS_KEY_ISSUER_SERIAL, "issuer-serial:01:CN=CA" },
		{ "issuer-serial:0A:cn=CA, c=DE", 0, MTLS_KEY_ISSUER_SERIAL, "issuer-serial:0a:CN=CA,C=DE" },
		{ "issuer-serial:00B1:CN=CA", 0, MTLS_KEY_ISSUER_SERIAL, "issuer-serial:b1:CN=CA" },
		{ "issuer-serial:00:b1:02:C=DE", 0, MTLS_KEY_ISSUER_SERIAL, "issuer-serial:b102:C=DE" },
		{ "issuer-serial:01:DC=example", 0, MTLS_KEY_ISSUER_SERIAL, "issuer-serial:01:DC=example" },
		{ "issuer-serial:01:CN=a:b=c", 0, MTLS_KEY_ISSUER_SERIAL, "issuer-serial:01:CN=a:b=c" },
		{ "issuer-serial:00" HEX8 HEX8 "0102:CN=a", 0, MTLS_KEY_ISSUER_SERIAL, "issuer-serial:" "0123456789abcdef" HEX8 "0102:CN=a" },
		{ "", MTLS_E_SYNTAX, NONE, NULL },
		{ ":", MTLS_E_SYNTAX, NONE, NULL },
		{ "sha256", MTLS_E_SYNTAX, NONE, NULL },
		{ "SHA256:" HEX32, MTLS_E_SYNTAX, NONE, NULL },
		{ "sha1:" HEX32, MTLS_E_SYNTAX, NONE, NULL },
		{ " sha256:" HEX32, MTLS_E_SYNTAX, NONE, NULL },
		{ "sha256: " HEX32, MTLS_E_SYNTAX, NONE, NULL },
		{ "sha256:" HEX32 " ", MTLS_E_SYNTAX, NONE, NULL },
		{ "sha256:", MTLS_E_SYNTAX, NONE, NULL },
		{ "sha256:" HEX8, MTLS_E_SYNTAX, NONE, NULL },
		{ "sha256:" HEX32 "0", MTLS_E_SYNTAX, NONE, NULL },
		{ "sha256:" HEX32 "00", MTLS_E_SYNTAX, NONE, NULL },
		{ "sha256:" HEX32 ":", MTLS_E_SYNTAX, NONE, NULL },
		{ "sha256::" HEX32, MTLS_E_SYNTAX, NONE, NULL },
		{ "sha256:0:1" HEX8, MTLS_E_SYNTAX, NONE, NULL },
		{ "sha256:g1" HEX8 HEX8 HEX8 "0123456789abcd", MTLS_E_SYNTAX, NONE, NULL },
		{ "subject:", MTLS_E_SYNTAX, NONE, NULL },
		{ "subject:Alice", MTLS_E_SYNTAX, NONE, NULL },
		{ "subject:CN=a\nb", MTLS_E_SYNTAX, NONE, NULL },
		{ "issuer-serial:", MTLS_E_SYNTAX, NONE, NULL },
		{ "issuer-serial:01", MTLS_E_SYNTAX, NONE, NULL },
		{ "issuer-serial:CN=CA", MTLS_E_SYNTAX, NONE, NULL },
		{ "issuer-serial::CN=CA", MTLS_E_SYNTAX, NONE, NULL },
		{ "issuer-serial:1:CN=CA", MTLS_E_SYNTAX, NONE, NULL },
		{ "issuer-serial:00:CN=CA", MTLS_E_SYNTAX, NONE, NULL },
		{ "issuer-serial:01:", MTLS_E_SYNTAX, NONE, NULL },
		{ "issuer-serial:01:CA", MTLS_E_SYNTAX, NONE, NULL },
		{ "issuer-serial:-1:CN=CA", MTLS_E_SYNTAX, NONE, NULL },
		{ "issuer-serial:" HEX8 HEX8 "0102030405:CN=a", MTLS_E_SYNTAX, NONE, NULL },
		{ "ski:0102", 0, MTLS_KEY_SKI, "ski:0102" },
		{ "sid:S-1-5-21", 0, MTLS_KEY_SID, "sid:S-1-5-21" },
		{ "upn:a@b", 0, MTLS_KEY_UPN, "upn:a@b" },
		{ "kpn:a@B", 0, MTLS_KEY_KPN, "kpn:a@B" },
		{ "mail:a@b", 0, MTLS_KEY_MAIL, "mail:a@b" },
		{ "uri:x:y", 0, MTLS_KEY_URI, "uri:x:y" },
		{ "altsec:X509:<I>", 0, MTLS_KEY_ALTSEC, "altsec:X509:<I>" },
		{ "mail: A@b ", 0, MTLS_KEY_MAIL, "mail: A@b " },
		{ "upn:j\xc3\xb6rg@x", 0, MTLS_KEY_UPN, "upn:j\xc3\xb6rg@x" },
		{ "mail:", MTLS_E_SYNTAX, NONE, NULL },
		{ "mail:a\nb", MTLS_E_SYNTAX, NONE, NULL },
		{ "uri:a\x7f", MTLS_E_SYNTAX, NONE, NULL },
		{ "uri:a\xc2\x85", MTLS_E_SYNTAX, NONE, NULL },
		{ "upn:a\xff", MTLS_E_SYNTAX, NONE, NULL },
		{ "upn:a\xc3", MTLS_E_SYNTAX, NONE, NULL },
		{ "email:a@b", MTLS_E_SYNTAX, NONE, NULL },
		{ "MAIL:a@b", MTLS_E_SYNTAX, NONE, NULL },
		{ "mail", MTLS_E_SYNTAX, NONE, NULL },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_buf_ struct mtls_buf out = MTLS_BUF(MTLS_KEY_MAX);
		enum mtls_key_kind kind = NONE;
		struct mtls_diag diag = { 0 };
		print_message("# row '%s'\n", rows[i].text);
		assert_int_equal(
			mtls_key_parse(rows[i].text, strlen(rows[i].text), &kind, &out, &diag),
			rows[i].result);
		assert_int_equal(kind, rows[i].kind);
		assert_int_equal(diag.text[0] != '\0', rows[i].result < 0);
		if (!rows[i].want) {
			assert_int_equal(out.len, 0);
			continue;
		}
		assert_string_equal(mtls_buf_cstr(&out), rows[i].want);
		_cleanup_buf_ struct mtls_buf again = MTLS_BUF(MTLS_KEY_MAX);
		assert_int_equal(
			mtls_key_parse(rows[i].want, strlen(rows[i].want), &kind, &again, NULL), 0);
		assert_string_equal(mtls_buf_cstr(&again), rows[i].want);
	}
}

/* A key of issuer-serial with as many serial octets as are allowed, one less, one more. */
static void serials_are_limited(void **state)
{
	(void)state;
	for (size_t n = 19; n <= 21; n++) {
		_cleanup_buf_ struct mtls_buf text = MTLS_BUF(MTLS_KEY_MAX);
		_cleanup_buf_ struct mtls_buf out = MTLS_BUF(MTLS_KEY_MAX);
		_cleanup_buf_ struct mtls_buf parts = MTLS_BUF(MTLS_KEY_MAX);
		enum mtls_key_kind kind;
		uint8_t serial[21];

		memset(serial, 0xaa, sizeof(serial));
		assert_int_equal(mtls_buf_append_str(&text, "issuer-serial:"), 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(mtls_buf_append_str(&text, "aa"), 0);
		assert_int_equal(mtls_buf_append_str(&text, ":CN=a"), 0);
		int want = n > 20 ? MTLS_E_SYNTAX : 0;
		assert_int_equal(
			mtls_key_parse((const char *)text.data, text.len, &kind, &out, NULL), want);
		assert_int_equal(mtls_key_format_issuer_serial(serial, n, "CN=a", &parts), want);
		if (want == 0) {
			assert_int_equal(out.len, text.len);
			assert_memory_equal(out.data, text.data, text.len);
			assert_string_equal(mtls_buf_cstr(&parts), mtls_buf_cstr(&text));
		}
	}
}

static void keys_are_made_of_parts(void **state)
{
	(void)state;
	static const uint8_t digest[32] = { 0x01, 0xab };
	static const uint8_t serial[] = { 0, 0, 0x80, 0x01 };
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(MTLS_KEY_MAX);

	assert_int_equal(mtls_key_format_digest(MTLS_KEY_SPKI_SHA256, digest, &out), 0);
	assert_string_equal(mtls_buf_cstr(&out), "spki-sha256:01ab0000000000000000000000000000"
						 "00000000000000000000000000000000");
	mtls_buf_reset(&out);
	assert_int_equal(mtls_key_format_digest(MTLS_KEY_SUBJECT, digest, &out), MTLS_E_BUG);
	assert_int_equal(mtls_key_format_issuer_serial(serial, 4, "CN=CA,C=DE", &out), 0);
	assert_string_equal(mtls_buf_cstr(&out), "issuer-serial:8001:CN=CA,C=DE");
	mtls_buf_reset(&out);
	assert_int_equal(mtls_key_format_issuer_serial(serial, 2, "CN=CA", &out), MTLS_E_SYNTAX);
	assert_int_equal(mtls_key_format_issuer_serial(serial, 0, "CN=CA", &out), MTLS_E_SYNTAX);
	assert_int_equal(mtls_key_format_issuer_serial(serial, 4, "", &out), MTLS_E_SYNTAX);
	assert_int_equal(mtls_key_format_subject("", &out), MTLS_E_SYNTAX);
	assert_int_equal(out.len, 0);
	assert_int_equal(mtls_key_format_subject("CN=Alice,O=Example", &out), 0);
	assert_string_equal(mtls_buf_cstr(&out), "subject:CN=Alice,O=Example");
}

/* The longest name fits a key of each kind; a longer input is refused unread. */
static void lengths_are_limited(void **state)
{
	static char text[MTLS_DN_INPUT_MAX + 1000];
	(void)state;
	for (size_t dn = MTLS_DN_TEXT_MAX; dn <= MTLS_DN_TEXT_MAX + 1; dn++) {
		_cleanup_buf_ struct mtls_buf out = MTLS_BUF(MTLS_KEY_MAX);
		enum mtls_key_kind kind;
		size_t prefix = strlen("subject:CN=");
		memset(text, 'a', sizeof(text));
		memcpy(text, "subject:CN=", prefix);
		assert_int_equal(mtls_key_parse(text, prefix - 3 + dn, &kind, &out, NULL),
				 dn > MTLS_DN_TEXT_MAX ? MTLS_E_LIMIT : 0);
	}
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(MTLS_KEY_MAX);
	enum mtls_key_kind kind;
	assert_int_equal(mtls_key_parse(text, sizeof(text), &kind, &out, NULL), MTLS_E_LIMIT);
	_cleanup_buf_ struct mtls_buf small = MTLS_BUF(10);
	assert_int_equal(mtls_key_parse("subject:CN=a", 12, &kind, &small, NULL), MTLS_E_LIMIT);
}

static void kinds_have_names(void **state)
{
	(void)state;
	for (int i = 0; i < MTLS_KEY_KINDS; i++) {
		assert_non_null(mtls_key_kind_name((enum mtls_key_kind)i));
		assert_int_equal(mtls_key_kind_supported((enum mtls_key_kind)i),
				 i <= MTLS_KEY_SUBJECT);
	}
	assert_null(mtls_key_kind_name(MTLS_KEY_KINDS));
	assert_false(mtls_key_kind_supported(MTLS_KEY_KINDS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_parsed),        cmocka_unit_test(serials_are_limited),
		cmocka_unit_test(keys_are_made_of_parts), cmocka_unit_test(lengths_are_limited),
		cmocka_unit_test(kinds_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
