/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a snapshot to the store: all of it into a new store, or only what an old backup of the store
 * has missed. A snapshot is read as a whole, so damage anywhere in it is noticed. Each is one
 * transaction of its own.
 */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "accountd/store_impl.h"

struct import {
	struct store *store;
	const struct mtls_acctdb *db;
	uint64_t time; /* of tombstones that are made */
	uint64_t users, groups, private_groups, bindings, tombstones;
};

static int damaged(struct import *in, const char *what)
{
	return mtls_diag_set(&in->store->db.why, MTLS_E_CORRUPT, "%s", what);
}

/* Names in a snapshot have their grammar checked: short, and without NUL. */
static const char *copy_name(char out[MTLS_ACCOUNT_NAME_MAX + 1], struct mtls_acct_str name)
{
	size_t len = name.len > MTLS_ACCOUNT_NAME_MAX ? MTLS_ACCOUNT_NAME_MAX : name.len;
	memcpy(out, name.data, len);
	out[len] = '\0';
	return out;
}

static int import_user(struct import *in, const struct mtls_acct_user *user)
{
	char name[MTLS_ACCOUNT_NAME_MAX + 1];
	_cleanup_free_ char *gecos = strndup(user->gecos.data, user->gecos.len);
	_cleanup_free_ char *home = strndup(user->home.data, user->home.len);
	_cleanup_free_ char *shell = strndup(user->shell.data, user->shell.len);
	if (!gecos || !home || !shell)
		return -ENOMEM;
	in->users++;
	return store_db_run(&in->store->db,
			    "INSERT INTO users (name, uid, gid, gecos, home, shell)"
			    " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
			    "suusss", copy_name(name, user->name), user->uid, user->gid, gecos,
			    home, shell);
}

static int import_members(struct import *in, const struct mtls_acct_group *group)
{
	char name[MTLS_ACCOUNT_NAME_MAX + 1];
	struct mtls_acct_str member;
	int r = 0;
	for (size_t at = 0; r >= 0 && mtls_acct_names_next(&group->members, &at, &member);)
		r = store_db_run(&in->store->db, "INSERT INTO members (gid, usr) VALUES (?1, ?2)",
				 "us", group->gid, copy_name(name, member));
	return r;
}

static int import_group(struct import *in, const struct mtls_acct_group *group)
{
	char name[MTLS_ACCOUNT_NAME_MAX + 1];
	int64_t one;
	int r = store_db_number(&in->store->db,
				"SELECT 1 FROM users WHERE name = ?1 AND uid = ?2 AND gid = ?2",
				&one, "su", copy_name(name, group->name), group->gid);
	if (r > 0) {
		in->private_groups++;
		return group->members.count ? damaged(in, "a private group has members") : 0;
	}
	if (r < 0)
		return r;
	in->groups++;
	r = store_db_run(&in->store->db, "INSERT INTO groups (name, gid) VALUES (?1, ?2)", "su",
			 name, group->gid);
	return r < 0 ? r : import_members(in, group);
}

static int import_binding(struct import *in, struct mtls_acct_str key, const uint8_t *value,
			  size_t len)
{
	struct mtls_acct_names names;
	struct mtls_acct_str name;
	char copy[MTLS_ACCOUNT_NAME_MAX + 1];
	int r = mtls_acct_binding_decode(value, len, &names);
	_cleanup_free_ char *text = strndup(key.data + 1, key.len - 1);
	if (!text)
		return -ENOMEM;
	in->bindings++;
	for (size_t at = 0; r >= 0 && mtls_acct_names_next(&names, &at, &name);)
		r = store_insert_binding(in->store, text, copy_name(copy, name));
	return r;
}

static int import_tombstone(struct import *in, struct mtls_acct_str key, const uint8_t *value,
			    size_t len)
{
	struct mtls_acct_tombstone stone;
	char name[MTLS_ACCOUNT_NAME_MAX + 1];
	if (key.len != 2 + sizeof(stone.id))
		return MTLS_E_CORRUPT;
	int r = mtls_acct_tombstone_decode(value, len, &stone);
	if (r < 0)
		return r;
	const struct mtls_acct_ids in_key = { .count = 1, .data = (const uint8_t *)key.data + 2 };
	in->tombstones++;
	return store_add_tombstone(in->store, key.data[1] == 'g', mtls_acct_ids_get(&in_key, 0),
				   stone.time, copy_name(name, stone.name));
}

static int import_record(void *ctx, enum mtls_acct_kind kind, struct mtls_acct_str key,
			 const uint8_t *value, size_t len)
{
	if (kind == MTLS_ACCT_BINDING)
		return import_binding(ctx, key, value, len);
	if (kind == MTLS_ACCT_TOMBSTONE)
		return import_tombstone(ctx, key, value, len);
	return 0; /* read below, or a second view of it */
}

typedef int user_fn(struct import *in, const struct mtls_acct_user *user);
typedef int group_fn(struct import *in, const struct mtls_acct_group *group);

static int each_user(struct import *in, user_fn *each)
{
	struct mtls_acctdb_cursor cursor = { 0 };
	struct mtls_acct_user user;
	int r;
	while ((r = mtls_acctdb_next_user(in->db, &cursor, &user)) >= 0)
		if ((r = each(in, &user)) < 0)
			return r;
	return r == MTLS_E_NOTFOUND ? 0 : r;
}

static int each_group(struct import *in, group_fn *each)
{
	struct mtls_acctdb_cursor cursor = { 0 };
	struct mtls_acct_group group;
	int r;
	while ((r = mtls_acctdb_next_group(in->db, &cursor, &group)) >= 0)
		if ((r = each(in, &group)) < 0)
			return r;
	return r == MTLS_E_NOTFOUND ? 0 : r;
}

/* What no correct snapshot holds, beyond what the tables refuse. */
static int check_imported(struct import *in)
{
	const struct mtls_acct_header *header = &in->db->header;
	uint64_t groups = in->groups + (header->format == 1 ? in->private_groups : 0);
	int64_t bad = 0;
	if (in->users != header->users || groups != header->groups ||
	    in->bindings != header->bindings || in->tombstones != header->tombstones)
		return damaged(in, "records are missing");
	int r = store_db_number(
		&in->store->db,
		"SELECT EXISTS (SELECT 1 FROM users u JOIN tombstones t ON t.grp = 0 AND t.id = "
		"u.uid)"
		" OR EXISTS (SELECT 1 FROM users u JOIN tombstones t ON t.grp = 1 AND t.id = u.gid)"
		" OR EXISTS (SELECT 1 FROM groups g JOIN tombstones t ON t.grp = 1 AND t.id = "
		"g.gid)"
		" OR EXISTS (SELECT 1 FROM users WHERE gid <> uid"
		"  AND gid NOT IN (SELECT gid FROM groups))"
		" OR EXISTS (SELECT 1 FROM users u JOIN groups g ON g.gid = u.uid WHERE u.gid = "
		"u.uid)"
		" OR EXISTS (SELECT 1 FROM members m JOIN users u ON u.name = m.usr"
		"  WHERE u.gid = m.gid)",
		&bad, "");
	if (r < 0)
		return r;
	return bad ? damaged(in, "its accounts, groups and tombstones contradict one another") : 0;
}

/* Ids are given out from where the snapshot was, or further. */
static int raise_numbers(struct import *in)
{
	struct mtls_acct_next next;
	int r = mtls_acctdb_next_ids(in->db, &next);
	if (r < 0)
		return r;
	return store_db_run(&in->store->db,
			    "UPDATE meta SET generation = max(generation, ?1),"
			    " next_uid = max(next_uid, ?2), next_gid = max(next_gid, ?3)",
			    "iuu", (int64_t)in->db->header.serial, next.uid, next.gid);
}

static int import_all(struct import *in)
{
	bool is_new;
	int r = store_is_empty(in->store, &is_new);
	if (r >= 0 && !is_new)
		r = mtls_diag_set(&in->store->db.why, MTLS_E_EXISTS,
				  "the store holds something already");
	if (r >= 0)
		r = each_user(in, import_user);
	if (r >= 0)
		r = each_group(in, import_group);
	if (r >= 0)
		r = mtls_acctdb_each(in->db, import_record, in);
	if (r >= 0)
		r = check_imported(in);
	return r < 0 ? r : raise_numbers(in);
}

static int in_transaction(struct import *in, int (*body)(struct import *in), bool counts_up,
			  struct mtls_diag *diag)
{
	struct store *store = in->store;
	uint64_t generation;
	if (in->db->header.serial >= INT64_MAX)
		return mtls_diag_set(diag, MTLS_E_LIMIT, "the snapshot's serial is too high");
	int r = store_begin(store, diag);
	if (r < 0)
		return r;
	r = body(in);
	if (r < 0) {
		/* A row that the tables refuse is the snapshot's fault. */
		if (r == MTLS_E_BUG)
			r = MTLS_E_CORRUPT;
		const struct mtls_diag why = store->db.why;
		store_rollback(store);
		return mtls_diag_set(diag, r, "the snapshot cannot be taken over: %s",
				     mtls_diag_text(&why, r));
	}
	store->dirty = counts_up;
	return store_commit(store, &generation, diag);
}

int store_import_snapshot(struct store *store, const struct mtls_acctdb *db, struct mtls_diag *diag)
{
	struct import in = { .store = store, .db = db };
	return in_transaction(&in, import_all, false, diag);
}

int store_check_snapshot(struct store *store, const struct mtls_acctdb *db, struct mtls_diag *diag)
{
	struct store_counts counts;
	int r = store_counts(store, &counts, diag);
	if (r < 0 || db->header.serial <= counts.generation)
		return r;
	return mtls_diag_set(
		diag, MTLS_E_DENIED,
		"the store (generation %" PRIu64 ") is older than the snapshot that is "
		"published (%" PRIu64 "), so ids that were given out in between would be "
		"given out again: restore a newer backup of '%s', or run mtls-accountd "
		"--catch-up once, which bars those ids",
		counts.generation, db->header.serial, store->path);
}

/* An id that the store has never heard of gets a tombstone with the name that had it. */
static int bury(struct import *in, bool group, uint32_t id, const char *name)
{
	int64_t one;
	int r = store_db_number(
		&in->store->db,
		"SELECT 1 FROM tombstones WHERE grp = ?1 AND id = ?2"
		" UNION ALL SELECT 1 FROM users WHERE uid = ?2 AND (NOT ?1 OR gid = ?2)"
		" UNION ALL SELECT 1 FROM groups WHERE gid = ?2 AND ?1",
		&one, "uu", (uint32_t)group, id);
	if (r)
		return r < 0 ? r : 0;
	in->tombstones++;
	return store_add_tombstone(in->store, group, id, in->time, name);
}

static int bury_user(struct import *in, const struct mtls_acct_user *user)
{
	char name[MTLS_ACCOUNT_NAME_MAX + 1];
	return bury(in, false, user->uid, copy_name(name, user->name));
}

static int bury_group(struct import *in, const struct mtls_acct_group *group)
{
	char name[MTLS_ACCOUNT_NAME_MAX + 1];
	return bury(in, true, group->gid, copy_name(name, group->name));
}

/*
 * Who was removed since the backup stays removed: he must not be back with his certificates. A
 * group that is somebody's primary one again has to stay.
 */
static int remove_again(struct import *in, bool group, uint32_t id, const char *name, uint64_t time)
{
	struct store *store = in->store;
	int64_t one;
	uint32_t gone;
	int r = store_db_number(
		&store->db,
		group ? "SELECT 1 FROM groups WHERE gid = ?1 AND name = ?2 AND source = 0"
			" AND NOT EXISTS (SELECT 1 FROM users WHERE gid = ?1)"
		      : "SELECT 1 FROM users WHERE uid = ?1 AND name = ?2 AND source = 0",
		&one, "us", id, name);
	if (r <= 0)
		return r;
	in->tombstones++;
	return group ? store_drop_group(store, name, time, &gone)
		     : store_drop_user(store, name, time, &gone);
}

static int bury_tombstone(void *ctx, enum mtls_acct_kind kind, struct mtls_acct_str key,
			  const uint8_t *value, size_t len)
{
	struct mtls_acct_tombstone stone;
	char name[MTLS_ACCOUNT_NAME_MAX + 1];
	if (kind != MTLS_ACCT_TOMBSTONE)
		return 0;
	if (key.len != 2 + sizeof(stone.id))
		return MTLS_E_CORRUPT;
	int r = mtls_acct_tombstone_decode(value, len, &stone);
	if (r < 0)
		return r;
	const struct mtls_acct_ids in_key = { .count = 1, .data = (const uint8_t *)key.data + 2 };
	bool group = key.data[1] == 'g';
	uint32_t id = mtls_acct_ids_get(&in_key, 0);
	r = remove_again(ctx, group, id, copy_name(name, stone.name), stone.time);
	return r < 0 ? r : bury(ctx, group, id, name);
}

static int catch_up(struct import *in)
{
	int r = each_user(in, bury_user);
	if (r >= 0)
		r = each_group(in, bury_group);
	if (r >= 0)
		r = mtls_acctdb_each(in->db, bury_tombstone, in);
	return r < 0 ? r : raise_numbers(in);
}

int store_catch_up(struct store *store, const struct mtls_acctdb *db, uint64_t time,
		   uint64_t *ret_barred, struct mtls_diag *diag)
{
	struct import in = { .store = store, .db = db, .time = time };
	int r = in_transaction(&in, catch_up, true, diag);
	if (r >= 0)
		*ret_barred = in.tombstones;
	return r;
}
