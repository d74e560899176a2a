/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A connection to SQLite: hardened, with a cache of prepared statements. Its function mtls_fold()
 * is what the store's seal is made of: fold(sum, values...) is sum XOR the hash of the values, so a
 * sum over rows does not depend on their order and a row is taken out as it was put in.
 */
#include <config.h>

#include <endian.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "accountd/store_db.h"
#include "lib/base/cleanup.h"

#define CACHE_KIB "16384"
#define BUSY_MS   2000

static const struct {
	int id, value;
} limits[] = {
	{ SQLITE_LIMIT_LENGTH, 1 << 20 },
	{ SQLITE_LIMIT_SQL_LENGTH, 16384 },
	{ SQLITE_LIMIT_COLUMN, 32 },
	{ SQLITE_LIMIT_EXPR_DEPTH, 64 },
	{ SQLITE_LIMIT_COMPOUND_SELECT, 8 },
	{ SQLITE_LIMIT_VDBE_OP, 25000 },
	{ SQLITE_LIMIT_FUNCTION_ARG, 16 },
	{ SQLITE_LIMIT_ATTACHED, 0 },
	{ SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 64 },
	{ SQLITE_LIMIT_VARIABLE_NUMBER, 16 },
	{ SQLITE_LIMIT_TRIGGER_DEPTH, 4 },
	{ SQLITE_LIMIT_WORKER_THREADS, 0 },
};

static const struct {
	int id, on;
} switches[] = {
	{ SQLITE_DBCONFIG_DEFENSIVE, 1 },      { SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
	{ SQLITE_DBCONFIG_ENABLE_VIEW, 0 },    { SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0 },
	{ SQLITE_DBCONFIG_DQS_DML, 0 },        { SQLITE_DBCONFIG_DQS_DDL, 0 },
	{ SQLITE_DBCONFIG_ENABLE_FKEY, 1 },    { SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1 },
	{ SQLITE_DBCONFIG_ENABLE_TRIGGER, 1 },
};

static const struct {
	int sqlite, ours;
} codes[] = {
	{ SQLITE_NOMEM, -ENOMEM },          { SQLITE_FULL, -ENOSPC },
	{ SQLITE_READONLY, -EROFS },        { SQLITE_PERM, -EACCES },
	{ SQLITE_AUTH, -EACCES },           { SQLITE_BUSY, MTLS_E_BUSY },
	{ SQLITE_LOCKED, MTLS_E_BUSY },     { SQLITE_PROTOCOL, MTLS_E_BUSY },
	{ SQLITE_CORRUPT, MTLS_E_CORRUPT }, { SQLITE_NOTADB, MTLS_E_CORRUPT },
	{ SQLITE_TOOBIG, MTLS_E_LIMIT },    { SQLITE_IOERR, -EIO },
	{ SQLITE_CANTOPEN, -EIO },
};

static int to_ours(sqlite3 *sql, int code)
{
	int primary = code & 0xff;
	int cause = sql ? sqlite3_system_errno(sql) : 0;
	if ((primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN) && cause > 0)
		return -cause;
	for (size_t i = 0; i < MTLS_COUNT(codes); i++)
		if (codes[i].sqlite == primary)
			return codes[i].ours;
	return MTLS_E_BUG; /* a constraint too: the rules asked before */
}

int store_db_error(struct store_db *db, int code)
{
	int r = to_ours(db->sql, code);
	const char *words = db->sql ? sqlite3_errmsg(db->sql) : sqlite3_errstr(code);
	return mtls_diag_set(&db->why, r, "the store: %s (%s)", words,
			     r == MTLS_E_BUG ? sqlite3_errstr(code) : mtls_strerror(r));
}

/* Each value is hashed with what came before it as the seed, so that none can move. */
static uint64_t fold_number(uint64_t hash, int64_t value)
{
	uint64_t number = htole64((uint64_t)value);
	return XXH3_64bits_withSeed(&number, sizeof(number), hash);
}

/* With another seed than a number has. */
static uint64_t fold_text(uint64_t hash, const void *text, size_t len)
{
	return XXH3_64bits_withSeed(text ? text : "", len, ~hash);
}

static void fold(sqlite3_context *context, int count, sqlite3_value **values)
{
	uint64_t hash = (uint64_t)count;
	for (int i = 1; i < count; i++) {
		if (sqlite3_value_type(values[i]) == SQLITE_INTEGER) {
			hash = fold_number(hash, sqlite3_value_int64(values[i]));
			continue;
		}
		const void *text = sqlite3_value_text(values[i]);
		hash = fold_text(hash, text, text ? (size_t)sqlite3_value_bytes(values[i]) : 0);
	}
	uint64_t sum = (uint64_t)sqlite3_value_int64(values[0]) ^ hash;
	sqlite3_result_int64(context, (sqlite3_int64)sum);
}

uint64_t store_db_fold_begin(const char *table, int count)
{
	/* The sum and the table are arguments of mtls_fold() too. */
	return fold_text((uint64_t)count + 2, table, strlen(table));
}

/* The type is asked of each value: in a damaged file it may be another one than the column's. */
int64_t store_db_fold(sqlite3_stmt *stmt, uint64_t begin, int count, struct store_db_value *values)
{
	uint64_t hash = begin;
	for (int i = 0; i < count; i++) {
		struct store_db_value value = { .text = "" };
		if (sqlite3_column_type(stmt, i) == SQLITE_INTEGER) {
			value.number = sqlite3_column_int64(stmt, i);
			hash = fold_number(hash, value.number);
		} else {
			const void *text = sqlite3_column_text(stmt, i);
			if (text) {
				value.text = text;
				value.len = (size_t)sqlite3_column_bytes(stmt, i);
			}
			hash = fold_text(hash, value.text, value.len);
		}
		values[i] = value;
	}
	return (int64_t)hash;
}

static int harden(struct store_db *db)
{
	int rc = sqlite3_extended_result_codes(db->sql, 1);
	for (size_t i = 0; rc == SQLITE_OK && i < MTLS_COUNT(switches); i++)
		rc = sqlite3_db_config(db->sql, switches[i].id, switches[i].on, NULL);
	for (size_t i = 0; i < MTLS_COUNT(limits); i++)
		(void)sqlite3_limit(db->sql, limits[i].id, limits[i].value);
	/* For an administrator who makes a backup with sqlite3(1). */
	if (rc == SQLITE_OK)
		rc = sqlite3_busy_timeout(db->sql, BUSY_MS);
	if (rc == SQLITE_OK)
		rc = sqlite3_create_function_v2(db->sql, "mtls_fold", -1,
						SQLITE_UTF8 | SQLITE_DETERMINISTIC |
							SQLITE_INNOCUOUS,
						NULL, fold, NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		return store_db_error(db, rc);
	/* No mmap: a file that is cut by somebody must be an error, not SIGBUS. */
	return store_db_script(db, "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0;"
				   "PRAGMA temp_store = MEMORY; PRAGMA synchronous = FULL;"
				   "PRAGMA cache_size = -" CACHE_KIB ";");
}

int store_db_open(struct store_db *db, const char *path, bool read_only)
{
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_NOFOLLOW |
		    (read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
	int rc = sqlite3_open_v2(path, &db->sql, flags, NULL);
	int r = rc == SQLITE_OK ? harden(db) : store_db_error(db, rc);
	if (r < 0)
		store_db_close(db);
	return r;
}

int store_db_accept(struct store_db *db)
{
	int rc = sqlite3_db_config(db->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	return rc == SQLITE_OK ? 0 : store_db_error(db, rc);
}

void store_db_close(struct store_db *db)
{
	for (size_t i = 0; i < db->count; i++)
		(void)sqlite3_finalize(db->statements[i].stmt);
	db->count = 0;
	(void)sqlite3_close(db->sql);
	db->sql = NULL;
}

int store_db_script(struct store_db *db, const char *sql)
{
	int rc = sqlite3_exec(db->sql, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : store_db_error(db, rc);
}

static int prepare(struct store_db *db, const char *sql, sqlite3_stmt **ret)
{
	for (size_t i = 0; i < db->count; i++)
		if (db->statements[i].text == sql) {
			*ret = db->statements[i].stmt;
			return 0;
		}
	if (db->count == STORE_STATEMENTS_MAX)
		return mtls_diag_set(&db->why, MTLS_E_BUG, "the store: too many statements");
	sqlite3_stmt *stmt;
	int rc = sqlite3_prepare_v3(db->sql, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
	if (rc != SQLITE_OK)
		return store_db_error(db, rc);
	db->statements[db->count].text = sql;
	db->statements[db->count++].stmt = stmt;
	*ret = stmt;
	return 0;
}

static int query(struct store_db *db, const char *sql, sqlite3_stmt **ret, const char *types,
		 va_list values)
{
	sqlite3_stmt *stmt;
	int r = prepare(db, sql, &stmt);
	if (r < 0)
		return r;
	int rc = sqlite3_reset(stmt);
	/* What a query that failed last time answers is not ours. */
	rc = SQLITE_OK;
	for (int i = 1; rc == SQLITE_OK && types[i - 1]; i++) {
		switch (types[i - 1]) {
		case 's':
			rc = sqlite3_bind_text(stmt, i, va_arg(values, const char *), -1,
					       SQLITE_TRANSIENT);
			break;
		case 'u':
			rc = sqlite3_bind_int64(stmt, i, va_arg(values, uint32_t));
			break;
		default:
			rc = sqlite3_bind_int64(stmt, i, va_arg(values, int64_t));
		}
	}
	if (rc != SQLITE_OK)
		return store_db_error(db, rc);
	*ret = stmt;
	return 0;
}

int store_db_query(struct store_db *db, const char *sql, sqlite3_stmt **ret, const char *types, ...)
{
	va_list values;
	va_start(values, types);
	int r = query(db, sql, ret, types, values);
	va_end(values);
	return r;
}

int store_db_step(struct store_db *db, sqlite3_stmt *stmt)
{
	int rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		return 1;
	int r = rc == SQLITE_DONE ? 0 : store_db_error(db, rc);
	(void)sqlite3_reset(stmt);
	return r;
}

int store_db_run(struct store_db *db, const char *sql, const char *types, ...)
{
	sqlite3_stmt *stmt;
	va_list values;
	va_start(values, types);
	int r = query(db, sql, &stmt, types, values);
	va_end(values);
	if (r < 0)
		return r;
	do
		r = store_db_step(db, stmt);
	while (r > 0);
	return r;
}

int store_db_number(struct store_db *db, const char *sql, int64_t *ret, const char *types, ...)
{
	sqlite3_stmt *stmt;
	va_list values;
	va_start(values, types);
	int r = query(db, sql, &stmt, types, values);
	va_end(values);
	if (r >= 0)
		r = store_db_step(db, stmt);
	if (r > 0) {
		*ret = sqlite3_column_int64(stmt, 0);
		(void)sqlite3_reset(stmt);
	}
	return r;
}
