/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is left to somebody who took a signer over: roundabout ways to other processes of the same
 * user, to new code, to terminals, in each profile. The plain ones are in test_signer.c. Each row
 * is tried without a sandbox first, where it must not be refused; otherwise the row proves nothing.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "signer/domain.h"
#include "signer/sandbox.h"

#define PERSON     54321
#define FILES      (1U << SANDBOX_FILES)
#define TOKENS     (1U << SANDBOX_TOKENS)
#define BOTH       (FILES | TOKENS)
#define EXIT_SETUP 3

static pid_t bystander; /* another process of the same user, which can be traced */
static char scratch[] = "/tmp/mtls_sandbox.XXXXXX";

static long open_of_bystander(const char *name, int flags)
{
	char path[64];
	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)bystander, name);
	return open(path, flags | O_CLOEXEC);
}

static long try_memory(void)
{
	return open_of_bystander("mem", O_RDONLY);
}

static long try_memory_for_writing(void)
{
	return open_of_bystander("mem", O_RDWR);
}

static long try_environment(void)
{
	return open_of_bystander("environ", O_RDONLY);
}

/* A way into what only its descriptors lead to. */
static long try_descriptor(void)
{
	return open_of_bystander("fd/0", O_RDONLY);
}

/* A signal of any number to whom a socket is said to belong, when something can be read there. */
static long try_owner(void)
{
	int fds[2];
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		fds[0] = 0;
	return fcntl(fds[0], F_SETOWN, bystander);
}

static long try_owner_ex(void)
{
	const struct f_owner_ex owner = { .type = F_OWNER_PID, .pid = bystander };
	return fcntl(0, F_SETOWN_EX, &owner);
}

static long try_owner_signal(void)
{
	return fcntl(0, F_SETSIG, SIGKILL);
}

static long try_owner_ioctl(void)
{
	int owner = bystander;
	return ioctl(0, FIOSETOWN, &owner);
}

static long try_owner_socket(void)
{
	int owner = bystander;
	return ioctl(0, SIOCSPGRP, &owner);
}

/* Refused by the kernel too, but for another reason. */
static long try_typing(void)
{
	char letter = 'x';
	return ioctl(0, TIOCSTI, &letter);
}

static long try_console(void)
{
	char command = 3; /* paste */
	return ioctl(0, TIOCLINUX, &command);
}

/* With it each readable page is code. */
static long try_personality(void)
{
	return personality(READ_IMPLIES_EXEC);
}

static long try_limits(void)
{
	const struct rlimit none = { 0, 0 };
	return prlimit(bystander, RLIMIT_CPU, &none, NULL);
}

static long try_message_queue(void)
{
	return msgget(IPC_PRIVATE, IPC_CREAT | 0600);
}

static long may_own_limits(void)
{
	struct rlimit limit;
	return getrlimit(RLIMIT_NOFILE, &limit);
}

static void *idle(void *arg)
{
	return arg;
}

static long may_thread(void)
{
	pthread_t thread;
	int err = pthread_create(&thread, NULL, idle, NULL);
	if (err == 0)
		(void)pthread_join(thread, NULL);
	errno = err;
	return err ? -1 : 0;
}

static long may_own_memory(void)
{
	return open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
}

/* From one folder to another, as stores of tokens may. */
static long may_move(void)
{
	char from[64], to[64];
	(void)snprintf(from, sizeof(from), "%s/a/f", scratch);
	(void)snprintf(to, sizeof(to), "%s/b/f", scratch);
	int fd = open(from, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		(void)close(fd);
	return rename(from, to);
}

struct row {
	const char *name;
	long (*call)(void);
	unsigned int refused; /* in which profiles; elsewhere it works */
	bool domain;          /* by Landlock, which not every kernel has */
	bool kernel;          /* works for nobody here, but says so with another word */
};

static const struct row rows[] = {
	{ "memory of another", try_memory, BOTH, true, false },
	{ "memory of another, for writing", try_memory_for_writing, BOTH, true, false },
	{ "environment of another", try_environment, BOTH, true, false },
	{ "descriptor of another", try_descriptor, BOTH, true, false },
	{ "F_SETOWN", try_owner, BOTH, false, false },
	{ "F_SETOWN_EX", try_owner_ex, BOTH, false, false },
	{ "F_SETSIG", try_owner_signal, BOTH, false, false },
	{ "FIOSETOWN", try_owner_ioctl, BOTH, false, false },
	{ "SIOCSPGRP", try_owner_socket, BOTH, false, false },
	{ "TIOCSTI", try_typing, BOTH, false, true },
	{ "TIOCLINUX", try_console, BOTH, false, true },
	{ "personality", try_personality, BOTH, false, false },
	{ "limits of another", try_limits, BOTH, false, false },
	{ "message queue", try_message_queue, BOTH, false, false },
	{ "own limits", may_own_limits, FILES, false, false },
	{ "own memory map", may_own_memory, 0, false, false },
	{ "thread", may_thread, FILES, false, false },
	{ "file to another folder", may_move, FILES, false, false },
};

/* As the person, with a socket as descriptor 0, as signers have one. */
static void become_person(void)
{
	int fds[2];

	if (getuid() == 0 &&
	    (setresgid(PERSON, PERSON, PERSON) < 0 || setresuid(PERSON, PERSON, PERSON) < 0))
		_exit(EXIT_SETUP);
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0 || dup2(fds[0], 0) < 0)
		_exit(EXIT_SETUP);
}

/* 0: it worked, 1: it was refused, 2: it failed in another way. */
static int outcome(const struct row *row, int profile)
{
	int status;

	(void)fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		become_person();
		if (profile >= 0 && sandbox_enter((enum sandbox_profile)profile, NULL) < 0)
			_exit(EXIT_SETUP);
		errno = 0;
		long r = row->call();
		_exit(r >= 0 ? 0 : errno == EPERM || errno == EACCES ? 1 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_not_equal(WEXITSTATUS(status), EXIT_SETUP);
	return WEXITSTATUS(status);
}

static int has_domain(void)
{
	int status;

	(void)fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? EXIT_SETUP : domain_enter());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
	return WEXITSTATUS(status);
}

static void check(int profile)
{
	const bool domain = has_domain();

	if (!domain)
		print_message("this kernel has no Landlock: rows that need it are left out\n");
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		const struct row *row = &rows[i];
		const bool refused = row->refused & 1U << profile;
		if (row->domain && !domain)
			continue;
		int without = outcome(row, -1), within = outcome(row, profile);
		if (without != (row->kernel ? 2 : 0))
			fail_msg("%s: without a sandbox: %d", row->name, without);
		if (within != (refused ? 1 : 0))
			fail_msg("%s: in the sandbox: %d", row->name, within);
	}
}

static void files(void **state)
{
	(void)state;
	check(SANDBOX_FILES);
}

static void tokens(void **state)
{
	(void)state;
	check(SANDBOX_TOKENS);
}

static int make_folder(const char *name)
{
	char path[64];
	(void)snprintf(path, sizeof(path), "%s%s", scratch, name);
	(void)mkdir(path, 0700);
	return getuid() == 0 ? chown(path, PERSON, PERSON) : 0;
}

static int set_up(void **state)
{
	int ready[2];
	char byte;

	(void)state;
	if (!mkdtemp(scratch) || make_folder("") < 0 || make_folder("/a") < 0 ||
	    make_folder("/b") < 0 || pipe(ready) < 0)
		return -1;
	(void)fflush(NULL);
	bystander = fork();
	if (bystander == 0) {
		become_person();
		int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (fd < 0 || dup2(fd, 0) < 0 || write(ready[1], "r", 1) != 1)
			_exit(EXIT_SETUP);
		for (;;)
			(void)pause();
	}
	(void)close(ready[1]);
	ssize_t n = bystander > 0 ? read(ready[0], &byte, 1) : -1;
	(void)close(ready[0]);
	return n == 1 ? 0 : -1;
}

static int tear_down(void **state)
{
	static const char *const names[] = { "/b/f", "/a", "/b", "" };
	char path[64];

	(void)state;
	(void)kill(bystander, SIGKILL);
	(void)waitpid(bystander, NULL, 0);
	for (size_t i = 0; i < MTLS_COUNT(names); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", scratch, names[i]);
		(void)remove(path);
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files),
		cmocka_unit_test(tokens),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
