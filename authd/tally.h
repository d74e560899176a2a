/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A hash table of numbers in shared memory: one process writes, others read while it does, without
 * locks. A key has its place within a short window of entries, so every operation costs the same,
 * however many keys there are and were; an entry with a value that means nothing any more is free.
 */
#ifndef AUTHD_TALLY_H
#define AUTHD_TALLY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TALLY_WINDOW 32

struct tally_entry {
	_Atomic uint64_t key; /* 0: never used */
	_Atomic uint64_t value;
};

struct tally {
	struct tally_entry *entries; /* borrowed; zeroed in the beginning */
	size_t count;                /* a power of two, at least TALLY_WINDOW */
};

/* The value of @key, 0 if it has none. @key is not 0, and spread evenly over its 64 bits. */
uint64_t tally_get(const struct tally *tally, uint64_t key);

/*
 * Gives @key the @value. Where the key is new it takes a free entry: one whose value is at most
 * @stale. False if its window has none: then nothing was changed.
 */
bool tally_set(struct tally *tally, uint64_t key, uint64_t value, uint64_t stale);

/* The smallest value in the window of @key: who must make room asks for it as @stale. */
uint64_t tally_least(const struct tally *tally, uint64_t key);

#endif
