/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tools/ctl_person: what a program has that runs as a person, and that it ends. The program is this
 * one: with an argument it does as the argument says.
 */
#include <config.h>

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "tools/ctl_person.h"

#define OUT_MAX 4096

static char name[] = "nobody", home[] = "/nonexistent";
static struct ctl_person nobody = { name, home, 65534, 65534 };

/* --- the program --- */

/* Descriptors above the secret's; -1: they cannot be listed. */
static int count_others(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int count = 0;

	if (!folder)
		return -1;
	for (const struct dirent *entry; (entry = readdir(folder));)
		count += *entry->d_name != '.' && atoi(entry->d_name) > CTL_PERSON_SECRET_FD &&
			 atoi(entry->d_name) != dirfd(folder);
	(void)closedir(folder);
	return count;
}

static int tell(void)
{
	char secret[16] = "";

	if (read(CTL_PERSON_SECRET_FD, secret, sizeof(secret) - 1) < 0)
		return 1;
	(void)printf("leader %d others %d secret %s\n", getsid(0) == getpid(), count_others(),
		     secret);
	return 7;
}

/* As one may do who traces it: nothing more is said, no clock runs, and it stays. */
static void linger(void) __attribute__((noreturn));
static void linger(void)
{
	(void)alarm(0);
	(void)close(STDOUT_FILENO);
	for (;;)
		(void)pause();
}

/* --- the tests --- */

static int exec_as_nobody(const char *word, struct mtls_buf *out)
{
	_cleanup_buf_ struct mtls_buf secret = MTLS_BUF_SECRET(16);
	const char *const argv[] = { "test_ctl_person", word, NULL };

	assert_int_equal(mtls_buf_append_str(&secret, "tops"), 0);
	return ctl_person_exec(&nobody, (char *const *)(uintptr_t)argv, &secret, out, NULL);
}

static void has_no_terminal_and_no_descriptor_of_ours(void **state)
{
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(OUT_MAX);
	/* As a shell leaves one open: exec 9</etc/shadow. */
	_cleanup_close_ int high = fcntl(STDIN_FILENO, F_DUPFD, 20);

	(void)state;
	assert_true(high >= 20);
	assert_int_equal(exec_as_nobody("tell", &out), 7);
	assert_string_equal(mtls_buf_cstr(&out), "leader 1 others 0 secret tops\n");
}

static void who_does_not_end_is_ended(void **state)
{
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(OUT_MAX);

	(void)state;
	assert_true(exec_as_nobody("linger", &out) < 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_no_terminal_and_no_descriptor_of_ours),
		cmocka_unit_test(who_does_not_end_is_ended),
	};

	if (argc > 1 && strcmp(argv[1], "tell") == 0)
		return tell();
	if (argc > 1)
		linger();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
