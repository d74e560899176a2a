/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names and ids that are there twice. By sorting: millions of entries, no square, and no hash
 * table that a file could be made for. Names sort by a hash first, which fits beside the pointer,
 * so that most comparisons touch no name.
 */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/roster/roster.h"

struct row {
	uint64_t key;     /* the id, or a hash of the name */
	const char *name; /* NULL: compare ids */
	unsigned int line;
};

static uint64_t hash_name(const char *name)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (const char *p = name; *p; p++)
		hash = (hash ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
	return hash;
}

static int compare_content(const struct row *x, const struct row *y)
{
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->name ? strcmp(x->name, y->name) : 0;
}

static int compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int r = compare_content(x, y);

	return r ? r : (x->line > y->line) - (x->line < y->line);
}

/* The first row of the file that is there a second time is the one that is reported. */
static int find_twice(const char *file, const char *what, struct row *rows, size_t count,
		      struct mtls_diag *diag)
{
	const struct row *again = NULL, *first = NULL;

	qsort(rows, count, sizeof(*rows), compare);
	for (size_t i = 1; i < count; i++)
		if (compare_content(&rows[i - 1], &rows[i]) == 0 &&
		    (!again || rows[i].line < again->line)) {
			first = &rows[i - 1];
			again = &rows[i];
		}
	if (!again)
		return 0;
	if (again->name)
		return mtls_diag_set(diag, MTLS_E_EXISTS,
				     "%s:%u: found the %s '%s' of line %u again, expected it once",
				     file, again->line, what, again->name, first->line);
	return mtls_diag_set(diag, MTLS_E_EXISTS,
			     "%s:%u: found the %s %u of line %u again, expected it once", file,
			     again->line, what, (unsigned int)again->key, first->line);
}

static int check_users(const char *file, const struct mtls_roster *roster, struct row *rows,
		       struct mtls_diag *diag)
{
	size_t count = 0;

	for (size_t i = 0; i < roster->user_count; i++) {
		const struct mtls_roster_user *user = &roster->users[i];
		rows[i] = (struct row){ hash_name(user->name), user->name, user->line };
	}
	int r = find_twice(file, "user", rows, roster->user_count, diag);
	if (r < 0)
		return r;
	for (size_t i = 0; i < roster->user_count; i++)
		if (roster->users[i].uid != MTLS_ROSTER_NO_ID)
			rows[count++] = (struct row){ .key = roster->users[i].uid,
						      .line = roster->users[i].line };
	return find_twice(file, "uid", rows, count, diag);
}

static int check_groups(const char *file, const struct mtls_roster *roster, struct row *rows,
			struct mtls_diag *diag)
{
	size_t count = 0;

	for (size_t i = 0; i < roster->group_count; i++) {
		const struct mtls_roster_group *group = &roster->groups[i];
		rows[i] = (struct row){ hash_name(group->name), group->name, group->line };
	}
	int r = find_twice(file, "group", rows, roster->group_count, diag);
	if (r < 0)
		return r;
	for (size_t i = 0; i < roster->group_count; i++)
		if (roster->groups[i].gid != MTLS_ROSTER_NO_ID)
			rows[count++] = (struct row){ .key = roster->groups[i].gid,
						      .line = roster->groups[i].line };
	return find_twice(file, "gid", rows, count, diag);
}

int mtls_roster_check(const char *file, const struct mtls_roster *roster, struct mtls_diag *diag)
{
	size_t count =
		roster->user_count > roster->group_count ? roster->user_count : roster->group_count;
	if (!count)
		return 0;
	_cleanup_free_ struct row *rows = calloc(count, sizeof(*rows));
	if (!rows)
		return mtls_diag_set(diag, -ENOMEM, "%s: out of memory", file);
	int r = check_users(file, roster, rows, diag);
	return r < 0 ? r : check_groups(file, roster, rows, diag);
}
