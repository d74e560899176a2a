/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the manager put into the environment, remembered at start: the one place of state here is
 * below, because there is one manager. Descriptors that nobody takes are closed by exec.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/service/notify.h"

#define FDS_FIRST 3 /* SD_LISTEN_FDS_START */
#define NAME_SIZE 256

struct passed {
	char name[NAME_SIZE];
	int fd; /* -1: taken */
};

static struct {
	struct sockaddr_un address;
	socklen_t address_len; /* 0: no manager */
	uint32_t watchdog_ms;
	struct passed passed[MTLS_SERVICE_FDS_MAX];
	size_t passed_count;
} service;

/* A path, or "@name" in the abstract name space. */
static void remember_address(const char *text)
{
	const size_t base = offsetof(struct sockaddr_un, sun_path);

	service.address_len = 0;
	if (!text || (text[0] != '/' && text[0] != '@') || !text[1])
		return;
	service.address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	size_t len = strlen(text);
	if (len >= sizeof(service.address.sun_path))
		return;
	memcpy(service.address.sun_path, text, len);
	if (text[0] == '@')
		service.address.sun_path[0] = '\0';
	else
		len++; /* a path ends in its NUL; an abstract name must not */
	service.address_len = (socklen_t)(base + len);
}

/* @text names this process, or @absent where there is none. */
static bool names_us(const char *text, bool absent)
{
	uint64_t pid = 0;

	if (!text)
		return absent;
	return mtls_parse_u64(text, &pid) == 0 && pid == (uint64_t)getpid();
}

static void remember_watchdog(const char *usec, const char *pid)
{
	uint64_t limit = 0;

	service.watchdog_ms = 0;
	if (!usec || !names_us(pid, true) || mtls_parse_u64(usec, &limit) < 0 || limit == 0)
		return;
	uint64_t half = limit / 1000 / 2;
	if (half > INT32_MAX)
		half = INT32_MAX;
	service.watchdog_ms = half ? (uint32_t)half : 1;
}

static int set_cloexec(int fd)
{
	int flags = fcntl(fd, F_GETFD);

	return flags < 0 || fcntl(fd, F_SETFD, flags | FD_CLOEXEC) < 0 ? -errno : 0;
}

static void remember_fds(const char *pid, const char *fds, const char *names)
{
	uint32_t count = 0;

	service.passed_count = 0;
	if (!fds || !names_us(pid, false) || mtls_parse_u32(fds, &count) < 0 ||
	    count > MTLS_SERVICE_FDS_MAX)
		return;
	for (uint32_t i = 0; i < count; i++) {
		struct passed *one = &service.passed[service.passed_count];
		size_t len = 0;
		const char *name = names ? mtls_split_next(&names, ':', &len) : NULL;

		one->fd = FDS_FIRST + (int)i;
		if (set_cloexec(one->fd) < 0 || !name || len >= sizeof(one->name))
			continue; /* not a descriptor, or one that cannot be asked for */
		memcpy(one->name, name, len);
		one->name[len] = '\0';
		service.passed_count++;
	}
}

void mtls_service_init(void)
{
	static const char *const names[] = { "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
					     "LISTEN_PID",    "LISTEN_FDS",    "LISTEN_FDNAMES" };

	/* secure_getenv: these name sockets, and a setuid program has no manager. */
	remember_address(secure_getenv("NOTIFY_SOCKET"));
	remember_watchdog(secure_getenv("WATCHDOG_USEC"), secure_getenv("WATCHDOG_PID"));
	remember_fds(secure_getenv("LISTEN_PID"), secure_getenv("LISTEN_FDS"),
		     secure_getenv("LISTEN_FDNAMES"));
	for (size_t i = 0; i < MTLS_COUNT(names); i++)
		(void)unsetenv(names[i]);
}

int mtls_service_notify(const char *state)
{
	if (!service.address_len)
		return 0;
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	ssize_t n = sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
			   (const struct sockaddr *)&service.address, service.address_len);
	return n < 0 ? -errno : 0;
}

uint32_t mtls_service_watchdog_ms(void)
{
	return service.watchdog_ms;
}

static int int_option(int fd, int option)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) < 0 ? -errno : value;
}

static int take(struct passed *one, int *ret_fd)
{
	if (int_option(one->fd, SO_TYPE) != SOCK_STREAM || int_option(one->fd, SO_ACCEPTCONN) != 1)
		return -EPROTOTYPE;
	*ret_fd = MTLS_TAKE_FD(one->fd);
	return 0;
}

int mtls_service_take_socket(const char *name, int *ret_fd)
{
	for (size_t i = 0; i < service.passed_count; i++) {
		struct passed *one = &service.passed[i];
		if (one->fd >= 0 && mtls_streq(one->name, name))
			return take(one, ret_fd);
	}
	return -ENOENT;
}

static bool bound_to(int fd, const char *path)
{
	struct sockaddr_un sa = { 0 };
	socklen_t len = sizeof(sa);

	/* A path may fill the address without a NUL. */
	return getsockname(fd, (struct sockaddr *)&sa, &len) == 0 && sa.sun_family == AF_UNIX &&
	       strncmp(sa.sun_path, path, sizeof(sa.sun_path)) == 0;
}

int mtls_service_take_path(const char *path, int *ret_fd)
{
	for (size_t i = 0; i < service.passed_count; i++) {
		struct passed *one = &service.passed[i];
		if (one->fd >= 0 && bound_to(one->fd, path))
			return take(one, ret_fd);
	}
	return -ENOENT;
}

const char *mtls_service_left(size_t index)
{
	for (size_t i = 0; i < service.passed_count; i++)
		if (service.passed[i].fd >= 0 && index-- == 0)
			return service.passed[i].name;
	return NULL;
}
