/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is looked up next. Two lines: root's programs, and everybody else; the second is served after
 * every few of the first, so that it moves. Within a line origins take turns: who asks a hundred
 * times waits for himself, not others for him. Each line is bounded; when it is full the last
 * question of the origin that has most of them goes. Pure; a queue for each kind of lookup.
 */
#ifndef AUTHD_LOOKUP_QUEUE_H
#define AUTHD_LOOKUP_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/clock.h"

#define LOOKUP_QUEUE_MAX  256 /* questions in a line */
#define LOOKUP_ROOT_TURNS 4   /* of root's programs, before one of the others if one waits */

enum lookup_line {
	LOOKUP_LINE_ROOT = 0,
	LOOKUP_LINE_OTHERS,
	LOOKUP_LINES,
};

/* A place in the queue; embedded by its owner. */
struct lookup_turn {
	/* Of the owner, set before it is added. */
	enum lookup_line line;
	uint64_t origin;
	mtls_deadline deadline;

	/* Of the queue. */
	struct lookup_turn *next;
	uint64_t rank;
	bool queued;
};

/* Zeroed in the beginning; holds nothing of its own. */
struct lookup_queue {
	struct lookup_turn *first[LOOKUP_LINES]; /* borrowed, by rank */
	size_t count[LOOKUP_LINES];
	uint64_t round[LOOKUP_LINES];
	unsigned int root_turns; /* in a row, while others waited */
};

/*
 * Adds @turn. If the line is full, *@ret_dropped is who was taken out to make room: @turn itself
 * where nobody has more questions than it would have; else NULL.
 */
void lookup_queue_add(struct lookup_queue *queue, struct lookup_turn *turn,
		      struct lookup_turn **ret_dropped);

/* Takes out who is next; NULL when nobody waits. */
struct lookup_turn *lookup_queue_take(struct lookup_queue *queue);

/* Takes out @turn if it is queued. */
void lookup_queue_remove(struct lookup_queue *queue, struct lookup_turn *turn);

/* Takes out one whose deadline is at or before @now_ms; NULL when there is none. */
struct lookup_turn *lookup_queue_expire(struct lookup_queue *queue, int64_t now_ms);

/* The earliest deadline; INT64_MAX when nobody waits. */
mtls_deadline lookup_queue_deadline(const struct lookup_queue *queue);

#endif
