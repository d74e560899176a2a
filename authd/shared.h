/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything that workers write for the supervisor and for each other to read: a row a slot. */
#ifndef AUTHD_SHARED_H
#define AUTHD_SHARED_H

#include <stddef.h>

#include "authd/counters.h"
#include "authd/origin.h"
#include "authd/pulse.h"
#include "authd/shmem.h"
#include "lib/base/cleanup.h"

struct shared {
	struct counter_set *counters; /* owned */
	struct shmem pulses;          /* rows of pulse.c */
	struct shmem limits;          /* rows of limits.c */
	struct shmem penalties;       /* rows of penalties.c */
	struct origin_secret secret;
};

/* Room for @slots workers at a time, those that drain included. 0 or -errno. */
int shared_new(size_t slots, struct shared **ret);
void shared_free(struct shared *shared);
MTLS_DEFINE_CLEANUP(struct shared *, shared_free)

/* For the worker of @slot, before its system-call filter: it gives up writing other rows. */
int shared_keep(const struct shared *shared, size_t slot);

/* For the supervisor, when the worker of @slot has ended, in whatever way: nothing of it is left.
 */
void shared_reap(struct shared *shared, size_t slot);

#endif
