/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records and file of the snapshot: what is encoded is decoded, up to the limits and not beyond;
 * a snapshot that is cut or changed anywhere gives no untrue answer; who may own the file.
 */
#include <config.h>

#include <endian.h>
#include <ftw.h>
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
#include "lib/base/file.h"
#include "tests/nss/people.h"

#define W   MTLS_ID_WINDOW_MIN
#define KEY "spki-sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static const struct mtls_id_rules rules = { .window = { MTLS_ID_WINDOW_MIN, MTLS_ID_WINDOW_MAX } };

static void assert_str(struct mtls_acct_str got, const char *want)
{
	if (!mtls_acct_str_eq(got, want, strlen(want)))
		fail_msg("'%.*s', expected '%s'", (int)got.len, got.data, want);
}

/* alice (crew), bob; a binding of alice; a source, a tombstone. */
static struct people *two_people(void)
{
	struct people *p = people_new();
	uint8_t corp = people_source(p, "corp");
	(void)people_user(p, "alice");
	(void)people_add(p, &(struct people_user){ .name = "bob", .source = corp });
	(void)people_group(p, "crew", W + 2, 0);
	people_join(p, "crew", "alice");
	people_bind(p, KEY, "alice");
	people_tombstone(p, false, W + 9, "gone");
	return p;
}

static void make_snapshot(struct mtls_buf *out)
{
	_cleanup_(people_freep) struct people *people = two_people();
	_cleanup_close_ int fd = memfd_create("snapshot", MFD_CLOEXEC);
	struct mtls_diag diag = { "" };
	if (fd < 0 || people_write(people, fd, &diag) < 0)
		fail_msg("%s", diag.text);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(mtls_fd_read_all(fd, out), 0);
}

/* Whatever is found is what was written; what was not written is not found. */
static void look_around(const struct mtls_acctdb *db, size_t *found)
{
	struct mtls_acct_user user;
	struct mtls_acct_group group;
	struct mtls_acct_names names;
	struct mtls_acct_ids ids;
	struct mtls_acct_str source;
	struct mtls_acct_tombstone stone;
	if (mtls_acctdb_user_by_name(db, "alice", 5, &user) == 0 && ++*found) {
		assert_int_equal(user.uid, W);
		assert_int_equal(user.gid, W);
		assert_str(user.home, "/home/alice");
	}
	if (mtls_acctdb_user_by_uid(db, W + 1, &user) == 0 && ++*found) {
		assert_str(user.name, "bob");
		assert_int_equal(user.source, 1);
	}
	if (mtls_acctdb_group_by_name(db, "crew", 4, &group) == 0 && ++*found)
		assert_int_equal(group.gid, W + 2);
	if (mtls_acctdb_group_by_gid(db, W, &group) == 0 && ++*found)
		assert_str(group.name, "alice");
	if (mtls_acctdb_user_groups(db, "alice", 5, &ids) == 0 && ++*found) {
		assert_int_equal(ids.count, 1);
		assert_int_equal(mtls_acct_ids_get(&ids, 0), W + 2);
	}
	if (mtls_acctdb_binding(db, KEY, strlen(KEY), &names) == 0 && ++*found)
		assert_int_equal(names.count, 1);
	if (mtls_acctdb_source(db, 1, &source) == 0 && ++*found)
		assert_str(source, "corp");
	if (mtls_acctdb_tombstone(db, false, W + 9, &stone) == 0 && ++*found)
		assert_str(stone.name, "gone");
	assert_int_not_equal(mtls_acctdb_user_by_name(db, "carol", 5, &user), 0);
	assert_int_not_equal(mtls_acctdb_user_by_name(db, "crew", 4, &user), 0);
	assert_int_not_equal(mtls_acctdb_user_by_uid(db, W + 2, &user), 0);
	assert_int_not_equal(mtls_acctdb_tombstone(db, true, W + 9, &stone), 0);
	assert_int_not_equal(mtls_acctdb_source(db, 2, &source), 0);
}

static void walk_around(const struct mtls_acctdb *db)
{
	struct mtls_acctdb_cursor users = { 0 }, groups = { 0 };
	struct mtls_acct_user user;
	struct mtls_acct_group group;
	size_t count = 0;
	int r;
	while ((r = mtls_acctdb_next_user(db, &users, &user)) != MTLS_E_NOTFOUND) {
		if (r == 0)
			assert_true(user.uid == W || user.uid == W + 1);
		assert_true(++count < 50);
	}
	while ((r = mtls_acctdb_next_group(db, &groups, &group)) != MTLS_E_NOTFOUND) {
		if (r == 0)
			assert_in_range(group.gid, W, W + 2);
		assert_true(++count < 50);
	}
}

static void damage_is_no_answer(void **state)
{
	(void)state;
	enum { LOOKS = 8 };
	struct mtls_buf file = MTLS_BUF(1 << 20);
	struct mtls_acctdb db;
	size_t found = 0, opened = 0;
	make_snapshot(&file);
	assert_int_equal(mtls_acctdb_open_memory(&db, file.data, file.len), 0);
	look_around(&db, &found);
	assert_int_equal(found, LOOKS);
	walk_around(&db);
	for (size_t len = 0; len < file.len; len++) {
		uint8_t *cut = malloc(len ? len : 1); /* exact, so that ASan sees a read past it */
		assert_non_null(cut);
		memcpy(cut, file.data, len);
		assert_int_not_equal(mtls_acctdb_open_memory(&db, cut, len), 0);
		free(cut);
	}
	unsigned int seed = 3;
	found = 0;
	for (size_t at = 0; at < file.len; at++) {
		uint8_t was = file.data[at];
		file.data[at] ^= (uint8_t)(1 + rand_r(&seed) % 255);
		if (mtls_acctdb_open_memory(&db, file.data, file.len) == 0) {
			opened++;
			look_around(&db, &found);
			walk_around(&db);
		}
		file.data[at] = was;
	}
	/* one byte costs one answer or two, not all; and it does cost some */
	assert_true(opened > 500 && found > (LOOKS - 2) * opened && found < LOOKS * opened);
	mtls_buf_done(&file);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void who_may_own_it(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		mode_t folder, file;
		int want;
	} rows[] = {
		{ "ours", 0755, 0644, 0 },
		{ "ours alone", 0700, 0600, 0 },
		{ "the group may write", 0755, 0664, MTLS_E_UNTRUSTED },
		{ "all may write", 0755, 0646, MTLS_E_UNTRUSTED },
		{ "the group may write beside it", 0775, 0644, MTLS_E_UNTRUSTED },
		{ "all may write beside it", 0757, 0644, MTLS_E_UNTRUSTED },
		{ "all may, and a sticky bit", 01777, 0644, MTLS_E_UNTRUSTED },
	};
	struct mtls_buf file = MTLS_BUF(1 << 20);
	struct mtls_acctdb db;
	char folder[] = "snapshot.XXXXXX", path[64], other[64];
	make_snapshot(&file);
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/accounts.cdb", folder);
	(void)snprintf(other, sizeof(other), "%s/link.cdb", folder);
	const struct mtls_file_mode mode = { .mode = 0644, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	assert_int_equal(mtls_file_replace(path, file.data, file.len, &mode, NULL), 0);
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		assert_int_equal(chmod(folder, rows[i].folder), 0);
		assert_int_equal(chmod(path, rows[i].file), 0);
		int r = mtls_acctdb_open(&db, path, geteuid(), NULL);
		if (r != rows[i].want)
			fail_msg("%s: %d", rows[i].name, r);
		if (r == 0)
			mtls_acctdb_close(&db);
	}
	assert_int_equal(chmod(folder, 0755), 0);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(symlink("accounts.cdb", other), 0);
	assert_int_not_equal(mtls_acctdb_open(&db, other, geteuid(), NULL), 0);
	if (geteuid() == 0)
		assert_int_equal(chown(path, 4711, 0), 0);
	/* nobody's but root's and the owner's that was named */
	assert_int_equal(mtls_acctdb_open(&db, path, 4712, NULL), MTLS_E_UNTRUSTED);
	assert_int_equal(nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
	mtls_buf_done(&file);
}

/* A string of @len letters. */
static struct mtls_acct_str letters(size_t len)
{
	static char text[512];
	memset(text, 'x', sizeof(text));
	return (struct mtls_acct_str){ text, len };
}

static void limits_of_encoders(void **state)
{
	(void)state;
	static uint8_t packed[33 * (MTLS_ACCTDB_MEMBERS_MAX + 1)];
	struct mtls_acct_str sources[MTLS_ACCTDB_SOURCES_MAX + 1];
	const struct mtls_acct_str good = letters(5), most = letters(MTLS_ACCTDB_FIELD_MAX);
	const struct mtls_acct_str more = letters(MTLS_ACCTDB_FIELD_MAX + 1);
	for (size_t i = 0; i < MTLS_COUNT(sources); i++)
		sources[i] = good;
	const struct mtls_acct_ids ids = { MTLS_ACCTDB_GROUPS_MAX, packed };
	const struct mtls_acct_ids more_ids = { MTLS_ACCTDB_GROUPS_MAX + 1, packed };
	const struct mtls_acct_names names = { MTLS_ACCTDB_NAMES_MAX, packed, 64 };
	const struct mtls_acct_names more_names = { MTLS_ACCTDB_NAMES_MAX + 1, packed, 64 };
	const struct mtls_acct_names long_names = { 1, packed, MTLS_ACCTDB_VALUE_MAX + 1 };
	const struct mtls_acct_names members = { MTLS_ACCTDB_MEMBERS_MAX, packed, sizeof(packed) };
	const struct mtls_acct_names more_members = { MTLS_ACCTDB_MEMBERS_MAX + 1, packed, 64 };
	struct mtls_acct_header header = { .format = 2, .ids = rules };
	struct mtls_acct_user users[] = { { W, W, 0, most, most, most, most },
					  { W, W, 0, more, good, good, good },
					  { W, W, 0, good, more, good, good },
					  { W, W, 0, good, good, more, good },
					  { W, W, 0, good, good, good, more } };
	struct mtls_acct_group groups[] = { { W, 0, most, members },
					    { W, 0, more, names },
					    { W, 0, good, more_members },
					    { W, 0, good, long_names } };
	struct mtls_acct_tombstone stones[] = { { .name = most }, { .name = more } };
	struct mtls_buf out = MTLS_BUF(MTLS_ACCTDB_VALUE_MAX);

	for (size_t i = 0; i < MTLS_COUNT(users); i++)
		assert_int_equal(mtls_acct_user_encode(&users[i], &ids, &out),
				 i ? MTLS_E_LIMIT : 0);
	assert_int_equal(mtls_acct_user_encode(&users[0], NULL, &out), 0);
	assert_int_equal(mtls_acct_user_encode(&users[0], &more_ids, &out), MTLS_E_LIMIT);
	for (size_t i = 0; i < MTLS_COUNT(groups); i++)
		assert_int_equal(mtls_acct_group_encode(&groups[i], &out), i ? MTLS_E_LIMIT : 0);
	for (size_t i = 0; i < MTLS_COUNT(stones); i++)
		assert_int_equal(mtls_acct_tombstone_encode(&stones[i], &out),
				 i ? MTLS_E_LIMIT : 0);
	assert_int_equal(mtls_acct_binding_encode(&names, &out), 0);
	assert_int_equal(mtls_acct_binding_encode(&more_names, &out), MTLS_E_LIMIT);
	assert_int_equal(mtls_acct_binding_encode(&long_names, &out), MTLS_E_LIMIT);
	assert_int_equal(mtls_acct_sources_encode(sources, MTLS_ACCTDB_SOURCES_MAX, &out), 0);
	assert_int_equal(mtls_acct_sources_encode(sources, MTLS_ACCTDB_SOURCES_MAX + 1, &out),
			 MTLS_E_LIMIT);
	sources[3] = letters(MTLS_ACCTDB_SOURCE_MAX + 1);
	assert_int_equal(mtls_acct_sources_encode(sources, 4, &out), MTLS_E_LIMIT);
	header.ids.foreign_count = MTLS_ID_FOREIGN_MAX;
	assert_int_equal(mtls_acct_header_encode(&header, &out), 0);
	header.ids.foreign_count++;
	assert_int_equal(mtls_acct_header_encode(&header, &out), MTLS_E_LIMIT);
	assert_int_equal(out.err, 0);
	mtls_buf_done(&out);
}

/* No room: each of them says so, and a full buffer stays full. */
static void full_buffers(void **state)
{
	(void)state;
	const struct mtls_acct_header header = { .format = 2, .ids = rules };
	const struct mtls_acct_next next = { W, W };
	const struct mtls_acct_user user = { .name = letters(5) };
	const struct mtls_acct_group group = { .name = letters(5) };
	const struct mtls_acct_names names = { 1, (const uint8_t *)"\1x", 2 };
	const struct mtls_acct_tombstone stone = { .name = letters(5) };
	const struct mtls_acct_str source = letters(5);
	struct mtls_buf out[7] = { 0 };
	for (size_t i = 0; i < MTLS_COUNT(out); i++)
		mtls_buf_init(&out[i], 3, false);
	assert_int_equal(mtls_acct_header_encode(&header, &out[0]), MTLS_E_LIMIT);
	assert_int_equal(mtls_acct_next_encode(&next, &out[1]), MTLS_E_LIMIT);
	assert_int_equal(mtls_acct_user_encode(&user, NULL, &out[2]), MTLS_E_LIMIT);
	assert_int_equal(mtls_acct_group_encode(&group, &out[3]), MTLS_E_LIMIT);
	assert_int_equal(mtls_acct_binding_encode(&names, &out[4]), MTLS_E_LIMIT);
	assert_int_equal(mtls_acct_tombstone_encode(&stone, &out[5]), MTLS_E_LIMIT);
	assert_int_equal(mtls_acct_sources_encode(&source, 1, &out[6]), MTLS_E_LIMIT);
	for (size_t i = 0; i < MTLS_COUNT(out); i++) {
		assert_int_equal(out[i].len, 0);
		assert_int_equal(mtls_acct_seal("k", 1, &out[i]), MTLS_E_LIMIT);
		mtls_buf_done(&out[i]);
	}
}

static void versions(void **state)
{
	(void)state;
	struct mtls_buf out = MTLS_BUF(MTLS_ACCTDB_VALUE_MAX);
	for (uint32_t format = 0; format < 5; format++) {
		struct mtls_acct_header got,
			header = { .format = format, .ids = rules, .no_enumeration = format == 2 };
		mtls_buf_reset(&out);
		assert_int_equal(mtls_acct_header_encode(&header, &out), 0);
		bool known = format >= MTLS_ACCTDB_FORMAT_OLDEST && format <= MTLS_ACCTDB_FORMAT;
		assert_int_equal(mtls_acct_header_decode(out.data, out.len, &got),
				 known ? 0 : MTLS_E_VERSION);
		if (known)
			assert_int_equal(got.no_enumeration, format == 2);
	}
	assert_true(MTLS_ACCTDB_FORMAT - MTLS_ACCTDB_FORMAT_OLDEST <= 1);
	mtls_buf_done(&out);
}

static void limits_of_keys(void **state)
{
	(void)state;
	static char text[MTLS_KEY_MAX + 1];
	static uint8_t binding[MTLS_ACCT_BINDING_KEY_MAX];
	struct mtls_acct_key key;
	memset(text, 'x', sizeof(text));
	assert_int_equal(mtls_acct_key_binding(text, MTLS_KEY_MAX, binding), 1 + MTLS_KEY_MAX);
	assert_int_equal(mtls_acct_key_binding(text, MTLS_KEY_MAX + 1, binding), MTLS_E_LIMIT);
	assert_int_equal(mtls_acct_key_name('u', text, MTLS_OWNED_NAME_MAX, &key), 0);
	assert_int_equal(mtls_acct_key_name('u', text, MTLS_OWNED_NAME_MAX + 1, &key),
			 MTLS_E_LIMIT);
}

static uint32_t number_at(const uint8_t *p)
{
	uint32_t value;
	memcpy(&value, p, sizeof(value));
	return le32toh(value);
}

/* As in PROTOCOL.md, not the reader's own. */
static uint32_t hash_of(const char *key)
{
	uint32_t hash = 5381;
	for (const char *c = key; *c; c++)
		hash = (hash * 33) ^ (uint8_t)*c;
	return hash;
}

static void put_number(uint8_t *p, uint32_t value)
{
	value = htole32(value);
	memcpy(p, &value, sizeof(value));
}

/*
 * @file with another table for @key: @slots, all of which have its hash and lead to the first
 * record, which has another key.
 */
static uint8_t *crowded(const struct mtls_buf *file, const char *key, uint32_t slots, size_t *ret)
{
	uint32_t hash = hash_of(key), at = number_at(file->data);
	size_t size = file->len + (size_t)slots * 8;
	uint8_t *out = calloc(1, size);
	assert_non_null(out);
	memcpy(out, file->data, at);
	for (uint32_t i = 0; i < 256; i++) {
		const uint8_t *entry = file->data + (size_t)i * 8;
		uint32_t count = number_at(entry + 4);
		memcpy(out + at, file->data + number_at(entry), (size_t)count * 8);
		count = i == hash % 256 ? slots : count;
		for (uint32_t n = 0; i == hash % 256 && n < slots; n++) {
			put_number(out + at + (size_t)n * 8, hash);
			put_number(out + at + (size_t)n * 8 + 4, 2048);
		}
		put_number(out + (size_t)i * 8, at);
		put_number(out + (size_t)i * 8 + 4, count);
		at += count * 8;
	}
	*ret = at;
	return out;
}

/* However long a table is, a lookup ends soon. */
static void a_table_without_an_end(void **state)
{
	static const struct {
		uint32_t slots;
		int want;
	} rows[] = { { 0, MTLS_E_NOTFOUND },
		     { 1000, MTLS_E_NOTFOUND },
		     { 1U << 20, MTLS_E_NOTFOUND },
		     { (1U << 20) + 1, MTLS_E_CORRUPT },
		     { 1U << 22, MTLS_E_CORRUPT } };
	struct mtls_buf file = MTLS_BUF(1 << 20);
	(void)state;
	make_snapshot(&file);
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct mtls_acctdb db;
		struct mtls_acct_user user;
		size_t size;
		uint8_t *data = crowded(&file, "uzzz", rows[i].slots, &size);
		assert_int_equal(mtls_acctdb_open_memory(&db, data, size), 0);
		assert_int_equal(mtls_acctdb_user_by_name(&db, "zzz", 3, &user), rows[i].want);
		mtls_acctdb_close(&db);
		free(data);
	}
	mtls_buf_done(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damage_is_no_answer),
		cmocka_unit_test(who_may_own_it),
		cmocka_unit_test(limits_of_encoders),
		cmocka_unit_test(full_buffers),
		cmocka_unit_test(versions),
		cmocka_unit_test(limits_of_keys),
		cmocka_unit_test(a_table_without_an_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
