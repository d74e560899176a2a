/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From what the sources said to the accounts that there are. First every row is judged, in order,
 * into temporary tables of what is wanted; who loses gets a sentence. Then the difference between
 * these and the effective rows of sources is applied, table by table, so that a merge without news
 * writes nothing.
 *
 * An id belongs to a name for ever: whoever else claims it loses, be the first owner alive or gone,
 * even if a source that comes earlier in the order makes the claim. Within a source the users with
 * a private group go first (they claim a name as user and group), then groups, then users whose
 * primary group is one of these or of the store.
 */
#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "accountd/store_merge.h"

#define CONFLICTS_MAX 1000 /* sentences kept for a source; the rest is counted */

static const char start_sql[] =
	"CREATE TEMP TABLE IF NOT EXISTS want_users ("
	" name TEXT NOT NULL PRIMARY KEY, uid INTEGER NOT NULL UNIQUE, gid INTEGER NOT NULL,"
	" gecos TEXT NOT NULL, home TEXT NOT NULL, shell TEXT NOT NULL, source INTEGER NOT NULL"
	") STRICT, WITHOUT ROWID;"
	"CREATE TEMP TABLE IF NOT EXISTS want_groups ("
	" name TEXT NOT NULL PRIMARY KEY, gid INTEGER NOT NULL UNIQUE, source INTEGER NOT NULL"
	") STRICT, WITHOUT ROWID;"
	"CREATE TEMP TABLE IF NOT EXISTS want_members ("
	" gid INTEGER NOT NULL, usr TEXT NOT NULL, PRIMARY KEY (gid, usr)"
	") STRICT, WITHOUT ROWID;"
	"CREATE TEMP TABLE IF NOT EXISTS new_conflicts ("
	" id INTEGER PRIMARY KEY, source INTEGER NOT NULL, line INTEGER NOT NULL,"
	" sentence TEXT NOT NULL) STRICT;"
	"DELETE FROM want_users; DELETE FROM want_groups; DELETE FROM want_members;"
	"DELETE FROM new_conflicts;";

static int note(struct merge *m, int64_t source, uint32_t line, const char *sentence)
{
	if (m->lost[source & (MTLS_ACCTDB_SOURCES_MAX - 1)]++ >= CONFLICTS_MAX)
		return 0;
	return store_db_run(
		&m->store->db,
		"INSERT INTO new_conflicts (source, line, sentence) VALUES (?1, ?2, ?3)", "ius",
		source, line, sentence);
}

/* The claim is lost, for the reason in @why. */
static int lose(struct merge *m, const struct claim *claim, const char *why)
{
	struct mtls_diag sentence;
	(void)mtls_diag_set(&sentence, 0, "%s '%s': %s", claim->group ? "group" : "user",
			    claim->name, why);
	return note(m, claim->source, claim->line, sentence.text);
}

/* A rule said no, as opposed to: could not be asked. */
static bool is_refusal(int r)
{
	return r == MTLS_E_DENIED || r == MTLS_E_EXISTS || r == MTLS_E_SYNTAX;
}

static int take_user(struct merge *m, int64_t source, sqlite3_stmt *row)
{
	const struct claim claim = { .source = source,
				     .line = store_db_u32(row, 0),
				     .name = store_db_text(row, 1),
				     .id = store_db_u32(row, 2),
				     .gid = store_db_u32(row, 3) };
	int r = store_judge_user(m, &claim, row);
	if (is_refusal(r))
		return lose(m, &claim, m->store->db.why.text);
	if (r < 0)
		return r;
	return store_db_run(&m->store->db,
			    "INSERT INTO want_users (name, uid, gid, gecos, home, shell, source)"
			    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
			    "suusssi", claim.name, claim.id, claim.gid, store_db_text(row, 4),
			    store_db_text(row, 5), store_db_text(row, 6), source);
}

static int take_users(struct merge *m, int64_t source, bool private)
{
	_cleanup_stmt_ sqlite3_stmt *row = NULL;
	int r = store_db_query(&m->store->db,
			       "SELECT line, name, uid, gid, gecos, home, shell FROM source_users"
			       " WHERE source = ?1 AND (gid = uid) = ?2 ORDER BY name",
			       &row, "iu", source, (uint32_t) private);
	while (r >= 0 && (r = store_db_step(&m->store->db, row)) > 0)
		r = take_user(m, source, row);
	return r;
}

/* The list of a private group, written out: nobody else can be in it. */
static int lose_private_members(struct merge *m, const struct claim *claim)
{
	_cleanup_stmt_ sqlite3_stmt *row = NULL;
	int r = store_db_query(&m->store->db,
			       "SELECT usr FROM source_members"
			       " WHERE source = ?1 AND grp = ?2 AND usr <> ?2",
			       &row, "is", claim->source, claim->name);
	while (r >= 0 && (r = store_db_step(&m->store->db, row)) > 0) {
		struct mtls_diag why;
		(void)mtls_diag_set(&why, 0,
				    "it is the private group of the user of this name; '%s' "
				    "cannot be a member",
				    store_db_text(row, 0));
		r = lose(m, claim, why.text);
	}
	return r;
}

static int is_private(struct merge *m, const struct claim *claim)
{
	int64_t one;
	return store_db_number(&m->store->db,
			       "SELECT 1 FROM want_users WHERE name = ?1 AND uid = ?2 AND gid = ?2"
			       " AND source = ?3",
			       &one, "sui", claim->name, claim->gid, claim->source);
}

static int take_group(struct merge *m, int64_t source, sqlite3_stmt *row)
{
	const struct claim claim = { .source = source,
				     .line = store_db_u32(row, 0),
				     .name = store_db_text(row, 1),
				     .id = store_db_u32(row, 2),
				     .gid = store_db_u32(row, 2),
				     .group = true };
	int r = is_private(m, &claim);
	if (r)
		return r < 0 ? r : lose_private_members(m, &claim);
	r = store_judge_group(m, &claim);
	if (is_refusal(r))
		return lose(m, &claim, m->store->db.why.text);
	if (r < 0)
		return r;
	return store_db_run(&m->store->db,
			    "INSERT INTO want_groups (name, gid, source) VALUES (?1, ?2, ?3)",
			    "sui", claim.name, claim.gid, source);
}

static int take_groups(struct merge *m, int64_t source)
{
	_cleanup_stmt_ sqlite3_stmt *row = NULL;
	int r = store_db_query(&m->store->db,
			       "SELECT line, name, gid FROM source_groups WHERE source = ?1"
			       " ORDER BY name",
			       &row, "i", source);
	while (r >= 0 && (r = store_db_step(&m->store->db, row)) > 0)
		r = take_group(m, source, row);
	return r;
}

static int take_sources(struct merge *m)
{
	_cleanup_stmt_ sqlite3_stmt *row = NULL;
	int r = store_db_query(&m->store->db, "SELECT id FROM sources WHERE id > 0 ORDER BY name",
			       &row, "");
	while (r >= 0 && (r = store_db_step(&m->store->db, row)) > 0) {
		int64_t source = sqlite3_column_int64(row, 0);
		r = take_users(m, source, true);
		if (r >= 0)
			r = take_groups(m, source);
		if (r >= 0)
			r = take_users(m, source, false);
	}
	return r;
}

/* Memberships: of groups that won, once it is known who there is. */

struct list {
	uint32_t gid, count;
};

/* @row: source, line, group, gid, user, the user's primary gid or NULL, how many groups it has. */
static int take_member(struct merge *m, struct list *list, sqlite3_stmt *row)
{
	struct mtls_diag why;
	const struct claim claim = { .source = sqlite3_column_int64(row, 0),
				     .line = store_db_u32(row, 1),
				     .name = store_db_text(row, 2),
				     .gid = store_db_u32(row, 3),
				     .group = true };
	const char *user = store_db_text(row, 4);
	if (list->gid != claim.gid)
		*list = (struct list){ .gid = claim.gid };
	if (sqlite3_column_type(row, 5) == SQLITE_NULL) {
		(void)mtls_diag_set(&why, 0, "there is no account '%.64s' that could be a member",
				    user);
		return lose(m, &claim, why.text);
	}
	if (store_db_u32(row, 5) == claim.gid)
		return 0; /* in it by its primary group */
	if (list->count >= MTLS_ACCTDB_MEMBERS_MAX) {
		(void)mtls_diag_set(&why, 0, "'%.64s' is one member more than %d", user,
				    MTLS_ACCTDB_MEMBERS_MAX);
		return lose(m, &claim, why.text);
	}
	list->count++;
	return store_db_run(&m->store->db, "INSERT INTO want_members (gid, usr) VALUES (?1, ?2)",
			    "us", claim.gid, user);
}

static int take_members(struct merge *m)
{
	_cleanup_stmt_ sqlite3_stmt *row = NULL;
	struct list list = { 0 };
	int r = store_db_query(
		&m->store->db,
		"SELECT w.source, g.line, w.name, w.gid, r.usr, ifnull("
		" (SELECT gid FROM want_users WHERE name = r.usr),"
		" (SELECT gid FROM users WHERE name = r.usr AND source = 0))"
		" FROM want_groups w CROSS JOIN source_groups g"
		"  ON g.source = w.source AND g.name = w.name"
		" CROSS JOIN source_members r ON r.source = w.source AND r.grp = w.name"
		" ORDER BY w.name, r.usr",
		&row, "");
	while (r >= 0 && (r = store_db_step(&m->store->db, row)) > 0)
		r = take_member(m, &list, row);
	return r;
}

/* Nobody is in more groups than a record holds; the memberships that sources gave go. */
static int limit_groups(struct merge *m)
{
	_cleanup_stmt_ sqlite3_stmt *row = NULL;
	struct store_db *db = &m->store->db;
	int r = store_db_query(
		db,
		"SELECT w.usr, (SELECT g.source FROM want_groups g JOIN want_members x"
		"  ON x.gid = g.gid WHERE x.usr = w.usr ORDER BY g.gid LIMIT 1),"
		" count(*) + (SELECT count(*) FROM members s JOIN groups g ON g.gid = s.gid"
		"  AND g.source = 0 WHERE s.usr = w.usr) AS total"
		" FROM want_members w GROUP BY w.usr HAVING total > ?1",
		&row, "u", (uint32_t)MTLS_ACCTDB_GROUPS_MAX);
	while (r >= 0 && (r = store_db_step(db, row)) > 0) {
		struct mtls_diag why;
		struct claim claim = { .source = sqlite3_column_int64(row, 1),
				       .name = store_db_text(row, 0) };
		(void)mtls_diag_set(&why, 0,
				    "it would be in more than %d groups, so it is in none that a "
				    "source has",
				    MTLS_ACCTDB_GROUPS_MAX);
		r = lose(m, &claim, why.text);
	}
	if (r >= 0)
		r = store_db_run(db,
				 "DELETE FROM want_members WHERE usr IN (SELECT w.usr"
				 " FROM want_members w GROUP BY w.usr HAVING count(*) +"
				 " (SELECT count(*) FROM members s JOIN groups g ON g.gid = s.gid"
				 "  AND g.source = 0 WHERE s.usr = w.usr) > ?1)",
				 "u", (uint32_t)MTLS_ACCTDB_GROUPS_MAX);
	return r;
}

/* What goes must be gone before what comes can have its name. */
/* clang-format off */
static const char *const changes[] = {
	"DELETE FROM members WHERE gid IN (SELECT gid FROM groups WHERE source > 0)"
	" AND (NOT EXISTS (SELECT 1 FROM want_members w"
	"  WHERE w.gid = members.gid AND w.usr = members.usr)"
	" OR EXISTS (SELECT 1 FROM users u WHERE u.name = members.usr AND u.source > 0"
	"  AND NOT EXISTS (SELECT 1 FROM want_users w WHERE w.name = u.name AND w.uid = u.uid)))",

	"INSERT INTO tombstones (grp, id, time, name) SELECT 0, uid, ?1, name FROM users u"
	" WHERE source > 0 AND NOT EXISTS (SELECT 1 FROM want_users w"
	"  WHERE w.name = u.name AND w.uid = u.uid)",

	"INSERT INTO tombstones (grp, id, time, name) SELECT 1, gid, ?1, name FROM users u"
	" WHERE source > 0 AND gid = uid"
	" AND NOT EXISTS (SELECT 1 FROM want_users w"
	"  WHERE w.name = u.name AND w.uid = u.uid AND w.gid = u.gid)"
	" AND NOT EXISTS (SELECT 1 FROM want_groups w WHERE w.name = u.name AND w.gid = u.gid)",

	"INSERT INTO tombstones (grp, id, time, name) SELECT 1, gid, ?1, name FROM groups g"
	" WHERE source > 0"
	" AND NOT EXISTS (SELECT 1 FROM want_groups w WHERE w.name = g.name AND w.gid = g.gid)"
	" AND NOT EXISTS (SELECT 1 FROM want_users w"
	"  WHERE w.name = g.name AND w.uid = g.gid AND w.gid = g.gid)",

	"DELETE FROM users WHERE source > 0 AND NOT EXISTS (SELECT 1 FROM want_users w"
	"  WHERE w.name = users.name AND w.uid = users.uid)",

	"DELETE FROM groups WHERE source > 0 AND NOT EXISTS (SELECT 1 FROM want_groups w"
	"  WHERE w.name = groups.name AND w.gid = groups.gid)",

	/* An id that returns to its name. */
	"DELETE FROM tombstones WHERE grp = 0 AND id IN (SELECT uid FROM want_users)",
	"DELETE FROM tombstones WHERE grp = 1 AND id IN (SELECT gid FROM want_groups"
	" UNION ALL SELECT uid FROM want_users WHERE uid = gid)",

	"UPDATE users SET gid = w.gid, gecos = w.gecos, home = w.home, shell = w.shell,"
	" source = w.source FROM want_users w WHERE w.name = users.name AND users.source > 0"
	" AND (users.gid, users.gecos, users.home, users.shell, users.source)"
	"  <> (w.gid, w.gecos, w.home, w.shell, w.source)",

	"UPDATE groups SET source = w.source FROM want_groups w"
	" WHERE w.name = groups.name AND groups.source > 0 AND groups.source <> w.source",

	"INSERT INTO users (name, uid, gid, gecos, home, shell, source)"
	" SELECT name, uid, gid, gecos, home, shell, source FROM want_users w"
	" WHERE NOT EXISTS (SELECT 1 FROM users u WHERE u.name = w.name)",

	"INSERT INTO groups (name, gid, source) SELECT name, gid, source FROM want_groups w"
	" WHERE NOT EXISTS (SELECT 1 FROM groups g WHERE g.name = w.name)",

	"INSERT INTO members (gid, usr) SELECT gid, usr FROM want_members w"
	" WHERE NOT EXISTS (SELECT 1 FROM members s WHERE s.gid = w.gid AND s.usr = w.usr)",
};
/* clang-format on */

static int apply(struct merge *m)
{
	struct store *store = m->store;
	for (size_t i = 0; i < MTLS_COUNT(changes); i++) {
		const char *types = strstr(changes[i], "?1") ? "i" : "";
		int r = store_db_run(&store->db, changes[i], types, (int64_t)(m->time & INT64_MAX));
		if (r < 0)
			return r;
		if (sqlite3_changes64(store->db.sql) > 0)
			store->dirty = true;
	}
	return 0;
}

static int count_rest(struct merge *m)
{
	for (uint32_t source = 1; source < MTLS_ACCTDB_SOURCES_MAX; source++) {
		char sentence[96];
		if (m->lost[source] <= CONFLICTS_MAX)
			continue;
		uint64_t rest = m->lost[source] - CONFLICTS_MAX;
		(void)snprintf(sentence, sizeof(sentence),
			       "%" PRIu64 " more entries lost; only the first %d are listed", rest,
			       CONFLICTS_MAX);
		int r = store_db_run(&m->store->db,
				     "INSERT INTO new_conflicts (source, line, sentence)"
				     " VALUES (?1, 0, ?2)",
				     "us", source, sentence);
		if (r < 0)
			return r;
	}
	return 0;
}

static int keep_conflicts(struct merge *m)
{
	struct store_db *db = &m->store->db;
	int64_t same = 0;
	int r = count_rest(m);
	if (r >= 0)
		r = store_db_number(
			db,
			"SELECT (SELECT count(*) FROM conflicts) = (SELECT count(*) FROM "
			"new_conflicts)"
			" AND NOT EXISTS (SELECT source, line, sentence FROM new_conflicts"
			"  EXCEPT SELECT source, line, sentence FROM conflicts)",
			&same, "");
	if (r < 0 || same)
		return r;
	r = store_db_run(db, "DELETE FROM conflicts", "");
	return r < 0 ? r
		     : store_db_run(db,
				    "INSERT INTO conflicts (source, line, sentence)"
				    " SELECT source, line, sentence FROM new_conflicts ORDER BY id",
				    "");
}

static int drop_gone_sources(struct merge *m)
{
	int r = store_db_run(&m->store->db, "DELETE FROM sources WHERE gone = 1", "");
	if (r >= 0 && sqlite3_changes64(m->store->db.sql) > 0)
		m->store->dirty = true;
	return r;
}

static int merge(struct merge *m)
{
	struct store_db *db = &m->store->db;
	store_forget(m->store);
	int r = store_db_script(db, start_sql);
	if (r >= 0)
		r = take_sources(m);
	if (r >= 0)
		r = take_members(m);
	if (r >= 0)
		r = limit_groups(m);
	if (r >= 0)
		r = apply(m);
	if (r >= 0)
		r = keep_conflicts(m);
	if (r >= 0)
		r = drop_gone_sources(m);
	/* Their memory. */
	return r < 0 ? r
		     : store_db_script(db, "DELETE FROM want_users; DELETE FROM want_groups;"
					   "DELETE FROM want_members; DELETE FROM new_conflicts;");
}

int store_merge(struct store *store, uint64_t time, struct mtls_diag *diag)
{
	struct merge m = { .store = store, .time = time };
	int r = store_op_begin(store);
	return store_op_end(store, r < 0 ? r : merge(&m), diag);
}
