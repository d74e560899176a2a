/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * May a row of a source have its name and its ids? Asked against the store's own accounts, the
 * winners so far (temporary tables want_*), and what sources gave until now: an id that is alive or
 * buried under another name is refused.
 */
#include <config.h>

#include <inttypes.h>
#include <string.h>

#include "accountd/store_merge.h"

#define REFUSE(store, ...) mtls_diag_set(&(store)->db.why, MTLS_E_EXISTS, __VA_ARGS__)

/* Who keeps his packaged name: an account that has it already. */
static int judge_name(struct merge *m, const struct claim *claim)
{
	int64_t one;
	int r = store_rule_name(m->store, claim->name);
	if (r < 0 || store_rule_packaged(m->store, claim->name) >= 0)
		return r;
	r = store_db_number(&m->store->db,
			    "SELECT 1 FROM users WHERE name = ?1 AND source > 0"
			    " UNION ALL SELECT 1 FROM groups WHERE name = ?1 AND source > 0",
			    &one, "s", claim->name);
	return r < 0 ? r : r > 0 ? 0 : store_rule_packaged(m->store, claim->name);
}

/*
 * The name is free in the store and among the winners so far. A user may be called as its primary
 * group is, if both come from one source.
 */
static int judge_owner(struct merge *m, const struct claim *claim)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = store_db_query(
		&m->store->db,
		"SELECT s.name FROM (SELECT source FROM users WHERE name = ?1 AND source = 0"
		" UNION ALL SELECT source FROM groups WHERE name = ?1 AND source = 0"
		" UNION ALL SELECT source FROM want_users WHERE name = ?1"
		" UNION ALL SELECT source FROM want_groups WHERE name = ?1"
		"  AND NOT (gid = ?2 AND source = ?3)) w JOIN sources s ON s.id = w.source",
		&stmt, "sui", claim->name, claim->group ? 0 : claim->gid, claim->source);
	if (r >= 0)
		r = store_db_step(&m->store->db, stmt);
	if (r <= 0)
		return r;
	const char *owner = store_db_text(stmt, 0);
	return strcmp(owner, "store") == 0
		       ? REFUSE(m->store, "the name belongs to the store")
		       : REFUSE(m->store, "the name belongs to the source '%s'", owner);
}

/* The name of somebody else who has @id, or had it. */
static int other_user(struct merge *m, const struct claim *claim)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = store_db_query(&m->store->db,
			       "SELECT name FROM users WHERE uid = ?1"
			       " AND (name <> ?2 OR source = 0)"
			       " UNION ALL SELECT name FROM want_users WHERE uid = ?1"
			       " UNION ALL SELECT name FROM tombstones"
			       "  WHERE grp = 0 AND id = ?1 AND name <> ?2",
			       &stmt, "us", claim->id, claim->name);
	if (r >= 0)
		r = store_db_step(&m->store->db, stmt);
	return r <= 0 ? r
		      : REFUSE(m->store, "the uid %" PRIu32 " is, or was, that of '%s'", claim->id,
			       store_db_text(stmt, 0));
}

static int other_group(struct merge *m, const struct claim *claim)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = store_db_query(
		&m->store->db,
		"SELECT name FROM groups WHERE gid = ?1 AND (name <> ?2 OR source = 0)"
		" UNION ALL SELECT name FROM users WHERE uid = ?1 AND gid = ?1"
		"  AND (name <> ?2 OR source = 0)"
		" UNION ALL SELECT name FROM want_groups WHERE gid = ?1"
		" UNION ALL SELECT name FROM want_users WHERE uid = ?1 AND gid = ?1"
		" UNION ALL SELECT name FROM tombstones"
		"  WHERE grp = 1 AND id = ?1 AND name <> ?2",
		&stmt, "us", claim->gid, claim->name);
	if (r >= 0)
		r = store_db_step(&m->store->db, stmt);
	return r <= 0 ? r
		      : REFUSE(m->store, "the gid %" PRIu32 " is, or was, that of the group '%s'",
			       claim->gid, store_db_text(stmt, 0));
}

/* @uid, @gid: what the claim is made on. */
static int judge_ids(struct merge *m, const struct claim *claim, bool uid, bool gid)
{
	struct store *store = m->store;
	if (!mtls_id_admitted(&store->ids, claim->id))
		return REFUSE(store,
			      "the id %" PRIu32 " is reserved, or outside of the window and the "
			      "foreign ranges of accountd.conf",
			      claim->id);
	if ((uid && mtls_local_has_uid(store->local, claim->id)) ||
	    (gid && mtls_local_has_gid(store->local, claim->gid)))
		return REFUSE(store,
			      "the id %" PRIu32 " is held by this machine's own files (passwd, "
			      "group, subuid, subgid)",
			      claim->id);
	if ((uid && mtls_local_refuses_uid(store->local, &store->ids, claim->id)) ||
	    (gid && mtls_local_refuses_gid(store->local, &store->ids, claim->id)))
		return REFUSE(store,
			      "useradd or groupadd may give the id %" PRIu32
			      " to somebody else (login.defs, sysusers.d); foreign_ids in "
			      "accountd.conf can admit it",
			      claim->id);
	int r = uid ? other_user(m, claim) : 0;
	return r < 0 || !gid ? r : other_group(m, claim);
}

static int judge_primary(struct merge *m, const struct claim *claim)
{
	int64_t one;
	int r = store_db_number(
		&m->store->db,
		"SELECT 1 FROM groups WHERE gid = ?1 AND source = 0"
		" UNION ALL SELECT 1 FROM want_groups WHERE gid = ?1 AND source = ?2",
		&one, "ui", claim->gid, claim->source);
	return r ? (r < 0 ? r : 0)
		 : REFUSE(m->store,
			  "its primary group %" PRIu32
			  " is neither of this source nor of the store",
			  claim->gid);
}

int store_judge_user(struct merge *m, const struct claim *claim, sqlite3_stmt *row)
{
	bool private = claim->gid == claim->id;
	int r = judge_name(m, claim);
	if (r >= 0)
		r = judge_owner(m, claim);
	if (r >= 0)
		r = judge_ids(m, claim, true, private);
	if (r >= 0)
		r = store_rule_fields(m->store, store_db_text(row, 4), store_db_text(row, 5),
				      store_db_text(row, 6));
	if (r >= 0)
		r = store_rule_not_bound(m->store, claim->name, claim->id);
	if (r >= 0 && !private)
		r = judge_primary(m, claim);
	return r;
}

int store_judge_group(struct merge *m, const struct claim *claim)
{
	int r = judge_name(m, claim);
	if (r >= 0)
		r = judge_owner(m, claim);
	return r < 0 ? r : judge_ids(m, claim, false, true);
}
