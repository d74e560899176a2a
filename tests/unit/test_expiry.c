/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* authd/expiry: how near an end is, and when that is said. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "authd/expiry.h"
#include "lib/base/log.h"

#define DAY INT64_C(86400)
#define NOW (20000 * DAY)

static void stages(void **state)
{
	static const struct {
		const char *name;
		int64_t life, left; /* seconds */
		int want;
	} rows[] = {
		{ "a year, 31 days left", 365 * DAY, 31 * DAY, 0 },
		{ "a year, 30 days left", 365 * DAY, 30 * DAY, 1 },
		{ "a year, 15 days left", 365 * DAY, 15 * DAY, 1 },
		{ "a year, 14 days left", 365 * DAY, 14 * DAY, 2 },
		{ "a year, 7 days left", 365 * DAY, 7 * DAY, 3 },
		{ "a year, a second left", 365 * DAY, 1, 3 },
		{ "a year, now", 365 * DAY, 0, 3 },
		{ "a year, over", 365 * DAY, -1, 4 },
		{ "a week, three days left", 7 * DAY, 3 * DAY, 0 },
		{ "a week, two days left", 7 * DAY, 2 * DAY, 1 },
		{ "a week, a day left", 7 * DAY, DAY, 2 },
		{ "a week, half a day left", 7 * DAY, DAY / 2, 3 },
		{ "a day, twelve hours left", DAY, DAY / 2, 0 },
	};

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		const struct expiry expiry = { .begins = NOW + rows[i].left - rows[i].life,
					       .ends = NOW + rows[i].left };
		int stage = expiry_stage(&expiry, NOW);
		if (stage != rows[i].want)
			fail_msg("%s: stage %d", rows[i].name, stage);
	}
	const struct expiry endless = { .begins = 0, .ends = -1 };
	assert_int_equal(expiry_stage(&endless, NOW), 0);
}

struct told {
	size_t count;
	enum mtls_log_level level;
	char line[256];
};

static void remember(void *ctx, enum mtls_log_level level, const char *line)
{
	struct told *told = ctx;

	told->count++;
	told->level = level;
	(void)snprintf(told->line, sizeof(told->line), "%s", line);
}

/* Day by day: each new stage once, then daily in the last week and when it is over. */
static void says_it_in_time(void **state)
{
	struct expiry list[] = {
		{ .kind = EXPIRY_CERTIFICATE, .file = "/server.pem", .begins = 0, .ends = NOW },
	};
	struct expiries expiries = { .list = list, .count = 1 };
	static const struct {
		int64_t days_left;
		bool all, want;
		const char *text;
	} rows[] = {
		{ 40, true, false, NULL },
		{ 31, false, false, NULL },
		{ 30, false, true, "certificate '/server.pem' ends in 30 days: renew it" },
		{ 29, false, false, NULL },
		{ 29, true, true, "29 days" }, /* at a reload */
		{ 28, false, false, NULL },
		{ 14, false, true, "14 days" },
		{ 13, false, false, NULL },
		{ 7, false, true, "7 days" },
		{ 6, false, true, "6 days" },
		{ 1, false, true, "24 hours" },
		{ -1, false, true, "has expired: clients will refuse it" },
		{ -2, false, true, "has expired" },
	};
	struct told told = { 0 };

	(void)state;
	mtls_log_set_sink(remember, &told);
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		told = (struct told){ 0 };
		expiries_log(&expiries, NOW - rows[i].days_left * DAY, rows[i].all);
		if ((told.count == 1) != rows[i].want ||
		    (rows[i].want && !strstr(told.line, rows[i].text)))
			fail_msg("row %zu: %zu '%s'", i, told.count, told.line);
	}
	assert_int_equal(told.level, MTLS_LOG_ERROR);
	mtls_log_set_sink(NULL, NULL);
}

static void says_what_it_is(void **state)
{
	static const struct {
		enum expiry_kind kind;
		const char *text;
	} rows[] = {
		{ EXPIRY_CERTIFICATE, "certificate '/file' ends in 10 days" },
		{ EXPIRY_CA, "certificate of a CA, '/file' ends in 10 days" },
		{ EXPIRY_CRL, "revocation list '/file' ends in 10 days" },
	};
	struct told told = { 0 };

	(void)state;
	mtls_log_set_sink(remember, &told);
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct expiry list[] = {
			{ .kind = rows[i].kind, .file = "/file", .begins = 0, .ends = NOW }
		};
		struct expiries expiries = { .list = list, .count = 1 };
		expiries_log(&expiries, NOW - 10 * DAY, true);
		if (!strstr(told.line, rows[i].text) || told.level != MTLS_LOG_WARNING)
			fail_msg("row %zu: '%s'", i, told.line);
	}
	mtls_log_set_sink(NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stages),
		cmocka_unit_test(says_it_in_time),
		cmocka_unit_test(says_what_it_is),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
