/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The folder of the snapshot, as its one writer uses it. One process at a time holds the lock, so
 * the temporary file has a fixed name and a crash leaves no litter behind: the next publisher
 * replaces it. Everything that can fail is done before the rename, but for what makes the rename
 * last; then readers are told. One thread.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "lib/acctdb/place.h"
#include "lib/acctdb/reader.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"

#define LOCK_POLL_MS 20

struct mtls_acctplace {
	char *path, *folder, *temporary, *gen; /* owned */
	uid_t owner;
	int lock;
	int fd; /* of the temporary file; -1: there is none of ours */
};

static int fail(struct mtls_diag *diag, int err, const char *what, const char *path)
{
	return mtls_diag_set(diag, err, "cannot %s '%s': %s", what, path, mtls_strerror(err));
}

static int no_memory(struct mtls_diag *diag)
{
	return mtls_diag_set(diag, -ENOMEM, "out of memory");
}

static char *beside(const char *folder, const char *name)
{
	char *path;
	return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

static int name_paths(struct mtls_acctplace *place, const char *path, struct mtls_diag *diag)
{
	const char *slash = strrchr(path, '/');
	if (path[0] != '/' || slash == path || !slash[1])
		return mtls_diag_set(diag, -EINVAL, "'%s' is not an absolute path in a folder",
				     path);
	place->path = strdup(path);
	place->folder = strndup(path, (size_t)(slash - path));
	if (place->folder)
		place->gen = beside(place->folder, MTLS_ACCTDB_GEN_NAME);
	if (asprintf(&place->temporary, "%s.new", path) < 0)
		place->temporary = NULL;
	if (!place->path || !place->folder || !place->gen || !place->temporary)
		return no_memory(diag);
	return 0;
}

/* Makes @folder, and the one above it, as 0755 whatever the umask. */
static int make_folder(const char *folder, bool with_parent, struct mtls_diag *diag)
{
	if (mkdir(folder, 0755) == 0)
		return chmod(folder, 0755) < 0 ? fail(diag, -errno, "chmod", folder) : 0;
	if (errno == EEXIST)
		return 0;
	if (errno != ENOENT || !with_parent)
		return fail(diag, -errno, "create the folder", folder);
	_cleanup_free_ char *parent = strdup(folder);
	if (!parent)
		return no_memory(diag);
	char *slash = strrchr(parent, '/');
	if (!slash || slash == parent)
		return fail(diag, -ENOENT, "create the folder", folder);
	*slash = '\0';
	int r = make_folder(parent, false, diag);
	return r < 0 ? r : make_folder(folder, false, diag);
}

static bool is_owned(const struct stat *st, uid_t owner)
{
	return (st->st_uid == 0 || st->st_uid == owner) && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

static int check_folder(const char *folder, uid_t owner, struct mtls_diag *diag)
{
	struct stat st;
	if (lstat(folder, &st) < 0)
		return fail(diag, -errno, "stat", folder);
	if (!S_ISDIR(st.st_mode) || !is_owned(&st, owner))
		return mtls_diag_set(diag, MTLS_E_UNTRUSTED,
				     "'%s' must be a folder of root that nobody else may write to",
				     folder);
	return 0;
}

static int take_lock(struct mtls_acctplace *place, uint32_t timeout_ms, struct mtls_diag *diag)
{
	_cleanup_free_ char *path = beside(place->folder, MTLS_ACCTDB_LOCK_NAME);
	if (!path)
		return no_memory(diag);
	/* 0600: who may not open the file cannot hold the lock against us. */
	place->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (place->lock < 0)
		return fail(diag, -errno, "open the lock", path);
	mtls_deadline deadline = mtls_deadline_in_ms(timeout_ms);
	while (flock(place->lock, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK)
			return fail(diag, -errno, "lock", path);
		if (!mtls_deadline_left_ms(deadline))
			return mtls_diag_set(diag, MTLS_E_BUSY,
					     "another process publishes the accounts (lock '%s')",
					     path);
		(void)poll(NULL, 0, LOCK_POLL_MS);
	}
	return 0;
}

/* Made once and never replaced: processes keep the page mapped for as long as they live. */
static int make_gen(const struct mtls_acctplace *place, struct mtls_diag *diag)
{
	static const uint8_t zeros[MTLS_ACCTDB_GEN_SIZE];
	const struct mtls_file_mode mode = {
		.mode = 0644, .uid = (uid_t)-1, .gid = (gid_t)-1, .exclusive = true
	};
	struct stat st;
	if (lstat(place->gen, &st) == 0)
		return 0;
	int r = mtls_file_replace(place->gen, zeros, sizeof(zeros), &mode, diag);
	return r == -EEXIST ? 0 : r;
}

/* The page of the counter, trusted and large enough. -ENOENT without words if there is none. */
static int map_gen(const char *path, uid_t owner, bool writing, _Atomic uint64_t **ret,
		   struct mtls_diag *diag)
{
	struct stat st;
	_cleanup_close_ int fd =
		open(path, (writing ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(diag, -errno, "open", path);
	if (!S_ISREG(st.st_mode) || !is_owned(&st, owner) || st.st_size < MTLS_ACCTDB_GEN_SIZE)
		return mtls_diag_set(diag, MTLS_E_UNTRUSTED,
				     "'%s' must be a file of root, mode 0644, of %d bytes", path,
				     MTLS_ACCTDB_GEN_SIZE);
	void *map = mmap(NULL, MTLS_ACCTDB_GEN_SIZE, PROT_READ | (writing ? PROT_WRITE : 0),
			 MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return fail(diag, -errno, "map", path);
	*ret = map;
	return 0;
}

int mtls_acctplace_count(const char *path, uid_t owner, struct mtls_diag *diag)
{
	_Atomic uint64_t *counter;
	int r = map_gen(path, owner, true, &counter, diag);
	if (r == -ENOENT)
		return fail(diag, r, "open", path);
	if (r < 0)
		return r;
	(void)atomic_fetch_add_explicit(counter, 1, memory_order_acq_rel);
	(void)munmap(counter, MTLS_ACCTDB_GEN_SIZE);
	return 0;
}

int mtls_acctplace_counted(const char *path, uid_t owner, uint64_t *ret_count,
			   struct mtls_diag *diag)
{
	_Atomic uint64_t *counter;
	int r = map_gen(path, owner, false, &counter, diag);
	if (r < 0 && r != -ENOENT)
		return r;
	if (r == -ENOENT) {
		*ret_count = 0;
		return 0;
	}
	*ret_count = atomic_load_explicit(counter, memory_order_acquire);
	(void)munmap(counter, MTLS_ACCTDB_GEN_SIZE);
	return 0;
}

/* A publisher that died between rename and count: readers learn of its file now. */
static int make_good(const struct mtls_acctplace *place, struct mtls_diag *diag)
{
	struct stat st;
	int r = make_gen(place, diag);
	if (r < 0 || (lstat(place->path, &st) < 0 && errno == ENOENT))
		return r;
	return mtls_acctplace_count(place->gen, place->owner, diag);
}

int mtls_acctplace_open(const char *path, uid_t owner, uint32_t lock_timeout_ms,
			struct mtls_acctplace **ret, struct mtls_diag *diag)
{
	_cleanup_(mtls_acctplace_closep) struct mtls_acctplace *place = calloc(1, sizeof(*place));
	if (!place)
		return no_memory(diag);
	place->lock = -1;
	place->fd = -1;
	place->owner = owner;
	int r = name_paths(place, path, diag);
	if (r >= 0)
		r = make_folder(place->folder, true, diag);
	if (r >= 0)
		r = check_folder(place->folder, owner, diag);
	if (r >= 0)
		r = take_lock(place, lock_timeout_ms, diag);
	if (r >= 0)
		r = make_good(place, diag);
	if (r < 0)
		return r;
	*ret = MTLS_TAKE(place);
	return 0;
}

void mtls_acctplace_close(struct mtls_acctplace *place)
{
	if (!place)
		return;
	mtls_acctplace_discard(place);
	if (place->lock >= 0)
		(void)close(place->lock);
	free(place->path);
	free(place->folder);
	free(place->temporary);
	free(place->gen);
	free(place);
}

void mtls_acctplace_discard(struct mtls_acctplace *place)
{
	if (place->fd < 0)
		return;
	(void)unlink(place->temporary);
	(void)close(MTLS_TAKE_FD(place->fd));
}

int mtls_acctplace_begin(struct mtls_acctplace *place, int *ret_fd, struct mtls_diag *diag)
{
	mtls_acctplace_discard(place);
	if (unlink(place->temporary) < 0 && errno != ENOENT)
		return fail(diag, -errno, "remove", place->temporary);
	place->fd =
		open(place->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (place->fd < 0)
		return fail(diag, -errno, "create", place->temporary);
	*ret_fd = place->fd;
	return 0;
}

/* What was written is what a reader opens; and it is on the disk before it has the name. */
static int complete(const struct mtls_acctplace *place, struct mtls_diag *diag)
{
	struct mtls_acctdb db;
	int r = mtls_acctdb_open_fd(&db, place->fd);
	if (r < 0)
		return fail(diag, r, "read back", place->temporary);
	mtls_acctdb_close(&db);
	if (fchmod(place->fd, 0644) < 0 || fsync(place->fd) < 0)
		return fail(diag, -errno, "finish", place->temporary);
	/* It may have gone since this place was opened; without it, nobody would notice. */
	r = make_gen(place, diag);
	if (r < 0)
		return r;
	if (rename(place->temporary, place->path) < 0)
		return fail(diag, -errno, "rename to", place->path);
	return 0;
}

int mtls_acctplace_publish(struct mtls_acctplace *place, struct mtls_diag *diag)
{
	if (place->fd < 0)
		return mtls_diag_set(diag, MTLS_E_BUG, "there is no new snapshot to publish");
	int r = complete(place, diag);
	if (r < 0) {
		mtls_acctplace_discard(place);
		return r;
	}
	(void)close(MTLS_TAKE_FD(place->fd));
	/* The new file is there, for readers at least: they are told, whatever the disk says. */
	r = mtls_file_sync_parent(place->path);
	int counted = mtls_acctplace_count(place->gen, place->owner, diag);
	if (counted < 0)
		return counted;
	return r < 0 ? fail(diag, r, "sync the folder of", place->path) : 0;
}
