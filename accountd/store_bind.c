/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operations of a change: certificates' keys bound to names. */
#include <config.h>

#include <string.h>

#include "accountd/store_impl.h"
#include "lib/base/str.h"

static int check_key(struct store *store, const char *key)
{
	_cleanup_buf_ struct mtls_buf canonical = MTLS_BUF(MTLS_KEY_MAX);
	enum mtls_key_kind kind;
	int r = mtls_key_parse(key, strlen(key), &kind, &canonical, &store->db.why);
	if (r < 0)
		return r;
	if (!mtls_streq(mtls_buf_cstr(&canonical), key))
		return mtls_diag_set(&store->db.why, MTLS_E_SYNTAX,
				     "the key '%.300s' is not canonical", key);
	return 0;
}

int store_insert_binding(struct store *store, const char *key, const char *name)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	struct mtls_diag *why = &store->db.why;
	if (!mtls_acct_bindable(name, strlen(name)))
		return mtls_diag_set(why, MTLS_E_DENIED,
				     "no certificate can be bound to '%s': not a name, or reserved",
				     name);
	int r = check_key(store, key);
	if (r >= 0)
		r = store_db_query(&store->db,
				   "SELECT count(*), sum(name = ?2), sum(name = ?2 AND owner <>"
				   " ifnull((SELECT uid FROM users WHERE name = ?2), 0))"
				   " FROM bindings WHERE key = ?1",
				   &stmt, "ss", key, name);
	if (r >= 0)
		r = store_db_step(&store->db, stmt);
	if (r < 0)
		return r;
	if (sqlite3_column_int64(stmt, 2) > 0)
		return mtls_diag_set(why, MTLS_E_EXISTS,
				     "the key is bound to another '%s', who had this name here: "
				     "remove that binding first",
				     name);
	if (sqlite3_column_int64(stmt, 1) > 0)
		return mtls_diag_set(why, MTLS_E_EXISTS, "the key is bound to '%s' already", name);
	if (sqlite3_column_int64(stmt, 0) >= MTLS_ACCTDB_NAMES_MAX)
		return mtls_diag_set(why, MTLS_E_LIMIT, "the key is bound to %d accounts already",
				     MTLS_ACCTDB_NAMES_MAX);
	r = store_db_run(&store->db,
			 "INSERT INTO bindings (key, name, owner) VALUES (?1, ?2,"
			 " ifnull((SELECT uid FROM users WHERE name = ?2), 0))",
			 "ss", key, name);
	if (r >= 0)
		store->dirty = true;
	return r;
}

int store_bind(struct store *store, const char *key, const char *name, struct mtls_diag *diag)
{
	int r = store_op_begin(store);
	return store_op_end(store, r < 0 ? r : store_insert_binding(store, key, name), diag);
}

static int unbind(struct store *store, const char *key, const char *name)
{
	int r = store_db_run(&store->db, "DELETE FROM bindings WHERE key = ?1 AND name = ?2", "ss",
			     key, name);
	if (r < 0)
		return r;
	if (sqlite3_changes(store->db.sql) == 0)
		return mtls_diag_set(&store->db.why, MTLS_E_NOTFOUND,
				     "'%s' is not bound to that key", name);
	store->dirty = true;
	return 0;
}

int store_unbind(struct store *store, const char *key, const char *name, struct mtls_diag *diag)
{
	int r = store_op_begin(store);
	return store_op_end(store, r < 0 ? r : unbind(store, key, name), diag);
}

int store_bindings_of(struct store *store, const char *name, store_binding_fn *each, void *ctx,
		      struct mtls_diag *diag)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	store->db.why.text[0] = '\0';
	int r = store_db_query(&store->db,
			       "SELECT key, owner,"
			       " owner = ifnull((SELECT uid FROM users WHERE name = ?1), 0)"
			       " FROM bindings WHERE name = ?1 ORDER BY key",
			       &stmt, "s", name);
	while (r >= 0 && (r = store_db_step(&store->db, stmt)) > 0) {
		r = each(ctx, store_db_text(stmt, 0), store_db_u32(stmt, 1),
			 store_db_u32(stmt, 2) != 0);
		if (r)
			return r;
	}
	return store_answer(store, r, diag);
}
