/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Walks through the records of a snapshot in the order of the file. Where a record ends says the
 * record itself; a damaged value is passed over, behind a damaged length nothing can be read.
 * Pure; any thread.
 */
#include <config.h>

#include <string.h>

#include "lib/acctdb/reader_impl.h"

/*
 * The next record in the order of the file: 1, 0 at the end, MTLS_E_CORRUPT if what follows is no
 * record; then @at is at the end, because nothing says where the next one would begin.
 */
static int next_record(const struct mtls_acctdb *db, uint32_t *at, struct mtls_acctdb_record *ret)
{
	if (!*at)
		*at = MTLS_CDB_TOC_SIZE;
	if (*at >= db->records_end)
		return 0;
	if (!mtls_acctdb_record_at(db, *at, ret) || !ret->key_len) {
		*at = db->records_end;
		return MTLS_E_CORRUPT;
	}
	*at += (uint32_t)(MTLS_CDB_RECORD_HEAD + ret->key_len + ret->len);
	return 1;
}

static bool is_key(const struct mtls_acctdb_record *record, const struct mtls_acct_key *key)
{
	return record->key_len == key->len && memcmp(record->key, key->bytes, key->len) == 0;
}

/* Verifies and reads a `u` record that was come across; its key must be its name's. */
static int read_user(const struct mtls_acctdb *db, struct mtls_acctdb_record *record,
		     struct mtls_acct_user *ret)
{
	struct mtls_acct_key key;
	struct mtls_acct_user user;
	int r = mtls_acct_verify(record->key, record->key_len, record->value, &record->len);
	if (r >= 0)
		r = mtls_acct_user_decode(&db->header, MTLS_ACCT_USER_NAME, record->value,
					  record->len, &user, NULL);
	if (r < 0)
		return r;
	if (mtls_acct_key_name(MTLS_ACCT_USER_NAME, user.name.data, user.name.len, &key) < 0 ||
	    !is_key(record, &key))
		return MTLS_E_CORRUPT;
	*ret = user;
	return 0;
}

static int read_group(const struct mtls_acctdb *db, struct mtls_acctdb_record *record,
		      struct mtls_acct_group *ret)
{
	struct mtls_acct_key key;
	struct mtls_acct_group group;
	int r = mtls_acct_verify(record->key, record->key_len, record->value, &record->len);
	if (r >= 0)
		r = mtls_acct_group_decode(&db->header, record->value, record->len, &group);
	if (r < 0)
		return r;
	if (mtls_acct_key_name(MTLS_ACCT_GROUP_NAME, group.name.data, group.name.len, &key) < 0 ||
	    !is_key(record, &key))
		return MTLS_E_CORRUPT;
	*ret = group;
	return 0;
}

int mtls_acctdb_next_user(const struct mtls_acctdb *db, struct mtls_acctdb_cursor *cursor,
			  struct mtls_acct_user *ret)
{
	struct mtls_acctdb_record record;
	int r;

	while ((r = next_record(db, &cursor->at, &record)) > 0)
		if (record.key[0] == MTLS_ACCT_USER_NAME)
			return read_user(db, &record, ret);
	return r < 0 ? r : MTLS_E_NOTFOUND;
}

int mtls_acctdb_next_group(const struct mtls_acctdb *db, struct mtls_acctdb_cursor *cursor,
			   struct mtls_acct_group *ret)
{
	struct mtls_acctdb_record record;
	struct mtls_acct_user user;
	int r;

	while ((r = next_record(db, &cursor->at, &record)) > 0) {
		if (record.key[0] == MTLS_ACCT_GROUP_NAME)
			return read_group(db, &record, ret);
		if (record.key[0] != MTLS_ACCT_USER_NAME || db->header.format == 1)
			continue;
		r = read_user(db, &record, &user);
		if (r >= 0)
			r = mtls_acct_private_group(&db->header, &user, ret);
		if (r != MTLS_E_NOTFOUND)
			return r;
	}
	return r < 0 ? r : MTLS_E_NOTFOUND;
}

int mtls_acctdb_each(const struct mtls_acctdb *db, mtls_acctdb_each_fn *each, void *ctx)
{
	struct mtls_acctdb_record record;
	uint32_t at = 0;
	int r;

	while ((r = next_record(db, &at, &record)) > 0) {
		if (mtls_acct_verify(record.key, record.key_len, record.value, &record.len) < 0)
			return MTLS_E_CORRUPT;
		struct mtls_acct_str key = { .data = (const char *)record.key,
					     .len = record.key_len };
		r = each(ctx, (enum mtls_acct_kind)record.key[0], key, record.value, record.len);
		if (r)
			return r;
	}
	return r;
}
