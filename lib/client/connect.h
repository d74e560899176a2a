/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connects to the first server of a list that answers, under one deadline. */
#ifndef MTLS_CLIENT_CONNECT_H
#define MTLS_CLIENT_CONNECT_H

#include <sys/types.h>

#include "lib/base/clock.h"
#include "lib/base/err.h"

#define MTLS_CLIENT_PORT "7443"

/*
 * Tries @servers (a NULL-terminated list of "unix:PATH" and "tcp:HOST[:PORT]", IPv6 addresses in
 * brackets) in order; each gets its share of what is left until @deadline. @ret_fd: a connected
 * stream socket, non-blocking, close-on-exec, above 2, with TCP_NODELAY; the caller closes it.
 * Names are resolved by getaddrinfo(3), which no deadline of ours can cut short: an address is
 * better. Who listens is not checked here: the server's certificate says that. @invoker: who runs
 * this program of root, for a daemon on this machine (lib/wire/invoker.h); 0: root.
 *
 * Returns 0, MTLS_E_CONFIG (a malformed or empty list), -ETIMEDOUT if nothing but silence came from
 * one of them and no connection from any, else -errno of the last. @diag names server and cause.
 */
int mtls_client_connect(char *const *servers, uid_t invoker, mtls_deadline deadline, int *ret_fd,
			struct mtls_diag *diag);

#endif
