/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file of the store: what is opened and what is refused, untouched. A store of version 1 is
 * made here by SQL, so that the migration does not test itself; damage is done to every page.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "accountd/store_db.h"
#include "tests/unit/store_help.h"

#define KEY_A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

struct fixture {
	char *folder;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	f->folder = help_folder();
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	help_remove(f->folder);
	free(f);
	return 0;
}

static const char *store_path(struct fixture *f)
{
	return help_path(f->folder, "store.db");
}

static int try_open(struct fixture *f, struct mtls_diag *diag)
{
	const struct store_options options = help_options(store_path(f));
	struct store *store = NULL;
	bool is_new;
	*diag = (struct mtls_diag){ 0 };
	int r = store_open(&options, &store, &is_new, diag);
	if (r < 0) {
		assert_null(store);
		assert_int_not_equal(diag->text[0], '\0');
	}
	store_close(store);
	return r;
}

static void fill(struct store *store, int count)
{
	uint64_t generation;
	uint32_t id;
	OK(store_begin(store, WHY));
	OK(store_add_group(store, "fans", 0, &id, WHY));
	for (int i = 0; i < count; i++) {
		char name[32], gecos[200];
		(void)snprintf(name, sizeof(name), "user%03d", i);
		memset(gecos, 'a' + i % 26, sizeof(gecos));
		gecos[sizeof(gecos) - 1] = '\0';
		const struct store_user_spec spec = {
			.name = name, .gecos = gecos, .home = "/home/x", .shell = "/bin/sh"
		};
		OK(store_add_user(store, &spec, &id, WHY));
		OK(store_add_member(store, "fans", name, WHY));
		OK(store_bind(store, KEY_A, name, WHY));
		if (i % 2)
			OK(store_remove_user(store, name, 5, &id, WHY));
	}
	OK(store_commit(store, &generation, WHY));
}

static void is_ours_alone(void **state)
{
	struct fixture *f = *state;
	struct store *store = help_open(f->folder);
	static const char *const names[] = { "store.db", "store.db-wal", "store.db-shm",
					     "store.db.lock" };
	fill(store, 3);
	for (size_t i = 0; i < MTLS_COUNT(names); i++) {
		struct stat st;
		assert_int_equal(stat(help_path(f->folder, names[i]), &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
	}
	struct mtls_diag diag;
	assert_int_equal(try_open(f, &diag), MTLS_E_BUSY);
	assert_non_null(strstr(diag.text, "another mtls-accountd"));
	store_close(store);
	assert_int_equal(try_open(f, &diag), 0);
	/* Closed in order: everything is in the one file. */
	assert_int_equal(access(help_path(f->folder, "store.db-wal"), F_OK), -1);
	assert_int_equal(access(help_path(f->folder, "store.db.new"), F_OK), -1);
}

/* Set-ups that are refused, and that become right again by taking one thing back. */
static void nothing(struct fixture *f)
{
	(void)f;
}

static void open_folder(struct fixture *f)
{
	assert_int_equal(chmod(f->folder, 0770), 0);
}

static void close_folder(struct fixture *f)
{
	assert_int_equal(chmod(f->folder, 0700), 0);
}

static void open_file(struct fixture *f)
{
	assert_int_equal(chmod(store_path(f), 0640), 0);
}

static void close_file(struct fixture *f)
{
	assert_int_equal(chmod(store_path(f), 0600), 0);
}

static void make_link(struct fixture *f)
{
	const char *elsewhere = help_path(f->folder, "elsewhere");
	assert_int_equal(rename(store_path(f), elsewhere), 0);
	assert_int_equal(symlink(elsewhere, store_path(f)), 0);
}

static void drop_link(struct fixture *f)
{
	assert_int_equal(rename(help_path(f->folder, "elsewhere"), store_path(f)), 0);
}

static void leave_log(struct fixture *f)
{
	make_link(f);
	assert_int_equal(unlink(store_path(f)), 0);
	help_write(help_path(f->folder, "store.db-wal"), "x", 1);
}

static void drop_log(struct fixture *f)
{
	drop_link(f);
	assert_int_equal(unlink(help_path(f->folder, "store.db-wal")), 0);
}

static void empty_file(struct fixture *f)
{
	help_copy(store_path(f), help_path(f->folder, "elsewhere"));
	help_write(store_path(f), "", 0);
}

static void other_database(struct fixture *f)
{
	sqlite3 *db;
	help_copy(store_path(f), help_path(f->folder, "elsewhere"));
	assert_int_equal(unlink(store_path(f)), 0);
	assert_int_equal(sqlite3_open(store_path(f), &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(db, "CREATE TABLE t (a); PRAGMA user_version = 2", NULL, NULL, NULL),
		SQLITE_OK);
	(void)sqlite3_close(db);
	close_file(f);
}

static void newer_version(struct fixture *f)
{
	sqlite3 *db;
	help_copy(store_path(f), help_path(f->folder, "elsewhere"));
	assert_int_equal(sqlite3_open(store_path(f), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA journal_mode = DELETE; PRAGMA user_version = 3",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	(void)sqlite3_close(db);
}

/* As version 1 although its tables are those of 2. */
static void older_version(struct fixture *f)
{
	sqlite3 *db;
	help_copy(store_path(f), help_path(f->folder, "elsewhere"));
	assert_int_equal(sqlite3_open(store_path(f), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA journal_mode = DELETE; PRAGMA user_version = 1",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	(void)sqlite3_close(db);
}

/* clang-format off */
static const struct {
	const char *what;
	void (*spoil)(struct fixture *f);
	void (*mend)(struct fixture *f);
	int want;
	const char *says;
} states[] = {
	{ "as it was", nothing, nothing, 0, NULL },
	{ "a folder for many", open_folder, close_folder, MTLS_E_UNTRUSTED, "nobody else may write" },
	{ "a file for many", open_file, close_file, MTLS_E_UNTRUSTED, "chmod 600" },
	{ "a link", make_link, drop_link, MTLS_E_UNTRUSTED, "must be a file" },
	{ "only the log", leave_log, drop_log, MTLS_E_CORRUPT, "put it back" },
	{ "nothing in it", empty_file, drop_link, MTLS_E_CORRUPT, "last snapshot; or restore a backup" },
	{ "another program's", other_database, drop_link, MTLS_E_CORRUPT, "not a store of mtls-accountd" },
	{ "a newer version", newer_version, drop_link, MTLS_E_VERSION, "version 3, made by a newer mtls-accountd" },
	{ "a version that lies", older_version, drop_link, MTLS_E_CORRUPT, "move '" },
};
/* clang-format on */

static void refusals_touch_nothing(void **state)
{
	struct fixture *f = *state;
	struct store *store = help_open(f->folder);
	fill(store, 3);
	store_close(store);
	for (size_t i = 0; i < MTLS_COUNT(states); i++) {
		struct mtls_diag diag;
		states[i].spoil(f);
		size_t before_len = 0, after_len = 0;
		char *before = help_read(store_path(f), &before_len);
		int r = try_open(f, &diag);
		if (r != states[i].want || (r < 0 && !strstr(diag.text, states[i].says)))
			fail_msg("%s: %d '%s'", states[i].what, r, diag.text);
		char *after = help_read(store_path(f), &after_len);
		assert_int_equal(before_len, after_len);
		if (before)
			assert_memory_equal(before, after, before_len);
		free(before);
		free(after);
		states[i].mend(f);
		assert_int_equal(try_open(f, &diag), 0);
	}
}

/* The first version's tables as its text had them, and what lay in them. */
static const char first_version[] =
	"CREATE TABLE meta (one INTEGER PRIMARY KEY CHECK (one = 1), generation INTEGER NOT NULL,"
	" next_uid INTEGER NOT NULL, next_gid INTEGER NOT NULL) STRICT;"
	"CREATE TABLE users (name TEXT NOT NULL PRIMARY KEY, uid INTEGER NOT NULL UNIQUE,"
	" gid INTEGER NOT NULL, gecos TEXT NOT NULL, home TEXT NOT NULL, shell TEXT NOT NULL"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE groups (name TEXT NOT NULL PRIMARY KEY, gid INTEGER NOT NULL UNIQUE"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE members (gid INTEGER NOT NULL REFERENCES groups (gid),"
	" usr TEXT NOT NULL REFERENCES users (name), PRIMARY KEY (gid, usr)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX members_by_user ON members (usr, gid);"
	"CREATE TABLE bindings (key TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (key, name)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX bindings_by_name ON bindings (name, key);"
	"CREATE TABLE tombstones (grp INTEGER NOT NULL, id INTEGER NOT NULL, time INTEGER NOT NULL,"
	" name TEXT NOT NULL, PRIMARY KEY (grp, id)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX tombstones_by_name ON tombstones (name, grp, time, id);"
	"INSERT INTO meta VALUES (1, 41, 2000200004, 2000200004);"
	"INSERT INTO users VALUES"
	" ('alice', 2000200001, 2000200001, 'Alice', '/home/alice', '/bin/bash'),"
	" ('bob', 5001, 5100, '', '/home/bob', '/bin/sh');"
	"INSERT INTO groups VALUES ('crew', 2000200002), ('team', 5100);"
	"INSERT INTO members VALUES (5100, 'alice'), (2000200002, 'bob'), (2000200002, 'alice');"
	"INSERT INTO bindings VALUES ('" KEY_A "', 'bob'), ('" KEY_A "', 'alice');"
	"INSERT INTO tombstones VALUES (0, 2000200003, 9, 'carol'), (1, 2000200003, 9, 'carol');"
	"PRAGMA application_id = 1836346483; PRAGMA user_version = 1;";

static const char first_text[] =
	"begin 41 0\nnext 2000200004 2000200004\n"
	"stone u 2000200003 carol 9\nstone g 2000200003 carol 9\n"
	"group crew 2000200002 from 0\ngroup team 5100 from 0\n"
	"user alice 2000200001:2000200001 from 0 Alice /home/alice /bin/bash +5100 +2000200002\n"
	"user bob 5001:5100 from 0  /home/bob /bin/sh +2000200002\n"
	"members 2000200002 alice bob\nmembers 5100 alice\n"
	"bind " KEY_A " alice bob\nend\n";

static void make_first(struct fixture *f, const char *more)
{
	sqlite3 *db;
	help_write(store_path(f), "", 0);
	assert_int_equal(sqlite3_open(store_path(f), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, first_version, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, more, NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(db);
}

static void first_version_migrates(void **state)
{
	struct fixture *f = *state;
	make_first(f, "");
	for (int round = 0; round < 2; round++) {
		struct store *store = help_open(f->folder);
		char *text = help_text(store, false);
		assert_string_equal(text, first_text);
		free(text);
		store_close(store);
	}
	struct store *store = help_open(f->folder);
	fill(store, 4);
	store_close(store);
	store = help_open(f->folder);
	free(help_text(store, false));
	store_close(store);
}

/* A migration that fails leaves version 1, byte by byte. */
static void broken_first_version_stays(void **state)
{
	static const char *const broken[] = {
		"INSERT INTO members VALUES (5100, 'nobody-there')",
		"CREATE TABLE sources (a)",
		"CREATE TABLE conflicts (a)",
		"DROP TABLE tombstones",
	};
	struct fixture *f = *state;
	for (size_t i = 0; i < MTLS_COUNT(broken); i++) {
		struct mtls_diag diag;
		size_t before_len = 0, after_len = 0;
		(void)unlink(store_path(f));
		make_first(f, broken[i]);
		char *before = help_read(store_path(f), &before_len);
		assert_int_equal(try_open(f, &diag), MTLS_E_CORRUPT);
		assert_non_null(strstr(diag.text, "restore a backup"));
		char *after = help_read(store_path(f), &after_len);
		assert_int_equal(before_len, after_len);
		assert_memory_equal(before, after, before_len);
		free(before);
		free(after);
	}
}

/* Whatever lies there: refused with the file untouched, or the store says what it said before. */
static void judge(struct fixture *f, const char *spoiled, size_t len, const char *right,
		  const char *what, size_t at, int *accepted)
{
	struct mtls_diag diag = { 0 };
	const struct store_options options = help_options(store_path(f));
	struct store *store = NULL;
	bool is_new;
	help_write(store_path(f), spoiled, len);
	(void)unlink(help_path(f->folder, "store.db-wal"));
	(void)unlink(help_path(f->folder, "store.db-shm"));
	int r = store_open(&options, &store, &is_new, &diag);
	if (r >= 0) {
		int error = 0;
		char *text = help_dump(store, &error);
		if (!text || strcmp(text, right) != 0)
			fail_msg("%s at %zu: another content", what, at);
		free(text);
		store_close(store);
		(*accepted)++;
		return;
	}
	size_t after_len = 0;
	char *after = help_read(store_path(f), &after_len);
	if (r != MTLS_E_CORRUPT && r != MTLS_E_VERSION)
		fail_msg("%s at %zu: %d '%s'", what, at, r, diag.text);
	if (after_len != len || memcmp(after, spoiled, len) != 0)
		fail_msg("%s at %zu: the file was changed", what, at);
	free(after);
}

static void damage_is_never_an_answer(void **state)
{
	struct fixture *f = *state;
	struct store *store = help_open(f->folder);
	int accepted = 0, tried = 0;
	size_t len = 0;
	fill(store, 100);
	char *right = help_text(store, false);
	store_close(store);
	char *whole = help_read(store_path(f), &len);
	char *spoiled = malloc(len);
	assert_non_null(spoiled);
	unsigned int seed = 1;
	for (size_t page = 0; page < len; page += 4096) {
		for (int i = 0; i < 24; i++, tried++) {
			size_t at = page + (i < 8 ? (size_t)i : (size_t)rand_r(&seed) % 4096);
			memcpy(spoiled, whole, len);
			spoiled[at] = (char)(spoiled[at] ^ (1 << rand_r(&seed) % 8));
			judge(f, spoiled, len, right, "a bit", at, &accepted);
		}
		memcpy(spoiled, whole, len);
		memset(spoiled + page, 0, 4096);
		judge(f, spoiled, len, right, "a page of zeroes", page, &accepted);
		for (size_t i = page; i < page + 4096; i++)
			spoiled[i] = (char)rand_r(&seed);
		judge(f, spoiled, len, right, "a page of garbage", page, &accepted);
	}
	/* Unused space may hold anything, but most of the file is used. */
	assert_true(accepted < tried * 6 / 10);
	assert_true(accepted > 0);
	int whole_ones = 0;
	for (size_t cut = 1; cut < len; cut += 1 + cut / 3)
		judge(f, whole, cut, right, "cut", cut, &whole_ones);
	for (size_t cut = 4096; cut < len; cut += 4096)
		judge(f, whole, cut, right, "cut", cut, &whole_ones);
	assert_int_equal(whole_ones, 0);
	judge(f, whole, len, right, "nothing", 0, &whole_ones);
	assert_int_equal(whole_ones, 1);
	free(spoiled);
	free(whole);
	free(right);
}

/* Rows that SQLite finds in order, but that nobody stored. */
static void forged_rows_are_damage(void **state)
{
	static const char *const forgeries[] = {
		"UPDATE users SET uid = uid + 100 WHERE name = 'user002'",
		"UPDATE users SET gecos = 'x' WHERE name = 'user002'",
		"DELETE FROM tombstones WHERE id = (SELECT max(id) FROM tombstones)",
		"DELETE FROM bindings WHERE name = 'user000'",
		"DELETE FROM members WHERE usr = 'user000'",
		"UPDATE meta SET next_uid = 2000200001",
		"UPDATE meta SET generation = 0",
		"INSERT INTO source_groups VALUES (0, 1, 'x', 5000)",
	};
	struct fixture *f = *state;
	struct store *store = help_open(f->folder);
	fill(store, 6);
	store_close(store);
	help_copy(store_path(f), help_path(f->folder, "whole"));
	for (size_t i = 0; i < MTLS_COUNT(forgeries); i++) {
		struct mtls_diag diag;
		sqlite3 *db;
		help_copy(help_path(f->folder, "whole"), store_path(f));
		assert_int_equal(sqlite3_open(store_path(f), &db), SQLITE_OK);
		/* As a byte in the file would be: no trigger knows of it. */
		(void)sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
		if (sqlite3_exec(db, forgeries[i], NULL, NULL, NULL) != SQLITE_OK)
			fail_msg("%s: %s", forgeries[i], sqlite3_errmsg(db));
		(void)sqlite3_close(db);
		if (try_open(f, &diag) != MTLS_E_CORRUPT)
			fail_msg("%s: '%s'", forgeries[i], diag.text);
		assert_non_null(strstr(diag.text, "not what was stored"));
	}
}

static int walk_all(struct store *store)
{
	struct store_walk *walk;
	struct mtls_acct_item item;
	int r = store_walk_new(store, &walk, NULL);
	if (r < 0)
		return r;
	do
		r = store_walk_next(walk, &item, NULL);
	while (r > 0);
	store_walk_free(walk);
	return r;
}

/* A walk notices what happened to the file since it was opened, in each column that it sums up. */
static void walk_finds_damage(void **state)
{
	static const char *const changes[] = {
		"UPDATE users SET name = 'user00x' WHERE name = 'user000'",
		"UPDATE users SET uid = uid + 100 WHERE name = 'user000'",
		"UPDATE users SET gecos = 'x' WHERE name = 'user000'",
		"UPDATE users SET home = '/tmp' WHERE name = 'user000'",
		"UPDATE users SET shell = '/tmp' WHERE name = 'user000'",
		"UPDATE users SET source = 1 WHERE name = 'user000'",
		"UPDATE groups SET source = 1",
		"DELETE FROM members WHERE usr = 'user000'",
		"UPDATE bindings SET owner = owner + 1 WHERE name = 'user000'",
		"UPDATE tombstones SET time = time + 1",
		"UPDATE sources SET digest = digest + 1",
		"UPDATE meta SET content = content + 1",
	};
	struct fixture *f = *state;
	struct store *store = help_open(f->folder);
	fill(store, 6);
	store_close(store);
	help_copy(store_path(f), help_path(f->folder, "whole"));
	for (size_t i = 0; i < MTLS_COUNT(changes); i++) {
		sqlite3 *db;
		help_copy(help_path(f->folder, "whole"), store_path(f));
		store = help_open(f->folder);
		assert_int_equal(walk_all(store), 0);
		assert_int_equal(sqlite3_open(store_path(f), &db), SQLITE_OK);
		(void)sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
		if (sqlite3_exec(db, changes[i], NULL, NULL, NULL) != SQLITE_OK ||
		    !sqlite3_changes(db))
			fail_msg("%s: %s", changes[i], sqlite3_errmsg(db));
		(void)sqlite3_close(db);
		int r = walk_all(store);
		if (r != MTLS_E_CORRUPT)
			fail_msg("%s: %d", changes[i], r);
		store_close(store);
	}
}

/* What a walk sums up is what the triggers did, whatever the values are. */
static void both_folds_are_one(void **state)
{
	static const struct {
		const char *values;
		int count;
	} rows[] = {
		{ "5", 1 },
		{ "'5'", 1 },
		{ "5.0", 1 },
		{ "NULL", 1 },
		{ "''", 1 },
		{ "0", 1 },
		{ "x'00ff'", 1 },
		{ "'a' || char(0) || 'b'", 1 },
		{ "'a'", 1 },
		{ "'a', 'b'", 2 },
		{ "'ab', ''", 2 },
		{ "'', 'ab'", 2 },
		{ "1, 2", 2 },
		{ "2, 1", 2 },
		{ "-1, 9223372036854775807, -9223372036854775807 - 1, 4294967295", 4 },
		{ "'u', 1, 2, 0, 'A Person \303\244', '/home/u', '/bin/sh'", 7 },
	};
	struct fixture *f = *state;
	struct store_db db = { 0 };
	int64_t seen[MTLS_COUNT(rows)];
	store_close(help_open(f->folder));
	assert_int_equal(store_db_open(&db, store_path(f), false), 0);
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct store_db_value values[7];
		sqlite3_stmt *stmt;
		char *sql;
		assert_true(asprintf(&sql, "SELECT %s, mtls_fold(0, 'users', %s)", rows[i].values,
				     rows[i].values) > 0);
		assert_int_equal(sqlite3_prepare_v2(db.sql, sql, -1, &stmt, NULL), SQLITE_OK);
		assert_int_equal(store_db_step(&db, stmt), 1);
		seen[i] = store_db_fold(stmt, store_db_fold_begin("users", rows[i].count),
					rows[i].count, values);
		if (seen[i] != sqlite3_column_int64(stmt, rows[i].count))
			fail_msg("%s", rows[i].values);
		assert_int_not_equal(
			seen[i], store_db_fold(stmt, store_db_fold_begin("groups", rows[i].count),
					       rows[i].count, values));
		(void)sqlite3_finalize(stmt);
		free(sql);
	}
	store_db_close(&db);
	/* Rows that differ have other sums, but nothing is as good as an empty text. */
	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		for (size_t j = 0; j < i; j++)
			if (seen[i] == seen[j] && strcmp(rows[i].values, "''") != 0)
				fail_msg("%s and %s", rows[i].values, rows[j].values);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(is_ours_alone),
		TEST(refusals_touch_nothing),
		TEST(first_version_migrates),
		TEST(broken_first_version_stays),
		TEST(damage_is_never_an_answer),
		TEST(forged_rows_are_damage),
		TEST(walk_finds_damage),
		TEST(both_folds_are_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
