/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pam_mtls_rescue/tries: how often, by a clock that is a parameter; fail closed. */
#include <config.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "pam_mtls_rescue/tries.h"

static char parent[64], folder[80], file[96];

static int make(void **state)
{
	(void)state;
	(void)snprintf(parent, sizeof(parent), "/tmp/test_tries.XXXXXX");
	if (!mkdtemp(parent))
		return -1;
	(void)snprintf(folder, sizeof(folder), "%s/f", parent);
	(void)snprintf(file, sizeof(file), "%s/tries", folder);
	return 0;
}

static int clean(void **state)
{
	(void)state;
	(void)unlink(file);
	(void)rmdir(file);
	(void)rmdir(folder);
	(void)unlink(folder);
	return rmdir(parent);
}

static void put(const char *text)
{
	(void)mkdir(folder, 0700);
	_cleanup_fclose_ FILE *f = fopen(file, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
}

static int take(uint64_t now_ms, uint32_t *wait_s)
{
	struct mtls_diag diag = { "" };
	return tries_take(folder, now_ms, false, wait_s, &diag);
}

/* How many tries are granted at @now_ms. */
static int granted(uint64_t now_ms)
{
	uint32_t wait_s;
	int count = 0;
	while (count < 100 && take(now_ms, &wait_s) == 0)
		count++;
	return count;
}

static void skip_unless_root(void)
{
	if (geteuid() != 0)
		skip();
}

static void a_burst_then_one_a_minute(void **state)
{
	(void)state;
	skip_unless_root();
	uint64_t t = 5000;
	uint32_t wait_s = 0;
	assert_int_equal(granted(t), TRIES_BURST);
	assert_int_equal(take(t, &wait_s), MTLS_E_LIMIT);
	assert_int_equal(wait_s, 60);
	assert_int_equal(take(t + TRIES_REFILL_MS - 1, &wait_s), MTLS_E_LIMIT);
	assert_int_equal(wait_s, 1);
	assert_int_equal(granted(t + TRIES_REFILL_MS), 1);
	assert_int_equal(granted(t + 2 * TRIES_REFILL_MS - 1), 0);
	assert_int_equal(granted(t + 2 * TRIES_REFILL_MS), 1);
	assert_int_equal(granted(t + 5 * TRIES_REFILL_MS), 3);
	assert_int_equal(granted(t + 1000 * (uint64_t)TRIES_REFILL_MS), TRIES_BURST);
}

static void asking_costs_nothing(void **state)
{
	(void)state;
	skip_unless_root();
	uint32_t wait_s = 0;
	for (int i = 0; i < 20; i++)
		assert_int_equal(tries_take(folder, 7, true, &wait_s, NULL), 0);
	assert_int_equal(granted(7), TRIES_BURST);
	assert_int_equal(tries_take(folder, 7, true, &wait_s, NULL), MTLS_E_LIMIT);
	assert_int_equal(wait_s, 60);
}

/* /run outlived a start of the machine, or the file says nonsense: nothing is given for it. */
static void a_clock_that_went_back(void **state)
{
	(void)state;
	skip_unless_root();
	put("0 999999999\n");
	assert_int_equal(granted(1000), 0);
	assert_int_equal(granted(1000 + TRIES_REFILL_MS - 1), 0);
	assert_int_equal(granted(1000 + TRIES_REFILL_MS), 1);
	put("3 18446744073709551615\n");
	assert_int_equal(granted(1000), 3);
}

static void nonsense_counts_as_used_up(void **state)
{
	(void)state;
	skip_unless_root();
	static const char *const texts[] = {
		"6 0\n",
		"x\n",
		"5\n",
		"5 0",
		"5 0\n\n",
		"-1 0\n",
		"5 -1\n",
		"5  0 \n",
		"4294967301 0\n",
		"05 0\n",
		"5 18446744073709551616\n",
		"\n",
		"5 0\n5 0\n",
		"5 00000000000000000000000000000000000000000000000000000000000000000000000000000\n",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		put(texts[i]);
		if (granted(100) != 0)
			fail_msg("'%s' was taken", texts[i]);
		/* And then it grows again: nobody is locked out for good. */
		if (granted(100 + TRIES_REFILL_MS) != 1)
			fail_msg("'%s' locks out for good", texts[i]);
	}
	put("");
	assert_int_equal(granted(100), TRIES_BURST);
}

static void what_cannot_be_counted_is_not_tried(void **state)
{
	(void)state;
	skip_unless_root();
	uint32_t wait_s = 0;
	put("5 0\n");
	static const mode_t modes[] = { 0755, 0701, 0770 };
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		assert_int_equal(chmod(folder, modes[i]), 0);
		assert_int_equal(take(1, &wait_s), MTLS_E_UNTRUSTED);
	}
	assert_int_equal(chmod(folder, 0700), 0);
	assert_int_equal(chown(folder, 65534, 0), 0);
	assert_int_equal(take(1, &wait_s), MTLS_E_UNTRUSTED);
	assert_int_equal(chown(folder, 0, 0), 0);
	assert_int_equal(take(1, &wait_s), 0);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(symlink("/dev/zero", file), 0);
	assert_int_equal(take(1, &wait_s), -ELOOP);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(mkdir(file, 0700), 0);
	assert_int_equal(take(1, &wait_s), -EISDIR);
	assert_int_equal(rmdir(file), 0);
	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(symlink("/tmp", folder), 0);
	assert_true(take(1, &wait_s) < 0);
	assert_int_equal(unlink(folder), 0);
	struct mtls_diag diag = { "" };
	assert_int_equal(tries_take("/nonexistent/f", 1, false, &wait_s, &diag), -ENOENT);
	assert_non_null(strstr(diag.text, "/nonexistent/f"));
}

static void time_since_start(void **state)
{
	(void)state;
	uint64_t now_ms = tries_now_ms();
	assert_true(now_ms > 0);
	assert_true(tries_now_ms() >= now_ms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_burst_then_one_a_minute, make, clean),
		cmocka_unit_test_setup_teardown(asking_costs_nothing, make, clean),
		cmocka_unit_test_setup_teardown(a_clock_that_went_back, make, clean),
		cmocka_unit_test_setup_teardown(nonsense_counts_as_used_up, make, clean),
		cmocka_unit_test_setup_teardown(what_cannot_be_counted_is_not_tried, make, clean),
		cmocka_unit_test(time_since_start),
	};
	return cmocka_run_group_tests_name("rescue_tries", tests, NULL, NULL);
}
