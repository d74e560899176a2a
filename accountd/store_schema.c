/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tables of the store, step by step as its versions made them, and the proof that a file is
 * undamaged. A new store takes all steps, so none of them is ever untested.
 *
 * The seal: SQLite notices a broken structure, but not a byte that changed within a name or a
 * number. So triggers keep two sums over all rows (content: what is published; raw: what sources
 * said), and each commit seals them, the generation, the next ids and the texts of the schema with
 * one hash. Damage is meant, not malice: who can write the file can seal it.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "accountd/store_impl.h"
#include "lib/base/file.h"

#define APPLICATION_ID 0x6d746c73 /* "mtls" */

/* clang-format off */
static const char version_1[] =
	"CREATE TABLE meta ("
	" one INTEGER PRIMARY KEY CHECK (one = 1),"
	" generation INTEGER NOT NULL CHECK (generation >= 0),"
	" next_uid INTEGER NOT NULL CHECK (next_uid BETWEEN 0 AND 4294967295),"
	" next_gid INTEGER NOT NULL CHECK (next_gid BETWEEN 0 AND 4294967295)"
	") STRICT;"
	"CREATE TABLE users ("
	" name TEXT NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 32),"
	" uid INTEGER NOT NULL UNIQUE CHECK (uid BETWEEN 1000 AND 2147483647),"
	" gid INTEGER NOT NULL CHECK (gid BETWEEN 1000 AND 2147483647),"
	" gecos TEXT NOT NULL CHECK (length(gecos) <= 255),"
	" home TEXT NOT NULL CHECK (length(home) BETWEEN 1 AND 255),"
	" shell TEXT NOT NULL CHECK (length(shell) BETWEEN 1 AND 255)"
	") STRICT, WITHOUT ROWID;"
	/* Without the private groups of users, whose gid is their uid. */
	"CREATE TABLE groups ("
	" name TEXT NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 32),"
	" gid INTEGER NOT NULL UNIQUE CHECK (gid BETWEEN 1000 AND 2147483647)"
	") STRICT, WITHOUT ROWID;"
	/* A user is not a member of its primary group. */
	"CREATE TABLE members ("
	" gid INTEGER NOT NULL REFERENCES groups (gid),"
	" usr TEXT NOT NULL REFERENCES users (name),"
	" PRIMARY KEY (gid, usr)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX members_by_user ON members (usr, gid);"
	/* Names, not users: a certificate may be bound to an account of any source. */
	"CREATE TABLE bindings ("
	" key TEXT NOT NULL CHECK (length(key) BETWEEN 1 AND 4400),"
	" name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 64),"
	" PRIMARY KEY (key, name)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX bindings_by_name ON bindings (name, key);"
	"CREATE TABLE tombstones ("
	" grp INTEGER NOT NULL CHECK (grp IN (0, 1)),"
	" id INTEGER NOT NULL CHECK (id BETWEEN 1000 AND 2147483647),"
	" time INTEGER NOT NULL CHECK (time >= 0),"
	" name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 32),"
	" PRIMARY KEY (grp, id)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX tombstones_by_name ON tombstones (name, grp, time, id);";

#define GUARD(table, sum, old, new) \
	"CREATE TRIGGER " table "_added AFTER INSERT ON " table " BEGIN" \
	" UPDATE meta SET " sum " = mtls_fold(" sum "," new "); END;" \
	"CREATE TRIGGER " table "_removed AFTER DELETE ON " table " BEGIN" \
	" UPDATE meta SET " sum " = mtls_fold(" sum "," old "); END;" \
	"CREATE TRIGGER " table "_changed AFTER UPDATE ON " table " BEGIN" \
	" UPDATE meta SET " sum " = mtls_fold(mtls_fold(" sum "," old ")," new "); END;"
#define GUARDED(table, sum, fields) GUARD(table, sum, fields("old."), fields("new."))

#define RAW_USERS(p) "'source_users'," p "source," p "line," p "name," p "uid," p "gid," \
	p "gecos," p "home," p "shell"
#define RAW_GROUPS(p) "'source_groups'," p "source," p "line," p "name," p "gid"
#define RAW_MEMBERS(p) "'source_members'," p "source," p "grp," p "usr"

static const char version_2[] =
	"CREATE TABLE sources ("
	" id INTEGER PRIMARY KEY CHECK (id BETWEEN 0 AND 63),"
	" name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 32),"
	" gone INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1)),"
	" digest INTEGER NOT NULL DEFAULT 0" /* of what it said last */
	") STRICT;"
	"INSERT INTO sources (id, name) VALUES (0, 'store');"
	"ALTER TABLE users ADD COLUMN source INTEGER NOT NULL DEFAULT 0 REFERENCES sources (id);"
	"ALTER TABLE groups ADD COLUMN source INTEGER NOT NULL DEFAULT 0 REFERENCES sources (id);"
	/* Whose: the uid that the name had here, 0 for an account that is not of the store. */
	"ALTER TABLE bindings ADD COLUMN owner INTEGER NOT NULL DEFAULT 0"
	" CHECK (owner BETWEEN 0 AND 2147483647);"
	"UPDATE bindings SET owner = u.uid FROM users u WHERE u.name = bindings.name;"
	"CREATE INDEX users_of_source ON users (source, name) WHERE source > 0;"
	"CREATE INDEX groups_of_source ON groups (source, name) WHERE source > 0;"
	"CREATE INDEX users_by_primary ON users (gid, name) WHERE gid <> uid;"
	/* What a source said last, whether it may or not. */
	"CREATE TABLE source_users ("
	" source INTEGER NOT NULL REFERENCES sources (id),"
	" line INTEGER NOT NULL,"
	" name TEXT NOT NULL CHECK (length(name) <= 255),"
	" uid INTEGER NOT NULL CHECK (uid BETWEEN 0 AND 4294967295),"
	" gid INTEGER NOT NULL CHECK (gid BETWEEN 0 AND 4294967295),"
	" gecos TEXT NOT NULL, home TEXT NOT NULL, shell TEXT NOT NULL,"
	" PRIMARY KEY (source, name)"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE source_groups ("
	" source INTEGER NOT NULL REFERENCES sources (id),"
	" line INTEGER NOT NULL,"
	" name TEXT NOT NULL CHECK (length(name) <= 255),"
	" gid INTEGER NOT NULL CHECK (gid BETWEEN 0 AND 4294967295),"
	" PRIMARY KEY (source, name)"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE source_members ("
	" source INTEGER NOT NULL,"
	" grp TEXT NOT NULL,"
	" usr TEXT NOT NULL CHECK (length(usr) <= 255),"
	" PRIMARY KEY (source, grp, usr),"
	" FOREIGN KEY (source, grp) REFERENCES source_groups (source, name)"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE conflicts ("
	" id INTEGER PRIMARY KEY,"
	" source INTEGER NOT NULL REFERENCES sources (id),"
	" line INTEGER NOT NULL,"
	" sentence TEXT NOT NULL"
	") STRICT;"
	"ALTER TABLE meta ADD COLUMN content INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE meta ADD COLUMN raw INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE meta ADD COLUMN seal INTEGER NOT NULL DEFAULT 0;";

static const char guards[] =
	GUARDED("users", "content", STORE_FIELDS_USERS)
	GUARDED("groups", "content", STORE_FIELDS_GROUPS)
	GUARDED("members", "content", STORE_FIELDS_MEMBERS)
	GUARDED("bindings", "content", STORE_FIELDS_BINDINGS)
	GUARDED("tombstones", "content", STORE_FIELDS_TOMBSTONES)
	GUARDED("sources", "content", STORE_FIELDS_SOURCES)
	GUARDED("source_users", "raw", RAW_USERS)
	GUARDED("source_groups", "raw", RAW_GROUPS)
	GUARDED("source_members", "raw", RAW_MEMBERS);

static const struct {
	bool raw;
	const char *sql;
} sums[] = {
	{ false, "SELECT " STORE_FOLD(STORE_FIELDS_USERS("")) " FROM users" },
	{ false, "SELECT " STORE_FOLD(STORE_FIELDS_GROUPS("")) " FROM groups" },
	{ false, "SELECT " STORE_FOLD(STORE_FIELDS_MEMBERS("")) " FROM members NOT INDEXED" },
	{ false, "SELECT " STORE_FOLD(STORE_FIELDS_BINDINGS("")) " FROM bindings NOT INDEXED" },
	{ false, "SELECT " STORE_FOLD(STORE_FIELDS_TOMBSTONES("")) " FROM tombstones NOT INDEXED" },
	{ false, "SELECT " STORE_FOLD(STORE_FIELDS_SOURCES("")) " FROM sources" },
	{ true, "SELECT " STORE_FOLD(RAW_USERS("")) " FROM source_users" },
	{ true, "SELECT " STORE_FOLD(RAW_GROUPS("")) " FROM source_groups" },
	{ true, "SELECT " STORE_FOLD(RAW_MEMBERS("")) " FROM source_members" },
};
/* clang-format on */

#define SEAL "mtls_fold(?1, 'meta', generation, next_uid, next_gid, content, raw)"

static int fold_rows(struct store_db *db, const char *sql, int64_t *sum)
{
	sqlite3_stmt *stmt;
	int r = store_db_query(db, sql, &stmt, "");
	while (r >= 0 && (r = store_db_step(db, stmt)) > 0)
		*sum ^= sqlite3_column_int64(stmt, 0);
	return r;
}

static int fold_all(struct store_db *db, int64_t *ret_content, int64_t *ret_raw)
{
	int64_t content = 0, raw = 0;
	for (size_t i = 0; i < MTLS_COUNT(sums); i++) {
		int r = fold_rows(db, sums[i].sql, sums[i].raw ? &raw : &content);
		if (r < 0)
			return r;
	}
	*ret_content = content;
	*ret_raw = raw;
	return 0;
}

static int fold_schema(struct store_db *db, int64_t *ret)
{
	int64_t sum = 0;
	int r = fold_rows(db,
			  "SELECT mtls_fold(0, type, name, tbl_name, ifnull(sql, ''))"
			  " FROM sqlite_schema",
			  &sum);
	if (r >= 0)
		*ret = sum;
	return r;
}

int store_schema_seal(struct store_db *db, int64_t schema_sum)
{
	/* Nothing is written where nothing changed. */
	return store_db_run(db, "UPDATE meta SET seal = " SEAL " WHERE seal <> " SEAL, "i",
			    schema_sum);
}

int store_schema_sealed(struct store_db *db, int64_t schema_sum)
{
	int64_t right = 0;
	int r = store_db_number(db, "SELECT seal = " SEAL " FROM meta", &right, "i", schema_sum);
	return r < 0 ? r : r > 0 && right;
}

static int step_to_2(struct store_db *db)
{
	int64_t content = 0, raw = 0, schema_sum = 0;
	int r = store_db_script(db, version_2);
	if (r >= 0)
		r = fold_all(db, &content, &raw);
	if (r >= 0)
		r = store_db_run(db, "UPDATE meta SET content = ?1, raw = ?2", "ii", content, raw);
	if (r >= 0)
		r = store_db_script(db, guards);
	if (r >= 0)
		r = fold_schema(db, &schema_sum);
	return r < 0 ? r : store_schema_seal(db, schema_sum);
}

/* What is sealed from now on must be right now. */
static int check_foreign_keys(struct store_db *db)
{
	sqlite3_stmt *stmt;
	int r = store_db_query(db, "PRAGMA foreign_key_check", &stmt, "");
	if (r >= 0)
		r = store_db_step(db, stmt);
	if (r <= 0)
		return r;
	r = mtls_diag_set(&db->why, MTLS_E_CORRUPT, "a row of '%s' refers to one that is missing",
			  store_db_text(stmt, 0));
	(void)sqlite3_reset(stmt);
	return r;
}

static const struct {
	int64_t from;
	int (*step)(struct store_db *db);
	const char *done;
} steps[] = {
	{ 1, step_to_2, "PRAGMA user_version = 2" },
};

static int migrate_one(struct store_db *db, size_t i)
{
	int r = store_db_script(db, "BEGIN IMMEDIATE");
	if (r >= 0)
		r = steps[i].step(db);
	if (r >= 0)
		r = check_foreign_keys(db);
	if (r >= 0)
		r = store_db_script(db, steps[i].done);
	if (r >= 0)
		r = store_db_script(db, "COMMIT");
	if (r < 0 && !sqlite3_get_autocommit(db->sql))
		(void)sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
	return r;
}

int store_schema_migrate(struct store_db *db, int64_t version)
{
	/* A column that refers to another table can be added only while nothing is enforced. */
	int r = store_db_script(db, "PRAGMA foreign_keys = OFF");
	for (size_t i = 0; r >= 0 && i < MTLS_COUNT(steps); i++)
		if (steps[i].from >= version)
			r = migrate_one(db, i);
	return r < 0 ? r : store_db_script(db, "PRAGMA foreign_keys = ON");
}

int store_schema_check(struct store_db *db, int64_t *ret_version)
{
	int64_t application = 0, version = 0;
	int r = store_db_number(db, "PRAGMA application_id", &application, "");
	if (r >= 0)
		r = store_db_number(db, "PRAGMA user_version", &version, "");
	if (r < 0)
		return r;
	if (application != APPLICATION_ID || version < 1)
		return mtls_diag_set(&db->why, MTLS_E_CORRUPT,
				     "the file is not a store of mtls-accountd");
	if (version > STORE_SCHEMA)
		return mtls_diag_set(&db->why, MTLS_E_VERSION,
				     "the store has version %" PRId64
				     ", made by a newer mtls-accountd; this one knows %d at most",
				     version, STORE_SCHEMA);
	*ret_version = version;
	return 0;
}

/* It reports pages that cannot be read as if they were damaged. */
static int judge_finding(struct store_db *db, const char *found)
{
	const char *code = strstr(found, "error code=");
	if (strcmp(found, "ok") == 0)
		return 0;
	if ((code && !strstr(code, "=11")) || strstr(found, "failed to get page"))
		return mtls_diag_set(&db->why, -EIO, "%s", found);
	return mtls_diag_set(&db->why, MTLS_E_CORRUPT, "%s", found);
}

static int check_structure(struct store_db *db)
{
	sqlite3_stmt *stmt;
	int r = store_db_query(db, "PRAGMA integrity_check(1)", &stmt, "");
	if (r >= 0)
		r = store_db_step(db, stmt);
	if (r <= 0)
		return r < 0 ? r : MTLS_E_CORRUPT;
	r = judge_finding(db, store_db_text(stmt, 0));
	(void)sqlite3_reset(stmt);
	return r;
}

static int check_sums(struct store_db *db)
{
	int64_t content = 0, raw = 0, same = 0;
	int r = fold_all(db, &content, &raw);
	if (r >= 0)
		r = store_db_number(db, "SELECT content = ?1 AND raw = ?2 FROM meta", &same, "ii",
				    content, raw);
	return r < 0 ? r : r > 0 && same;
}

int store_schema_verify(struct store_db *db, int64_t *ret_schema_sum)
{
	int64_t schema_sum = 0;
	int r = check_structure(db);
	if (r >= 0)
		r = fold_schema(db, &schema_sum);
	if (r >= 0)
		r = check_sums(db);
	if (r > 0)
		r = store_schema_sealed(db, schema_sum);
	if (r < 0)
		return r;
	if (!r)
		return mtls_diag_set(&db->why, MTLS_E_CORRUPT,
				     "its content is not what was stored");
	*ret_schema_sum = schema_sum;
	return 0;
}

static int fill(struct store_db *db, uint32_t first_id)
{
	int r = store_db_script(db, version_1);
	if (r >= 0)
		r = store_db_run(db, "INSERT INTO meta VALUES (1, 1, ?1, ?1)", "u", first_id);
	return r < 0 ? r
		     : store_db_script(db, "PRAGMA application_id = 0x6d746c73;"
					   "PRAGMA user_version = 1; COMMIT");
}

static int make(const char *path, uint32_t first_id, struct mtls_diag *diag)
{
	struct store_db db = { 0 };
	/* SQLite gives its other files the mode of this one. */
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return mtls_diag_set(diag, -errno, "cannot make '%s': %s", path, strerror(errno));
	(void)close(fd);
	int r = store_db_open(&db, path, false);
	if (r >= 0)
		r = store_db_script(&db, "PRAGMA journal_mode = MEMORY; BEGIN IMMEDIATE");
	if (r >= 0)
		r = fill(&db, first_id);
	store_db_close(&db);
	return r < 0 ? mtls_diag_set(diag, r, "cannot make '%s': %s", path,
				     mtls_diag_text(&db.why, r))
		     : 0;
}

int store_schema_create(const char *path, uint32_t first_id, struct mtls_diag *diag)
{
	_cleanup_free_ char *fresh = NULL;
	if (asprintf(&fresh, "%s.new", path) < 0) {
		fresh = NULL;
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	}
	if (unlink(fresh) < 0 && errno != ENOENT)
		return mtls_diag_set(diag, -errno, "cannot remove '%s': %s", fresh,
				     strerror(errno));
	int r = make(fresh, first_id, diag);
	if (r >= 0 && rename(fresh, path) < 0)
		r = mtls_diag_set(diag, -errno, "cannot make '%s': %s", path, strerror(errno));
	if (r >= 0 && (r = mtls_file_sync_parent(path)) < 0)
		(void)mtls_diag_set(diag, r, "cannot sync the folder of '%s': %s", path,
				    mtls_strerror(r));
	if (r < 0)
		(void)unlink(fresh);
	return r;
}
