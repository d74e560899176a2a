/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames of the pipe between store and publisher. The decoder runs as root on what an unprivileged
 * process wrote: each kind has a maximum that is known before its frame is read, a cursor with a
 * sticky error takes the fields, and what is left over is an error. Pure; any thread.
 */
#include <config.h>

#include <endian.h>
#include <string.h>

#include "lib/acctdb/cursor.h"
#include "lib/acctdb/item.h"
#include "lib/base/cleanup.h"
#include "lib/base/err.h"

#define STR_MAX       (1 + 255)
#define FLAG_NO_ENUM  1U
#define LENGTH_BYTES  4
#define NAMES_MAX(n)  (4 + (n) * (1 + MTLS_ACCOUNT_NAME_MAX))
#define BINDING_BYTES (2 + MTLS_KEY_MAX + NAMES_MAX(MTLS_ACCTDB_NAMES_MAX))

typedef int encode_fn(const struct mtls_acct_item *item, struct mtls_buf *out);
/* Takes the fields; the caller tests the cursor. False: a count or a value that cannot be. */
typedef bool decode_fn(struct mtls_cursor *c, struct mtls_acct_item *ret);

static int put_u16(struct mtls_buf *out, uint16_t value)
{
	value = htole16(value);
	return mtls_buf_append(out, &value, sizeof(value));
}

static int put_u32(struct mtls_buf *out, uint32_t value)
{
	value = htole32(value);
	return mtls_buf_append(out, &value, sizeof(value));
}

static int put_u64(struct mtls_buf *out, uint64_t value)
{
	value = htole64(value);
	return mtls_buf_append(out, &value, sizeof(value));
}

static int put_str(struct mtls_buf *out, struct mtls_acct_str text, size_t max)
{
	if (text.len > max)
		return MTLS_E_LIMIT;
	(void)mtls_buf_append_byte(out, (uint8_t)text.len);
	return mtls_buf_append(out, text.data, text.len);
}

/* The rest of the frame: as many names as the count says, packed as in memory. */
static bool take_names(struct mtls_cursor *c, uint32_t max, struct mtls_acct_names *ret)
{
	uint32_t count = mtls_cursor_u32(c);
	if (c->bad || count > max)
		return false;
	*ret = (struct mtls_acct_names){ .count = count, .data = c->data, .len = c->left };
	for (uint32_t i = 0; i < count && !c->bad; i++) {
		size_t len = mtls_cursor_str(c).len;
		if (!len || len > MTLS_ACCOUNT_NAME_MAX)
			return false;
	}
	return true;
}

static int encode_begin(const struct mtls_acct_item *item, struct mtls_buf *out)
{
	(void)put_u64(out, item->u.begin.generation);
	return mtls_buf_append_byte(out, item->u.begin.no_enumeration ? FLAG_NO_ENUM : 0);
}

static bool decode_begin(struct mtls_cursor *c, struct mtls_acct_item *ret)
{
	ret->u.begin.generation = mtls_cursor_u64(c);
	uint8_t flags = mtls_cursor_u8(c);
	ret->u.begin.no_enumeration = flags & FLAG_NO_ENUM;
	return !(flags & ~FLAG_NO_ENUM);
}

static int encode_next(const struct mtls_acct_item *item, struct mtls_buf *out)
{
	return mtls_acct_next_encode(&item->u.next, out);
}

static bool decode_next(struct mtls_cursor *c, struct mtls_acct_item *ret)
{
	ret->u.next.uid = mtls_cursor_u32(c);
	ret->u.next.gid = mtls_cursor_u32(c);
	return true;
}

static int encode_source(const struct mtls_acct_item *item, struct mtls_buf *out)
{
	(void)mtls_buf_append_byte(out, item->u.source.index);
	return put_str(out, item->u.source.name, MTLS_ACCTDB_SOURCE_MAX);
}

static bool decode_source(struct mtls_cursor *c, struct mtls_acct_item *ret)
{
	ret->u.source.index = mtls_cursor_u8(c);
	ret->u.source.name = mtls_cursor_str(c);
	return ret->u.source.name.len <= MTLS_ACCTDB_SOURCE_MAX;
}

static int encode_tombstone(const struct mtls_acct_item *item, struct mtls_buf *out)
{
	const struct mtls_acct_tombstone *stone = &item->u.tombstone;
	(void)mtls_buf_append_byte(out, stone->group ? 'g' : 'u');
	(void)put_u32(out, stone->id);
	return mtls_acct_tombstone_encode(stone, out);
}

static bool decode_tombstone(struct mtls_cursor *c, struct mtls_acct_item *ret)
{
	struct mtls_acct_tombstone *stone = &ret->u.tombstone;
	uint8_t kind = mtls_cursor_u8(c);
	stone->group = kind == 'g';
	stone->id = mtls_cursor_u32(c);
	stone->time = mtls_cursor_u64(c);
	stone->name = mtls_cursor_str(c);
	return kind == 'g' || kind == 'u';
}

static int encode_group(const struct mtls_acct_item *item, struct mtls_buf *out)
{
	const struct mtls_acct_group *group = &item->u.group;
	(void)put_u32(out, group->gid);
	(void)mtls_buf_append_byte(out, group->source);
	return put_str(out, group->name, MTLS_ACCTDB_FIELD_MAX);
}

static bool decode_group(struct mtls_cursor *c, struct mtls_acct_item *ret)
{
	struct mtls_acct_group *group = &ret->u.group;
	group->gid = mtls_cursor_u32(c);
	group->source = mtls_cursor_u8(c);
	group->name = mtls_cursor_str(c);
	return true;
}

static int encode_user(const struct mtls_acct_item *item, struct mtls_buf *out)
{
	return mtls_acct_user_encode(&item->u.user.user, &item->u.user.gids, out);
}

static bool decode_user(struct mtls_cursor *c, struct mtls_acct_item *ret)
{
	struct mtls_acct_user *user = &ret->u.user.user;
	user->uid = mtls_cursor_u32(c);
	user->gid = mtls_cursor_u32(c);
	user->source = mtls_cursor_u8(c);
	user->name = mtls_cursor_str(c);
	user->gecos = mtls_cursor_str(c);
	user->home = mtls_cursor_str(c);
	user->shell = mtls_cursor_str(c);
	uint32_t count = mtls_cursor_u32(c);
	if (count > MTLS_ACCTDB_GROUPS_MAX)
		return false;
	ret->u.user.gids.count = count;
	ret->u.user.gids.data = mtls_cursor_take(c, 4 * (size_t)count);
	return true;
}

static int encode_members(const struct mtls_acct_item *item, struct mtls_buf *out)
{
	const struct mtls_acct_names *names = &item->u.members.names;
	if (names->count > MTLS_ACCTDB_MEMBERS_MAX)
		return MTLS_E_LIMIT;
	(void)put_u32(out, item->u.members.gid);
	(void)put_u32(out, names->count);
	return mtls_buf_append(out, names->data, names->len);
}

static bool decode_members(struct mtls_cursor *c, struct mtls_acct_item *ret)
{
	ret->u.members.gid = mtls_cursor_u32(c);
	return take_names(c, MTLS_ACCTDB_MEMBERS_MAX, &ret->u.members.names);
}

static int encode_binding(const struct mtls_acct_item *item, struct mtls_buf *out)
{
	struct mtls_acct_str key = item->u.binding.key;
	if (key.len > MTLS_KEY_MAX)
		return MTLS_E_LIMIT;
	(void)put_u16(out, (uint16_t)key.len);
	(void)mtls_buf_append(out, key.data, key.len);
	return mtls_acct_binding_encode(&item->u.binding.names, out);
}

static bool decode_binding(struct mtls_cursor *c, struct mtls_acct_item *ret)
{
	size_t len = mtls_cursor_u8(c);
	len |= (size_t)mtls_cursor_u8(c) << 8;
	if (len > MTLS_KEY_MAX)
		return false;
	const uint8_t *key = mtls_cursor_take(c, len);
	ret->u.binding.key = (struct mtls_acct_str){ .data = (const char *)key, .len = len };
	return take_names(c, MTLS_ACCTDB_NAMES_MAX, &ret->u.binding.names);
}

static int encode_end(const struct mtls_acct_item *item, struct mtls_buf *out)
{
	return put_u64(out, item->u.end.items);
}

static bool decode_end(struct mtls_cursor *c, struct mtls_acct_item *ret)
{
	ret->u.end.items = mtls_cursor_u64(c);
	return true;
}

static const struct {
	encode_fn *encode;
	decode_fn *decode;
	uint32_t max; /* bytes of the fields */
} kinds[] = {
	/* clang-format off */
	[MTLS_ACCT_ITEM_BEGIN]     = { encode_begin, decode_begin, 9 },
	[MTLS_ACCT_ITEM_NEXT]      = { encode_next, decode_next, 8 },
	[MTLS_ACCT_ITEM_SOURCE]    = { encode_source, decode_source, 2 + MTLS_ACCTDB_SOURCE_MAX },
	[MTLS_ACCT_ITEM_TOMBSTONE] = { encode_tombstone, decode_tombstone, 13 + STR_MAX },
	[MTLS_ACCT_ITEM_GROUP]     = { encode_group, decode_group, 5 + STR_MAX },
	[MTLS_ACCT_ITEM_USER]      = { encode_user, decode_user, 13 + 4 * STR_MAX + 4 * MTLS_ACCTDB_GROUPS_MAX },
	[MTLS_ACCT_ITEM_MEMBERS]   = { encode_members, decode_members, 4 + NAMES_MAX(MTLS_ACCTDB_MEMBERS_MAX) },
	[MTLS_ACCT_ITEM_BINDING]   = { encode_binding, decode_binding, BINDING_BYTES },
	[MTLS_ACCT_ITEM_END]       = { encode_end, decode_end, 8 },
	/* clang-format on */
};

_Static_assert(MTLS_ACCT_FRAME_HEAD + 4 + NAMES_MAX(MTLS_ACCTDB_MEMBERS_MAX) <= MTLS_ACCT_FRAME_MAX,
	       "the largest frame is a group's members");

static bool is_kind(unsigned int kind)
{
	return kind < MTLS_COUNT(kinds) && kinds[kind].decode;
}

int mtls_acct_item_encode(const struct mtls_acct_item *item, struct mtls_buf *out)
{
	if (!is_kind(item->kind))
		return MTLS_E_BUG;
	size_t start = out->len;
	const uint8_t head[MTLS_ACCT_FRAME_HEAD] = { [LENGTH_BYTES] = (uint8_t)item->kind };
	int r = mtls_buf_append(out, head, sizeof(head));
	if (r >= 0)
		r = kinds[item->kind].encode(item, out);
	if (r >= 0 && out->len - start - sizeof(head) > kinds[item->kind].max)
		r = MTLS_E_LIMIT;
	if (r < 0) {
		out->len = start;
		return r;
	}
	uint32_t length = htole32((uint32_t)(out->len - start - LENGTH_BYTES));
	memcpy(out->data + start, &length, sizeof(length));
	return 0;
}

int mtls_acct_frame_size(const uint8_t *data, size_t len, size_t *ret_size)
{
	if (len < MTLS_ACCT_FRAME_HEAD) {
		*ret_size = 0;
		return 0;
	}
	struct mtls_cursor c = { .data = data, .left = len };
	uint32_t length = mtls_cursor_u32(&c);
	uint8_t kind = mtls_cursor_u8(&c);
	if (!is_kind(kind) || !length)
		return MTLS_E_SYNTAX;
	if (length - 1 > kinds[kind].max)
		return MTLS_E_LIMIT;
	*ret_size = LENGTH_BYTES + (size_t)length;
	return 0;
}

int mtls_acct_item_decode(const uint8_t *frame, size_t len, struct mtls_acct_item *ret)
{
	size_t size;
	if (mtls_acct_frame_size(frame, len, &size) < 0 || !size || size != len)
		return MTLS_E_SYNTAX;
	struct mtls_acct_item item = { .kind = frame[LENGTH_BYTES] };
	struct mtls_cursor c = { .data = frame + MTLS_ACCT_FRAME_HEAD,
				 .left = len - MTLS_ACCT_FRAME_HEAD };
	if (!kinds[item.kind].decode(&c, &item) || !mtls_cursor_done(&c))
		return MTLS_E_SYNTAX;
	*ret = item;
	return 0;
}

int mtls_acct_names_pack(const char *name, struct mtls_buf *out)
{
	const struct mtls_acct_str text = { .data = name, .len = strlen(name) };
	return put_str(out, text, MTLS_ACCOUNT_NAME_MAX);
}

int mtls_acct_ids_pack(uint32_t id, struct mtls_buf *out)
{
	return put_u32(out, id);
}
