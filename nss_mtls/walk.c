/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Walks through a pinned generation. The position owns one pin of its generation from the first
 * entry to the end or the reset: an abandoned walk keeps one generation mapped, and no more.
 *
 * A step pins the generation for itself, then makes sure that the position has not changed: as long
 * as it has not, its own pin kept the generation alive, and the number cannot have come to mean
 * another one. What was read counts when the position could be moved on by compare and exchange;
 * if another thread was first, the step is made again from there.
 */
#include <config.h>

#include <errno.h>

#include "nss_mtls/pack.h"
#include "nss_mtls/walk.h"

#define WALK_ENDED  UINT32_MAX
#define NUMBER_BITS 16
#define NUMBER_MAX  ((1U << NUMBER_BITS) - 1)

static uint32_t cursor_of(uint64_t position)
{
	return (uint32_t)position;
}

static uint32_t number_of(uint64_t position)
{
	return (uint32_t)(position >> 32) & NUMBER_MAX;
}

/* A new state of the walk: counts the states up. */
static uint64_t successor(uint64_t position, uint32_t number, uint32_t cursor)
{
	uint64_t count = (position >> (32 + NUMBER_BITS)) + 1;
	return count << (32 + NUMBER_BITS) | (uint64_t)number << 32 | cursor;
}

static bool move_on(struct nss_walk *walk, uint64_t from, uint64_t to)
{
	return atomic_compare_exchange_strong(&walk->position, &from, to);
}

/* Pins the newest generation for the walk. 0 also if another thread was first. */
static int begin(struct nss_db *db, struct nss_walk *walk, uint64_t position)
{
	struct nss_gen *gen;
	const struct mtls_acctdb *snapshot;
	int r = nss_db_pin(db, &gen, &snapshot);
	if (r < 0)
		return r;
	uint32_t number = nss_db_number(gen);
	if (snapshot->header.no_enumeration)
		r = MTLS_E_NOTFOUND;
	else if (number > NUMBER_MAX)
		r = -ENOMEM; /* that many are in use at once */
	else if (move_on(walk, position, successor(position, number, 0)))
		return 0;
	nss_db_unpin(gen);
	return r;
}

/* One attempt; sets @ret_done unless another thread moved the position meanwhile. */
static int attempt(struct nss_db *db, struct nss_walk *walk, uint64_t position, nss_walk_step *step,
		   void *entry, const struct nss_out *out, bool *ret_done)
{
	const struct mtls_acctdb *snapshot;
	struct nss_gen *gen = nss_db_pin_number(db, number_of(position), &snapshot);
	if (!gen)
		return 0;
	int r = 0;
	if (atomic_load(&walk->position) == position) {
		struct mtls_acctdb_cursor cursor = { .at = cursor_of(position) };
		do
			r = step(snapshot, &cursor, entry, out);
		while (r == MTLS_E_CORRUPT);
		uint64_t next = (position & ~(uint64_t)UINT32_MAX) | cursor.at;
		if (r == MTLS_E_NOTFOUND)
			next = successor(position, 0, WALK_ENDED);
		*ret_done = (r < 0 && r != MTLS_E_NOTFOUND) || move_on(walk, position, next);
		if (*ret_done && r == MTLS_E_NOTFOUND)
			nss_db_unpin(gen); /* the walk's own pin */
	}
	nss_db_unpin(gen);
	return r;
}

enum nss_status nss_walk_next(struct nss_db *db, struct nss_walk *walk, nss_walk_step *step,
			      void *entry, const struct nss_out *out)
{
	int saved = errno, r = 0;
	bool done = false;
	while (!done) {
		uint64_t position = atomic_load(&walk->position);
		if (number_of(position)) {
			r = attempt(db, walk, position, step, entry, out, &done);
			continue;
		}
		r = cursor_of(position) == WALK_ENDED ? MTLS_E_NOTFOUND : begin(db, walk, position);
		done = r < 0;
	}
	return nss_status_of(r, saved, out->errnop);
}

void nss_walk_reset(struct nss_db *db, struct nss_walk *walk)
{
	uint64_t position = atomic_load(&walk->position);
	while (!move_on(walk, position, successor(position, 0, 0)))
		position = atomic_load(&walk->position);
	if (number_of(position))
		nss_db_unpin_number(db, number_of(position));
}
