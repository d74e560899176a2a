/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Texts of strangers on a terminal. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "tools/ctl_term.h"

static void texts_are_cleaned_and_cut(void **state)
{
	static const struct {
		const char *name, *text;
		size_t columns, size;
		const char *want;
		size_t count;
	} rows[] = {
		{ "plain", "abc", 0, 16, "abc", 3 },
		{ "nothing", "", 0, 16, "", 0 },
		{ "as wide as it may be", "abc", 3, 16, "abc", 3 },
		{ "too wide", "abcdef", 4, 16, "ab..", 4 },
		{ "two columns", "abc", 2, 16, "..", 2 },
		{ "too long for the buffer", "abcdefghijklm", 0, 8, "abcde..", 7 },
		{ "characters, not bytes", "\u00e4\u00f6\u00fc\u20ac", 4, 16,
		  "\u00e4\u00f6\u00fc\u20ac", 4 },
		{ "cut between characters", "\u00e4\u00f6\u00fc\u20ac\u20ac", 4, 16,
		  "\u00e4\u00f6..", 4 },
		{ "four bytes", "\U0001f511", 0, 16, "\U0001f511", 1 },
		{ "escape", "\x1b[31mx", 0, 16, "?[31mx", 6 },
		{ "line ends", "a\r\nb", 0, 16, "a??b", 4 },
		{ "C1 control",
		  "a\xc2\x9b"
		  "31m",
		  0, 16, "a?31m", 5 },
		{ "direction", "\u202ea\u2066", 0, 16, "?a?", 3 },
		{ "nothing wide", "a\u200bb\ufeff", 0, 16, "a?b?", 4 },
		{ "tags", "a\U000e0041", 0, 16, "a?", 2 },
		{ "no UTF-8", "a\xff\xfe", 0, 16, "a??", 3 },
		{ "overlong", "\xc0\x80z", 0, 16, "??z", 3 },
		{ "half a character", "a\xe2\x82", 0, 16, "a??", 3 },
		{ "surrogate", "\xed\xa0\x80", 0, 16, "???", 3 },
	};

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		char out[32];
		memset(out, 'X', sizeof(out));
		size_t count = ctl_term_text(rows[i].text, rows[i].columns, out, rows[i].size);
		if (strcmp(out, rows[i].want) != 0)
			fail_msg("row '%s': '%s'", rows[i].name, out);
		assert_int_equal(count, rows[i].count);
		assert_int_equal(out[rows[i].size], 'X');
		assert_true(mtls_utf8_valid((const uint8_t *)out, strlen(out)));
	}
}

/* Whatever it is, it fits, is UTF-8 and has nothing that a terminal obeys. */
static void random_bytes(void **state)
{
	unsigned int seed = 7;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char text[40], out[24];
		const size_t len = (size_t)rand_r(&seed) % (sizeof(text) - 1);
		const size_t size = 4 + (size_t)rand_r(&seed) % (sizeof(out) - 4);
		for (size_t i = 0; i < len; i++)
			text[i] = (char)(1 + rand_r(&seed) % 255);
		text[len] = '\0';
		memset(out, 'X', sizeof(out));
		(void)ctl_term_text(text, (size_t)rand_r(&seed) % 12, out, size);
		assert_non_null(memchr(out, '\0', size));
		assert_true(mtls_utf8_valid((const uint8_t *)out, strlen(out)));
		assert_false(mtls_has_control((const uint8_t *)out, strlen(out)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_cleaned_and_cut),
		cmocka_unit_test(random_bytes),
	};
	return cmocka_run_group_tests_name("term", tests, NULL, NULL);
}
