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
	_Atomic uint32_t unsynced; /* files that got a name with bytes that were not synced */
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

/*
 * No process that dies loses what it has written; a machine does. So files whose last bytes were
 * not synced are remembered.
 */
#define DIRTY_MAX 64
static struct {
	dev_t device;
	ino_t number; /* 0: free */
} dirty[DIRTY_MAX];
static unsigned int turn;

static int find_dirty(const struct stat *st)
{
	for (int i = 0; i < DIRTY_MAX; i++)
		if (dirty[i].number == st->st_ino && dirty[i].device == st->st_dev)
			return i;
	return -1;
}

static void mark(int fd, int clean)
{
	struct stat st;
	int error = errno;
	if (orders && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		int at = find_dirty(&st);
		if (at >= 0 && clean)
			dirty[at].number = 0;
		if (at < 0 && !clean) {
			/* The oldest was removed long ago. */
			at = turn++ % DIRTY_MAX;
			dirty[at].device = st.st_dev;
			dirty[at].number = st.st_ino;
		}
	}
	errno = error;
}

/* It gets its name by rename(2). */
static void look_at(const char *path)
{
	struct stat st;
	if (orders && stat(path, &st) == 0 && find_dirty(&st) >= 0)
		(void)atomic_fetch_add(&orders->unsynced, 1);
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
	mark(fd, 0);
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
	mark(fd, 0);
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
	mark(fd, 0);
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
	if (strike(SYNCS))
		return -1;
	mark(fd, 1);
	return REAL(fsync)(fd);
}

int fdatasync(int fd)
{
	if (strike(SYNCS))
		return -1;
	mark(fd, 1);
	return REAL(fdatasync)(fd);
}

int rename(const char *from, const char *to)
{
	if (strike(RENAMES))
		return -1;
	look_at(from);
	return REAL(rename)(from, to);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	return strike(RENAMES) ? -1 : REAL(renameat)(from_fd, from, to_fd, to);
}
