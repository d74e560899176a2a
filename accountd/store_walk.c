/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The stream of items, read within one transaction of a connection of its own, so that it shows one
 * moment while changes go on. (A log that grows meanwhile is taken over when the walk has ended.)
 *
 * Each table is read once, in the order of its key: the gids of users come from a second statement
 * that runs along with the one over users, no user has a query of its own. What passes by is
 * folded, and before END the sums must be those that are sealed: damage is never published.
 */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "accountd/store_impl.h"

/* Statements; each is stepped by one walk only, and ends with it. */
enum {
	Q_SOURCES,
	Q_STONES,
	Q_GROUPS,
	Q_USERS,
	Q_GIDS,
	Q_LISTS, /* groups again, for their members */
	Q_MEMBERS,
	Q_BINDINGS,
	Q_COUNT,
};

/* The sum of the row is always the last column. */
static const char *const queries[Q_COUNT] = {
	[Q_SOURCES] = "SELECT id, name, " STORE_FOLD(
		STORE_FIELDS_SOURCES("")) " FROM sources ORDER BY name",
	[Q_STONES] = "SELECT grp, id, time, name, " STORE_FOLD(
		STORE_FIELDS_TOMBSTONES("")) " FROM tombstones ORDER BY grp, id",
	[Q_GROUPS] = "SELECT name, gid, source, " STORE_FOLD(
		STORE_FIELDS_GROUPS("")) " FROM groups ORDER BY name",
	[Q_USERS] = "SELECT name, uid, gid, source, gecos, home, shell, " STORE_FOLD(
		STORE_FIELDS_USERS("")) " FROM users ORDER BY name",
	[Q_GIDS] = "SELECT usr, gid, " STORE_FOLD(
		STORE_FIELDS_MEMBERS("")) " FROM members ORDER BY usr, gid",
	[Q_LISTS] = "SELECT name, gid FROM groups ORDER BY name",
	[Q_MEMBERS] = "SELECT usr, " STORE_FOLD(
		STORE_FIELDS_MEMBERS("")) " FROM members WHERE gid = ?1 ORDER BY usr",
	/* Whether its owner is who has the name now, or it is nobody's here and nobody has it. */
	[Q_BINDINGS] =
		"SELECT key, name,"
		" owner = ifnull((SELECT uid FROM users u WHERE u.name = b.name), 0), " STORE_FOLD(
			STORE_FIELDS_BINDINGS("")) " FROM bindings b ORDER BY key, name",
};

struct store_walk {
	struct store_db db;
	sqlite3_stmt *stmts[Q_COUNT];
	enum mtls_acct_item_kind at; /* what comes next */
	uint64_t items, generation;
	struct mtls_acct_next next;
	int64_t schema_sum, content; /* content: sealed XOR what passed by; 0 in the end */
	int64_t lists_sum;           /* members by user XOR members by group; 0 in the end */
	bool no_enumeration;
	bool gid_ready, binding_ready;            /* a row that belongs to the next item waits */
	uint8_t sources[MTLS_ACCTDB_SOURCES_MAX]; /* id in the store to index in the stream */
	uint8_t source_count;
	struct mtls_buf packed;
	struct mtls_buf key;
};

static int start(struct store_walk *walk, enum mtls_acct_item_kind first, int query)
{
	walk->at = first;
	return store_db_query(&walk->db, queries[query], &walk->stmts[query], "");
}

static int step(struct store_walk *walk, int query)
{
	return store_db_step(&walk->db, walk->stmts[query]);
}

/* The sum of the row in hand. */
static int64_t sum(struct store_walk *walk, int query)
{
	sqlite3_stmt *stmt = walk->stmts[query];
	return sqlite3_column_int64(stmt, sqlite3_column_count(stmt) - 1);
}

static struct mtls_acct_str text(sqlite3_stmt *stmt, int column)
{
	const char *data = store_db_text(stmt, column);
	return (struct mtls_acct_str){ .data = data,
				       .len = (size_t)sqlite3_column_bytes(stmt, column) };
}

static int damaged(struct store_walk *walk)
{
	return mtls_diag_set(&walk->db.why, MTLS_E_CORRUPT,
			     "the store is damaged: its content is not what was stored");
}

static int give_begin(struct store_walk *walk, struct mtls_acct_item *ret)
{
	ret->u.begin.generation = walk->generation;
	ret->u.begin.no_enumeration = walk->no_enumeration;
	walk->at = MTLS_ACCT_ITEM_NEXT;
	return 1;
}

static int give_next(struct store_walk *walk, struct mtls_acct_item *ret)
{
	ret->u.next = walk->next;
	int r = start(walk, MTLS_ACCT_ITEM_SOURCE, Q_SOURCES);
	return r < 0 ? r : 1;
}

static int give_source(struct store_walk *walk, struct mtls_acct_item *ret)
{
	sqlite3_stmt *stmt = walk->stmts[Q_SOURCES];
	int r;
	while ((r = step(walk, Q_SOURCES)) > 0) {
		walk->content ^= sum(walk, Q_SOURCES);
		int64_t id = sqlite3_column_int64(stmt, 0);
		if (id == STORE_STORE)
			continue;
		if (id < 0 || id >= MTLS_ACCTDB_SOURCES_MAX)
			return damaged(walk);
		walk->sources[id] = ++walk->source_count;
		ret->u.source.index = walk->sources[id];
		ret->u.source.name = text(stmt, 1);
		return 1;
	}
	return r < 0 ? r : start(walk, MTLS_ACCT_ITEM_TOMBSTONE, Q_STONES);
}

static int give_tombstone(struct store_walk *walk, struct mtls_acct_item *ret)
{
	sqlite3_stmt *stmt = walk->stmts[Q_STONES];
	int r = step(walk, Q_STONES);
	if (r <= 0)
		return r < 0 ? r : start(walk, MTLS_ACCT_ITEM_GROUP, Q_GROUPS);
	walk->content ^= sum(walk, Q_STONES);
	ret->u.tombstone = (struct mtls_acct_tombstone){
		.group = sqlite3_column_int64(stmt, 0),
		.id = store_db_u32(stmt, 1),
		.time = (uint64_t)sqlite3_column_int64(stmt, 2),
		.name = text(stmt, 3),
	};
	return 1;
}

static uint8_t source_index(struct store_walk *walk, sqlite3_stmt *stmt, int column)
{
	return walk->sources[sqlite3_column_int64(stmt, column) & (MTLS_ACCTDB_SOURCES_MAX - 1)];
}

static int start_users(struct store_walk *walk)
{
	int r = start(walk, MTLS_ACCT_ITEM_USER, Q_USERS);
	if (r >= 0)
		r = start(walk, MTLS_ACCT_ITEM_USER, Q_GIDS);
	if (r >= 0)
		r = step(walk, Q_GIDS);
	walk->gid_ready = r > 0;
	return r < 0 ? r : 0;
}

static int give_group(struct store_walk *walk, struct mtls_acct_item *ret)
{
	sqlite3_stmt *stmt = walk->stmts[Q_GROUPS];
	int r = step(walk, Q_GROUPS);
	if (r <= 0)
		return r < 0 ? r : start_users(walk);
	walk->content ^= sum(walk, Q_GROUPS);
	ret->u.group = (struct mtls_acct_group){ .name = text(stmt, 0),
						 .gid = store_db_u32(stmt, 1),
						 .source = source_index(walk, stmt, 2) };
	return 1;
}

/* The rows of members for the user @name; none may be left behind that come before it. */
static int collect_gids(struct store_walk *walk, struct mtls_acct_str name,
			struct mtls_acct_ids *ret)
{
	sqlite3_stmt *stmt = walk->stmts[Q_GIDS];
	uint32_t count = 0;
	mtls_buf_reset(&walk->packed);
	while (walk->gid_ready) {
		struct mtls_acct_str usr = text(stmt, 0);
		if (!mtls_acct_str_eq(usr, name.data, name.len))
			break;
		walk->lists_sum ^= sum(walk, Q_GIDS);
		int r = mtls_acct_ids_pack(store_db_u32(stmt, 1), &walk->packed);
		count++;
		if (r >= 0)
			r = step(walk, Q_GIDS);
		if (r < 0)
			return r;
		walk->gid_ready = r > 0;
	}
	*ret = (struct mtls_acct_ids){ .count = count, .data = walk->packed.data };
	return 0;
}

static int give_user(struct store_walk *walk, struct mtls_acct_item *ret)
{
	sqlite3_stmt *stmt = walk->stmts[Q_USERS];
	int r = step(walk, Q_USERS);
	if (r == 0) /* gids that are left belong to nobody */
		return walk->gid_ready ? damaged(walk)
				       : start(walk, MTLS_ACCT_ITEM_MEMBERS, Q_LISTS);
	if (r < 0)
		return r;
	walk->content ^= sum(walk, Q_USERS);
	ret->u.user.user = (struct mtls_acct_user){
		.name = text(stmt, 0),
		.uid = store_db_u32(stmt, 1),
		.gid = store_db_u32(stmt, 2),
		.source = source_index(walk, stmt, 3),
		.gecos = text(stmt, 4),
		.home = text(stmt, 5),
		.shell = text(stmt, 6),
	};
	r = collect_gids(walk, ret->u.user.user.name, &ret->u.user.gids);
	return r < 0 ? r : 1;
}

static int start_bindings(struct store_walk *walk)
{
	int r = start(walk, MTLS_ACCT_ITEM_BINDING, Q_BINDINGS);
	if (r >= 0)
		r = step(walk, Q_BINDINGS);
	walk->binding_ready = r > 0;
	return r < 0 ? r : 0;
}

/* Adds the text in @column of the row in hand, as names are packed. */
static int pack_name(struct store_walk *walk, int query, int column)
{
	const char *name = store_db_text(walk->stmts[query], column);
	int r = mtls_acct_names_pack(name, &walk->packed);
	return r < 0 ? mtls_diag_set(&walk->db.why, r, "a list of names: %s", mtls_strerror(r)) : r;
}

static struct mtls_acct_names packed_names(const struct store_walk *walk, uint32_t count)
{
	return (struct mtls_acct_names){ .count = count,
					 .data = walk->packed.data,
					 .len = walk->packed.len };
}

static int give_members(struct store_walk *walk, struct mtls_acct_item *ret)
{
	int r = step(walk, Q_LISTS);
	if (r <= 0)
		return r < 0 ? r : start_bindings(walk);
	uint32_t gid = store_db_u32(walk->stmts[Q_LISTS], 1), count = 0;
	mtls_buf_reset(&walk->packed);
	r = store_db_query(&walk->db, queries[Q_MEMBERS], &walk->stmts[Q_MEMBERS], "u", gid);
	while (r >= 0 && (r = step(walk, Q_MEMBERS)) > 0) {
		walk->content ^= sum(walk, Q_MEMBERS);
		walk->lists_sum ^= sum(walk, Q_MEMBERS);
		count++;
		r = pack_name(walk, Q_MEMBERS, 0);
	}
	if (r < 0)
		return r;
	ret->u.members.gid = gid;
	ret->u.members.names = packed_names(walk, count);
	return 1;
}

/* All rows of the key in hand; @ret_count of them are published. */
static int collect_names(struct store_walk *walk, uint32_t *ret_count)
{
	sqlite3_stmt *stmt = walk->stmts[Q_BINDINGS];
	struct mtls_acct_str key = text(stmt, 0);
	uint32_t count = 0;
	int r;
	mtls_buf_reset(&walk->packed);
	mtls_buf_reset(&walk->key);
	if (mtls_buf_append(&walk->key, key.data, key.len) < 0)
		return damaged(walk);
	do {
		bool is_owners = sqlite3_column_int(stmt, 2);
		walk->content ^= sum(walk, Q_BINDINGS);
		count += is_owners;
		r = is_owners ? pack_name(walk, Q_BINDINGS, 1) : 0;
		if (r >= 0)
			r = step(walk, Q_BINDINGS);
		if (r <= 0)
			break;
		key = text(stmt, 0);
	} while (mtls_acct_str_eq(key, (const char *)walk->key.data, walk->key.len));
	walk->binding_ready = r > 0;
	*ret_count = count;
	return r < 0 ? r : 0;
}

static int give_binding(struct store_walk *walk, struct mtls_acct_item *ret)
{
	uint32_t count = 0;
	int r = 0;
	while (r >= 0 && !count && walk->binding_ready)
		r = collect_names(walk, &count);
	if (r < 0)
		return r;
	if (!count) {
		walk->at = MTLS_ACCT_ITEM_END;
		return 0;
	}
	ret->u.binding.key = (struct mtls_acct_str){ .data = (const char *)walk->key.data,
						     .len = walk->key.len };
	ret->u.binding.names = packed_names(walk, count);
	return 1;
}

static int give_end(struct store_walk *walk, struct mtls_acct_item *ret)
{
	if (walk->content || walk->lists_sum)
		return damaged(walk);
	ret->u.end.items = walk->items + 1;
	walk->at = 0;
	return 1;
}

/* 1: @ret is filled; 0: none of this kind any more, walk->at is the next kind. */
static int (*const givers[])(struct store_walk *walk, struct mtls_acct_item *ret) = {
	[MTLS_ACCT_ITEM_BEGIN] = give_begin,     [MTLS_ACCT_ITEM_NEXT] = give_next,
	[MTLS_ACCT_ITEM_SOURCE] = give_source,   [MTLS_ACCT_ITEM_TOMBSTONE] = give_tombstone,
	[MTLS_ACCT_ITEM_GROUP] = give_group,     [MTLS_ACCT_ITEM_USER] = give_user,
	[MTLS_ACCT_ITEM_MEMBERS] = give_members, [MTLS_ACCT_ITEM_BINDING] = give_binding,
	[MTLS_ACCT_ITEM_END] = give_end,
};

int store_walk_next(struct store_walk *walk, struct mtls_acct_item *ret, struct mtls_diag *diag)
{
	struct mtls_acct_item item = { 0 };
	int r = 0;
	while (walk->at && r == 0) {
		item.kind = walk->at;
		r = givers[item.kind](walk, &item);
	}
	if (r < 0) {
		walk->at = 0;
		return mtls_diag_set(diag, r, "%s", mtls_diag_text(&walk->db.why, r));
	}
	if (r > 0) {
		walk->items++;
		*ret = item;
	}
	return r;
}

static int open_walk(struct store_walk *walk, const char *path)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = store_db_open(&walk->db, path, false);
	if (r >= 0) /* only the store's own connection may take the log over when it closes */
		r = store_db_script(&walk->db, "PRAGMA query_only = ON; BEGIN");
	if (r >= 0)
		r = store_db_query(&walk->db,
				   "SELECT generation, next_uid, next_gid, content FROM meta",
				   &stmt, "");
	if (r >= 0)
		r = store_db_step(&walk->db, stmt);
	if (r <= 0)
		return r < 0 ? r : damaged(walk);
	walk->generation = (uint64_t)sqlite3_column_int64(stmt, 0);
	walk->next.uid = store_db_u32(stmt, 1);
	walk->next.gid = store_db_u32(stmt, 2);
	walk->content = sqlite3_column_int64(stmt, 3);
	(void)sqlite3_reset(stmt);
	r = store_schema_sealed(&walk->db, walk->schema_sum);
	return r == 0 ? damaged(walk) : r;
}

int store_walk_new(struct store *store, struct store_walk **ret, struct mtls_diag *diag)
{
	_cleanup_(store_walk_freep) struct store_walk *walk = calloc(1, sizeof(*walk));
	if (!walk)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	mtls_buf_init(&walk->packed, MTLS_ACCTDB_VALUE_MAX, false);
	mtls_buf_init(&walk->key, MTLS_KEY_MAX, false);
	walk->at = MTLS_ACCT_ITEM_BEGIN;
	walk->no_enumeration = store->no_enumeration;
	walk->schema_sum = store->schema_sum;
	int r = open_walk(walk, store->path);
	if (r < 0)
		return mtls_diag_set(diag, r, "%s", mtls_diag_text(&walk->db.why, r));
	*ret = MTLS_TAKE(walk);
	return 0;
}

void store_walk_free(struct store_walk *walk)
{
	if (!walk)
		return;
	store_db_close(&walk->db);
	mtls_buf_done(&walk->packed);
	mtls_buf_done(&walk->key);
	free(walk);
}
