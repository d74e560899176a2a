/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Beats in shared memory. */
#include <config.h>

#include <stdatomic.h>

#include "authd/pulse.h"

struct pulse {
	_Atomic uint64_t beats;
};

int pulse_map(struct shmem *shmem, size_t slots)
{
	return shmem_map(shmem, slots, sizeof(struct pulse));
}

void pulse_beat(const struct shmem *shmem, size_t slot)
{
	struct pulse *pulse = shmem_row(shmem, slot);

	(void)atomic_fetch_add_explicit(&pulse->beats, 1, memory_order_relaxed);
}

void pulse_look(const struct shmem *shmem, size_t slot, struct pulse_watch *watch)
{
	struct pulse *pulse = shmem_row(shmem, slot);
	uint64_t beats = atomic_load_explicit(&pulse->beats, memory_order_relaxed);

	watch->still = beats == watch->seen ? watch->still + 1 : 0;
	watch->seen = beats;
}
