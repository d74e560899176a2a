/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/acctdb/local: what this machine's files hold, what its tools may hand out, what changed. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/acctdb/local.h"
#include "lib/base/cleanup.h"

#define LONG_LINE (1024 * 1024)
#define RANGES    65536

static char root[64];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int make_root(void **state)
{
	static const char *const folders[] = {
		"",
		"/etc",
		"/etc/sysusers.d",
		"/run",
		"/run/sysusers.d",
		"/usr",
		"/usr/lib",
		"/usr/lib/sysusers.d",
		"/usr/local",
		"/usr/local/lib",
		"/usr/local/lib/sysusers.d",
	};
	char path[128];

	(void)state;
	(void)snprintf(root, sizeof(root), "/tmp/test_local.XXXXXX");
	if (!mkdtemp(root))
		return -1;
	for (size_t i = 1; i < MTLS_COUNT(folders); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", root, folders[i]);
		if (mkdir(path, 0755) < 0)
			return -1;
	}
	return 0;
}

static int drop_root(void **state)
{
	(void)state;
	return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *at(const char *name)
{
	static char path[192];

	(void)snprintf(path, sizeof(path), "%s/%s", root, name);
	return path;
}

/* As editors and tools do it: another file takes the place. */
static void put(const char *name, const char *text, size_t len)
{
	char temporary[192];

	(void)snprintf(temporary, sizeof(temporary), "%s/new", root);
	FILE *f = fopen(temporary, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(rename(temporary, at(name)), 0);
}

static struct mtls_local *load(void)
{
	struct mtls_local *local = NULL;
	struct mtls_diag diag = { "" };

	int r = mtls_local_load_root(root, &local, &diag);
	if (r < 0)
		fail_msg("%d, '%s'", r, diag.text);
	return local;
}

enum question { USER, GROUP, UID, GID, ALLOC_UID, ALLOC_GID };

struct row {
	const char *file, *text;
	enum question question;
	const char *name;
	uint32_t id;
	bool want;
};

static bool ask(const struct mtls_local *local, const struct row *row)
{
	switch (row->question) {
	case USER:
		return mtls_local_has_user(local, row->name);
	case GROUP:
		return mtls_local_has_group(local, row->name);
	case UID:
		return mtls_local_has_uid(local, row->id);
	case GID:
		return mtls_local_has_gid(local, row->id);
	case ALLOC_UID:
		return mtls_local_allocates_uid(local, row->id);
	case ALLOC_GID:
		break;
	}
	return mtls_local_allocates_gid(local, row->id);
}

static void run_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		put(rows[i].file, rows[i].text, strlen(rows[i].text));
		_cleanup_(mtls_local_freep) struct mtls_local *local = load();
		if (ask(local, &rows[i]) != rows[i].want)
			fail_msg("row %zu: %s '%s': question %d of '%s' %u: expected %d", i,
				 rows[i].file, rows[i].text, (int)rows[i].question,
				 rows[i].name ? rows[i].name : "", rows[i].id, rows[i].want);
		assert_int_equal(unlink(at(rows[i].file)), 0);
	}
}

static void etc_holds(void **state)
{
	/* clang-format off */
	static const struct row rows[] = {
		{ "etc/passwd", "ann:x:7000:7001::/:/bin/sh\n", USER, "ann", 0, true },
		{ "etc/passwd", "ann:x:7000:7001::/:/bin/sh\n", USER, "an", 0, false },
		{ "etc/passwd", "ann:x:7000:7001::/:/bin/sh\n", GROUP, "ann", 0, false },
		{ "etc/passwd", "ann:x:7000:7001::/:/bin/sh\n", UID, NULL, 7000, true },
		{ "etc/passwd", "ann:x:7000:7001::/:/bin/sh\n", UID, NULL, 7001, false },
		{ "etc/passwd", "ann:x:7000:7001::/:/bin/sh\n", GID, NULL, 7000, false },
		{ "etc/passwd", "ann:x:7000", UID, NULL, 7000, true },            /* no end of line */
		{ "etc/passwd", "b:x:1:1:::\n ann:x:7000:1:::\n", USER, "ann", 0, true },
		{ "etc/passwd", "ann:x:7x:1:::\n", USER, "ann", 0, true },       /* name without id */
		{ "etc/passwd", "ann:x:7x:1:::\n", UID, NULL, 7, false },
		{ "etc/passwd", "ann\n", USER, "ann", 0, true },
		{ "etc/passwd", "#ann:x:7000:7001::/:/bin/sh\n", USER, "#ann", 0, false },
		{ "etc/passwd", "#ann:x:7000:7001::/:/bin/sh\n", UID, NULL, 7000, false },
		{ "etc/passwd", "ann:x:4294967296:1:::\n", UID, NULL, 0, false },
		{ "etc/passwd", "ann:x:-1:1:::\n", UID, NULL, UINT32_MAX, false },
		{ "etc/passwd", ":x:7000:1:::\n", UID, NULL, 7000, false },
		{ "etc/passwd", "\n\n\nann:x:7000:1:::\n", UID, NULL, 7000, true },
		{ "etc/passwd", "+@netgroup\n+\n-x\n", USER, "x", 0, false },
		{ "etc/group", "crew:x:7000:ann,bob\n", GROUP, "crew", 0, true },
		{ "etc/group", "crew:x:7000:ann,bob\n", GID, NULL, 7000, true },
		{ "etc/group", "crew:x:7000:ann,bob\n", GROUP, "ann", 0, false },
		{ "etc/group", "crew:x:7000:ann,bob\n", UID, NULL, 7000, false },
		{ "etc/subuid", "ann:700000:10\n", UID, NULL, 699999, false },
		{ "etc/subuid", "ann:700000:10\n", UID, NULL, 700000, true },
		{ "etc/subuid", "ann:700000:10\n", UID, NULL, 700009, true },
		{ "etc/subuid", "ann:700000:10\n", UID, NULL, 700010, false },
		{ "etc/subuid", "ann:700000:10\n", GID, NULL, 700000, false },
		{ "etc/subuid", "ann:700000:10\n", USER, "ann", 0, false },
		{ "etc/subuid", "ann:700000:0\n", UID, NULL, 700000, false },
		{ "etc/subuid", "ann:700000:10 words\n", UID, NULL, 700009, true },
		{ "etc/subuid", "ann:700000:99999999999999999999\n", UID, NULL, 2147352575, true },
		{ "etc/subuid", "ann:700000:x\n", UID, NULL, 700000, false },
		{ "etc/subuid", "ann:x:10\n", UID, NULL, 0, false },
		{ "etc/subuid", "#ann:700000:10\n", UID, NULL, 700000, false },
		{ "etc/subuid", "ann:700000\n", UID, NULL, 700000, false },
		{ "etc/subuid", "a:700000:10\nb:700005:10\nc:700002:1\n", UID, NULL, 700014, true },
		{ "etc/subuid", "a:700000:10\nb:700005:10\nc:700002:1\n", UID, NULL, 700015, false },
		{ "etc/subgid", "ann:700000:10\n", GID, NULL, 700005, true },
		{ "etc/subgid", "ann:700000:10\n", UID, NULL, 700005, false },
	};
	/* clang-format on */
	(void)state;
	run_rows(rows, MTLS_COUNT(rows));
}

static void login_defs_allocate(void **state)
{
	/* clang-format off */
	static const struct row rows[] = {
		{ "etc/login.defs", "", ALLOC_UID, NULL, 100, false },            /* the defaults */
		{ "etc/login.defs", "", ALLOC_UID, NULL, 101, true },
		{ "etc/login.defs", "", ALLOC_UID, NULL, 1000, true },
		{ "etc/login.defs", "", ALLOC_UID, NULL, 60000, true },
		{ "etc/login.defs", "", ALLOC_UID, NULL, 60001, false },
		{ "etc/login.defs", "", ALLOC_UID, NULL, 99999, false },
		{ "etc/login.defs", "", ALLOC_UID, NULL, 100000, true },
		{ "etc/login.defs", "", ALLOC_UID, NULL, 600100000, true },
		{ "etc/login.defs", "", ALLOC_UID, NULL, 600100001, false },
		{ "etc/login.defs", "", ALLOC_GID, NULL, 60000, true },
		{ "etc/login.defs", "", ALLOC_GID, NULL, 60001, false },
		{ "etc/login.defs", "", ALLOC_GID, NULL, 600100000, true },
		{ "etc/login.defs", "", UID, NULL, 1000, false },                 /* not held */
		{ "etc/login.defs", "UID_MAX 5000\n", ALLOC_UID, NULL, 5001, false },
		{ "etc/login.defs", "UID_MAX 5000\n", ALLOC_UID, NULL, 5000, true },
		{ "etc/login.defs", "UID_MAX 5000\n", ALLOC_GID, NULL, 5001, true },
		{ "etc/login.defs", "  UID_MAX\t\t 5000  \n", ALLOC_UID, NULL, 5001, false },
		{ "etc/login.defs", "UID_MAX \"5000\"\n", ALLOC_UID, NULL, 5001, false },
		{ "etc/login.defs", "UID_MAX 0x1388\n", ALLOC_UID, NULL, 5001, false },
		{ "etc/login.defs", "UID_MAX 5000", ALLOC_UID, NULL, 5001, false },
		{ "etc/login.defs", "UID_MAX 70000\nUID_MAX 5000\n", ALLOC_UID, NULL, 5001, false },
		{ "etc/login.defs", "UID_MAX 5000\nUID_MAX x\n", ALLOC_UID, NULL, 60000, true },
		{ "etc/login.defs", "#UID_MAX 5000\n", ALLOC_UID, NULL, 5001, true },
		{ "etc/login.defs", "UID_MAX\n", ALLOC_UID, NULL, 60000, true },
		{ "etc/login.defs", "UID_MAX 5000 # less\n", ALLOC_UID, NULL, 60000, true },
		{ "etc/login.defs", "UID_MAX -1\n", ALLOC_UID, NULL, 60000, true },
		{ "etc/login.defs", "UID_MAX 99999999999999999999\n", ALLOC_UID, NULL, 60001, false },
		{ "etc/login.defs", "UID_MAXX 5000\nXUID_MAX 5000\n", ALLOC_UID, NULL, 60000, true },
		{ "etc/login.defs", "UID_MIN 50000\nUID_MAX 40000\nSYS_UID_MAX 200\n", ALLOC_UID, NULL, 45000, false },
		{ "etc/login.defs", "UID_MIN 50000\n", ALLOC_UID, NULL, 49999, true }, /* SYS_UID_MAX follows */
		{ "etc/login.defs", "UID_MIN 50000\nSYS_UID_MAX 999\n", ALLOC_UID, NULL, 49999, false },
		{ "etc/login.defs", "SYS_GID_MIN 70000\nSYS_GID_MAX 70009\n", ALLOC_GID, NULL, 70009, true },
		{ "etc/login.defs", "SYS_GID_MIN 70000\nSYS_GID_MAX 70009\n", ALLOC_UID, NULL, 70009, false },
		{ "etc/login.defs", "SUB_UID_MAX 2147483647\n", ALLOC_UID, NULL, 2000200001, true },
		{ "etc/login.defs", "SUB_UID_MAX 2147483647\n", ALLOC_GID, NULL, 2000200001, false },
		{ "etc/login.defs", "SUB_GID_MAX 2147483647\n", ALLOC_GID, NULL, 2000200001, true },
	};
	/* clang-format on */
	(void)state;
	run_rows(rows, MTLS_COUNT(rows));
}

#define CONF "usr/lib/sysusers.d/x.conf"

static void sysusers_hold(void **state)
{
	/* clang-format off */
	static const struct row rows[] = {
		{ CONF, "u git 7000 \"Version control\" /srv /bin/sh\n", USER, "git", 0, true },
		{ CONF, "u git 7000\n", GROUP, "git", 0, true },
		{ CONF, "u git 7000\n", UID, NULL, 7000, true },
		{ CONF, "u git 7000\n", GID, NULL, 7000, true },
		{ CONF, "u git 7000:7500\n", UID, NULL, 7000, true },
		{ CONF, "u git 7000:7500\n", GID, NULL, 7500, true },
		{ CONF, "u git 7000:7500\n", GID, NULL, 7000, false },
		{ CONF, "u git 7000:crew\n", UID, NULL, 7000, true },
		{ CONF, "u git 7000:crew\n", GID, NULL, 7000, false },
		{ CONF, "u git -:7500\n", GID, NULL, 7500, true },
		{ CONF, "u git -\n", USER, "git", 0, true },
		{ CONF, "u git\n", USER, "git", 0, true },
		{ CONF, "u git /usr/bin/git\n", USER, "git", 0, true },
		{ CONF, "u! git 7000\n", UID, NULL, 7000, true },
		{ CONF, "u git 0700\n", UID, NULL, 700, true },
		{ CONF, "u git 7000x\n", UID, NULL, 7000, false },
		{ CONF, "u git 4294967296\n", UID, NULL, 0, false },
		{ CONF, "  u\tgit\t7000\n", UID, NULL, 7000, true },
		{ CONF, "u \"git\" '7000'\n", UID, NULL, 7000, true },
		{ CONF, "u \"git\n", USER, "git", 0, true },
		{ CONF, "u g\\it 7000\n", USER, "git", 0, true },
		{ CONF, "u git\\", USER, "git\\", 0, true },
		{ CONF, "u \"\" 7000\n", UID, NULL, 7000, true },
		{ CONF, "u git%H 7000\n", USER, "git%H", 0, false },
		{ CONF, "u git%H 7000\n", UID, NULL, 7000, true },
		{ CONF, "u git 7%H\n", UID, NULL, 7, false },
		{ CONF, "#u git 7000\n", USER, "git", 0, false },
		{ CONF, ";u git 7000\n", USER, "git", 0, false },
		{ CONF, "x git 7000\n", USER, "git", 0, false },
		{ CONF, "u\n", USER, "u", 0, false },
		{ CONF, "g crew 7000\n", GROUP, "crew", 0, true },
		{ CONF, "g crew 7000\n", USER, "crew", 0, false },
		{ CONF, "g crew 7000\n", GID, NULL, 7000, true },
		{ CONF, "g crew 7000\n", UID, NULL, 7000, false },
		{ CONF, "m ann crew\n", USER, "ann", 0, true },
		{ CONF, "m ann crew\n", GROUP, "crew", 0, true },
		{ CONF, "m ann crew\n", GROUP, "ann", 0, false },
		{ CONF, "m ann\n", GROUP, "-", 0, false },
		{ CONF, "r - 70000-70009\n", ALLOC_UID, NULL, 70009, true },
		{ CONF, "r - 70000-70009\n", ALLOC_GID, NULL, 70000, true },
		{ CONF, "r - 70000-70009\n", ALLOC_UID, NULL, 70010, false },
		{ CONF, "r - 70000-70009\n", UID, NULL, 70000, false },
		{ CONF, "r - 70000\n", ALLOC_UID, NULL, 70000, true },
		{ CONF, "r - 70009-70000\n", ALLOC_UID, NULL, 70005, false },
		{ CONF, "r - -70000\n", ALLOC_UID, NULL, 70000, false },
		{ CONF, "r - 70000-\n", ALLOC_UID, NULL, 70000, false },
		{ CONF, "r -\n", ALLOC_UID, NULL, 70000, false },
		{ "etc/sysusers.d/x.conf", "u git 7000\n", UID, NULL, 7000, true },
		{ "run/sysusers.d/x.conf", "u git 7000\n", UID, NULL, 7000, true },
		{ "usr/local/lib/sysusers.d/x.conf", "u git 7000\n", UID, NULL, 7000, true },
		{ "usr/lib/sysusers.d/x.conf.bak", "u git 7000\n", UID, NULL, 7000, false },
		{ "usr/lib/sysusers.d/.conf", "u git 7000\n", UID, NULL, 7000, false },
		{ "usr/lib/sysusers.d/.x.conf", "u git 7000\n", UID, NULL, 7000, false },
	};
	/* clang-format on */
	(void)state;
	run_rows(rows, MTLS_COUNT(rows));
}

static void files_hide_files(void **state)
{
	static const char *const folders[] = { "etc", "run", "usr/local/lib", "usr/lib" };
	char name[64], text[64];

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(folders); i++) {
		(void)snprintf(name, sizeof(name), "%s/sysusers.d/x.conf", folders[i]);
		(void)snprintf(text, sizeof(text), "g group%zu 700%zu\n", i, i);
		put(name, text, strlen(text));
	}
	/* The first folder that has the file counts; then it goes, and the next one does. */
	for (size_t i = 0; i < MTLS_COUNT(folders); i++) {
		_cleanup_(mtls_local_freep) struct mtls_local *local = load();
		for (uint32_t j = 0; j < MTLS_COUNT(folders); j++)
			if (mtls_local_has_gid(local, 7000 + j) != (i == j))
				fail_msg("%s: group%u", folders[i], j);
		(void)snprintf(name, sizeof(name), "%s/sysusers.d/x.conf", folders[i]);
		assert_int_equal(unlink(at(name)), 0);
	}
	/* A link to /dev/null, or to nothing, switches off what is behind it. */
	put(CONF, "g crew 7000\n", 12);
	static const char *const targets[] = { "/dev/null", "/nonexistent" };
	for (size_t i = 0; i < MTLS_COUNT(targets); i++) {
		assert_int_equal(symlink(targets[i], at("etc/sysusers.d/x.conf")), 0);
		_cleanup_(mtls_local_freep) struct mtls_local *local = load();
		assert_false(mtls_local_has_group(local, "crew"));
		assert_int_equal(unlink(at("etc/sysusers.d/x.conf")), 0);
	}
	_cleanup_(mtls_local_freep) struct mtls_local *local = load();
	assert_true(mtls_local_has_group(local, "crew"));
	assert_int_equal(unlink(at(CONF)), 0);
}

static void nothing_is_there(void **state)
{
	_cleanup_(mtls_local_freep) struct mtls_local *local = NULL;

	(void)state;
	assert_int_equal(mtls_local_load_root("/nonexistent", &local, NULL), 0);
	assert_false(mtls_local_has_user(local, "root"));
	assert_false(mtls_local_has_uid(local, 0));
	assert_true(mtls_local_allocates_uid(local, 1000));
	assert_false(mtls_local_changed(local));
	assert_false(mtls_local_has_user(NULL, "root"));
	assert_false(mtls_local_has_uid(NULL, 0));
	assert_false(mtls_local_allocates_gid(NULL, 1000));
	assert_false(mtls_local_changed(NULL));
}

/* Not to know what is held is not the same as nothing. */
static void unreadable_is_an_error(void **state)
{
	struct mtls_local *local = NULL;
	struct mtls_diag diag = { "" };

	(void)state;
	assert_int_equal(symlink("passwd", at("etc/passwd")), 0);
	assert_int_equal(mtls_local_load_root(root, &local, &diag), -ELOOP);
	assert_non_null(strstr(diag.text, "etc/passwd"));
	assert_null(local);
	assert_int_equal(unlink(at("etc/passwd")), 0);

	assert_int_equal(symlink("x.conf", at(CONF)), 0);
	assert_int_equal(mtls_local_load_root(root, &local, &diag), -ELOOP);
	assert_non_null(strstr(diag.text, CONF));
	assert_int_equal(unlink(at(CONF)), 0);

	put("etc/passwd", "", 0);
	assert_int_equal(truncate(at("etc/passwd"), (off_t)MTLS_LOCAL_FILE_MAX + 1), 0);
	assert_int_equal(mtls_local_load_root(root, &local, &diag), MTLS_E_LIMIT);
	assert_null(local);
	assert_int_equal(unlink(at("etc/passwd")), 0);
}

/* What a person may have put into a gecos or a shell does not hide the lines behind. */
static void long_lines_and_nul(void **state)
{
	static const char head[] = "ann:x:7000:1:";
	static const char tail[] = ":/:/bin/sh\nbob:x:7001:1:::\n";
	static const char nul[] = "a\0b:x:7002:1:::\nc:x:7003\0:1:::\n\0d:x:7004:1:::\ne:x:7005:";
	_cleanup_free_ char *text = malloc(sizeof(head) + sizeof(tail) + LONG_LINE);

	(void)state;
	assert_non_null(text);
	size_t len = sizeof(head) - 1;
	memcpy(text, head, len);
	memset(text + len, 'A', LONG_LINE);
	len += LONG_LINE;
	memcpy(text + len, tail, sizeof(tail) - 1);
	put("etc/passwd", text, len + sizeof(tail) - 1);
	_cleanup_(mtls_local_freep) struct mtls_local *local = load();
	assert_true(mtls_local_has_user(local, "ann"));
	assert_true(mtls_local_has_uid(local, 7000));
	assert_true(mtls_local_has_user(local, "bob"));
	assert_true(mtls_local_has_uid(local, 7001));

	put("etc/passwd", nul, sizeof(nul) - 1);
	_cleanup_(mtls_local_freep) struct mtls_local *cut = load();
	assert_true(mtls_local_has_user(cut, "a"));
	assert_false(mtls_local_has_user(cut, "b"));
	assert_false(mtls_local_has_uid(cut, 7002));
	assert_true(mtls_local_has_uid(cut, 7003));
	assert_false(mtls_local_has_uid(cut, 7004));
	assert_true(mtls_local_has_uid(cut, 7005));
	assert_int_equal(unlink(at("etc/passwd")), 0);
}

/* Every question of a publish of a million accounts asks; so it may not walk the ranges. */
static void many_ranges_are_fast(void **state)
{
	size_t size = (size_t)RANGES * 32, len = 0;
	_cleanup_free_ char *text = malloc(size);

	(void)state;
	assert_non_null(text);
	/* Falling, with gaps, so that nothing is in order and nothing merges. */
	for (uint32_t i = RANGES; i > 0; i--)
		len += (size_t)snprintf(text + len, size - len, "u%u:%u:500\n", i, 1000 * i);
	put("etc/subuid", text, len);
	_cleanup_(mtls_local_freep) struct mtls_local *local = load();
	struct timespec start, end;
	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start), 0);
	for (uint32_t id = 1000; id < 1000 * RANGES; id += 60) {
		bool want = id % 1000 < 500;
		if (mtls_local_has_uid(local, id) != want)
			fail_msg("uid %u", id);
	}
	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end), 0);
	/* A million questions: tenths of a second; one after another they take minutes. */
	assert_true(end.tv_sec - start.tv_sec < 20);
	assert_int_equal(unlink(at("etc/subuid")), 0);
}

static void grades_and_foreign_ranges(void **state)
{
	static const struct mtls_id_rules plain = { .window = { 1000, MTLS_ID_WINDOW_MAX } };
	static const struct mtls_id_rules foreign = { .window = { MTLS_ID_WINDOW_MIN,
								  MTLS_ID_WINDOW_MAX },
						      .foreign = { { 5000, 5999 } },
						      .foreign_count = 1 };
	static const struct {
		const struct mtls_id_rules *ids;
		uint32_t id;
		bool refused;
	} rows[] = {
		{ &plain, 5000, true }, /* a window does not admit what useradd may give */
		{ &plain, MTLS_ID_WINDOW_MIN, false },
		{ &foreign, 4999, true },
		{ &foreign, 5000, false },
		{ &foreign, 5999, false },
		{ &foreign, 6000, true },
		{ &foreign, 5500, true }, /* held */
		{ &foreign, MTLS_ID_WINDOW_MIN, false },
	};

	(void)state;
	put("etc/passwd", "ann:x:5500:1:::\n", 16);
	put("etc/group", "ann:x:5500:\n", 12);
	_cleanup_(mtls_local_freep) struct mtls_local *local = load();
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		if (mtls_local_refuses_uid(local, rows[i].ids, rows[i].id) != rows[i].refused)
			fail_msg("row %zu: uid %u", i, rows[i].id);
		if (mtls_local_refuses_gid(local, rows[i].ids, rows[i].id) != rows[i].refused)
			fail_msg("row %zu: gid %u", i, rows[i].id);
	}
	assert_false(mtls_local_refuses_uid(NULL, &plain, 5000));
	assert_int_equal(unlink(at("etc/passwd")), 0);
	assert_int_equal(unlink(at("etc/group")), 0);
}

/* Who looks for a free id steps over all that is refused at once. */
static void runs_are_stepped_over(void **state)
{
	static const struct mtls_id_rules ids = { .window = { 7000, MTLS_ID_WINDOW_MAX },
						  .foreign = { { 5000, 5999 } },
						  .foreign_count = 1 };
	static const struct {
		uint32_t id, last;
		bool refused;
	} rows[] = {
		{ 999, 0, false },     /* beside login.defs as written below */
		{ 1000, 4999, true },  /* up to the foreign range */
		{ 5000, 0, false },    /* admitted */
		{ 5400, 5449, true },  /* held: uids */
		{ 5450, 5499, true },  /* held: gids */
		{ 5500, 0, false },    /* admitted again */
		{ 6000, 60000, true }, /* allocated */
		{ 60001, 0, false },
		{ 100000, 2147483647, true }, /* gids reach further than uids */
		{ 2147483648, 0, false },
		{ 4294967295, 4294967295, true }, /* held, and the last that there is */
	};

	(void)state;
	put("etc/subuid", "a:5400:50\n", 10);
	put("etc/subgid", "a:5450:50\nb:4294967295:9\n", 25);
	static const char defs[] = "SYS_UID_MAX 900\nSYS_GID_MAX 900\nSUB_GID_MAX 2147483647\n";
	put("etc/login.defs", defs, sizeof(defs) - 1);
	_cleanup_(mtls_local_freep) struct mtls_local *local = load();
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		uint32_t last = 0;
		bool refused = mtls_local_refuses_run(local, &ids, rows[i].id, &last);
		if (refused != rows[i].refused || last != rows[i].last)
			fail_msg("id %u: %d, up to %u", rows[i].id, refused, last);
	}
	uint32_t last = 0;
	assert_false(mtls_local_refuses_run(NULL, &ids, 1000, &last));
}

static void write_passwd(void)
{
	put("etc/passwd", "ann:x:7000:1:::\n", 16);
}

static void grow_passwd(void)
{
	FILE *f = fopen(at("etc/passwd"), "ae");
	assert_non_null(f);
	assert_true(fputs("bob:x:7001:1:::\n", f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void drop_passwd(void)
{
	assert_int_equal(unlink(at("etc/passwd")), 0);
}

static void write_defs(void)
{
	put("etc/login.defs", "UID_MAX 5000\n", 13);
}

static void write_conf(void)
{
	put(CONF, "u git -\n", 8);
}

static void touch_conf(void)
{
	static const struct timespec times[] = { { 1, 0 }, { 1, 0 } };

	assert_int_equal(utimensat(AT_FDCWD, at(CONF), times, 0), 0);
}

static void drop_folder(void)
{
	assert_int_equal(unlink(at(CONF)), 0);
	assert_int_equal(rmdir(at("usr/lib/sysusers.d")), 0);
}

static void write_other(void)
{
	put("etc/hosts", "", 0);
}

static void changes_are_seen(void **state)
{
	static const struct {
		const char *name;
		void (*change)(void);
		bool want;
	} rows[] = {
		{ "nothing", NULL, false },
		{ "passwd comes", write_passwd, true },
		{ "passwd is replaced by the same", write_passwd, true },
		{ "passwd grows", grow_passwd, true },
		{ "passwd goes", drop_passwd, true },
		{ "login.defs comes", write_defs, true },
		{ "a file of sysusers.d comes", write_conf, true },
		{ "a file of sysusers.d is touched", touch_conf, true },
		{ "nothing again", NULL, false },
		{ "the folder goes", drop_folder, true },
		{ "another file", write_other, false },
	};

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_(mtls_local_freep) struct mtls_local *local = load();
		assert_false(mtls_local_changed(local));
		if (rows[i].change)
			rows[i].change();
		if (mtls_local_changed(local) != rows[i].want)
			fail_msg("%s", rows[i].name);
	}
}

/* mtls_local_load() takes the folder of passwd; the others lie beside it. */
static void etc_has_a_root(void **state)
{
	struct mtls_local *local = NULL;
	char etc[96];

	(void)state;
	(void)snprintf(etc, sizeof(etc), "%s/etc", root);
	put("etc/passwd", "ann:x:7000:1:::\n", 16);
	put("run/sysusers.d/y.conf", "g crew -\n", 9);
	assert_int_equal(mtls_local_load(etc, &local, NULL), 0);
	assert_true(mtls_local_has_user(local, "ann"));
	assert_true(mtls_local_has_group(local, "crew"));
	mtls_local_free(local);
	/* The machine itself has a root. */
	assert_int_equal(mtls_local_load("/etc", &local, NULL), 0);
	assert_true(mtls_local_has_user(local, "root"));
	assert_true(mtls_local_has_gid(local, 0));
	mtls_local_free(local);
}

/* Our own users are known wherever our file is, made or not. */
static void our_file_is_read(void **state)
{
	static const char *const names[] = { "mtls-authd", "mtls-accountd", "mtls-signer",
					     "mtls-ssh-keys" };
	const char *srcdir = getenv("top_srcdir");
	char path[4096];
	char text[4096];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/dist/sysusers/mtls.conf", srcdir ? srcdir : ".");
	FILE *f = fopen(path, "re");
	if (!f)
		fail_msg("no '%s'", path);
	size_t len = fread(text, 1, sizeof(text), f);
	assert_int_equal(fclose(f), 0);
	put(CONF, text, len);
	_cleanup_(mtls_local_freep) struct mtls_local *local = load();
	for (size_t i = 0; i < MTLS_COUNT(names); i++) {
		assert_true(mtls_local_has_user(local, names[i]));
		assert_true(mtls_local_has_group(local, names[i]));
	}
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, make_root, drop_root)
	const struct CMUnitTest tests[] = {
		TEST(etc_holds),
		TEST(login_defs_allocate),
		TEST(sysusers_hold),
		TEST(files_hide_files),
		TEST(nothing_is_there),
		TEST(unreadable_is_an_error),
		TEST(long_lines_and_nul),
		TEST(many_ranges_are_fast),
		TEST(grades_and_foreign_ranges),
		TEST(runs_are_stepped_over),
		TEST(changes_are_seen),
		TEST(etc_has_a_root),
		TEST(our_file_is_read),
	};
	return cmocka_run_group_tests_name("local", tests, NULL, NULL);
}
