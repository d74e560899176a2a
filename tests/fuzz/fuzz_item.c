/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A stream of frames to the decoder, and what it takes to the builder. Neither may crash, and what
 * the builder finishes must be a snapshot that readers agree with: each record is found by its own
 * keys, names and ids keep the rules, both sides say the same of memberships. The first byte:
 *
 *	1	the machine holds what local_files() writes
 *	2	the number of items at the end is made good
 *	4	a foreign range is admitted
 */
#include <config.h>

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "lib/acctdb/build.h"
#include "lib/acctdb/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WITH_LOCAL = 1, GOOD_END = 2, WITH_FOREIGN = 4 };

static void write_file(const char *folder, const char *name, const char *text)
{
	char path[256];
	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *f = fopen(path, "we");
	if (!f || fputs(text, f) < 0 || fclose(f) != 0)
		abort();
}

/* As in tests/unit/test_build.c, whose streams the corpus has. */
static const struct mtls_local *local_files(void)
{
	static struct mtls_local *local;
	static const char *const files[] = { "passwd", "group", "subuid", "login.defs" };
	static const char *const texts[] = {
		"localuser:x:2000400000:100::/:/bin/sh\n",
		"localgroup:x:2000400001:\n",
		"localuser:2000500000:10\n",
		"UID_MIN 5000\nUID_MAX 6000\nGID_MIN 5000\nGID_MAX 6000\n",
	};
	if (local)
		return local;
	const char *base = getenv("TMPDIR");
	char top[128], etc[160], path[256];
	(void)snprintf(top, sizeof(top), "%s/fuzz.XXXXXX", base ? base : "/tmp");
	if (!mkdtemp(top))
		abort();
	(void)snprintf(etc, sizeof(etc), "%s/etc", top);
	if (mkdir(etc, 0755) < 0)
		abort();
	for (size_t i = 0; i < MTLS_COUNT(files); i++)
		write_file(etc, files[i], texts[i]);
	if (mtls_local_load(etc, &local, NULL) < 0)
		abort();
	for (size_t i = 0; i < MTLS_COUNT(files); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", etc, files[i]);
		(void)unlink(path);
	}
	(void)rmdir(etc);
	(void)rmdir(top);
	return local;
}

static void dropped(void *ctx, const char *sentence)
{
	assert(*sentence);
	++*(uint32_t *)ctx;
}

/* Each frame alone in memory that is as large as it, so that a read past the end is seen. */
static int take(struct mtls_acctbuild *build, const uint8_t *frame, size_t size, uint64_t items,
		bool good_end)
{
	uint8_t *copy = malloc(size);
	struct mtls_acct_item item;
	if (!copy)
		abort();
	memcpy(copy, frame, size);
	int r = mtls_acct_item_decode(copy, size, &item);
	if (r == 0) {
		struct mtls_buf again = MTLS_BUF(MTLS_ACCT_FRAME_MAX);
		r = mtls_acct_item_encode(&item, &again);
		assert(r == 0 && again.len == size && memcmp(again.data, copy, size) == 0);
		mtls_buf_done(&again);
		if (good_end && item.kind == MTLS_ACCT_ITEM_END)
			item.u.end.items = items + 1;
		struct mtls_diag diag = { "" };
		r = mtls_acctbuild_add(build, &item, &diag);
		assert(r == 0 || diag.text[0]);
	}
	free(copy);
	return r;
}

struct seen {
	const struct mtls_acctdb *db;
	uint32_t users, groups, bindings, tombstones;
};

static void check_user(const struct seen *s, struct mtls_acct_str name)
{
	struct mtls_acct_user user, again;
	struct mtls_acct_group group;
	struct mtls_acct_ids ids;
	assert(mtls_acctdb_user_by_name(s->db, name.data, name.len, &user) == 0);
	assert(mtls_acctdb_user_by_uid(s->db, user.uid, &again) == 0);
	assert(again.name.len == name.len && memcmp(again.name.data, name.data, name.len) == 0);
	assert(mtls_id_admitted(&s->db->header.ids, user.uid));
	assert(mtls_account_name_ownable(name.data, name.len));
	assert(mtls_acctdb_group_by_gid(s->db, user.gid, &group) == 0);
	assert(mtls_acctdb_user_groups(s->db, name.data, name.len, &ids) == 0);
	for (uint32_t i = 0; i < ids.count; i++) {
		struct mtls_acct_str member;
		bool found = false;
		assert(mtls_acctdb_group_by_gid(s->db, mtls_acct_ids_get(&ids, i), &group) == 0);
		for (size_t at = 0; mtls_acct_names_next(&group.members, &at, &member);)
			found |= mtls_acct_str_eq(member, name.data, name.len);
		assert(found);
	}
	struct mtls_acct_str source;
	assert(mtls_acctdb_source(s->db, user.source, &source) == 0);
}

static void check_group(const struct seen *s, struct mtls_acct_str name)
{
	struct mtls_acct_group group, again;
	struct mtls_acct_str member;
	assert(mtls_acctdb_group_by_name(s->db, name.data, name.len, &group) == 0);
	assert(mtls_acctdb_group_by_gid(s->db, group.gid, &again) == 0);
	assert(again.members.len == group.members.len);
	assert(mtls_id_admitted(&s->db->header.ids, group.gid));
	for (size_t at = 0; mtls_acct_names_next(&group.members, &at, &member);) {
		struct mtls_acct_user user;
		struct mtls_acct_ids ids;
		bool found = false;
		assert(mtls_acctdb_user_by_name(s->db, member.data, member.len, &user) == 0);
		assert(mtls_acctdb_user_groups(s->db, member.data, member.len, &ids) == 0);
		for (uint32_t i = 0; i < ids.count; i++)
			found |= mtls_acct_ids_get(&ids, i) == group.gid;
		assert(found);
	}
}

static int check_record(void *ctx, enum mtls_acct_kind kind, struct mtls_acct_str key,
			const uint8_t *value, size_t len)
{
	struct seen *s = ctx;
	struct mtls_acct_names names;
	struct mtls_acct_tombstone stone;
	const struct mtls_acct_str name = { key.data + 1, key.len - 1 };
	if (kind == MTLS_ACCT_USER_NAME) {
		s->users++;
		check_user(s, name);
	} else if (kind == MTLS_ACCT_GROUP_NAME) {
		s->groups++;
		check_group(s, name);
	} else if (kind == MTLS_ACCT_BINDING) {
		s->bindings++;
		assert(mtls_acctdb_binding(s->db, name.data, name.len, &names) == 0);
	} else if (kind == MTLS_ACCT_TOMBSTONE) {
		s->tombstones++;
		assert(mtls_acct_tombstone_decode(value, len, &stone) == 0);
	}
	return 0;
}

static void check_snapshot(int fd, const struct mtls_acct_header *header)
{
	struct mtls_acctdb db;
	struct mtls_acct_next next;
	assert(mtls_acctdb_open_fd(&db, fd) == 0);
	struct seen seen = { .db = &db };
	assert(mtls_acctdb_each(&db, check_record, &seen) == 0);
	assert(mtls_acctdb_next_ids(&db, &next) == 0);
	assert(seen.users == header->users && seen.users == db.header.users);
	assert(seen.groups == header->groups && seen.groups == db.header.groups);
	assert(seen.bindings == header->bindings && seen.tombstones == header->tombstones);
	mtls_acctdb_close(&db);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	uint8_t mode = data[0];
	uint32_t sentences = 0;
	_cleanup_close_ int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct mtls_acctbuild_options options = {
		.ids = { .window = { MTLS_ID_WINDOW_MIN, MTLS_ID_WINDOW_MAX } },
		.local = mode & WITH_LOCAL ? local_files() : NULL,
		.fd = fd,
		.dropped = dropped,
		.ctx = &sentences,
	};
	if (mode & WITH_FOREIGN)
		options.ids.foreign[options.ids.foreign_count++] =
			(struct mtls_id_window){ 5400, 5499 };
	_cleanup_(mtls_acctbuild_freep) struct mtls_acctbuild *build = NULL;
	if (fd < 0 || mtls_acctbuild_new(&options, &build, NULL) < 0)
		abort();
	int r = 0;
	uint64_t items = 0;
	for (size_t at = 1, frame; r == 0 && at < size; at += frame, items++) {
		r = mtls_acct_frame_size(data + at, size - at, &frame);
		if (r == 0 && (!frame || frame > size - at))
			break;
		if (r == 0)
			r = take(build, data + at, frame, items, mode & GOOD_END);
	}
	struct mtls_acct_header header;
	if (r == 0 && mtls_acctbuild_finish(build, &header, NULL) == 0)
		check_snapshot(fd, &header);
	assert(mtls_acctbuild_dropped(build) == sentences);
	return 0;
}
