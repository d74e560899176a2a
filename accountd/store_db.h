/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SQLite as the store uses it: one connection with every safety that it has, statements prepared
 * once, values always bound, its codes turned into ours. Only accountd/store*.c include this.
 *
 * Functions return 0 or more, or a negative code; @db->why then holds the sentence.
 */
#ifndef ACCOUNTD_STORE_DB_H
#define ACCOUNTD_STORE_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

#define STORE_STATEMENTS_MAX 128

struct store_db {
	sqlite3 *sql;
	struct {
		const char *text; /* borrowed: a literal, known by its address */
		sqlite3_stmt *stmt;
	} statements[STORE_STATEMENTS_MAX];
	size_t count;
	struct mtls_diag why;
};

/* Opens the existing file @path. It is not changed, not even when the connection is closed. */
int store_db_open(struct store_db *db, const char *path, bool read_only);
/* From here on the log may be taken over into the file. */
int store_db_accept(struct store_db *db);
void store_db_close(struct store_db *db);

/* The code for what SQLite answered, and its words in @db->why. */
int store_db_error(struct store_db *db, int code);

/* Statements without values or results, several in one text. */
int store_db_script(struct store_db *db, const char *sql);

/*
 * @sql is a literal. @types has a letter for each value: 's' const char *, 'u' uint32_t,
 * 'i' int64_t.
 */
int store_db_query(struct store_db *db, const char *sql, sqlite3_stmt **ret, const char *types,
		   ...);
/* 1: a row, whose texts live until the next step; 0: no more, and the statement is reset. */
int store_db_step(struct store_db *db, sqlite3_stmt *stmt);
/* Runs a statement to its end: 0. */
int store_db_run(struct store_db *db, const char *sql, const char *types, ...);
/* The first column of the first row: 1; 0 where there is none. */
int store_db_number(struct store_db *db, const char *sql, int64_t *ret, const char *types, ...);

/* One column of a row: a text or a number; the other one is empty or 0. */
struct store_db_value {
	const char *text; /* never NULL; lives until the next step */
	size_t len;
	int64_t number;
};

/*
 * What "mtls_fold(0, 'TABLE', columns...)" says, for the first @count columns of the row in hand,
 * without a call of SQLite's for it; @values are these columns. @begin is of the same @count.
 */
uint64_t store_db_fold_begin(const char *table, int count);
int64_t store_db_fold(sqlite3_stmt *stmt, uint64_t begin, int count, struct store_db_value *values);

/* Never NULL. */
static inline const char *store_db_text(sqlite3_stmt *stmt, int column)
{
	const unsigned char *text = sqlite3_column_text(stmt, column);
	return text ? (const char *)text : "";
}

static inline uint32_t store_db_u32(sqlite3_stmt *stmt, int column)
{
	return (uint32_t)sqlite3_column_int64(stmt, column);
}

static inline void store_db_resetp(sqlite3_stmt **stmt)
{
	if (*stmt)
		(void)sqlite3_reset(*stmt);
}
/* For a query that may be left before its end. */
#define _cleanup_stmt_ __attribute__((cleanup(store_db_resetp)))

#endif
