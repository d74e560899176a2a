/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Questions to a snapshot. An answer is the verified and checked record, and says of itself that it
 * is the one that was asked for. Pure; any thread.
 */
#include <config.h>

#include <string.h>

#include "lib/acctdb/reader_impl.h"
#include "lib/acctdb/record_impl.h"

int mtls_acctdb_next_ids(const struct mtls_acctdb *db, struct mtls_acct_next *ret)
{
	struct mtls_acct_key key;
	const uint8_t *value;
	size_t len;
	mtls_acct_key_plain(MTLS_ACCT_NEXT, &key);
	int r = mtls_acctdb_find(db, key.bytes, key.len, &value, &len);
	return r < 0 ? r : mtls_acct_next_decode(value, len, ret);
}

static int named_user(const struct mtls_acctdb *db, const char *name, size_t name_len,
		      struct mtls_acct_user *ret, struct mtls_acct_ids *ret_gids)
{
	struct mtls_acct_key key;
	const uint8_t *value;
	struct mtls_acct_user user;
	struct mtls_acct_ids gids;
	size_t len;

	if (mtls_acct_key_name(MTLS_ACCT_USER_NAME, name, name_len, &key) < 0)
		return MTLS_E_NOTFOUND;
	int r = mtls_acctdb_find(db, key.bytes, key.len, &value, &len);
	if (r >= 0)
		r = mtls_acct_user_decode(&db->header, MTLS_ACCT_USER_NAME, value, len, &user,
					  ret_gids ? &gids : NULL);
	if (r < 0)
		return r;
	if (!mtls_acct_str_eq(user.name, name, name_len))
		return MTLS_E_CORRUPT;
	*ret = user;
	if (ret_gids)
		*ret_gids = gids;
	return 0;
}

int mtls_acctdb_user_by_name(const struct mtls_acctdb *db, const char *name, size_t len,
			     struct mtls_acct_user *ret)
{
	return named_user(db, name, len, ret, NULL);
}

int mtls_acctdb_user_by_uid(const struct mtls_acctdb *db, uint32_t uid, struct mtls_acct_user *ret)
{
	struct mtls_acct_key key;
	const uint8_t *value;
	struct mtls_acct_user user;
	size_t len;

	/* Most questions are about other sources' users: they end here. */
	if (!mtls_id_admitted(&db->header.ids, uid))
		return MTLS_E_NOTFOUND;
	mtls_acct_key_id(MTLS_ACCT_USER_ID, uid, &key);
	int r = mtls_acctdb_find(db, key.bytes, key.len, &value, &len);
	if (r >= 0)
		r = mtls_acct_user_decode(&db->header, MTLS_ACCT_USER_ID, value, len, &user, NULL);
	if (r < 0)
		return r;
	if (user.uid != uid)
		return MTLS_E_CORRUPT;
	*ret = user;
	return 0;
}

/* A group that has a record; private ones have none in format 2. */
static int group_record(const struct mtls_acctdb *db, const struct mtls_acct_key *key,
			struct mtls_acct_group *ret)
{
	const uint8_t *value;
	size_t len;
	int r = mtls_acctdb_find(db, key->bytes, key->len, &value, &len);
	return r < 0 ? r : mtls_acct_group_decode(&db->header, value, len, ret);
}

int mtls_acctdb_group_by_name(const struct mtls_acctdb *db, const char *name, size_t name_len,
			      struct mtls_acct_group *ret)
{
	struct mtls_acct_key key;
	struct mtls_acct_group group;
	struct mtls_acct_user user;

	if (mtls_acct_key_name(MTLS_ACCT_GROUP_NAME, name, name_len, &key) < 0)
		return MTLS_E_NOTFOUND;
	int r = group_record(db, &key, &group);
	if (r == MTLS_E_NOTFOUND && db->header.format > 1) {
		r = mtls_acctdb_user_by_name(db, name, name_len, &user);
		if (r >= 0)
			r = mtls_acct_private_group(&db->header, &user, &group);
	}
	if (r < 0)
		return r;
	if (!mtls_acct_str_eq(group.name, name, name_len))
		return MTLS_E_CORRUPT;
	*ret = group;
	return 0;
}

int mtls_acctdb_group_by_gid(const struct mtls_acctdb *db, uint32_t gid,
			     struct mtls_acct_group *ret)
{
	struct mtls_acct_key key;
	struct mtls_acct_group group;
	struct mtls_acct_user user;

	if (!mtls_id_admitted(&db->header.ids, gid))
		return MTLS_E_NOTFOUND;
	mtls_acct_key_id(MTLS_ACCT_GROUP_ID, gid, &key);
	int r = group_record(db, &key, &group);
	if (r == MTLS_E_NOTFOUND && db->header.format > 1) {
		r = mtls_acctdb_user_by_uid(db, gid, &user);
		if (r >= 0)
			r = mtls_acct_private_group(&db->header, &user, &group);
	}
	if (r < 0)
		return r;
	if (group.gid != gid)
		return MTLS_E_CORRUPT;
	*ret = group;
	return 0;
}

int mtls_acctdb_user_groups(const struct mtls_acctdb *db, const char *name, size_t name_len,
			    struct mtls_acct_ids *ret)
{
	struct mtls_acct_key key;
	struct mtls_acct_user user;
	const uint8_t *value;
	size_t len;

	if (db->header.format > 1)
		return named_user(db, name, name_len, &user, ret);
	/* Here the record itself does not name its user. */
	if (!mtls_account_name_ownable(name, name_len) ||
	    mtls_acct_key_name(MTLS_ACCT_USER_GROUPS, name, name_len, &key) < 0)
		return MTLS_E_NOTFOUND;
	int r = mtls_acctdb_find(db, key.bytes, key.len, &value, &len);
	return r < 0 ? r : mtls_acct_user_groups_decode(&db->header.ids, value, len, ret);
}

int mtls_acctdb_source(const struct mtls_acctdb *db, uint8_t index, struct mtls_acct_str *ret)
{
	struct mtls_acct_key key;
	struct mtls_acct_names names;
	struct mtls_acct_str name;
	const uint8_t *value;
	size_t len, cursor = 0;

	if (index == 0) {
		*ret = (struct mtls_acct_str){ .data = MTLS_ACCT_SOURCE_STORE,
					       .len = strlen(MTLS_ACCT_SOURCE_STORE) };
		return 0;
	}
	mtls_acct_key_plain(MTLS_ACCT_SOURCES, &key);
	int r = mtls_acctdb_find(db, key.bytes, key.len, &value, &len);
	if (r >= 0)
		r = mtls_acct_sources_decode(value, len, &names);
	if (r < 0)
		return r;
	for (uint8_t i = 0; mtls_acct_names_next(&names, &cursor, &name); i++) {
		if (i < index)
			continue;
		*ret = name;
		return 0;
	}
	return MTLS_E_NOTFOUND;
}

int mtls_acctdb_binding(const struct mtls_acctdb *db, const char *text, size_t text_len,
			struct mtls_acct_names *ret)
{
	uint8_t key[MTLS_ACCT_BINDING_KEY_MAX];
	const uint8_t *value;
	size_t len;

	int key_len = mtls_acct_key_binding(text, text_len, key);
	if (key_len < 0)
		return MTLS_E_NOTFOUND;
	int r = mtls_acctdb_find(db, key, (size_t)key_len, &value, &len);
	return r < 0 ? r : mtls_acct_binding_decode(value, len, ret);
}

int mtls_acctdb_tombstone(const struct mtls_acctdb *db, bool group, uint32_t id,
			  struct mtls_acct_tombstone *ret)
{
	struct mtls_acct_key key;
	const uint8_t *value;
	struct mtls_acct_tombstone stone = { .group = group, .id = id };
	size_t len;

	mtls_acct_key_tombstone(group, id, &key);
	int r = mtls_acctdb_find(db, key.bytes, key.len, &value, &len);
	if (r >= 0)
		r = mtls_acct_tombstone_decode(value, len, &stone);
	if (r < 0)
		return r;
	*ret = stone;
	return 0;
}
