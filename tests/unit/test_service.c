/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/service/notify: the test plays the service manager, with real sockets. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "lib/service/notify.h"

static void forget(void)
{
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
}

/* @name as in NOTIFY_SOCKET. */
static int bind_manager(const char *name)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	size_t len = strlen(name);

	assert_true(len < sizeof(sa.sun_path));
	memcpy(sa.sun_path, name, len);
	if (name[0] == '@')
		sa.sun_path[0] = '\0';
	else
		len++;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(fd >= 0);
	len += offsetof(struct sockaddr_un, sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, (socklen_t)len), 0);
	return fd;
}

static void tells_the_manager(void **state)
{
	char folder[] = "/tmp/mtls-service.XXXXXX";
	char path[64], abstract[64];

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/notify", folder);
	(void)snprintf(abstract, sizeof(abstract), "@mtls-service-%ld", (long)getpid());
	const char *const rows[] = { path, abstract };
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		char got[64] = "";
		print_message("# %s\n", rows[i]);
		int manager = bind_manager(rows[i]);
		forget();
		assert_int_equal(setenv("NOTIFY_SOCKET", rows[i], 1), 0);
		mtls_service_init();
		assert_null(getenv("NOTIFY_SOCKET"));
		assert_int_equal(mtls_service_notify("READY=1\nSTATUS=well"), 0);
		assert_int_equal(recv(manager, got, sizeof(got) - 1, 0), 19);
		assert_string_equal(got, "READY=1\nSTATUS=well");
		(void)close(manager);
		/* A manager that has gone is an error, not a silence. */
		assert_int_equal(mtls_service_notify("READY=1"), -ECONNREFUSED);
	}
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
}

static void without_a_manager_says_nothing(void **state)
{
	char longest[200];
	const char *const rows[] = { NULL, "", "/", "@", "relative", "vsock:2:1", longest };

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		forget();
		if (rows[i])
			assert_int_equal(setenv("NOTIFY_SOCKET", rows[i], 1), 0);
		mtls_service_init();
		assert_int_equal(mtls_service_notify("READY=1"), 0);
	}
}

static void watchdog_is_half_the_limit(void **state)
{
	static const struct {
		const char *usec, *pid; /* "self": this process */
		uint32_t want;
	} rows[] = {
		{ NULL, NULL, 0 },
		{ "30000000", NULL, 15000 },
		{ "30000000", "self", 15000 },
		{ "30000000", "1", 0 }, /* another process's */
		{ "30000000", "x", 0 },
		{ "1500", NULL, 1 }, /* never 0, which means no watchdog */
		{ "0", NULL, 0 },
		{ "-5", NULL, 0 },
		{ "x", NULL, 0 },
		{ "18446744073709551615", NULL, INT32_MAX },
		{ "18446744073709551616", NULL, 0 },
	};
	char self[32];

	(void)state;
	(void)snprintf(self, sizeof(self), "%ld", (long)getpid());
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		forget();
		if (rows[i].usec)
			assert_int_equal(setenv("WATCHDOG_USEC", rows[i].usec, 1), 0);
		if (rows[i].pid)
			assert_int_equal(
				setenv("WATCHDOG_PID",
				       mtls_streq(rows[i].pid, "self") ? self : rows[i].pid, 1),
				0);
		mtls_service_init();
		if (mtls_service_watchdog_ms() != rows[i].want)
			fail_msg("row %zu: %u", i, mtls_service_watchdog_ms());
		assert_null(getenv("WATCHDOG_USEC"));
		assert_null(getenv("WATCHDOG_PID"));
	}
}

/* Puts a socket at descriptor @fd; cmocka itself uses none of those near 3. */
static void place(int fd, int type, bool listening)
{
	struct sockaddr_un any = { .sun_family = AF_UNIX };
	int made = socket(AF_UNIX, type, 0);

	assert_true(made >= 0);
	if (listening) {
		assert_int_equal(bind(made, (struct sockaddr *)&any, sizeof(sa_family_t)), 0);
		assert_int_equal(listen(made, 1), 0);
	}
	if (made != fd) {
		assert_int_equal(dup2(made, fd), fd);
		(void)close(made);
	}
}

static void offer(const char *pid, const char *fds, const char *names)
{
	forget();
	assert_int_equal(setenv("LISTEN_PID", pid, 1), 0);
	assert_int_equal(setenv("LISTEN_FDS", fds, 1), 0);
	if (names)
		assert_int_equal(setenv("LISTEN_FDNAMES", names, 1), 0);
	mtls_service_init();
	assert_null(getenv("LISTEN_PID"));
	assert_null(getenv("LISTEN_FDS"));
	assert_null(getenv("LISTEN_FDNAMES"));
}

static void takes_sockets_by_name(void **state)
{
	char self[32];
	int fd = -1;

	(void)state;
	(void)snprintf(self, sizeof(self), "%ld", (long)getpid());
	place(3, SOCK_STREAM, true);
	place(4, SOCK_STREAM, true);
	place(5, SOCK_STREAM, false);
	place(6, SOCK_DGRAM, false);
	offer(self, "4", "control:authd:mute:datagram");
	assert_int_equal(mtls_service_take_socket("authd", &fd), 0);
	assert_int_equal(fd, 4);
	assert_int_equal(mtls_service_take_socket("authd", &fd), -ENOENT); /* once only */
	assert_int_equal(mtls_service_take_socket("control", &fd), 0);
	assert_int_equal(fd, 3);
	assert_int_equal(mtls_service_take_socket("other", &fd), -ENOENT);
	assert_int_equal(mtls_service_take_socket("mute", &fd), -EPROTOTYPE);
	assert_int_equal(mtls_service_take_socket("datagram", &fd), -EPROTOTYPE);
	for (int i = 3; i < 7; i++)
		assert_true(fcntl(i, F_GETFD) & FD_CLOEXEC);
	(void)close(4);

	static const struct {
		const char *pid, *fds, *names; /* NULL pid: this process */
		int want;
	} rows[] = {
		{ NULL, "1", "control", 0 },
		{ "1", "1", "control", -ENOENT }, /* another process's */
		{ "x", "1", "control", -ENOENT },
		{ NULL, "0", "control", -ENOENT },
		{ NULL, "x", "control", -ENOENT },
		{ NULL, "17", "control", -ENOENT },     /* over the limit */
		{ NULL, "1", NULL, -ENOENT },           /* without a name */
		{ NULL, "2", "none:control", -ENOENT }, /* 4 is closed */
		{ NULL, "4", "control", 0 },
	};
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		offer(rows[i].pid ? rows[i].pid : self, rows[i].fds, rows[i].names);
		int r = mtls_service_take_socket("control", &fd);
		if (r != rows[i].want)
			fail_msg("row %zu: %d", i, r);
	}
}

static void takes_sockets_by_path(void **state)
{
	char folder[] = "/tmp/mtls-service.XXXXXX";
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char self[32], other[64];
	int fd = -1;

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(self, sizeof(self), "%ld", (long)getpid());
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/socket", folder);
	(void)snprintf(other, sizeof(other), "%s/socke", folder);
	int made = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(made, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(made, 1), 0);
	assert_int_equal(dup2(made, 4), 4);
	if (made != 4)
		(void)close(made);
	place(3, SOCK_STREAM, true); /* bound to no path */
	offer(self, "2", "one:two");
	assert_int_equal(mtls_service_take_path("/tmp/none", &fd), -ENOENT);
	assert_int_equal(mtls_service_take_path(other, &fd), -ENOENT); /* a part of the path */
	assert_string_equal(mtls_service_left(1), "two");
	assert_int_equal(mtls_service_take_path(sa.sun_path, &fd), 0);
	assert_int_equal(fd, 4);
	assert_int_equal(mtls_service_take_path(sa.sun_path, &fd), -ENOENT); /* once only */
	assert_string_equal(mtls_service_left(0), "one");
	assert_null(mtls_service_left(1));
	(void)close(3);
	(void)close(4);
	(void)unlink(sa.sun_path);
	(void)rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_the_manager),
		cmocka_unit_test(without_a_manager_says_nothing),
		cmocka_unit_test(watchdog_is_half_the_limit),
		cmocka_unit_test(takes_sockets_by_name),
		cmocka_unit_test(takes_sockets_by_path),
	};
	/* Before any other descriptor is opened, so that 3 to 6 are free. */
	for (int fd = 3; fd < 7; fd++)
		(void)close(fd);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
