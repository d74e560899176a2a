/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What file sources said last, kept so that a broken file or a restart takes no account away; and
 * the questions about sources. What becomes of it is decided in store_merge.c.
 */
#include <config.h>

#include <inttypes.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "accountd/store_impl.h"
#include "lib/base/str.h"

static int check_name(struct store *store, const char *name)
{
	size_t len = strlen(name);
	if (mtls_account_name_valid(name, len) && len <= MTLS_ACCTDB_SOURCE_MAX &&
	    !mtls_streq(name, "store"))
		return 0;
	return mtls_diag_set(&store->db.why, MTLS_E_SYNTAX,
			     "'%.64s' is not a name for a source of accounts: letters, digits, "
			     "'_', '-' and '.', at most %d bytes, not \"store\"",
			     name, MTLS_ACCTDB_SOURCE_MAX);
}

static int find_source(struct store *store, const char *name, int64_t *ret_id)
{
	return store_db_number(&store->db, "SELECT id FROM sources WHERE name = ?1", ret_id, "s",
			       name);
}

static int add_source(struct store *store, const char *name, int64_t *ret_id)
{
	int64_t id = 0;
	int r = store_db_number(&store->db,
				"SELECT min(id) + 1 FROM sources s WHERE NOT EXISTS"
				" (SELECT 1 FROM sources t WHERE t.id = s.id + 1)",
				&id, "");
	if (r < 0)
		return r;
	if (id >= MTLS_ACCTDB_SOURCES_MAX)
		return mtls_diag_set(&store->db.why, MTLS_E_LIMIT,
				     "there are %d sources of accounts already",
				     MTLS_ACCTDB_SOURCES_MAX - 1);
	r = store_db_run(&store->db, "INSERT INTO sources (id, name) VALUES (?1, ?2)", "is", id,
			 name);
	if (r < 0)
		return r;
	store->dirty = true;
	*ret_id = id;
	return 0;
}

static int forget_rows(struct store *store, int64_t id)
{
	int r = store_db_run(&store->db, "DELETE FROM source_members WHERE source = ?1", "i", id);
	if (r >= 0)
		r = store_db_run(&store->db, "DELETE FROM source_groups WHERE source = ?1", "i",
				 id);
	if (r >= 0)
		r = store_db_run(&store->db, "DELETE FROM source_users WHERE source = ?1", "i", id);
	return r;
}

/*
 * The rows are collected without triggers and moved by one statement a table: each statement with
 * triggers has a savepoint, whose release costs what the change has written so far.
 */
static const char collect_sql[] =
	"CREATE TEMP TABLE IF NOT EXISTS in_users ("
	" line INTEGER, name TEXT, uid INTEGER, gid INTEGER, gecos TEXT, home TEXT, shell TEXT);"
	"CREATE TEMP TABLE IF NOT EXISTS in_groups (line INTEGER, name TEXT, gid INTEGER);"
	"CREATE TEMP TABLE IF NOT EXISTS in_members (grp TEXT, usr TEXT);"
	"DELETE FROM in_users; DELETE FROM in_groups; DELETE FROM in_members;";

static int move_rows(struct store *store, int64_t id)
{
	int r = store_db_run(&store->db,
			     "INSERT INTO source_users"
			     " (source, line, name, uid, gid, gecos, home, shell)"
			     " SELECT ?1, line, name, uid, gid, gecos, home, shell FROM in_users",
			     "i", id);
	if (r >= 0)
		r = store_db_run(&store->db,
				 "INSERT INTO source_groups (source, line, name, gid)"
				 " SELECT ?1, line, name, gid FROM in_groups",
				 "i", id);
	if (r >= 0)
		r = store_db_run(&store->db,
				 "INSERT INTO source_members (source, grp, usr)"
				 " SELECT ?1, grp, usr FROM in_members",
				 "i", id);
	/* Their memory. */
	return r < 0 ? r
		     : store_db_script(&store->db, "DELETE FROM in_users; DELETE FROM in_groups;"
						   "DELETE FROM in_members;");
}

static int incomplete(struct store *store, const char *source, unsigned int line, const char *what)
{
	return mtls_diag_set(&store->db.why, MTLS_E_SYNTAX, "%s:%u: %s", source, line, what);
}

static int keep_user(struct store *store, const char *source, const struct mtls_roster_user *user)
{
	if (!user->home || !user->shell || user->uid == MTLS_ROSTER_NO_ID ||
	    user->gid == MTLS_ROSTER_NO_ID)
		return incomplete(store, source, user->line,
				  "a user of a source needs ids, a home and a shell");
	return store_db_run(&store->db,
			    "INSERT INTO in_users (line, name, uid, gid, gecos, home, shell)"
			    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
			    "usuusss", (uint32_t)user->line, user->name, user->uid, user->gid,
			    user->gecos ? user->gecos : "", user->home, user->shell);
}

static int keep_group(struct store *store, const char *source,
		      const struct mtls_roster_group *group)
{
	if (group->gid == MTLS_ROSTER_NO_ID)
		return incomplete(store, source, group->line, "a group of a source needs a gid");
	int r = store_db_run(&store->db,
			     "INSERT INTO in_groups (line, name, gid) VALUES (?1, ?2, ?3)", "usu",
			     (uint32_t)group->line, group->name, group->gid);
	for (size_t i = 0; r >= 0 && i < group->member_count; i++)
		r = store_db_run(&store->db, "INSERT INTO in_members (grp, usr) VALUES (?1, ?2)",
				 "ss", group->name, group->members[i]);
	return r;
}

static int keep_rows(struct store *store, const char *name, int64_t id,
		     const struct mtls_roster *roster)
{
	int r = store_db_script(&store->db, collect_sql);
	for (size_t i = 0; r >= 0 && i < roster->user_count; i++)
		r = keep_user(store, name, &roster->users[i]);
	for (size_t i = 0; r >= 0 && i < roster->group_count; i++)
		r = keep_group(store, name, &roster->groups[i]);
	return r < 0 ? r : move_rows(store, id);
}

static void digest_text(XXH64_state_t *state, const char *text)
{
	/* With its NUL: the end of a text is part of it. */
	(void)XXH64_update(state, text ? text : "", text ? strlen(text) + 1 : 1);
}

static void digest_group(XXH64_state_t *state, const struct mtls_roster_group *group)
{
	const uint32_t numbers[] = { group->line, group->gid, (uint32_t)group->member_count };
	(void)XXH64_update(state, numbers, sizeof(numbers));
	digest_text(state, group->name);
	for (size_t i = 0; i < group->member_count; i++)
		digest_text(state, group->members[i]);
}

static void digest_user(XXH64_state_t *state, const struct mtls_roster_user *user)
{
	const uint32_t numbers[] = { user->line, user->uid, user->gid };
	const char *const texts[] = { user->name, user->gecos, user->home, user->shell };
	(void)XXH64_update(state, numbers, sizeof(numbers));
	for (size_t i = 0; i < MTLS_COUNT(texts); i++)
		digest_text(state, texts[i]);
}

/* Each start reads all source files again; most say what they said before. */
static int64_t digest(const struct mtls_roster *roster)
{
	XXH64_state_t state;
	(void)XXH64_reset(&state, roster->user_count);
	for (size_t i = 0; i < roster->user_count; i++)
		digest_user(&state, &roster->users[i]);
	for (size_t i = 0; i < roster->group_count; i++)
		digest_group(&state, &roster->groups[i]);
	return (int64_t)XXH64_digest(&state);
}

static int is_same(struct store *store, int64_t id, const struct mtls_roster *roster)
{
	int64_t one;
	return store_db_number(&store->db,
			       "SELECT 1 FROM sources WHERE id = ?1 AND gone = 0 AND digest = ?2",
			       &one, "ii", id, digest(roster));
}

static int replace_source(struct store *store, const char *name, int64_t id,
			  const struct mtls_roster *roster)
{
	int r = forget_rows(store, id);
	if (r >= 0)
		r = keep_rows(store, name, id, roster);
	if (r >= 0)
		r = store_db_run(&store->db,
				 "UPDATE sources SET gone = 0, digest = ?2 WHERE id = ?1", "ii", id,
				 digest(roster));
	return r;
}

static int remove_source(struct store *store, int64_t id)
{
	int r = forget_rows(store, id);
	return r < 0 ? r
		     : store_db_run(&store->db,
				    "UPDATE sources SET gone = 1, digest = 0 WHERE id = ?1", "i",
				    id);
}

static int set_source(struct store *store, const char *name, const struct mtls_roster *roster)
{
	int64_t id = 0;
	int r = check_name(store, name);
	if (r >= 0)
		r = find_source(store, name, &id);
	if (r < 0 || (!r && !roster))
		return r; /* what was never there is gone already */
	if (!r)
		r = add_source(store, name, &id);
	else if (roster && (r = is_same(store, id, roster)))
		return r < 0 ? r : 0;
	if (r < 0)
		return r;
	return roster ? replace_source(store, name, id, roster) : remove_source(store, id);
}

int store_set_source(struct store *store, const char *name, const struct mtls_roster *roster,
		     struct mtls_diag *diag)
{
	int r = store_op_begin(store);
	return store_op_end(store, r < 0 ? r : set_source(store, name, roster), diag);
}

int store_conflicts(struct store *store, store_conflict_fn *each, void *ctx, struct mtls_diag *diag)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	store->db.why.text[0] = '\0';
	int r = store_db_query(&store->db,
			       "SELECT s.name, c.line, c.sentence FROM conflicts c"
			       " JOIN sources s ON s.id = c.source ORDER BY s.name, c.line, c.id",
			       &stmt, "");
	while (r >= 0 && (r = store_db_step(&store->db, stmt)) > 0) {
		r = each(ctx, store_db_text(stmt, 0), store_db_u32(stmt, 1),
			 store_db_text(stmt, 2));
		if (r)
			return r;
	}
	return store_answer(store, r, diag);
}

int store_sources(struct store *store, store_source_fn *each, void *ctx, struct mtls_diag *diag)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	store->db.why.text[0] = '\0';
	int r = store_db_query(
		&store->db,
		"SELECT name,"
		" (SELECT count(*) FROM users u WHERE u.source = s.id AND u.source > 0),"
		" (SELECT count(*) FROM groups g WHERE g.source = s.id AND g.source > 0)"
		" FROM sources s WHERE id > 0 ORDER BY name",
		&stmt, "");
	while (r >= 0 && (r = store_db_step(&store->db, stmt)) > 0) {
		r = each(ctx, store_db_text(stmt, 0), (uint64_t)sqlite3_column_int64(stmt, 1),
			 (uint64_t)sqlite3_column_int64(stmt, 2));
		if (r)
			return r;
	}
	return store_answer(store, r, diag);
}
