/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GnuTLS on a uv_poll handle. Owned by one connection of one worker. */
#include <config.h>

#include <errno.h>

#include "authd/tlsio.h"
#include "lib/base/err.h"
#include "lib/tls/tls.h"

#define WARNINGS_MAX 8 /* non-fatal codes in a row before we give up */

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct tlsio *io = poll->data;

	(void)status; /* a broken descriptor shows itself at the next read or write */
	(void)events;
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

void tlsio_attach(struct tlsio *io, gnutls_session_t session)
{
	io->session = session;
	gnutls_transport_set_int(session, io->fd);
}

void tlsio_wait_readable(struct tlsio *io)
{
	(void)uv_poll_start(&io->poll, UV_READABLE | UV_DISCONNECT, on_poll);
}

void tlsio_stop(struct tlsio *io)
{
	(void)uv_poll_stop(&io->poll);
}

/* -EAGAIN with the poll armed, or the code as ours. */
static int blocked_or_failed(struct tlsio *io, int code)
{
	if (code == GNUTLS_E_AGAIN) {
		int events = gnutls_record_get_direction(io->session) ? UV_WRITABLE : UV_READABLE;
		(void)uv_poll_start(&io->poll, events, on_poll);
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
	return gnutls_record_check_pending(io->session) > 0;
}
