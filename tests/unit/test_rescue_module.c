/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pam_mtls_rescue: its arguments, its table of results, and the page that documents them. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <cmocka.h>
#include <security/pam_modules.h>

#include "lib/base/file.h"
#include "lib/base/str.h"
#include "pam_mtls_rescue/options.h"
#include "pam_mtls_rescue/result.h"

static void defaults(void **state)
{
	(void)state;
	struct options options;
	assert_int_equal(options_parse(0, NULL, &options, NULL), 0);
	assert_true(options_has_service(&options, "login"));
	assert_false(options_has_service(&options, "sudo"));
	assert_false(options_has_service(&options, NULL));
	assert_int_equal(mtls_strv_count(options.ttys), 4);
	assert_false(options.echo || options.debug);
	options_done(&options);
}

static void arguments(void **state)
{
	(void)state;
	static const struct {
		const char *argv[3];
		int want;
		size_t services, ttys;
	} rows[] = {
		{ { "services=su,login" }, 0, 2, 4 },
		{ { "ttys=hvc0" }, 0, 1, 1 },
		{ { "echo", "debug" }, 0, 1, 4 },
		{ { "services=a", "services=b,c,d" }, 0, 3, 4 },
		{ { "services=" }, MTLS_E_CONFIG, 0, 0 },
		{ { "services=a,,b" }, MTLS_E_CONFIG, 0, 0 },
		{ { "services" }, MTLS_E_CONFIG, 0, 0 },
		{ { "echo=yes" }, MTLS_E_CONFIG, 0, 0 },
		{ { "echo=" }, MTLS_E_CONFIG, 0, 0 },
		{ {
			  "ttys=tty1,",
		  },
		  MTLS_E_CONFIG,
		  0,
		  0 },
		{ { "file=/etc/x" }, MTLS_E_CONFIG, 0, 0 },
		{ { "service=login" }, MTLS_E_CONFIG, 0, 0 },
		{ { "" }, MTLS_E_CONFIG, 0, 0 },
		{ { "debug", NULL, "echo" }, MTLS_E_CONFIG, 0, 0 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct options options = { 0 };
		struct mtls_diag diag = { "" };
		int argc = rows[i].argv[2] ? 3 : rows[i].argv[1] ? 2 : 1;
		const char *argv[3];
		memcpy(argv, rows[i].argv, sizeof(argv));
		int r = options_parse(argc, argv, &options, &diag);
		if (r != rows[i].want || mtls_strv_count(options.services) != rows[i].services ||
		    mtls_strv_count(options.ttys) != rows[i].ttys || (r < 0) != !!diag.text[0])
			fail_msg("row %zu '%s': %d '%s'", i, argv[0], r, diag.text);
		options_done(&options);
	}
}

static void only_one_result_lets_in(void **state)
{
	(void)state;
	for (int i = 0; i < RESULTS; i++) {
		const struct result_row *row = result_row((enum result)i);
		assert_non_null(row->token);
		if ((row->code == PAM_SUCCESS) != (i == RESULT_ACCEPTED))
			fail_msg("'%s' is %d", row->token, row->code);
		if (row->code == PAM_IGNORE)
			fail_msg("'%s' is led around", row->token);
		/* Whoever was asked something and is refused reads why; DEBUG is for the rest. */
		if (!row->text && row->priority != LOG_DEBUG && i != RESULT_ACCEPTED &&
		    i != RESULT_CONFIG && i != RESULT_CONVERSATION)
			fail_msg("'%s' has no words", row->token);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(row->token, result_row((enum result)k)->token);
	}
	assert_ptr_equal(result_row(RESULTS), result_row(RESULT_FAULT));
	assert_ptr_equal(result_row((enum result) - 1), result_row(RESULT_FAULT));
	assert_int_equal(result_row(RESULT_FAULT)->code, PAM_AUTH_ERR);
}

/* Each argument that is taken is in the page, and none else. */
static void page_has_the_arguments(void **state)
{
	(void)state;
	char path[4096];
	const char *top = getenv("top_srcdir");
	(void)snprintf(path, sizeof(path), "%s/doc/pam_mtls_rescue.8", top ? top : ".");
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	_cleanup_buf_ struct mtls_buf page = MTLS_BUF(1 << 20);
	assert_non_null(f);
	assert_int_equal(mtls_fd_read_all(fileno(f), &page), 0);
	const char *start = strstr(mtls_buf_cstr(&page), ".SH ARGUMENTS\n");
	assert_non_null(start);
	const char *end = strstr(start, ".SH TRIES\n");
	assert_non_null(end);
	int found = 0;
	for (const char *p = start; (p = strstr(p, "\n.TP\n.B")) && p < end; found++) {
		p += strlen("\n.TP\n.B");
		p += *p == 'R';
		char word[32];
		assert_int_equal(sscanf(p, " %31[a-z=]", word), 1);
		if (strchr(word, '='))
			(void)strcat(word, "x");
		const char *argv[] = { word };
		struct options options = { 0 };
		if (options_parse(1, argv, &options, NULL) < 0)
			fail_msg("the page has '%s'", word);
		options_done(&options);
	}
	assert_int_equal(found, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(arguments),
		cmocka_unit_test(only_one_result_lets_in),
		cmocka_unit_test(page_has_the_arguments),
	};
	return cmocka_run_group_tests_name("rescue_module", tests, NULL, NULL);
}
