/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the publisher refuses. Each row begins with the accounts of stream_usual(), which are
 * published whole, changes one thing, and is refused for exactly that reason.
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

#include "tests/unit/build_stream.h"

/* Changes of the stream, one a row. */
/* clang-format off */
CHANGE(no_begin, stream_take_out(s, 0))
CHANGE(begin_twice, stream_twice(s, MTLS_ACCT_ITEM_BEGIN, 0))
CHANGE(begin_generation, s->items[0].u.begin.generation = 0)
CHANGE(begin_future, s->items[0].u.begin.generation = MTLS_ACCTDB_SERIAL_MAX + 1)
CHANGE(no_next, stream_take_out(s, 1))
CHANGE(next_twice, stream_twice(s, MTLS_ACCT_ITEM_NEXT, 0))
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
CHANGE(source_twice, stream_twice(s, MTLS_ACCT_ITEM_SOURCE, 0); SOURCE(1).index = 2)
CHANGE(source_late, struct mtls_acct_item x = *stream_item(s, MTLS_ACCT_ITEM_SOURCE, 0);
       stream_take_out(s, stream_find(s, MTLS_ACCT_ITEM_SOURCE, 0));
       stream_insert(s, stream_find(s, MTLS_ACCT_ITEM_GROUP, 0), x))
CHANGE(stone_order, stream_swap(s, MTLS_ACCT_ITEM_TOMBSTONE, 0, 1))
CHANGE(stone_groups_first, stream_swap(s, MTLS_ACCT_ITEM_TOMBSTONE, 1, 2))
CHANGE(stone_twice, stream_twice(s, MTLS_ACCT_ITEM_TOMBSTONE, 2))
CHANGE(stone_id, STONE(0).id = 999)
CHANGE(stone_high, STONE(1).id = 0x80000000)
CHANGE(stone_name, STONE(0).name = STR("Gone"))
CHANGE(stone_reserved, STONE(0).name = STR("root"))
CHANGE(stone_late, struct mtls_acct_item x = *stream_item(s, MTLS_ACCT_ITEM_TOMBSTONE, 2);
       stream_take_out(s, stream_find(s, MTLS_ACCT_ITEM_TOMBSTONE, 2));
       stream_insert(s, stream_find(s, MTLS_ACCT_ITEM_USER, 0), x))
CHANGE(group_name, GROUP(0).name = STR("Crew"))
CHANGE(group_empty, GROUP(0).name = STR(""))
CHANGE(group_long, GROUP(0).name = STR("abcdefghijklmnopqrstuvwxyzabcdefg"))
CHANGE(group_order, stream_swap(s, MTLS_ACCT_ITEM_GROUP, 0, 1))
CHANGE(group_twice, stream_twice(s, MTLS_ACCT_ITEM_GROUP, 0))
CHANGE(group_source, GROUP(0).source = 2)
CHANGE(group_gid_taken, GROUP(0).gid = STAFF)
CHANGE(group_gid_dead, GROUP(0).gid = W + 50)
CHANGE(group_late, struct mtls_acct_item x = *stream_item(s, MTLS_ACCT_ITEM_GROUP, 1);
       x.u.group.name = STR("zebras"); x.u.group.gid = W + 70;
       stream_insert(s, stream_find(s, MTLS_ACCT_ITEM_MEMBERS, 0), x))
CHANGE(user_name, USER(0).name = STR("al:ce"))
CHANGE(user_empty, USER(0).name = STR(""))
CHANGE(user_upper, USER(0).name = STR("Alice"))
CHANGE(user_at, USER(0).name = STR("alice@corp"))
CHANGE(user_nul, USER(0).name = STR("alice\0x"))
CHANGE(user_long, USER(0).name = STR("abcdefghijklmnopqrstuvwxyzabcdefg"))
CHANGE(user_order, stream_swap(s, MTLS_ACCT_ITEM_USER, 0, 1))
CHANGE(user_twice, stream_twice(s, MTLS_ACCT_ITEM_USER, 0))
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
CHANGE(user_ids_order, stream_item(s, MTLS_ACCT_ITEM_USER, 0)->u.user.gids =
       (struct mtls_acct_ids){ 2, (const uint8_t *)IN_STAFF IN_CREW })
CHANGE(user_ids_twice, stream_item(s, MTLS_ACCT_ITEM_USER, 0)->u.user.gids =
       (struct mtls_acct_ids){ 2, (const uint8_t *)IN_CREW IN_CREW })
CHANGE(user_ids_zero, stream_item(s, MTLS_ACCT_ITEM_USER, 0)->u.user.gids =
       (struct mtls_acct_ids){ 1, (const uint8_t *)"\0\0\0\0" })
CHANGE(user_ids_own, stream_item(s, MTLS_ACCT_ITEM_USER, 2)->u.user.gids =
       (struct mtls_acct_ids){ 1, (const uint8_t *)IN_STAFF })
CHANGE(user_ids_none, stream_item(s, MTLS_ACCT_ITEM_USER, 2)->u.user.gids =
       (struct mtls_acct_ids){ 1, (const uint8_t *)"\x70\xa1\x38\x77" })
CHANGE(user_ids_private, stream_item(s, MTLS_ACCT_ITEM_USER, 2)->u.user.gids =
       (struct mtls_acct_ids){ 1, (const uint8_t *)IN_ALICE })
CHANGE(more_in_user, stream_item(s, MTLS_ACCT_ITEM_USER, 2)->u.user.gids =
       (struct mtls_acct_ids){ 1, (const uint8_t *)IN_CREW })
CHANGE(less_in_user, stream_item(s, MTLS_ACCT_ITEM_USER, 1)->u.user.gids.count = 0)
CHANGE(members_none, stream_take_out(s, stream_find(s, MTLS_ACCT_ITEM_MEMBERS, 1)))
CHANGE(members_order, stream_swap(s, MTLS_ACCT_ITEM_MEMBERS, 0, 1))
CHANGE(members_twice, stream_twice(s, MTLS_ACCT_ITEM_MEMBERS, 1))
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
CHANGE(key_order, stream_swap(s, MTLS_ACCT_ITEM_BINDING, 0, 1))
CHANGE(key_twice, stream_twice(s, MTLS_ACCT_ITEM_BINDING, 0))
CHANGE(bound_nobody, BINDING(0).names = NAMES(0, ""))
CHANGE(bound_name, BINDING(0).names = NAMES(1, "\5al/ce"))
CHANGE(bound_order, BINDING(0).names = NAMES(2, "\3bob\5alice"))
CHANGE(bound_twice, BINDING(0).names = NAMES(2, "\5alice\5alice"))
CHANGE(bound_count, BINDING(0).names.count = 2)
CHANGE(end_less, s->items[s->count - 1].u.end.items--)
CHANGE(end_more, s->items[s->count - 1].u.end.items++)
CHANGE(end_twice, stream_twice(s, MTLS_ACCT_ITEM_END, 0); stream_item(s, MTLS_ACCT_ITEM_END, 0)->u.end.items = s->count - 1)
CHANGE(no_end, s->count--)
CHANGE(nothing, s->count = 0)
CHANGE(as_it_is, (void)s)

static const struct {
	const char *name;
	void (*change)(struct stream *s);
	const char *why; /* NULL: it is published */
} refusals[] = {
#define ROW(change, why) { #change, change, why }
	ROW(as_it_is, NULL),
	ROW(nothing, "has no end"), ROW(no_end, "has no end"),
	ROW(no_begin, "an item of kind 2 behind one of kind 0"),
	ROW(begin_twice, "an item of kind 1 behind one of kind 1"),
	ROW(begin_generation, "generation 0"),
	ROW(begin_future, "generation 4611686018427387905"),
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

static void refuses(void **state)
{
	(void)state;
	_cleanup_(people_freep) struct people *people = stream_usual();
	for (size_t i = 0; i < MTLS_COUNT(refusals); i++) {
		struct stream s;
		struct outcome o;
		stream_make(people, &s);
		refusals[i].change(&s);
		int r = stream_build(people, &s, &o, NULL);
		if (r != (refusals[i].why ? MTLS_E_DENIED : 0) ||
		    (refusals[i].why && !strstr(o.diag.text, refusals[i].why)))
			fail_msg("%s: %d, '%s'", refusals[i].name, r, o.diag.text);
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
		stream_make(people, &s);
		if (more) {
			stream_twice(&s, MTLS_ACCT_ITEM_SOURCE, MTLS_ACCTDB_SOURCES_MAX - 2);
			struct mtls_acct_item *last =
				stream_item(&s, MTLS_ACCT_ITEM_SOURCE, MTLS_ACCTDB_SOURCES_MAX - 1);
			last->u.source.index = MTLS_ACCTDB_SOURCES_MAX;
			last->u.source.name = STR("last");
		}
		assert_int_equal(stream_build(people, &s, &o, NULL), more ? MTLS_E_DENIED : 0);
		assert_int_equal(strstr(o.diag.text, "is out of order") != NULL, more);
		mtls_buf_done(&s.frames);
	}
}

/* As an item that no frame can hold: who calls the builder with items of his own meets it too. */
static void limit_of_bound_names(void **state)
{
	(void)state;
	_cleanup_(people_freep) struct people *people = stream_usual();
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
		stream_make(people, &s);
		stream_item(&s, MTLS_ACCT_ITEM_BINDING, 0)->u.binding.names =
			(struct mtls_acct_names){ count, names, 3 * (size_t)count };
		assert_int_equal(stream_build(people, &s, &o, NULL), more ? MTLS_E_DENIED : 0);
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
	_cleanup_(people_freep) struct people *people = stream_usual();
	_cleanup_close_ int fd = memfd_create("snapshot", MFD_CLOEXEC);
	const struct mtls_acctbuild_options options = { .ids = people->ids, .fd = fd };
	_cleanup_(mtls_acctbuild_freep) struct mtls_acctbuild *made = NULL;
	struct mtls_acct_header header = { .users = 99 };
	struct stream s;
	stream_make(people, &s);
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
	_cleanup_(people_freep) struct people *people = stream_usual();
	_cleanup_close_ int fd = memfd_create("snapshot", MFD_CLOEXEC);
	const struct mtls_acctbuild_options options = { .ids = people->ids, .fd = fd };
	_cleanup_(mtls_acctbuild_freep) struct mtls_acctbuild *made = NULL;
	struct mtls_acct_header header;
	struct mtls_diag diag = { "" };
	struct stream s;
	stream_make(people, &s);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses),
		cmocka_unit_test(limit_of_sources),
		cmocka_unit_test(limit_of_bound_names),
		cmocka_unit_test(refuses_options),
		cmocka_unit_test(finishes_once),
		cmocka_unit_test(does_not_forget),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
