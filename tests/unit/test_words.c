/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pam_mtls/words: places are filled, whatever a translator or a certificate wrote. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pam_mtls/words.h"

static void places_are_filled(void **state)
{
	(void)state;
	static const struct words_value values[] = {
		{ "label", "Alice", 0 },
		{ "n", NULL, 3 },
		{ "evil", "a\x1b[2J{label}\n%n", 0 },
		{ "none", "", 0 },
	};
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "plain", "plain" },
		{ "PIN for {label}: ", "PIN for Alice: " },
		{ "{n}{n} {label}", "33 Alice" },
		{ "{label", "{label" },
		{ "{labels}", "{labels}" },
		{ "{lab}", "{lab}" },
		{ "{}", "{}" },
		{ "{{label}}", "{Alice}" },
		{ "{other} }", "{other} }" },
		{ "%s %n {n}", "%s %n 3" },
		{ "{evil}", "a?[2J{label}?%n" }, /* a value is not filled again */
		{ "[{none}]", "[]" },
		{ "{", "{" },
		{ "f\xc3\xbcr {label}", "f\xc3\xbcr Alice" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		_cleanup_buf_ struct mtls_buf out = MTLS_BUF(WORDS_LINE_MAX);
		const char *line = words_line(&out, rows[i].text, values, MTLS_COUNT(values));
		assert_string_equal(line, rows[i].want);
	}
}

static void lengths_are_bounded(void **state)
{
	(void)state;
	static char value[10000];
	memset(value, 'x', sizeof(value) - 1);
	const struct words_value values[] = { { "v", value, 0 } };
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(WORDS_LINE_MAX);
	const char *line = words_line(&out, "<{v}>", values, 1);
	assert_int_equal(strlen(line), WORDS_VALUE_MAX + 2);
	_cleanup_buf_ struct mtls_buf small = MTLS_BUF(16);
	assert_string_equal(words_line(&small, "<{v}>", values, 1), "<{v}>");
}

/* Without a locale everything stays as it is written. */
static void english(void **state)
{
	(void)state;
	assert_string_equal(words("Wrong PIN."), "Wrong PIN.");
	assert_string_equal(words_plural("{n} day", "{n} days", 1), "{n} day");
	assert_string_equal(words_plural("{n} day", "{n} days", 0), "{n} days");
	assert_string_equal(words_plural("{n} day", "{n} days", 2), "{n} days");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_are_filled),
		cmocka_unit_test(lengths_are_bounded),
		cmocka_unit_test(english),
	};
	return cmocka_run_group_tests_name("words", tests, NULL, NULL);
}
