/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of shared memory. The mapping is made by the supervisor and inherited by fork. */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "authd/shmem.h"

int shmem_map(struct shmem *shmem, size_t count, size_t size)
{
	long page = sysconf(_SC_PAGESIZE);
	if (page <= 0)
		return -ENOSYS;
	size_t stride = (size + (size_t)page - 1) / (size_t)page * (size_t)page;
	/* Most rows are never touched: no memory is set aside for them. */
	void *base = mmap(NULL, count * stride, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return -errno;
	*shmem = (struct shmem){ .base = base, .stride = stride, .count = count };
	return 0;
}

void shmem_unmap(struct shmem *shmem)
{
	if (shmem->base)
		(void)munmap(shmem->base, shmem->count * shmem->stride);
	*shmem = (struct shmem){ 0 };
}

void *shmem_row(const struct shmem *shmem, size_t index)
{
	return shmem->base + index * shmem->stride;
}

int shmem_keep(const struct shmem *shmem, size_t index)
{
	uint8_t *own = shmem_row(shmem, index);
	uint8_t *next = own + shmem->stride;
	uint8_t *end = shmem->base + shmem->count * shmem->stride;

	if (own > shmem->base && mprotect(shmem->base, (size_t)(own - shmem->base), PROT_READ) < 0)
		return -errno;
	if (next < end && mprotect(next, (size_t)(end - next), PROT_READ) < 0)
		return -errno;
	return 0;
}

void shmem_clear(const struct shmem *shmem, size_t index)
{
	/* Pages that are given back read as zeros. */
	if (madvise(shmem_row(shmem, index), shmem->stride, MADV_REMOVE) < 0)
		memset(shmem_row(shmem, index), 0, shmem->stride);
}
