/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Operations of a change: users, groups, members. Each is a savepoint (store.c); the rules are
 * asked first (store_rules.c), so that a constraint of the tables is never the one to say no.
 */
#include <config.h>

#include <inttypes.h>
#include <string.h>

#include "accountd/store_impl.h"

/* What the store knows of a name. */
struct found {
	uint32_t uid, gid;
	int64_t source;
};

static int find(struct store *store, const char *sql, const char *name, struct found *ret)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = store_db_query(&store->db, sql, &stmt, "s", name);
	if (r >= 0)
		r = store_db_step(&store->db, stmt);
	if (r > 0)
		*ret = (struct found){ .uid = store_db_u32(stmt, 0),
				       .gid = store_db_u32(stmt, 1),
				       .source = sqlite3_column_int64(stmt, 2) };
	return r;
}

static int not_ours(struct store *store, int64_t source, const char *what, const char *name)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = store_db_query(&store->db, "SELECT name FROM sources WHERE id = ?1", &stmt, "i",
			       source);
	if (r >= 0)
		r = store_db_step(&store->db, stmt);
	return r < 0 ? r
		     : mtls_diag_set(&store->db.why, MTLS_E_DENIED,
				     "%s '%s' comes from the source '%s': change it there", what,
				     name, r ? store_db_text(stmt, 0) : "?");
}

/* An account of the store itself. */
static int find_user(struct store *store, const char *name, struct found *ret)
{
	int r = find(store, "SELECT uid, gid, source FROM users WHERE name = ?1", name, ret);
	if (!r)
		return mtls_diag_set(&store->db.why, MTLS_E_NOTFOUND,
				     "there is no account '%s' of mtls", name);
	return r > 0 && ret->source != STORE_STORE
		       ? not_ours(store, ret->source, "the account", name)
		       : r;
}

/* A supplementary group of the store itself. */
static int find_group(struct store *store, const char *name, struct found *ret)
{
	struct found user;
	int r = find(store, "SELECT 0, gid, source FROM groups WHERE name = ?1", name, ret);
	if (r > 0)
		return ret->source != STORE_STORE ? not_ours(store, ret->source, "the group", name)
						  : r;
	if (!r)
		r = find(store, "SELECT uid, gid, source FROM users WHERE name = ?1 AND gid = uid",
			 name, &user);
	if (r < 0)
		return r;
	return r ? mtls_diag_set(&store->db.why, MTLS_E_DENIED,
				 "'%s' is the private group of the account '%s'", name, name)
		 : mtls_diag_set(&store->db.why, MTLS_E_NOTFOUND, "there is no group '%s' of mtls",
				 name);
}

/* A primary group that a user of the store can have: one of the store's. */
static int check_primary(struct store *store, uint32_t gid)
{
	int64_t source;
	int r = store_db_number(&store->db, "SELECT source FROM groups WHERE gid = ?1", &source,
				"u", gid);
	if (r < 0 || (r && source == STORE_STORE))
		return r;
	return mtls_diag_set(&store->db.why, r ? MTLS_E_DENIED : MTLS_E_NOTFOUND,
			     r ? "the group %" PRIu32 " comes from a source of accounts, which may "
				 "take it away: it cannot be a primary group here"
			       : "there is no group with the gid %" PRIu32
				 " that could be the primary one: add it first",
			     gid);
}

/* Field by field and in this order, so that the first thing that is wrong is the one reported. */
static int check_spec(struct store *store, const struct store_user_spec *spec)
{
	struct mtls_diag *why = &store->db.why;
	if (!spec->name || !spec->home || !spec->shell)
		return mtls_diag_set(why, MTLS_E_SYNTAX,
				     "an account needs a name, a home and a shell");
	bool private = !spec->gid || spec->gid == spec->uid;
	int r = store_rule_name(store, spec->name);
	if (r >= 0)
		r = store_rule_packaged(store, spec->name);
	if (r >= 0)
		r = store_rule_name_free(store, spec->name, private ? 0 : spec->gid);
	if (r >= 0)
		r = store_rule_fields(store, spec->gecos, spec->home, spec->shell);
	if (r >= 0)
		r = store_rule_not_bound(store, spec->name, STORE_NOBODY);
	if (r >= 0 && !private)
		r = check_primary(store, spec->gid);
	return r;
}

static int add_user(struct store *store, const struct store_user_spec *spec, uint32_t *ret_uid)
{
	uint32_t uid = 0;
	int r = check_spec(store, spec);
	if (r >= 0)
		r = store_rule_id(store, spec->uid, &uid);
	if (r >= 0)
		r = store_db_run(&store->db,
				 "INSERT INTO users (name, uid, gid, gecos, home, shell)"
				 " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
				 "suusss", spec->name, uid, spec->gid ? spec->gid : uid,
				 spec->gecos ? spec->gecos : "", spec->home, spec->shell);
	if (r < 0)
		return r;
	store->dirty = true;
	*ret_uid = uid;
	return 0;
}

int store_add_user(struct store *store, const struct store_user_spec *spec, uint32_t *ret_uid,
		   struct mtls_diag *diag)
{
	uint32_t uid = 0;
	int r = store_op_begin(store);
	r = store_op_end(store, r < 0 ? r : add_user(store, spec, &uid), diag);
	if (r >= 0)
		*ret_uid = uid;
	return r;
}

static int change_user(struct store *store, const struct store_user_spec *spec)
{
	struct found user;
	int r = find_user(store, spec->name, &user);
	if (r < 0)
		return r;
	if ((spec->uid && spec->uid != user.uid) || (spec->gid && spec->gid != user.gid))
		return mtls_diag_set(&store->db.why, MTLS_E_DENIED,
				     "the ids of '%s' cannot change: files belong to them",
				     spec->name);
	r = store_rule_fields(store, spec->gecos, spec->home, spec->shell);
	if (r >= 0)
		r = store_db_run(&store->db,
				 "UPDATE users SET gecos = ifnull(?2, gecos),"
				 " home = ifnull(?3, home), shell = ifnull(?4, shell)"
				 " WHERE name = ?1 AND (gecos, home, shell) IS NOT"
				 " (ifnull(?2, gecos), ifnull(?3, home), ifnull(?4, shell))",
				 "ssss", spec->name, spec->gecos, spec->home, spec->shell);
	if (r >= 0 && sqlite3_changes(store->db.sql) > 0)
		store->dirty = true;
	return r;
}

int store_change_user(struct store *store, const struct store_user_spec *spec,
		      struct mtls_diag *diag)
{
	int r = store_op_begin(store);
	return store_op_end(store, r < 0 ? r : change_user(store, spec), diag);
}

int store_add_tombstone(struct store *store, bool group, uint32_t id, uint64_t time,
			const char *name)
{
	store->dirty = true;
	return store_db_run(&store->db,
			    "INSERT INTO tombstones (grp, id, time, name) VALUES (?1, ?2, ?3, ?4)",
			    "uuis", (uint32_t)group, id, (int64_t)(time & INT64_MAX), name);
}

int store_drop_user(struct store *store, const char *name, uint64_t time, uint32_t *ret_uid)
{
	struct found user;
	int r = find_user(store, name, &user);
	if (r < 0)
		return r;
	r = store_add_tombstone(store, false, user.uid, time, name);
	if (r >= 0 && user.gid == user.uid)
		r = store_add_tombstone(store, true, user.gid, time, name);
	if (r >= 0)
		r = store_db_run(&store->db, "DELETE FROM members WHERE usr = ?1", "s", name);
	if (r >= 0)
		r = store_db_run(&store->db, "DELETE FROM bindings WHERE name = ?1", "s", name);
	if (r >= 0)
		r = store_db_run(&store->db, "DELETE FROM users WHERE name = ?1", "s", name);
	store_forget(store);
	if (r >= 0)
		*ret_uid = user.uid;
	return r;
}

int store_remove_user(struct store *store, const char *name, uint64_t time, uint32_t *ret_uid,
		      struct mtls_diag *diag)
{
	uint32_t uid = 0;
	int r = store_op_begin(store);
	r = store_op_end(store, r < 0 ? r : store_drop_user(store, name, time, &uid), diag);
	if (r >= 0)
		*ret_uid = uid;
	return r;
}

static int add_group(struct store *store, const char *name, uint32_t gid, uint32_t *ret_gid)
{
	uint32_t id = 0;
	int r = store_rule_name(store, name);
	if (r >= 0)
		r = store_rule_packaged(store, name);
	if (r >= 0)
		r = store_rule_name_free(store, name, 0);
	if (r >= 0)
		r = store_rule_id(store, gid, &id);
	if (r >= 0)
		r = store_db_run(&store->db, "INSERT INTO groups (name, gid) VALUES (?1, ?2)", "su",
				 name, id);
	if (r < 0)
		return r;
	store->dirty = true;
	*ret_gid = id;
	return 0;
}

int store_add_group(struct store *store, const char *name, uint32_t gid, uint32_t *ret_gid,
		    struct mtls_diag *diag)
{
	uint32_t id = 0;
	int r = store_op_begin(store);
	r = store_op_end(store, r < 0 ? r : add_group(store, name, gid, &id), diag);
	if (r >= 0)
		*ret_gid = id;
	return r;
}

/* A user without primary group would be dropped by the publisher. */
static int check_not_primary(struct store *store, const char *name, uint32_t gid)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = store_db_query(&store->db,
			       "SELECT name FROM users WHERE gid = ?1 AND gid <> uid LIMIT 1",
			       &stmt, "u", gid);
	if (r >= 0)
		r = store_db_step(&store->db, stmt);
	return r <= 0 ? r
		      : mtls_diag_set(&store->db.why, MTLS_E_DENIED,
				      "'%s' is the primary group of the account '%s'", name,
				      store_db_text(stmt, 0));
}

int store_drop_group(struct store *store, const char *name, uint64_t time, uint32_t *ret_gid)
{
	struct found group;
	int r = find_group(store, name, &group);
	if (r >= 0)
		r = check_not_primary(store, name, group.gid);
	if (r >= 0)
		r = store_add_tombstone(store, true, group.gid, time, name);
	if (r >= 0)
		r = store_db_run(&store->db, "DELETE FROM members WHERE gid = ?1", "u", group.gid);
	if (r >= 0)
		r = store_db_run(&store->db, "DELETE FROM groups WHERE name = ?1", "s", name);
	if (r >= 0)
		*ret_gid = group.gid;
	return r;
}

int store_remove_group(struct store *store, const char *name, uint64_t time, uint32_t *ret_gid,
		       struct mtls_diag *diag)
{
	uint32_t gid = 0;
	int r = store_op_begin(store);
	r = store_op_end(store, r < 0 ? r : store_drop_group(store, name, time, &gid), diag);
	if (r >= 0)
		*ret_gid = gid;
	return r;
}

/* The number of members of @gid, for the caller to count on. */
static int find_room(struct store *store, uint32_t gid, struct store_room **ret)
{
	struct store_room *room = &store->rooms[gid % STORE_ROOMS];
	int64_t count = 0;
	if (room->gid != gid) {
		int r = store_db_number(&store->db, "SELECT count(*) FROM members WHERE gid = ?1",
					&count, "u", gid);
		if (r < 0)
			return r;
		*room = (struct store_room){ .gid = gid, .count = (uint32_t)count };
	}
	*ret = room;
	return 0;
}

static int check_room(struct store *store, const char *group, const struct store_room *room,
		      const char *user)
{
	int64_t groups = 0;
	int r = store_db_number(&store->db, "SELECT count(*) FROM members WHERE usr = ?1", &groups,
				"s", user);
	if (r < 0 || (room->count < MTLS_ACCTDB_MEMBERS_MAX && groups < MTLS_ACCTDB_GROUPS_MAX))
		return r;
	return mtls_diag_set(&store->db.why, MTLS_E_LIMIT,
			     "'%s' cannot join '%s': at most %d members of a group and %d "
			     "groups of an account",
			     user, group, MTLS_ACCTDB_MEMBERS_MAX, MTLS_ACCTDB_GROUPS_MAX);
}

static int add_member(struct store *store, const char *group_name, const char *user_name)
{
	struct found group, user;
	struct store_room *room;
	int64_t one;
	int r = find_group(store, group_name, &group);
	if (r >= 0)
		r = find_user(store, user_name, &user);
	if (r < 0 || user.gid == group.gid)
		return r < 0 ? r : 0;
	r = store_db_number(&store->db, "SELECT 1 FROM members WHERE gid = ?1 AND usr = ?2", &one,
			    "us", group.gid, user_name);
	if (r)
		return r < 0 ? r : 0;
	r = find_room(store, group.gid, &room);
	if (r >= 0)
		r = check_room(store, group_name, room, user_name);
	if (r >= 0)
		r = store_db_run(&store->db, "INSERT INTO members (gid, usr) VALUES (?1, ?2)", "us",
				 group.gid, user_name);
	if (r < 0)
		return r;
	room->count++;
	store->dirty = true;
	return 0;
}

int store_add_member(struct store *store, const char *group, const char *user,
		     struct mtls_diag *diag)
{
	int r = store_op_begin(store);
	return store_op_end(store, r < 0 ? r : add_member(store, group, user), diag);
}

static int remove_member(struct store *store, const char *group_name, const char *user_name)
{
	struct found group, user;
	int r = find_group(store, group_name, &group);
	if (r >= 0)
		r = find_user(store, user_name, &user);
	if (r >= 0)
		r = store_db_run(&store->db, "DELETE FROM members WHERE gid = ?1 AND usr = ?2",
				 "us", group.gid, user_name);
	if (r < 0)
		return r;
	if (sqlite3_changes(store->db.sql) == 0)
		return mtls_diag_set(&store->db.why, MTLS_E_NOTFOUND,
				     "'%s' is not a member of '%s'", user_name, group_name);
	store->dirty = true;
	store_forget(store);
	return 0;
}

int store_remove_member(struct store *store, const char *group, const char *user,
			struct mtls_diag *diag)
{
	int r = store_op_begin(store);
	return store_op_end(store, r < 0 ? r : remove_member(store, group, user), diag);
}
