/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Binding (supervisor, root) and accepting (worker). Holds no state. */
#include <config.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "authd/listener.h"
#include "lib/base/cleanup.h"
#include "lib/service/socket.h"
#include "lib/wire/invoker.h"

#define BACKLOG 256

static int bind_tcp(int fd, const struct address *address)
{
	int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	if (address->sa.ss_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&address->sa, address->len) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return -errno;
	return 0;
}

static int open_tcp(const char *text, const struct address *address, int *ret_fd,
		    struct mtls_diag *diag)
{
	_cleanup_close_ int fd =
		socket(address->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return mtls_diag_set(diag, -errno, "socket: %s", strerrordesc_np(errno));
	int r = bind_tcp(fd, address);
	if (r < 0)
		return mtls_diag_set(diag, r, "cannot listen on '%s': %s", text, mtls_strerror(r));
	*ret_fd = MTLS_TAKE_FD(fd);
	return 0;
}

/* Everybody may connect: what they may say is decided by who they are. */
static int open_unix(const char *path, int *ret_fd, struct mtls_diag *diag)
{
	const struct mtls_socket_spec spec = { .path = path, .mode = 0666, .backlog = BACKLOG };
	bool ours; /* either way it stays: the daemon may not remove it when it ends */

	return mtls_socket_open(&spec, ret_fd, &ours, diag);
}

int listener_open(const char *text, struct listener *ret, struct mtls_diag *diag)
{
	struct address address;
	int fd = -1;
	int r = address_parse(text, &address, diag);
	if (r >= 0)
		r = address.transport == PEER_UNIX ? open_unix(address_path(&address), &fd, diag)
						   : open_tcp(text, &address, &fd, diag);
	if (r < 0)
		return r;
	ret->transport = address.transport;
	ret->fd = fd;
	return 0;
}

static int identify(enum peer_transport transport, int fd, const struct sockaddr_storage *sa,
		    socklen_t sa_len, struct peer *peer)
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
	if (peer->uid == 0)
		peer->invoker = mtls_invoker_uid((const struct sockaddr *)sa, sa_len);
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
	int r = identify(listener->transport, fd, &sa, len, ret_peer);
	if (r < 0)
		return r;
	*ret_fd = MTLS_TAKE_FD(fd);
	return 0;
}
