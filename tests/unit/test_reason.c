/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/wire/reason: the table is closed, its tokens and numbers are unique. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/wire/reason.h"

static void every_reason_is_complete(void **state)
{
	(void)state;
	int last = -1;
	unsigned int i = 0;
	for (int reason; (reason = mtls_reason_at(i)) >= 0; i++) {
		const char *token = mtls_reason_token(reason);
		print_message("# row %d\n", reason);
		assert_true(reason > last);
		last = reason;
		assert_non_null(token);
		assert_true(strlen(token) > 0 && strlen(token) <= 32);
		assert_int_equal(strspn(token, "abcdefghijklmnopqrstuvwxyz0123456789-"),
				 strlen(token));
		/* What a person reads is a sentence, and gives nothing away to be parsed. */
		const char *text = mtls_reason_text(reason);
		assert_true(strlen(text) > 0 && text[strlen(text) - 1] == '.');
		assert_non_null(mtls_reason_advice(reason));
		assert_int_equal(mtls_reason_from_token(token), reason);
	}
	assert_true(i > 40);
	assert_int_equal(mtls_reason_at(i), -1);
}

static void others_are_unknown(void **state)
{
	static const int rows[] = { -1, 2, 9, 22, 99, 149, 1 << 30 };
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_null(mtls_reason_token(rows[i]));
		assert_null(mtls_reason_text(rows[i]));
		assert_null(mtls_reason_advice(rows[i]));
	}
	assert_int_equal(mtls_reason_from_token("no-such"), -1);
	assert_int_equal(mtls_reason_from_token(""), -1);
	assert_int_equal(mtls_reason_from_token(NULL), -1);
	assert_int_equal(mtls_reason_from_token("allowed"), 0);
	assert_string_equal(mtls_reason_token(MTLS_REASON_UNMAPPED), "unmapped");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_reason_is_complete),
		cmocka_unit_test(others_are_unknown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
