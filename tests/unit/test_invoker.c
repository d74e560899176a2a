/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of sockets that say who runs root's program: what is made is read, nothing else is. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "lib/wire/invoker.h"

#define GOOD "\0mtls-auth/1000/0123456789abcdef"

static void what_is_made_is_read(void **state)
{
	static const uid_t uids[] = { 1, 1000, 65534, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(uids); i++) {
		struct sockaddr_un name;
		socklen_t len = 0;
		mtls_invoker_name(uids[i], UINT64_MAX / (i + 1), &name, &len);
		assert_true(len <= sizeof(name));
		assert_int_equal(mtls_invoker_uid((struct sockaddr *)&name, len), uids[i]);
	}
}

static void nothing_else_is_read(void **state)
{
#define ROW(name, text, uid)                                                                       \
	{                                                                                          \
		(name), (text), sizeof(text) - 1, (uid)                                            \
	}
	static const struct {
		const char *name, *path;
		size_t len;
		uid_t want;
	} rows[] = {
		ROW("good", GOOD, 1000),
		ROW("no name", "", 0),
		ROW("NUL only", "\0", 0),
		ROW("a path", "mtls-auth/1000/0123456789abcdef", 0),
		ROW("another prefix", "\0mtls-autho/1000/0123456789abcdef", 0),
		ROW("no uid", "\0mtls-auth//0123456789abcdef", 0),
		ROW("root", "\0mtls-auth/0/0123456789abcdef", 0),
		ROW("a sign", "\0mtls-auth/+1000/0123456789abcdef", 0),
		ROW("a space", "\0mtls-auth/ 1000/0123456789abcdef", 0),
		ROW("too large", "\0mtls-auth/4294967296/0123456789abcdef", 0),
		ROW("too long", "\0mtls-auth/00000001000/0123456789abcdef", 0),
		ROW("short random", "\0mtls-auth/1000/0123456789abcde", 0),
		ROW("long random", "\0mtls-auth/1000/0123456789abcdef0", 0),
		ROW("upper case", "\0mtls-auth/1000/0123456789ABCDEF", 0),
		ROW("no random", "\0mtls-auth/1000", 0),
		ROW("a NUL behind", GOOD "\0", 0),
		ROW("a NUL within",
		    "\0mtls-auth/10\0"
		    "0/0123456789abcdef",
		    0),
		ROW("longest",
		    "\0mtls-auth/1000/0123456789abcdefxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
		    0),
	};
#undef ROW

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct sockaddr_un name = { .sun_family = AF_UNIX };
		print_message("# %s\n", rows[i].name);
		memcpy(name.sun_path, rows[i].path, rows[i].len);
		socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + rows[i].len);
		assert_int_equal(mtls_invoker_uid((struct sockaddr *)&name, len), rows[i].want);
		name.sun_family = AF_INET;
		assert_int_equal(mtls_invoker_uid((struct sockaddr *)&name, len), 0);
	}
	struct sockaddr_un none = { .sun_family = AF_UNIX };
	for (socklen_t len = 0; len < 4; len++)
		assert_int_equal(mtls_invoker_uid((struct sockaddr *)&none, len), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_made_is_read),
		cmocka_unit_test(nothing_else_is_read),
	};
	return cmocka_run_group_tests_name("invoker", tests, NULL, NULL);
}
