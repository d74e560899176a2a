/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The publisher's judgement. Each refusal and each drop begins with the accounts of usual(), which
 * are published whole, changes one thing, and is refused or dropped for exactly that reason.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/acctdb/reader.h"
#include "tests/nss/people.h"

#define W     MTLS_ID_WINDOW_MIN
#define KEY_A "spki-sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define KEY_B "subject:CN=Both"
#define KEY_C "subject:CN=Carol"

enum { ALICE = W, BOB, CAROL, DAVE, CREW, STAFF };

/* Their gids as a list has them. */
#define IN_ALICE "\x41\xa1\x38\x77"
#define IN_CREW  "\x45\xa1\x38\x77"
#define IN_STAFF "\x46\xa1\x38\x77"

/*
 * alice: crew, staffers; bob: crew; carol: primary group staffers; dave: of another source, in
 * crew. Bindings of alice, of bob and a foreign name, of carol.
 */
static struct people *usual(void)
{
	struct people *p = people_new();
	uint8_t corp = people_source(p, "corp");
	(void)people_user(p, "alice");
	(void)people_user(p, "bob");
	(void)people_add(p, &(struct people_user){ .name = "carol", .uid = CAROL, .gid = STAFF });
	(void)people_add(p, &(struct people_user){ .name = "dave", .uid = DAVE, .source = corp });
	(void)people_group(p, "crew", CREW, 0);
	(void)people_group(p, "staffers", STAFF, corp);
	people_join(p, "crew", "alice");
	people_join(p, "crew", "bob");
	people_join(p, "crew", "dave");
	people_join(p, "staffers", "alice");
	people_bind(p, KEY_A, "alice");
	people_bind(p, KEY_B, "bob");
	people_bind(p, KEY_B, "Foreign.User@corp");
	people_bind(p, KEY_C, "carol");
	people_tombstone(p, false, W + 50, "gone");
	people_tombstone(p, false, W + 51, "gone");
	people_tombstone(p, true, W + 50, "gone");
	return p;
}

/* The stream as items that a row may change. */
struct stream {
	struct mtls_buf frames;
	struct mtls_acct_item items[128];
	size_t count;
};

static void make_stream(struct people *people, struct stream *s)
{
	mtls_buf_init(&s->frames, 1 << 20, false);
	people_frames(people, &s->frames);
	s->count = 0;
	for (size_t at = 0, size; at < s->frames.len; at += size) {
		assert_true(s->count < MTLS_COUNT(s->items));
		assert_int_equal(
			mtls_acct_frame_size(s->frames.data + at, s->frames.len - at, &size), 0);
		assert_int_equal(
			mtls_acct_item_decode(s->frames.data + at, size, &s->items[s->count++]), 0);
	}
}

/* Where the @nth item of a kind is. */
static size_t find(const struct stream *s, enum mtls_acct_item_kind kind, size_t nth)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->items[i].kind == kind && nth-- == 0)
			return i;
	fail_msg("no such item");
	return 0;
}

static struct mtls_acct_item *item(struct stream *s, enum mtls_acct_item_kind kind, size_t nth)
{
	return &s->items[find(s, kind, nth)];
}

static void insert(struct stream *s, size_t at, struct mtls_acct_item new)
{
	assert_true(s->count < MTLS_COUNT(s->items));
	memmove(&s->items[at + 1], &s->items[at], (s->count - at) * sizeof(new));
	s->items[at] = new;
	s->count++;
	s->items[s->count - 1].u.end.items = s->count;
}

static void take_out(struct stream *s, size_t at)
{
	memmove(&s->items[at], &s->items[at + 1], (s->count - at - 1) * sizeof(s->items[0]));
	s->count--;
	s->items[s->count - 1].u.end.items = s->count;
}

static void swap(struct stream *s, enum mtls_acct_item_kind kind, size_t a, size_t b)
{
	struct mtls_acct_item *x = item(s, kind, a), *y = item(s, kind, b), z = *x;
	*x = *y;
	*y = z;
}

static void twice(struct stream *s, enum mtls_acct_item_kind kind, size_t nth)
{
	size_t at = find(s, kind, nth);
	insert(s, at, s->items[at]);
}

#define STR(text)                                                                                  \
	(struct mtls_acct_str)                                                                     \
	{                                                                                          \
		(text), sizeof(text) - 1                                                           \
	}
#define NAMES(n, text)                                                                             \
	(struct mtls_acct_names)                                                                   \
	{                                                                                          \
		(n), (const uint8_t *)(text), sizeof(text) - 1                                     \
	}
#define USER(nth)    (item(s, MTLS_ACCT_ITEM_USER, (nth))->u.user.user)
#define GROUP(nth)   (item(s, MTLS_ACCT_ITEM_GROUP, (nth))->u.group)
#define STONE(nth)   (item(s, MTLS_ACCT_ITEM_TOMBSTONE, (nth))->u.tombstone)
#define MEMBERS(nth) (item(s, MTLS_ACCT_ITEM_MEMBERS, (nth))->u.members)
#define BINDING(nth) (item(s, MTLS_ACCT_ITEM_BINDING, (nth))->u.binding)
#define SOURCE(nth)  (item(s, MTLS_ACCT_ITEM_SOURCE, (nth))->u.source)

struct outcome {
	int result;
	struct mtls_diag diag;
	struct mtls_acct_header header;
	uint32_t dropped;
	char sentences[2048];
};

static void note(void *ctx, const char *sentence)
{
	struct outcome *o = ctx;
	size_t used = strlen(o->sentences);
	assert_true(used + strlen(sentence) + 2 < sizeof(o->sentences));
	(void)sprintf(o->sentences + used, "%s\n", sentence);
}

static int build_into(int fd, const struct people *people, const struct stream *s,
		      struct outcome *o)
{
	const struct mtls_acctbuild_options options = {
		.ids = people->ids,
		.local = people->local,
		.created = 77,
		.fd = fd,
		.dropped = note,
		.ctx = o,
	};
	_cleanup_(mtls_acctbuild_freep) struct mtls_acctbuild *build = NULL;
	*o = (struct outcome){ .result = mtls_acctbuild_new(&options, &build, &o->diag) };
	for (size_t i = 0; o->result == 0 && i < s->count; i++)
		o->result = mtls_acctbuild_add(build, &s->items[i], &o->diag);
	if (o->result == 0)
		o->result = mtls_acctbuild_finish(build, &o->header, &o->diag);
	else if (build) {
		/* it does not forget */
		struct mtls_acct_header header;
		assert_int_equal(mtls_acctbuild_add(build, &s->items[0], NULL), o->result);
		assert_int_equal(mtls_acctbuild_finish(build, &header, NULL), o->result);
	}
	if (build)
		o->dropped = mtls_acctbuild_dropped(build);
	return o->result;
}

/* NULL in @ret_db: not wanted. */
static int build(const struct people *people, const struct stream *s, struct outcome *o,
		 struct mtls_acctdb *ret_db)
{
	_cleanup_close_ int fd = memfd_create("snapshot", MFD_CLOEXEC);
	assert_true(fd >= 0);
	int r = build_into(fd, people, s, o);
	if (r == 0 && ret_db)
		assert_int_equal(mtls_acctdb_open_fd(ret_db, fd), 0);
	return r;
}

/* Changes of the stream, one a row. */
/* clang-format off */
#define CHANGE(name, ...) static void name(struct stream *s) { __VA_ARGS__; }
CHANGE(no_begin, take_out(s, 0))
CHANGE(begin_twice, twice(s, MTLS_ACCT_ITEM_BEGIN, 0))
CHANGE(begin_generation, s->items[0].u.begin.generation = 0)
CHANGE(no_next, take_out(s, 1))
CHANGE(next_twice, twice(s, MTLS_ACCT_ITEM_NEXT, 0))
CHANGE(next_first, struct mtls_acct_item x = s->items[0]; s->items[0] = s->items[1]; s->items[1] = x)
CHANGE(next_uid_low, s->items[1].u.next.uid = 999)
CHANGE(next_gid_low, s->items[1].u.next.gid = 0)
CHANGE(next_uid_high, s->items[1].u.next.uid = 0x80000001)
CHANGE(next_gid_high, s->items[1].u.next.gid = UINT32_MAX)
CHANGE(kind_none, s->items[5].kind = 0)
CHANGE(kind_unknown, s->items[5].kind = MTLS_ACCT_ITEM_END + 1)
CHANGE(source_zero, SOURCE(0).index = 0)
CHANGE(source_skips, SOURCE(0).index = 2)
CHANGE(source_name, SOURCE(0).name = STR("corp/x"))
CHANGE(source_empty, SOURCE(0).name = STR(""))
CHANGE(source_long, SOURCE(0).name = STR("abcdefghijklmnopqrstuvwxyzabcdefg"))
CHANGE(source_store, SOURCE(0).name = STR("store"))
CHANGE(source_twice, twice(s, MTLS_ACCT_ITEM_SOURCE, 0); SOURCE(1).index = 2)
CHANGE(source_late, struct mtls_acct_item x = *item(s, MTLS_ACCT_ITEM_SOURCE, 0);
       take_out(s, find(s, MTLS_ACCT_ITEM_SOURCE, 0));
       insert(s, find(s, MTLS_ACCT_ITEM_GROUP, 0), x))
CHANGE(stone_order, swap(s, MTLS_ACCT_ITEM_TOMBSTONE, 0, 1))
CHANGE(stone_groups_first, swap(s, MTLS_ACCT_ITEM_TOMBSTONE, 1, 2))
CHANGE(stone_twice, twice(s, MTLS_ACCT_ITEM_TOMBSTONE, 2))
CHANGE(stone_id, STONE(0).id = 999)
CHANGE(stone_high, STONE(1).id = 0x80000000)
CHANGE(stone_name, STONE(0).name = STR("Gone"))
CHANGE(stone_reserved, STONE(0).name = STR("root"))
CHANGE(stone_late, struct mtls_acct_item x = *item(s, MTLS_ACCT_ITEM_TOMBSTONE, 2);
       take_out(s, find(s, MTLS_ACCT_ITEM_TOMBSTONE, 2));
       insert(s, find(s, MTLS_ACCT_ITEM_USER, 0), x))
CHANGE(group_name, GROUP(0).name = STR("Crew"))
CHANGE(group_empty, GROUP(0).name = STR(""))
CHANGE(group_long, GROUP(0).name = STR("abcdefghijklmnopqrstuvwxyzabcdefg"))
CHANGE(group_order, swap(s, MTLS_ACCT_ITEM_GROUP, 0, 1))
CHANGE(group_twice, twice(s, MTLS_ACCT_ITEM_GROUP, 0))
CHANGE(group_source, GROUP(0).source = 2)
CHANGE(group_gid_taken, GROUP(0).gid = STAFF)
CHANGE(group_gid_dead, GROUP(0).gid = W + 50)
CHANGE(group_late, struct mtls_acct_item x = *item(s, MTLS_ACCT_ITEM_GROUP, 1);
       x.u.group.name = STR("zebras"); x.u.group.gid = W + 70;
       insert(s, find(s, MTLS_ACCT_ITEM_MEMBERS, 0), x))
CHANGE(user_name, USER(0).name = STR("al:ce"))
CHANGE(user_empty, USER(0).name = STR(""))
CHANGE(user_upper, USER(0).name = STR("Alice"))
CHANGE(user_at, USER(0).name = STR("alice@corp"))
CHANGE(user_nul, USER(0).name = STR("alice\0x"))
CHANGE(user_long, USER(0).name = STR("abcdefghijklmnopqrstuvwxyzabcdefg"))
CHANGE(user_order, swap(s, MTLS_ACCT_ITEM_USER, 0, 1))
CHANGE(user_twice, twice(s, MTLS_ACCT_ITEM_USER, 0))
CHANGE(user_source, USER(0).source = 2)
CHANGE(user_gecos, USER(0).gecos = STR("A\nB"))
CHANGE(user_gecos_colon, USER(0).gecos = STR("A:B"))
CHANGE(user_home, USER(0).home = STR("home"))
CHANGE(user_home_dots, USER(0).home = STR("/home/../etc"))
CHANGE(user_shell, USER(0).shell = STR(""))
CHANGE(user_shell_colon, USER(0).shell = STR("/bin/sh:"))
CHANGE(user_uid_taken, USER(0).uid = USER(0).gid = BOB)
CHANGE(user_uid_dead, USER(2).uid = W + 51)
CHANGE(user_gid_dead, USER(0).uid = USER(0).gid = W + 52; STONE(2).id = W + 52)
CHANGE(user_gid_taken, USER(0).uid = USER(0).gid = CREW)
CHANGE(user_no_primary, USER(2).gid = W + 70)
CHANGE(user_primary_private, USER(2).gid = ALICE)
CHANGE(user_like_group, USER(1).name = STR("crew"))
CHANGE(user_ids_order, item(s, MTLS_ACCT_ITEM_USER, 0)->u.user.gids =
       (struct mtls_acct_ids){ 2, (const uint8_t *)IN_STAFF IN_CREW })
CHANGE(user_ids_twice, item(s, MTLS_ACCT_ITEM_USER, 0)->u.user.gids =
       (struct mtls_acct_ids){ 2, (const uint8_t *)IN_CREW IN_CREW })
CHANGE(user_ids_zero, item(s, MTLS_ACCT_ITEM_USER, 0)->u.user.gids =
       (struct mtls_acct_ids){ 1, (const uint8_t *)"\0\0\0\0" })
CHANGE(user_ids_own, item(s, MTLS_ACCT_ITEM_USER, 2)->u.user.gids =
       (struct mtls_acct_ids){ 1, (const uint8_t *)IN_STAFF })
CHANGE(user_ids_none, item(s, MTLS_ACCT_ITEM_USER, 2)->u.user.gids =
       (struct mtls_acct_ids){ 1, (const uint8_t *)"\x70\xa1\x38\x77" })
CHANGE(user_ids_private, item(s, MTLS_ACCT_ITEM_USER, 2)->u.user.gids =
       (struct mtls_acct_ids){ 1, (const uint8_t *)IN_ALICE })
CHANGE(more_in_user, item(s, MTLS_ACCT_ITEM_USER, 2)->u.user.gids =
       (struct mtls_acct_ids){ 1, (const uint8_t *)IN_CREW })
CHANGE(less_in_user, item(s, MTLS_ACCT_ITEM_USER, 1)->u.user.gids.count = 0)
CHANGE(members_none, take_out(s, find(s, MTLS_ACCT_ITEM_MEMBERS, 1)))
CHANGE(members_order, swap(s, MTLS_ACCT_ITEM_MEMBERS, 0, 1))
CHANGE(members_twice, twice(s, MTLS_ACCT_ITEM_MEMBERS, 1))
CHANGE(members_gid, MEMBERS(0).gid = CREW + 9)
CHANGE(member_name, MEMBERS(0).names = NAMES(3, "\5Alice\3bob\4dave"))
CHANGE(member_order, MEMBERS(0).names = NAMES(3, "\3bob\5alice\4dave"))
CHANGE(member_twice, MEMBERS(0).names = NAMES(4, "\5alice\3bob\3bob\4dave"))
CHANGE(member_count, MEMBERS(0).names.count = 2)
CHANGE(member_cut, MEMBERS(0).names.len -= 1)
CHANGE(member_less, MEMBERS(0).names = NAMES(2, "\5alice\3bob"))
CHANGE(member_more, MEMBERS(0).names = NAMES(4, "\5alice\3bob\5carol\4dave"))
CHANGE(member_other, MEMBERS(0).names = NAMES(3, "\5alice\3bob\5carol"))
CHANGE(member_nobody, MEMBERS(0).names = NAMES(3, "\5alice\3bob\6nobody"))
CHANGE(member_exchanged, MEMBERS(0).names = NAMES(1, "\5alice"); MEMBERS(1).names = NAMES(3, "\5alice\3bob\4dave"))
CHANGE(key_kind, BINDING(0).key = STR("colour:blue"))
CHANGE(key_empty, BINDING(0).key = STR(""))
CHANGE(key_upper, BINDING(0).key = STR("spki-sha256:00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff"))
CHANGE(key_spaces, BINDING(1).key = STR("subject:CN = Both"))
CHANGE(key_order, swap(s, MTLS_ACCT_ITEM_BINDING, 0, 1))
CHANGE(key_twice, twice(s, MTLS_ACCT_ITEM_BINDING, 0))
CHANGE(bound_nobody, BINDING(0).names = NAMES(0, ""))
CHANGE(bound_name, BINDING(0).names = NAMES(1, "\5al/ce"))
CHANGE(bound_order, BINDING(0).names = NAMES(2, "\3bob\5alice"))
CHANGE(bound_twice, BINDING(0).names = NAMES(2, "\5alice\5alice"))
CHANGE(bound_count, BINDING(0).names.count = 2)
CHANGE(end_less, s->items[s->count - 1].u.end.items--)
CHANGE(end_more, s->items[s->count - 1].u.end.items++)
CHANGE(end_twice, twice(s, MTLS_ACCT_ITEM_END, 0); item(s, MTLS_ACCT_ITEM_END, 0)->u.end.items = s->count - 1)
CHANGE(no_end, s->count--)
CHANGE(nothing, s->count = 0)
CHANGE(as_it_is, (void)s)

static void refuses(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		void (*change)(struct stream *s);
		const char *why; /* NULL: it is published */
	} rows[] = {
#define ROW(change, why) { #change, change, why }
		ROW(as_it_is, NULL),
		ROW(nothing, "has no end"), ROW(no_end, "has no end"),
		ROW(no_begin, "an item of kind 2 behind one of kind 0"),
		ROW(begin_twice, "an item of kind 1 behind one of kind 1"),
		ROW(begin_generation, "generation 0"),
		ROW(no_next, "an item of kind 3 behind one of kind 1"),
		ROW(next_first, "an item of kind 2 behind one of kind 0"),
		ROW(next_twice, "an item of kind 2 behind one of kind 2"),
		ROW(next_uid_low, "next ids 999 and"), ROW(next_gid_low, "and 0"),
		ROW(next_uid_high, "next ids 2147483649"), ROW(next_gid_high, "and 4294967295"),
		ROW(kind_none, "no known kind"), ROW(kind_unknown, "no known kind"),
		ROW(source_zero, "source 'corp' is out of order"),
		ROW(source_skips, "source 'corp' is out of order"),
		ROW(source_name, "source 'corp/x' has a malformed name"),
		ROW(source_empty, "source '' has a malformed name"),
		ROW(source_long, "has a malformed name"),
		ROW(source_store, "source 'store' is there twice"),
		ROW(source_twice, "source 'corp' is there twice"),
		ROW(source_late, "an item of kind 3 behind one of kind 4"),
		ROW(stone_order, "tombstone 'gone' is out of order"),
		ROW(stone_groups_first, "tombstone 'gone' is out of order"),
		ROW(stone_twice, "tombstone 'gone' is out of order"),
		ROW(stone_id, "tombstone 'gone' has an id never given out"),
		ROW(stone_high, "tombstone 'gone' has an id never given out"),
		ROW(stone_name, "tombstone 'Gone' has a malformed name"),
		ROW(stone_reserved, "tombstone 'root' has a malformed name"),
		ROW(stone_late, "an item of kind 4 behind one of kind 5"),
		ROW(group_name, "group 'Crew' has a malformed name"),
		ROW(group_empty, "group '' has a malformed name"),
		ROW(group_long, "has a malformed name"),
		ROW(group_order, "group 'crew' is out of order"),
		ROW(group_twice, "group 'crew' is out of order or there twice"),
		ROW(group_source, "group 'crew' is of an unknown source"),
		ROW(group_gid_taken, "group 'staffers' has an id that another one has"),
		ROW(group_gid_dead, "group 'crew' has the id of one that was removed"),
		ROW(group_late, "an item of kind 5 behind one of kind 6"),
		ROW(user_name, "user 'al:ce' has a malformed name"),
		ROW(user_empty, "user '' has a malformed name"),
		ROW(user_upper, "user 'Alice' has a malformed name"),
		ROW(user_at, "user 'alice@corp' has a malformed name"),
		ROW(user_nul, "has a malformed name"), ROW(user_long, "has a malformed name"),
		ROW(user_order, "user 'alice' is out of order"),
		ROW(user_twice, "user 'alice' is out of order or there twice"),
		ROW(user_source, "user 'alice' is of an unknown source"),
		ROW(user_gecos, "malformed full name"), ROW(user_gecos_colon, "malformed full name"),
		ROW(user_home, "malformed home"), ROW(user_home_dots, "malformed home"),
		ROW(user_shell, "malformed shell"), ROW(user_shell_colon, "malformed shell"),
		ROW(user_uid_taken, "user 'bob' has an id that another one has"),
		ROW(user_uid_dead, "user 'carol' has the id of one that was removed"),
		ROW(user_gid_dead, "private group 'alice' has the id of one that was removed"),
		ROW(user_gid_taken, "private group 'alice' has an id that another one has"),
		ROW(user_no_primary, "user 'carol' has a primary group that does not exist"),
		ROW(user_primary_private, "user 'carol' has a primary group that does not exist"),
		ROW(user_like_group, "user 'crew' has a private group that is there twice"),
		ROW(user_ids_order, "user 'alice' has groups out of order or twice"),
		ROW(user_ids_twice, "user 'alice' has groups out of order or twice"),
		ROW(user_ids_zero, "user 'alice' has groups out of order or twice"),
		ROW(user_ids_own, "user 'carol' has groups out of order or twice"),
		ROW(user_ids_none, "user 'carol' is in a group that does not exist"),
		ROW(user_ids_private, "user 'carol' is in a group that does not exist"),
		ROW(more_in_user, "do not say the same"), ROW(less_in_user, "do not say the same"),
		ROW(members_none, "a group has no list of members"),
		ROW(members_order, "members of gid 2000200006, which is no group or not the next one"),
		ROW(members_twice, "members of gid 2000200006, which is no group or not the next one"),
		ROW(members_gid, "members of gid 2000200014, which is no group or not the next one"),
		ROW(member_name, "group 'crew' has a name that is malformed"),
		ROW(member_order, "group 'crew' has a name that is malformed, out of order"),
		ROW(member_twice, "group 'crew' has a name that is malformed, out of order or there twice"),
		ROW(member_count, "group 'crew' has another number of names"),
		ROW(member_cut, "group 'crew' has another number of names"),
		ROW(member_less, "do not say the same"), ROW(member_more, "do not say the same"),
		ROW(member_other, "do not say the same"), ROW(member_nobody, "do not say the same"),
		ROW(member_exchanged, "do not say the same"),
		ROW(key_kind, "binding 'colour:blue' is no canonical key"),
		ROW(key_empty, "binding '' is no canonical key"),
		ROW(key_upper, "is no canonical key"), ROW(key_spaces, "is no canonical key"),
		ROW(key_order, "is out of order"), ROW(key_twice, "is out of order or there twice"),
		ROW(bound_nobody, "binds nobody"), ROW(bound_name, "has a name that is malformed"),
		ROW(bound_order, "has a name that is malformed, out of order"),
		ROW(bound_twice, "out of order or there twice"),
		ROW(bound_count, "another number of names"),
		ROW(end_less, "not as many items as were sent"),
		ROW(end_more, "not as many items as were sent"),
		ROW(end_twice, "an item of kind 9 behind one of kind 9"),
#undef ROW
	};
	/* clang-format on */
	_cleanup_(people_freep) struct people *people = usual();
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct stream s;
		struct outcome o;
		make_stream(people, &s);
		rows[i].change(&s);
		int r = build(people, &s, &o, NULL);
		if (r != (rows[i].why ? MTLS_E_DENIED : 0) ||
		    (rows[i].why && !strstr(o.diag.text, rows[i].why)))
			fail_msg("%s: %d, '%s'", rows[i].name, r, o.diag.text);
		assert_int_equal(o.dropped, 0);
		assert_string_equal(o.sentences, "");
		mtls_buf_done(&s.frames);
	}
}

/* 63 sources besides the store, and one more. */
static void limit_of_sources(void **state)
{
	(void)state;
	for (size_t more = 0; more < 2; more++) {
		_cleanup_(people_freep) struct people *people = people_new();
		struct stream s;
		struct outcome o;
		char name[16];
		for (size_t i = 1; i < MTLS_ACCTDB_SOURCES_MAX; i++) {
			(void)snprintf(name, sizeof(name), "source%zu", i);
			(void)people_source(people, name);
		}
		make_stream(people, &s);
		if (more) {
			twice(&s, MTLS_ACCT_ITEM_SOURCE, MTLS_ACCTDB_SOURCES_MAX - 2);
			struct mtls_acct_item *last =
				item(&s, MTLS_ACCT_ITEM_SOURCE, MTLS_ACCTDB_SOURCES_MAX - 1);
			last->u.source.index = MTLS_ACCTDB_SOURCES_MAX;
			last->u.source.name = STR("last");
		}
		assert_int_equal(build(people, &s, &o, NULL), more ? MTLS_E_DENIED : 0);
		assert_int_equal(strstr(o.diag.text, "is out of order") != NULL, more);
		mtls_buf_done(&s.frames);
	}
}

/* As an item that no frame can hold: who calls the builder with items of his own meets it too. */
static void limit_of_bound_names(void **state)
{
	(void)state;
	_cleanup_(people_freep) struct people *people = usual();
	static uint8_t names[3 * (MTLS_ACCTDB_NAMES_MAX + 1)];
	for (size_t i = 0; i <= MTLS_ACCTDB_NAMES_MAX; i++) {
		names[3 * i] = 2;
		names[3 * i + 1] = (uint8_t)('a' + i / 26);
		names[3 * i + 2] = (uint8_t)('a' + i % 26);
	}
	for (uint32_t more = 0; more < 2; more++) {
		uint32_t count = MTLS_ACCTDB_NAMES_MAX + more;
		struct stream s;
		struct outcome o;
		make_stream(people, &s);
		item(&s, MTLS_ACCT_ITEM_BINDING, 0)->u.binding.names =
			(struct mtls_acct_names){ count, names, 3 * (size_t)count };
		assert_int_equal(build(people, &s, &o, NULL), more ? MTLS_E_DENIED : 0);
		assert_int_equal(strstr(o.diag.text, "is over a limit") != NULL, more);
		mtls_buf_done(&s.frames);
	}
}

static void refuses_options(void **state)
{
	(void)state;
	_cleanup_close_ int empty = memfd_create("empty", MFD_CLOEXEC);
	_cleanup_close_ int full = memfd_create("full", MFD_CLOEXEC);
	assert_true(empty >= 0 && full >= 0);
	assert_int_equal(write(full, "x", 1), 1);
	const struct {
		const char *name;
		struct mtls_id_rules ids;
		int fd, want;
	} rows[] = {
		{ "good", { .window = { W, W } }, empty, 0 },
		{ "window upside down", { .window = { W + 1, W } }, empty, -EINVAL },
		{ "most ranges", { { W, W }, { { 0, 0 } }, MTLS_ID_FOREIGN_MAX }, empty, 0 },
		{ "too many ranges",
		  { { W, W }, { { 0, 0 } }, MTLS_ID_FOREIGN_MAX + 1 },
		  empty,
		  -EINVAL },
		{ "something in the file", { .window = { W, W } }, full, -EINVAL },
		{ "no file", { .window = { W, W } }, -1, -EBADF },
	};
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		const struct mtls_acctbuild_options options = { .ids = rows[i].ids,
								.fd = rows[i].fd };
		_cleanup_(mtls_acctbuild_freep) struct mtls_acctbuild *made = NULL;
		struct mtls_diag diag = { "" };
		int r = mtls_acctbuild_new(&options, &made, &diag);
		if (r != rows[i].want || (r < 0) != (made == NULL) || (r < 0) != !!diag.text[0])
			fail_msg("%s: %d (%s)", rows[i].name, r, diag.text);
	}
}

static void finishes_once(void **state)
{
	(void)state;
	_cleanup_(people_freep) struct people *people = usual();
	_cleanup_close_ int fd = memfd_create("snapshot", MFD_CLOEXEC);
	const struct mtls_acctbuild_options options = { .ids = people->ids, .fd = fd };
	_cleanup_(mtls_acctbuild_freep) struct mtls_acctbuild *made = NULL;
	struct mtls_acct_header header = { .users = 99 };
	struct stream s;
	make_stream(people, &s);
	assert_int_equal(mtls_acctbuild_new(&options, &made, NULL), 0);
	for (size_t i = 0; i < s.count; i++)
		assert_int_equal(mtls_acctbuild_add(made, &s.items[i], NULL), 0);
	struct mtls_acct_item late = s.items[2];
	assert_int_equal(mtls_acctbuild_finish(made, &header, NULL), 0);
	assert_int_equal(header.users, 4);
	assert_int_equal(mtls_acctbuild_finish(made, &header, NULL), MTLS_E_DENIED);
	assert_int_equal(mtls_acctbuild_add(made, &late, NULL), MTLS_E_DENIED);
	mtls_buf_done(&s.frames);
}

/* What was refused once is not made good by going on. */
static void does_not_forget(void **state)
{
	(void)state;
	_cleanup_(people_freep) struct people *people = usual();
	_cleanup_close_ int fd = memfd_create("snapshot", MFD_CLOEXEC);
	const struct mtls_acctbuild_options options = { .ids = people->ids, .fd = fd };
	_cleanup_(mtls_acctbuild_freep) struct mtls_acctbuild *made = NULL;
	struct mtls_acct_header header;
	struct mtls_diag diag = { "" };
	struct stream s;
	make_stream(people, &s);
	const struct mtls_acct_item bad = { .kind = MTLS_ACCT_ITEM_BEGIN };
	assert_int_equal(mtls_acctbuild_new(&options, &made, NULL), 0);
	assert_int_equal(mtls_acctbuild_add(made, &bad, NULL), MTLS_E_DENIED);
	for (size_t i = 0; i < s.count; i++)
		assert_int_equal(mtls_acctbuild_add(made, &s.items[i], &diag), MTLS_E_DENIED);
	assert_string_equal(diag.text, "this build has failed before");
	assert_int_equal(mtls_acctbuild_finish(made, &header, NULL), MTLS_E_DENIED);
	mtls_acctbuild_free(NULL);
	mtls_buf_done(&s.frames);
}

/* What this machine holds, in the tests of what is dropped. */
static struct mtls_local *local;

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int load_local(void **state)
{
	(void)state;
	static const struct {
		const char *path, *text;
	} files[] = {
		{ "build.etc/etc/passwd", "localuser:x:2000400000:100::/:/bin/sh\n" },
		{ "build.etc/etc/group", "localgroup:x:2000400001:\n" },
		{ "build.etc/etc/subuid", "localuser:2000500000:10\n" },
		{ "build.etc/etc/login.defs",
		  "UID_MIN 5000\nUID_MAX 6000\nGID_MIN 5000\nGID_MAX 6000\n" },
	};
	(void)mkdir("build.etc", 0755);
	(void)mkdir("build.etc/etc", 0755);
	for (size_t i = 0; i < MTLS_COUNT(files); i++)
		write_file(files[i].path, files[i].text);
	struct mtls_diag diag = { "" };
	int r = mtls_local_load("build.etc/etc", &local, &diag);
	for (size_t i = 0; i < MTLS_COUNT(files); i++)
		(void)unlink(files[i].path);
	(void)rmdir("build.etc/etc");
	(void)rmdir("build.etc");
	return r;
}

static int free_local(void **state)
{
	(void)state;
	mtls_local_free(local);
	return 0;
}

/* clang-format off */
CHANGE(local_name, USER(3).name = STR("localuser"); MEMBERS(0).names = NAMES(3, "\5alice\3bob\11localuser"))
CHANGE(local_group_name, USER(3).name = STR("localgroup"); MEMBERS(0).names = NAMES(3, "\5alice\3bob\12localgroup"))
CHANGE(local_uid, USER(3).uid = USER(3).gid = 2000400000)
CHANGE(local_gid, USER(3).uid = USER(3).gid = 2000400001)
CHANGE(local_subuid, USER(3).uid = USER(3).gid = 2000500009)
CHANGE(behind_subuid, USER(3).uid = USER(3).gid = 2000500010)
CHANGE(allocated_uid, USER(3).uid = USER(3).gid = 5500)
CHANGE(admitted_uid, USER(3).uid = USER(3).gid = 5400)
CHANGE(allocated_gid, GROUP(0).gid = MEMBERS(0).gid = 5500; item(s, MTLS_ACCT_ITEM_USER, 0)->u.user.gids =
       (struct mtls_acct_ids){ 2, (const uint8_t *)"\x7c\x15\0\0" IN_STAFF };
       item(s, MTLS_ACCT_ITEM_USER, 1)->u.user.gids = item(s, MTLS_ACCT_ITEM_USER, 3)->u.user.gids =
       (struct mtls_acct_ids){ 1, (const uint8_t *)"\x7c\x15\0\0" })
CHANGE(below_window, USER(3).uid = USER(3).gid = W - 1)
CHANGE(above_window, USER(3).uid = USER(3).gid = MTLS_ID_WINDOW_MAX + 1)
CHANGE(reserved_uid, USER(3).uid = USER(3).gid = 999)
CHANGE(root_uid, USER(3).uid = USER(3).gid = 0)
CHANGE(huge_uid, USER(3).uid = USER(3).gid = 0x80000000)
CHANGE(foreign_primary, USER(2).gid = 100)
CHANGE(huge_primary, USER(2).gid = UINT32_MAX)
CHANGE(reserved_user, USER(3).name = STR("sudo"); MEMBERS(0).names = NAMES(3, "\5alice\3bob\4sudo"))
CHANGE(reserved_member, USER(2).name = STR("cdrom"))
CHANGE(reserved_pattern, USER(0).name = STR("_alice"); MEMBERS(0).names = NAMES(3, "\6_alice\3bob\4dave");
       MEMBERS(1).names = NAMES(1, "\6_alice"); BINDING(0).names = NAMES(1, "\6_alice"))
CHANGE(reserved_group, GROUP(1).name = STR("sudo"))
CHANGE(local_group, GROUP(1).name = STR("localgroup"))
CHANGE(local_group_gid, GROUP(0).gid = MEMBERS(0).gid = 2000400001;
       item(s, MTLS_ACCT_ITEM_USER, 0)->u.user.gids = (struct mtls_acct_ids){ 2, (const uint8_t *)IN_STAFF "\x81\xae\x3b\x77" };
       item(s, MTLS_ACCT_ITEM_USER, 1)->u.user.gids = item(s, MTLS_ACCT_ITEM_USER, 3)->u.user.gids =
       (struct mtls_acct_ids){ 1, (const uint8_t *)"\x81\xae\x3b\x77" })
CHANGE(huge_group, GROUP(0).gid = MEMBERS(0).gid = 0x80000001;
       item(s, MTLS_ACCT_ITEM_USER, 0)->u.user.gids = (struct mtls_acct_ids){ 2, (const uint8_t *)IN_STAFF "\1\0\0\x80" };
       item(s, MTLS_ACCT_ITEM_USER, 1)->u.user.gids = item(s, MTLS_ACCT_ITEM_USER, 3)->u.user.gids =
       (struct mtls_acct_ids){ 1, (const uint8_t *)"\1\0\0\x80" })
CHANGE(bound_reserved, BINDING(0).names = NAMES(2, "\5alice\4root"))
CHANGE(bound_only_reserved, BINDING(0).names = NAMES(1, "\4root"))
CHANGE(bob_and_carol, USER(1).name = STR("bin"); MEMBERS(0).names = NAMES(3, "\5alice\3bin\4dave"); 
       BINDING(1).names = NAMES(2, "\x11" "Foreign.User@corp\3bin"); USER(2).uid = 2000400000)

/* After whom, what is left is: users, groups, bindings, members of crew and staffers. */
static const struct {
	const char *name;
	void (*change)(struct stream *s);
	const char *sentences[3]; /* one for each that is dropped */
	uint32_t users, groups, bindings;
	const char *crew, *staffers; /* NULL: not there */
} drops[] = {
#define ROW(change, ...) { #change, change, __VA_ARGS__ }
#define LOCAL_USER  "is not published: this machine has a local user of that name"
#define LOCAL_GROUP "is not published: this machine has a local group of that name"
#define NO_UID "its uid is not admitted (id_min, id_max, foreign_ids of accountd.conf)"
#define NO_GID "its gid is not admitted (id_min, id_max, foreign_ids of accountd.conf)"
	ROW(as_it_is, { NULL }, 4, 2, 3, "alice bob dave", "alice"),
	ROW(local_name, { "user 'localuser' (uid 2000200004, gid 2000200004) " LOCAL_USER }, 3, 2, 3, "alice bob", "alice"),
	ROW(local_group_name, { "user 'localgroup' (uid 2000200004, gid 2000200004) " LOCAL_GROUP }, 3, 2, 3, "alice bob", "alice"),
	ROW(local_uid, { "user 'dave' (uid 2000400000, gid 2000400000) is not published: this machine's own files hold its uid" }, 3, 2, 3, "alice bob", "alice"),
	ROW(local_gid, { "user 'dave' (uid 2000400001, gid 2000400001) is not published: this machine's own files hold its gid" }, 3, 2, 3, "alice bob", "alice"),
	ROW(local_subuid, { "this machine's own files hold its uid" }, 3, 2, 3, "alice bob", "alice"),
	ROW(behind_subuid, { NULL }, 4, 2, 3, "alice bob dave", "alice"),
	ROW(allocated_uid, { NO_UID }, 3, 2, 3, "alice bob", "alice"),
	ROW(admitted_uid, { NULL }, 4, 2, 3, "alice bob dave", "alice"),
	ROW(allocated_gid, { "group 'crew' (gid 5500) is not published: " NO_GID }, 4, 1, 3, NULL, "alice"),
	ROW(below_window, { "user 'dave' (uid 2000200000, gid 2000200000) is not published: " NO_UID }, 3, 2, 3, "alice bob", "alice"),
	ROW(above_window, { NO_UID }, 3, 2, 3, "alice bob", "alice"),
	ROW(reserved_uid, { NO_UID }, 3, 2, 3, "alice bob", "alice"),
	ROW(root_uid, { NO_UID }, 3, 2, 3, "alice bob", "alice"),
	ROW(huge_uid, { NO_UID }, 3, 2, 3, "alice bob", "alice"),
	ROW(foreign_primary, { "user 'carol' (uid 2000200003, gid 100) is not published: " NO_GID }, 3, 2, 2, "alice bob dave", "alice"),
	ROW(huge_primary, { NO_GID }, 3, 2, 2, "alice bob dave", "alice"),
	ROW(reserved_user, { "user 'sudo' (uid 2000200004, gid 2000200004) is not published: the name is reserved" }, 3, 2, 3, "alice bob", "alice"),
	ROW(reserved_member, { "user 'cdrom' (uid 2000200003, gid 2000200006) is not published: the name is reserved" }, 3, 2, 3, "alice bob dave", "alice"),
	ROW(reserved_pattern, { "user '_alice'" }, 3, 2, 2, "bob dave", ""),
	ROW(reserved_group, { "group 'sudo' (gid 2000200006) is not published: the name is reserved",
			      "user 'carol' (uid 2000200003, gid 2000200006) is not published: its primary group is not published either" },
	    3, 1, 2, "alice bob dave", NULL),
	ROW(local_group, { "group 'localgroup' (gid 2000200006) " LOCAL_GROUP, "user 'carol'" }, 3, 1, 2, "alice bob dave", NULL),
	ROW(local_group_gid, { "group 'crew' (gid 2000400001) is not published: this machine's own files hold its gid" }, 4, 1, 3, NULL, "alice"),
	ROW(huge_group, { "group 'crew' (gid 2147483649) is not published: " NO_GID }, 4, 1, 3, NULL, "alice"),
	ROW(bound_reserved, { NULL }, 4, 2, 3, "alice bob dave", "alice"),
	ROW(bound_only_reserved, { NULL }, 4, 2, 2, "alice bob dave", "alice"),
	ROW(bob_and_carol, { "user 'bin'", "user 'carol'" }, 2, 2, 2, "alice dave", "alice"),
#undef ROW
};
/* clang-format on */

static void assert_members(const struct mtls_acctdb *db, const char *group, const char *want,
			   const char *row)
{
	struct mtls_acct_group found;
	int r = mtls_acctdb_group_by_name(db, group, strlen(group), &found);
	if (r != (want ? 0 : MTLS_E_NOTFOUND))
		fail_msg("%s: group %s: %d", row, group, r);
	if (!want)
		return;
	char got[256] = "";
	struct mtls_acct_str name;
	for (size_t at = 0; mtls_acct_names_next(&found.members, &at, &name);)
		(void)sprintf(got + strlen(got), "%s%.*s", *got ? " " : "", (int)name.len,
			      name.data);
	if (strcmp(got, want) != 0)
		fail_msg("%s: %s has '%s', not '%s'", row, group, got, want);
}

/* What users say of their groups is what the groups say of their members. */
static void assert_agreement(const struct mtls_acctdb *db, const char *row)
{
	struct mtls_acctdb_cursor users = { 0 }, groups = { 0 };
	struct mtls_acct_user user;
	struct mtls_acct_group group;
	struct mtls_acct_ids ids;
	size_t said = 0, listed = 0;
	while (mtls_acctdb_next_user(db, &users, &user) == 0) {
		assert_int_equal(mtls_acctdb_user_groups(db, user.name.data, user.name.len, &ids),
				 0);
		said += ids.count;
		for (uint32_t i = 0; i < ids.count; i++)
			if (mtls_acctdb_group_by_gid(db, mtls_acct_ids_get(&ids, i), &group) < 0)
				fail_msg("%s: a group that is not there", row);
		if (mtls_acctdb_group_by_gid(db, user.gid, &group) < 0)
			fail_msg("%s: a primary group that is not there", row);
	}
	while (mtls_acctdb_next_group(db, &groups, &group) == 0) {
		struct mtls_acct_str name;
		listed += group.members.count;
		for (size_t at = 0; mtls_acct_names_next(&group.members, &at, &name);)
			if (mtls_acctdb_user_by_name(db, name.data, name.len, &user) < 0)
				fail_msg("%s: a member that is not there", row);
	}
	if (said != listed)
		fail_msg("%s: %zu memberships of users, %zu of groups", row, said, listed);
}

static size_t lines(const char *text)
{
	size_t count = 0;
	for (; *text; text++)
		count += *text == '\n';
	return count;
}

static void drops_what_is_local(void **state)
{
	(void)state;
	_cleanup_(people_freep) struct people *people = usual();
	people->local = local;
	/* a range admits what login.defs allocates, and nothing that is held */
	people->ids.foreign[people->ids.foreign_count++] = (struct mtls_id_window){ 5400, 5499 };
	for (size_t i = 0; i < MTLS_COUNT(drops); i++) {
		struct stream s;
		struct outcome o;
		struct mtls_acctdb db;
		const char *name = drops[i].name;
		make_stream(people, &s);
		drops[i].change(&s);
		if (build(people, &s, &o, &db) < 0)
			fail_msg("%s: %s", name, o.diag.text);
		size_t want = 0;
		while (want < 3 && drops[i].sentences[want]) {
			if (!strstr(o.sentences, drops[i].sentences[want]))
				fail_msg("%s: no '%s' in '%s'", name, drops[i].sentences[want],
					 o.sentences);
			want++;
		}
		if (o.dropped != want || lines(o.sentences) != want)
			fail_msg("%s: %u dropped: %s", name, o.dropped, o.sentences);
		if (o.header.users != drops[i].users || o.header.groups != drops[i].groups ||
		    o.header.bindings != drops[i].bindings || o.header.tombstones != 3)
			fail_msg("%s: %u users, %u groups, %u bindings", name, o.header.users,
				 o.header.groups, o.header.bindings);
		assert_members(&db, "crew", drops[i].crew, name);
		assert_members(&db, "staffers", drops[i].staffers, name);
		assert_agreement(&db, name);
		mtls_acctdb_close(&db);
		mtls_buf_done(&s.frames);
	}
}

/* A range beside the window, which login.defs hands out of: only the explicit range helps. */
static void allocated_ids_need_a_range(void **state)
{
	(void)state;
	for (size_t explicit = 0; explicit < 2; explicit ++) {
		_cleanup_(people_freep) struct people *people = people_new();
		struct stream s;
		struct outcome o;
		people->local = local;
		people->ids.window = (struct mtls_id_window){ 5000, 7000 };
		if (explicit)
			people->ids.foreign[people->ids.foreign_count++] =
				(struct mtls_id_window){ 5500, 5500 };
		(void)people_add(people, &(struct people_user){ .name = "dora", .uid = 5500 });
		(void)people_add(people, &(struct people_user){ .name = "emil", .uid = 6500 });
		(void)people_group(people, "painters", 5600, 0);
		make_stream(people, &s);
		assert_int_equal(build(people, &s, &o, NULL), 0);
		assert_int_equal(o.header.users, 1 + explicit);
		assert_int_equal(o.dropped, 2 - explicit);
		assert_non_null(strstr(o.sentences, "lets tools hand out its gid; foreign_ids"));
		assert_int_equal(strstr(o.sentences, "lets tools hand out its uid") != NULL,
				 !explicit);
		mtls_buf_done(&s.frames);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses),
		cmocka_unit_test(limit_of_sources),
		cmocka_unit_test(limit_of_bound_names),
		cmocka_unit_test(refuses_options),
		cmocka_unit_test(finishes_once),
		cmocka_unit_test(does_not_forget),
		cmocka_unit_test(drops_what_is_local),
		cmocka_unit_test(allocated_ids_need_a_range),
	};
	return cmocka_run_group_tests(tests, load_local, free_local);
}
