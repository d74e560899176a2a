/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store as a whole: its file and lock, changes, simple questions. Owns the one connection that
 * writes; one thread.
 *
 * A change is a transaction; each operation in it is a savepoint, so one that fails leaves no half
 * behind. An error of the disk can make SQLite give up the whole change: then nothing of it can be
 * committed (@broken), and the next change starts afresh.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "accountd/store_impl.h"
#include "lib/base/str.h"

#define PROGRESS_STEPS 20000 /* of SQLite's machine, between two signs of life */

#define LOG_BYTES "67108864" /* that a log keeps after a change that needed more */

#define RESTORE                                                                                    \
	"move '%s' and the files beside it (-wal, -shm) away and start again: the accounts are "   \
	"then taken over from the last snapshot; or restore a backup"

static int check_folder(const char *path, struct mtls_diag *diag)
{
	_cleanup_free_ char *copy = strdup(path);
	struct stat st;
	if (!copy)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	const char *folder = dirname(copy);
	if (stat(folder, &st) < 0)
		return mtls_diag_set(diag, -errno, "the folder '%s' of the store: %s", folder,
				     strerror(errno));
	if (!S_ISDIR(st.st_mode) || (st.st_uid != geteuid() && st.st_uid != 0) ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)))
		return mtls_diag_set(diag, MTLS_E_UNTRUSTED,
				     "the folder '%s' of the store must belong to mtls-accountd "
				     "or root, and nobody else may write there",
				     folder);
	return 0;
}

static int lock(const char *path, int *ret_fd, struct mtls_diag *diag)
{
	_cleanup_free_ char *name = NULL;
	if (asprintf(&name, "%s.lock", path) < 0) {
		name = NULL;
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	}
	_cleanup_close_ int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return mtls_diag_set(diag, -errno, "cannot open '%s': %s", name, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
			       ? mtls_diag_set(diag, MTLS_E_BUSY,
					       "another mtls-accountd uses the store '%s'", path)
			       : mtls_diag_set(diag, -errno, "cannot lock '%s': %s", name,
					       strerror(errno));
	*ret_fd = MTLS_TAKE_FD(fd);
	return 0;
}

static bool log_exists(const char *path)
{
	_cleanup_free_ char *log = NULL;
	if (asprintf(&log, "%s-wal", path) < 0) {
		log = NULL;
		return true;
	}
	return access(log, F_OK) == 0 || errno != ENOENT;
}

/* Before SQLite has it: closing a file by hand later would lose SQLite's locks on it. */
static int check_file(const char *path, bool *ret_missing, struct mtls_diag *diag)
{
	struct stat st;
	bool missing = lstat(path, &st) < 0;
	if (missing && errno != ENOENT)
		return mtls_diag_set(diag, -errno, "the store '%s': %s", path, strerror(errno));
	if (missing && log_exists(path))
		return mtls_diag_set(diag, MTLS_E_CORRUPT,
				     "'%s' is missing but its log '%s-wal' is there: put it back, "
				     "or move the log away too",
				     path, path);
	if (!missing && (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077)))
		return mtls_diag_set(diag, MTLS_E_UNTRUSTED,
				     "the store '%s' must be a file of mtls-accountd that nobody "
				     "else can read: chown mtls-accountd, chmod 600",
				     path);
	if (!missing && st.st_size == 0)
		return mtls_diag_set(diag, MTLS_E_CORRUPT,
				     "the store is damaged (the file is empty): " RESTORE, path);
	*ret_missing = missing;
	return 0;
}

static bool is_damage(int r)
{
	/* Of a file that is ours by its kind: a table that is missing, or there already. */
	return r == MTLS_E_CORRUPT || r == MTLS_E_BUG;
}

static int on_progress(void *ctx)
{
	const struct store *store = ctx;

	store->working(store->ctx);
	return 0; /* go on */
}

static int open_checked(struct store *store)
{
	struct store_db *db = &store->db;
	int64_t version;
	int r = store_db_open(db, store->path, false);
	if (r >= 0 && store->working)
		sqlite3_progress_handler(db->sql, PROGRESS_STEPS, on_progress, store);
	if (r >= 0)
		r = store_schema_check(db, &version);
	if (r >= 0 && version == STORE_SCHEMA)
		r = store_schema_verify(db, &store->schema_sum);
	if (r < 0)
		return r;
	if (version < STORE_SCHEMA) {
		r = store_schema_migrate(db, version);
		if (r >= 0)
			r = store_schema_verify(db, &store->schema_sum);
	}
	if (r >= 0)
		r = store_db_script(db, "PRAGMA journal_mode = WAL;"
					"PRAGMA journal_size_limit = " LOG_BYTES);
	return r < 0 ? r : store_db_accept(db);
}

static int open_file(struct store *store, struct mtls_diag *diag)
{
	int r = open_checked(store);
	if (r >= 0)
		return 0;
	store_db_close(&store->db);
	const char *why = mtls_diag_text(&store->db.why, r);
	if (is_damage(r))
		return mtls_diag_set(diag, MTLS_E_CORRUPT, "the store is damaged (%s): " RESTORE,
				     why, store->path);
	return mtls_diag_set(diag, r, "cannot open the store '%s': %s", store->path, why);
}

int store_is_empty(struct store *store, bool *ret_new)
{
	int64_t used = 0;
	int r = store_db_number(&store->db,
				"SELECT generation > 1 OR EXISTS (SELECT 1 FROM users)"
				" OR EXISTS (SELECT 1 FROM groups)"
				" OR EXISTS (SELECT 1 FROM bindings)"
				" OR EXISTS (SELECT 1 FROM tombstones) FROM meta",
				&used, "");
	if (r >= 0)
		*ret_new = !used;
	return r < 0 ? r : 0;
}

int store_open(const struct store_options *options, struct store **ret, bool *ret_new,
	       struct mtls_diag *diag)
{
	_cleanup_(store_closep) struct store *store = calloc(1, sizeof(*store));
	bool missing = false, is_new = false;
	if (!store)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	store->lock_fd = -1;
	store->ids = options->ids;
	store->no_enumeration = options->no_enumeration;
	store->working = options->working;
	store->ctx = options->ctx;
	store->path = strdup(options->path);
	int r = store->path ? check_folder(store->path, diag)
			    : mtls_diag_set(diag, -ENOMEM, "out of memory");
	if (r >= 0)
		r = lock(store->path, &store->lock_fd, diag);
	if (r >= 0)
		r = check_file(store->path, &missing, diag);
	if (r >= 0 && missing)
		r = store_schema_create(store->path, store->ids.window.min, diag);
	if (r >= 0)
		r = open_file(store, diag);
	if (r < 0)
		return r;
	r = store_answer(store, store_is_empty(store, &is_new), diag);
	if (r < 0)
		return r;
	*ret = MTLS_TAKE(store);
	*ret_new = is_new;
	return 0;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	store_rollback(store);
	store_db_close(&store->db);
	if (store->lock_fd >= 0)
		(void)close(store->lock_fd);
	free(store->path);
	free(store);
}

void store_forget(struct store *store)
{
	store->hint = 0;
	memset(store->rooms, 0, sizeof(store->rooms));
}

void store_set_local(struct store *store, const struct mtls_local *local)
{
	store->local = local;
	store_forget(store);
}

int store_answer(struct store *store, int r, struct mtls_diag *diag)
{
	if (r < 0)
		(void)mtls_diag_set(diag, r, "%s", mtls_diag_text(&store->db.why, r));
	return r;
}

int store_begin(struct store *store, struct mtls_diag *diag)
{
	if (store->changing)
		return mtls_diag_set(diag, MTLS_E_BUG, "a change is under way already");
	store->db.why.text[0] = '\0';
	int r = store_db_script(&store->db, "BEGIN IMMEDIATE");
	if (r < 0)
		return store_answer(store, r, diag);
	store->changing = true;
	store->dirty = false;
	store->broken = 0;
	return 0;
}

void store_rollback(struct store *store)
{
	if (!store->changing)
		return;
	if (!sqlite3_get_autocommit(store->db.sql))
		(void)sqlite3_exec(store->db.sql, "ROLLBACK", NULL, NULL, NULL);
	store->changing = false;
	store_forget(store);
}

static int commit(struct store *store)
{
	if (store->broken)
		return store->broken;
	int r = 0;
	if (store->dirty)
		r = store_db_run(&store->db, "UPDATE meta SET generation = generation + 1", "");
	if (r >= 0)
		r = store_schema_seal(&store->db, store->schema_sum);
	return r < 0 ? r : store_db_script(&store->db, "COMMIT");
}

int store_commit(struct store *store, uint64_t *ret_generation, struct mtls_diag *diag)
{
	int64_t generation = 0;
	if (!store->changing)
		return mtls_diag_set(diag, MTLS_E_BUG, "there is no change to commit");
	int r = commit(store);
	if (r < 0) {
		(void)store_answer(store, r, diag);
		store_rollback(store);
		return r;
	}
	store->changing = false;
	r = store_db_number(&store->db, "SELECT generation FROM meta", &generation, "");
	if (r < 0)
		return store_answer(store, r, diag);
	*ret_generation = (uint64_t)generation;
	return 0;
}

int store_op_begin(struct store *store)
{
	store->db.why.text[0] = '\0';
	if (!store->changing)
		return mtls_diag_set(&store->db.why, MTLS_E_BUG, "no change was begun");
	if (store->broken)
		return mtls_diag_set(&store->db.why, store->broken,
				     "an earlier step failed, so the change cannot go on");
	store->was_dirty = store->dirty;
	return store_db_run(&store->db, "SAVEPOINT op", "");
}

int store_op_end(struct store *store, int r, struct mtls_diag *diag)
{
	if (!store->changing || store->broken)
		return store_answer(store, r, diag);
	if (r >= 0) {
		r = store_db_run(&store->db, "RELEASE op", "");
		if (r >= 0)
			return 0;
	}
	const struct mtls_diag why = store->db.why;
	store->dirty = store->was_dirty;
	store_forget(store);
	if (sqlite3_get_autocommit(store->db.sql) ||
	    sqlite3_exec(store->db.sql, "ROLLBACK TO op; RELEASE op", NULL, NULL, NULL) !=
		    SQLITE_OK)
		store->broken = r;
	store->db.why = why;
	return store_answer(store, r, diag);
}

static bool has(struct store *store, const char *sql, const char *name)
{
	int64_t one;
	return store_db_number(&store->db, sql, &one, "s", name) > 0;
}

bool store_has_user(struct store *store, const char *name)
{
	return has(store, "SELECT 1 FROM users WHERE name = ?1", name);
}

bool store_has_group(struct store *store, const char *name)
{
	return has(store,
		   "SELECT 1 FROM groups WHERE name = ?1"
		   " UNION ALL SELECT 1 FROM users WHERE name = ?1 AND gid = uid",
		   name);
}

bool store_former_user(struct store *store, const char *name, uint32_t *ret_uid)
{
	int64_t uid;
	if (store_db_number(&store->db,
			    "SELECT id FROM tombstones WHERE name = ?1 AND grp = 0"
			    " ORDER BY time DESC, id DESC LIMIT 1",
			    &uid, "s", name) <= 0)
		return false;
	*ret_uid = (uint32_t)uid;
	return true;
}

int store_get_user(struct store *store, const char *name, uint32_t *ret_uid, uint32_t *ret_gid,
		   char **ret_home, char **ret_shell)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = store_db_query(&store->db,
			       "SELECT uid, gid, home, shell FROM users WHERE name = ?1", &stmt,
			       "s", name);
	if (r >= 0)
		r = store_db_step(&store->db, stmt);
	if (r <= 0)
		return r < 0 ? r : MTLS_E_NOTFOUND;
	_cleanup_free_ char *home = strdup(store_db_text(stmt, 2));
	_cleanup_free_ char *shell = strdup(store_db_text(stmt, 3));
	if (!home || !shell)
		return -ENOMEM;
	*ret_uid = store_db_u32(stmt, 0);
	*ret_gid = store_db_u32(stmt, 1);
	*ret_home = MTLS_TAKE(home);
	*ret_shell = MTLS_TAKE(shell);
	return 0;
}

int store_counts(struct store *store, struct store_counts *ret, struct mtls_diag *diag)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	store->db.why.text[0] = '\0';
	int r = store_db_query(&store->db,
			       "SELECT generation, next_uid, next_gid,"
			       " (SELECT count(*) FROM users), (SELECT count(*) FROM groups),"
			       " (SELECT count(DISTINCT key) FROM bindings),"
			       " (SELECT count(*) FROM tombstones) FROM meta",
			       &stmt, "");
	if (r >= 0)
		r = store_db_step(&store->db, stmt);
	if (r <= 0)
		return store_answer(store, r < 0 ? r : MTLS_E_CORRUPT, diag);
	*ret = (struct store_counts){
		.generation = (uint64_t)sqlite3_column_int64(stmt, 0),
		.next = { .uid = store_db_u32(stmt, 1), .gid = store_db_u32(stmt, 2) },
		.users = (uint64_t)sqlite3_column_int64(stmt, 3),
		.groups = (uint64_t)sqlite3_column_int64(stmt, 4),
		.bindings = (uint64_t)sqlite3_column_int64(stmt, 5),
		.tombstones = (uint64_t)sqlite3_column_int64(stmt, 6),
	};
	return 0;
}
