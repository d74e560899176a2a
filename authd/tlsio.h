/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A TLS session on a non-blocking descriptor, driven by uv_poll: after each -EAGAIN the poll
 * follows what GnuTLS waits for.
 */
#ifndef AUTHD_TLSIO_H
#define AUTHD_TLSIO_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <gnutls/gnutls.h>
#include <uv.h>

struct tlsio {
	uv_poll_t poll;
	gnutls_session_t session; /* borrowed; NULL before tlsio_attach() */
	int fd;                   /* borrowed; closed by the owner after the poll handle */
	int waiting;              /* the events that the poll handle is armed for; 0: none */
	bool drained;   /* the descriptor had no more bytes, and has not been ready since */
	bool held;      /* see tlsio_hold() */
	uint8_t *ahead; /* owned: bytes read and not yet asked for; NULL: none */
	size_t ahead_at, ahead_len;
	int code;                 /* the last code of GnuTLS that was an error */
	void (*ready)(void *ctx); /* the descriptor has what was waited for, or is broken */
	void *ctx;
};

/* Sets up, without a session yet; nothing is waited for. 0 or -errno. */
int tlsio_init(struct tlsio *io, uv_loop_t *loop, int fd, void (*ready)(void *ctx), void *ctx);

/* From now on @session (borrowed) reads and writes the descriptor. */
void tlsio_attach(struct tlsio *io, gnutls_session_t session);

/* Frees what belongs to @io, when its poll handle is closed. */
void tlsio_done(struct tlsio *io);

/*
 * What is sent from now on may wait for what comes behind it: the verdict, the end of TLS and that
 * of the stream become one packet. shutdown(2) or close(2) ends the wait.
 */
void tlsio_hold(struct tlsio *io);

/* Waits for the peer to send something or to go away. */
void tlsio_wait_readable(struct tlsio *io);

/* All below: 0 or a count, -EAGAIN (and the poll is armed), or MTLS_E_* with io->code. */
int tlsio_handshake(struct tlsio *io);

/* At most @size bytes of application data; 0: orderly end. */
ssize_t tlsio_recv(struct tlsio *io, void *data, size_t size);

/* Sends from data[*done], advancing *done, until all @len bytes are out. */
int tlsio_send(struct tlsio *io, const uint8_t *data, size_t len, size_t *done);

/* close_notify. */
int tlsio_bye(struct tlsio *io);

/* True if application data was received that tlsio_recv() has not given out yet. */
bool tlsio_pending(const struct tlsio *io);

#endif
