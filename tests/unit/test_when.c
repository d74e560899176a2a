/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moments in words, in a zone with clock changes. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "lib/base/when.h"

#define NOW INT64_C(1796043600) /* Monday 2026-11-30 13:00:00 UTC, 14:00 in Berlin */

static int in_berlin(void **state)
{
	(void)state;
	/* Rules in the variable itself: the test needs no zone files. */
	assert_int_equal(setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1), 0);
	tzset();
	return 0;
}

static void moments(void **state)
{
	static const struct {
		const char *text;
		int want;
		int64_t when;
	} rows[] = {
		{ "now", 0, NOW },
		{ "today", 0, NOW - 14 * 3600 },
		{ "yesterday", 0, NOW - 38 * 3600 },
		{ "-2h", 0, NOW - 7200 },
		{ "-0s", 0, NOW },
		{ "30m ago", 0, NOW - 1800 },
		{ "1d ago", 0, NOW - 86400 },
		{ "-2w", 0, NOW - 14 * 86400 },
		{ "@0", 0, 0 },
		{ "@1700000000", 0, 1700000000 },
		{ "14:00", 0, NOW },
		{ "13:59:30", 0, NOW - 30 },
		{ "2026-11-30", 0, NOW - 14 * 3600 },
		{ "2026-11-30 14:00", 0, NOW },
		{ "2026-11-30T14:00:05", 0, NOW + 5 },
		{ "2026-11-30 13:00:00Z", 0, NOW },
		{ "2026-07-01 14:00", 0, 1782907200 }, /* summer time */
		{ "2024-02-29", 0, 1709161200 },       /* a leap year */
		{ "", MTLS_E_SYNTAX, 0 },
		{ " now", MTLS_E_SYNTAX, 0 },
		{ "Now", MTLS_E_SYNTAX, 0 },
		{ "tomorrow", MTLS_E_SYNTAX, 0 },
		{ "2h", MTLS_E_SYNTAX, 0 },
		{ "-2h ago", MTLS_E_SYNTAX, 0 },
		{ "-2", MTLS_E_SYNTAX, 0 },
		{ "--2h", MTLS_E_SYNTAX, 0 },
		{ "-2y", MTLS_E_SYNTAX, 0 },
		{ "-1h30m", MTLS_E_SYNTAX, 0 },
		{ "-h", MTLS_E_SYNTAX, 0 },
		{ "-00000000001h", MTLS_E_SYNTAX, 0 },
		{ "-02h", MTLS_E_SYNTAX, 0 },
		{ "-4294967296s", MTLS_E_SYNTAX, 0 },
		{ "-4294967295w", MTLS_E_LIMIT, 0 },
		{ "@", MTLS_E_SYNTAX, 0 },
		{ "@-1", MTLS_E_SYNTAX, 0 },
		{ "@99999999999999999999", MTLS_E_LIMIT, 0 },
		{ "@253402300800", MTLS_E_LIMIT, 0 },
		{ "24:00", MTLS_E_LIMIT, 0 },
		{ "14:60", MTLS_E_LIMIT, 0 },
		{ "14:0", MTLS_E_SYNTAX, 0 },
		{ "1400", MTLS_E_SYNTAX, 0 },
		{ "2026-02-30", MTLS_E_LIMIT, 0 },
		{ "2026-13-01", MTLS_E_LIMIT, 0 },
		{ "2026-00-01", MTLS_E_LIMIT, 0 },
		{ "2026-11-31", MTLS_E_LIMIT, 0 },
		{ "2026-03-29 02:30", MTLS_E_LIMIT, 0 }, /* skipped by the clock change */
		{ "1969-12-31", MTLS_E_LIMIT, 0 },
		{ "2026-11-30 14:00z", MTLS_E_SYNTAX, 0 },
		{ "2026-11-30 14:00 ", MTLS_E_SYNTAX, 0 },
		{ "2026-11-30  14:00", MTLS_E_SYNTAX, 0 },
		{ "2026-11-30 14", MTLS_E_SYNTAX, 0 },
		{ "2026-11-30Z", MTLS_E_SYNTAX, 0 },
		{ "26-11-30", MTLS_E_SYNTAX, 0 },
		{ "2026-11-30 14:00:05.5", MTLS_E_SYNTAX, 0 },
		{ "\x1b[2J", MTLS_E_SYNTAX, 0 },
		{ "2222222222222222222222222222222222222222222222222222222222222222222",
		  MTLS_E_SYNTAX, 0 },
	};

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct mtls_diag diag = { 0 };
		int64_t when = -7;
		int r = mtls_when_parse(rows[i].text, NOW, &when, &diag);
		if (r != rows[i].want || when != (r == 0 ? rows[i].when : -7))
			fail_msg("'%s': %d, %lld", rows[i].text, r, (long long)when);
		assert_int_equal(diag.text[0] == '\0', r == 0);
		assert_null(strchr(diag.text, '\x1b'));
	}
}

static void utc(void **state)
{
	static const char *const bad[] = {
		"",
		"2026-11-30T13:00:00Z",
		"2026-11-30T13:00:00.12345Z",
		"2026-11-30 13:00:00.123456Z",
		"2026-11-30T13:00:00.123456",
		"2026-11-30T13:00:00.123456Zx",
		"2026-02-30T13:00:00.123456Z",
		"2026-11-30T25:00:00.123456Z",
		"2026-11-30T13:00:00.12345aZ",
	};
	int64_t us = -1;

	(void)state;
	assert_int_equal(mtls_when_parse_utc("2026-11-30T13:00:00.123456Z", &us), 0);
	assert_int_equal(us, NOW * 1000000 + 123456);
	for (size_t i = 0; i < MTLS_COUNT(bad); i++)
		assert_int_equal(mtls_when_parse_utc(bad[i], &us), MTLS_E_SYNTAX);
}

static void said(void **state)
{
	char text[MTLS_WHEN_TEXT_MAX];

	(void)state;
	mtls_when_format(NOW, text);
	assert_string_equal(text, "2026-11-30 14:00:00");
	mtls_when_format(INT64_MAX, text);
	assert_string_equal(text, "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moments),
		cmocka_unit_test(utc),
		cmocka_unit_test(said),
	};
	return cmocka_run_group_tests_name("when", tests, in_berlin, NULL);
}
