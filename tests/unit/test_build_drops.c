/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the publisher drops, and what goes with it. Each row begins with the accounts of
 * stream_usual(), which are published whole, changes one thing, and is published without exactly
 * that, with a sentence for each user and group.
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
CHANGE(as_it_is, (void)s)
CHANGE(local_name, USER(3).name = STR("localuser"); MEMBERS(0).names = NAMES(3, "\5alice\3bob\11localuser"))
CHANGE(local_group_name, USER(3).name = STR("localgroup"); MEMBERS(0).names = NAMES(3, "\5alice\3bob\12localgroup"))
CHANGE(local_uid, USER(3).uid = USER(3).gid = 2000400000)
CHANGE(local_gid, USER(3).uid = USER(3).gid = 2000400001)
CHANGE(local_subuid, USER(3).uid = USER(3).gid = 2000500009)
CHANGE(behind_subuid, USER(3).uid = USER(3).gid = 2000500010)
CHANGE(allocated_uid, USER(3).uid = USER(3).gid = 5500)
CHANGE(admitted_uid, USER(3).uid = USER(3).gid = 5400)
CHANGE(allocated_gid, GROUP(0).gid = MEMBERS(0).gid = 5500; stream_item(s, MTLS_ACCT_ITEM_USER, 0)->u.user.gids =
       (struct mtls_acct_ids){ 2, (const uint8_t *)"\x7c\x15\0\0" IN_STAFF };
       stream_item(s, MTLS_ACCT_ITEM_USER, 1)->u.user.gids = stream_item(s, MTLS_ACCT_ITEM_USER, 3)->u.user.gids =
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
       stream_item(s, MTLS_ACCT_ITEM_USER, 0)->u.user.gids = (struct mtls_acct_ids){ 2, (const uint8_t *)IN_STAFF "\x81\xae\x3b\x77" };
       stream_item(s, MTLS_ACCT_ITEM_USER, 1)->u.user.gids = stream_item(s, MTLS_ACCT_ITEM_USER, 3)->u.user.gids =
       (struct mtls_acct_ids){ 1, (const uint8_t *)"\x81\xae\x3b\x77" })
CHANGE(huge_group, GROUP(0).gid = MEMBERS(0).gid = 0x80000001;
       stream_item(s, MTLS_ACCT_ITEM_USER, 0)->u.user.gids = (struct mtls_acct_ids){ 2, (const uint8_t *)IN_STAFF "\1\0\0\x80" };
       stream_item(s, MTLS_ACCT_ITEM_USER, 1)->u.user.gids = stream_item(s, MTLS_ACCT_ITEM_USER, 3)->u.user.gids =
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
	_cleanup_(people_freep) struct people *people = stream_usual();
	people->local = local;
	/* a range admits what login.defs allocates, and nothing that is held */
	people->ids.foreign[people->ids.foreign_count++] = (struct mtls_id_window){ 5400, 5499 };
	for (size_t i = 0; i < MTLS_COUNT(drops); i++) {
		struct stream s;
		struct outcome o;
		struct mtls_acctdb db;
		const char *name = drops[i].name;
		stream_make(people, &s);
		drops[i].change(&s);
		if (stream_build(people, &s, &o, &db) < 0)
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
		stream_make(people, &s);
		assert_int_equal(stream_build(people, &s, &o, NULL), 0);
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
		cmocka_unit_test(drops_what_is_local),
		cmocka_unit_test(allocated_ids_need_a_range),
	};
	return cmocka_run_group_tests(tests, load_local, free_local);
}
