/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inside the store: what its files share. Only accountd/store*.c include this. */
#ifndef ACCOUNTD_STORE_IMPL_H
#define ACCOUNTD_STORE_IMPL_H

#include "accountd/store.h"
#include "accountd/store_db.h"

#define STORE_STORE 0 /* the source that is the store itself */

#define STORE_ROOMS 256 /* groups whose number of members is remembered */

struct store {
	struct store_db db;
	char *path;
	struct mtls_id_rules ids;
	bool no_enumeration;
	void (*working)(void *ctx); /* see struct store_options */
	void *ctx;
	const struct mtls_local *local; /* borrowed */
	int lock_fd;
	int64_t schema_sum; /* of the texts of the schema; part of the seal */
	/*
	 * No id below it is free, within this change at least. The stored next ids only grow, so
	 * without it a window that moved down would be searched from its start for every account.
	 */
	uint32_t hint;
	bool changing;  /* between begin and commit */
	bool dirty;     /* the change touched what is published */
	bool was_dirty; /* before the operation under way */
	/* How many members groups have, by gid modulo STORE_ROOMS; counting them is slow. */
	struct store_room {
		uint32_t gid, count;
	} rooms[STORE_ROOMS];
	int broken; /* the change was lost: SQLite rolled it back as a whole */
};

/* store_schema.c */

/* Makes an empty store of schema 1 at @path, complete before it has that name. */
int store_schema_create(const char *path, uint32_t first_id, struct mtls_diag *diag);
/* Kind and version of the file. MTLS_E_CORRUPT, MTLS_E_VERSION; @ret_version. */
int store_schema_check(struct store_db *db, int64_t *ret_version);
/* One transaction for each step from @version to STORE_SCHEMA. */
int store_schema_migrate(struct store_db *db, int64_t version);
/* Structure, content and seal; reads everything. MTLS_E_CORRUPT. */
int store_schema_verify(struct store_db *db, int64_t *ret_schema_sum);
/* Within a transaction, as its last statement: the seal over what the store holds now. */
int store_schema_seal(struct store_db *db, int64_t schema_sum);
/* Is the seal right for these sums? 1, 0 or an error. */
int store_schema_sealed(struct store_db *db, int64_t schema_sum);

/* The columns that a sum covers; @p is a prefix as "new.". */
#define STORE_COLUMNS_USERS(p)                                                                     \
	p "name," p "uid," p "gid," p "source," p "gecos," p "home," p "shell"
#define STORE_COLUMNS_GROUPS(p)     p "name," p "gid," p "source"
#define STORE_COLUMNS_MEMBERS(p)    p "gid," p "usr"
#define STORE_COLUMNS_BINDINGS(p)   p "key," p "name," p "owner"
#define STORE_COLUMNS_TOMBSTONES(p) p "grp," p "id," p "time," p "name"
#define STORE_COLUMNS_SOURCES(p)    p "id," p "name," p "gone," p "digest"

#define STORE_FIELDS_USERS(p)      "'users'," STORE_COLUMNS_USERS(p)
#define STORE_FIELDS_GROUPS(p)     "'groups'," STORE_COLUMNS_GROUPS(p)
#define STORE_FIELDS_MEMBERS(p)    "'members'," STORE_COLUMNS_MEMBERS(p)
#define STORE_FIELDS_BINDINGS(p)   "'bindings'," STORE_COLUMNS_BINDINGS(p)
#define STORE_FIELDS_TOMBSTONES(p) "'tombstones'," STORE_COLUMNS_TOMBSTONES(p)
#define STORE_FIELDS_SOURCES(p)    "'sources'," STORE_COLUMNS_SOURCES(p)
#define STORE_FOLD(fields)         "mtls_fold(0," fields ")"

/* store.c */

/* Nothing was ever stored here. */
int store_is_empty(struct store *store, bool *ret_new);

/* Around each operation of a change. */

/* A savepoint. */
int store_op_begin(struct store *store);
/* Keeps what the operation did, or (@r < 0) takes it back; @diag becomes @store->db.why. */
int store_op_end(struct store *store, int r, struct mtls_diag *diag);
/* What was remembered may be wrong. */
void store_forget(struct store *store);
/* For questions: @diag becomes @store->db.why where @r < 0. */
int store_answer(struct store *store, int r, struct mtls_diag *diag);

/* store_rules.c: refusals have their sentence in @store->db.why. */

/* Grammar, reserved names, names of this machine. */
int store_rule_name(struct store *store, const char *name);
/* What nobody new is called, though who has such a name keeps it. */
int store_rule_packaged(struct store *store, const char *name);
int store_rule_fields(struct store *store, const char *gecos, const char *home, const char *shell);
/* Nobody in the store has the name. @own_gid: a group of this gid may (0: none). */
int store_rule_name_free(struct store *store, const char *name, uint32_t own_gid);
#define STORE_NOBODY UINT32_MAX /* no binding's owner */

/* No certificate is bound to somebody of this name who is not @uid. */
int store_rule_not_bound(struct store *store, const char *name, uint32_t uid);
/* @wanted if that may be given out, or (0) the next free one, which is then used up. */
int store_rule_id(struct store *store, uint32_t wanted, uint32_t *ret_id);

/* store_change.c */

int store_add_tombstone(struct store *store, bool group, uint32_t id, uint64_t time,
			const char *name);

/* store_remove_user() and store_remove_group() within an operation or a transaction of its own. */
int store_drop_user(struct store *store, const char *name, uint64_t time, uint32_t *ret_uid);
int store_drop_group(struct store *store, const char *name, uint64_t time, uint32_t *ret_gid);

/* store_bind.c: with the rules of store_bind(), within an operation. */
int store_insert_binding(struct store *store, const char *key, const char *name);

#endif
