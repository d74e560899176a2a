/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames of the pipe: what goes in comes out, byte for byte; a frame cut or lengthened anywhere, or
 * with a count, a flag or a kind that cannot be, is refused; limits on both sides.
 */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/acctdb/item.h"
#include "lib/base/err.h"

#define STR(text)                                                                                  \
	{                                                                                          \
		.data = (text), .len = sizeof(text) - 1                                            \
	}
#define NAMES(n, text)                                                                             \
	{                                                                                          \
		.count = (n), .data = (const uint8_t *)(text), .len = sizeof(text) - 1             \
	}
#define IDS(n, text)                                                                               \
	{                                                                                          \
		.count = (n), .data = (const uint8_t *)(text)                                      \
	}

/* Each kind, and its frame as PROTOCOL would write it. */
static const struct {
	const char *name;
	struct mtls_acct_item item;
	const char *frame;
	size_t len;
} good[] = {
#define ROW(name, frame, ...)                                                                      \
	{                                                                                          \
		name, { __VA_ARGS__ }, (frame), sizeof(frame) - 1                                  \
	}
	/* clang-format off */
	ROW("begin", "\x0a\0\0\0\1\x08\7\6\5\4\3\2\1\0",
	    .kind = MTLS_ACCT_ITEM_BEGIN, .u.begin.generation = 0x0102030405060708),
	ROW("begin, no enumeration", "\x0a\0\0\0\1\1\0\0\0\0\0\0\0\1",
	    .kind = MTLS_ACCT_ITEM_BEGIN, .u.begin = { 1, true }),
	ROW("next", "\x09\0\0\0\2\4\3\2\1\xff\0\0\0",
	    .kind = MTLS_ACCT_ITEM_NEXT, .u.next = { 0x01020304, 255 }),
	ROW("source", "\x07\0\0\0\3\1\4corp",
	    .kind = MTLS_ACCT_ITEM_SOURCE, .u.source = { 1, STR("corp") }),
	ROW("tombstone of a user", "\x14\0\0\0\4u\xe8\3\0\0\x09\0\0\0\0\0\0\0\5alice",
	    .kind = MTLS_ACCT_ITEM_TOMBSTONE, .u.tombstone = { false, 1000, 9, STR("alice") }),
	ROW("tombstone of a group", "\x14\0\0\0\4g\xe8\3\0\0\x09\0\0\0\0\0\0\0\5alice",
	    .kind = MTLS_ACCT_ITEM_TOMBSTONE, .u.tombstone = { true, 1000, 9, STR("alice") }),
	ROW("group", "\x0b\0\0\0\5\xe9\3\0\0\2\4crew",
	    .kind = MTLS_ACCT_ITEM_GROUP, .u.group = { 1001, 2, STR("crew"), NAMES(0, "") }),
	ROW("user", "\x23\0\0\0\6\xe8\3\0\0\xe9\3\0\0\3\3bob\1B\2/b\3/sh\2\0\0\0\1\0\0\0\2\0\0\0",
	    .kind = MTLS_ACCT_ITEM_USER,
	    .u.user = { { 1000, 1001, 3, STR("bob"), STR("B"), STR("/b"), STR("/sh") },
			IDS(2, "\1\0\0\0\2\0\0\0") }),
	ROW("user without groups or gecos", "\x1a\0\0\0\6\xe8\3\0\0\xe9\3\0\0\0\3bob\0\2/b\3/sh\0\0\0\0",
	    .kind = MTLS_ACCT_ITEM_USER,
	    .u.user = { { 1000, 1001, 0, STR("bob"), STR(""), STR("/b"), STR("/sh") }, IDS(0, "") }),
	ROW("members", "\x13\0\0\0\7\xe9\3\0\0\2\0\0\0\5alice\3bob",
	    .kind = MTLS_ACCT_ITEM_MEMBERS, .u.members = { 1001, NAMES(2, "\5alice\3bob") }),
	ROW("no members", "\x09\0\0\0\7\xe9\3\0\0\0\0\0\0",
	    .kind = MTLS_ACCT_ITEM_MEMBERS, .u.members = { 1001, NAMES(0, "") }),
	ROW("binding", "\x1a\0\0\0\x08\x0f\0subject:CN=X,Y=\1\0\0\0\3bob",
	    .kind = MTLS_ACCT_ITEM_BINDING,
	    .u.binding = { STR("subject:CN=X,Y="), NAMES(1, "\3bob") }),
	ROW("end", "\x09\0\0\0\x09\7\0\0\0\0\0\0\0",
	    .kind = MTLS_ACCT_ITEM_END, .u.end.items = 7),
	/* clang-format on */
};

static void encodes(void **state)
{
	(void)state;
	struct mtls_buf out = MTLS_BUF(MTLS_ACCT_FRAME_MAX);
	for (size_t i = 0; i < MTLS_COUNT(good); i++) {
		/* behind what is there already */
		mtls_buf_reset(&out);
		assert_int_equal(mtls_buf_append_str(&out, "before"), 0);
		assert_int_equal(mtls_acct_item_encode(&good[i].item, &out), 0);
		if (out.len != 6 + good[i].len ||
		    memcmp(out.data + 6, good[i].frame, good[i].len) != 0)
			fail_msg("%s: other bytes, %zu of them", good[i].name, out.len - 6);
	}
	mtls_buf_done(&out);
}

static int decode(const void *data, size_t len, struct mtls_acct_item *ret)
{
	/* exactly as large as the content, so that a read past the end is seen */
	uint8_t *copy = malloc(len ? len : 1);
	assert_non_null(copy);
	memcpy(copy, data, len);
	int r = mtls_acct_item_decode(copy, len, ret);
	free(copy);
	return r;
}

static void decodes(void **state)
{
	(void)state;
	struct mtls_buf again = MTLS_BUF(MTLS_ACCT_FRAME_MAX);
	for (size_t i = 0; i < MTLS_COUNT(good); i++) {
		const uint8_t *frame = (const uint8_t *)good[i].frame;
		struct mtls_acct_item item;
		size_t size = 99;
		assert_int_equal(mtls_acct_frame_size(frame, good[i].len, &size), 0);
		assert_int_equal(size, good[i].len);
		assert_int_equal(mtls_acct_item_decode(frame, good[i].len, &item), 0);
		assert_int_equal(item.kind, good[i].item.kind);
		mtls_buf_reset(&again);
		assert_int_equal(mtls_acct_item_encode(&item, &again), 0);
		if (again.len != size || memcmp(again.data, frame, size) != 0)
			fail_msg("%s: decoded to something else", good[i].name);
	}
	mtls_buf_done(&again);
}

static void refuses_other_lengths(void **state)
{
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(good); i++) {
		uint8_t frame[64];
		struct mtls_acct_item item;
		size_t len = good[i].len;
		memset(frame, 0, sizeof(frame));
		memcpy(frame, good[i].frame, len);
		for (size_t cut = 0; cut < len; cut++) {
			if (decode(frame, cut, &item) != MTLS_E_SYNTAX)
				fail_msg("%s: cut at %zu", good[i].name, cut);
			if (cut < MTLS_ACCT_FRAME_HEAD)
				continue;
			/* with the length made good */
			frame[0] = (uint8_t)(cut - 4);
			if (decode(frame, cut, &item) != MTLS_E_SYNTAX)
				fail_msg("%s: shortened to %zu", good[i].name, cut);
			frame[0] = (uint8_t)good[i].frame[0];
		}
		assert_int_equal(decode(frame, len + 1, &item), MTLS_E_SYNTAX);
		frame[0]++;
		if (decode(frame, len + 1, &item) != MTLS_E_SYNTAX)
			fail_msg("%s: a byte left over", good[i].name);
	}
}

static void refuses_bad_frames(void **state)
{
	(void)state;
#define BYTES(text) (text), sizeof(text) - 1
	static const struct {
		const char *name, *frame;
		size_t len;
	} rows[] = {
		/* clang-format off */
		{ "kind 0", BYTES("\x09\0\0\0\0\0\0\0\0\0\0\0\0") },
		{ "kind 10", BYTES("\x09\0\0\0\x0a\0\0\0\0\0\0\0\0") },
		{ "kind 255", BYTES("\x09\0\0\0\xff\0\0\0\0\0\0\0\0") },
		{ "nothing at all", BYTES("\0\0\0\0\1") },
		{ "no fields", BYTES("\1\0\0\0\1") },
		{ "unknown flag", BYTES("\x0a\0\0\0\1\1\0\0\0\0\0\0\0\2") },
		{ "tombstone of neither", BYTES("\x14\0\0\0\4x\xe8\3\0\0\x09\0\0\0\0\0\0\0\5alice") },
		{ "empty member", BYTES("\x0a\0\0\0\7\xe9\3\0\0\1\0\0\0\0") },
		{ "long member", BYTES("\x4b\0\0\0\7\xe9\3\0\0\1\0\0\0\x41"
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") },
		{ "fewer members than counted", BYTES("\x0e\0\0\0\7\xe9\3\0\0\2\0\0\0\4crew") },
		{ "more members than counted", BYTES("\x0e\0\0\0\7\xe9\3\0\0\0\0\0\0\4crew") },
		{ "too many members", BYTES("\x09\0\0\0\7\xe9\3\0\0\1\0\1\0") },
		{ "too many groups", BYTES("\x1a\0\0\0\6\xe8\3\0\0\xe9\3\0\0\0\3bob\0\2/b\3/sh\1\x10\0\0") },
		{ "fewer groups than counted", BYTES("\x1a\0\0\0\6\xe8\3\0\0\xe9\3\0\0\0\3bob\0\2/b\3/sh\1\0\0\0") },
		{ "key over the limit", BYTES("\x0b\0\0\0\x08\x31\x11keykeyke") },
		{ "too many bound", BYTES("\x0b\0\0\0\x08\2\0aa\x41\0\0\0aa") },
		{ "long source", BYTES("\x24\0\0\0\3\1\x21" "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") },
		/* clang-format on */
	};
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct mtls_acct_item item = { .kind = MTLS_ACCT_ITEM_END };
		size_t size;
		/* it is not the length that is wrong */
		if (mtls_acct_frame_size((const uint8_t *)rows[i].frame, rows[i].len, &size) == 0)
			assert_int_equal(size, rows[i].len);
		if (decode(rows[i].frame, rows[i].len, &item) != MTLS_E_SYNTAX)
			fail_msg("%s: accepted", rows[i].name);
		assert_int_equal(item.kind, MTLS_ACCT_ITEM_END);
	}
}

/* The size is known from five bytes, and bounded by the kind before anything is read. */
static void sizes_frames(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint8_t head[MTLS_ACCT_FRAME_HEAD];
		size_t len;
		int want;
		size_t size;
	} rows[] = {
		{ "nothing", { 0 }, 0, 0, 0 },
		{ "four bytes", { 9, 0, 0, 0 }, 4, 0, 0 },
		{ "five bytes", { 9, 0, 0, 0, MTLS_ACCT_ITEM_END }, 5, 0, 13 },
		{ "longer than its kind", { 10, 0, 0, 0, MTLS_ACCT_ITEM_END }, 5, MTLS_E_LIMIT, 0 },
		{ "4 GiB", { 255, 255, 255, 255, MTLS_ACCT_ITEM_MEMBERS }, 5, MTLS_E_LIMIT, 0 },
		{ "the longest user",
		  { 0x0e, 0x44, 0, 0, MTLS_ACCT_ITEM_USER },
		  5,
		  0,
		  4 + 1 + 13 + 4 * 256 + 4 * MTLS_ACCTDB_GROUPS_MAX },
		{ "a longer user", { 0x0f, 0x44, 0, 0, MTLS_ACCT_ITEM_USER }, 5, MTLS_E_LIMIT, 0 },
		{ "no kind", { 0, 0, 0, 0, MTLS_ACCT_ITEM_END }, 5, MTLS_E_SYNTAX, 0 },
		{ "unknown kind", { 9, 0, 0, 0, MTLS_ACCT_ITEM_END + 1 }, 5, MTLS_E_SYNTAX, 0 },
	};
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		size_t size = 0;
		int r = mtls_acct_frame_size(rows[i].head, rows[i].len, &size);
		if (r != rows[i].want || size != rows[i].size)
			fail_msg("%s: %d, %zu bytes", rows[i].name, r, size);
	}
}

static void limits_of_encoding(void **state)
{
	(void)state;
	static char text[MTLS_KEY_MAX + 1];
	static uint8_t packed[(MTLS_ACCTDB_MEMBERS_MAX + 1) * (1 + MTLS_ACCOUNT_NAME_MAX)];
	memset(text, 'x', sizeof(text));
	struct mtls_buf out = MTLS_BUF(MTLS_ACCT_FRAME_MAX);
	const struct mtls_acct_str longest = { text, MTLS_ACCTDB_FIELD_MAX };
	const struct mtls_acct_str longer = { text, MTLS_ACCTDB_FIELD_MAX + 1 };
	const struct mtls_acct_str key = { text, MTLS_KEY_MAX }, long_key = { text, sizeof(text) };
	const struct mtls_acct_str source = { text, MTLS_ACCTDB_SOURCE_MAX };
	const struct mtls_acct_str long_source = { text, MTLS_ACCTDB_SOURCE_MAX + 1 };
	const struct mtls_acct_ids ids = { MTLS_ACCTDB_GROUPS_MAX, packed };
	const struct mtls_acct_ids more_ids = { MTLS_ACCTDB_GROUPS_MAX + 1, packed };
	enum { NAME = 1 + MTLS_ACCOUNT_NAME_MAX };
#define LIST(n)                                                                                    \
	{                                                                                          \
		(n), packed, (size_t)(n)*NAME                                                      \
	}
	for (size_t i = 0; i < sizeof(packed); i++)
		packed[i] = i % NAME ? 'x' : NAME - 1;
	const struct {
		const char *name;
		struct mtls_acct_item item;
		int want;
	} rows[] = {
		/* clang-format off */
		{ "longest source", { MTLS_ACCT_ITEM_SOURCE, .u.source = { 1, source } }, 0 },
		{ "longer source", { MTLS_ACCT_ITEM_SOURCE, .u.source = { 1, long_source } }, MTLS_E_LIMIT },
		{ "longest tombstone", { MTLS_ACCT_ITEM_TOMBSTONE, .u.tombstone = { .name = longest } }, 0 },
		{ "longer tombstone", { MTLS_ACCT_ITEM_TOMBSTONE, .u.tombstone = { .name = longer } }, MTLS_E_LIMIT },
		{ "longest group", { MTLS_ACCT_ITEM_GROUP, .u.group = { .name = longest } }, 0 },
		{ "longer group", { MTLS_ACCT_ITEM_GROUP, .u.group = { .name = longer } }, MTLS_E_LIMIT },
		{ "longest user", { MTLS_ACCT_ITEM_USER, .u.user = { { 1, 1, 0, longest, longest, longest, longest }, ids } }, 0 },
		{ "longer name", { MTLS_ACCT_ITEM_USER, .u.user = { { 1, 1, 0, longer, longest, longest, longest }, ids } }, MTLS_E_LIMIT },
		{ "longer gecos", { MTLS_ACCT_ITEM_USER, .u.user = { { 1, 1, 0, longest, longer, longest, longest }, ids } }, MTLS_E_LIMIT },
		{ "longer home", { MTLS_ACCT_ITEM_USER, .u.user = { { 1, 1, 0, longest, longest, longer, longest }, ids } }, MTLS_E_LIMIT },
		{ "longer shell", { MTLS_ACCT_ITEM_USER, .u.user = { { 1, 1, 0, longest, longest, longest, longer }, ids } }, MTLS_E_LIMIT },
		{ "more groups", { MTLS_ACCT_ITEM_USER, .u.user = { { 1, 1, 0, longest, longest, longest, longest }, more_ids } }, MTLS_E_LIMIT },
		{ "most members", { MTLS_ACCT_ITEM_MEMBERS, .u.members = { 1, LIST(MTLS_ACCTDB_MEMBERS_MAX) } }, 0 },
		{ "more members", { MTLS_ACCT_ITEM_MEMBERS, .u.members = { 1, LIST(MTLS_ACCTDB_MEMBERS_MAX + 1) } }, MTLS_E_LIMIT },
		{ "members longer than that", { MTLS_ACCT_ITEM_MEMBERS, .u.members = { 1, { 1, packed, sizeof(packed) } } }, MTLS_E_LIMIT },
		{ "longest binding", { MTLS_ACCT_ITEM_BINDING, .u.binding = { key, LIST(MTLS_ACCTDB_NAMES_MAX) } }, 0 },
		{ "longer key", { MTLS_ACCT_ITEM_BINDING, .u.binding = { long_key, LIST(1) } }, MTLS_E_LIMIT },
		{ "more bound", { MTLS_ACCT_ITEM_BINDING, .u.binding = { key, LIST(MTLS_ACCTDB_NAMES_MAX + 1) } }, MTLS_E_LIMIT },
		{ "no kind", { 0, .u.end.items = 1 }, MTLS_E_BUG },
		{ "unknown kind", { MTLS_ACCT_ITEM_END + 1, .u.end.items = 1 }, MTLS_E_BUG },
		/* clang-format on */
	};
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct mtls_acct_item item;
		mtls_buf_reset(&out);
		assert_int_equal(mtls_buf_append_byte(&out, '!'), 0);
		int r = mtls_acct_item_encode(&rows[i].item, &out);
		if (r != rows[i].want)
			fail_msg("%s: %d", rows[i].name, r);
		if (r < 0)
			assert_int_equal(out.len, 1);
		else if (mtls_acct_item_decode(out.data + 1, out.len - 1, &item) < 0)
			fail_msg("%s: not decoded", rows[i].name);
	}

	mtls_buf_reset(&out);
	text[MTLS_ACCOUNT_NAME_MAX] = '\0';
	assert_int_equal(mtls_acct_names_pack(text, &out), 0);
	assert_int_equal(mtls_acct_ids_pack(0x01020304, &out), 0);
	assert_int_equal(out.len, NAME + 4);
	assert_memory_equal(out.data + NAME, "\4\3\2\1", 4);
	text[MTLS_ACCOUNT_NAME_MAX] = 'x';
	text[MTLS_ACCOUNT_NAME_MAX + 1] = '\0';
	assert_int_equal(mtls_acct_names_pack(text, &out), MTLS_E_LIMIT);
	assert_int_equal(out.len, NAME + 4);
	mtls_buf_done(&out);
}

/* Lists of short things: over their count, though not over the length of their kind. */
static void counts_over_the_limit(void **state)
{
	(void)state;
	static uint8_t packed[2 * (MTLS_ACCTDB_MEMBERS_MAX + 1)], key[MTLS_KEY_MAX + 1];
	for (size_t i = 0; i < sizeof(packed); i++)
		packed[i] = i % 2 ? 'x' : 1;
	memset(key, 'x', sizeof(key));
	for (uint32_t more = 0; more < 2; more++) {
		const struct mtls_acct_str bound = { (const char *)key, MTLS_KEY_MAX + more };
		const uint32_t members = MTLS_ACCTDB_MEMBERS_MAX + more;
		const uint32_t gids = MTLS_ACCTDB_GROUPS_MAX + more;
		const struct mtls_acct_item rows[] = {
			{ MTLS_ACCT_ITEM_MEMBERS,
			  .u.members = { 1, { members, packed, 2 * (size_t)members } } },
			{ MTLS_ACCT_ITEM_USER,
			  .u.user = { { .name = STR("bob") }, { gids, packed } } },
			{ MTLS_ACCT_ITEM_BINDING, .u.binding = { bound, NAMES(1, "\1x") } },
		};
		for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
			struct mtls_buf out = MTLS_BUF(MTLS_ACCT_FRAME_MAX);
			assert_int_equal(mtls_acct_item_encode(&rows[i], &out),
					 more ? MTLS_E_LIMIT : 0);
			assert_int_equal(out.len == 0, more);
			mtls_buf_done(&out);
		}
	}
}

/* The same as frames, made by hand of the longest that may be. */
static void decodes_no_more_than_it_may(void **state)
{
	(void)state;
	static uint8_t packed[2 * (MTLS_ACCTDB_MEMBERS_MAX + 1)], key[MTLS_KEY_MAX + 1];
	for (size_t i = 0; i < sizeof(packed); i++)
		packed[i] = i % 2 ? 'x' : 1;
	memset(key, 'x', sizeof(key));
	for (uint32_t more = 0; more < 2; more++) {
		const uint32_t members = MTLS_ACCTDB_MEMBERS_MAX + more;
		const uint32_t gids = MTLS_ACCTDB_GROUPS_MAX + more;
		const uint32_t key_len = MTLS_KEY_MAX + more;
		const struct {
			uint8_t kind, head_len;
			uint8_t head[17];
			const void *body;
			size_t body_len;
			const char *tail;
			size_t tail_len;
		} rows[] = {
			{ MTLS_ACCT_ITEM_MEMBERS,
			  8,
			  { 1, 0, 0, 0, (uint8_t)members, (uint8_t)(members >> 8),
			    (uint8_t)(members >> 16), 0 },
			  packed,
			  2 * (size_t)members,
			  "",
			  0 },
			/* no name, gecos, home, shell: that is the builder's business */
			{ MTLS_ACCT_ITEM_USER,
			  17,
			  { [13] = (uint8_t)gids, [14] = (uint8_t)(gids >> 8) },
			  packed,
			  4 * (size_t)gids,
			  "",
			  0 },
			{ MTLS_ACCT_ITEM_BINDING,
			  2,
			  { (uint8_t)key_len, (uint8_t)(key_len >> 8) },
			  key,
			  key_len,
			  "\1\0\0\0\1x",
			  6 },
		};
		for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
			struct mtls_buf frame = MTLS_BUF(MTLS_ACCT_FRAME_MAX);
			struct mtls_acct_item item;
			size_t size = 1 + rows[i].head_len + rows[i].body_len + rows[i].tail_len;
			const uint8_t head[] = { (uint8_t)size, (uint8_t)(size >> 8),
						 (uint8_t)(size >> 16), 0, rows[i].kind };
			(void)mtls_buf_append(&frame, head, sizeof(head));
			(void)mtls_buf_append(&frame, rows[i].head, rows[i].head_len);
			(void)mtls_buf_append(&frame, rows[i].body, rows[i].body_len);
			(void)mtls_buf_append(&frame, rows[i].tail, rows[i].tail_len);
			assert_int_equal(frame.err, 0);
			int r = mtls_acct_item_decode(frame.data, frame.len, &item);
			if (r != (more ? MTLS_E_SYNTAX : 0))
				fail_msg("kind %d, %u more: %d", rows[i].kind, more, r);
			mtls_buf_done(&frame);
		}
	}
}

/* A buffer that is full stays as it was. */
static void full_buffer(void **state)
{
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(good); i++) {
		struct mtls_buf out = MTLS_BUF(good[i].len - 1);
		assert_int_equal(mtls_acct_item_encode(&good[i].item, &out), MTLS_E_LIMIT);
		assert_int_equal(out.len, 0);
		mtls_buf_done(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encodes),
		cmocka_unit_test(decodes),
		cmocka_unit_test(refuses_other_lengths),
		cmocka_unit_test(refuses_bad_frames),
		cmocka_unit_test(sizes_frames),
		cmocka_unit_test(limits_of_encoding),
		cmocka_unit_test(full_buffer),
		cmocka_unit_test(counts_over_the_limit),
		cmocka_unit_test(decodes_no_more_than_it_may),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
