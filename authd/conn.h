/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One connection, from accept to close: handshake, one request, perhaps one choice, one verdict. A
 * table of states says which events have a handler; any other event closes.
 */
#ifndef AUTHD_CONN_H
#define AUTHD_CONN_H

#include <gnutls/gnutls.h>
#include <uv.h>

#include "authd/audit_sink.h"
#include "authd/configuration.h"
#include "authd/counters.h"
#include "authd/limits.h"
#include "authd/lookup_client.h"
#include "authd/peer.h"
#include "authd/penalties.h"
#include "authd/request.h"
#include "lib/verify/memo.h"

/* What all connections of a worker share. Borrowed, but for the list. */
struct conn_env {
	uv_loop_t *loop;
	const struct configuration *config;
	struct request_env request;
	struct limits *limits;
	struct penalties *penalties;
	const struct origin_secret *secret;
	struct lookup_client *lookups;
	struct audit_sink *audit;
	struct counters *counters;
	struct mtls_memo *memo; /* NULL: chain_memo is 0 */
	struct conn *first;     /* all open connections */
	uint32_t open;          /* how many */
	uint32_t peak;          /* how many at most, since memory was given back */
};

/* Prepares the shared credentials: the answer of the chain check given in the handshake. */
void conn_prepare(gnutls_certificate_credentials_t credentials);

/*
 * Takes @fd and @place, which limits_admit() counted for @peer; both are given back when the
 * connection ends, or at once if this fails. 0 or a negative code.
 */
int conn_new(struct conn_env *env, int fd, const struct peer *peer,
	     const struct limits_place *place);

/*
 * The daemon stops: who is asked to choose an account is told that it is busy, and not waited for;
 * others go on, for a while.
 */
void conn_stop_all(struct conn_env *env);

/* Closes at once what is left; for the end of the worker. */
void conn_close_all(struct conn_env *env);

#endif
