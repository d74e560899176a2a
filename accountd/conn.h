/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections of the two sockets: a request, for an import items and an end, then items and an end
 * back; then the next request. Each has bounded memory and a deadline for its next move. What a
 * request means is the verbs' business (accountd/verbs.h).
 */
#ifndef ACCOUNTD_CONN_H
#define ACCOUNTD_CONN_H

#include "accountd/keeper.h"
#include "lib/wire/msg.h"

#define CONN_MAX       64        /* connections to accountd-control.sock */
#define CONN_AUTHD_MAX 16        /* to accountd-authd.sock */
#define CONN_OUT_MAX   (4 << 20) /* bytes waiting to be sent */

struct import;

enum conn_phase {
	CONN_REQUEST, /* waits for a request */
	CONN_ITEMS,   /* an import takes items and an end */
	CONN_PUBLISH, /* waits until its stream is judged */
	CONN_SEND,    /* the answer goes out */
};

struct conn {
	struct server *server;
	struct conn *next;
	bool authd; /* of the socket for mtls-authd */
	uid_t uid;
	pid_t pid;
	enum conn_phase phase;
	struct import *import; /* while items come or go */
	struct mtls_msg *end;  /* the answer's end */
	uint64_t stream;       /* PUBLISH: number of the one that has its change */
	/* The rest is conn.c's. */
	struct conn_io *io;
};

/* Starts to accept at both sockets. */
int server_new(struct keeper *keeper, struct server **ret);
/* No new connections; idle ones are closed. */
void server_stop(struct server *server);
/* True when no answer is outstanding. */
bool server_idle(const struct server *server);
void server_free(struct server *server);
struct keeper *server_keeper(const struct server *server);

/* Tells all that wait for stream @number or an earlier one. */
void server_judged(struct server *server, uint64_t number, int code, const char *text);

/* Queues an item of the answer. 0, MTLS_E_LIMIT (the connection's memory), -ENOMEM. */
int conn_item(struct conn *conn, const struct mtls_msg *item);

#endif
