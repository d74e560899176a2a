/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Values of format 1, as the writer before the store makes them. Goes with that writer; the
 * header, which both formats share, is in encode.c.
 */
#include <config.h>

#include <endian.h>
#include <string.h>

#include "lib/acctdb/encode1.h"
#include "lib/base/err.h"

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

static int put_str(struct mtls_buf *out, const char *text, size_t len)
{
	if (len > MTLS_ACCTDB_FIELD_MAX)
		return MTLS_E_LIMIT;
	(void)mtls_buf_append_byte(out, (uint8_t)len);
	return mtls_buf_append(out, text, len);
}

int mtls_acct1_user_encode(const struct mtls_acct_user *user, struct mtls_buf *out)
{
	const struct mtls_acct_str fields[] = { user->name, user->gecos, user->home, user->shell };

	(void)put_u32(out, user->uid);
	(void)put_u32(out, user->gid);
	for (size_t i = 0; i < MTLS_COUNT(fields); i++) {
		int r = put_str(out, fields[i].data, fields[i].len);
		if (r < 0)
			return r;
	}
	return out->err;
}

static int put_names(char *const *names, size_t count, size_t max, struct mtls_buf *out)
{
	if (count > max)
		return MTLS_E_LIMIT;
	(void)put_u32(out, (uint32_t)count);
	for (size_t i = 0; i < count; i++) {
		int r = put_str(out, names[i], strlen(names[i]));
		if (r < 0)
			return r;
	}
	return out->err;
}

int mtls_acct1_group_encode(uint32_t gid, const char *name, char *const *members, size_t count,
			    struct mtls_buf *out)
{
	(void)put_u32(out, gid);
	int r = put_str(out, name, strlen(name));
	if (r < 0)
		return r;
	return put_names(members, count, MTLS_ACCTDB_MEMBERS_MAX, out);
}

int mtls_acct1_user_groups_encode(const uint32_t *gids, size_t count, struct mtls_buf *out)
{
	if (count > MTLS_ACCTDB_GROUPS_MAX)
		return MTLS_E_LIMIT;
	(void)put_u32(out, (uint32_t)count);
	for (size_t i = 0; i < count; i++)
		(void)put_u32(out, gids[i]);
	return out->err;
}

int mtls_acct1_binding_encode(char *const *names, size_t count, struct mtls_buf *out)
{
	return put_names(names, count, MTLS_ACCTDB_NAMES_MAX, out);
}

int mtls_acct1_tombstone_encode(uint64_t time, const char *name, struct mtls_buf *out)
{
	(void)put_u64(out, time);
	return put_str(out, name, strlen(name));
}
