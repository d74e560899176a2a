/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Values of records as the builder makes them. Kept apart: readers need none of it. A publish
 * encodes two million of them, so each reserves its room once and is then written without further
 * checks. Pure; any thread.
 */
#include <config.h>

#include <endian.h>
#include <string.h>

#include "lib/acctdb/record.h"
#include "lib/acctdb/record_impl.h"
#include "lib/base/err.h"

#define STR_MAX (1 + MTLS_ACCTDB_FIELD_MAX)

static uint8_t *put_u8(uint8_t *at, uint8_t value)
{
	*at = value;
	return at + 1;
}

static uint8_t *put_u32(uint8_t *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
	return at + sizeof(value);
}

static uint8_t *put_u64(uint8_t *at, uint64_t value)
{
	value = htole64(value);
	memcpy(at, &value, sizeof(value));
	return at + sizeof(value);
}

static uint8_t *put_bytes(uint8_t *at, const void *data, size_t len)
{
	if (len)
		memcpy(at, data, len);
	return at + len;
}

static uint8_t *put_str(uint8_t *at, struct mtls_acct_str text)
{
	return put_bytes(put_u8(at, (uint8_t)text.len), text.data, text.len);
}

/* Where to write @len bytes at most, or NULL: then @out has the error. */
static uint8_t *room(struct mtls_buf *out, size_t len)
{
	return mtls_buf_reserve(out, len) < 0 ? NULL : out->data + out->len;
}

static int wrote(struct mtls_buf *out, const uint8_t *end)
{
	out->len = (size_t)(end - out->data);
	return 0;
}

int mtls_acct_header_encode(const struct mtls_acct_header *header, struct mtls_buf *out)
{
	const struct mtls_id_rules *ids = &header->ids;
	if (ids->foreign_count > MTLS_ID_FOREIGN_MAX)
		return MTLS_E_LIMIT;
	uint8_t *p = room(out, MTLS_ACCT_MAGIC_LEN + 52 + 8 * MTLS_ID_FOREIGN_MAX);
	if (!p)
		return out->err;
	p = put_bytes(p, MTLS_ACCT_MAGIC, MTLS_ACCT_MAGIC_LEN);
	p = put_u32(p, header->format);
	p = put_u32(p, ids->window.min);
	p = put_u32(p, ids->window.max);
	p = put_u64(p, header->serial);
	p = put_u64(p, header->created);
	p = put_u32(p, header->users);
	p = put_u32(p, header->groups);
	p = put_u32(p, header->bindings);
	p = put_u32(p, header->tombstones);
	if (header->format == 1)
		return wrote(out, p);
	p = put_u32(p, header->no_enumeration ? MTLS_ACCT_FLAG_NO_ENUMERATION : 0);
	p = put_u32(p, ids->foreign_count);
	for (uint32_t i = 0; i < ids->foreign_count; i++) {
		p = put_u32(p, ids->foreign[i].min);
		p = put_u32(p, ids->foreign[i].max);
	}
	return wrote(out, p);
}

int mtls_acct_next_encode(const struct mtls_acct_next *next, struct mtls_buf *out)
{
	uint8_t *p = room(out, 8);
	if (!p)
		return out->err;
	return wrote(out, put_u32(put_u32(p, next->uid), next->gid));
}

int mtls_acct_sources_encode(const struct mtls_acct_str *names, size_t count, struct mtls_buf *out)
{
	if (count > MTLS_ACCTDB_SOURCES_MAX)
		return MTLS_E_LIMIT;
	uint8_t *p = room(out, 4 + count * STR_MAX);
	if (!p)
		return out->err;
	p = put_u32(p, (uint32_t)count);
	for (size_t i = 0; i < count; i++) {
		if (names[i].len > MTLS_ACCTDB_SOURCE_MAX)
			return MTLS_E_LIMIT;
		p = put_str(p, names[i]);
	}
	return wrote(out, p);
}

int mtls_acct_user_encode(const struct mtls_acct_user *user, const struct mtls_acct_ids *gids,
			  struct mtls_buf *out)
{
	if (user->name.len > MTLS_ACCTDB_FIELD_MAX || user->gecos.len > MTLS_ACCTDB_FIELD_MAX ||
	    user->home.len > MTLS_ACCTDB_FIELD_MAX || user->shell.len > MTLS_ACCTDB_FIELD_MAX ||
	    (gids && gids->count > MTLS_ACCTDB_GROUPS_MAX))
		return MTLS_E_LIMIT;
	size_t list = gids ? 4 + 4 * (size_t)gids->count : 0;
	uint8_t *p = room(out, 9 + 4 * STR_MAX + list);
	if (!p)
		return out->err;
	p = put_u32(p, user->uid);
	p = put_u32(p, user->gid);
	p = put_u8(p, user->source);
	p = put_str(p, user->name);
	p = put_str(p, user->gecos);
	p = put_str(p, user->home);
	p = put_str(p, user->shell);
	if (gids) {
		p = put_u32(p, gids->count);
		p = put_bytes(p, gids->data, list - 4);
	}
	return wrote(out, p);
}

/* Lists are packed in memory as in the file. */
static uint8_t *put_names(uint8_t *at, const struct mtls_acct_names *names)
{
	return put_bytes(put_u32(at, names->count), names->data, names->len);
}

int mtls_acct_group_encode(const struct mtls_acct_group *group, struct mtls_buf *out)
{
	if (group->name.len > MTLS_ACCTDB_FIELD_MAX ||
	    group->members.count > MTLS_ACCTDB_MEMBERS_MAX ||
	    group->members.len > MTLS_ACCTDB_VALUE_MAX)
		return MTLS_E_LIMIT;
	uint8_t *p = room(out, 5 + STR_MAX + 4 + group->members.len);
	if (!p)
		return out->err;
	p = put_u32(p, group->gid);
	p = put_u8(p, group->source);
	p = put_str(p, group->name);
	return wrote(out, put_names(p, &group->members));
}

int mtls_acct_binding_encode(const struct mtls_acct_names *names, struct mtls_buf *out)
{
	if (names->count > MTLS_ACCTDB_NAMES_MAX || names->len > MTLS_ACCTDB_VALUE_MAX)
		return MTLS_E_LIMIT;
	uint8_t *p = room(out, 4 + names->len);
	return p ? wrote(out, put_names(p, names)) : out->err;
}

int mtls_acct_tombstone_encode(const struct mtls_acct_tombstone *stone, struct mtls_buf *out)
{
	if (stone->name.len > MTLS_ACCTDB_FIELD_MAX)
		return MTLS_E_LIMIT;
	uint8_t *p = room(out, 8 + STR_MAX);
	return p ? wrote(out, put_str(put_u64(p, stone->time), stone->name)) : out->err;
}
