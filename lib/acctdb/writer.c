/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A transaction on the snapshot: lock, load, commit. One process at a time holds the lock, so the
 * temporary file has a fixed name and a crash leaves no litter behind: the next writer replaces it.
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
#include <time.h>

#include "lib/acctdb/writer.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"

#define LOCK_POLL_MS 20

struct mtls_acctdb_txn {
	char *path, *folder, *temporary, *gen; /* owned */
	uid_t owner;
	int lock;
	uint64_t serial; /* of the snapshot that was loaded; 0: there was none */
	struct mtls_acctset *set;
};

static int fail(struct mtls_diag *diag, int err, const char *what, const char *path)
{
	return mtls_diag_set(diag, err, "cannot %s '%s': %s", what, path, mtls_strerror(err));
}

static char *beside(const char *folder, const char *name)
{
	char *path;
	return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
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
	char *slash = parent ? strrchr(parent, '/') : NULL;
	if (!slash || slash == parent)
		return fail(diag, parent ? -ENOENT : -ENOMEM, "create the folder", folder);
	*slash = '\0';
	int r = make_folder(parent, false, diag);
	return r < 0 ? r : make_folder(folder, false, diag);
}

static int check_folder(const char *folder, uid_t owner, struct mtls_diag *diag)
{
	struct stat st;
	if (lstat(folder, &st) < 0)
		return fail(diag, -errno, "stat", folder);
	if (!S_ISDIR(st.st_mode) || (st.st_uid != 0 && st.st_uid != owner) ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)))
		return mtls_diag_set(diag, MTLS_E_UNTRUSTED,
				     "'%s' must be a folder of root that nobody else may write to",
				     folder);
	return 0;
}

static int take_lock(struct mtls_acctdb_txn *txn, uint32_t timeout_ms, struct mtls_diag *diag)
{
	_cleanup_free_ char *path = beside(txn->folder, MTLS_ACCTDB_LOCK_NAME);
	if (!path)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	/* 0600: who may not open the file cannot hold the lock against us. */
	txn->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (txn->lock < 0)
		return fail(diag, -errno, "open the lock", path);
	mtls_deadline deadline = mtls_deadline_in_ms(timeout_ms);
	while (flock(txn->lock, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK)
			return fail(diag, -errno, "lock", path);
		if (!mtls_deadline_left_ms(deadline))
			return mtls_diag_set(diag, MTLS_E_BUSY,
					     "another process is changing the accounts (lock '%s')",
					     path);
		(void)poll(NULL, 0, LOCK_POLL_MS);
	}
	return 0;
}

/* The page of the counter, trusted and large enough, or an error. */
static int map_gen(const char *path, uid_t owner, _Atomic uint64_t **ret, struct mtls_diag *diag)
{
	struct stat st;
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(diag, -errno, "open", path);
	if (!S_ISREG(st.st_mode) || (st.st_uid != 0 && st.st_uid != owner) ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)) || st.st_size < MTLS_ACCTDB_GEN_SIZE)
		return mtls_diag_set(diag, MTLS_E_UNTRUSTED,
				     "'%s' must be a file of root, mode 0644, of %d bytes", path,
				     MTLS_ACCTDB_GEN_SIZE);
	void *map = mmap(NULL, MTLS_ACCTDB_GEN_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return fail(diag, -errno, "map", path);
	*ret = map;
	return 0;
}

int mtls_acctdb_gen_count(const char *path, uid_t owner, struct mtls_diag *diag)
{
	_Atomic uint64_t *counter;
	int r = map_gen(path, owner, &counter, diag);
	if (r < 0)
		return r;
	(void)atomic_fetch_add_explicit(counter, 1, memory_order_acq_rel);
	(void)munmap(counter, MTLS_ACCTDB_GEN_SIZE);
	return 0;
}

/* Made once and never replaced: processes keep the page mapped for as long as they live. */
static int make_gen(const struct mtls_acctdb_txn *txn, struct mtls_diag *diag)
{
	static const uint8_t zeros[MTLS_ACCTDB_GEN_SIZE];
	const struct mtls_file_mode mode = {
		.mode = 0644, .uid = (uid_t)-1, .gid = (gid_t)-1, .exclusive = true
	};
	if (access(txn->gen, F_OK) == 0)
		return 0;
	int r = mtls_file_replace(txn->gen, zeros, sizeof(zeros), &mode, diag);
	return r == -EEXIST ? 0 : r;
}

/* No snapshot: a fresh machine, or one whose memory of used ids is lost. */
static int start_empty(struct mtls_acctdb_txn *txn, const struct mtls_id_window *window,
		       const struct mtls_local *local, struct mtls_diag *diag)
{
	_Atomic uint64_t *counter;
	if (access(txn->gen, F_OK) == 0) {
		int r = map_gen(txn->gen, txn->owner, &counter, diag);
		if (r < 0)
			return r;
		uint64_t count = atomic_load(counter);
		(void)munmap(counter, MTLS_ACCTDB_GEN_SIZE);
		if (count)
			return mtls_diag_set(diag, MTLS_E_CORRUPT,
					     "'%s' is gone, and with it which ids were ever used: "
					     "restore it from a backup, or remove '%s' to begin "
					     "anew",
					     txn->path, txn->gen);
	}
	int r = mtls_acctset_new(window, local, &txn->set);
	return r < 0 ? mtls_diag_set(diag, r, "out of memory") : 0;
}

static int load(struct mtls_acctdb_txn *txn, const struct mtls_id_window *window,
		const struct mtls_local *local, struct mtls_diag *diag)
{
	struct mtls_acctdb db;
	int r = mtls_acctdb_open(&db, txn->path, txn->owner, diag);
	if (r == -ENOENT)
		return start_empty(txn, window, local, diag);
	if (r < 0)
		return r;
	txn->serial = db.header.serial;
	r = mtls_acctset_load(&db, window, local, &txn->set, diag);
	mtls_acctdb_close(&db);
	if (r < 0)
		return r;
	/* A writer that died between rename and count: readers learn of its file now. */
	r = make_gen(txn, diag);
	return r < 0 ? r : mtls_acctdb_gen_count(txn->gen, txn->owner, diag);
}

static int name_paths(struct mtls_acctdb_txn *txn, const char *path, struct mtls_diag *diag)
{
	const char *slash = strrchr(path, '/');
	if (!slash || slash == path)
		return mtls_diag_set(diag, -EINVAL, "'%s' is not an absolute path in a folder",
				     path);
	txn->path = strdup(path);
	txn->folder = strndup(path, (size_t)(slash - path));
	if (txn->folder)
		txn->gen = beside(txn->folder, MTLS_ACCTDB_GEN_NAME);
	if (asprintf(&txn->temporary, "%s.new", path) < 0)
		txn->temporary = NULL;
	if (!txn->path || !txn->folder || !txn->gen || !txn->temporary)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	return 0;
}

int mtls_acctdb_begin(const struct mtls_acctdb_place *place, const struct mtls_id_window *window,
		      const struct mtls_local *local, struct mtls_acctdb_txn **ret,
		      struct mtls_diag *diag)
{
	_cleanup_(mtls_acctdb_txn_freep) struct mtls_acctdb_txn *txn = calloc(1, sizeof(*txn));
	if (!txn)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	txn->lock = -1;
	txn->owner = place->owner;
	int r = name_paths(txn, place->path, diag);
	if (r >= 0)
		r = make_folder(txn->folder, true, diag);
	if (r >= 0)
		r = check_folder(txn->folder, txn->owner, diag);
	if (r >= 0)
		r = take_lock(txn, place->lock_timeout_ms, diag);
	if (r >= 0)
		r = load(txn, window, local, diag);
	if (r < 0)
		return r;
	*ret = MTLS_TAKE(txn);
	return 0;
}

void mtls_acctdb_txn_free(struct mtls_acctdb_txn *txn)
{
	if (!txn)
		return;
	mtls_acctset_free(txn->set);
	if (txn->lock >= 0)
		(void)close(txn->lock);
	free(txn->path);
	free(txn->folder);
	free(txn->temporary);
	free(txn->gen);
	free(txn);
}

struct mtls_acctset *mtls_acctdb_txn_set(struct mtls_acctdb_txn *txn)
{
	return txn->set;
}

/* What was written is what a reader gets: everything, with good checksums. */
static int read_back(const struct mtls_acctdb_txn *txn, int fd, struct mtls_diag *diag)
{
	_cleanup_(mtls_acctset_freep) struct mtls_acctset *copy = NULL;
	struct mtls_acctdb db;
	int r = mtls_acctdb_open_fd(&db, fd);
	if (r < 0)
		return fail(diag, r, "read back", txn->temporary);
	r = mtls_acctset_load(&db, mtls_acctset_window(txn->set), NULL, &copy, diag);
	mtls_acctdb_close(&db);
	return r;
}

static int build(const struct mtls_acctdb_txn *txn, int fd, struct mtls_diag *diag)
{
	int r = mtls_acctset_write(txn->set, txn->serial + 1, (uint64_t)time(NULL), fd, diag);
	if (r >= 0)
		r = read_back(txn, fd, diag);
	if (r < 0)
		return r;
	if (fchmod(fd, 0644) < 0 || fsync(fd) < 0)
		return fail(diag, -errno, "finish", txn->temporary);
	return 0;
}

static int publish(const struct mtls_acctdb_txn *txn, struct mtls_diag *diag)
{
	/* Before the rename: afterwards nothing may fail that readers depend on. */
	int r = make_gen(txn, diag);
	if (r < 0)
		return r;
	if (rename(txn->temporary, txn->path) < 0)
		return fail(diag, -errno, "rename to", txn->path);
	r = mtls_file_sync_parent(txn->path);
	int counted = mtls_acctdb_gen_count(txn->gen, txn->owner, diag);
	if (counted < 0)
		return counted;
	return r < 0 ? fail(diag, r, "sync the folder of", txn->path) : 0;
}

int mtls_acctdb_commit(struct mtls_acctdb_txn *txn, bool dry_run, struct mtls_diag *diag)
{
	if (dry_run) {
		_cleanup_close_ int memory = memfd_create("accounts", MFD_CLOEXEC);
		if (memory < 0)
			return fail(diag, -errno, "build", txn->path);
		return build(txn, memory, diag);
	}
	(void)unlink(txn->temporary);
	_cleanup_close_ int fd =
		open(txn->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fail(diag, -errno, "create", txn->temporary);
	int r = build(txn, fd, diag);
	if (r >= 0)
		r = publish(txn, diag);
	if (r < 0) {
		(void)unlink(txn->temporary);
		return r;
	}
	txn->serial++;
	return 0;
}
