/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connecting, without ever blocking longer than the deadline (but for getaddrinfo on names).
 * Nothing is kept between calls; any thread.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "lib/client/connect.h"
#include "lib/wire/invoker.h"

#define HOST_MAX     256
#define PORT_MAX     8
#define RETRY_MS     10
#define FIRST_OWN_FD 3
#define UNIX_PREFIX  "unix:"
#define TCP_PREFIX   "tcp:"

/* A host program may have closed its standard descriptors; ours must not take their place. */
static int new_socket(int family, int *ret_fd)
{
	_cleanup_close_ int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (fd < FIRST_OWN_FD) {
		*ret_fd = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_OWN_FD);
		return *ret_fd < 0 ? -errno : 0;
	}
	*ret_fd = MTLS_TAKE_FD(fd);
	return 0;
}

static int finish_connect(int fd, mtls_deadline deadline)
{
	int err = 0;
	socklen_t len = sizeof(err);

	int rc = mtls_wait_fd(fd, POLLOUT, deadline);
	/* A failed connection shows as POLLERR or POLLHUP too: the socket knows the cause. */
	if (rc == -ETIMEDOUT)
		return rc;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		return -errno;
	return err ? -err : rc;
}

/* Without the name the daemon counts us as root's own until it has read the request. */
static void say_invoker(int fd, uid_t invoker)
{
	struct sockaddr_un name;
	socklen_t len = 0;
	uint64_t random = 0;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return;
	mtls_invoker_name(invoker, random, &name, &len);
	(void)bind(fd, (const struct sockaddr *)&name, len);
}

/*
 * A unix socket whose queue is full answers EAGAIN at once and gives no event to wait for: a hung
 * daemon. It is asked again until the deadline.
 */
static int connect_address(const struct sockaddr *address, socklen_t len, uid_t invoker,
			   mtls_deadline deadline, int *ret_fd)
{
	_cleanup_close_ int fd = -1;

	int err = new_socket(address->sa_family, &fd);
	if (err < 0)
		return err;
	if (invoker)
		say_invoker(fd, invoker);
	while (connect(fd, address, len) < 0) {
		if (errno == EINPROGRESS) {
			err = finish_connect(fd, deadline);
			if (err < 0)
				return err;
			break;
		}
		if (errno == EISCONN)
			break;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		const int left = mtls_deadline_left_ms(deadline);
		if (left == 0)
			return -ETIMEDOUT;
		(void)poll(NULL, 0, left < RETRY_MS ? left : RETRY_MS);
	}
	*ret_fd = MTLS_TAKE_FD(fd);
	return 0;
}

static int connect_unix(const char *path, uid_t invoker, mtls_deadline deadline, int *ret_fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (path[0] != '/' || mtls_strcopy(address.sun_path, sizeof(address.sun_path), path) < 0)
		return MTLS_E_CONFIG;
	return connect_address((const struct sockaddr *)&address, sizeof(address), invoker,
			       deadline, ret_fd);
}

/* HOST, HOST:PORT, [ADDRESS] or [ADDRESS]:PORT. */
static int split_host(const char *text, char *host, char *port)
{
	const char *end;

	if (text[0] == '[') {
		end = strchr(++text, ']');
		if (!end || (end[1] && end[1] != ':'))
			return MTLS_E_CONFIG;
	} else {
		end = text + strcspn(text, ":");
	}
	const size_t len = (size_t)(end - text);
	if (len == 0 || len >= HOST_MAX)
		return MTLS_E_CONFIG;
	memcpy(host, text, len);
	host[len] = '\0';
	if (*end == ']')
		end++;

	uint32_t number;
	const char *service = *end == ':' ? end + 1 : MTLS_CLIENT_PORT;
	if (mtls_parse_u32(service, &number) < 0 || number == 0 || number > UINT16_MAX)
		return MTLS_E_CONFIG;
	return mtls_strcopy(port, PORT_MAX, service) < 0 ? MTLS_E_CONFIG : 0;
}

static int resolve(const char *host, const char *port, struct addrinfo **ret)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
				  .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_NUMERICSERV | AI_NUMERICHOST };

	/* An address needs no name service. */
	int rc = getaddrinfo(host, port, &hints, ret);
	if (rc == EAI_NONAME) {
		hints.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG;
		rc = getaddrinfo(host, port, &hints, ret);
	}
	if (rc == 0)
		return 0;
	return rc == EAI_MEMORY ? -ENOMEM : -EHOSTUNREACH;
}

/* An equal share of what is left for each of @count candidates. */
static mtls_deadline share(mtls_deadline deadline, size_t count)
{
	const uint32_t left = (uint32_t)mtls_deadline_left_ms(deadline);
	return mtls_deadline_in_ms(left / (uint32_t)(count ? count : 1));
}

static int connect_tcp(const char *text, mtls_deadline deadline, int *ret_fd)
{
	char host[HOST_MAX], port[PORT_MAX];
	struct addrinfo *list = NULL;
	const int on = 1;
	size_t count = 0;

	int err = split_host(text, host, port);
	if (err < 0)
		return err;
	err = resolve(host, port, &list);
	if (err < 0)
		return err;
	for (const struct addrinfo *a = list; a; a = a->ai_next)
		count++;
	err = -EHOSTUNREACH;
	for (const struct addrinfo *a = list; a; a = a->ai_next, count--) {
		int one = connect_address(a->ai_addr, a->ai_addrlen, 0, share(deadline, count),
					  ret_fd);
		/* Silence of one address is not hidden by the refusal of another. */
		if (one == 0 || err != -ETIMEDOUT)
			err = one;
		if (one == 0)
			break;
	}
	freeaddrinfo(list);
	/* Without it Nagle and delayed acknowledgements cost 40 ms. */
	if (err == 0)
		(void)setsockopt(*ret_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return err;
}

static int connect_one(const char *server, uid_t invoker, mtls_deadline deadline, int *ret_fd)
{
	if (strncmp(server, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0)
		return connect_unix(server + strlen(UNIX_PREFIX), invoker, deadline, ret_fd);
	if (strncmp(server, TCP_PREFIX, strlen(TCP_PREFIX)) == 0)
		return connect_tcp(server + strlen(TCP_PREFIX), deadline, ret_fd);
	return MTLS_E_CONFIG;
}

int mtls_client_connect(char *const *servers, uid_t invoker, mtls_deadline deadline, int *ret_fd,
			struct mtls_diag *diag)
{
	const size_t count = mtls_strv_count(servers);
	int result = mtls_diag_set(diag, MTLS_E_CONFIG, "no server is configured");

	for (size_t i = 0; i < count; i++) {
		int err = connect_one(servers[i], invoker, share(deadline, count - i), ret_fd);
		if (err == 0)
			return 0;
		if (result != -ETIMEDOUT)
			result = mtls_diag_set(diag, err, "%s: %s", servers[i], mtls_strerror(err));
	}
	return result;
}
