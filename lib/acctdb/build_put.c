/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From judged items to records: encoded once, sealed under each of their keys, handed to cdb_make.
 * The records that sum the others up come last, beside the tables that every lookup reads.
 */
#include <config.h>

#include <errno.h>

#include "lib/acctdb/build_impl.h"

static int cannot_write(struct mtls_diag *diag)
{
	/* cdb_make says ENOMEM too when it is over the 4 GiB of its format. */
	int err = errno ? -errno : -EFBIG;
	return mtls_diag_set(diag, err, "cannot write the snapshot: %s", mtls_strerror(err));
}

/* After the encoder: it knows no other error than a limit or missing memory. */
static int cannot_encode(int r, const char *what, struct mtls_acct_str name, struct mtls_diag *diag)
{
	if (r == MTLS_E_LIMIT)
		return mtls_acctbuild_refuse(what, name, "is over a limit", diag);
	return mtls_diag_set(diag, r, "out of memory");
}

int mtls_acctbuild_put(struct mtls_acctbuild *build, const void *key, size_t len,
		       struct mtls_diag *diag)
{
	struct mtls_buf *value = &build->value;
	int r = mtls_acct_seal(key, len, value);
	if (r < 0)
		return mtls_diag_set(diag, r == MTLS_E_LIMIT ? MTLS_E_DENIED : r,
				     "a record is too large: %s", mtls_strerror(r));
	errno = 0;
	if (cdb_make_add(&build->cdb, key, (unsigned int)len, value->data,
			 (unsigned int)value->len) < 0)
		return cannot_write(diag);
	return 0;
}

static int put_short(struct mtls_acctbuild *build, const struct mtls_acct_key *key,
		     struct mtls_diag *diag)
{
	return mtls_acctbuild_put(build, key->bytes, key->len, diag);
}

int mtls_acctbuild_put_user(struct mtls_acctbuild *build, const struct mtls_acct_user *user,
			    const struct mtls_acct_ids *gids, struct mtls_diag *diag)
{
	struct mtls_acct_key by_name, by_uid;
	struct mtls_buf *value = &build->value;

	mtls_buf_reset(value);
	int r = mtls_acct_user_encode(user, gids, value);
	if (r >= 0)
		r = mtls_acct_key_name(MTLS_ACCT_USER_NAME, user->name.data, user->name.len,
				       &by_name);
	if (r < 0)
		return cannot_encode(r, "user", user->name, diag);
	/* U is u without the list of groups, which is its end. */
	size_t head = value->len - 4 - 4 * (size_t)gids->count;
	mtls_acct_key_id(MTLS_ACCT_USER_ID, user->uid, &by_uid);
	r = put_short(build, &by_name, diag);
	value->len = head;
	if (r >= 0)
		r = put_short(build, &by_uid, diag);
	if (r >= 0)
		build->header.users++;
	return r;
}

int mtls_acctbuild_put_group(struct mtls_acctbuild *build, const struct mtls_acct_group *group,
			     struct mtls_diag *diag)
{
	struct mtls_acct_key by_name, by_gid;
	struct mtls_buf *value = &build->value;

	mtls_buf_reset(value);
	int r = mtls_acct_group_encode(group, value);
	if (r >= 0)
		r = mtls_acct_key_name(MTLS_ACCT_GROUP_NAME, group->name.data, group->name.len,
				       &by_name);
	if (r < 0)
		return cannot_encode(r, "group", group->name, diag);
	size_t body = value->len;
	mtls_acct_key_id(MTLS_ACCT_GROUP_ID, group->gid, &by_gid);
	r = put_short(build, &by_name, diag);
	value->len = body;
	if (r >= 0)
		r = put_short(build, &by_gid, diag);
	if (r >= 0)
		build->header.groups++;
	return r;
}

int mtls_acctbuild_put_tombstone(struct mtls_acctbuild *build,
				 const struct mtls_acct_tombstone *stone, struct mtls_diag *diag)
{
	struct mtls_acct_key key;

	mtls_buf_reset(&build->value);
	int r = mtls_acct_tombstone_encode(stone, &build->value);
	if (r < 0)
		return cannot_encode(r, "tombstone", stone->name, diag);
	mtls_acct_key_tombstone(stone->group, stone->id, &key);
	r = put_short(build, &key, diag);
	if (r >= 0)
		build->header.tombstones++;
	return r;
}

/* @r is what the encoder of the value said. */
static int put_plain(struct mtls_acctbuild *build, enum mtls_acct_kind kind, int r,
		     struct mtls_diag *diag)
{
	struct mtls_acct_key key;
	if (r < 0)
		return mtls_diag_set(diag, r, "out of memory");
	mtls_acct_key_plain(kind, &key);
	return put_short(build, &key, diag);
}

int mtls_acctbuild_put_rest(struct mtls_acctbuild *build, struct mtls_diag *diag)
{
	struct mtls_buf *value = &build->value;

	mtls_buf_reset(value);
	int r = mtls_acct_sources_encode(build->sources, build->source_count, value);
	r = put_plain(build, MTLS_ACCT_SOURCES, r, diag);
	if (r < 0)
		return r;
	mtls_buf_reset(value);
	r = put_plain(build, MTLS_ACCT_NEXT, mtls_acct_next_encode(&build->next, value), diag);
	if (r < 0)
		return r;
	mtls_buf_reset(value);
	r = put_plain(build, MTLS_ACCT_HEADER, mtls_acct_header_encode(&build->header, value),
		      diag);
	if (r < 0)
		return r;
	build->cdb_open = false;
	errno = 0;
	return cdb_make_finish(&build->cdb) < 0 ? cannot_write(diag) : 0;
}
