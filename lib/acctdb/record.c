/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records of the snapshot <-> bytes. Decoding runs in every process of the machine, on a file that
 * may be damaged: a cursor with a sticky error reads the fields, then every field is checked
 * again. Pure; any thread.
 */
#include <config.h>

#include <endian.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "lib/acctdb/cursor.h"
#include "lib/acctdb/record.h"
#include "lib/acctdb/record_impl.h"
#include "lib/base/err.h"

#define CHECKSUM_LEN 8

static int finish(const struct mtls_cursor *c)
{
	return mtls_cursor_done(c) ? 0 : MTLS_E_CORRUPT;
}

static int put_u64(struct mtls_buf *out, uint64_t value)
{
	value = htole64(value);
	return mtls_buf_append(out, &value, sizeof(value));
}

void mtls_acct_key_plain(enum mtls_acct_kind kind, struct mtls_acct_key *ret_key)
{
	ret_key->bytes[0] = (uint8_t)kind;
	ret_key->len = 1;
}

int mtls_acct_key_name(enum mtls_acct_kind kind, const char *name, size_t len,
		       struct mtls_acct_key *ret_key)
{
	if (len > MTLS_OWNED_NAME_MAX)
		return MTLS_E_LIMIT;
	ret_key->bytes[0] = (uint8_t)kind;
	memcpy(ret_key->bytes + 1, name, len);
	ret_key->len = 1 + len;
	return 0;
}

void mtls_acct_key_id(enum mtls_acct_kind kind, uint32_t id, struct mtls_acct_key *ret_key)
{
	ret_key->bytes[0] = (uint8_t)kind;
	id = htole32(id);
	memcpy(ret_key->bytes + 1, &id, sizeof(id));
	ret_key->len = 1 + sizeof(id);
}

void mtls_acct_key_tombstone(bool group, uint32_t id, struct mtls_acct_key *ret_key)
{
	ret_key->bytes[0] = MTLS_ACCT_TOMBSTONE;
	ret_key->bytes[1] = group ? 'g' : 'u';
	id = htole32(id);
	memcpy(ret_key->bytes + 2, &id, sizeof(id));
	ret_key->len = 2 + sizeof(id);
}

int mtls_acct_key_binding(const char *text, size_t len, uint8_t out[MTLS_ACCT_BINDING_KEY_MAX])
{
	if (len > MTLS_KEY_MAX)
		return MTLS_E_LIMIT;
	out[0] = MTLS_ACCT_BINDING;
	memcpy(out + 1, text, len);
	return (int)(1 + len);
}

/* The hash of the key seeds the hash of the value: the two cannot shift into one another. */
static uint64_t checksum(const void *key, size_t key_len, const void *value, size_t len)
{
	return XXH64(value, len, XXH64(key, key_len, 0));
}

int mtls_acct_verify(const void *key, size_t key_len, const uint8_t *value, size_t *len)
{
	if (*len < CHECKSUM_LEN || *len > MTLS_ACCTDB_VALUE_MAX)
		return MTLS_E_CORRUPT;
	size_t body = *len - CHECKSUM_LEN;
	uint64_t stored;
	memcpy(&stored, value + body, sizeof(stored));
	if (le64toh(stored) != checksum(key, key_len, value, body))
		return MTLS_E_CORRUPT;
	*len = body;
	return 0;
}

int mtls_acct_seal(const void *key, size_t key_len, struct mtls_buf *value)
{
	if (value->err)
		return value->err;
	if (value->len > MTLS_ACCTDB_VALUE_MAX - CHECKSUM_LEN)
		return MTLS_E_LIMIT;
	return put_u64(value, checksum(key, key_len, value->data, value->len));
}

/* What format 2 adds to the header. */
static int take_extension(struct mtls_cursor *c, struct mtls_acct_header *h)
{
	uint32_t flags = mtls_cursor_u32(c), count = mtls_cursor_u32(c);
	if (flags & ~MTLS_ACCT_FLAG_NO_ENUMERATION)
		return MTLS_E_VERSION;
	if (count > MTLS_ID_FOREIGN_MAX)
		return MTLS_E_CORRUPT;
	h->no_enumeration = flags & MTLS_ACCT_FLAG_NO_ENUMERATION;
	h->ids.foreign_count = count;
	for (uint32_t i = 0; i < count; i++) {
		h->ids.foreign[i].min = mtls_cursor_u32(c);
		h->ids.foreign[i].max = mtls_cursor_u32(c);
		if (h->ids.foreign[i].min > h->ids.foreign[i].max)
			return MTLS_E_CORRUPT;
	}
	return 0;
}

int mtls_acct_header_decode(const uint8_t *value, size_t len, struct mtls_acct_header *ret)
{
	struct mtls_cursor c = { .data = value, .left = len };
	const uint8_t *magic = mtls_cursor_take(&c, MTLS_ACCT_MAGIC_LEN);
	if (!magic || memcmp(magic, MTLS_ACCT_MAGIC, MTLS_ACCT_MAGIC_LEN) != 0)
		return MTLS_E_CORRUPT;
	struct mtls_acct_header h = { .format = mtls_cursor_u32(&c) };
	if (c.bad)
		return MTLS_E_CORRUPT;
	if (h.format < MTLS_ACCTDB_FORMAT_OLDEST || h.format > MTLS_ACCTDB_FORMAT)
		return MTLS_E_VERSION;
	h.ids.window.min = mtls_cursor_u32(&c);
	h.ids.window.max = mtls_cursor_u32(&c);
	h.serial = mtls_cursor_u64(&c);
	h.created = mtls_cursor_u64(&c);
	h.users = mtls_cursor_u32(&c);
	h.groups = mtls_cursor_u32(&c);
	h.bindings = mtls_cursor_u32(&c);
	h.tombstones = mtls_cursor_u32(&c);
	int r = h.format > 1 ? take_extension(&c, &h) : 0;
	if (r < 0)
		return r;
	if (finish(&c) < 0 || h.ids.window.min > h.ids.window.max)
		return MTLS_E_CORRUPT;
	*ret = h;
	return 0;
}

int mtls_acct_next_decode(const uint8_t *value, size_t len, struct mtls_acct_next *ret)
{
	struct mtls_cursor c = { .data = value, .left = len };
	struct mtls_acct_next next = { .uid = mtls_cursor_u32(&c) };
	next.gid = mtls_cursor_u32(&c);
	if (finish(&c) < 0)
		return MTLS_E_CORRUPT;
	*ret = next;
	return 0;
}

/* The rest of the value is a list of gids. */
static int take_ids(struct mtls_cursor *c, const struct mtls_id_rules *rules,
		    struct mtls_acct_ids *ret)
{
	uint32_t count = mtls_cursor_u32(c);
	if (c->bad || count > MTLS_ACCTDB_GROUPS_MAX || c->left != 4 * (size_t)count)
		return MTLS_E_CORRUPT;
	const struct mtls_acct_ids ids = { .count = count, .data = c->data };
	if (!ret)
		return 0;
	for (uint32_t i = 0; i < count; i++)
		if (!mtls_id_admitted(rules, mtls_acct_ids_get(&ids, i)))
			return MTLS_E_CORRUPT;
	*ret = ids;
	return 0;
}

static bool user_valid(const struct mtls_id_rules *rules, const struct mtls_acct_user *user)
{
	return mtls_id_admitted(rules, user->uid) &&
	       (user->gid == user->uid || mtls_id_admitted(rules, user->gid)) &&
	       mtls_account_name_ownable(user->name.data, user->name.len) &&
	       mtls_account_gecos_valid(user->gecos.data, user->gecos.len) &&
	       mtls_account_path_valid(user->home.data, user->home.len) &&
	       mtls_account_path_valid(user->shell.data, user->shell.len);
}

int mtls_acct_user_decode(const struct mtls_acct_header *header, enum mtls_acct_kind kind,
			  const uint8_t *value, size_t len, struct mtls_acct_user *ret,
			  struct mtls_acct_ids *ret_gids)
{
	struct mtls_cursor c = { .data = value, .left = len };
	struct mtls_acct_ids gids = { .data = value };
	struct mtls_acct_user user = { .uid = mtls_cursor_u32(&c) };
	bool second = header->format > 1;
	user.gid = mtls_cursor_u32(&c);
	user.source = second ? mtls_cursor_u8(&c) : 0;
	user.name = mtls_cursor_str(&c);
	user.gecos = mtls_cursor_str(&c);
	user.home = mtls_cursor_str(&c);
	user.shell = mtls_cursor_str(&c);
	if (c.bad || !user_valid(&header->ids, &user))
		return MTLS_E_CORRUPT;
	bool listed = second && kind == MTLS_ACCT_USER_NAME;
	int r = listed ? take_ids(&c, &header->ids, ret_gids ? &gids : NULL) : finish(&c);
	if (r < 0)
		return r;
	*ret = user;
	if (ret_gids)
		*ret_gids = gids;
	return 0;
}

typedef bool name_check(const char *name, size_t len);

/* The rest of the value is @count names, each of which passes @check. */
static int take_names(struct mtls_cursor *c, uint32_t max, name_check *check,
		      struct mtls_acct_names *ret)
{
	uint32_t count = mtls_cursor_u32(c);
	if (c->bad || count > max)
		return MTLS_E_CORRUPT;
	struct mtls_acct_names names = { .count = count, .data = c->data, .len = c->left };
	for (uint32_t i = 0; i < count; i++) {
		struct mtls_acct_str name = mtls_cursor_str(c);
		if (c->bad || !check(name.data, name.len))
			return MTLS_E_CORRUPT;
	}
	if (finish(c) < 0)
		return MTLS_E_CORRUPT;
	*ret = names;
	return 0;
}

int mtls_acct_group_decode(const struct mtls_acct_header *header, const uint8_t *value, size_t len,
			   struct mtls_acct_group *ret)
{
	struct mtls_cursor c = { .data = value, .left = len };
	struct mtls_acct_group group = { .gid = mtls_cursor_u32(&c) };
	group.source = header->format > 1 ? mtls_cursor_u8(&c) : 0;
	group.name = mtls_cursor_str(&c);
	if (c.bad || !mtls_id_admitted(&header->ids, group.gid) ||
	    !mtls_account_name_ownable(group.name.data, group.name.len))
		return MTLS_E_CORRUPT;
	int r = take_names(&c, MTLS_ACCTDB_MEMBERS_MAX, mtls_account_name_ownable, &group.members);
	if (r < 0)
		return r;
	*ret = group;
	return 0;
}

int mtls_acct_private_group(const struct mtls_acct_header *header,
			    const struct mtls_acct_user *user, struct mtls_acct_group *ret)
{
	/* In format 1 the private groups have records of their own. */
	if (header->format == 1 || user->gid != user->uid)
		return MTLS_E_NOTFOUND;
	*ret = (struct mtls_acct_group){ .gid = user->gid,
					 .source = user->source,
					 .name = user->name };
	return 0;
}

int mtls_acct_user_groups_decode(const struct mtls_id_rules *rules, const uint8_t *value,
				 size_t len, struct mtls_acct_ids *ret)
{
	struct mtls_cursor c = { .data = value, .left = len };
	return take_ids(&c, rules, ret);
}

static bool source_valid(const char *name, size_t len)
{
	return mtls_account_name_valid(name, len) && len <= MTLS_ACCTDB_SOURCE_MAX;
}

int mtls_acct_sources_decode(const uint8_t *value, size_t len, struct mtls_acct_names *ret)
{
	struct mtls_cursor c = { .data = value, .left = len };
	return take_names(&c, MTLS_ACCTDB_SOURCES_MAX, source_valid, ret);
}

bool mtls_acct_bindable(const char *name, size_t len)
{
	return mtls_account_name_valid(name, len) && !mtls_account_name_reserved(name, len);
}

int mtls_acct_binding_decode(const uint8_t *value, size_t len, struct mtls_acct_names *ret)
{
	struct mtls_cursor c = { .data = value, .left = len };
	struct mtls_acct_names names;
	int r = take_names(&c, MTLS_ACCTDB_NAMES_MAX, mtls_acct_bindable, &names);
	if (r < 0)
		return r;
	if (!names.count)
		return MTLS_E_CORRUPT;
	*ret = names;
	return 0;
}

int mtls_acct_tombstone_decode(const uint8_t *value, size_t len, struct mtls_acct_tombstone *ret)
{
	struct mtls_cursor c = { .data = value, .left = len };
	uint64_t time = mtls_cursor_u64(&c);
	struct mtls_acct_str name = mtls_cursor_str(&c);
	if (finish(&c) < 0 || !mtls_account_name_ownable(name.data, name.len))
		return MTLS_E_CORRUPT;
	ret->time = time;
	ret->name = name;
	return 0;
}

bool mtls_acct_names_next(const struct mtls_acct_names *names, size_t *cursor,
			  struct mtls_acct_str *ret)
{
	if (*cursor >= names->len)
		return false;
	size_t len = names->data[*cursor];
	if (len > names->len - *cursor - 1)
		return false;
	*ret = (struct mtls_acct_str){ .data = (const char *)names->data + *cursor + 1,
				       .len = len };
	*cursor += 1 + len;
	return true;
}

uint32_t mtls_acct_ids_get(const struct mtls_acct_ids *ids, size_t index)
{
	uint32_t id;
	memcpy(&id, ids->data + 4 * index, sizeof(id));
	return le32toh(id);
}

bool mtls_acct_str_eq(struct mtls_acct_str a, const char *text, size_t len)
{
	return a.len == len && memcmp(a.data, text, len) == 0;
}
