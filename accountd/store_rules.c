/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who may get which name and id. Refusals say why, in the store's words; nothing is changed here
 * but the next ids.
 */
#include <config.h>

#include <inttypes.h>
#include <string.h>

#include "accountd/store_impl.h"

int store_rule_name(struct store *store, const char *name)
{
	size_t len = strlen(name);
	if (len && mtls_account_name_reserved(name, len))
		return mtls_diag_set(&store->db.why, MTLS_E_DENIED,
				     "the name '%s' is reserved for the system", name);
	if (!mtls_account_name_ownable(name, len))
		return mtls_diag_set(
			&store->db.why, MTLS_E_SYNTAX,
			"'%s' is not a name for an account: small letters, digits, '_' "
			"and '-', a letter first, at most %d bytes",
			name, MTLS_OWNED_NAME_MAX);
	if (mtls_local_has_user(store->local, name))
		return mtls_diag_set(&store->db.why, MTLS_E_EXISTS,
				     "'%s' is a local account of this machine (/etc/passwd)", name);
	if (mtls_local_has_group(store->local, name))
		return mtls_diag_set(&store->db.why, MTLS_E_EXISTS,
				     "'%s' is a local group of this machine (/etc/group)", name);
	return 0;
}

int store_rule_packaged(struct store *store, const char *name)
{
	if (!mtls_account_name_packaged(name, strlen(name)))
		return 0;
	return mtls_diag_set(&store->db.why, MTLS_E_DENIED,
			     "the name '%s' is one that packages give to their daemons", name);
}

/* The sentence for a name that is taken by a @what of the source in column 0. */
static int taken_by(struct store *store, sqlite3_stmt *stmt, const char *what, const char *name)
{
	if (sqlite3_column_int64(stmt, 0) == STORE_STORE)
		return mtls_diag_set(&store->db.why, MTLS_E_EXISTS, "%s '%s' exists already", what,
				     name);
	return mtls_diag_set(&store->db.why, MTLS_E_EXISTS,
			     "%s '%s' exists already, from the source '%s'", what, name,
			     store_db_text(stmt, 1));
}

int store_rule_name_free(struct store *store, const char *name, uint32_t own_gid)
{
	struct store_db *db = &store->db;
	_cleanup_stmt_ sqlite3_stmt *user = NULL, *group = NULL;
	int r = store_db_query(db,
			       "SELECT s.id, s.name FROM users u JOIN sources s ON s.id = u.source"
			       " WHERE u.name = ?1",
			       &user, "s", name);
	if (r >= 0)
		r = store_db_step(db, user);
	if (r != 0)
		return r < 0 ? r : taken_by(store, user, "an account", name);
	r = store_db_query(db,
			   "SELECT s.id, s.name FROM groups g JOIN sources s ON s.id = g.source"
			   " WHERE g.name = ?1 AND g.gid <> ?2",
			   &group, "su", name, own_gid);
	if (r >= 0)
		r = store_db_step(db, group);
	return r <= 0 ? r : taken_by(store, group, "a group", name);
}

int store_rule_fields(struct store *store, const char *gecos, const char *home, const char *shell)
{
	struct mtls_diag *why = &store->db.why;
	if (gecos && !mtls_account_gecos_valid(gecos, strlen(gecos)))
		return mtls_diag_set(why, MTLS_E_SYNTAX,
				     "the gecos text must be UTF-8 without ':' and control "
				     "characters, at most %d bytes",
				     MTLS_ACCOUNT_GECOS_MAX);
	if (home && !mtls_account_path_valid(home, strlen(home)))
		return mtls_diag_set(why, MTLS_E_SYNTAX,
				     "'%.300s' is not a home: an absolute path without '..' and "
				     "':', at most %d bytes",
				     home, MTLS_ACCOUNT_PATH_MAX);
	if (shell && !mtls_account_path_valid(shell, strlen(shell)))
		return mtls_diag_set(why, MTLS_E_SYNTAX,
				     "'%.300s' is not a shell: an absolute path without '..' and "
				     "':', at most %d bytes",
				     shell, MTLS_ACCOUNT_PATH_MAX);
	return 0;
}

/*
 * A certificate is bound to a person, and whoever has the name later must not inherit it: neither
 * an account of ours after one of another system, nor one of a source after another.
 */
int store_rule_not_bound(struct store *store, const char *name, uint32_t uid)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	struct mtls_diag *why = &store->db.why;
	int r = store_db_query(&store->db,
			       "SELECT owner, key FROM bindings WHERE name = ?1 AND owner <> ?2"
			       " ORDER BY key LIMIT 1",
			       &stmt, "su", name, uid);
	if (r >= 0)
		r = store_db_step(&store->db, stmt);
	if (r <= 0)
		return r;
	uint32_t owner = store_db_u32(stmt, 0);
	const char *key = store_db_text(stmt, 1);
	if (owner)
		return mtls_diag_set(why, MTLS_E_EXISTS,
				     "a certificate is still bound to the former '%s' (uid %" PRIu32
				     "): mtlsctl bind remove %s %.300s",
				     name, owner, name, key);
	return mtls_diag_set(why, MTLS_E_EXISTS,
			     "a certificate is bound to '%s' as somebody else's account: "
			     "mtlsctl bind remove %s %.300s",
			     name, name, key);
}

enum taken {
	FREE,
	IN_USE,
	BURIED,
	LOCAL,
	ALLOCATED,
};

static const char *const taken_words[] = {
	[IN_USE] = "is in use",
	[BURIED] = "belonged to a removed account and is never given out again",
	[LOCAL] = "is held by this machine's own files (passwd, group, subuid, subgid)",
	[ALLOCATED] = "is one that useradd or groupadd may give to somebody else (login.defs, "
		      "sysusers.d); foreign_ids in accountd.conf can admit it",
};

/* Asked as uid and as gid alike: what is given out here is both. */
static int taken(struct store *store, uint32_t id)
{
	int64_t found = FREE;
	if (mtls_local_has_uid(store->local, id) || mtls_local_has_gid(store->local, id))
		return LOCAL;
	uint32_t last;
	if (mtls_local_refuses_run(store->local, &store->ids, id, &last))
		return ALLOCATED;
	/* A private group's gid is a uid; the other primary gids are those of groups. */
	int r = store_db_number(&store->db,
				"SELECT 1 FROM users WHERE uid = ?1"
				" UNION ALL SELECT 1 FROM groups WHERE gid = ?1"
				" UNION ALL SELECT 2 FROM tombstones WHERE grp = 0 AND id = ?1"
				" UNION ALL SELECT 2 FROM tombstones WHERE grp = 1 AND id = ?1",
				&found, "u", id);
	return r < 0 ? r : r ? (int)found : FREE;
}

static int none_left(struct store *store)
{
	return mtls_diag_set(
		&store->db.why, MTLS_E_LIMIT,
		"no id is left between %" PRIu32 " and %" PRIu32
		": widen id_min and id_max in accountd.conf, or what login.defs allows "
		"useradd is in the way",
		store->ids.window.min, store->ids.window.max);
}

/* Where to look first. */
static int start(struct store *store, uint32_t *ret_start)
{
	const struct mtls_id_window *window = &store->ids.window;
	int64_t next = 0;
	int r = store_db_number(&store->db, "SELECT max(next_uid, next_gid) FROM meta", &next, "");
	if (r < 0)
		return r;
	/* Another window since: from its start. What was given out is in use or has a tombstone. */
	uint32_t first = next < window->min || next > window->max ? window->min : (uint32_t)next;
	if (store->hint > first && store->hint <= window->max)
		first = store->hint;
	*ret_start = first;
	return 0;
}

/* What the sequence gives next; MTLS_E_LIMIT. */
static int next_free(struct store *store, uint32_t *ret_id)
{
	uint32_t first = 0;
	int r = start(store, &first);
	if (r < 0)
		return r;
	for (uint64_t id = first; id <= store->ids.window.max; id++) {
		if (!mtls_id_allowed(&store->ids.window, (uint32_t)id))
			continue;
		/* login.defs may allow tools the whole window. */
		uint32_t last;
		if (mtls_local_refuses_run(store->local, &store->ids, (uint32_t)id, &last)) {
			id = last;
			continue;
		}
		r = taken(store, (uint32_t)id);
		if (r < 0)
			return r;
		if (r != FREE)
			continue;
		*ret_id = (uint32_t)id;
		return 0;
	}
	return none_left(store);
}

/* @id is given out: the sequence goes on behind it. */
static int advance(struct store *store, uint32_t id)
{
	store->hint = id + 1;
	return store_db_run(&store->db,
			    "UPDATE meta SET next_uid = max(next_uid, ?1),"
			    " next_gid = max(next_gid, ?1)",
			    "u", id + 1);
}

static int allocate(struct store *store, uint32_t *ret_id)
{
	int r = next_free(store, ret_id);
	return r < 0 ? r : advance(store, *ret_id);
}

/*
 * An id that was asked for leaves the sequence alone, which steps over it, unless it is the next
 * one: `mtlsctl account add` asks for exactly that, and the steps would get more with every
 * account.
 */
static int take_wanted(struct store *store, uint32_t wanted)
{
	uint32_t next = 0;
	if (!mtls_id_allowed(&store->ids.window, wanted))
		return 0;
	/* @wanted is free, so there is one. */
	int r = next_free(store, &next);
	if (r == MTLS_E_LIMIT)
		return 0;
	return r < 0 || wanted != next ? r : advance(store, wanted);
}

int store_rule_id(struct store *store, uint32_t wanted, uint32_t *ret_id)
{
	if (!wanted)
		return allocate(store, ret_id);
	if (!mtls_id_admitted(&store->ids, wanted))
		return mtls_diag_set(&store->db.why, MTLS_E_DENIED,
				     "the id %" PRIu32 " is reserved, or outside of the window and "
				     "the foreign ranges of accountd.conf",
				     wanted);
	int r = taken(store, wanted);
	if (r > FREE)
		return mtls_diag_set(&store->db.why, MTLS_E_DENIED, "the id %" PRIu32 " %s", wanted,
				     taken_words[r]);
	if (r == FREE)
		r = take_wanted(store, wanted);
	if (r >= 0)
		*ret_id = wanted;
	return r;
}
