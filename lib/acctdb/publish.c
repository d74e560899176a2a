/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the set to the bytes of a snapshot. The publisher's rule: each record is encoded, decoded
 * again by the reader's own checks, and compared with what this machine's files hold, whoever
 * filled the set. Writes to one descriptor; knows nothing of paths.
 */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <cdb.h>

#include "lib/acctdb/encode1.h"
#include "lib/acctdb/writer.h"

/* Memory that cdb_make holds until it is finished. */
struct building {
	const struct mtls_acctset *set;
	struct cdb_make cdb;
	struct mtls_acct_header header;
	struct mtls_buf value; /* reused */
	struct mtls_diag *diag;
};

static struct mtls_acct_str text_of(const char *text)
{
	return (struct mtls_acct_str){ .data = text, .len = strlen(text) };
}

static int refuse(struct building *b, const char *kind, const char *name, const char *why)
{
	return mtls_diag_set(b->diag, MTLS_E_DENIED, "not published: %s '%s' %s", kind, name, why);
}

/* Seals b->value under the key and hands both to the database. */
static int put(struct building *b, const void *key, size_t len)
{
	int r = mtls_acct_seal(key, len, &b->value);
	if (r < 0)
		return mtls_diag_set(b->diag, r, "a record is too large: %s", mtls_strerror(r));
	if (cdb_make_add(&b->cdb, key, (unsigned int)len, b->value.data,
			 (unsigned int)b->value.len) < 0) {
		int err = errno ? -errno : -EFBIG;
		return mtls_diag_set(b->diag, err, "cannot write the snapshot: %s",
				     mtls_strerror(err));
	}
	return 0;
}

static int put_short(struct building *b, const struct mtls_acct_key *key)
{
	return put(b, key->bytes, key->len);
}

/* Under two keys: the checksum covers the key, so the value is sealed anew. */
static int put_twice(struct building *b, const struct mtls_acct_key *by_name,
		     const struct mtls_acct_key *by_id)
{
	size_t body = b->value.len;
	int r = put_short(b, by_name);
	b->value.len = body;
	return r < 0 ? r : put_short(b, by_id);
}

static const char *user_conflict(const struct building *b, const struct mtls_acctset_user *user)
{
	const struct mtls_local *local = mtls_acctset_local(b->set);
	if (mtls_local_has_user(local, user->name))
		return "is a local account of this machine; remove one of the two";
	if (mtls_local_has_uid(local, user->uid))
		return "has a uid that this machine's own files hold (passwd, subuid)";
	if (mtls_acctset_has_tombstone(b->set, false, user->uid))
		return "has the uid of a removed account";
	if (!mtls_acctset_has_gid(b->set, user->gid))
		return "has a primary group that does not exist";
	return NULL;
}

static const char *group_conflict(const struct building *b, const struct mtls_acctset_group *group)
{
	const struct mtls_local *local = mtls_acctset_local(b->set);
	if (mtls_local_has_group(local, group->name))
		return "is a local group of this machine; remove one of the two";
	if (mtls_local_has_gid(local, group->gid))
		return "has a gid that this machine's own files hold (group, subgid)";
	if (mtls_acctset_has_tombstone(b->set, true, group->gid))
		return "has the gid of a removed group";
	return NULL;
}

static int put_user_groups(struct building *b, const struct mtls_acctset_user *user)
{
	struct mtls_acct_key key;
	struct mtls_acct_ids ids;

	mtls_buf_reset(&b->value);
	int r = mtls_acct1_user_groups_encode(user->gids, user->gid_count, &b->value);
	if (r >= 0)
		r = mtls_acct_user_groups_decode(&b->header.ids, b->value.data, b->value.len, &ids);
	if (r >= 0)
		r = mtls_acct_key_name(MTLS_ACCT_USER_GROUPS, user->name, strlen(user->name), &key);
	if (r < 0)
		return refuse(b, "the groups of account", user->name, "break the rules");
	return put_short(b, &key);
}

static int put_user(void *ctx, const struct mtls_acctset_user *user)
{
	struct building *b = ctx;
	const char *why = user_conflict(b, user);
	if (why)
		return refuse(b, "account", user->name, why);
	const struct mtls_acct_user record = { .uid = user->uid,
					       .gid = user->gid,
					       .name = text_of(user->name),
					       .gecos = text_of(user->gecos),
					       .home = text_of(user->home),
					       .shell = text_of(user->shell) };
	struct mtls_acct_user check;
	struct mtls_acct_key by_name, by_uid;

	mtls_buf_reset(&b->value);
	int r = mtls_acct1_user_encode(&record, &b->value);
	if (r >= 0)
		r = mtls_acct_user_decode(&b->header.ids, b->value.data, b->value.len, &check);
	if (r >= 0)
		r = mtls_acct_key_name(MTLS_ACCT_USER_NAME, user->name, record.name.len, &by_name);
	if (r < 0)
		return refuse(b, "account", user->name,
			      "breaks the rules for names, ids (id_min, id_max of accountd.conf) "
			      "or fields");
	mtls_acct_key_id(MTLS_ACCT_USER_ID, user->uid, &by_uid);
	r = put_twice(b, &by_name, &by_uid);
	return r < 0 ? r : put_user_groups(b, user);
}

static int put_group(void *ctx, const struct mtls_acctset_group *group)
{
	struct building *b = ctx;
	const char *why = group_conflict(b, group);
	if (why)
		return refuse(b, "group", group->name, why);
	struct mtls_acct_group check;
	struct mtls_acct_key by_name, by_gid;

	mtls_buf_reset(&b->value);
	int r = mtls_acct1_group_encode(group->gid, group->name, group->members,
					group->member_count, &b->value);
	if (r >= 0)
		r = mtls_acct_group_decode(&b->header.ids, b->value.data, b->value.len, &check);
	if (r >= 0)
		r = mtls_acct_key_name(MTLS_ACCT_GROUP_NAME, group->name, strlen(group->name),
				       &by_name);
	if (r < 0)
		return refuse(b, "group", group->name,
			      "breaks the rules for names, ids (id_min, id_max of accountd.conf) "
			      "or members");
	mtls_acct_key_id(MTLS_ACCT_GROUP_ID, group->gid, &by_gid);
	return put_twice(b, &by_name, &by_gid);
}

static int put_binding(void *ctx, const struct mtls_acctset_binding *binding)
{
	struct building *b = ctx;
	uint8_t key[MTLS_ACCT_BINDING_KEY_MAX];
	struct mtls_acct_names check;
	size_t count = 0;
	while (binding->names[count])
		count++;

	mtls_buf_reset(&b->value);
	int r = mtls_acct1_binding_encode(binding->names, count, &b->value);
	if (r >= 0)
		r = mtls_acct_binding_decode(b->value.data, b->value.len, &check);
	if (r >= 0)
		r = mtls_acct_key_binding(binding->key, strlen(binding->key), key);
	if (r < 0)
		return refuse(b, "the binding of", binding->names[0] ? binding->names[0] : "",
			      "breaks the rules");
	return put(b, key, (size_t)r);
}

static int put_tombstone(void *ctx, const struct mtls_acctset_tombstone *stone)
{
	struct building *b = ctx;
	struct mtls_acct_tombstone check;
	struct mtls_acct_key key;

	mtls_buf_reset(&b->value);
	int r = mtls_acct1_tombstone_encode(stone->time, stone->name, &b->value);
	if (r >= 0)
		r = mtls_acct_tombstone_decode(b->value.data, b->value.len, &check);
	if (r < 0)
		return refuse(b, "the tombstone of", stone->name, "breaks the rules");
	mtls_acct_key_tombstone(stone->group, stone->id, &key);
	return put_short(b, &key);
}

static int count_user(void *ctx, const struct mtls_acctset_user *user)
{
	(void)user;
	((struct mtls_acct_header *)ctx)->users++;
	return 0;
}

static int count_group(void *ctx, const struct mtls_acctset_group *group)
{
	(void)group;
	((struct mtls_acct_header *)ctx)->groups++;
	return 0;
}

static int count_binding(void *ctx, const struct mtls_acctset_binding *binding)
{
	(void)binding;
	((struct mtls_acct_header *)ctx)->bindings++;
	return 0;
}

static int count_tombstone(void *ctx, const struct mtls_acctset_tombstone *stone)
{
	(void)stone;
	((struct mtls_acct_header *)ctx)->tombstones++;
	return 0;
}

static int put_header(struct building *b)
{
	static const struct mtls_acctset_walk count = { count_user, count_group, count_binding,
							count_tombstone };
	struct mtls_acct_key key;

	(void)mtls_acctset_walk(b->set, &count, &b->header);
	mtls_buf_reset(&b->value);
	(void)mtls_acct_header_encode(&b->header, &b->value);
	mtls_acct_key_plain(MTLS_ACCT_HEADER, &key);
	int r = put_short(b, &key);
	if (r < 0)
		return r;

	struct mtls_acct_next next;
	mtls_acctset_next_ids(b->set, &next);
	mtls_buf_reset(&b->value);
	(void)mtls_acct_next_encode(&next, &b->value);
	mtls_acct_key_plain(MTLS_ACCT_NEXT, &key);
	return put_short(b, &key);
}

int mtls_acctset_write(const struct mtls_acctset *set, uint64_t serial, uint64_t created, int fd,
		       struct mtls_diag *diag)
{
	static const struct mtls_acctset_walk put_all = { put_user, put_group, put_binding,
							  put_tombstone };
	struct building b = {
		.set = set,
		.header = { .format = 1,
			    .ids = { .window = *mtls_acctset_window(set) },
			    .serial = serial,
			    .created = created },
		.value = MTLS_BUF(MTLS_ACCTDB_VALUE_MAX),
		.diag = diag,
	};
	if (cdb_make_start(&b.cdb, fd) < 0)
		return mtls_diag_set(diag, -errno, "cannot write the snapshot: %s",
				     mtls_strerror(-errno));
	int r = put_header(&b);
	if (r >= 0)
		r = mtls_acctset_walk(set, &put_all, &b);
	mtls_buf_done(&b.value);
	/* Also after a failure: only this frees what cdb_make holds. The file is discarded then. */
	errno = 0;
	if (cdb_make_finish(&b.cdb) < 0 && r >= 0) {
		r = errno ? -errno : -EFBIG;
		return mtls_diag_set(diag, r, "cannot write the snapshot: %s", mtls_strerror(r));
	}
	return r;
}
