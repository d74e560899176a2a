/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The queue. A question's rank is the round that is being served plus how many its origin has
 * waiting before it; a line is sorted by rank. So a round serves each origin once. A line is short:
 * lists are walked.
 */
#include <config.h>

#include "authd/lookup_queue.h"

static uint64_t rank_of(const struct lookup_queue *queue, const struct lookup_turn *turn)
{
	uint64_t rank = queue->round[turn->line];

	for (const struct lookup_turn *t = queue->first[turn->line]; t; t = t->next)
		rank += t->origin == turn->origin;
	return rank;
}

static void unlink_at(struct lookup_queue *queue, struct lookup_turn **at)
{
	struct lookup_turn *turn = *at;

	*at = turn->next;
	turn->next = NULL;
	turn->queued = false;
	queue->count[turn->line]--;
}

static void insert(struct lookup_queue *queue, struct lookup_turn *turn)
{
	struct lookup_turn **at = &queue->first[turn->line];

	while (*at && (*at)->rank <= turn->rank)
		at = &(*at)->next;
	turn->next = *at;
	*at = turn;
	turn->queued = true;
	queue->count[turn->line]++;
}

void lookup_queue_add(struct lookup_queue *queue, struct lookup_turn *turn,
		      struct lookup_turn **ret_dropped)
{
	struct lookup_turn **last = &queue->first[turn->line];

	*ret_dropped = NULL;
	turn->rank = rank_of(queue, turn);
	insert(queue, turn);
	if (queue->count[turn->line] <= LOOKUP_QUEUE_MAX)
		return;
	while ((*last)->next)
		last = &(*last)->next;
	*ret_dropped = *last;
	unlink_at(queue, last);
}

/* The others have their turn if root's programs had theirs, or want none. */
static enum lookup_line next_line(struct lookup_queue *queue)
{
	if (!queue->first[LOOKUP_LINE_ROOT])
		return LOOKUP_LINE_OTHERS;
	if (!queue->first[LOOKUP_LINE_OTHERS])
		return LOOKUP_LINE_ROOT;
	if (queue->root_turns < LOOKUP_ROOT_TURNS) {
		queue->root_turns++;
		return LOOKUP_LINE_ROOT;
	}
	queue->root_turns = 0;
	return LOOKUP_LINE_OTHERS;
}

struct lookup_turn *lookup_queue_take(struct lookup_queue *queue)
{
	enum lookup_line line = next_line(queue);
	struct lookup_turn *turn = queue->first[line];

	if (!turn)
		return NULL;
	queue->round[line] = turn->rank;
	unlink_at(queue, &queue->first[line]);
	return turn;
}

void lookup_queue_remove(struct lookup_queue *queue, struct lookup_turn *turn)
{
	struct lookup_turn **at = &queue->first[turn->line];

	if (!turn->queued)
		return;
	while (*at && *at != turn)
		at = &(*at)->next;
	if (*at)
		unlink_at(queue, at);
}

struct lookup_turn *lookup_queue_expire(struct lookup_queue *queue, int64_t now_ms)
{
	for (int line = 0; line < LOOKUP_LINES; line++) {
		for (struct lookup_turn **at = &queue->first[line]; *at; at = &(*at)->next) {
			struct lookup_turn *turn = *at;
			if (turn->deadline > now_ms)
				continue;
			unlink_at(queue, at);
			return turn;
		}
	}
	return NULL;
}

mtls_deadline lookup_queue_deadline(const struct lookup_queue *queue)
{
	mtls_deadline earliest = INT64_MAX;

	for (int line = 0; line < LOOKUP_LINES; line++)
		for (const struct lookup_turn *t = queue->first[line]; t; t = t->next)
			earliest = mtls_deadline_min(earliest, t->deadline);
	return earliest;
}
