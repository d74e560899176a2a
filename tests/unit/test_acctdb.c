/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The snapshot: what goes in comes out; limits; ids are never used twice; damage is never an
 * answer; a writer that dies at any step leaves the old file or the new one.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/acctdb/encode1.h"
#include "lib/acctdb/writer.h"
#include "lib/base/file.h"
#include "lib/base/str.h"

#define KEY_A "spki-sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define KEY_B "sha256:ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"
#define KEY_C "subject:CN=Alice,O=Example"

static const struct mtls_id_window window = { MTLS_ID_WINDOW_MIN, MTLS_ID_WINDOW_MAX };

struct place {
	char folder[64];
	char path[128];
	char gen[128];
	struct mtls_acctdb_place at;
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	assert_non_null(p);
	strcpy(p->folder, "acctdb.XXXXXX");
	assert_non_null(mkdtemp(p->folder));
	char *here = getcwd(NULL, 0);
	assert_non_null(here);
	_cleanup_free_ char *whole = NULL;
	assert_true(asprintf(&whole, "%s/%s", here, p->folder) > 0);
	free(here);
	assert_true(strlen(whole) < 100);
	(void)snprintf(p->path, sizeof(p->path), "%s/s/accounts.cdb", whole);
	(void)snprintf(p->gen, sizeof(p->gen), "%s/s/accounts.gen", whole);
	p->at = (struct mtls_acctdb_place){ .path = p->path, .owner = geteuid() };
	*state = p;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	struct place *p = *state;
	(void)nftw(p->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(p);
	return 0;
}

static void fails_with(int want, int got, const struct mtls_diag *diag, const char *name)
{
	if (got != want)
		fail_msg("%s: %d (%s), expected %d", name, got, mtls_diag_text(diag, got), want);
}

static struct mtls_acctdb_txn *begin(struct place *p, const struct mtls_local *local)
{
	struct mtls_acctdb_txn *txn = NULL;
	struct mtls_diag diag = { "" };
	fails_with(0, mtls_acctdb_begin(&p->at, &window, local, &txn, &diag), &diag, "begin");
	return txn;
}

static void commit(struct mtls_acctdb_txn *txn)
{
	struct mtls_diag diag = { "" };
	fails_with(0, mtls_acctdb_commit(txn, false, &diag), &diag, "commit");
	mtls_acctdb_txn_free(txn);
}

static int add(struct mtls_acctset *set, const char *name, uint32_t uid, uint32_t *ret_uid,
	       struct mtls_diag *diag)
{
	const struct mtls_acctset_spec spec = {
		.name = name, .gecos = "A Person", .home = "/home/x", .shell = "/bin/sh", .uid = uid
	};
	return mtls_acctset_add_user(set, &spec, ret_uid, diag);
}

static uint32_t must_add(struct mtls_acctset *set, const char *name)
{
	struct mtls_diag diag = { "" };
	uint32_t uid = 0;
	fails_with(0, add(set, name, 0, &uid, &diag), &diag, name);
	return uid;
}

static struct mtls_acctdb open_db(const struct place *p)
{
	struct mtls_acctdb db = { 0 };
	struct mtls_diag diag = { "" };
	fails_with(0, mtls_acctdb_open(&db, p->path, geteuid(), &diag), &diag, "open");
	return db;
}

static void assert_str(struct mtls_acct_str got, const char *want)
{
	if (!mtls_acct_str_eq(got, want, strlen(want)))
		fail_msg("'%.*s', expected '%s'", (int)got.len, got.data, want);
}

/* alice (in staffers), bob; two bindings, one of them with a foreign name. */
static void populate(struct place *p)
{
	struct mtls_acctdb_txn *txn = begin(p, NULL);
	struct mtls_acctset *set = mtls_acctdb_txn_set(txn);
	uint32_t gid;
	(void)must_add(set, "alice");
	(void)must_add(set, "bob");
	assert_int_equal(mtls_acctset_add_group(set, "staffers", &gid, NULL), 0);
	assert_int_equal(mtls_acctset_add_member(set, "staffers", "alice", NULL), 0);
	assert_int_equal(mtls_acctset_bind(set, KEY_A, "alice", NULL), 0);
	assert_int_equal(mtls_acctset_bind(set, KEY_C, "alice", NULL), 0);
	assert_int_equal(mtls_acctset_bind(set, KEY_C, "Foreign.User@corp", NULL), 0);
	commit(txn);
}

static void round_trip(void **state)
{
	struct place *p = *state;
	populate(p);
	struct mtls_acctdb db = open_db(p);
	struct mtls_acct_user user;
	struct mtls_acct_group group;
	struct mtls_acct_names names;
	struct mtls_acct_ids ids;
	struct mtls_acct_next next;
	struct mtls_acct_str name;
	size_t at = 0;

	assert_int_equal(db.header.users, 2);
	assert_int_equal(db.header.groups, 3);
	assert_int_equal(db.header.bindings, 2);
	assert_int_equal(db.header.serial, 1);
	assert_int_equal(mtls_acctdb_user_by_name(&db, "alice", 5, &user), 0);
	assert_int_equal(user.uid, MTLS_ID_WINDOW_MIN);
	assert_int_equal(user.gid, user.uid);
	assert_str(user.gecos, "A Person");
	assert_str(user.home, "/home/x");
	assert_str(user.shell, "/bin/sh");
	assert_int_equal(mtls_acctdb_user_by_uid(&db, user.uid + 1, &user), 0);
	assert_str(user.name, "bob");
	assert_int_equal(mtls_acctdb_group_by_name(&db, "bob", 3, &group), 0);
	assert_int_equal(group.gid, user.gid);
	assert_int_equal(group.members.count, 0);
	assert_int_equal(mtls_acctdb_group_by_gid(&db, MTLS_ID_WINDOW_MIN + 2, &group), 0);
	assert_str(group.name, "staffers");
	assert_int_equal(group.members.count, 1);
	assert_true(mtls_acct_names_next(&group.members, &at, &name));
	assert_str(name, "alice");
	assert_false(mtls_acct_names_next(&group.members, &at, &name));
	assert_int_equal(mtls_acctdb_user_groups(&db, "alice", 5, &ids), 0);
	assert_int_equal(ids.count, 1);
	assert_int_equal(mtls_acct_ids_get(&ids, 0), group.gid);
	assert_int_equal(mtls_acctdb_user_groups(&db, "bob", 3, &ids), 0);
	assert_int_equal(ids.count, 0);
	assert_int_equal(mtls_acctdb_binding(&db, KEY_C, strlen(KEY_C), &names), 0);
	assert_int_equal(names.count, 2);
	at = 0;
	assert_true(mtls_acct_names_next(&names, &at, &name));
	assert_str(name, "alice");
	assert_true(mtls_acct_names_next(&names, &at, &name));
	assert_str(name, "Foreign.User@corp");
	assert_int_equal(mtls_acctdb_next_ids(&db, &next), 0);
	assert_int_equal(next.uid, MTLS_ID_WINDOW_MIN + 3);
	assert_int_equal(next.gid, MTLS_ID_WINDOW_MIN + 3);

	static const struct {
		const char *name;
		size_t len;
	} absent[] = {
		{ "", 0 }, { "alic", 4 }, { "alicex", 6 }, { "alice\0", 6 }, { "Alice", 5 }
	};
	for (size_t i = 0; i < MTLS_COUNT(absent); i++) {
		const char *text = absent[i].name;
		size_t len = absent[i].len;
		assert_int_equal(mtls_acctdb_user_by_name(&db, text, len, &user), MTLS_E_NOTFOUND);
		assert_int_equal(mtls_acctdb_group_by_name(&db, text, len, &group),
				 MTLS_E_NOTFOUND);
		assert_int_equal(mtls_acctdb_user_groups(&db, text, len, &ids), MTLS_E_NOTFOUND);
		assert_int_equal(mtls_acctdb_binding(&db, text, len, &names), MTLS_E_NOTFOUND);
	}
	assert_int_equal(mtls_acctdb_user_by_uid(&db, 0, &user), MTLS_E_NOTFOUND);
	assert_int_equal(mtls_acctdb_group_by_gid(&db, UINT32_MAX, &group), MTLS_E_NOTFOUND);
	mtls_acctdb_close(&db);
}

static void removal_leaves_tombstones(void **state)
{
	struct place *p = *state;
	populate(p);
	struct mtls_acctdb_txn *txn = begin(p, NULL);
	struct mtls_acctset *set = mtls_acctdb_txn_set(txn);
	struct mtls_diag diag = { "" };
	uint32_t uid = 0;
	assert_int_equal(mtls_acctset_remove_user(set, "alice", 1234, NULL), 0);
	assert_int_equal(mtls_acctset_remove_user(set, "alice", 1234, NULL), MTLS_E_NOTFOUND);
	assert_true(mtls_acctset_former_user(set, "alice", &uid));
	assert_int_equal(uid, MTLS_ID_WINDOW_MIN);
	commit(txn);

	struct mtls_acctdb db = open_db(p);
	struct mtls_acct_user user;
	struct mtls_acct_group group;
	struct mtls_acct_names names;
	struct mtls_acct_ids ids;
	struct mtls_acct_tombstone stone;
	assert_int_equal(mtls_acctdb_user_by_name(&db, "alice", 5, &user), MTLS_E_NOTFOUND);
	assert_int_equal(mtls_acctdb_group_by_name(&db, "alice", 5, &group), MTLS_E_NOTFOUND);
	assert_int_equal(mtls_acctdb_user_by_uid(&db, uid, &user), MTLS_E_NOTFOUND);
	assert_int_equal(mtls_acctdb_group_by_gid(&db, uid, &group), MTLS_E_NOTFOUND);
	assert_int_equal(mtls_acctdb_user_groups(&db, "alice", 5, &ids), MTLS_E_NOTFOUND);
	assert_int_equal(mtls_acctdb_group_by_name(&db, "staffers", 8, &group), 0);
	assert_int_equal(group.members.count, 0);
	assert_int_equal(mtls_acctdb_binding(&db, KEY_A, strlen(KEY_A), &names), MTLS_E_NOTFOUND);
	assert_int_equal(mtls_acctdb_binding(&db, KEY_C, strlen(KEY_C), &names), 0);
	assert_int_equal(names.count, 1);
	assert_int_equal(mtls_acctdb_tombstone(&db, false, uid, &stone), 0);
	assert_int_equal(stone.time, 1234);
	assert_str(stone.name, "alice");
	assert_int_equal(mtls_acctdb_tombstone(&db, true, uid, &stone), 0);
	assert_int_equal(mtls_acctdb_tombstone(&db, true, uid + 1, &stone), MTLS_E_NOTFOUND);
	mtls_acctdb_close(&db);

	txn = begin(p, NULL);
	set = mtls_acctdb_txn_set(txn);
	fails_with(MTLS_E_DENIED, add(set, "carol", uid, &uid, &diag), &diag, "reused uid");
	assert_non_null(strstr(diag.text, "never given out again"));
	assert_int_equal(must_add(set, "alice"), MTLS_ID_WINDOW_MIN + 3);
	mtls_acctdb_txn_free(txn);
}

/* Ids that were used once do not come back, over many changes and as many files. */
static void never_reused(void **state)
{
	struct place *p = *state;
	enum { ROUNDS = 1000, PER_FILE = 25 };
	static uint8_t used[4 * ROUNDS];
	struct mtls_acctdb_txn *txn = begin(p, NULL);
	unsigned int seed = 7, live = 0;
	char name[32];

	memset(used, 0, sizeof(used));
	for (unsigned int i = 0; i < ROUNDS; i++) {
		struct mtls_acctset *set = mtls_acctdb_txn_set(txn);
		unsigned int pick = (unsigned int)rand_r(&seed) % 40;
		(void)snprintf(name, sizeof(name), "user%u", pick);
		if (mtls_acctset_user(set, name)) {
			assert_int_equal(mtls_acctset_remove_user(set, name, i, NULL), 0);
			live--;
		} else {
			/* now and then an id is asked for, ahead of the sequence */
			uint32_t wanted = pick % 5 ? 0 : MTLS_ID_WINDOW_MIN + 2 * ROUNDS + i, uid;
			assert_int_equal(add(set, name, wanted, &uid, NULL), 0);
			size_t slot = uid - MTLS_ID_WINDOW_MIN;
			assert_true(slot < sizeof(used));
			if (used[slot])
				fail_msg("uid %u was handed out twice (round %u)", uid, i);
			used[slot] = 1;
			live++;
		}
		if (i % PER_FILE == 0) {
			commit(txn);
			txn = begin(p, NULL);
		}
	}
	commit(txn);
	struct mtls_acctdb db = open_db(p);
	assert_int_equal(db.header.users, live);
	assert_int_equal(db.header.groups, live);
	assert_true(db.header.tombstones > ROUNDS / 2);
	mtls_acctdb_close(&db);
}

static void refuses_bad_users(void **state)
{
	static const char long_text[] =
		"/0123456789012345678901234567890123456789012345678901234567"
		"890123456789012345678901234567890123456789012345678901234567"
		"890123456789012345678901234567890123456789012345678901234567"
		"890123456789012345678901234567890123456789012345678901234567"
		"89012345678901234567";
	static const struct {
		const char *what;
		struct mtls_acctset_spec spec;
		int want;
	} rows[] = {
		/* clang-format off */
		{ "good", { "carol", "Carol", "/home/carol", "/bin/sh", 0 }, 0 },
		{ "good uid", { "carol", "", "/home/carol", "/bin/sh", 2000300000 }, 0 },
		{ "empty name", { "", "", "/h", "/s", 0 }, MTLS_E_DENIED },
		{ "upper case", { "Carol", "", "/h", "/s", 0 }, MTLS_E_SYNTAX },
		{ "digit first", { "1carol", "", "/h", "/s", 0 }, MTLS_E_SYNTAX },
		{ "colon", { "ca:rol", "", "/h", "/s", 0 }, MTLS_E_SYNTAX },
		{ "long name", { "abcdefghijklmnopqrstuvwxyzabcdefg", "", "/h", "/s", 0 }, MTLS_E_SYNTAX },
		{ "root", { "root", "", "/h", "/s", 0 }, MTLS_E_DENIED },
		{ "system name", { "_carol", "", "/h", "/s", 0 }, MTLS_E_DENIED },
		{ "group with rights", { "sudo", "", "/h", "/s", 0 }, MTLS_E_DENIED },
		{ "account of the set", { "alice", "", "/h", "/s", 0 }, MTLS_E_EXISTS },
		{ "group of the set", { "staffers", "", "/h", "/s", 0 }, MTLS_E_EXISTS },
		{ "local account", { "localuser", "", "/h", "/s", 0 }, MTLS_E_EXISTS },
		{ "local group", { "localgroup", "", "/h", "/s", 0 }, MTLS_E_EXISTS },
		{ "uid in use", { "carol", "", "/h", "/s", MTLS_ID_WINDOW_MIN }, MTLS_E_DENIED },
		{ "gid in use", { "carol", "", "/h", "/s", MTLS_ID_WINDOW_MIN + 2 }, MTLS_E_DENIED },
		{ "uid below", { "carol", "", "/h", "/s", MTLS_ID_WINDOW_MIN - 1 }, MTLS_E_DENIED },
		{ "uid above", { "carol", "", "/h", "/s", MTLS_ID_WINDOW_MAX + 1 }, MTLS_E_DENIED },
		{ "uid 1", { "carol", "", "/h", "/s", 1 }, MTLS_E_DENIED },
		{ "local uid", { "carol", "", "/h", "/s", 2000400000 }, MTLS_E_DENIED },
		{ "local gid", { "carol", "", "/h", "/s", 2000400001 }, MTLS_E_DENIED },
		{ "first subuid", { "carol", "", "/h", "/s", 2000500000 }, MTLS_E_DENIED },
		{ "last subuid", { "carol", "", "/h", "/s", 2000565535 }, MTLS_E_DENIED },
		{ "behind subuid", { "carol", "", "/h", "/s", 2000565536 }, 0 },
		{ "subgid", { "carol", "", "/h", "/s", 2000600000 }, MTLS_E_DENIED },
		{ "gecos colon", { "carol", "a:b", "/h", "/s", 0 }, MTLS_E_SYNTAX },
		{ "gecos newline", { "carol", "a\nb", "/h", "/s", 0 }, MTLS_E_SYNTAX },
		{ "gecos long", { "carol", long_text, "/h", "/s", 0 }, MTLS_E_SYNTAX },
		{ "home relative", { "carol", "", "h", "/s", 0 }, MTLS_E_SYNTAX },
		{ "home dots", { "carol", "", "/h/../etc", "/s", 0 }, MTLS_E_SYNTAX },
		{ "home long", { "carol", "", long_text, "/s", 0 }, MTLS_E_SYNTAX },
		{ "shell empty", { "carol", "", "/h", "", 0 }, MTLS_E_SYNTAX },
		{ "shell newline", { "carol", "", "/h", "/s\n", 0 }, MTLS_E_SYNTAX },
		/* clang-format on */
	};
	struct place *p = *state;
	assert_true(sizeof(long_text) > 256);
	assert_int_equal(mkdir("etc.test", 0755), 0);
	static const struct {
		const char *path, *text;
	} files[] = {
		{ "etc.test/passwd", "localuser:x:2000400000:100::/:/bin/sh\nbroken line\n" },
		{ "etc.test/group", "localgroup:x:2000400001:\n" },
		{ "etc.test/subuid", "# comment\nlocaluser:2000500000:65536\nnonsense\n" },
		{ "etc.test/subgid", "localuser:2000600000:10\n" },
	};
	for (size_t i = 0; i < MTLS_COUNT(files); i++) {
		FILE *f = fopen(files[i].path, "we");
		assert_non_null(f);
		assert_true(fputs(files[i].text, f) >= 0);
		assert_int_equal(fclose(f), 0);
	}
	_cleanup_(mtls_local_freep) struct mtls_local *local = NULL;
	assert_int_equal(mtls_local_load("etc.test", &local, NULL), 0);
	(void)nftw("etc.test", remove_one, 8, FTW_DEPTH | FTW_PHYS);

	populate(p);
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct mtls_acctdb_txn *txn = begin(p, local);
		struct mtls_diag diag = { "" };
		uint32_t uid;
		int r = mtls_acctset_add_user(mtls_acctdb_txn_set(txn), &rows[i].spec, &uid, &diag);
		fails_with(rows[i].want, r, &diag, rows[i].what);
		assert_int_equal(r < 0, diag.text[0] != '\0');
		mtls_acctdb_txn_free(txn);
	}
}

/* The publisher looks again: what became local since, or a window that was narrowed. */
static void publisher_checks_again(void **state)
{
	struct place *p = *state;
	static const struct {
		const char *what, *file, *text;
		struct mtls_id_window window;
		const char *why;
	} rows[] = {
		{ "good", "passwd", "", { MTLS_ID_WINDOW_MIN, MTLS_ID_WINDOW_MAX }, NULL },
		{ "name became local",
		  "passwd",
		  "bob:x:1000:1000::/:/bin/sh\n",
		  { MTLS_ID_WINDOW_MIN, MTLS_ID_WINDOW_MAX },
		  "'bob' is a local account" },
		{ "uid became local",
		  "passwd",
		  "bobby:x:2000200002:1000::/:/bin/sh\n",
		  { MTLS_ID_WINDOW_MIN, MTLS_ID_WINDOW_MAX },
		  "'bob' has a uid" },
		{ "group became local",
		  "group",
		  "staffers:x:1000:\n",
		  { MTLS_ID_WINDOW_MIN, MTLS_ID_WINDOW_MAX },
		  "'staffers' is a local group" },
		{ "gid became local",
		  "group",
		  "other:x:2000200003:\n",
		  { MTLS_ID_WINDOW_MIN, MTLS_ID_WINDOW_MAX },
		  "'staffers' has a gid" },
		{ "narrower window",
		  "passwd",
		  "",
		  { MTLS_ID_WINDOW_MIN + 1, MTLS_ID_WINDOW_MAX },
		  "'alice' breaks the rules" },
	};
	populate(p);
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		char path[64];
		assert_int_equal(mkdir("etc.pub", 0755), 0);
		(void)snprintf(path, sizeof(path), "etc.pub/%s", rows[i].file);
		FILE *f = fopen(path, "we");
		assert_non_null(f);
		assert_true(fputs(rows[i].text, f) >= 0);
		assert_int_equal(fclose(f), 0);
		_cleanup_(mtls_local_freep) struct mtls_local *local = NULL;
		assert_int_equal(mtls_local_load("etc.pub", &local, NULL), 0);
		(void)nftw("etc.pub", remove_one, 8, FTW_DEPTH | FTW_PHYS);

		struct mtls_acctdb_txn *txn = NULL;
		struct mtls_diag diag = { "" };
		assert_int_equal(mtls_acctdb_begin(&p->at, &rows[i].window, local, &txn, NULL), 0);
		int r = mtls_acctdb_commit(txn, true, &diag);
		fails_with(rows[i].why ? MTLS_E_DENIED : 0, r, &diag, rows[i].what);
		if (rows[i].why && !strstr(diag.text, rows[i].why))
			fail_msg("%s: '%s' lacks '%s'", rows[i].what, diag.text, rows[i].why);
		mtls_acctdb_txn_free(txn);
	}
	struct mtls_acctdb db = open_db(p);
	assert_int_equal(db.header.serial, 1); /* dry runs changed nothing */
	mtls_acctdb_close(&db);
}

static void bindings(void **state)
{
	static const struct {
		const char *what, *key, *name;
		int want;
	} rows[] = {
		{ "second name", KEY_A, "bob", 0 },
		{ "foreign name", KEY_B, "local.user", 0 },
		{ "same again", KEY_A, "alice", MTLS_E_EXISTS },
		{ "root", KEY_B, "root", MTLS_E_DENIED },
		{ "system account", KEY_B, "systemd-network", MTLS_E_DENIED },
		{ "not a name", KEY_B, "a b", MTLS_E_DENIED },
		{ "empty name", KEY_B, "", MTLS_E_DENIED },
		{ "no kind", "00", "bob", MTLS_E_SYNTAX },
		{ "not canonical", "subject:cn=Alice, O=Example", "bob", MTLS_E_SYNTAX },
		{ "upper-case digest",
		  "sha256:FFEEDDCCBBAA99887766554433221100FFEEDDCCBBAA99887766554433221100", "bob",
		  MTLS_E_SYNTAX },
		{ "opaque key", "mail:a@b", "bob", 0 },
		{ "opaque key, no value", "mail:", "bob", MTLS_E_SYNTAX },
	};
	struct place *p = *state;
	populate(p);
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct mtls_acctdb_txn *txn = begin(p, NULL);
		struct mtls_acctset *set = mtls_acctdb_txn_set(txn);
		struct mtls_diag diag = { "" };
		int r = mtls_acctset_bind(set, rows[i].key, rows[i].name, &diag);
		fails_with(rows[i].want, r, &diag, rows[i].what);
		mtls_acctdb_txn_free(txn);
	}
	struct mtls_acctdb_txn *txn = begin(p, NULL);
	struct mtls_acctset *set = mtls_acctdb_txn_set(txn);
	struct mtls_diag diag = { "" };
	char name[32];
	uint32_t uid;
	for (int i = 1; i < MTLS_ACCTDB_NAMES_MAX; i++) {
		(void)snprintf(name, sizeof(name), "n%d", i);
		assert_int_equal(mtls_acctset_bind(set, KEY_A, name, NULL), 0);
	}
	assert_int_equal(mtls_acctset_bind(set, KEY_A, "onemore", NULL), MTLS_E_LIMIT);
	/* an account of ours does not inherit another source's certificate */
	fails_with(MTLS_E_EXISTS, add(set, "n7", 0, &uid, &diag), &diag, "bound name");
	assert_int_equal(mtls_acctset_unbind(set, KEY_A, "nobody-here", NULL), MTLS_E_NOTFOUND);
	assert_int_equal(mtls_acctset_unbind(set, KEY_B, "alice", NULL), MTLS_E_NOTFOUND);
	for (int i = 1; i < MTLS_ACCTDB_NAMES_MAX; i++) {
		(void)snprintf(name, sizeof(name), "n%d", i);
		assert_int_equal(mtls_acctset_unbind(set, KEY_A, name, NULL), 0);
	}
	assert_int_equal(mtls_acctset_unbind(set, KEY_A, "alice", NULL), 0);
	commit(txn);
	struct mtls_acctdb db = open_db(p);
	assert_int_equal(db.header.bindings, 1);
	mtls_acctdb_close(&db);
}

static void groups_of_users(void **state)
{
	struct place *p = *state;
	populate(p);
	struct mtls_acctdb_txn *txn = begin(p, NULL);
	struct mtls_acctset *set = mtls_acctdb_txn_set(txn);
	uint32_t gid;
	char name[32];
	assert_int_equal(mtls_acctset_add_group(set, "alice", &gid, NULL), MTLS_E_EXISTS);
	assert_int_equal(mtls_acctset_add_group(set, "docker", &gid, NULL), MTLS_E_DENIED);
	assert_int_equal(mtls_acctset_add_member(set, "alice", "bob", NULL), MTLS_E_DENIED);
	assert_int_equal(mtls_acctset_add_member(set, "staffers", "alice", NULL), 0);
	assert_int_equal(mtls_acctset_add_member(set, "staffers", "nosuch", NULL), MTLS_E_NOTFOUND);
	for (int i = 0; i < 500; i++) {
		(void)snprintf(name, sizeof(name), "g%d", i);
		assert_int_equal(mtls_acctset_add_group(set, name, &gid, NULL), 0);
		assert_int_equal(mtls_acctset_add_member(set, name, "bob", NULL), 0);
	}
	for (int i = 0; i < 10000; i++) {
		(void)snprintf(name, sizeof(name), "u%d", i);
		(void)must_add(set, name);
		assert_int_equal(mtls_acctset_add_member(set, "staffers", name, NULL), 0);
	}
	commit(txn);
	struct mtls_acctdb db = open_db(p);
	struct mtls_acct_ids ids;
	struct mtls_acct_group group;
	assert_int_equal(mtls_acctdb_user_groups(&db, "bob", 3, &ids), 0);
	assert_int_equal(ids.count, 500);
	assert_int_equal(mtls_acctdb_group_by_name(&db, "staffers", 8, &group), 0);
	assert_int_equal(group.members.count, 10001);
	mtls_acctdb_close(&db);
	txn = begin(p, NULL);
	set = mtls_acctdb_txn_set(txn);
	assert_int_equal(mtls_acctset_remove_user(set, "bob", 1, NULL), 0);
	assert_int_equal(mtls_acctset_group(set, "g77")->member_count, 0);
	mtls_acctdb_txn_free(txn);
}

static void window_runs_out(void **state)
{
	(void)state;
	const struct mtls_id_window narrow = { 60570, 60580 }; /* 60578, 59, 60: not reserved */
	_cleanup_(mtls_acctset_freep) struct mtls_acctset *set = NULL;
	struct mtls_diag diag = { "" };
	uint32_t uid;
	assert_int_equal(mtls_acctset_new(&narrow, NULL, &set), 0);
	assert_int_equal(must_add(set, "a1"), 60578);
	assert_int_equal(add(set, "a2", 60580, &uid, NULL), 0);
	assert_int_equal(must_add(set, "a3"), 60579);
	fails_with(MTLS_E_LIMIT, add(set, "a4", 0, &uid, &diag), &diag, "full window");
	assert_int_equal(mtls_acctset_remove_user(set, "a1", 1, NULL), 0);
	fails_with(MTLS_E_LIMIT, add(set, "a4", 0, &uid, &diag), &diag, "tombstone in the window");
}

/* An administrator moves the window below all ids that were given out. */
static void window_moves_down(void **state)
{
	struct place *p = *state;
	const struct mtls_id_window low = { 5000, 5001 };
	struct mtls_acctdb_txn *txn = begin(p, NULL);
	(void)must_add(mtls_acctdb_txn_set(txn), "alice");
	assert_int_equal(mtls_acctset_remove_user(mtls_acctdb_txn_set(txn), "alice", 1, NULL), 0);
	commit(txn);
	struct mtls_diag diag = { "" };
	uint32_t uid;
	assert_int_equal(mtls_acctdb_begin(&p->at, &low, NULL, &txn, NULL), 0);
	struct mtls_acctset *set = mtls_acctdb_txn_set(txn);
	assert_int_equal(must_add(set, "bob"), 5000);
	assert_int_equal(must_add(set, "carol"), 5001);
	fails_with(MTLS_E_LIMIT, add(set, "dave", 0, &uid, &diag), &diag, "both in use");
	assert_int_equal(mtls_acctset_remove_user(set, "bob", 1, NULL), 0);
	fails_with(MTLS_E_LIMIT, add(set, "dave", 0, &uid, &diag), &diag, "one has a tombstone");
	mtls_acctdb_txn_free(txn);
}

/* The name of a group that became local would stop every change, were there no way to drop it. */
static void group_goes(void **state)
{
	struct place *p = *state;
	struct mtls_acctdb_txn *txn = begin(p, NULL);
	struct mtls_acctset *set = mtls_acctdb_txn_set(txn);
	struct mtls_diag diag = { "" };
	uint32_t gid, again;
	(void)must_add(set, "alice");
	(void)must_add(set, "bob");
	assert_int_equal(mtls_acctset_add_group(set, "staffers", &gid, NULL), 0);
	assert_int_equal(mtls_acctset_add_member(set, "staffers", "alice", NULL), 0);
	assert_int_equal(mtls_acctset_add_member(set, "staffers", "bob", NULL), 0);
	fails_with(MTLS_E_DENIED, mtls_acctset_remove_group(set, "alice", 7, &diag), &diag,
		   "private");
	fails_with(MTLS_E_NOTFOUND, mtls_acctset_remove_group(set, "none", 7, &diag), &diag,
		   "none");
	assert_int_equal(mtls_acctset_remove_group(set, "staffers", 7, NULL), 0);
	assert_null(mtls_acctset_group(set, "staffers"));
	assert_int_equal(mtls_acctset_user(set, "alice")->gid_count, 0);
	assert_int_equal(mtls_acctset_user(set, "bob")->gid_count, 0);
	assert_true(mtls_acctset_has_tombstone(set, true, gid));
	assert_int_equal(mtls_acctset_add_group(set, "staffers", &again, NULL), 0);
	assert_int_not_equal(gid, again);
	commit(txn);
}

/* Every byte of a small snapshot changed, every length cut: no lookup finds anything untrue. */
static void look_around(const struct mtls_acctdb *db)
{
	struct mtls_acct_user user;
	struct mtls_acct_group group;
	struct mtls_acct_names names;
	struct mtls_acct_ids ids;
	if (mtls_acctdb_user_by_name(db, "alice", 5, &user) == 0) {
		assert_int_equal(user.uid, MTLS_ID_WINDOW_MIN);
		assert_int_equal(user.gid, MTLS_ID_WINDOW_MIN);
		assert_str(user.home, "/home/x");
	}
	if (mtls_acctdb_user_by_uid(db, MTLS_ID_WINDOW_MIN + 1, &user) == 0)
		assert_str(user.name, "bob");
	if (mtls_acctdb_group_by_name(db, "staffers", 8, &group) == 0)
		assert_int_equal(group.gid, MTLS_ID_WINDOW_MIN + 2);
	if (mtls_acctdb_group_by_gid(db, MTLS_ID_WINDOW_MIN, &group) == 0)
		assert_str(group.name, "alice");
	if (mtls_acctdb_user_groups(db, "alice", 5, &ids) == 0)
		assert_int_equal(ids.count, 1);
	if (mtls_acctdb_binding(db, KEY_A, strlen(KEY_A), &names) == 0)
		assert_int_equal(names.count, 1);
	assert_int_not_equal(mtls_acctdb_user_by_name(db, "carol", 5, &user), 0);
	assert_int_not_equal(mtls_acctdb_user_by_uid(db, MTLS_ID_WINDOW_MIN + 2, &user), 0);
}

static void damage_is_no_answer(void **state)
{
	struct place *p = *state;
	struct mtls_buf file = MTLS_BUF(1 << 20);
	struct mtls_acctdb db;
	populate(p);
	assert_int_equal(mtls_file_read(p->path, NULL, &file, NULL), 0);
	assert_int_equal(mtls_acctdb_open_memory(&db, file.data, file.len), 0);
	look_around(&db);
	for (size_t len = 0; len < file.len; len++) {
		uint8_t *cut = malloc(len ? len : 1); /* exact, so that ASan sees a read past it */
		assert_non_null(cut);
		memcpy(cut, file.data, len);
		assert_int_not_equal(mtls_acctdb_open_memory(&db, cut, len), 0);
		free(cut);
	}
	unsigned int seed = 3, opened = 0;
	for (size_t at = 0; at < file.len; at++) {
		uint8_t was = file.data[at];
		file.data[at] ^= (uint8_t)(1 + rand_r(&seed) % 255);
		if (mtls_acctdb_open_memory(&db, file.data, file.len) == 0) {
			opened++;
			look_around(&db);
			_cleanup_(mtls_acctset_freep) struct mtls_acctset *set = NULL;
			(void)mtls_acctset_load(&db, &window, NULL, &set, NULL);
		}
		file.data[at] = was;
	}
	assert_true(opened > 100);
	mtls_buf_done(&file);
}

static void who_may_own_it(void **state)
{
	struct place *p = *state;
	struct mtls_acctdb db;
	struct mtls_acctdb_txn *txn = NULL;
	populate(p);
	char *folder = strdup(p->path);
	assert_non_null(folder);
	*strrchr(folder, '/') = '\0';

	assert_int_equal(chmod(p->path, 0664), 0);
	assert_int_equal(mtls_acctdb_open(&db, p->path, geteuid(), NULL), MTLS_E_UNTRUSTED);
	assert_int_equal(mtls_acctdb_begin(&p->at, &window, NULL, &txn, NULL), MTLS_E_UNTRUSTED);
	assert_int_equal(chmod(p->path, 0644), 0);
	assert_int_equal(chmod(folder, 0777), 0);
	assert_int_equal(mtls_acctdb_open(&db, p->path, geteuid(), NULL), MTLS_E_UNTRUSTED);
	assert_int_equal(mtls_acctdb_begin(&p->at, &window, NULL, &txn, NULL), MTLS_E_UNTRUSTED);
	assert_int_equal(chmod(folder, 0755), 0);
	if (geteuid() != 0)
		assert_int_equal(mtls_acctdb_open(&db, p->path, 0, NULL), MTLS_E_UNTRUSTED);
	assert_int_equal(mtls_acctdb_open(&db, p->path, geteuid(), NULL), 0);
	mtls_acctdb_close(&db);

	/* a lost snapshot is not an empty one */
	assert_int_equal(unlink(p->path), 0);
	assert_int_equal(mtls_acctdb_begin(&p->at, &window, NULL, &txn, NULL), MTLS_E_CORRUPT);
	assert_int_equal(unlink(p->gen), 0);
	assert_int_equal(mtls_acctdb_begin(&p->at, &window, NULL, &txn, NULL), 0);
	mtls_acctdb_txn_free(txn);
	free(folder);
}

static uint64_t generation(const struct place *p)
{
	uint64_t count = 0;
	int fd = open(p->gen, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count));
	(void)close(fd);
	return count;
}

static void files_and_lock(void **state)
{
	struct place *p = *state;
	struct mtls_acctdb_txn *txn = NULL, *second = NULL;
	struct stat st;
	mode_t mask = umask(0077);
	populate(p);
	(void)umask(mask);
	assert_int_equal(stat(p->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(stat(p->gen, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(st.st_size, MTLS_ACCTDB_GEN_SIZE);
	ino_t gen = st.st_ino;
	uint64_t before = generation(p);
	assert_int_equal(before, 1);

	txn = begin(p, NULL);
	assert_int_equal(mtls_acctdb_begin(&p->at, &window, NULL, &second, NULL), MTLS_E_BUSY);
	(void)must_add(mtls_acctdb_txn_set(txn), "carol");
	commit(txn);
	assert_true(generation(p) > before);
	assert_int_equal(stat(p->gen, &st), 0);
	assert_int_equal(st.st_ino, gen);
	txn = begin(p, NULL);
	mtls_acctdb_txn_free(txn);
}

/* Ends the process at the first call of @nr. */
static void die_at(long nr)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { .len = MTLS_COUNT(code), .filter = code };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		_exit(98);
}

static void dies_at_any_step(void **state)
{
	static const struct {
		const char *what;
		long nr;
		bool new; /* the new file is in place already */
	} rows[] = {
		{ "removal of the old temporary file", SYS_unlink, false },
		{ "first write", SYS_write, false },
		{ "chmod", SYS_fchmod, false },
		{ "fsync", SYS_fsync, false },
		{ "rename", SYS_rename, false },
		{ "none", -1, true },
	};
	struct place *p = *state;
	populate(p);
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			struct mtls_acctdb_txn *txn = NULL;
			uint32_t uid;
			if (mtls_acctdb_begin(&p->at, &window, NULL, &txn, NULL) < 0 ||
			    add(mtls_acctdb_txn_set(txn), "carol", 0, &uid, NULL) < 0)
				_exit(97);
			if (rows[i].nr >= 0)
				die_at(rows[i].nr);
			_exit(mtls_acctdb_commit(txn, false, NULL) < 0 ? 96 : 0);
		}
		int status;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (rows[i].nr >= 0 && (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS))
			fail_msg("%s: did not die there (status %x)", rows[i].what, status);
		if (rows[i].nr < 0)
			assert_int_equal(status, 0);
		struct mtls_acctdb db = open_db(p);
		struct mtls_acct_user user;
		int found = mtls_acctdb_user_by_name(&db, "carol", 5, &user);
		fails_with(rows[i].new ? 0 : MTLS_E_NOTFOUND, found, NULL, rows[i].what);
		assert_int_equal(mtls_acctdb_user_by_name(&db, "alice", 5, &user), 0);
		mtls_acctdb_close(&db);
	}
	/* whoever died between rename and count: the next transaction counts */
	uint64_t before = generation(p);
	struct mtls_acctdb_txn *txn = begin(p, NULL);
	mtls_acctdb_txn_free(txn);
	assert_true(generation(p) > before);
}

static void record_limits(void **state)
{
	(void)state;
	struct mtls_buf out = MTLS_BUF(MTLS_ACCTDB_VALUE_MAX);
	struct mtls_acct_key key;
	static uint8_t binding[MTLS_ACCT_BINDING_KEY_MAX];
	static char text[MTLS_KEY_MAX + 2];
	char *many[MTLS_ACCTDB_NAMES_MAX + 1];
	memset(text, 'x', sizeof(text));
	assert_int_equal(mtls_acct_key_binding(text, MTLS_KEY_MAX, binding), 1 + MTLS_KEY_MAX);
	assert_int_equal(mtls_acct_key_binding(text, MTLS_KEY_MAX + 1, binding), MTLS_E_LIMIT);
	assert_int_equal(mtls_acct_key_name('u', text, MTLS_OWNED_NAME_MAX, &key), 0);
	assert_int_equal(mtls_acct_key_name('u', text, MTLS_OWNED_NAME_MAX + 1, &key),
			 MTLS_E_LIMIT);
	for (size_t i = 0; i < MTLS_COUNT(many); i++)
		many[i] = text + sizeof(text) - 2;
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(mtls_acct1_binding_encode(many, MTLS_ACCTDB_NAMES_MAX, &out), 0);
	assert_int_equal(mtls_acct1_binding_encode(many, MTLS_ACCTDB_NAMES_MAX + 1, &out),
			 MTLS_E_LIMIT);
	mtls_buf_done(&out);

	/* versions: ours and the one before are read, others are named as such */
	for (uint32_t format = 0; format < 4; format++) {
		struct mtls_acct_header header = { .format = format, .ids = { .window = window } },
					got;
		if (format == 2)
			continue; /* longer; no writer of these yet */
		mtls_buf_reset(&out);
		assert_int_equal(mtls_acct_header_encode(&header, &out), 0);
		bool known = format >= MTLS_ACCTDB_FORMAT_OLDEST && format <= MTLS_ACCTDB_FORMAT;
		assert_int_equal(mtls_acct_header_decode(out.data, out.len, &got),
				 known ? 0 : MTLS_E_VERSION);
	}
	assert_true(MTLS_ACCTDB_FORMAT - MTLS_ACCTDB_FORMAT_OLDEST <= 1);
	mtls_buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(removal_leaves_tombstones, setup, teardown),
		cmocka_unit_test_setup_teardown(never_reused, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_bad_users, setup, teardown),
		cmocka_unit_test_setup_teardown(publisher_checks_again, setup, teardown),
		cmocka_unit_test_setup_teardown(bindings, setup, teardown),
		cmocka_unit_test_setup_teardown(groups_of_users, setup, teardown),
		cmocka_unit_test(window_runs_out),
		cmocka_unit_test_setup_teardown(window_moves_down, setup, teardown),
		cmocka_unit_test_setup_teardown(group_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(damage_is_no_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(who_may_own_it, setup, teardown),
		cmocka_unit_test_setup_teardown(files_and_lock, setup, teardown),
		cmocka_unit_test_setup_teardown(dies_at_any_step, setup, teardown),
		cmocka_unit_test(record_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
