/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Failures make their origin wait. Each adds a time; what has added up melts away as time passes,
 * and only what is over a grace is waited for: a person who fails twice notices nothing, who fails
 * again and again is held to one failure in each such time. Root's own logins have no origin that
 * could be penalised. Over all workers: each notes what it saw in a row of shared memory and reads
 * the others'. Bounded: where too many origins have failed, the one that is nearly forgiven goes.
 */
#ifndef AUTHD_PENALTIES_H
#define AUTHD_PENALTIES_H

#include <stdbool.h>
#include <stdint.h>

#include "authd/origin.h"
#include "authd/shmem.h"
#include "lib/base/cleanup.h"
#include "lib/wire/reason.h"

struct penalties_config {
	uint32_t failure_ms; /* what one failure adds; 0: no penalties */
	uint32_t grace_ms;   /* so much is not waited for */
	uint32_t max_ms;     /* more does not add up */
};

/* Bytes of a worker's row. */
size_t penalties_row_size(void);

struct penalties;

/* @shmem (borrowed) has rows of penalties_row_size(); @slot is this worker's. 0 or -ENOMEM. */
int penalties_new(const struct penalties_config *config, const struct shmem *shmem, size_t slot,
		  struct penalties **ret);
void penalties_free(struct penalties *penalties);
MTLS_DEFINE_CLEANUP(struct penalties *, penalties_free)

/* Whether a login that ended for @reason is a failure of where it came from, not ours. */
bool penalties_counts(enum mtls_reason reason);

/* Notes a failure of @origin. @now_ms: CLOCK_MONOTONIC. True unless it is root's or they are off.
 */
bool penalties_add(struct penalties *penalties, const struct origin *origin, int64_t now_ms);

/* Milliseconds that @origin has to wait; 0: none. */
int64_t penalties_wait(const struct penalties *penalties, const struct origin *origin,
		       int64_t now_ms);

#endif
