/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/rescue/code: what is printed is read, what is mistyped is noticed. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/err.h"
#include "lib/rescue/code.h"
#include "lib/rescue/hash.h"

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static void new_codes_are_read(void **state)
{
	(void)state;
	unsigned int seen[sizeof(alphabet) - 1] = { 0 };
	struct mtls_rescue_code last = { "" };
	for (int i = 0; i < 1000; i++) {
		struct mtls_rescue_code code, read;
		struct mtls_rescue_shown shown;
		assert_int_equal(mtls_rescue_code_new(&code), 0);
		assert_int_equal(strlen(code.text), MTLS_RESCUE_CODE_LEN);
		assert_string_not_equal(code.text, last.text);
		last = code;
		for (const char *c = code.text; *c; c++) {
			assert_non_null(strchr(alphabet, *c));
			seen[strchr(alphabet, *c) - alphabet]++;
		}
		mtls_rescue_code_show(&code, &shown);
		assert_int_equal(strlen(shown.text), MTLS_RESCUE_CODE_LEN + 4);
		assert_int_equal(mtls_rescue_code_read(shown.text, &read), 0);
		assert_string_equal(read.text, code.text);
	}
	/* 20000 characters: each of the 32 about 625 times. */
	for (size_t i = 0; i < sizeof(alphabet) - 1; i++)
		assert_in_range(seen[i], 450, 800);
}

static void what_people_make_of_them(void **state)
{
	(void)state;
	/* 0 at x: found by hand, so that the check character cannot change unnoticed. */
	static const struct {
		const char *typed, *want; /* NULL: no code */
	} rows[] = {
		{ "0000-0000-0000-0000-0000", "00000000000000000000" },
		{ "oooo-OOOO-0000-0000-0000", "00000000000000000000" },
		{ " 00000000000000000000 ", "00000000000000000000" },
		{ "00 00-00\t0000000000-0000-", "00000000000000000000" },
		{ "0000-0000-0000-0000-0012", "00000000000000000012" },
		{ "0000-0000-0000-0000-00i2", "00000000000000000012" },
		{ "0000-0000-0000-0000-00L2", "00000000000000000012" },
		{ "0000-0000-0000-0000-00G5", "000000000000000000G5" },
		{ "0000-0000-0000-0000-00g5", "000000000000000000G5" },
		{ "", NULL },
		{ "-", NULL },
		{ "0000-0000-0000-0000-000", NULL },
		{ "0000-0000-0000-0000-00000", NULL },
		{ "0000-0000-0000-0000-0021", NULL },
		{ "0000-0000-0000-0000-0011", NULL },
		{ "0000-0000-0000-0000-000U", NULL },
		{ "0000-0000-0000-0000-000\n", NULL },
		{ "0000-0000-0000-0000-00\xc3\xa5", NULL },
		{ "0000.0000.0000.0000.0000", NULL },
		{ "correct horse battery staple", NULL },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mtls_rescue_code code = { "untouched" };
		int r = mtls_rescue_code_read(rows[i].typed, &code);
		if (r != (rows[i].want ? 0 : MTLS_E_SYNTAX) ||
		    strcmp(code.text, rows[i].want ? rows[i].want : "untouched") != 0)
			fail_msg("'%s': %d, %s", rows[i].typed, r, code.text);
	}
}

/* Every wrong character and every pair that is swapped, in every place. */
static void slips_are_noticed(void **state)
{
	(void)state;
	struct mtls_rescue_code code, read;
	assert_int_equal(mtls_rescue_code_new(&code), 0);
	for (size_t i = 0; i < MTLS_RESCUE_CODE_LEN; i++) {
		for (const char *c = alphabet; *c; c++) {
			struct mtls_rescue_code slip = code;
			slip.text[i] = *c;
			int want = *c == code.text[i] ? 0 : MTLS_E_SYNTAX;
			assert_int_equal(mtls_rescue_code_read(slip.text, &read), want);
		}
		for (size_t k = 0; k < i; k++) {
			struct mtls_rescue_code slip = code;
			slip.text[i] = code.text[k];
			slip.text[k] = code.text[i];
			int want = code.text[i] == code.text[k] ? 0 : MTLS_E_SYNTAX;
			assert_int_equal(mtls_rescue_code_read(slip.text, &read), want);
		}
	}
}

static void hashes_tell_codes_apart(void **state)
{
	(void)state;
	struct mtls_rescue_hash setting, other, a, b, c;
	struct mtls_rescue_code one, two;
	assert_int_equal(mtls_rescue_setting_new(&setting, NULL), 0);
	assert_int_equal(mtls_rescue_setting_new(&other, NULL), 0);
	assert_string_not_equal(setting.text, other.text);
	assert_int_equal(mtls_rescue_code_new(&one), 0);
	assert_int_equal(mtls_rescue_code_new(&two), 0);
	assert_int_equal(mtls_rescue_hash(&one, &setting, &a, NULL), 0);
	assert_int_equal(mtls_rescue_hash(&one, &setting, &b, NULL), 0);
	assert_true(mtls_rescue_hash_equal(&a, &b));
	assert_int_equal(mtls_rescue_hash(&two, &setting, &c, NULL), 0);
	assert_false(mtls_rescue_hash_equal(&a, &c));
	assert_int_equal(mtls_rescue_hash(&one, &other, &c, NULL), 0);
	assert_false(mtls_rescue_hash_equal(&a, &c));
	assert_null(strstr(a.text, one.text));
	const struct mtls_rescue_hash nothing = { "" };
	assert_false(mtls_rescue_hash_equal(&nothing, &nothing));
}

/* What libcrypt does not do, or does without a salt, is a failure, never a match. */
static void other_methods_are_failures(void **state)
{
	(void)state;
	static const char *const settings[] = {
		"",           "*0",      "xx",        "$1$salt$",      "$5$salt$",
		"$9$nobody$", "$2b$05$", "$6$",       "$y$broken!$ab", "$y$",
		"$6$a\nb$",   "$6$:$",   "plaintext",
	};
	struct mtls_rescue_code code;
	assert_int_equal(mtls_rescue_code_new(&code), 0);
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		struct mtls_rescue_hash setting = { "" }, hash = { "untouched" };
		(void)strcpy(setting.text, settings[i]);
		int r = mtls_rescue_hash(&code, &setting, &hash, NULL);
		/* "$6$" is SHA-512 with an empty salt to libcrypt; nobody makes that here. */
		if (r == 0 && strcmp(settings[i], "$6$") != 0)
			fail_msg("'%s' was hashed to '%s'", settings[i], hash.text);
		if (r < 0)
			assert_string_equal(hash.text, "untouched");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_codes_are_read),
		cmocka_unit_test(what_people_make_of_them),
		cmocka_unit_test(slips_are_noticed),
		cmocka_unit_test(hashes_tell_codes_apart),
		cmocka_unit_test(other_methods_are_failures),
	};
	return cmocka_run_group_tests_name("rescue_code", tests, NULL, NULL);
}
