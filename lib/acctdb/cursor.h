/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads fields from the front of bytes that may be anything: after the first field that does not
 * fit, everything reads as 0 and the cursor stays bad. Test once, at the end.
 */
#ifndef MTLS_ACCTDB_CURSOR_H
#define MTLS_ACCTDB_CURSOR_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/acctdb/record.h"

struct mtls_cursor {
	const uint8_t *data;
	size_t left;
	bool bad;
};

static inline const uint8_t *mtls_cursor_take(struct mtls_cursor *c, size_t len)
{
	if (c->bad || len > c->left) {
		c->bad = true;
		return NULL;
	}
	const uint8_t *p = c->data;
	c->data += len;
	c->left -= len;
	return p;
}

static inline uint8_t mtls_cursor_u8(struct mtls_cursor *c)
{
	const uint8_t *p = mtls_cursor_take(c, 1);
	return p ? *p : 0;
}

static inline uint32_t mtls_cursor_u32(struct mtls_cursor *c)
{
	const uint8_t *p = mtls_cursor_take(c, 4);
	uint32_t value = 0;
	if (p)
		memcpy(&value, p, sizeof(value));
	return le32toh(value);
}

static inline uint64_t mtls_cursor_u64(struct mtls_cursor *c)
{
	const uint8_t *p = mtls_cursor_take(c, 8);
	uint64_t value = 0;
	if (p)
		memcpy(&value, p, sizeof(value));
	return le64toh(value);
}

/* A string: one byte of length, and its bytes. */
static inline struct mtls_acct_str mtls_cursor_str(struct mtls_cursor *c)
{
	size_t len = mtls_cursor_u8(c);
	const uint8_t *p = mtls_cursor_take(c, len);
	return (struct mtls_acct_str){ .data = p ? (const char *)p : "", .len = p ? len : 0 };
}

/* Everything fitted, and nothing is left. */
static inline bool mtls_cursor_done(const struct mtls_cursor *c)
{
	return !c->bad && !c->left;
}

#endif
