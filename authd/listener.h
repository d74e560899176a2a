/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Listening sockets, bound by the supervisor while it is root. */
#ifndef AUTHD_LISTENER_H
#define AUTHD_LISTENER_H

#include "authd/address.h"

struct listener {
	enum peer_transport transport;
	int fd; /* owned; listening, non-blocking */
};

/*
 * Takes the service manager's socket with the path of @text, or binds it. unix: the folder is made
 * (root 0755) if it is missing and refused if others may write to it; the socket gets mode 0666;
 * one left behind is replaced only if nobody listens on it. 0 or an error with @diag.
 */
int listener_open(const char *text, struct listener *ret, struct mtls_diag *diag);

/*
 * Accepts one connection (non-blocking, close-on-exec, TCP_NODELAY) and fills @peer as the kernel
 * has it. 0, -EAGAIN when there is none, -errno.
 */
int listener_accept(const struct listener *listener, int *ret_fd, struct peer *ret_peer);

#endif
