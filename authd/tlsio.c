/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GnuTLS on a uv_poll handle. Owned by one connection of one worker. The descriptor is read ahead:
 * GnuTLS asks for the five octets of a record's head and then for its body, which would be sixteen
 * system calls a login.
 */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "authd/tlsio.h"
#include "lib/base/err.h"
#include "lib/tls/tls.h"

#define WARNINGS_MAX 8    /* non-fatal codes in a row before we give up */
#define AHEAD_MAX    4096 /* a client's flight with two certificates fits */

/* -------------------------------------------------------------------------- transport */

/* recv(2), but a descriptor that is known to be empty is not asked. */
static ssize_t receive(struct tlsio *io, void *data, size_t size)
{
	if (io->drained) {
		errno = EAGAIN;
		return -1;
	}
	ssize_t n = recv(io->fd, data, size, MSG_DONTWAIT);
	/* Fewer than asked for: level-triggered polling tells of those that come now. */
	io->drained = n > 0 && (size_t)n < size;
	return n;
}

static ssize_t take_ahead(struct tlsio *io, void *data, size_t size)
{
	const size_t n = size < io->ahead_len ? size : io->ahead_len;

	memcpy(data, io->ahead + io->ahead_at, n);
	io->ahead_at += n;
	io->ahead_len -= n;
	if (io->ahead_len == 0) {
		free(io->ahead);
		io->ahead = NULL;
	}
	return (ssize_t)n;
}

static ssize_t pull(gnutls_transport_ptr_t ptr, void *data, size_t size)
{
	struct tlsio *io = ptr;

	if (io->ahead)
		return take_ahead(io, data, size);
	if (size >= AHEAD_MAX || io->drained)
		return receive(io, data, size);
	io->ahead = malloc(AHEAD_MAX);
	if (!io->ahead)
		return receive(io, data, size);
	ssize_t n = receive(io, io->ahead, AHEAD_MAX);
	if (n <= 0) {
		const int err = errno;
		free(io->ahead);
		io->ahead = NULL;
		errno = err;
		return n;
	}
	io->ahead_at = 0;
	io->ahead_len = (size_t)n;
	return take_ahead(io, data, size);
}

/* GnuTLS asks this only where it has a timeout of its own; we never wait. */
static int pull_timeout(gnutls_transport_ptr_t ptr, unsigned int ms)
{
	const struct tlsio *io = ptr;

	(void)ms;
	return io->ahead ? 1 : 0;
}

static ssize_t push(gnutls_transport_ptr_t ptr, const giovec_t *iov, int count)
{
	struct tlsio *io = ptr;
	union {
		const giovec_t *in;
		struct iovec *out;
	} pieces = { .in = iov };
	const struct msghdr message = { .msg_iov = pieces.out, .msg_iovlen = (size_t)count };

	return sendmsg(io->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT | (io->held ? MSG_MORE : 0));
}

void tlsio_attach(struct tlsio *io, gnutls_session_t session)
{
	io->session = session;
	gnutls_transport_set_ptr(session, io);
	gnutls_transport_set_pull_function(session, pull);
	gnutls_transport_set_pull_timeout_function(session, pull_timeout);
	gnutls_transport_set_vec_push_function(session, push);
}

void tlsio_hold(struct tlsio *io)
{
	io->held = true;
}

void tlsio_done(struct tlsio *io)
{
	free(io->ahead);
	io->ahead = NULL;
}

/* ------------------------------------------------------------------------------- polling */

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct tlsio *io = poll->data;

	(void)events;
	/* A broken descriptor shows itself at the next read or write; libuv has let go of it. */
	if (status < 0)
		io->waiting = 0;
	io->drained = false;
	io->ready(io->ctx);
}

int tlsio_init(struct tlsio *io, uv_loop_t *loop, int fd, void (*ready)(void *ctx), void *ctx)
{
	int r = uv_poll_init(loop, &io->poll, fd);
	if (r < 0)
		return r;
	io->poll.data = io;
	io->session = NULL;
	io->fd = fd;
	io->ready = ready;
	io->ctx = ctx;
	return 0;
}

/* Arming anew for the same events costs two system calls. */
static void wait_for(struct tlsio *io, int events)
{
	if (io->waiting == events)
		return;
	if (uv_poll_start(&io->poll, events, on_poll) == 0)
		io->waiting = events;
}

void tlsio_wait_readable(struct tlsio *io)
{
	wait_for(io, UV_READABLE | UV_DISCONNECT);
}

/* -EAGAIN with the poll armed, or the code as ours. */
static int blocked_or_failed(struct tlsio *io, int code)
{
	if (code == GNUTLS_E_AGAIN) {
		if (gnutls_record_get_direction(io->session))
			wait_for(io, UV_WRITABLE);
		else
			tlsio_wait_readable(io);
		return -EAGAIN;
	}
	io->code = code;
	return mtls_tls_error(code);
}

/* GNUTLS_E_INTERRUPTED and warning alerts: go on, but not for ever. */
static bool again(int code, int *rounds)
{
	return code < 0 && code != GNUTLS_E_AGAIN && !gnutls_error_is_fatal(code) &&
	       ++*rounds < WARNINGS_MAX;
}

int tlsio_handshake(struct tlsio *io)
{
	int rounds = 0;
	int code;

	do {
		code = gnutls_handshake(io->session);
	} while (again(code, &rounds));
	return code >= 0 ? 0 : blocked_or_failed(io, code);
}

ssize_t tlsio_recv(struct tlsio *io, void *data, size_t size)
{
	int rounds = 0;
	ssize_t code;

	do {
		code = gnutls_record_recv(io->session, data, size);
	} while (again((int)code, &rounds));
	return code >= 0 ? code : blocked_or_failed(io, (int)code);
}

int tlsio_send(struct tlsio *io, const uint8_t *data, size_t len, size_t *done)
{
	while (*done < len) {
		int rounds = 0;
		ssize_t code;
		do {
			code = gnutls_record_send(io->session, data + *done, len - *done);
		} while (again((int)code, &rounds));
		if (code < 0)
			return blocked_or_failed(io, (int)code);
		*done += (size_t)code;
	}
	return 0;
}

int tlsio_bye(struct tlsio *io)
{
	int rounds = 0;
	int code;

	do {
		code = gnutls_bye(io->session, GNUTLS_SHUT_WR);
	} while (again(code, &rounds));
	return code >= 0 ? 0 : blocked_or_failed(io, code);
}

bool tlsio_pending(const struct tlsio *io)
{
	return io->ahead || gnutls_record_check_pending(io->session) > 0;
}
