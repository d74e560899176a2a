/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The worker's side of the lookup processes: a queue of tickets for each kind, one query in flight
 * for each process, a deadline for each ticket and each query. Never blocks.
 */
#ifndef AUTHD_LOOKUP_CLIENT_H
#define AUTHD_LOOKUP_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "authd/counters.h"
#include "authd/lookup_queue.h"
#include "lib/base/clock.h"
#include "lib/mapping/query.h"

struct lookup_client;

/* One question. Embedded by the asker, who owns it; zeroed before first use. */
struct lookup_ticket {
	struct lookup_turn turn; /* line and origin are the asker's to set */
	enum mtls_lookup_kind kind;
	/* Writes the query when its turn has come. */
	void (*fill)(void *ctx, struct mtls_lookup_query *query);
	/*
	 * The answer, exactly once unless cancelled; may be MTLS_LOOKUP_TIMEOUT or
	 * MTLS_LOOKUP_FAILED. Never called from within lookup_client_ask().
	 */
	void (*answered)(void *ctx, const struct mtls_lookup_answer *answer);
	void *ctx;

	/* Of the client. */
	bool waiting; /* queued or in flight */
};

struct lookup_client_config {
	uint32_t timeout_ms;
	uint32_t slots; /* processes a kind */
	/* A process passed its deadline: have it killed and replaced. */
	void (*kill)(void *ctx, enum mtls_lookup_kind kind, uint32_t slot, uint32_t generation);
	void *ctx;
	struct counters *counters; /* of this worker */
};

#define LOOKUP_SLOTS_MAX 16

/* 0 or -errno. */
int lookup_client_new(uv_loop_t *loop, const struct lookup_client_config *config,
		      struct lookup_client **ret);

/* Takes @fd, the socket of a new process for this slot; an older one there is dropped. */
void lookup_client_attach(struct lookup_client *client, enum mtls_lookup_kind kind, uint32_t slot,
			  uint32_t generation, int fd);

/* False if too many wait: then @ticket was not taken. */
bool lookup_client_ask(struct lookup_client *client, struct lookup_ticket *ticket);

/* Forgets @ticket if it waits; its answer will be dropped. */
void lookup_client_cancel(struct lookup_client *client, struct lookup_ticket *ticket);

#endif
