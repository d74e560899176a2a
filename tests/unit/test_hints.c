/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pam_mtls/hints: what is taken from an environment. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "pam_mtls/hints.h"

#define PATH_107                                                                                   \
	"/234567890123456789012345678901234567890123456789012345678901234567890123456789012345678" \
	"9"                                                                                        \
	"012345678901234567"

static void sockets(void **state)
{
	static const struct {
		const char *value;
		bool fit;
	} rows[] = {
		{ "/tmp/ssh-XXXX/agent.1", true },
		{ "/run/user/1000/keyring/ssh", true },
		{ "/tmp/a b;c%41", true },
		{ "/tmp/\xc3\xa4", true },
		{ PATH_107, true },
		{ PATH_107 "x", false },
		{ "", false },
		{ "tmp/a", false },
		{ "@abstract", false },
		{ "/tmp/\n", false },
		{ "/tmp/\x1b[2J", false },
		{ "/tmp/\xff", false },
	};

	(void)state;
	assert_int_equal(strlen(PATH_107), 107);
	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		if (hint_is_socket(rows[i].value) != rows[i].fit)
			fail_msg("'%s'", rows[i].value);
}

static void p11_addresses(void **state)
{
	static const struct {
		const char *value;
		bool fit;
	} rows[] = {
		{ "unix:path=/run/user/1000/p11-kit/pkcs11", true },
		{ "unix:path=" PATH_107, true },
		{ "unix:path=" PATH_107 "x", false },
		{ "unix:path=relative", false },
		{ "unix:path=/a%2fb", false },
		{ "unix:path=/a;unix:path=/b", false },
		{ "unix:path=/a,guid=1", false },
		{ "unix:abstract=/a", false },
		{ "vsock:cid=2;port=1", false },
		{ "|/bin/sh", false },
		{ "/run/user/1000/p11-kit/pkcs11", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		if (hint_is_p11_address(rows[i].value) != rows[i].fit)
			fail_msg("'%s'", rows[i].value);
}

static void blocks(void **state)
{
	static const struct {
		const char *name;
		const char *block;
		size_t len;
		const char *want;
	} rows[] = {
#define BLOCK(text) (text), sizeof(text) - 1
		{ "alone", BLOCK("A=1\0"), "1" },
		{ "between", BLOCK("X=0\0A=1\0Y=2\0"), "1" },
		{ "the first counts", BLOCK("A=1\0A=2\0"), "1" },
		{ "empty", BLOCK("A=\0"), "" },
		{ "with signs in it", BLOCK("A=b=c\0"), "b=c" },
		{ "as the end of another name", BLOCK("BA=1\0"), NULL },
		{ "as the start of another name", BLOCK("AB=1\0"), NULL },
		{ "in a value", BLOCK("X=A=1\0"), NULL },
		{ "without a sign", BLOCK("A\0"), NULL },
		{ "cut off", BLOCK("X=0\0A=1"), NULL },
		{ "behind empty strings", BLOCK("\0\0A=1\0"), "1" },
		{ "no block", BLOCK(""), NULL },
	};

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		const char *got = hint_in_block(rows[i].block, rows[i].len, "A");
		if (!got != !rows[i].want || (got && strcmp(got, rows[i].want) != 0))
			fail_msg("%s: '%s'", rows[i].name, got ? got : "(none)");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sockets),
		cmocka_unit_test(p11_addresses),
		cmocka_unit_test(blocks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
