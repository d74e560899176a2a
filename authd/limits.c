/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connection counts. A worker counts a connection in its own row first and then looks at the sums
 * of all rows: two workers that take the last place at the same moment may both give it back, they
 * never both keep it.
 */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "authd/limits.h"
#include "authd/tally.h"

/* Room for as many origins as there may be connections; pages that are not used cost nothing. */
#define ENTRIES 131072

struct row {
	_Atomic uint32_t held[LIMITS_CLASSES];
	struct tally_entry entries[ENTRIES];
};

struct limits {
	struct limits_config config;
	const struct shmem *shmem; /* borrowed */
	size_t slot;
};

/* What all workers hold together. */
struct sums {
	uint64_t held[LIMITS_CLASSES];
	uint64_t total;
	uint64_t same; /* with the key that was asked for */
};

size_t limits_row_size(void)
{
	return sizeof(struct row);
}

static bool listens_on(const struct mtls_settings_authd *settings, const char *prefix)
{
	for (char **text = settings->listen; text && *text; text++)
		if (strncmp(*text, prefix, strlen(prefix)) == 0)
			return true;
	return false;
}

void limits_config_make(const struct mtls_settings_authd *settings, struct limits_config *ret)
{
	uint32_t eighth = settings->max_connections / 8;
	uint32_t reserved = eighth ? eighth : 1;
	uint32_t rest = settings->max_connections - reserved;
	uint32_t tcp = (uint32_t)((uint64_t)rest * settings->tcp_share / 100);

	*ret = (struct limits_config){
		.max_connections = settings->max_connections,
		.reserved = reserved,
		/* Where there is nothing but one kind of socket, all is for it. */
		.max_tcp = listens_on(settings, "unix:") ? tcp : rest,
		.max_unix = listens_on(settings, "tcp:") ? rest - tcp : rest,
		.max_per_uid = settings->max_per_uid,
		.max_per_address = settings->max_per_address,
	};
}

int limits_new(const struct limits_config *config, const struct shmem *shmem, size_t slot,
	       struct limits **ret)
{
	struct limits *limits = calloc(1, sizeof(*limits));
	if (!limits)
		return -ENOMEM;
	*limits = (struct limits){ .config = *config, .shmem = shmem, .slot = slot };
	*ret = limits;
	return 0;
}

void limits_free(struct limits *limits)
{
	free(limits);
}

struct limits_place limits_place_of(const struct peer *peer, const struct origin *origin)
{
	if (peer->transport == PEER_TCP)
		return (struct limits_place){ LIMITS_ADDRESS, origin->key };
	if (peer->uid != 0)
		return (struct limits_place){ LIMITS_UID, origin->key };
	if (origin->kind == ORIGIN_UID)
		return (struct limits_place){ LIMITS_INVOKER, origin->key };
	return (struct limits_place){ LIMITS_ROOT, 0 };
}

static struct tally tally_of(struct row *row)
{
	return (struct tally){ .entries = row->entries, .count = ENTRIES };
}

static void add_row(struct sums *sums, struct row *row, uint64_t key)
{
	uint64_t held = 0;

	for (size_t i = 0; i < LIMITS_CLASSES; i++) {
		uint32_t count = atomic_load(&row->held[i]);
		sums->held[i] += count;
		held += count;
	}
	sums->total += held;
	if (held == 0 || key == 0)
		return;
	const struct tally tally = tally_of(row);
	sums->same += tally_get(&tally, key);
}

static struct sums sum_up(const struct limits *limits, uint64_t key)
{
	struct sums sums = { 0 };

	for (size_t slot = 0; slot < limits->shmem->count; slot++)
		add_row(&sums, shmem_row(limits->shmem, slot), key);
	return sums;
}

uint32_t limits_total(const struct limits *limits)
{
	return (uint32_t)sum_up(limits, 0).total;
}

/* Counts @place in our own row; false if there is no room for its key. */
static bool count_in(struct limits *limits, const struct limits_place *place)
{
	struct row *row = shmem_row(limits->shmem, limits->slot);
	struct tally tally = tally_of(row);

	if (place->key && !tally_set(&tally, place->key, tally_get(&tally, place->key) + 1, 0))
		return false;
	(void)atomic_fetch_add(&row->held[place->class], 1);
	return true;
}

static void count_out(struct limits *limits, const struct limits_place *place)
{
	struct row *row = shmem_row(limits->shmem, limits->slot);
	struct tally tally = tally_of(row);

	assert(atomic_load(&row->held[place->class]) > 0);
	(void)atomic_fetch_sub(&row->held[place->class], 1);
	if (!place->key)
		return;
	uint64_t count = tally_get(&tally, place->key);
	assert(count > 0);
	(void)tally_set(&tally, place->key, count - 1, 0);
}

static enum limits_cause judge_uid(const struct limits_config *config, const struct sums *sums)
{
	if (sums->same > config->max_per_uid)
		return LIMITS_OVER_UID;
	if (sums->held[LIMITS_UID] > config->max_unix)
		return LIMITS_OVER_SHARE;
	return LIMITS_OK;
}

static enum limits_cause judge_address(const struct limits_config *config, const struct sums *sums)
{
	if (sums->same > config->max_per_address)
		return LIMITS_OVER_ADDRESS;
	if (sums->held[LIMITS_ADDRESS] > config->max_tcp)
		return LIMITS_OVER_SHARE;
	return LIMITS_OK;
}

/* @sums has the connection in question already. */
static enum limits_cause judge(const struct limits_config *config, enum limits_class class,
			       const struct sums *sums)
{
	enum limits_cause cause = LIMITS_OK;
	uint32_t kept = 0;

	switch (class) {
	case LIMITS_ADDRESS:
		cause = judge_address(config, sums);
		kept = config->reserved;
		break;
	case LIMITS_UID:
		cause = judge_uid(config, sums);
		kept = config->reserved;
		break;
	case LIMITS_INVOKER:
		cause = sums->same > config->max_per_uid ? LIMITS_OVER_UID : LIMITS_OK;
		/* Rounded up: with a reserve of one, that one is root's own. */
		kept = (config->reserved + 1) / 2;
		break;
	default:
		break;
	}
	if (cause != LIMITS_OK)
		return cause;
	if (sums->total > config->max_connections)
		return LIMITS_OVER_TOTAL;
	return sums->total + kept > config->max_connections ? LIMITS_OVER_RESERVED : LIMITS_OK;
}

enum limits_cause limits_admit(struct limits *limits, const struct limits_place *place)
{
	/* More origins than the table holds are more than there may be connections. */
	if (!count_in(limits, place))
		return LIMITS_OVER_TOTAL;
	const struct sums sums = sum_up(limits, place->key);
	enum limits_cause cause = judge(&limits->config, place->class, &sums);
	if (cause != LIMITS_OK)
		count_out(limits, place);
	return cause;
}

void limits_count(struct limits *limits, const struct limits_place *place)
{
	/* Its entry was given back a moment ago, and nobody else writes to this row. */
	bool counted = count_in(limits, place);
	assert(counted);
}

void limits_release(struct limits *limits, const struct limits_place *place)
{
	count_out(limits, place);
}

enum counter limits_counter(enum limits_cause cause)
{
	static const enum counter counters[] = {
		[LIMITS_OK] = COUNTER_COUNT,
		[LIMITS_OVER_TOTAL] = COUNTER_LIMITED_TOTAL,
		[LIMITS_OVER_RESERVED] = COUNTER_LIMITED_RESERVED,
		[LIMITS_OVER_SHARE] = COUNTER_LIMITED_SHARE,
		[LIMITS_OVER_UID] = COUNTER_LIMITED_UID,
		[LIMITS_OVER_ADDRESS] = COUNTER_LIMITED_ADDRESS,
	};
	return counters[cause];
}

const char *limits_cause_text(enum limits_cause cause)
{
	static const char *const texts[] = {
		[LIMITS_OK] = "within the limits",
		[LIMITS_OVER_TOTAL] = "over max_connections",
		[LIMITS_OVER_RESERVED] = "what is left of max_connections is kept for root",
		[LIMITS_OVER_SHARE] = "over the share of its kind of socket, see tcp_share",
		[LIMITS_OVER_UID] = "over max_per_uid",
		[LIMITS_OVER_ADDRESS] = "over max_per_address",
	};
	return texts[cause];
}
