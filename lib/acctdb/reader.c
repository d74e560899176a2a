/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The reader of the snapshot: finds records by their keys, or walks them. It reads tinycdb's format
 * itself rather than through cdb_find(), because a lookup waits for memory and little else: when
 * the slot of a key is known, all parts of the record are asked for at once. Every offset is
 * checked against the file; the layout of the tables was checked when it was opened. An open
 * snapshot stays constant. Any thread.
 */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cdb.h>

#include "lib/acctdb/reader.h"
#include "lib/acctdb/record_impl.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

#define TOC_SIZE    2048 /* 256 tables: position and number of slots, 4 bytes each */
#define SLOT_SIZE   8    /* hash, position of the record */
#define RECORD_HEAD 8    /* lengths of key and value, which follow */
#define CACHE_LINE  64
#define PREFETCHED  4 /* lines of a record: more than most have */

/* A record in the file; the value still has its checksum. */
struct record {
	const uint8_t *key, *value;
	size_t key_len, len;
};

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

/* The record at @at, if it lies before the tables as a whole. */
static bool record_at(const struct mtls_acctdb *db, uint32_t at, struct record *ret)
{
	if (at < TOC_SIZE || at > db->records_end || db->records_end - at < RECORD_HEAD)
		return false;
	size_t left = db->records_end - at - RECORD_HEAD;
	size_t key_len = cdb_unpack(db->data + at), len = cdb_unpack(db->data + at + 4);
	if (key_len > left || len > left - key_len)
		return false;
	*ret = (struct record){ .key = db->data + at + RECORD_HEAD,
				.key_len = key_len,
				.len = len };
	ret->value = ret->key + key_len;
	return true;
}

/* All lines of a record come at the price of one; an address outside of the file does no harm. */
static void prefetch(const struct mtls_acctdb *db, uint32_t at)
{
	const uint8_t *p = db->data + at;
	for (size_t i = 1; i < PREFETCHED; i++)
		__builtin_prefetch(p + i * CACHE_LINE);
}

static int find_record(const struct mtls_acctdb *db, const void *key, size_t key_len,
		       struct record *ret)
{
	uint32_t hash = cdb_hash(key, (unsigned int)key_len);
	const uint8_t *toc = db->data + (hash % 256) * SLOT_SIZE;
	const uint8_t *table = db->data + cdb_unpack(toc);
	uint32_t slots = cdb_unpack(toc + 4);
	uint32_t slot = slots ? (hash >> 8) % slots : 0;

	for (uint32_t i = 0; i < slots; i++) {
		const uint8_t *p = table + (size_t)slot * SLOT_SIZE;
		uint32_t at = cdb_unpack(p + 4);
		if (!at)
			break;
		if (cdb_unpack(p) == hash) {
			prefetch(db, at);
			if (!record_at(db, at, ret))
				return MTLS_E_CORRUPT;
			if (ret->key_len == key_len && memcmp(ret->key, key, key_len) == 0)
				return 0;
		}
		slot = slot + 1 < slots ? slot + 1 : 0;
	}
	return MTLS_E_NOTFOUND;
}

/* The verified value of @key without its checksum. */
static int find(const struct mtls_acctdb *db, const void *key, size_t key_len,
		const uint8_t **ret_value, size_t *ret_len)
{
	struct record record;
	int r = find_record(db, key, key_len, &record);
	if (r >= 0)
		r = mtls_acct_verify(key, key_len, record.value, &record.len);
	if (r < 0)
		return r;
	*ret_value = record.value;
	*ret_len = record.len;
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
	int r = find(db, key.bytes, key.len, &value, &len);
	if (r >= 0)
		r = mtls_acct_user_read(&db->header, MTLS_ACCT_USER_NAME, value, len, &user,
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
	int r = find(db, key.bytes, key.len, &value, &len);
	if (r >= 0)
		r = mtls_acct_user_read(&db->header, MTLS_ACCT_USER_ID, value, len, &user, NULL);
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
	int r = find(db, key->bytes, key->len, &value, &len);
	return r < 0 ? r : mtls_acct_group_read(&db->header, value, len, ret);
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
	if (mtls_acct_key_name(MTLS_ACCT_USER_GROUPS, name, name_len, &key) < 0)
		return MTLS_E_NOTFOUND;
	int r = find(db, key.bytes, key.len, &value, &len);
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
	int r = find(db, key.bytes, key.len, &value, &len);
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

/*
 * The next record in the order of the file: 1, 0 at the end, MTLS_E_CORRUPT if what follows is no
 * record; then @at is at the end, because nothing says where the next one would begin.
 */
static int next_record(const struct mtls_acctdb *db, uint32_t *at, struct record *ret)
{
	if (!*at)
		*at = TOC_SIZE;
	if (*at >= db->records_end)
		return 0;
	if (!record_at(db, *at, ret) || !ret->key_len) {
		*at = db->records_end;
		return MTLS_E_CORRUPT;
	}
	*at += (uint32_t)(RECORD_HEAD + ret->key_len + ret->len);
	return 1;
}

static bool is_key(const struct record *record, const struct mtls_acct_key *key)
{
	return record->key_len == key->len && memcmp(record->key, key->bytes, key->len) == 0;
}

/* Verifies and reads a `u` record that was come across; its key must be its name's. */
static int read_user(const struct mtls_acctdb *db, struct record *record,
		     struct mtls_acct_user *ret)
{
	struct mtls_acct_key key;
	struct mtls_acct_user user;
	int r = mtls_acct_verify(record->key, record->key_len, record->value, &record->len);
	if (r >= 0)
		r = mtls_acct_user_read(&db->header, MTLS_ACCT_USER_NAME, record->value,
					record->len, &user, NULL);
	if (r < 0)
		return r;
	if (mtls_acct_key_name(MTLS_ACCT_USER_NAME, user.name.data, user.name.len, &key) < 0 ||
	    !is_key(record, &key))
		return MTLS_E_CORRUPT;
	*ret = user;
	return 0;
}

static int read_group(const struct mtls_acctdb *db, struct record *record,
		      struct mtls_acct_group *ret)
{
	struct mtls_acct_key key;
	struct mtls_acct_group group;
	int r = mtls_acct_verify(record->key, record->key_len, record->value, &record->len);
	if (r >= 0)
		r = mtls_acct_group_read(&db->header, record->value, record->len, &group);
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
	struct record record;
	int r;

	while ((r = next_record(db, &cursor->at, &record)) > 0)
		if (record.key[0] == MTLS_ACCT_USER_NAME)
			return read_user(db, &record, ret);
	return r < 0 ? r : MTLS_E_NOTFOUND;
}

int mtls_acctdb_next_group(const struct mtls_acctdb *db, struct mtls_acctdb_cursor *cursor,
			   struct mtls_acct_group *ret)
{
	struct record record;
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
	struct record record;
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
