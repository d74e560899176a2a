/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Made by the supervisor before it forks; each worker has the same mapping. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>

#include "authd/limits.h"
#include "authd/penalties.h"
#include "authd/shared.h"

int shared_new(size_t slots, struct shared **ret)
{
	_cleanup_(shared_freep) struct shared *shared = calloc(1, sizeof(*shared));
	if (!shared)
		return -ENOMEM;
	int r = origin_secret_make(&shared->secret);
	if (r >= 0)
		r = counter_set_new(slots, &shared->counters);
	if (r >= 0)
		r = shmem_map(&shared->limits, slots, limits_row_size());
	if (r >= 0)
		r = shmem_map(&shared->penalties, slots, penalties_row_size());
	if (r >= 0)
		r = pulse_map(&shared->pulses, slots);
	if (r < 0)
		return r;
	*ret = MTLS_TAKE(shared);
	return 0;
}

void shared_free(struct shared *shared)
{
	if (!shared)
		return;
	counter_set_free(shared->counters);
	shmem_unmap(&shared->pulses);
	shmem_unmap(&shared->limits);
	shmem_unmap(&shared->penalties);
	free(shared);
}

int shared_keep(const struct shared *shared, size_t slot)
{
	int r = counter_set_keep(shared->counters, slot);
	if (r >= 0)
		r = shmem_keep(&shared->pulses, slot);
	if (r >= 0)
		r = shmem_keep(&shared->limits, slot);
	return r < 0 ? r : shmem_keep(&shared->penalties, slot);
}

void shared_reap(struct shared *shared, size_t slot)
{
	counter_set_reap(shared->counters, slot);
	shmem_clear(&shared->pulses, slot);
	shmem_clear(&shared->limits, slot);
	/* Penalties pass by themselves. */
}
