/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a worker goes round its event loop: it counts up in its row of shared memory, and the
 * supervisor compares from tick to tick. Ticks are counted, not time: where both were stopped (a
 * frozen machine) nothing has happened.
 */
#ifndef AUTHD_PULSE_H
#define AUTHD_PULSE_H

#include <stdint.h>

#include "authd/shmem.h"

/* What the supervisor has seen of one. Zero it when a process starts. */
struct pulse_watch {
	uint64_t seen;
	uint32_t still; /* ticks without a beat */
};

/* 0 or -errno. */
int pulse_map(struct shmem *shmem, size_t slots);

/* For the worker of @slot. */
void pulse_beat(const struct shmem *shmem, size_t slot);

/* For the supervisor, once a tick. */
void pulse_look(const struct shmem *shmem, size_t slot, struct pulse_watch *watch);

#endif
