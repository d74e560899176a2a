/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pam_mtls/options: module arguments that are the module's own; the kernel's word. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pam_mtls/options.h"

static void config_is_taken_out(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		int argc;
		const char *argv[4];
		int want;
		const char *config;
		int left;
	} rows[] = {
		{ "none", 0, { NULL }, 0, MTLS_PAM_CONF, 0 },
		{ "others only", 2, { "debug=true", "min_uid=500" }, 0, MTLS_PAM_CONF, 2 },
		{ "config", 1, { "config=/etc/mtls/other.conf" }, 0, "/etc/mtls/other.conf", 0 },
		{ "config among others", 3, { "a=1", "config=/x", "b=2" }, 0, "/x", 2 },
		{ "not absolute", 1, { "config=pam_mtls.conf" }, MTLS_E_CONFIG, NULL, 0 },
		{ "empty", 1, { "config=" }, MTLS_E_CONFIG, NULL, 0 },
		{ "twice", 2, { "config=/x", "config=/x" }, MTLS_E_CONFIG, NULL, 0 },
		{ "a key that only begins so", 1, { "config_=x" }, 0, MTLS_PAM_CONF, 1 },
		{ "missing argument", 2, { "a=1", NULL }, MTLS_E_CONFIG, NULL, 0 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *argv[4];
		memcpy(argv, rows[i].argv, sizeof(argv));
		struct options_args args = { .config = "untouched" };
		struct mtls_diag diag = { "" };
		int rc = options_args(rows[i].argc, argv, &args, &diag);
		if (rc != rows[i].want)
			fail_msg("%s: %d", rows[i].name, rc);
		if (rc < 0) {
			assert_string_equal(args.config, "untouched");
			assert_true(strlen(diag.text) > 0);
			continue;
		}
		if (strcmp(args.config, rows[i].config) != 0 || args.argc != rows[i].left)
			fail_msg("%s: '%s', %d left", rows[i].name, args.config, args.argc);
	}
}

static void no_argv_at_all(void **state)
{
	(void)state;
	struct options_args args;
	struct mtls_diag diag = { "" };
	assert_int_equal(options_args(0, NULL, &args, &diag), 0);
	assert_int_equal(options_args(1, NULL, &args, &diag), MTLS_E_CONFIG);
	const char *many[OPTIONS_ARGS_MAX + 1];
	for (size_t i = 0; i < sizeof(many) / sizeof(many[0]); i++)
		many[i] = "debug=true";
	assert_int_equal(options_args(OPTIONS_ARGS_MAX, many, &args, &diag), 0);
	assert_int_equal(options_args(OPTIONS_ARGS_MAX + 1, many, &args, &diag), MTLS_E_CONFIG);
}

static void errors_name_file_or_argument(void **state)
{
	(void)state;
	const char *missing[] = { "config=/nonexistent/pam_mtls.conf" };
	struct mtls_settings_pam *settings = NULL;
	struct mtls_diag diag = { "" };
	assert_true(options_load("sudo", 1, missing, &settings, &diag) < 0);
	assert_null(settings);
	assert_non_null(strstr(diag.text, "/nonexistent/pam_mtls.conf"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(config_is_taken_out),
		cmocka_unit_test(no_argv_at_all),
		cmocka_unit_test(errors_name_file_or_argument),
	};
	return cmocka_run_group_tests_name("pam_options", tests, NULL, NULL);
}
