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

/*
 * The columns that the sum of a row covers come first and in its order, so that the one walk over
 * them is for the sum and for the item.
 */
static const struct {
	const char *sql;
	const char *table;
	int columns;
} queries[Q_COUNT] = {
	/* clang-format off */
	[Q_SOURCES] = { "SELECT " STORE_COLUMNS_SOURCES("")
			" FROM sources ORDER BY name", "sources", 4 },
	[Q_STONES] = { "SELECT " STORE_COLUMNS_TOMBSTONES("")
		       " FROM tombstones ORDER BY grp, id", "tombstones", 4 },
	[Q_GROUPS] = { "SELECT " STORE_COLUMNS_GROUPS("")
		       " FROM groups ORDER BY name", "groups", 3 },
	[Q_USERS] = { "SELECT " STORE_COLUMNS_USERS("")
		      " FROM users ORDER BY name", "users", 7 },
	[Q_GIDS] = { "SELECT " STORE_COLUMNS_MEMBERS("")
		     " FROM members ORDER BY usr, gid", "members", 2 },
	[Q_LISTS] = { "SELECT " STORE_COLUMNS_GROUPS("")
		      " FROM groups ORDER BY name", "groups", 3 },
	[Q_MEMBERS] = { "SELECT " STORE_COLUMNS_MEMBERS("")
			" FROM members WHERE gid = ?1 ORDER BY usr", "members", 2 },
	/* Whether its owner is who has the name now, or it is nobody's here and nobody has it. */
	[Q_BINDINGS] = { "SELECT " STORE_COLUMNS_BINDINGS("") ","
			 " owner = ifnull((SELECT uid FROM users u WHERE u.name = b.name), 0)"
			 " FROM bindings b ORDER BY key, name", "bindings", 3 },
	/* clang-format on */
};

#define COLUMNS_MAX     7
#define BINDINGS_OWNERS 3 /* a column behind those of the sum */

/* A statement; each is stepped by one walk only, and ends with it. */
struct reading {
	sqlite3_stmt *stmt;
	uint64_t begin; /* of the sum: what is the same for all rows */
	int64_t sum;    /* of the row in hand */
	struct store_db_value row[COLUMNS_MAX];
};

struct store_walk {
	struct store_db db;
	struct reading readings[Q_COUNT];
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
	return store_db_query(&walk->db, queries[query].sql, &walk->readings[query].stmt, "");
}

static int start_members(struct store_walk *walk, uint32_t gid)
{
	return store_db_query(&walk->db, queries[Q_MEMBERS].sql, &walk->readings[Q_MEMBERS].stmt,
			      "u", gid);
}

/* 1: there is a row in hand, with its sum. */
static int step(struct store_walk *walk, int query)
{
	struct reading *reading = &walk->readings[query];
	int r = store_db_step(&walk->db, reading->stmt);
	if (r > 0)
		reading->sum = store_db_fold(reading->stmt, reading->begin, queries[query].columns,
					     reading->row);
	return r;
}

/* The sum of the row in hand. */
static int64_t sum(const struct store_walk *walk, int query)
{
	return walk->readings[query].sum;
}

static struct mtls_acct_str text(const struct store_db_value *value)
{
	return (struct mtls_acct_str){ .data = value->text, .len = value->len };
}

static uint32_t u32(const struct store_db_value *value)
{
	return (uint32_t)value->number;
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
	const struct store_db_value *row = walk->readings[Q_SOURCES].row;
	int r;
	while ((r = step(walk, Q_SOURCES)) > 0) {
		walk->content ^= sum(walk, Q_SOURCES);
		int64_t id = row[0].number;
		if (id == STORE_STORE)
			continue;
		if (id < 0 || id >= MTLS_ACCTDB_SOURCES_MAX)
			return damaged(walk);
		walk->sources[id] = ++walk->source_count;
		ret->u.source.index = walk->sources[id];
		ret->u.source.name = text(&row[1]);
		return 1;
	}
	return r < 0 ? r : start(walk, MTLS_ACCT_ITEM_TOMBSTONE, Q_STONES);
}

static int give_tombstone(struct store_walk *walk, struct mtls_acct_item *ret)
{
	const struct store_db_value *row = walk->readings[Q_STONES].row;
	int r = step(walk, Q_STONES);
	if (r <= 0)
		return r < 0 ? r : start(walk, MTLS_ACCT_ITEM_GROUP, Q_GROUPS);
	walk->content ^= sum(walk, Q_STONES);
	ret->u.tombstone = (struct mtls_acct_tombstone){
		.group = row[0].number,
		.id = u32(&row[1]),
		.time = (uint64_t)row[2].number,
		.name = text(&row[3]),
	};
	return 1;
}

static uint8_t source_index(const struct store_walk *walk, const struct store_db_value *value)
{
	return walk->sources[value->number & (MTLS_ACCTDB_SOURCES_MAX - 1)];
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
	const struct store_db_value *row = walk->readings[Q_GROUPS].row;
	int r = step(walk, Q_GROUPS);
	if (r <= 0)
		return r < 0 ? r : start_users(walk);
	walk->content ^= sum(walk, Q_GROUPS);
	ret->u.group = (struct mtls_acct_group){ .name = text(&row[0]),
						 .gid = u32(&row[1]),
						 .source = source_index(walk, &row[2]) };
	return 1;
}

/* The rows of members for the user @name; none may be left behind that come before it. */
static int collect_gids(struct store_walk *walk, struct mtls_acct_str name,
			struct mtls_acct_ids *ret)
{
	const struct store_db_value *row = walk->readings[Q_GIDS].row;
	uint32_t count = 0;
	mtls_buf_reset(&walk->packed);
	while (walk->gid_ready) {
		struct mtls_acct_str usr = text(&row[1]);
		if (!mtls_acct_str_eq(usr, name.data, name.len))
			break;
		walk->lists_sum ^= sum(walk, Q_GIDS);
		int r = mtls_acct_ids_pack(u32(&row[0]), &walk->packed);
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
	const struct store_db_value *row = walk->readings[Q_USERS].row;
	int r = step(walk, Q_USERS);
	if (r == 0) /* gids that are left belong to nobody */
		return walk->gid_ready ? damaged(walk)
				       : start(walk, MTLS_ACCT_ITEM_MEMBERS, Q_LISTS);
	if (r < 0)
		return r;
	walk->content ^= sum(walk, Q_USERS);
	ret->u.user.user = (struct mtls_acct_user){
		.name = text(&row[0]),
		.uid = u32(&row[1]),
		.gid = u32(&row[2]),
		.source = source_index(walk, &row[3]),
		.gecos = text(&row[4]),
		.home = text(&row[5]),
		.shell = text(&row[6]),
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

/* Adds the text, as names are packed. */
static int pack_name(struct store_walk *walk, const struct store_db_value *name)
{
	int r = mtls_acct_names_pack(name->text, &walk->packed);
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
	const struct store_db_value *row = walk->readings[Q_MEMBERS].row;
	uint32_t gid = u32(&walk->readings[Q_LISTS].row[1]), count = 0;
	mtls_buf_reset(&walk->packed);
	r = start_members(walk, gid);
	while (r >= 0 && (r = step(walk, Q_MEMBERS)) > 0) {
		walk->content ^= sum(walk, Q_MEMBERS);
		walk->lists_sum ^= sum(walk, Q_MEMBERS);
		count++;
		r = pack_name(walk, &row[1]);
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
	const struct store_db_value *row = walk->readings[Q_BINDINGS].row;
	struct mtls_acct_str key = text(&row[0]);
	uint32_t count = 0;
	int r;
	mtls_buf_reset(&walk->packed);
	mtls_buf_reset(&walk->key);
	if (mtls_buf_append(&walk->key, key.data, key.len) < 0)
		return damaged(walk);
	do {
		bool is_owners =
			sqlite3_column_int(walk->readings[Q_BINDINGS].stmt, BINDINGS_OWNERS);
		walk->content ^= sum(walk, Q_BINDINGS);
		count += is_owners;
		r = is_owners ? pack_name(walk, &row[1]) : 0;
		if (r >= 0)
			r = step(walk, Q_BINDINGS);
		if (r <= 0)
			break;
		key = text(&row[0]);
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
	for (int i = 0; i < Q_COUNT; i++)
		walk->readings[i].begin = store_db_fold_begin(queries[i].table, queries[i].columns);
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
