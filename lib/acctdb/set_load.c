/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a snapshot to the set. Everything is read, so damage anywhere is noticed before a writer
 * would publish what is left of it. One thread.
 */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/acctdb/set_impl.h"
#include "lib/base/str.h"

/* Loading: users first, so that members find them whatever the order in the file. */
struct loading {
	struct mtls_acctset *set;
	const struct mtls_acctdb *db;
	bool users;
	uint32_t user_count, group_count, binding_count, tombstone_count;
};

static int load_group(struct loading *l, const uint8_t *value, size_t len)
{
	struct mtls_acct_group group;
	int r = mtls_acct_group_decode(&l->db->header.ids, value, len, &group);
	if (r >= 0)
		r = mtls_acctset_plant_group(l->set, group.name.data, group.name.len, group.gid);
	if (r < 0)
		return r;
	l->group_count++;
	struct mtls_acctset_group *planted = mtls_acctset_find_gid(l->set, group.gid);
	struct mtls_acct_str member;
	for (size_t at = 0; mtls_acct_names_next(&group.members, &at, &member);) {
		char name[MTLS_OWNED_NAME_MAX + 1] = "";
		memcpy(name, member.data, member.len);
		struct mtls_acctset_user *user = mtls_acctset_find_user(l->set, name);
		r = user && planted ? mtls_acctset_join(planted, user) : MTLS_E_CORRUPT;
		if (r < 0)
			return r;
	}
	return 0;
}

static int load_binding(struct loading *l, struct mtls_acct_str key, const uint8_t *value,
			size_t len)
{
	struct mtls_acct_names names;
	int r = mtls_acct_binding_decode(value, len, &names);
	if (r < 0)
		return r;
	_cleanup_free_ char *text = strndup(key.data + 1, key.len - 1);
	if (!text)
		return -ENOMEM;
	l->binding_count++;
	struct mtls_acct_str name;
	for (size_t at = 0; mtls_acct_names_next(&names, &at, &name);) {
		char copy[MTLS_ACCOUNT_NAME_MAX + 1] = "";
		memcpy(copy, name.data, name.len);
		r = mtls_acctset_bind(l->set, text, copy, NULL);
		if (r < 0)
			return r == -ENOMEM ? r : MTLS_E_CORRUPT;
	}
	return 0;
}

static int load_tombstone(struct loading *l, struct mtls_acct_str key, const uint8_t *value,
			  size_t len)
{
	struct mtls_acct_tombstone stone;
	uint32_t id;
	if (key.len != 2 + sizeof(id))
		return MTLS_E_CORRUPT;
	int r = mtls_acct_tombstone_decode(value, len, &stone);
	if (r < 0)
		return r;
	const struct mtls_acct_ids in_key = { .count = 1, .data = (const uint8_t *)key.data + 2 };
	id = mtls_acct_ids_get(&in_key, 0);
	l->tombstone_count++;
	return mtls_acctset_plant_tombstone(l->set, key.data[1] == 'g', id, stone.time,
					    stone.name.data, stone.name.len);
}

static int load_user(struct loading *l, const uint8_t *value, size_t len)
{
	struct mtls_acct_user user;
	int r = mtls_acct_user_decode(&l->db->header.ids, value, len, &user);
	if (r < 0)
		return r;
	l->user_count++;
	return mtls_acctset_plant_user(l->set, &user);
}

static int load_record(void *ctx, enum mtls_acct_kind kind, struct mtls_acct_str key,
		       const uint8_t *value, size_t len)
{
	struct loading *l = ctx;
	if (l->users)
		return kind == MTLS_ACCT_USER_NAME ? load_user(l, value, len) : 0;
	switch (kind) {
	case MTLS_ACCT_NEXT:
		return mtls_acct_next_decode(value, len, &l->set->next);
	case MTLS_ACCT_GROUP_NAME:
		return load_group(l, value, len);
	case MTLS_ACCT_BINDING:
		return load_binding(l, key, value, len);
	case MTLS_ACCT_TOMBSTONE:
		return load_tombstone(l, key, value, len);
	default:
		return 0; /* a second view of something above */
	}
}

int mtls_acctset_load(const struct mtls_acctdb *db, const struct mtls_id_window *window,
		      const struct mtls_local *local, struct mtls_acctset **ret,
		      struct mtls_diag *diag)
{
	_cleanup_(mtls_acctset_freep) struct mtls_acctset *set = NULL;
	int r = mtls_acctset_new(window, local, &set);
	if (r < 0)
		return mtls_diag_set(diag, r, "out of memory");
	set->next = (struct mtls_acct_next){ 0 };
	struct loading l = { .set = set, .db = db, .users = true };
	r = mtls_acctdb_each(db, load_record, &l);
	l.users = false;
	if (r >= 0)
		r = mtls_acctdb_each(db, load_record, &l);
	if (r >= 0 && (l.user_count != db->header.users || l.group_count != db->header.groups ||
		       l.binding_count != db->header.bindings ||
		       l.tombstone_count != db->header.tombstones || !set->next.uid))
		r = MTLS_E_CORRUPT;
	if (r == MTLS_E_EXISTS)
		r = MTLS_E_CORRUPT;
	if (r < 0)
		return mtls_diag_set(diag, r, "the snapshot cannot be taken over: %s",
				     mtls_strerror(r));
	*ret = MTLS_TAKE(set);
	return 0;
}
