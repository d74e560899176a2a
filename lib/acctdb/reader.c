/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The reader of the snapshot. tinycdb finds keys and checks its offsets against the size given to
 * it; it stores the position of a match in struct cdb, so every lookup has one of its own on the
 * stack and the open snapshot stays constant.
 */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cdb.h>

#include "lib/acctdb/reader.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

#define TOC_SIZE  2048 /* 256 tables: position and number of slots, 4 bytes each */
#define SLOT_SIZE 8

/*
 * The view that cdb_init() would make of its own mapping: the mapping is ours, so that one function
 * serves files and memory, and a size beyond the format's 4 GiB is refused rather than cut.
 */
static struct cdb view_of(const struct mtls_acctdb *db)
{
	return (struct cdb){ .cdb_fd = -1,
			     .cdb_fsize = (unsigned int)db->size,
			     .cdb_dend = db->records_end,
			     .cdb_mem = db->data };
}

/*
 * A writer lays the 256 tables out one behind the other, from the end of the records to the end of
 * the file. So a file that was cut, or that something was appended to, is known by its size.
 */
static int check_layout(const uint8_t *data, size_t size, uint32_t *ret_records_end)
{
	if (size < TOC_SIZE || size > UINT32_MAX)
		return MTLS_E_CORRUPT;
	uint32_t records_end = cdb_unpack(data);
	uint64_t at = records_end;
	if (at < TOC_SIZE)
		return MTLS_E_CORRUPT;
	for (size_t i = 0; i < 256; i++) {
		if (cdb_unpack(data + 8 * i) != at)
			return MTLS_E_CORRUPT;
		at += (uint64_t)cdb_unpack(data + 8 * i + 4) * SLOT_SIZE;
		if (at > size)
			return MTLS_E_CORRUPT;
	}
	if (at != size)
		return MTLS_E_CORRUPT;
	*ret_records_end = records_end;
	return 0;
}

/* The verified value of @key without its checksum. */
static int find(const struct mtls_acctdb *db, const void *key, size_t key_len,
		const uint8_t **ret_value, size_t *ret_len)
{
	struct cdb cdb = view_of(db);
	int found = cdb_find(&cdb, key, (unsigned int)key_len);
	if (found == 0)
		return MTLS_E_NOTFOUND;
	if (found < 0)
		return MTLS_E_CORRUPT;
	const uint8_t *value = cdb_getdata(&cdb);
	size_t len = cdb_datalen(&cdb);
	if (!value)
		return MTLS_E_CORRUPT;
	int r = mtls_acct_verify(key, key_len, value, &len);
	if (r < 0)
		return r;
	*ret_value = value;
	*ret_len = len;
	return 0;
}

int mtls_acctdb_open_memory(struct mtls_acctdb *db, const void *data, size_t size)
{
	struct mtls_acctdb new = { .data = data, .size = size };
	int r = check_layout(data, size, &new.records_end);
	if (r < 0)
		return r;
	struct mtls_acct_key key;
	const uint8_t *value;
	size_t len;
	mtls_acct_key_plain(MTLS_ACCT_HEADER, &key);
	r = find(&new, key.bytes, key.len, &value, &len);
	if (r >= 0)
		r = mtls_acct_header_decode(value, len, &new.header);
	if (r < 0)
		return r == MTLS_E_NOTFOUND ? MTLS_E_CORRUPT : r;
	*db = new;
	return 0;
}

int mtls_acctdb_open_fd(struct mtls_acctdb *db, int fd)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < TOC_SIZE || st.st_size > UINT32_MAX)
		return MTLS_E_CORRUPT;
	size_t size = (size_t)st.st_size;
	void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	int r = mtls_acctdb_open_memory(db, map, size);
	if (r < 0) {
		(void)munmap(map, size);
		return r;
	}
	db->mapped = true;
	return 0;
}

int mtls_acctdb_open(struct mtls_acctdb *db, const char *path, uid_t owner, struct mtls_diag *diag)
{
	const struct mtls_file_trust trust = { .owner = owner };
	_cleanup_close_ int fd = -1;
	int r = mtls_file_open_trusted(path, &trust, &fd, diag);
	if (r < 0)
		return r;
	r = mtls_acctdb_open_fd(db, fd);
	if (r < 0)
		return mtls_diag_set(diag, r, "'%s': %s", path, mtls_strerror(r));
	return 0;
}

void mtls_acctdb_close(struct mtls_acctdb *db)
{
	if (db->mapped) {
		union {
			const void *in;
			void *out;
		} map = { .in = db->data };
		(void)munmap(map.out, db->size);
	}
	*db = (struct mtls_acctdb){ 0 };
}

int mtls_acctdb_next_ids(const struct mtls_acctdb *db, struct mtls_acct_next *ret)
{
	struct mtls_acct_key key;
	const uint8_t *value;
	size_t len;
	mtls_acct_key_plain(MTLS_ACCT_NEXT, &key);
	int r = find(db, key.bytes, key.len, &value, &len);
	return r < 0 ? r : mtls_acct_next_decode(value, len, ret);
}

int mtls_acctdb_user_by_name(const struct mtls_acctdb *db, const char *name, size_t name_len,
			     struct mtls_acct_user *ret)
{
	struct mtls_acct_key key;
	const uint8_t *value;
	struct mtls_acct_user user;
	size_t len;

	if (mtls_acct_key_name(MTLS_ACCT_USER_NAME, name, name_len, &key) < 0)
		return MTLS_E_NOTFOUND;
	int r = find(db, key.bytes, key.len, &value, &len);
	if (r >= 0)
		r = mtls_acct_user_decode(&db->header.ids, value, len, &user);
	if (r < 0)
		return r;
	if (!mtls_acct_str_eq(user.name, name, name_len))
		return MTLS_E_CORRUPT;
	*ret = user;
	return 0;
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
	int r = find(db, key.bytes, key.len, &value, &len);
	if (r >= 0)
		r = mtls_acct_user_decode(&db->header.ids, value, len, &user);
	if (r < 0)
		return r;
	if (user.uid != uid)
		return MTLS_E_CORRUPT;
	*ret = user;
	return 0;
}

int mtls_acctdb_group_by_name(const struct mtls_acctdb *db, const char *name, size_t name_len,
			      struct mtls_acct_group *ret)
{
	struct mtls_acct_key key;
	const uint8_t *value;
	struct mtls_acct_group group;
	size_t len;

	if (mtls_acct_key_name(MTLS_ACCT_GROUP_NAME, name, name_len, &key) < 0)
		return MTLS_E_NOTFOUND;
	int r = find(db, key.bytes, key.len, &value, &len);
	if (r >= 0)
		r = mtls_acct_group_decode(&db->header.ids, value, len, &group);
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
	const uint8_t *value;
	struct mtls_acct_group group;
	size_t len;

	if (!mtls_id_admitted(&db->header.ids, gid))
		return MTLS_E_NOTFOUND;
	mtls_acct_key_id(MTLS_ACCT_GROUP_ID, gid, &key);
	int r = find(db, key.bytes, key.len, &value, &len);
	if (r >= 0)
		r = mtls_acct_group_decode(&db->header.ids, value, len, &group);
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
	const uint8_t *value;
	size_t len;

	if (mtls_acct_key_name(MTLS_ACCT_USER_GROUPS, name, name_len, &key) < 0)
		return MTLS_E_NOTFOUND;
	int r = find(db, key.bytes, key.len, &value, &len);
	return r < 0 ? r : mtls_acct_user_groups_decode(&db->header.ids, value, len, ret);
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
	int r = find(db, key, (size_t)key_len, &value, &len);
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
	int r = find(db, key.bytes, key.len, &value, &len);
	if (r >= 0)
		r = mtls_acct_tombstone_decode(value, len, &stone);
	if (r < 0)
		return r;
	*ret = stone;
	return 0;
}

int mtls_acctdb_each(const struct mtls_acctdb *db, mtls_acctdb_each_fn *each, void *ctx)
{
	struct cdb cdb = view_of(db);
	unsigned int at;

	cdb_seqinit(&at, &cdb);
	for (;;) {
		int more = cdb_seqnext(&at, &cdb);
		if (more == 0)
			return 0;
		if (more < 0)
			return MTLS_E_CORRUPT;
		const uint8_t *key = cdb_getkey(&cdb), *value = cdb_getdata(&cdb);
		size_t key_len = cdb_keylen(&cdb), len = cdb_datalen(&cdb);
		if (!key || !value || !key_len || mtls_acct_verify(key, key_len, value, &len) < 0)
			return MTLS_E_CORRUPT;
		struct mtls_acct_str text = { .data = (const char *)key, .len = key_len };
		int r = each(ctx, (enum mtls_acct_kind)key[0], text, value, len);
		if (r)
			return r;
	}
}
