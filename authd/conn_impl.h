/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the connection share: conn.c (states, end), conn_tls.c, conn_request.c. */
#ifndef AUTHD_CONN_IMPL_H
#define AUTHD_CONN_IMPL_H

#include <stdbool.h>

#include "authd/conn.h"
#include "authd/tlsio.h"
#include "lib/wire/frame.h"

#define CONN_AUDIT_BYTES 16 /* of randomness in an audit id */

enum conn_state {
	CONN_SILENT,    /* nothing was heard: there is no session yet */
	CONN_HANDSHAKE, /* until our flight is out */
	CONN_SIGN,      /* the client's flight is awaited, and perhaps a person */
	CONN_REQUEST,   /* the AuthRequest is awaited */
	CONN_LOOKUP,    /* a lookup process works for us */
	CONN_OFFER,     /* the candidates are being sent */
	CONN_CHOICE,    /* the AuthChoice is awaited */
	CONN_REPLY,     /* the verdict is being sent */
	CONN_LINGER,    /* everything is said */
	CONN_CLOSED,    /* waits for libuv to let go of the handles */
};

struct conn {
	struct conn_env *env;
	struct conn *next, *prev;
	struct peer peer;
	struct limits_place place;
	struct origin origin; /* failures are held against it */
	int fd;
	gnutls_session_t session; /* NULL while CONN_SILENT */
	struct tlsio io;
	uv_timer_t timer;
	int open_handles;

	enum conn_state state;
	bool heard;                   /* the peer sent at least one handshake message */
	bool left;                    /* it went away, after its handshake was done */
	bool audited;                 /* its one record is written */
	enum mtls_reason chain;       /* verdict on the chain: ALLOWED with a path */
	struct mtls_diag *chain_diag; /* owned; NULL until there is a verdict on the chain */
	struct mtls_path *path;       /* owned */
	char audit_id[2 * CONN_AUDIT_BYTES + 1];
	int64_t started_us;
	int64_t finished_us; /* the end of the handshake; 0: there was none yet */

	struct mtls_frame frame;
	struct request *request; /* owned; NULL until the handshake is done */
	struct lookup_ticket ticket;
	uint8_t *out; /* owned: the encoded reply */
	size_t out_len;
	size_t out_done;
	size_t lingered;
};

/* conn.c */

void conn_count(const struct conn *conn, enum counter counter);

/* Goes on to @state; the deadline stays. */
void conn_advance(struct conn *conn, enum conn_state state);

/* Enters @state and starts its deadline. */
void conn_enter(struct conn *conn, enum conn_state state);

/* Sets the deadline of the present state anew. */
void conn_timer(struct conn *conn, uint32_t ms);

/* Writes the connection's one record; later calls do nothing. */
void conn_audit(struct conn *conn, enum mtls_reason reason, const char *detail);

/* Everything is said: gives the peer a moment to read it, so that no reset overtakes it. */
void conn_linger(struct conn *conn);

/* Ends without a verdict: counts, records, closes. */
void conn_refuse(struct conn *conn, enum counter counter, enum mtls_reason reason,
		 const char *detail);

/* Closes now; @conn is freed when libuv lets go of its handles. */
void conn_close(struct conn *conn);

/* conn_tls.c */

/* Handler of CONN_SILENT: the first bytes, which make a session, or the end. */
void conn_hear(struct conn *conn);

/* Handler of CONN_HANDSHAKE and CONN_SIGN. */
void conn_handshake(struct conn *conn);

/* conn_gate.c */

/* Puts limits and penalties between @conn and its request. */
void conn_gate(struct conn *conn);

/* Holds a failure against where it came from. */
void conn_penalise(struct conn *conn, enum mtls_reason reason);

/* conn_request.c: handlers of CONN_REQUEST and CONN_CHOICE, of CONN_OFFER and CONN_REPLY. */

void conn_read(struct conn *conn);
void conn_send(struct conn *conn);
void conn_choice_late(struct conn *conn);

/* In CONN_CHOICE: the verdict is a refusal for @reason. */
void conn_deny(struct conn *conn, enum mtls_reason reason);

#endif
