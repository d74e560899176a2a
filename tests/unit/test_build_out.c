/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What comes out of the builder: random accounts are found again by every way of looking, the same
 * accounts are the same bytes, and where memory, disk or random numbers end, so does the build,
 * with the reason and without a leak.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/acctdb/build_sets.h"
#include "lib/acctdb/reader.h"
#include "tests/nss/people.h"

#define W MTLS_ID_WINDOW_MIN

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
ssize_t __real_getrandom(void *to, size_t len, unsigned int flags);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
ssize_t __wrap_getrandom(void *to, size_t len, unsigned int flags);

static long allocations_left = -1; /* -1: without end */
static long allocations;
static bool no_random;

static bool may_allocate(void)
{
	allocations++;
	if (allocations_left < 0)
		return true;
	if (allocations_left == 0) {
		errno = ENOMEM;
		return false;
	}
	allocations_left--;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return may_allocate() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
	return may_allocate() ? __real_calloc(count, size) : NULL;
}

void *__wrap_realloc(void *old, size_t size)
{
	return may_allocate() ? __real_realloc(old, size) : NULL;
}

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
	return may_allocate() ? __real_reallocarray(old, count, size) : NULL;
}

ssize_t __wrap_getrandom(void *to, size_t len, unsigned int flags)
{
	if (!no_random)
		return __real_getrandom(to, len, flags);
	errno = ENOSYS;
	return -1;
}

/* Random accounts: what was said of them, to be compared with what is found. */
enum { USERS = 400, GROUPS = 40 };

struct model {
	struct people *people;
	uint32_t uids[USERS], gids[USERS]; /* gids: the primary ones */
	uint32_t groups[GROUPS];
	uint8_t source[USERS];
	bool member[USERS][GROUPS];
};

static void name_user(char out[32], unsigned int i)
{
	/* lengths and prefixes differ, so that order is not that of the numbers */
	(void)snprintf(out, 32, "%.*s%u", (int)(i % 7), &"uvwxyz_"[i % 3], i);
	if (out[0] >= '0' && out[0] <= '9') {
		memmove(out + 1, out, strlen(out) + 1);
		out[0] = 'n';
	}
}

static void name_group(char out[32], unsigned int i)
{
	(void)snprintf(out, 32, "group-%u", i);
}

static void make_groups(struct model *m)
{
	char name[32];
	(void)people_source(m->people, "one");
	(void)people_source(m->people, "two");
	for (unsigned int g = 0; g < GROUPS; g++) {
		name_group(name, g);
		/* from above, so that they do not meet the users */
		m->groups[g] = people_group(m->people, name, MTLS_ID_WINDOW_MAX - g * 977,
					    (uint8_t)(g % 3));
	}
}

static void make_users(struct model *m, unsigned int *seed)
{
	char name[32], group[32];
	for (unsigned int u = 0; u < USERS; u++) {
		unsigned int primary = (unsigned int)rand_r(seed) % (2 * GROUPS);
		name_user(name, u);
		m->uids[u] = W + 7 * u;
		m->gids[u] = primary < GROUPS ? m->groups[primary] : m->uids[u];
		m->source[u] = (uint8_t)(rand_r(seed) % 3);
		(void)people_add(m->people, &(struct people_user){ .name = name,
								   .uid = m->uids[u],
								   .gid = m->gids[u],
								   .source = m->source[u] });
		for (unsigned int g = 0; g < GROUPS; g++) {
			m->member[u][g] = g != primary && rand_r(seed) % 8 == 0;
			name_group(group, g);
			if (m->member[u][g])
				people_join(m->people, group, name);
		}
	}
}

static void look_up_users(const struct mtls_acctdb *db, const struct model *m)
{
	char name[32];
	for (unsigned int u = 0; u < USERS; u++) {
		struct mtls_acct_user by_name, by_uid;
		struct mtls_acct_group own;
		struct mtls_acct_ids ids;
		name_user(name, u);
		size_t len = strlen(name), expected = 0;
		assert_int_equal(mtls_acctdb_user_by_name(db, name, len, &by_name), 0);
		assert_int_equal(mtls_acctdb_user_by_uid(db, m->uids[u], &by_uid), 0);
		assert_true(mtls_acct_str_eq(by_uid.name, name, len));
		assert_int_equal(by_name.uid, m->uids[u]);
		assert_int_equal(by_name.gid, m->gids[u]);
		assert_int_equal(by_uid.gid, m->gids[u]);
		assert_int_equal(by_name.source, m->source[u]);
		assert_int_equal(mtls_acctdb_user_groups(db, name, len, &ids), 0);
		for (unsigned int g = 0; g < GROUPS; g++)
			expected += m->member[u][g];
		assert_int_equal(ids.count, expected);
		for (uint32_t i = 1; i < ids.count; i++)
			assert_true(mtls_acct_ids_get(&ids, i - 1) < mtls_acct_ids_get(&ids, i));
		int r = mtls_acctdb_group_by_name(db, name, len, &own);
		assert_int_equal(r, m->gids[u] == m->uids[u] ? 0 : MTLS_E_NOTFOUND);
		if (r == 0)
			assert_int_equal(own.members.count, 0);
	}
}

static void look_up_groups(const struct mtls_acctdb *db, const struct model *m)
{
	char name[32];
	for (unsigned int g = 0; g < GROUPS; g++) {
		struct mtls_acct_group by_name, by_gid;
		struct mtls_acct_str member;
		size_t expected = 0, found = 0;
		name_group(name, g);
		assert_int_equal(mtls_acctdb_group_by_name(db, name, strlen(name), &by_name), 0);
		assert_int_equal(mtls_acctdb_group_by_gid(db, m->groups[g], &by_gid), 0);
		assert_int_equal(by_name.gid, m->groups[g]);
		assert_int_equal(by_name.source, g % 3);
		assert_int_equal(by_gid.members.len, by_name.members.len);
		for (unsigned int u = 0; u < USERS; u++)
			expected += m->member[u][g];
		for (size_t at = 0; mtls_acct_names_next(&by_name.members, &at, &member);) {
			struct mtls_acct_user user;
			assert_int_equal(
				mtls_acctdb_user_by_name(db, member.data, member.len, &user), 0);
			assert_true(m->member[(user.uid - W) / 7][g]);
			found++;
		}
		assert_int_equal(found, expected);
	}
}

static size_t write_people(struct people *people, struct mtls_acctdb *ret_db)
{
	_cleanup_close_ int fd = memfd_create("snapshot", MFD_CLOEXEC);
	struct mtls_diag diag = { "" };
	struct stat st;
	assert_true(fd >= 0);
	if (people_write(people, fd, &diag) < 0)
		fail_msg("%s", diag.text);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(mtls_acctdb_open_fd(ret_db, fd), 0);
	return (size_t)st.st_size;
}

static void finds_what_was_said(void **state)
{
	(void)state;
	for (unsigned int seed = 1; seed <= 5; seed++) {
		struct model *m = calloc(1, sizeof(*m));
		assert_non_null(m);
		m->people = people_new();
		m->people->no_enumeration = seed % 2;
		m->people->generation = 1000 + seed;
		m->people->ids.foreign[m->people->ids.foreign_count++] =
			(struct mtls_id_window){ 5000, 5000 + seed };
		unsigned int random = seed;
		make_groups(m);
		make_users(m, &random);
		people_tombstone(m->people, false, W + 3, "gone");
		people_tombstone(m->people, true, W + 4, "gone");
		struct mtls_acctdb db;
		(void)write_people(m->people, &db);
		assert_int_equal(db.header.format, MTLS_ACCTDB_FORMAT);
		assert_int_equal(db.header.serial, 1000 + seed);
		assert_int_equal(db.header.created, m->people->created);
		assert_int_equal(db.header.no_enumeration, seed % 2);
		assert_int_equal(db.header.users, USERS);
		assert_int_equal(db.header.groups, GROUPS);
		assert_int_equal(db.header.tombstones, 2);
		assert_int_equal(db.header.ids.foreign_count, 1);
		assert_int_equal(db.header.ids.foreign[0].max, 5000 + seed);
		look_up_users(&db, m);
		look_up_groups(&db, m);
		struct mtls_acct_str source;
		assert_int_equal(mtls_acctdb_source(&db, 0, &source), 0);
		assert_true(mtls_acct_str_eq(source, "store", 5));
		assert_int_equal(mtls_acctdb_source(&db, 2, &source), 0);
		assert_true(mtls_acct_str_eq(source, "two", 3));
		assert_int_equal(mtls_acctdb_source(&db, 3, &source), MTLS_E_NOTFOUND);
		struct mtls_acct_tombstone stone;
		assert_int_equal(mtls_acctdb_tombstone(&db, false, W + 3, &stone), 0);
		assert_int_equal(mtls_acctdb_tombstone(&db, true, W + 3, &stone), MTLS_E_NOTFOUND);
		struct mtls_acct_next next;
		assert_int_equal(mtls_acctdb_next_ids(&db, &next), 0);
		assert_int_equal(next.uid, MTLS_ID_WINDOW_MAX + 1);
		mtls_acctdb_close(&db);
		people_free(m->people);
		free(m);
	}
}

/* No secret and no address of the build is in the file. */
static void same_accounts_same_bytes(void **state)
{
	(void)state;
	struct model *m = calloc(1, sizeof(*m));
	assert_non_null(m);
	m->people = people_new();
	unsigned int random = 9;
	make_groups(m);
	make_users(m, &random);
	struct mtls_acctdb first, second;
	size_t size = write_people(m->people, &first);
	m->people->generation--;
	assert_int_equal(write_people(m->people, &second), size);
	assert_memory_equal(first.data, second.data, size);
	mtls_acctdb_close(&first);
	mtls_acctdb_close(&second);
	people_free(m->people);
	free(m);
}

/* One of everything, and a local account, so that each list is needed. */
static struct people *one_of_everything(void)
{
	struct people *p = people_new();
	(void)people_source(p, "corp");
	(void)people_user(p, "alice");
	(void)people_user(p, "sudo");
	(void)people_group(p, "crew", W + 10, 0);
	(void)people_group(p, "disk", W + 11, 0);
	people_join(p, "crew", "alice");
	people_join(p, "disk", "alice");
	people_join(p, "crew", "sudo");
	people_bind(p, "subject:CN=Alice", "alice");
	people_tombstone(p, false, W + 20, "gone");
	people_tombstone(p, true, W + 20, "gone");
	return p;
}

static int build_from(const struct mtls_buf *frames, int fd, struct mtls_diag *diag)
{
	const struct mtls_acctbuild_options options = {
		.ids = { .window = { MTLS_ID_WINDOW_MIN, MTLS_ID_WINDOW_MAX } }, .fd = fd
	};
	_cleanup_(mtls_acctbuild_freep) struct mtls_acctbuild *build = NULL;
	struct mtls_acct_header header;
	int r = mtls_acctbuild_new(&options, &build, diag);
	for (size_t at = 0, size; r == 0 && at < frames->len; at += size) {
		struct mtls_acct_item item;
		assert_int_equal(mtls_acct_frame_size(frames->data + at, frames->len - at, &size),
				 0);
		assert_int_equal(mtls_acct_item_decode(frames->data + at, size, &item), 0);
		r = mtls_acctbuild_add(build, &item, diag);
	}
	return r < 0 ? r : mtls_acctbuild_finish(build, &header, diag);
}

static int build_once(const struct mtls_buf *frames, struct mtls_diag *diag)
{
	_cleanup_close_ int fd = memfd_create("snapshot", MFD_CLOEXEC);
	struct mtls_acctdb db;
	assert_true(fd >= 0);
	int r = build_from(frames, fd, diag);
	/* what is left of a build that failed is no snapshot */
	long left = allocations_left;
	allocations_left = -1;
	assert_int_equal(mtls_acctdb_open_fd(&db, fd), r < 0 ? MTLS_E_CORRUPT : 0);
	if (r == 0)
		mtls_acctdb_close(&db);
	allocations_left = left;
	return r;
}

/* Each of the allocations that a build makes fails in turn, and none is done without. */
static void without_memory(void **state)
{
	(void)state;
	_cleanup_(people_freep) struct people *people = one_of_everything();
	struct mtls_buf frames = MTLS_BUF(1 << 20);
	people_frames(people, &frames);
	allocations = 0;
	assert_int_equal(build_once(&frames, NULL), 0);
	long needed = allocations;
	assert_true(needed > 20);
	for (long allowed = 0; allowed < needed; allowed++) {
		struct mtls_diag diag = { "" };
		allocations_left = allowed;
		int r = build_once(&frames, &diag);
		allocations_left = -1;
		/* tinycdb calls it ENOENT where its last table finds no memory */
		if (r != -ENOMEM && !(r == -ENOENT && strstr(diag.text, "cannot write")))
			fail_msg("%ld allocations: %d (%s)", allowed, r, diag.text);
		assert_true(diag.text[0]);
	}
	mtls_buf_done(&frames);
}

static void without_room(void **state)
{
	(void)state;
	_cleanup_(people_freep) struct people *people = people_new();
	char name[32];
	for (int i = 0; i < 2000; i++) {
		(void)snprintf(name, sizeof(name), "user%d", i);
		(void)people_user(people, name);
	}
	struct mtls_buf frames = MTLS_BUF(1 << 20);
	struct mtls_acctdb db;
	people_frames(people, &frames);
	size_t whole = write_people(people, &db);
	mtls_acctdb_close(&db);

	struct rlimit before;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	/* within the first record, among the records, among the tables, one byte less */
	const size_t rooms[] = { 1, 5000, whole / 2, whole - 4096, whole - 1, whole };
	for (size_t i = 0; i < MTLS_COUNT(rooms); i++) {
		_cleanup_close_ int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		struct mtls_diag diag = { "" };
		assert_true(fd >= 0);
		const struct rlimit room = { rooms[i], before.rlim_max };
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &room), 0);
		int r = build_from(&frames, fd, &diag);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
		if (r != (rooms[i] < whole ? -EFBIG : 0))
			fail_msg("room for %zu: %d (%s)", rooms[i], r, diag.text);
		if (r == 0)
			continue;
		assert_non_null(strstr(diag.text, "cannot write the snapshot: File too large"));
		assert_int_equal(mtls_acctdb_open_fd(&db, fd), MTLS_E_CORRUPT);
	}
	_cleanup_close_ int full = open("/dev/full", O_RDWR | O_CLOEXEC);
	struct mtls_diag diag = { "" };
	assert_true(full >= 0);
	assert_int_equal(build_from(&frames, full, &diag), -ENOSPC);
	assert_string_equal(diag.text, "cannot write the snapshot: No space left on device");
	mtls_buf_done(&frames);
}

static void without_random_numbers(void **state)
{
	(void)state;
	_cleanup_close_ int fd = memfd_create("snapshot", MFD_CLOEXEC);
	const struct mtls_buf none = MTLS_BUF(1);
	struct mtls_diag diag = { "" };
	no_random = true;
	int r = build_from(&none, fd, &diag);
	no_random = false;
	assert_int_equal(r, -ENOSYS);
	assert_non_null(strstr(diag.text, "no random numbers"));
}

static void sets_of_ids(void **state)
{
	(void)state;
	static const uint32_t ids[] = { 0,     1,     63,    64,         65,         32767,
					32768, 65535, 65536, 0x3fffffff, 0x40000000, 0x7fffffff };
	struct mtls_idset set = { 0 };
	for (size_t i = 0; i < MTLS_COUNT(ids); i++) {
		assert_false(mtls_idset_has(&set, ids[i]));
		assert_int_equal(mtls_idset_add(&set, ids[i]), 0);
		assert_int_equal(mtls_idset_add(&set, ids[i]), 1);
		for (size_t j = 0; j < MTLS_COUNT(ids); j++)
			assert_int_equal(mtls_idset_has(&set, ids[j]), j <= i);
	}
	assert_int_equal(mtls_idset_add(&set, 0x80000000), MTLS_E_BUG);
	assert_false(mtls_idset_has(&set, 0x80000000));
	mtls_idset_done(&set);
	assert_false(mtls_idset_has(&set, 1));
}

static void lists_of_names(void **state)
{
	(void)state;
	struct mtls_namelist list = { 0 };
	char name[MTLS_OWNED_NAME_MAX + 2];
	assert_false(mtls_namelist_has(&list, (struct mtls_acct_str){ "a", 1 }));
	for (int i = 0; i < 5000; i++) {
		int len = snprintf(name, sizeof(name), "n%06d%.*s", 2 * i, i % 26,
				   "abcdefghijklmnopqrstuvwxyz");
		const struct mtls_acct_str text = { name, (size_t)len };
		assert_int_equal(mtls_namelist_add(&list, text), 0);
		assert_int_equal(mtls_acct_str_compare(mtls_namelist_get(&list, i), text), 0);
	}
	for (int i = 0; i < 10000; i++) {
		int len = snprintf(name, sizeof(name), "n%06d%.*s", i, i / 2 % 26,
				   "abcdefghijklmnopqrstuvwxyz");
		const struct mtls_acct_str text = { name, (size_t)len };
		assert_int_equal(mtls_namelist_has(&list, text), i % 2 == 0);
	}
	memset(name, 'x', sizeof(name));
	assert_int_equal(mtls_namelist_add(&list, (struct mtls_acct_str){ name, 33 }),
			 MTLS_E_LIMIT);
	assert_int_equal(mtls_namelist_add(&list, (struct mtls_acct_str){ name, 32 }), 0);
	size_t count = list.count;
	list.count = MTLS_NAMELIST_MAX;
	assert_int_equal(mtls_namelist_add(&list, (struct mtls_acct_str){ name, 32 }),
			 MTLS_E_LIMIT);
	list.count = count;
	mtls_namelist_done(&list);
	assert_int_equal(list.count, 0);
}

/* Sums of memberships: any order is the same, any other set is not, other secrets differ. */
static void sums_of_memberships(void **state)
{
	(void)state;
	const struct mtls_acct_str a = { "alice", 5 }, b = { "bob", 3 };
	uint64_t sum = mtls_acct_membership(a, 1000, 7) + mtls_acct_membership(b, 1001, 7);
	assert_true(sum == mtls_acct_membership(b, 1001, 7) + mtls_acct_membership(a, 1000, 7));
	assert_true(sum != mtls_acct_membership(a, 1001, 7) + mtls_acct_membership(b, 1000, 7));
	assert_true(sum != mtls_acct_membership(a, 1000, 7));
	assert_true(sum != mtls_acct_membership(a, 1000, 8) + mtls_acct_membership(b, 1001, 8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_was_said),
		cmocka_unit_test(same_accounts_same_bytes),
		cmocka_unit_test(without_memory),
		cmocka_unit_test(without_room),
		cmocka_unit_test(without_random_numbers),
		cmocka_unit_test(sets_of_ids),
		cmocka_unit_test(lists_of_names),
		cmocka_unit_test(sums_of_memberships),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
