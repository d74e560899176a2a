/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How many connections there may be, over all workers, those that drain included: in total, of TCP,
 * of one uid, of one address (IPv6: one /64). Each worker counts its own in a row of shared memory
 * and reads the others'; the supervisor clears the row of a worker that has ended, so a killed one
 * leaves nothing behind.
 *
 * Who may take what:
 *	root's programs for root	everything
 *	root's programs that a person	all but half of the reserve, and max_per_uid for each
 *person: runs (sudo, su)			nobody keeps root out by starting sudo other uids,
 *TCP			all but the reserve, each within its share; max_per_uid, max_per_address
 */
#ifndef AUTHD_LIMITS_H
#define AUTHD_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "authd/counters.h"
#include "authd/origin.h"
#include "authd/shmem.h"
#include "lib/base/cleanup.h"
#include "lib/settings/authd.h"

struct limits_config {
	uint32_t max_connections;
	uint32_t reserved; /* of these, for root's programs */
	uint32_t max_unix; /* of the rest, for other uids on unix sockets */
	uint32_t max_tcp;
	uint32_t max_per_uid;
	uint32_t max_per_address;
};

enum limits_class {
	LIMITS_ROOT = 0,
	LIMITS_INVOKER, /* a program of root that a person runs */
	LIMITS_UID,
	LIMITS_ADDRESS,
	LIMITS_CLASSES,
};

enum limits_cause {
	LIMITS_OK = 0,
	LIMITS_OVER_TOTAL,
	LIMITS_OVER_RESERVED, /* the rest is kept for root */
	LIMITS_OVER_SHARE,
	LIMITS_OVER_UID,
	LIMITS_OVER_ADDRESS,
};

/* What a connection was counted as. */
struct limits_place {
	enum limits_class class;
	uint64_t key; /* of its origin; 0 for root */
};

/* The numbers for @settings. An eighth, at least one place, is the reserve. */
void limits_config_make(const struct mtls_settings_authd *settings, struct limits_config *ret);

/* Bytes of a worker's row. */
size_t limits_row_size(void);

struct limits;

/* @shmem (borrowed) has rows of limits_row_size(); @slot is this worker's. 0 or -ENOMEM. */
int limits_new(const struct limits_config *config, const struct shmem *shmem, size_t slot,
	       struct limits **ret);
void limits_free(struct limits *limits);
MTLS_DEFINE_CLEANUP(struct limits *, limits_free)

/* Where a connection of @peer, whose origin is @origin, belongs. */
struct limits_place limits_place_of(const struct peer *peer, const struct origin *origin);

/* Counts a connection at @place, or says why not: then nothing was counted. */
enum limits_cause limits_admit(struct limits *limits, const struct limits_place *place);

/* Counts one that is here already, over the limit or not. */
void limits_count(struct limits *limits, const struct limits_place *place);

/* Gives back what limits_admit() counted. */
void limits_release(struct limits *limits, const struct limits_place *place);

/* Of all workers. */
uint32_t limits_total(const struct limits *limits);

enum counter limits_counter(enum limits_cause cause);

/* "over max_connections": for the log. */
const char *limits_cause_text(enum limits_cause cause);

#endif
