/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store's side of publishing: one stream at a time goes to the publisher, whose answer says
 * what every process sees from then on. Changes that come meanwhile share the next stream. After a
 * failure it tries again by itself, ever less often, and at the next change.
 */
#ifndef ACCOUNTD_FEED_H
#define ACCOUNTD_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "accountd/store.h"
#include "lib/base/cleanup.h"

#define FEED_DROPPED_MAX 256 /* sentences kept of the last stream */

struct feed;

struct feed_events {
	/* Stream @number was judged: code 0, or an error with a sentence. */
	void (*judged)(void *ctx, uint64_t number, int code, const char *text);
	/* The publisher has gone, or cannot be talked to: nothing will be judged any more. */
	void (*closed)(void *ctx);
	void *ctx;
};

struct feed_state {
	bool done_once;     /* a stream was judged since the start */
	uint64_t published; /* generation in place, if known */
	uint32_t left_out;  /* users and groups dropped by the last stream */
	char *error;        /* why the last stream was not published; NULL: it was */
	char **dropped;     /* NULL-terminated or NULL: sentences of the last stream */
	size_t dropped_count;
};

/* @fd and @store are borrowed. */
int feed_new(uv_loop_t *loop, struct store *store, int fd, const struct feed_events *events,
	     struct feed **ret);
/* The number of the stream that the next feed_publish() asks for: it sees all that is so now. */
uint64_t feed_next(const struct feed *feed);
/*
 * Publishes what the store holds now, at once or when the stream under way is judged. It may call
 * the events before it returns.
 */
void feed_publish(struct feed *feed);
/* Nothing will be published any more. */
bool feed_closed(const struct feed *feed);
const struct feed_state *feed_state(const struct feed *feed);
/* Ends all; the loop must run once more before the memory of the loop goes. */
void feed_free(struct feed *feed);

#endif
