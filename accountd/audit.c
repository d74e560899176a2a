/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A bucket of lines that time refills, and two sets of hashes. A hash that collides costs a line of
 * the log, which the status has besides.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "accountd/audit.h"

#define FIRST_ROOM 256

static bool may_log(struct audit *audit)
{
	int64_t back = (mtls_now_ms() - audit->since_ms) / AUDIT_LINE_MS;

	audit->since_ms += back * AUDIT_LINE_MS;
	audit->spent = back < audit->spent ? audit->spent - back : 0;
	if (audit->spent >= AUDIT_LINES_MAX) {
		audit->left_out++;
		return false;
	}
	audit->spent++;
	return true;
}

void audit_line(struct audit *audit, enum mtls_log_level level, const char *sentence)
{
	if (may_log(audit))
		mtls_log(level, "%s", sentence);
}

/* ---------------------------------------------------------------------------------- sets */

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
	return left < right ? -1 : left > right;
}

static bool has(const struct audit_set *set, uint64_t hash)
{
	return set->count && bsearch(&hash, set->hash, set->count, sizeof(hash), compare);
}

/* Short of memory, or over the limit, it is logged again with the next stream. */
static void remember(struct audit_set *set, uint64_t hash)
{
	if (set->count == set->room) {
		size_t room = set->room ? 2 * set->room : FIRST_ROOM;
		uint64_t *grown = set->count < AUDIT_KNOWN_MAX
					  ? reallocarray(set->hash, room, sizeof(hash))
					  : NULL;
		if (!grown)
			return;
		set->hash = grown;
		set->room = room;
	}
	set->hash[set->count++] = hash;
}

static void forget(struct audit_set *set)
{
	free(set->hash);
	*set = (struct audit_set){ 0 };
}

/* -------------------------------------------------------------------------------- streams */

void audit_begin(struct audit *audit)
{
	forget(&audit->now);
}

void audit_dropped(struct audit *audit, const char *sentence)
{
	uint64_t hash = XXH3_64bits(sentence, strlen(sentence));

	remember(&audit->now, hash);
	if (!has(&audit->before, hash) && may_log(audit))
		mtls_log(MTLS_LOG_NOTICE, "dropped: %s", sentence);
}

static void sum_up(struct audit *audit)
{
	if (!audit->left_out || mtls_deadline_left_ms(audit->quiet_until))
		return;
	mtls_log(MTLS_LOG_WARNING, "dropped: %llu more lines, see mtlsctl account status",
		 (unsigned long long)audit->left_out);
	audit->left_out = 0;
	audit->quiet_until = mtls_deadline_in_ms(AUDIT_SUM_MS);
}

void audit_end(struct audit *audit, bool published)
{
	if (published) {
		forget(&audit->before);
		audit->before = audit->now;
		audit->now = (struct audit_set){ 0 };
		if (audit->before.count)
			qsort(audit->before.hash, audit->before.count, sizeof(uint64_t), compare);
	}
	sum_up(audit);
}

void audit_done(struct audit *audit)
{
	forget(&audit->before);
	forget(&audit->now);
}
