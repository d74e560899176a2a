/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Binding (supervisor, root) and accepting (worker). Holds no state. */
#include <config.h>

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "authd/listener.h"
#include "lib/base/cleanup.h"
#include "lib/base/str.h"

#define BACKLOG 256

/* Others could replace the socket, and so play the daemon, if they may write to its folder. */
static int prepare_folder(const char *path, struct mtls_diag *diag)
{
	char copy[PATH_MAX];
	struct stat st;

	if (mtls_strcopy(copy, sizeof(copy), path) < 0)
		return mtls_diag_set(diag, -ENAMETOOLONG, "'%s': path too long", path);
	const char *folder = dirname(copy);
	mode_t old = umask(022);
	int r = mkdir(folder, 0755) < 0 && errno != EEXIST ? -errno : 0;
	(void)umask(old);
	if (r < 0)
		return mtls_diag_set(diag, r, "cannot make the folder '%s': %s", folder,
				     mtls_strerror(r));
	if (lstat(folder, &st) < 0)
		return mtls_diag_set(diag, -errno, "'%s': %s", folder, strerrordesc_np(errno));
	if (!S_ISDIR(st.st_mode) || st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return mtls_diag_set(diag, MTLS_E_UNTRUSTED,
				     "the folder '%s' of the socket must be root's and writable by "
				     "nobody else",
				     folder);
	return 0;
}

/* Removes a socket that nobody listens on. */
static int remove_stale(const struct address *address, struct mtls_diag *diag)
{
	const char *path = address_path(address);
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0
				       : mtls_diag_set(diag, -errno, "'%s': %s", path,
						       strerrordesc_np(errno));
	if (!S_ISSOCK(st.st_mode))
		return mtls_diag_set(diag, -EEXIST, "'%s' exists and is not a socket", path);
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return mtls_diag_set(diag, -errno, "socket: %s", strerrordesc_np(errno));
	if (connect(fd, (const struct sockaddr *)&address->sa, address->len) < 0 &&
	    errno == ECONNREFUSED)
		return unlink(path) < 0 ? mtls_diag_set(diag, -errno, "cannot remove '%s': %s",
							path, strerrordesc_np(errno))
					: 0;
	return mtls_diag_set(diag, -EADDRINUSE, "another process listens on '%s'", path);
}

static int bind_unix(int fd, const struct address *address, struct mtls_diag *diag)
{
	int r = prepare_folder(address_path(address), diag);
	if (r >= 0)
		r = remove_stale(address, diag);
	if (r < 0)
		return r;
	/* The mode is right from the first moment: 0666. */
	mode_t old = umask(0111);
	r = bind(fd, (const struct sockaddr *)&address->sa, address->len) < 0 ? -errno : 0;
	(void)umask(old);
	return r;
}

static int bind_tcp(int fd, const struct address *address)
{
	int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	if (address->sa.ss_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
		return -errno;
	return bind(fd, (const struct sockaddr *)&address->sa, address->len) < 0 ? -errno : 0;
}

int listener_open(const char *text, struct listener *ret, struct mtls_diag *diag)
{
	struct address address;
	int r = address_parse(text, &address, diag);
	if (r < 0)
		return r;
	_cleanup_close_ int fd =
		socket(address.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return mtls_diag_set(diag, -errno, "socket: %s", strerrordesc_np(errno));
	r = address.transport == PEER_UNIX ? bind_unix(fd, &address, diag) : bind_tcp(fd, &address);
	if (r >= 0 && listen(fd, BACKLOG) < 0)
		r = -errno;
	if (r < 0)
		return diag->text[0] ? r
				     : mtls_diag_set(diag, r, "cannot listen on '%s': %s", text,
						     mtls_strerror(r));
	ret->transport = address.transport;
	ret->fd = MTLS_TAKE_FD(fd);
	return 0;
}

static int identify(enum peer_transport transport, int fd, const struct sockaddr_storage *sa,
		    struct peer *peer)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int on = 1;

	*peer = (struct peer){ .transport = transport, .uid = (uid_t)-1 };
	if (transport == PEER_TCP) {
		address_to_peer(sa, peer);
		return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ? -errno : 0;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	peer->uid = cred.uid;
	peer->pid = cred.pid;
	return 0;
}

int listener_accept(const struct listener *listener, int *ret_fd, struct peer *ret_peer)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t len = sizeof(sa);
	_cleanup_close_ int fd =
		accept4(listener->fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	int r = identify(listener->transport, fd, &sa, ret_peer);
	if (r < 0)
		return r;
	*ret_fd = MTLS_TAKE_FD(fd);
	return 0;
}
