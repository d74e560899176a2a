/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/name/dn: canonical names from text and from certificate parts. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "lib/name/dn.h"

#define OID_CN "2.5.4.3"
#define OID_O  "2.5.4.10"
#define OID_C  "2.5.4.6"

static void check_text(const char *text, size_t len, int want, const char *canonical)
{
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(MTLS_DN_TEXT_MAX);
	struct mtls_diag diag = { 0 };

	assert_int_equal(mtls_dn_canonical(text, len, &out, &diag), want);
	if (want < 0) {
		assert_int_equal(out.len, 0);
		assert_true(diag.text[0] != '\0');
		assert_int_equal(mtls_dn_canonical(text, len, &out, NULL), want);
		return;
	}
	assert_string_equal(mtls_buf_cstr(&out), canonical);

	_cleanup_buf_ struct mtls_buf again = MTLS_BUF(MTLS_DN_TEXT_MAX);
	assert_int_equal(mtls_dn_canonical(canonical, strlen(canonical), &again, &diag), 0);
	assert_string_equal(mtls_buf_cstr(&again), canonical);
}

static void text_becomes_canonical(void **state)
{
	/* clang-format off */
	static const struct { const char *text, *want; } rows[] = {
		{ "CN=Alice,O=Example,C=DE", "CN=Alice,O=Example,C=DE" },
		{ "cn=Alice, o=Example , c = DE", "CN=Alice,O=Example,C=DE" },
		{ "2.5.4.3=Alice", "CN=Alice" },
		{ "OID.2.5.4.3=Alice", "CN=Alice" },
		{ "oid.2.5.4.3=Alice", "CN=Alice" },
		{ "CN=alice", "CN=alice" },
		{ "CN=Alice  Example", "CN=Alice  Example" },
		{ "CN=A,DC=example,DC=org", "CN=A,DC=example,DC=org" },
		{ "uid=a,street=b,l=c,st=d,ou=e", "UID=a,STREET=b,L=c,ST=d,OU=e" },
		{ "S=Bavaria", "ST=Bavaria" },
		{ "userid=a", "UID=a" },
		{ "emailAddress=a@example.org", "1.2.840.113549.1.9.1=a@example.org" },
		{ "E=a@example.org", "1.2.840.113549.1.9.1=a@example.org" },
		{ "serialNumber=42", "2.5.4.5=42" },
		{ "SN=Doe,GN=Jane", "2.5.4.4=Doe,2.5.4.42=Jane" },
		{ "2.25.329800735698586629295641978511506172918=x", "2.25.329800735698586629295641978511506172918=x" },
		/* several values in one RDN: sorted by bytes */
		{ "CN=a+O=b", "CN=a+O=b" },
		{ "O=b + CN=a", "CN=a+O=b" },
		{ "O=b+CN=a+2.5.4.5=1", "2.5.4.5=1+CN=a+O=b" },
		{ "CN=b+CN=a+CN=aa", "CN=a+CN=aa+CN=b" },
		{ "UID=1+OU=x,C=DE", "OU=x+UID=1,C=DE" },
		/* escapes */
		{ "CN=a\\,b", "CN=a\\,b" },
		{ "CN=a\\2cb", "CN=a\\,b" },
		{ "CN=a\\2Cb", "CN=a\\,b" },
		{ "CN=a\\+b\\\"c\\\\d\\<e\\>f\\;g", "CN=a\\+b\\\"c\\\\d\\<e\\>f\\;g" },
		{ "CN=a\\=b", "CN=a=b" },
		{ "CN=a=b", "CN=a=b" },
		{ "CN=\\#1", "CN=\\#1" },
		{ "CN=a#1", "CN=a#1" },
		{ "CN=a\\#1", "CN=a#1" },
		{ "CN=\\ a\\ ", "CN=\\ a\\ " },
		{ "CN=\\20a\\20", "CN=\\ a\\ " },
		{ "CN=\\ ", "CN=\\ " },
		{ "CN=\\ \\ ", "CN=\\ \\ " },
		{ "CN=  a  ", "CN=a" },
		{ "CN=a\\ b", "CN=a b" },
		{ "CN=", "CN=" },
		{ "CN= ,O=x", "CN=,O=x" },
		{ "CN=J\\c3\\bcrgen", "CN=J\xc3\xbcrgen" },
		{ "CN=J\xc3\xbcrgen", "CN=J\xc3\xbcrgen" },
		{ "CN=a/b:c'd", "CN=a/b:c'd" },
		/* values as DER */
		{ "CN=#0c05416c696365", "CN=Alice" },
		{ "CN=#1305416C696365", "CN=Alice" },
		{ "CN=#16024869 , O=x", "CN=Hi,O=x" },
		{ "CN=#1e0400410042", "CN=AB" },
		{ "CN=#1e0200fc", "CN=\xc3\xbc" },
		{ "CN=#1e0220ac", "CN=\xe2\x82\xac" },
		{ "CN=#1c040001f600", "CN=\xf0\x9f\x98\x80" },
		{ "CN=#14024869", "CN=Hi" },
		{ "CN=#1402e9e8", "CN=#1402e9e8" },
		{ "CN=#1203313233", "CN=123" },
		{ "2.5.4.45=#030200FF", "2.5.4.45=#030200ff" },
		{ "CN=#04024869", "CN=#04024869" },
		{ "CN=#0500", "CN=#0500" },
		{ "CN=#0c00", "CN=" },
		{ "CN=#0c022320", "CN=\\#\\ " },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		print_message("# row '%s'\n", rows[i].text);
		check_text(rows[i].text, strlen(rows[i].text), 0, rows[i].want);
	}
}

static void bad_text_is_refused(void **state)
{
	/* clang-format off */
	static const struct { const char *row, *text; size_t len; } rows[] = {
		{ "empty", "", 0 },
		{ "spaces only", "  ", 2 },
		{ "no type", "Alice", 5 },
		{ "empty type", "=a", 2 },
		{ "unknown type", "XYZ=a", 5 },
		{ "named after OID.", "OID.CN=a", 8 },
		{ "trailing comma", "CN=a,", 5 },
		{ "leading comma", ",CN=a", 5 },
		{ "double comma", "CN=a,,O=b", 9 },
		{ "trailing plus", "CN=a+", 5 },
		{ "semicolon as separator", "CN=a;O=b", 8 },
		{ "quotes", "CN=\"a\"", 6 },
		{ "angle", "CN=a<b", 6 },
		{ "trailing backslash", "CN=a\\", 5 },
		{ "backslash and one digit", "CN=a\\2", 6 },
		{ "backslash and a letter", "CN=a\\zz", 7 },
		{ "escaped NUL", "CN=a\\00b", 8 },
		{ "escaped newline", "CN=a\\0ab", 8 },
		{ "NUL", "CN=a\0b", 6 },
		{ "newline", "CN=a\nb", 6 },
		{ "C1 control", "CN=a\xc2\x85", 6 },
		{ "invalid UTF-8", "CN=\xff", 4 },
		{ "cut UTF-8", "CN=\xc3", 4 },
		{ "escaped invalid UTF-8", "CN=\\ff", 6 },
		{ "overlong UTF-8", "CN=\xc0\xaf", 5 },
		{ "tab", "CN=\ta", 5 },
		{ "hash alone", "CN=#", 4 },
		{ "odd hex", "CN=#0c0", 7 },
		{ "not hex", "CN=#0g", 6 },
		{ "hex, then more", "CN=#0c0141 x", 12 },
		{ "hex: one byte", "CN=#0c", 6 },
		{ "hex: too short", "CN=#0c0541", 10 },
		{ "hex: trailing byte", "CN=#0c014142", 12 },
		{ "hex: long length form", "CN=#0c810141", 12 },
		{ "hex: indefinite length", "CN=#2c800000", 12 },
		{ "hex: high tag", "CN=#1f810100", 12 },
		{ "hex: control in UTF8String", "CN=#0c010a", 10 },
		{ "hex: NUL in PrintableString", "CN=#130100", 10 },
		{ "hex: not ASCII in IA5String", "CN=#1601e9", 10 },
		{ "hex: bad UTF8String", "CN=#0c01ff", 10 },
		{ "hex: odd BMPString", "CN=#1e03004100", 14 },
		{ "hex: surrogate in BMPString", "CN=#1e02d83d", 12 },
		{ "hex: NUL in BMPString", "CN=#1e020000", 12 },
		{ "hex: beyond Unicode", "CN=#1c0400110000", 16 },
		{ "OID: one arc", "2=a", 3 },
		{ "OID: first arc 3", "3.1=a", 5 },
		{ "OID: two digits", "10.1=a", 6 },
		{ "OID: 1.40", "1.40=a", 6 },
		{ "OID: 0.100", "0.100=a", 7 },
		{ "OID: leading zero", "2.05=a", 6 },
		{ "OID: empty arc", "2..5=a", 6 },
		{ "OID: trailing dot", "2.5.=a", 6 },
		{ "OID: letter", "2.5x=a", 6 },
		{ "OID: only the prefix", "OID.=a", 6 },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		print_message("# row '%s'\n", rows[i].row);
		check_text(rows[i].text, rows[i].len, MTLS_E_SYNTAX, NULL);
	}
}

/* @count copies of @item, joined by @separator. */
static char *repeat(const char *item, size_t count, char separator)
{
	size_t len = strlen(item);
	char *text = malloc(count * (len + 1) + 1), *p = text;
	assert_non_null(text);
	for (size_t i = 0; i < count; i++) {
		if (i)
			*p++ = separator;
		memcpy(p, item, len);
		p += len;
	}
	*p = '\0';
	return text;
}

static void limits_hold(void **state)
{
	static const struct {
		const char *row, *item;
		char separator;
		size_t max;
	} rows[] = {
		{ "RDNs", "CN=a", ',', MTLS_DN_RDN_MAX },
		{ "AVAs", "CN=a", '+', MTLS_DN_AVA_MAX },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		print_message("# row '%s'\n", rows[i].row);
		for (size_t n = rows[i].max - 1; n <= rows[i].max + 1; n++) {
			_cleanup_free_ char *text = repeat(rows[i].item, n, rows[i].separator);
			check_text(text, strlen(text), n > rows[i].max ? MTLS_E_LIMIT : 0, text);
		}
	}
}

static void length_is_limited(void **state)
{
	static char text[MTLS_DN_INPUT_MAX + 2];
	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text, "CN=", 3);
	for (size_t len = MTLS_DN_TEXT_MAX - 1; len <= MTLS_DN_TEXT_MAX + 1; len++) {
		text[len] = '\0';
		check_text(text, len, len > MTLS_DN_TEXT_MAX ? MTLS_E_LIMIT : 0, text);
		text[len] = 'a';
	}
	check_text(text, MTLS_DN_INPUT_MAX, MTLS_E_LIMIT, NULL);
	check_text(text, MTLS_DN_INPUT_MAX + 1, MTLS_E_LIMIT, NULL);

	/* Long as typed, short when written. */
	size_t len = 3;
	for (; len + 3 <= MTLS_DN_TEXT_MAX + 3000; len += 3)
		memcpy(text + len, "\\41", 3);
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(MTLS_DN_TEXT_MAX);
	assert_int_equal(mtls_dn_canonical(text, len, &out, NULL), 0);
	assert_int_equal(out.len, 3 + (len - 3) / 3);
}

/* The output buffer's own limit, and what was in it before. */
static void output_is_appended_or_kept(void **state)
{
	(void)state;
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(12);
	assert_int_equal(mtls_buf_append_str(&out, "subject:"), 0);
	assert_int_equal(mtls_dn_canonical("CN=a+", 5, &out, NULL), MTLS_E_SYNTAX);
	assert_string_equal(mtls_buf_cstr(&out), "subject:");
	assert_int_equal(mtls_dn_canonical("cn=a", 4, &out, NULL), 0);
	assert_string_equal(mtls_buf_cstr(&out), "subject:CN=a");
	assert_int_equal(mtls_dn_canonical("cn=a", 4, &out, NULL), MTLS_E_LIMIT);
}

static struct mtls_ava string_ava(const char *oid, const char *value)
{
	return (struct mtls_ava){ oid, (const uint8_t *)value, strlen(value), true };
}

static void parts_become_canonical(void **state)
{
	(void)state;
	/* As DER has them: country first. */
	const struct mtls_rdn rdns[] = {
		{ .ava = { string_ava(OID_C, "DE") }, .count = 1 },
		{ .ava = { string_ava(OID_O, "Example") }, .count = 1 },
		{ .ava = { string_ava("2.5.4.5", "7"), string_ava(OID_CN, "Alice") }, .count = 2 },
		{ .ava = { string_ava("2.5.4.99", "x") }, .count = 1 },
	};
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(MTLS_DN_TEXT_MAX);
	assert_int_equal(mtls_dn_format(rdns, MTLS_COUNT(rdns), &out), 0);
	assert_string_equal(mtls_buf_cstr(&out), "2.5.4.99=x,2.5.4.5=7+CN=Alice,O=Example,C=DE");
}

static void bad_parts_are_refused(void **state)
{
	/* clang-format off */
	static const struct { const char *row, *oid, *value; size_t len; bool string; int want; } rows[] = {
		{ "good string", OID_CN, "a", 1, true, 0 },
		{ "good DER", OID_CN, "\x0c\x01" "a", 3, false, 0 },
		{ "no OID", NULL, "a", 1, true, MTLS_E_SYNTAX },
		{ "empty OID", "", "a", 1, true, MTLS_E_SYNTAX },
		{ "a name as OID", "CN", "a", 1, true, MTLS_E_SYNTAX },
		{ "NUL", OID_CN, "a\0b", 3, true, MTLS_E_SYNTAX },
		{ "newline", OID_CN, "a\n", 2, true, MTLS_E_SYNTAX },
		{ "invalid UTF-8", OID_CN, "\xff", 1, true, MTLS_E_SYNTAX },
		{ "empty DER", OID_CN, "", 0, false, MTLS_E_SYNTAX },
		{ "DER: cut", OID_CN, "\x0c\x02" "a", 3, false, MTLS_E_SYNTAX },
		{ "DER: padded length of 2", OID_CN, "\x0c\x82\x00\x01" "a", 5, false, MTLS_E_SYNTAX },
		{ "DER: length of 3 octets", OID_CN, "\x0c\x83\x00\x00\x01" "a", 6, false, MTLS_E_SYNTAX },
		{ "DER: NUL in UTF8String", OID_CN, "\x0c\x03" "a\0b", 5, false, MTLS_E_SYNTAX },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		const struct mtls_rdn rdn = { .ava = { { rows[i].oid,
							 (const uint8_t *)rows[i].value,
							 rows[i].len, rows[i].string } },
					      .count = 1 };
		_cleanup_buf_ struct mtls_buf out = MTLS_BUF(MTLS_DN_TEXT_MAX);
		print_message("# row '%s'\n", rows[i].row);
		assert_int_equal(mtls_dn_format(&rdn, 1, &out), rows[i].want);
		assert_int_equal(out.len, rows[i].want ? 0 : strlen("CN=a"));
	}
}

/* Lengths around the forms of DER: 127, 128, 255, 256. */
static void der_values_of_all_lengths(void **state)
{
	static const size_t lengths[] = { 0, 1, 127, 128, 255, 256, 4000 };
	static uint8_t der[5000];
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(lengths); i++) {
		size_t len = lengths[i], n = 0;
		der[n++] = 0x0c;
		if (len > 255)
			der[n++] = 0x82;
		else if (len > 127)
			der[n++] = 0x81;
		if (len > 255)
			der[n++] = (uint8_t)(len >> 8);
		der[n++] = (uint8_t)len;
		memset(der + n, 'a', len);
		const struct mtls_rdn rdn = { .ava = { { OID_CN, der, n + len, false } },
					      .count = 1 };
		_cleanup_buf_ struct mtls_buf out = MTLS_BUF(MTLS_DN_TEXT_MAX);
		print_message("# row %zu\n", len);
		assert_int_equal(mtls_dn_format(&rdn, 1, &out), 0);
		assert_int_equal(out.len, 3 + len);
	}
}

static void counts_are_checked(void **state)
{
	(void)state;
	static struct mtls_rdn rdns[MTLS_DN_RDN_MAX + 1];
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(MTLS_DN_TEXT_MAX);
	for (size_t i = 0; i < MTLS_COUNT(rdns); i++)
		rdns[i] = (struct mtls_rdn){ .ava = { string_ava(OID_CN, "a") }, .count = 1 };
	assert_int_equal(mtls_dn_format(rdns, 0, &out), MTLS_E_SYNTAX);
	assert_int_equal(mtls_dn_format(rdns, MTLS_DN_RDN_MAX, &out), 0);
	assert_int_equal(mtls_dn_format(rdns, MTLS_DN_RDN_MAX + 1, &out), MTLS_E_LIMIT);
	rdns[0].count = 0;
	assert_int_equal(mtls_dn_format(rdns, 1, &out), MTLS_E_SYNTAX);
	rdns[0].count = MTLS_DN_AVA_MAX + 1;
	assert_int_equal(mtls_dn_format(rdns, 1, &out), MTLS_E_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_becomes_canonical),
		cmocka_unit_test(bad_text_is_refused),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(length_is_limited),
		cmocka_unit_test(output_is_appended_or_kept),
		cmocka_unit_test(parts_become_canonical),
		cmocka_unit_test(bad_parts_are_refused),
		cmocka_unit_test(der_values_of_all_lengths),
		cmocka_unit_test(counts_are_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
