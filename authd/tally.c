/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table. A reader that meets an entry while it changes hands sees another key or the value 0:
 * it may miss a count for an instant, never read one that belongs to somebody else.
 */
#include <config.h>

#include "authd/tally.h"

static struct tally_entry *at(const struct tally *tally, uint64_t key, size_t step)
{
	return &tally->entries[(key + step) & (tally->count - 1)];
}

static struct tally_entry *find(const struct tally *tally, uint64_t key)
{
	for (size_t step = 0; step < TALLY_WINDOW; step++) {
		struct tally_entry *entry = at(tally, key, step);
		if (atomic_load_explicit(&entry->key, memory_order_acquire) == key)
			return entry;
	}
	return NULL;
}

uint64_t tally_get(const struct tally *tally, uint64_t key)
{
	const struct tally_entry *entry = find(tally, key);
	if (!entry)
		return 0;
	uint64_t value = atomic_load(&entry->value);
	/* Still the same: the value was this key's. */
	return atomic_load(&entry->key) == key ? value : 0;
}

bool tally_set(struct tally *tally, uint64_t key, uint64_t value, uint64_t stale)
{
	struct tally_entry *entry = find(tally, key);

	for (size_t step = 0; !entry && step < TALLY_WINDOW; step++) {
		struct tally_entry *candidate = at(tally, key, step);
		if (atomic_load_explicit(&candidate->value, memory_order_relaxed) > stale)
			continue;
		entry = candidate;
		atomic_store(&entry->value, 0);
		atomic_store(&entry->key, key);
	}
	if (!entry)
		return false;
	atomic_store(&entry->value, value);
	return true;
}

uint64_t tally_least(const struct tally *tally, uint64_t key)
{
	uint64_t least = UINT64_MAX;

	for (size_t step = 0; step < TALLY_WINDOW; step++) {
		uint64_t value =
			atomic_load_explicit(&at(tally, key, step)->value, memory_order_relaxed);
		least = value < least ? value : least;
	}
	return least;
}
