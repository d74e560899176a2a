/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory that the supervisor and its workers share: one row of whole pages for each worker slot. A
 * worker reads all rows and writes its own only; the kernel holds it to that, so who breaks into
 * one worker cannot write what the others have said. Rows that nobody touched cost no memory.
 */
#ifndef AUTHD_SHMEM_H
#define AUTHD_SHMEM_H

#include <stddef.h>
#include <stdint.h>

struct shmem {
	uint8_t *base;
	size_t stride; /* bytes from row to row: whole pages */
	size_t count;
};

/* Maps @count rows of at least @size bytes, zeroed. 0 or -errno. */
int shmem_map(struct shmem *shmem, size_t count, size_t size);
void shmem_unmap(struct shmem *shmem);

void *shmem_row(const struct shmem *shmem, size_t index);

/*
 * For a worker, before its system-call filter: all rows but @index can only be read from now on.
 * The filter has no mprotect(2), so this is for good. 0 or -errno.
 */
int shmem_keep(const struct shmem *shmem, size_t index);

/* Zeroes row @index and gives its memory back; for the supervisor, once nobody writes to it. */
void shmem_clear(const struct shmem *shmem, size_t index);

#endif
