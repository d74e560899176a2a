/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Snapshots taken over by the store: of both formats, as a whole into a new store; and only the ids
 * into one that is older than the snapshot.
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

#include "tests/unit/store_help.h"

#define KEY_A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static uint64_t commit(struct store *store)
{
	uint64_t generation = 0;
	OK(store_commit(store, &generation, WHY));
	return generation;
}

static uint32_t add_user(struct store *store, const char *name, uint32_t gid)
{
	const struct store_user_spec spec = {
		.name = name, .gecos = "G", .home = "/home/x", .shell = "/bin/sh", .gid = gid
	};
	uint32_t uid;
	OK(store_add_user(store, &spec, &uid, WHY));
	return uid;
}

static void add_source(struct store *store)
{
	static const char passwd[] = "xena:*:5500:5600::/h:/s\nyan:*:5501:5501::/h:/s\n",
			  group[] = "devs:*:5600:yan,alice\n";
	struct mtls_roster roster = { 0 };
	OK(mtls_roster_passwd("p", (const uint8_t *)passwd, strlen(passwd), &roster, WHY));
	OK(mtls_roster_group("g", (const uint8_t *)group, strlen(group), &roster, WHY));
	OK(store_set_source(store, "corp", &roster, WHY));
	OK(store_merge(store, 1, WHY));
	mtls_roster_done(&roster);
}

/* Something of every kind. */
static void populate(struct store *store)
{
	uint32_t id;
	OK(store_begin(store, WHY));
	OK(store_add_group(store, "crew", 5100, &id, WHY));
	(void)add_user(store, "alice", 0);
	(void)add_user(store, "bob", 5100);
	(void)add_user(store, "carol", 0);
	OK(store_add_group(store, "gone", 0, &id, WHY));
	OK(store_add_member(store, "crew", "alice", WHY));
	OK(store_bind(store, KEY_A, "bob", WHY));
	OK(store_bind(store, KEY_A, "elsewhere", WHY));
	OK(store_remove_user(store, "carol", 7, &id, WHY));
	OK(store_remove_group(store, "gone", 8, &id, WHY));
	add_source(store);
	(void)commit(store);
}

static char *without_sources(const char *text)
{
	char *copy = strdup(text);
	assert_non_null(copy);
	char *line = strstr(copy, "source ");
	if (line)
		memmove(line, strchr(line, '\n') + 1, strlen(strchr(line, '\n') + 1) + 1);
	for (char *at = copy; (at = strstr(at, " from 1")); at++)
		at[6] = '0';
	return copy;
}

static void takes_over_format_2(void **state)
{
	char *folder = help_folder(), *other = help_folder();
	struct store *from = help_open(folder), *to = help_open(other);
	struct mtls_diag diag = { 0 };
	struct mtls_acctdb db;
	(void)state;
	populate(from);
	help_snapshot(from, &db);
	assert_int_equal(db.header.format, 2);
	OK(store_import_snapshot(to, &db, WHY));
	char *text = help_text(from, false), *right = without_sources(text);
	char *got = help_text(to, false);
	assert_string_equal(got, right);
	OK(store_check_snapshot(to, &db, WHY));
	/* Once. */
	assert_int_equal(store_import_snapshot(to, &db, &diag), MTLS_E_EXISTS);
	assert_non_null(strstr(diag.text, "holds something already"));
	store_close(to);
	to = help_open(other);
	free(got);
	got = help_text(to, false);
	assert_string_equal(got, right);
	/* And goes on where the other was. */
	OK(store_begin(from, WHY));
	OK(store_begin(to, WHY));
	assert_int_equal(add_user(to, "next", 0), add_user(from, "next", 0));
	assert_int_equal(commit(to), commit(from));
	mtls_acctdb_close(&db);
	store_close(from);
	store_close(to);
	help_remove(folder);
	help_remove(other);
	free(text);
	free(right);
	free(got);
}

static char *read_format_1(size_t *ret_len)
{
	const char *top = getenv("top_srcdir");
	char path[512];
	(void)snprintf(path, sizeof(path), "%s/tests/nss/format1.cdb", top ? top : "..");
	char *data = help_read(path, ret_len);
	assert_non_null(data);
	return data;
}

/* Of the file, as its writer was told to write it. */
static const char *const format_1_lines[] = {
	"next 2000200029 2000200029\n",
	"\nstone u 2000200016 user-07 1700000001\n",
	"\nstone g 2000200008 gone 1700000002\n",
	"\nuser alice 2000200001:2000200001 from 0 A Person /home/alice /bin/sh +2000200003",
	"\nuser dave 2000200006:2000200006 from 0 A Person /srv/dave /bin/sh\n",
	"\nuser zoe 2100000000:2100000000 from 0 Zoë € /home/zoë /bin/bash +2000200003\n",
	"\nmembers 2000200007\n",
	"\nmembers 2000200003 alice zoe\n",
	"\nbind issuer-serial:4d:CN=CA,O=Example bob\n",
	"\nbind subject:CN=Mixed alice local.user\n",
};

static void takes_over_format_1(void **state)
{
	char *folder = help_folder();
	struct store *store = help_open(folder);
	struct mtls_acctdb db;
	size_t len;
	char *data = read_format_1(&len);
	(void)state;
	OK(mtls_acctdb_open_memory(&db, data, len));
	assert_int_equal(db.header.format, 1);
	OK(store_import_snapshot(store, &db, WHY));
	char *text = help_text(store, false);
	for (size_t i = 0; i < MTLS_COUNT(format_1_lines); i++)
		if (!strstr(text, format_1_lines[i]))
			fail_msg("missing: %s", format_1_lines[i]);
	struct store_counts counts;
	OK(store_counts(store, &counts, WHY));
	assert_int_equal(counts.users, db.header.users);
	/* Format 1 counts the private groups, and all of its users have one. */
	assert_int_equal(counts.groups + counts.users, db.header.groups);
	assert_int_equal(counts.bindings, db.header.bindings);
	assert_int_equal(counts.tombstones, db.header.tombstones);
	assert_int_equal(counts.generation, db.header.serial);
	free(text);
	free(data);
	store_close(store);
	help_remove(folder);
}

static char *format_1_taken_over(const char *data, size_t len)
{
	char *folder = help_folder();
	struct store *store = help_open(folder);
	struct mtls_acctdb db;
	OK(mtls_acctdb_open_memory(&db, data, len));
	OK(store_import_snapshot(store, &db, WHY));
	char *text = help_text(store, false);
	store_close(store);
	help_remove(folder);
	return text;
}

/* Whatever a snapshot is like: taken over as it was, or refused with nothing done. */
static void damaged_snapshots_are_refused(void **state)
{
	char *folder = help_folder();
	struct store *store = help_open(folder);
	unsigned int seed = 3;
	int refused = 0;
	size_t len;
	char *data = read_format_1(&len);
	char *empty = help_text(store, false), *right = format_1_taken_over(data, len);
	(void)state;
	for (int i = 0; i < 600; i++) {
		struct mtls_acctdb db;
		struct mtls_diag diag = { 0 };
		/* Records begin behind 2048 bytes of table. */
		size_t at = i % 8 ? 2048 + (size_t)rand_r(&seed) % (len - 2048)
				  : (size_t)rand_r(&seed) % 2048;
		char before = data[at];
		data[at] = (char)(before ^ (1 << rand_r(&seed) % 8));
		int r = mtls_acctdb_open_memory(&db, data, len);
		if (r >= 0)
			r = store_import_snapshot(store, &db, &diag);
		data[at] = before;
		if (r >= 0) {
			char *text = help_text(store, false);
			assert_string_equal(text, right);
			free(text);
			store_close(store);
			help_remove(folder);
			folder = help_folder();
			store = help_open(folder);
			continue;
		}
		refused++;
		char *text = help_text(store, false);
		assert_string_equal(text, empty);
		free(text);
	}
	assert_true(refused > 200);
	free(empty);
	free(right);
	free(data);
	store_close(store);
	help_remove(folder);
}

/* An old backup of the store under a snapshot that knows more. */
static void catches_up(void **state)
{
	char *folder = help_folder();
	struct store *store = help_open(folder);
	struct mtls_diag diag = { 0 };
	struct mtls_acctdb db;
	uint32_t id;
	uint64_t barred = 0;
	(void)state;
	populate(store);
	OK(store_begin(store, WHY));
	OK(store_add_group(store, "crowd", 0, &id, WHY));
	OK(store_add_member(store, "crowd", "bob", WHY));
	OK(store_bind(store, KEY_A, "alice", WHY));
	assert_int_equal(commit(store), 3);
	store_close(store);
	help_copy(help_path(folder, "store.db"), help_path(folder, "backup"));

	store = help_open(folder);
	OK(store_begin(store, WHY));
	uint32_t dora = add_user(store, "dora", 0), eve = add_user(store, "eve", 0), fans, alice;
	OK(store_add_group(store, "fans", 0, &fans, WHY));
	OK(store_remove_user(store, "eve", 9, &id, WHY));
	OK(store_remove_user(store, "alice", 9, &alice, WHY));
	OK(store_remove_group(store, "crowd", 9, &id, WHY));
	assert_int_equal(commit(store), 4);
	help_snapshot(store, &db);
	OK(store_check_snapshot(store, &db, WHY));
	store_close(store);

	help_copy(help_path(folder, "backup"), help_path(folder, "store.db"));
	store = help_open(folder);
	assert_int_equal(store_check_snapshot(store, &db, &diag), MTLS_E_DENIED);
	assert_non_null(strstr(diag.text, "mtls-accountd --catch-up"));
	char *text = help_text(store, true);
	OK(store_catch_up(store, &db, 99, &barred, WHY));
	/* dora and eve as user and group, fans; alice and her group, crowd. */
	assert_int_equal(barred, 7);
	OK(store_check_snapshot(store, &db, WHY));
	assert_false(store_has_user(store, "alice"));
	assert_false(store_has_user(store, "dora"));
	assert_false(store_has_group(store, "crowd"));
	OK(store_begin(store, WHY));
	uint32_t next = add_user(store, "dora", 0);
	assert_true(next > fans && fans > eve && eve > dora);
	const uint32_t bars[] = { dora, eve, fans };
	for (size_t i = 0; i < MTLS_COUNT(bars); i++) {
		const struct store_user_spec spec = {
			.name = "fred", .home = "/", .shell = "/s", .uid = bars[i]
		};
		assert_int_equal(store_add_user(store, &spec, &id, &diag), MTLS_E_DENIED);
	}
	/* Nor is their certificate anybody's. */
	(void)add_user(store, "alice", 0);
	assert_int_equal(commit(store), 6);
	free(text);
	/* Again: nothing is left to do. */
	OK(store_catch_up(store, &db, 99, &barred, WHY));
	assert_int_equal(barred, 0);
	free(help_text(store, false));
	mtls_acctdb_close(&db);
	store_close(store);
	help_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_over_format_2),
		cmocka_unit_test(takes_over_format_1),
		cmocka_unit_test(damaged_snapshots_are_refused),
		cmocka_unit_test(catches_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
