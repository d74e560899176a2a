/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Preloaded into mtls-accountd by crash.py: lets the n-th write, sync or rename of the store
 * process or of the publisher fail, or be the process's last moment. Orders come through a page
 * that the test shares with it, so no further system call is needed and the sandbox stays as it is.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WRITES, SYNCS, RENAMES, KINDS };
#define EVERY KINDS      /* order: any of them */
#define DIE   UINT32_MAX /* order: do not come back from it */

/* One for each role; crash.py knows this layout. */
struct orders {
	_Atomic uint32_t kind;
	_Atomic uint32_t error;    /* errno, or DIE */
	_Atomic int32_t countdown; /* 0: no order; 1: the next one */
	_Atomic uint32_t obeyed[KINDS];
	_Atomic uint32_t died;
};

static struct orders *orders; /* NULL: a process without a role */

__attribute__((constructor)) static void take_role(int argc, char **argv)
{
	static const char *const roles[] = { "--store-process", "--publisher-process" };
	const char *path = getenv("MTLS_CRASH_PAGE");

	if (!path || argc < 2)
		return;
	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++) {
		if (strcmp(argv[1], roles[i]) != 0)
			continue;
		int fd = open(path, O_RDWR | O_CLOEXEC);
		void *page = fd < 0 ? MAP_FAILED
				    : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (fd >= 0)
			(void)close(fd);
		if (page == MAP_FAILED)
			abort(); /* a test without faults shows nothing */
		orders = (struct orders *)page + i;
	}
}

static int is_file(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* Whether this call is the one; then errno is set. */
static int strike(uint32_t kind)
{
	if (!orders)
		return 0;
	uint32_t wanted = atomic_load(&orders->kind);
	if (wanted != EVERY && wanted != kind)
		return 0;
	int32_t left = atomic_load(&orders->countdown);
	if (left <= 0 || atomic_fetch_sub(&orders->countdown, 1) != 1)
		return 0;
	uint32_t error = atomic_load(&orders->error);
	if (error == DIE) {
		(void)atomic_fetch_add(&orders->died, 1);
		__builtin_trap();
	}
	(void)atomic_fetch_add(&orders->obeyed[kind], 1);
	errno = (int)error;
	return 1;
}

/* The C library's own function of that name. */
static void *next(const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);
	if (!found)
		abort();
	return found;
}

#define REAL(name) ((__typeof__(&name))next(#name))

ssize_t write(int fd, const void *data, size_t len)
{
	if (orders && is_file(fd) && strike(WRITES)) {
		/* Half of it is worse than nothing. */
		int error = errno;
		ssize_t half = REAL(write)(fd, data, len / 2);
		(void)half;
		errno = error;
		return -1;
	}
	return REAL(write)(fd, data, len);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
	if (strike(WRITES)) {
		int error = errno;
		ssize_t half = REAL(pwrite)(fd, data, len / 2, at);
		(void)half;
		errno = error;
		return -1;
	}
	return REAL(pwrite)(fd, data, len, at);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
	if (strike(WRITES)) {
		int error = errno;
		ssize_t half = REAL(pwrite64)(fd, data, len / 2, at);
		(void)half;
		errno = error;
		return -1;
	}
	return REAL(pwrite64)(fd, data, len, at);
}

int fsync(int fd)
{
	return strike(SYNCS) ? -1 : REAL(fsync)(fd);
}

int fdatasync(int fd)
{
	return strike(SYNCS) ? -1 : REAL(fdatasync)(fd);
}

int rename(const char *from, const char *to)
{
	return strike(RENAMES) ? -1 : REAL(rename)(from, to);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	return strike(RENAMES) ? -1 : REAL(renameat)(from_fd, from, to_fd, to);
}
