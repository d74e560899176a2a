/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* signer/pcscd.c: a service that refuses is told from one that is not there, busy, or answers. */
#include <config.h>

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "signer/source_token.h"
#include "tests/unit/token_talk.h"

static char path[64];

static void closes(int fd)
{
	(void)close(fd);
}

/* As pcscd does: what was sent is not read, so that the client may see a reset. */
static void closes_later(int fd)
{
	char byte;
	(void)!read(fd, &byte, 1);
	(void)close(fd);
}

static void answers(int fd)
{
	char question[20];
	if (read(fd, question, sizeof(question)) == sizeof(question))
		(void)!write(fd, question + 8, 12);
	(void)pause();
}

static void says_nothing(int fd)
{
	(void)fd;
	(void)pause();
}

static pid_t serve(int listener, void (*how)(int fd))
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid)
		return pid;
	how(accept(listener, NULL, NULL));
	_exit(0);
}

static void who_refuses(void **state)
{
	static const struct {
		const char *name;
		void (*how)(int fd);
		bool refuses;
	} rows[] = {
		{ "closes", closes, true },
		{ "closes with unread bytes", closes_later, true },
		{ "answers", answers, false },
		{ "says nothing", says_nothing, false },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		int listener = talk_socket(path, getuid());
		pid_t pid = serve(listener, rows[i].how);
		if (pcscd_refuses(path) != rows[i].refuses)
			fail_msg("%s", rows[i].name);
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		(void)close(listener);
		(void)unlink(path);
	}
}

static void who_is_not_there(void **state)
{
	char too_long[200];
	(void)state;
	assert_false(pcscd_refuses(path));
	memset(too_long, '/', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = '\0';
	assert_false(pcscd_refuses(too_long));
	int listener = talk_socket(path, getuid());
	(void)close(listener); /* nobody listens there any more */
	assert_false(pcscd_refuses(path));
	(void)unlink(path);
}

/* A socket that may not be connected to. */
static void closed_to_us(void **state)
{
	(void)state;
	int listener = talk_socket(path, getuid());
	assert_int_equal(chmod(path, 0600), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		bool changed = getuid() != 0 || setuid(talk_person) == 0;
		_exit(changed && pcscd_refuses(path) ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* who is not root owns the socket, and is let in */
	assert_int_equal(status, getuid() == 0 ? 0 : 1 << 8);
	(void)close(listener);
	(void)unlink(path);
}

static int set_up(void **state)
{
	(void)state;
	if (talk_set_up("mtls-signer-token") < 0)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/pcscd.comm", talk_base);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_refuses),
		cmocka_unit_test(who_is_not_there),
		cmocka_unit_test(closed_to_us),
	};
	return cmocka_run_group_tests(tests, set_up, talk_tear_down);
}
