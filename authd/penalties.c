/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Penalties: for each origin the moment at which all is forgiven. Rows are not cleared when a
 * worker ends: such moments pass by themselves, and a worker that is replaced forgives nobody.
 */
#include <config.h>

#include <errno.h>
#include <stdlib.h>

#include "authd/penalties.h"
#include "authd/tally.h"
#include "lib/settings/authd.h"

#define ENTRIES 4096 /* origins that one worker keeps in mind */

struct row {
	struct tally_entry entries[ENTRIES];
};

struct penalties {
	struct penalties_config config;
	const struct shmem *shmem; /* borrowed */
	size_t slot;
};

size_t penalties_row_size(void)
{
	return sizeof(struct row);
}

int penalties_new(const struct penalties_config *config, const struct shmem *shmem, size_t slot,
		  struct penalties **ret)
{
	struct penalties *penalties = calloc(1, sizeof(*penalties));
	if (!penalties)
		return -ENOMEM;
	*penalties = (struct penalties){ .config = *config, .shmem = shmem, .slot = slot };
	*ret = penalties;
	return 0;
}

void penalties_free(struct penalties *penalties)
{
	free(penalties);
}

/*
 * What a client or a person did. Not what this daemon, its directory or its revocation lists failed
 * to do, and not who changed his mind.
 */
bool penalties_counts(enum mtls_reason reason)
{
	static const enum mtls_reason ours[] = {
		MTLS_REASON_ALLOWED, MTLS_REASON_CHOOSE,         MTLS_REASON_CRL_UNUSABLE,
		MTLS_REASON_VERSION, MTLS_REASON_LOOKUP_TIMEOUT, MTLS_REASON_LOOKUP_FAILED,
		MTLS_REASON_BUSY,    MTLS_REASON_INTERNAL,       MTLS_REASON_CHOICE_TIMEOUT,
		MTLS_REASON_PENALTY,
	};

	for (size_t i = 0; i < MTLS_COUNT(ours); i++)
		if (ours[i] == reason)
			return false;
	return true;
}

static struct tally tally_of(const struct penalties *penalties, size_t slot)
{
	struct row *row = shmem_row(penalties->shmem, slot);
	return (struct tally){ .entries = row->entries, .count = ENTRIES };
}

/*
 * How much there is to forgive. A row may hold anything, and keeps it when the worker that was
 * broken into has gone: more than any configuration allows is nonsense, more than ours is ours.
 */
static int64_t owed_ms(const struct penalties *penalties, const struct origin *origin,
		       int64_t now_ms)
{
	uint64_t until = 0;

	if (origin->kind == ORIGIN_ROOT)
		return 0;
	for (size_t slot = 0; slot < penalties->shmem->count; slot++) {
		const struct tally tally = tally_of(penalties, slot);
		uint64_t one = tally_get(&tally, origin->key);
		if (one <= (uint64_t)now_ms + MTLS_AUTHD_PENALTY_MAX_MS)
			until = one > until ? one : until;
	}
	if (until <= (uint64_t)now_ms)
		return 0;
	uint64_t owed = until - (uint64_t)now_ms;
	return owed < penalties->config.max_ms ? (int64_t)owed : penalties->config.max_ms;
}

bool penalties_add(struct penalties *penalties, const struct origin *origin, int64_t now_ms)
{
	struct tally tally = tally_of(penalties, penalties->slot);

	if (!penalties->config.failure_ms || origin->kind == ORIGIN_ROOT)
		return false;
	int64_t owed = owed_ms(penalties, origin, now_ms) + penalties->config.failure_ms;
	if (owed > penalties->config.max_ms)
		owed = penalties->config.max_ms;
	uint64_t until = (uint64_t)(now_ms + owed);
	if (tally_set(&tally, origin->key, until, (uint64_t)now_ms))
		return true;
	return tally_set(&tally, origin->key, until, tally_least(&tally, origin->key));
}

int64_t penalties_wait(const struct penalties *penalties, const struct origin *origin,
		       int64_t now_ms)
{
	if (!penalties->config.failure_ms)
		return 0;
	int64_t owed = owed_ms(penalties, origin, now_ms);
	return owed > penalties->config.grace_ms ? owed - penalties->config.grace_ms : 0;
}
