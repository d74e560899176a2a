/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The server half of a control socket, for a daemon with a poll(2) loop of its own: it says what it
 * waits for, and does what can be done without waiting. Connections, their memory and their time
 * are bounded, and each gets one request a round, so that no client holds the daemon up. One
 * thread; no log.
 */
#ifndef MTLS_CONTROL_SERVER_H
#define MTLS_CONTROL_SERVER_H

#include <poll.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/clock.h"
#include "lib/control/item.h"

#define MTLS_CONTROL_CALLS_MAX 16        /* connections; the next one takes an idle one's place */
#define MTLS_CONTROL_OUT_MAX   (1 << 20) /* bytes of an answer */
#define MTLS_CONTROL_POLL_MAX  (MTLS_CONTROL_CALLS_MAX + 1)

struct mtls_control_server;
struct mtls_control_call; /* a connection while its request is carried out */

/*
 * Carries out @request: tells items and fills @end, whose code is 0 and whose text and fields are
 * empty. 0 sends @end; an error sends one of code 1 with its text instead of all that was told. If
 * mtls_control_call_wait() was called nothing is sent yet.
 */
typedef int mtls_control_handler(void *ctx, struct mtls_control_call *call,
				 const struct mtls_control_request *request,
				 struct mtls_control_end *end);

struct mtls_control_service {
	int fd;           /* borrowed: listening, non-blocking */
	uid_t uid;        /* who may ask, by SO_PEERCRED */
	uint32_t idle_ms; /* between requests */
	uint32_t move_ms; /* for a request once it has begun, and to take an answer */
	mtls_control_handler *handle;
	void *ctx;
};

/* 0 or -ENOMEM. */
int mtls_control_server_new(const struct mtls_control_service *service,
			    struct mtls_control_server **ret);
/* Closes all connections. */
void mtls_control_server_free(struct mtls_control_server *server);
MTLS_DEFINE_CLEANUP(struct mtls_control_server *, mtls_control_server_free)

/* Fills all MTLS_CONTROL_POLL_MAX of @fds. */
void mtls_control_server_watch(const struct mtls_control_server *server, struct pollfd *fds);
/* When mtls_control_server_run() is due without any event; INT64_MAX: never. */
mtls_deadline mtls_control_server_due(const struct mtls_control_server *server);
/* Does what is due; @fds as filled and polled, or NULL after a poll that found nothing. */
void mtls_control_server_run(struct mtls_control_server *server, const struct pollfd *fds);

/* Its connections' descriptors, for a child to close: at most MTLS_CONTROL_CALLS_MAX; the number.
 */
size_t mtls_control_server_fds(const struct mtls_control_server *server, int *fds);

/* Appends an item to the answer. 0, -ENOMEM, MTLS_E_LIMIT; the handler returns such an error. */
int mtls_control_call_tell(struct mtls_control_call *call, const char *kind,
			   const struct mtls_control_pair *pairs, size_t count);

/* The end is not known yet; mtls_control_server_answer() sends it. */
void mtls_control_call_wait(struct mtls_control_call *call, uint64_t ticket);

/* Sends @end to all that wait with a ticket of at most @ticket. */
void mtls_control_server_answer(struct mtls_control_server *server, uint64_t ticket,
				const struct mtls_msg *end);

/* The peer's process, for the log. */
pid_t mtls_control_call_pid(const struct mtls_control_call *call);

#endif
