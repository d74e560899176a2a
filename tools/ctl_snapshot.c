/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The snapshot for people: sorted, with the names of groups and sources. Everything is read through
 * the reader that every process uses; a damaged record makes the list fail instead of getting
 * shorter. One thread.
 */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "tools/ctl_common.h"
#include "tools/ctl_snapshot.h"

#define FIRST_ROOM 256 /* elements of a growing array */

int ctl_snapshot_open(const char *path, struct ctl_snapshot *ret, struct mtls_diag *diag)
{
	int r = mtls_acctdb_open(&ret->db, path, 0, diag);
	if (r == -ENOENT)
		return 0;
	ret->open = r == 0;
	return r;
}

void ctl_snapshot_close(struct ctl_snapshot *snapshot)
{
	if (snapshot->open)
		mtls_acctdb_close(&snapshot->db);
	snapshot->open = false;
}

bool ctl_snapshot_user(const struct ctl_snapshot *snapshot, const char *name,
		       struct mtls_acct_user *ret)
{
	return snapshot->open &&
	       mtls_acctdb_user_by_name(&snapshot->db, name, strlen(name), ret) == 0;
}

bool ctl_snapshot_group(const struct ctl_snapshot *snapshot, const char *name,
			struct mtls_acct_group *ret)
{
	return snapshot->open &&
	       mtls_acctdb_group_by_name(&snapshot->db, name, strlen(name), ret) == 0;
}

struct mtls_acct_str ctl_snapshot_source(const struct ctl_snapshot *snapshot, uint8_t index)
{
	struct mtls_acct_str name;

	if (!snapshot->open || mtls_acctdb_source(&snapshot->db, index, &name) < 0)
		return (struct mtls_acct_str){ "?", 1 };
	return name;
}

/* Room for one more element of @size bytes in *@array. */
static int grow(void *array, size_t size, size_t count, size_t *room)
{
	void **at = array;

	if (count < *room)
		return 0;
	size_t wanted = *room ? *room * 2 : FIRST_ROOM;
	void *bigger = reallocarray(*at, wanted, size);
	if (!bigger)
		return -ENOMEM;
	*at = bigger;
	*room = wanted;
	return 0;
}

static int compare_str(struct mtls_acct_str a, struct mtls_acct_str b)
{
	int r = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
	return r ? r : (a.len > b.len) - (a.len < b.len);
}

static int compare_users(const void *a, const void *b)
{
	const struct mtls_acct_user *x = a, *y = b;
	return compare_str(x->name, y->name);
}

static int compare_groups(const void *a, const void *b)
{
	const struct mtls_acct_group *x = a, *y = b;
	return compare_str(x->name, y->name);
}

static int compare_bindings(const void *a, const void *b)
{
	const struct ctl_binding *x = a, *y = b;
	int r = compare_str(x->name, y->name);
	return r ? r : compare_str(x->key, y->key);
}

int ctl_snapshot_users(const struct ctl_snapshot *snapshot, struct mtls_acct_user **ret,
		       size_t *ret_count)
{
	_cleanup_free_ struct mtls_acct_user *users = NULL;
	struct mtls_acctdb_cursor cursor = { 0 };
	size_t count = 0, room = 0;
	int r = snapshot->open ? 0 : MTLS_E_NOTFOUND;

	while (r == 0) {
		r = grow(&users, sizeof(*users), count, &room);
		if (r == 0)
			r = mtls_acctdb_next_user(&snapshot->db, &cursor, &users[count]);
		count += r == 0;
	}
	if (r != MTLS_E_NOTFOUND)
		return r;
	if (count)
		qsort(users, count, sizeof(*users), compare_users);
	*ret = MTLS_TAKE(users);
	*ret_count = count;
	return 0;
}

/* The group that a user has for itself alone. */
static bool is_private(const struct ctl_snapshot *snapshot, const struct mtls_acct_group *group)
{
	struct mtls_acct_user user;

	return mtls_acctdb_user_by_name(&snapshot->db, group->name.data, group->name.len, &user) ==
		       0 &&
	       user.uid == group->gid && user.gid == group->gid;
}

int ctl_snapshot_groups(const struct ctl_snapshot *snapshot, bool private_too,
			struct mtls_acct_group **ret, size_t *ret_count)
{
	_cleanup_free_ struct mtls_acct_group *groups = NULL;
	struct mtls_acctdb_cursor cursor = { 0 };
	size_t count = 0, room = 0;
	int r = snapshot->open ? 0 : MTLS_E_NOTFOUND;

	while (r == 0) {
		r = grow(&groups, sizeof(*groups), count, &room);
		if (r == 0)
			r = mtls_acctdb_next_group(&snapshot->db, &cursor, &groups[count]);
		if (r == 0)
			count += private_too || !is_private(snapshot, &groups[count]);
	}
	if (r != MTLS_E_NOTFOUND)
		return r;
	if (count)
		qsort(groups, count, sizeof(*groups), compare_groups);
	*ret = MTLS_TAKE(groups);
	*ret_count = count;
	return 0;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int ctl_snapshot_groups_of(const struct ctl_snapshot *snapshot, struct mtls_acct_str name,
			   char ***ret)
{
	_cleanup_(mtls_strv_freep) char **names = NULL;
	struct mtls_acct_ids ids = { 0 };

	int r = mtls_acctdb_user_groups(&snapshot->db, name.data, name.len, &ids);
	names = calloc((size_t)ids.count + 1, sizeof(*names));
	if (!names)
		return -ENOMEM;
	for (size_t i = 0, n = 0; r == 0 && i < ids.count; i++) {
		struct mtls_acct_group group;
		r = mtls_acctdb_group_by_gid(&snapshot->db, mtls_acct_ids_get(&ids, i), &group);
		/* A group that readers do not see is one that the user is not in. */
		if (r == MTLS_E_NOTFOUND) {
			r = 0;
			continue;
		}
		if (r == 0) {
			names[n] = strndup(group.name.data, group.name.len);
			r = names[n++] ? 0 : -ENOMEM;
		}
	}
	if (r < 0)
		return r;
	qsort(names, mtls_strv_count(names), sizeof(*names), compare_texts);
	*ret = MTLS_TAKE(names);
	return 0;
}

struct gathering {
	struct ctl_binding *bindings;
	size_t count, room;
};

static int gather_bindings(void *ctx, enum mtls_acct_kind kind, struct mtls_acct_str key,
			   const uint8_t *value, size_t len)
{
	struct gathering *g = ctx;
	struct mtls_acct_names names;
	size_t cursor = 0;

	if (kind != MTLS_ACCT_BINDING)
		return 0;
	int r = mtls_acct_binding_decode(value, len, &names);
	for (struct mtls_acct_str name; r == 0 && mtls_acct_names_next(&names, &cursor, &name);) {
		r = grow(&g->bindings, sizeof(*g->bindings), g->count, &g->room);
		/* The first byte of the key is its kind. */
		if (r == 0)
			g->bindings[g->count++] =
				(struct ctl_binding){ .name = name,
						      .key = { key.data + 1, key.len - 1 } };
	}
	return r;
}

bool ctl_snapshot_bound(const struct ctl_snapshot *snapshot, const char *name, const char *key)
{
	struct mtls_acct_names names;
	struct mtls_acct_str bound;
	size_t cursor = 0;

	if (!snapshot->open || mtls_acctdb_binding(&snapshot->db, key, strlen(key), &names) < 0)
		return false;
	while (mtls_acct_names_next(&names, &cursor, &bound))
		if (mtls_acct_str_eq(bound, name, strlen(name)))
			return true;
	return false;
}

int ctl_snapshot_bindings(const struct ctl_snapshot *snapshot, struct ctl_binding **ret,
			  size_t *ret_count)
{
	struct gathering g = { 0 };
	int r = snapshot->open ? mtls_acctdb_each(&snapshot->db, gather_bindings, &g) : 0;

	if (r < 0) {
		free(g.bindings);
		return r;
	}
	if (g.count)
		qsort(g.bindings, g.count, sizeof(*g.bindings), compare_bindings);
	*ret = g.bindings;
	*ret_count = g.count;
	return 0;
}

json_t *ctl_json_str(struct mtls_acct_str str)
{
	return json_stringn(str.data, str.len);
}

/* One object after the other: the list of a million is never in memory as a whole. */
static int print_json(const struct ctl_listing *listing, const void *ctx, size_t count)
{
	(void)putchar('[');
	for (size_t i = 0; i < count; i++) {
		json_t *object = listing->json(ctx, i);
		char *text = object ? json_dumps(object, JSON_INDENT(2)) : NULL;
		json_decref(object);
		if (!text)
			return -ENOMEM;
		(void)printf("%s\n%s", i ? "," : "", text);
		free(text);
	}
	(void)puts(count ? "\n]" : "]");
	ctl_result_printed();
	return 0;
}

int ctl_print_listing(const struct ctl_listing *listing, const void *ctx, size_t count, bool json)
{
	if (json)
		return print_json(listing, ctx, count);
	int r = 0;
	(void)puts(listing->header);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = listing->text(ctx, i);
	return r;
}
