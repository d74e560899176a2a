/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Accounts as other systems write them down: passwd(5), group(5), CSV. Text in, a roster out; pure,
 * no file is opened. Used by mtls-accountd for its source files and by `mtlsctl account import`.
 *
 * A file is taken as a whole or not at all: the first line that is wrong is an error with file and
 * line. Names and ids are checked for syntax here; whether they may be used is the store's
 * business. Password hashes are never kept: they are counted.
 */
#ifndef MTLS_ROSTER_ROSTER_H
#define MTLS_ROSTER_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/cleanup.h"
#include "lib/base/err.h"

#define MTLS_ROSTER_FILE_MAX    (512 << 20) /* bytes of a file */
#define MTLS_ROSTER_LINE_MAX    (4 << 20)   /* bytes of a line: a group with all its members */
#define MTLS_ROSTER_ENTRIES_MAX 4000000     /* users, and groups, of a roster */

#define MTLS_ROSTER_NO_ID UINT32_MAX /* CSV: the file names none */

/*
 * Entries of a roster are made by the functions below alone: all texts of an entry are one block
 * of memory, which mtls_roster_done() releases.
 */
struct mtls_roster_user {
	char *name, *gecos, *home, *shell; /* CSV: NULL where the file has nothing */
	char **groups;                     /* CSV only: NULL-terminated or NULL; no name twice */
	void *block;                       /* holds all of these */
	uint32_t uid, gid;
	unsigned int line;
};

struct mtls_roster_group {
	char *name;
	char **members; /* NULL-terminated, never NULL; no name twice; holds the name too */
	size_t member_count;
	uint32_t gid;
	unsigned int line;
};

struct mtls_roster {
	struct mtls_roster_user *users;
	size_t user_count, user_room;
	struct mtls_roster_group *groups;
	size_t group_count, group_room;
	size_t hashes_dropped;
};

/*
 * Add what @text holds to the zeroed or partly filled @roster. @file is for messages. Empty lines
 * and lines that begin with '#' are passed over; NIS lines ('+', '-') are an error with a word. The
 * last line must end in a newline: without it the file may be cut off, and what is left of a line
 * can look like a whole one. (CSV: need not; its number of fields and their end are known.)
 *
 * Names: the grammar of mtls_account_name_ownable(), or a reserved name, which the store refuses
 * with its own words. gecos, home, shell as in lib/name/account.h. Ids: plain decimal, below
 * MTLS_ROSTER_NO_ID. An empty password, "x", "*", "!", "!!", "*LK*", "NP" are not counted as
 * hashes.
 *
 * 0, -ENOMEM, MTLS_E_LIMIT, MTLS_E_SYNTAX with @diag "FILE:LINE: found X, expected Y", where X is
 * cut and printable; the roster then holds whatever and is only good for mtls_roster_done().
 */
int mtls_roster_passwd(const char *file, const uint8_t *text, size_t len,
		       struct mtls_roster *roster, struct mtls_diag *diag);
int mtls_roster_group(const char *file, const uint8_t *text, size_t len, struct mtls_roster *roster,
		      struct mtls_diag *diag);
/*
 * RFC 4180 with a header line. Columns by name, any order: name (required), uid, gid, gecos, home,
 * shell, groups (separated by ';' or ' '). An unknown column is an error that lists the known ones.
 */
int mtls_roster_csv(const char *file, const uint8_t *text, size_t len, struct mtls_roster *roster,
		    struct mtls_diag *diag);

/*
 * Add a copy of one entry, from elsewhere than a file; its texts are checked as above (gecos, home,
 * shell may be NULL, members and groups too; ids may be MTLS_ROSTER_NO_ID). @file and the entry's
 * line are for messages. Errors as above.
 */
int mtls_roster_add_user(const char *file, const struct mtls_roster_user *user,
			 struct mtls_roster *roster, struct mtls_diag *diag);
int mtls_roster_add_group(const char *file, const struct mtls_roster_group *group,
			  struct mtls_roster *roster, struct mtls_diag *diag);

/*
 * Refuses names and ids that are there twice, naming both lines; 0, MTLS_E_EXISTS, -ENOMEM. Once,
 * after all files were read. Users are compared with users, groups with groups.
 */
int mtls_roster_check(const char *file, const struct mtls_roster *roster, struct mtls_diag *diag);

void mtls_roster_done(struct mtls_roster *roster);

/*
 * Append one entry in the syntax of the file; the password field is "*". 0, the buffer's error, or
 * MTLS_E_SYNTAX for an entry without what the syntax needs (passwd: ids, home, shell; group: gid).
 */
int mtls_roster_write_passwd(const struct mtls_roster_user *user, struct mtls_buf *out);
int mtls_roster_write_group(const struct mtls_roster_group *group, struct mtls_buf *out);
int mtls_roster_write_csv_header(struct mtls_buf *out);
int mtls_roster_write_csv(const struct mtls_roster_user *user, struct mtls_buf *out);

#endif
