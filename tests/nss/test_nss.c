/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every lookup of libnss_mtls: answers, every buffer length from 0 up at every alignment with
 * canaries around it, errno, hand-made evil snapshots.
 */
#include <config.h>

#include <errno.h>
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

#include "lib/base/file.h"
#include "tests/nss/fixture.h"

#define CANARY 0xA5
#define MARGIN 64

static int setup(void **state)
{
	struct fixture *fix = fixture_new();
	fixture_populate(fix);
	*state = fix;
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

union entry {
	struct passwd pw;
	struct group gr;
};

/* One lookup of any kind, so that all of them run through the same checks. */
struct call {
	const char *name;
	enum { PW_NAME, PW_UID, GR_NAME, GR_GID, X_PW, X_GR } kind;
	const char *text;
	uint32_t id;
};

static bool is_passwd(const struct call *c)
{
	return c->kind == PW_NAME || c->kind == PW_UID || c->kind == X_PW;
}

static enum nss_status run(struct fixture *fix, const struct call *c, union entry *e, char *buffer,
			   size_t len, int *errnop)
{
	const struct nss_out out = { buffer, len, errnop };
	switch (c->kind) {
	case PW_NAME:
		return nss_passwd_by_name(&fix->db, c->text, &e->pw, &out);
	case PW_UID:
		return nss_passwd_by_uid(&fix->db, c->id, &e->pw, &out);
	case GR_NAME:
		return nss_group_by_name(&fix->db, c->text, &e->gr, &out);
	case GR_GID:
		return nss_group_by_gid(&fix->db, c->id, &e->gr, &out);
	case X_PW:
		return nss_x509_passwd(&fix->db, c->text, &e->pw, &out);
	case X_GR:
		return nss_x509_group(&fix->db, c->text, &e->gr, &out);
	}
	return NSS_STATUS_UNAVAIL;
}

/* The entry as one line, like getent prints it. */
static void show(const struct call *c, const union entry *e, char *line, size_t size)
{
	if (is_passwd(c)) {
		(void)snprintf(line, size, "%s:%s:%u:%u:%s:%s:%s", e->pw.pw_name, e->pw.pw_passwd,
			       e->pw.pw_uid, e->pw.pw_gid, e->pw.pw_gecos, e->pw.pw_dir,
			       e->pw.pw_shell);
		return;
	}
	int n = snprintf(line, size, "%s:%s:%u:", e->gr.gr_name, e->gr.gr_passwd, e->gr.gr_gid);
	for (char **m = e->gr.gr_mem; *m && n > 0 && (size_t)n < size; m++)
		n += snprintf(line + n, size - (size_t)n, "%s%s", m == e->gr.gr_mem ? "" : ",", *m);
}

#define ALICE "alice:*:2000200001:2000200001:A Person:/home/alice:/bin/sh"
#define BOB   "bob:*:2000200002:2000200002:A Person:/home/bob:/bin/sh"

static const struct {
	struct call call;
	const char *want;
} found[] = {
	{ { "getpwnam", PW_NAME, "alice", 0 }, ALICE },
	{ { "getpwuid", PW_UID, NULL, FIX_BOB_UID }, BOB },
	{ { "getgrnam private", GR_NAME, "bob", 0 }, "bob:*:2000200002:" },
	{ { "getgrgid private", GR_GID, NULL, FIX_ALICE_UID }, "alice:*:2000200001:" },
	{ { "getgrnam", GR_NAME, "crew", 0 }, "crew:*:2000200004:alice,bob" },
	{ { "getgrgid", GR_GID, NULL, FIX_STAFF_GID }, "staffers:*:2000200003:alice" },
	{ { "x509 passwd", X_PW, FIX_KEY_ALICE, 0 }, ALICE },
	{ { "x509 group", X_GR, FIX_KEY_ALICE, 0 }, "x509:*:65534:alice" },
	{ { "x509 group of two", X_GR, FIX_KEY_TWO, 0 }, "x509:*:65534:alice,bob" },
	{ { "x509 group foreign", X_GR, FIX_KEY_FOREIGN, 0 }, "x509:*:65534:local.user" },
	{ { "x509 group mixed", X_GR, FIX_KEY_MIXED, 0 }, "x509:*:65534:alice,local.user" },
	{ { "x509 probe", X_GR, MTLS_X509_PROBE, 0 }, "x509:*:65534:" },
};

/* All lengths up to what is enough, all alignments: ERANGE below, the right answer from there. */
static void every_length(void **state)
{
	struct fixture *fix = *state;
	for (size_t i = 0; i < MTLS_COUNT(found); i++) {
		const struct call *c = &found[i].call;
		for (size_t shift = 0; shift < 16; shift++) {
			size_t enough = 0;
			for (size_t len = 0; len < 400; len++) {
				uint8_t room[MARGIN + 16 + 400 + MARGIN];
				char line[256] = "";
				union entry e;
				int err = 77;
				memset(room, CANARY, sizeof(room));
				char *buffer = (char *)room + MARGIN + shift;
				errno = 1234;
				enum nss_status status = run(fix, c, &e, buffer, len, &err);
				assert_int_equal(errno, 1234);
				for (uint8_t *p = room; p < room + sizeof(room); p++)
					if ((p < (uint8_t *)buffer ||
					     p >= (uint8_t *)buffer + len) &&
					    *p != CANARY)
						fail_msg("%s: length %zu, shift %zu: wrote at %td",
							 c->name, len, shift,
							 p - (uint8_t *)buffer);
				if (status == NSS_STATUS_TRYAGAIN && err == ERANGE && !enough)
					continue;
				if (status != NSS_STATUS_SUCCESS)
					fail_msg("%s: length %zu: status %d errno %d", c->name, len,
						 status, err);
				if (!enough)
					enough = len;
				show(c, &e, line, sizeof(line));
				assert_string_equal(line, found[i].want);
				if (!is_passwd(c))
					assert_int_equal((uintptr_t)e.gr.gr_mem % sizeof(char *),
							 0);
			}
			assert_true(enough > 0);
		}
	}
}

static const struct call absent[] = {
	{ "no such name", PW_NAME, "carol", 0 },
	{ "empty name", PW_NAME, "", 0 },
	{ "other case", PW_NAME, "Alice", 0 },
	{ "a group's name", PW_NAME, "crew", 0 },
	{ "a key as name", PW_NAME, FIX_KEY_ALICE, 0 },
	{ "root", PW_NAME, "root", 0 },
	{ "uid 0", PW_UID, NULL, 0 },
	{ "uid of nobody", PW_UID, NULL, 65534 },
	{ "uid -1", PW_UID, NULL, UINT32_MAX },
	{ "a group's gid", PW_UID, NULL, FIX_CREW_GID },
	{ "no such group", GR_NAME, "carol", 0 },
	{ "gid 0", GR_GID, NULL, 0 },
	{ "free gid", GR_GID, NULL, FIX_CREW_GID + 1 },
	{ "key of two", X_PW, FIX_KEY_TWO, 0 },
	{ "foreign account", X_PW, FIX_KEY_FOREIGN, 0 },
	{ "ours and a foreign one", X_PW, FIX_KEY_MIXED, 0 },
	{ "unbound key", X_PW, "subject:CN=Nobody", 0 },
	{ "unbound key, group", X_GR, "subject:CN=Nobody", 0 },
	{ "not canonical", X_GR, "subject:cn=Two,O=Example", 0 },
	{ "account name as key", X_GR, "alice", 0 },
	{ "empty key", X_GR, "", 0 },
	{ "probe as passwd", X_PW, MTLS_X509_PROBE, 0 },
	{ "probe and more", X_GR, MTLS_X509_PROBE "x", 0 },
};

static void finds_nothing_else(void **state)
{
	struct fixture *fix = *state;
	char buffer[1024];
	union entry e;
	for (size_t i = 0; i < MTLS_COUNT(absent); i++) {
		int err = 0;
		errno = 4321;
		enum nss_status status = run(fix, &absent[i], &e, buffer, sizeof(buffer), &err);
		if (status != NSS_STATUS_NOTFOUND || err != ENOENT || errno != 4321)
			fail_msg("%s: status %d errno %d", absent[i].name, status, err);
	}
	/* Longer than any name or key, as a hostile caller may ask. */
	size_t huge = 9 << 20;
	char *text = malloc(huge);
	assert_non_null(text);
	memset(text, 'a', huge - 1);
	text[huge - 1] = '\0';
	for (int kind = PW_NAME; kind <= X_GR; kind++) {
		const struct call c = { "huge", kind, text, 1 };
		int err = 0;
		assert_int_equal(run(fix, &c, &e, buffer, sizeof(buffer), &err),
				 NSS_STATUS_NOTFOUND);
	}
	free(text);
}

static void groups_of_users(void **state)
{
	struct fixture *fix = *state;
	static const struct {
		const char *name, *user;
		gid_t primary;
		long size, limit, before;
		enum nss_status status;
		long want; /* gids after the call */
	} rows[] = {
		{ "alice", "alice", FIX_ALICE_UID, 64, -1, 1, NSS_STATUS_SUCCESS, 3 },
		{ "grows", "alice", FIX_ALICE_UID, 1, -1, 1, NSS_STATUS_SUCCESS, 3 },
		{ "grows from nothing", "alice", FIX_ALICE_UID, 0, -1, 0, NSS_STATUS_SUCCESS, 2 },
		{ "limit 2", "alice", FIX_ALICE_UID, 1, 2, 1, NSS_STATUS_SUCCESS, 2 },
		{ "limit reached", "alice", FIX_ALICE_UID, 1, 1, 1, NSS_STATUS_SUCCESS, 1 },
		{ "primary is not repeated", "bob", FIX_CREW_GID, 1, -1, 1, NSS_STATUS_SUCCESS, 1 },
		{ "unknown", "carol", 1000, 4, -1, 1, NSS_STATUS_NOTFOUND, 1 },
		{ "foreign", "local.user", 1000, 4, -1, 1, NSS_STATUS_NOTFOUND, 1 },
	};
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		long start = rows[i].before, size = rows[i].size;
		gid_t *gids = malloc(sizeof(*gids) * (size_t)(size ? size : 1));
		assert_non_null(gids);
		gids[0] = rows[i].primary;
		const struct nss_gids list = { &start, &size, &gids, rows[i].limit };
		int err = 0;
		errno = 4321;
		enum nss_status status =
			nss_groups_of_user(&fix->db, rows[i].user, rows[i].primary, &list, &err);
		if (status != rows[i].status || start != rows[i].want || errno != 4321 ||
		    (rows[i].limit > 0 && size > rows[i].limit) || start > size)
			fail_msg("%s: status %d, %ld gids of %ld", rows[i].name, status, start,
				 size);
		if (start == 3) {
			assert_int_equal(gids[1], FIX_STAFF_GID);
			assert_int_equal(gids[2], FIX_CREW_GID);
		}
		free(gids);
	}
	/* what another service has added is not added again */
	gid_t *gids = malloc(2 * sizeof(*gids));
	long start = 2, size = 2;
	assert_non_null(gids);
	gids[0] = FIX_ALICE_UID;
	gids[1] = FIX_CREW_GID;
	const struct nss_gids list = { &start, &size, &gids, -1 };
	int err = 0;
	assert_int_equal(nss_groups_of_user(&fix->db, "alice", FIX_ALICE_UID, &list, &err),
			 NSS_STATUS_SUCCESS);
	assert_int_equal(start, 3);
	assert_int_equal(gids[2], FIX_STAFF_GID);
	free(gids);
}

static enum nss_status everything(struct fixture *fix, int *ret_err)
{
	/* The same answer for each kind of call, or 99. */
	char buffer[1024];
	union entry e;
	enum nss_status all = 99;
	for (size_t i = 0; i < MTLS_COUNT(found); i++) {
		int err = 0;
		enum nss_status status = run(fix, &found[i].call, &e, buffer, sizeof(buffer), &err);
		if (i && (status != all || err != *ret_err))
			return 99;
		all = status;
		*ret_err = err;
	}
	long start = 0, size = 0;
	gid_t *gids = NULL;
	const struct nss_gids list = { &start, &size, &gids, -1 };
	int err = 0;
	enum nss_status status = nss_groups_of_user(&fix->db, "alice", 1, &list, &err);
	free(gids);
	return status == all && err == *ret_err ? all : 99;
}

static void without_a_file(void **state)
{
	struct fixture *fix = *state;
	int err = 0;
	struct mtls_buf file = MTLS_BUF(1 << 20);
	fixture_read(fix, &file);
	assert_int_equal(everything(fix, &err), NSS_STATUS_SUCCESS);
	/* gone: the backstop notices, at the latest a second later */
	assert_int_equal(unlink(fix->path), 0);
	assert_int_equal(mtls_acctplace_count(fix->gen, geteuid(), NULL), 0);
	assert_int_equal(everything(fix, &err), NSS_STATUS_UNAVAIL);
	assert_int_equal(err, ENOENT);
	/* and back */
	fixture_replace(fix, file.data, file.len);
	assert_int_equal(everything(fix, &err), NSS_STATUS_SUCCESS);
	nss_db_close(&fix->db);
	/* a process that starts without one; also without the folder */
	assert_int_equal(unlink(fix->path), 0);
	assert_int_equal(everything(fix, &err), NSS_STATUS_UNAVAIL);
	assert_int_equal(err, ENOENT);
	assert_int_equal(unlink(fix->gen), 0);
	assert_int_equal(everything(fix, &err), NSS_STATUS_UNAVAIL);
	assert_int_equal(err, ENOENT);
	mtls_buf_done(&file);
}

/* Without a counter the backstop finds a new file within its second; so do owner and mode. */
static void backstop(void **state)
{
	struct fixture *fix = *state;
	const struct mtls_file_mode mode = { .mode = 0644, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	const struct timespec nap = { .tv_sec = 1, .tv_nsec = 50000000 };
	struct mtls_buf file = MTLS_BUF(1 << 20);
	int err = 0;
	assert_int_equal(unlink(fix->gen), 0);
	assert_int_equal(everything(fix, &err), NSS_STATUS_SUCCESS);
	fixture_read(fix, &file);
	assert_int_equal(mtls_file_replace(fix->path, "short", 5, &mode, NULL), 0);
	assert_int_equal(nanosleep(&nap, NULL), 0);
	assert_int_equal(everything(fix, &err), NSS_STATUS_UNAVAIL);
	assert_int_equal(err, EIO);
	assert_int_equal(mtls_file_replace(fix->path, file.data, file.len, &mode, NULL), 0);
	assert_int_equal(everything(fix, &err), NSS_STATUS_SUCCESS);
	assert_int_equal(chmod(fix->path, 0664), 0);
	assert_int_equal(nanosleep(&nap, NULL), 0);
	assert_int_equal(everything(fix, &err), NSS_STATUS_UNAVAIL);
	mtls_buf_done(&file);
}

static void who_may_own_it(void **state)
{
	struct fixture *fix = *state;
	char *folder = strdup(fix->path);
	int err = 0;
	assert_non_null(folder);
	*strrchr(folder, '/') = '\0';
	static const struct {
		const char *name;
		mode_t file, folder;
		bool ok;
	} rows[] = {
		{ "as made", 0644, 0755, true },
		{ "group may write", 0664, 0755, false },
		{ "others may write", 0646, 0755, false },
		{ "folder of a group", 0644, 0775, false },
		{ "folder for all", 0644, 01777, false },
		{ "good again", 0444, 0700, true },
	};
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		nss_db_close(&fix->db);
		assert_int_equal(chmod(fix->path, rows[i].file), 0);
		assert_int_equal(chmod(folder, rows[i].folder), 0);
		enum nss_status status = everything(fix, &err);
		if (status != (rows[i].ok ? NSS_STATUS_SUCCESS : NSS_STATUS_UNAVAIL))
			fail_msg("%s: status %d errno %d", rows[i].name, status, err);
	}
	assert_int_equal(chmod(folder, 0755), 0);
	nss_db_close(&fix->db);
	if (geteuid() == 0) {
		assert_int_equal(chown(fix->path, 12345, 0), 0);
		assert_int_equal(everything(fix, &err), NSS_STATUS_UNAVAIL);
		assert_int_equal(chown(fix->path, 0, 0), 0);
	} else {
		fix->db.owner = 0;
		assert_int_equal(everything(fix, &err), NSS_STATUS_UNAVAIL);
		fix->db.owner = geteuid();
	}
	nss_db_close(&fix->db);
	assert_int_equal(everything(fix, &err), NSS_STATUS_SUCCESS);
	/* a link instead of the file */
	nss_db_close(&fix->db);
	char *real = NULL;
	assert_true(asprintf(&real, "%s.real", fix->path) > 0);
	assert_int_equal(rename(fix->path, real), 0);
	assert_int_equal(symlink(real, fix->path), 0);
	assert_int_equal(everything(fix, &err), NSS_STATUS_UNAVAIL);
	free(real);
	free(folder);
}

/* A record with a good checksum that the publisher would never have written. */
static const struct {
	const char *name;
	const char *key;
	size_t key_len;
	size_t at; /* offset in the value */
	const char *bytes;
	size_t len;
	struct call call;
} evil[] = {
	/* clang-format off */
	{ "uid 0", "ualice", 6, 0, "\0\0\0\0", 4, { "", PW_NAME, "alice", 0 } },
	{ "gid 0", "ualice", 6, 4, "\0\0\0\0", 4, { "", PW_NAME, "alice", 0 } },
	{ "uid 999", "ualice", 6, 0, "\xe7\x03\0\0", 4, { "", PW_NAME, "alice", 0 } },
	{ "uid 65534", "ualice", 6, 0, "\xfe\xff\0\0", 4, { "", PW_NAME, "alice", 0 } },
	{ "uid outside", "ualice", 6, 0, "\x40\x42\x0f\0", 4, { "", PW_NAME, "alice", 0 } },
	{ "uid 2^31", "ualice", 6, 0, "\0\0\0\x80", 4, { "", PW_NAME, "alice", 0 } },
	{ "uid of bob in alice's uid", "U\x41\xa1\x38\x77", 5, 0, "\x42", 1, { "", PW_UID, NULL, FIX_ALICE_UID } },
	{ "name of another", "ualice", 6, 10, "malic", 5, { "", PW_NAME, "alice", 0 } },
	{ "name with colon", "ualice", 6, 10, "al:ce", 5, { "", PW_NAME, "alice", 0 } },
	{ "name length 0", "ualice", 6, 9, "\0", 1, { "", PW_NAME, "alice", 0 } },
	{ "name length 255", "ualice", 6, 9, "\xff", 1, { "", PW_NAME, "alice", 0 } },
	{ "shorter name", "ualice", 6, 9, "\4", 1, { "", PW_NAME, "alice", 0 } },
	{ "newline in gecos", "ualice", 6, 16, "A\nb:c", 5, { "", PW_NAME, "alice", 0 } },
	{ "relative home", "ualice", 6, 25, "x", 1, { "", PW_NAME, "alice", 0 } },
	{ "reserved name by uid", "U\x42\xa1\x38\x77", 5, 10, "bin", 3, { "", PW_UID, NULL, FIX_BOB_UID } },
	{ "group gid 0", "gcrew", 5, 0, "\0\0\0\0", 4, { "", GR_NAME, "crew", 0 } },
	{ "group of another name", "gcrew", 5, 6, "disk", 4, { "", GR_NAME, "crew", 0 } },
	{ "group by gid is another", "G\x44\xa1\x38\x77", 5, 0, "\x43", 1, { "", GR_GID, NULL, FIX_CREW_GID } },
	{ "member count too large", "gcrew", 5, 10, "\3", 1, { "", GR_NAME, "crew", 0 } },
	{ "member count too small", "gcrew", 5, 10, "\1", 1, { "", GR_NAME, "crew", 0 } },
	{ "member count 2^32-1", "gcrew", 5, 10, "\xff\xff\xff\xff", 4, { "", GR_NAME, "crew", 0 } },
	{ "member length", "gcrew", 5, 14, "\xff", 1, { "", GR_NAME, "crew", 0 } },
	{ "bound to root", "bsubject:CN=Two,O=Example", 25, 10, "\3sys", 4, { "", X_GR, FIX_KEY_TWO, 0 } },
	{ "bound to no name", "bsubject:CN=Two,O=Example", 25, 11, "b/b", 3, { "", X_GR, FIX_KEY_TWO, 0 } },
	{ "bound to nobody", "bsubject:CN=Two,O=Example", 25, 0, "\0\0\0\0", 4, { "", X_GR, FIX_KEY_TWO, 0 } },
	/* clang-format on */
};

static void evil_records(void **state)
{
	struct fixture *fix = *state;
	struct mtls_buf good = MTLS_BUF(1 << 20);
	fixture_read(fix, &good);
	uint8_t *file = malloc(good.len);
	assert_non_null(file);
	for (size_t i = 0; i < MTLS_COUNT(evil); i++) {
		char buffer[1024];
		union entry e;
		int err = 0;
		size_t len;
		for (int honest = 1; honest >= 0; honest--) {
			memcpy(file, good.data, good.len);
			uint8_t *value =
				fixture_find(file, good.len, evil[i].key, evil[i].key_len, &len);
			if (!value || evil[i].at + evil[i].len > len)
				fail_msg("%s: no such record", evil[i].name);
			if (!honest) {
				assert_memory_not_equal(value + evil[i].at, evil[i].bytes,
							evil[i].len);
				memcpy(value + evil[i].at, evil[i].bytes, evil[i].len);
			}
			fixture_reseal(evil[i].key, evil[i].key_len, value, len);
			fixture_replace(fix, file, good.len);
			enum nss_status status =
				run(fix, &evil[i].call, &e, buffer, sizeof(buffer), &err);
			if (status != (honest ? NSS_STATUS_SUCCESS : NSS_STATUS_UNAVAIL))
				fail_msg("%s: honest %d: status %d errno %d", evil[i].name, honest,
					 status, err);
		}
		/* and without the good checksum */
		uint8_t *value = fixture_find(file, good.len, evil[i].key, evil[i].key_len, &len);
		value[len] ^= 1;
		fixture_replace(fix, file, good.len);
		assert_int_equal(run(fix, &evil[i].call, &e, buffer, sizeof(buffer), &err),
				 NSS_STATUS_UNAVAIL);
		/* one bad record is no reason to refuse the others */
		assert_int_equal(nss_x509_group(&fix->db, FIX_KEY_ALICE, &e.gr,
						&(struct nss_out){ buffer, sizeof(buffer), &err }),
				 NSS_STATUS_SUCCESS);
	}
	free(file);
	mtls_buf_done(&good);
}

static void evil_groups_and_header(void **state)
{
	struct fixture *fix = *state;
	struct mtls_buf good = MTLS_BUF(1 << 20);
	static const struct {
		const char *name, *key;
		size_t at;
		const char *bytes;
		size_t len;
	} rows[] = {
		{ "a gid of root", "ualice", 48, "\0\0\0\0", 4 },
		{ "a gid of disk", "ualice", 48, "\6\0\0\0", 4 },
		{ "count 3", "ualice", 44, "\3", 1 },
		{ "count 2^32-1", "ualice", 44, "\xff\xff\xff\xff", 4 },
		{ "magic", "H", 0, "X", 1 },
		{ "format 0", "H", 8, "\0", 1 },
		{ "next format but one", "H", 8, "\3", 1 },
		{ "window upside down", "H", 12, "\xff\xff\xff\xff", 4 },
	};
	fixture_read(fix, &good);
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		uint8_t *file = malloc(good.len);
		assert_non_null(file);
		memcpy(file, good.data, good.len);
		size_t len, key_len = strlen(rows[i].key);
		uint8_t *value = fixture_find(file, good.len, rows[i].key, key_len, &len);
		assert_non_null(value);
		assert_true(rows[i].at + rows[i].len <= len);
		memcpy(value + rows[i].at, rows[i].bytes, rows[i].len);
		fixture_reseal(rows[i].key, key_len, value, len);
		fixture_replace(fix, file, good.len);
		long start = 0, size = 0;
		gid_t *gids = NULL;
		const struct nss_gids list = { &start, &size, &gids, -1 };
		int err = 0;
		enum nss_status status = nss_groups_of_user(&fix->db, "alice", 1, &list, &err);
		if (status != NSS_STATUS_UNAVAIL || start != 0)
			fail_msg("%s: status %d, %ld gids", rows[i].name, status, start);
		free(gids);
		free(file);
	}
	mtls_buf_done(&good);
}

/* The publisher's window may be anything: what is reserved stays so. */
static void a_window_is_no_permission(void **state)
{
	struct fixture *fix = *state;
	struct mtls_buf file = MTLS_BUF(1 << 20);
	char buffer[1024];
	union entry e;
	size_t len;
	int err = 0;
	fixture_read(fix, &file);
	uint8_t *header = fixture_find(file.data, file.len, "H", 1, &len);
	assert_non_null(header);
	memcpy(header + 12, "\0\0\0\0\xff\xff\xff\xff", 8);
	fixture_reseal("H", 1, header, len);
	fixture_replace(fix, file.data, file.len);
	const struct call alice = { "alice", PW_NAME, "alice", 0 };
	assert_int_equal(run(fix, &alice, &e, buffer, sizeof(buffer), &err), NSS_STATUS_SUCCESS);
	uint8_t *value = fixture_find(file.data, file.len, "ualice", 6, &len);
	memcpy(value, "\0\0\0\0", 4);
	fixture_reseal("ualice", 6, value, len);
	fixture_replace(fix, file.data, file.len);
	assert_int_equal(run(fix, &alice, &e, buffer, sizeof(buffer), &err), NSS_STATUS_UNAVAIL);
	mtls_buf_done(&file);
}

static void truncated(void **state)
{
	struct fixture *fix = *state;
	struct mtls_buf file = MTLS_BUF(1 << 20);
	int err = 0;
	fixture_read(fix, &file);
	for (size_t len = 0; len < file.len; len += len < 64 ? 1 : 37) {
		fixture_replace(fix, file.data, len);
		if (everything(fix, &err) != NSS_STATUS_UNAVAIL || err != EIO)
			fail_msg("cut at %zu of %zu: errno %d", len, file.len, err);
	}
	(void)mtls_buf_append(&file, "x", 1);
	fixture_replace(fix, file.data, file.len);
	assert_int_equal(everything(fix, &err), NSS_STATUS_UNAVAIL);
	fixture_replace(fix, file.data, file.len - 1);
	assert_int_equal(everything(fix, &err), NSS_STATUS_SUCCESS);
	mtls_buf_done(&file);
}

static void ten_thousand(struct people *people, void *ctx)
{
	(void)ctx;
	char name[32];
	for (int i = 0; i < 10000; i++) {
		(void)snprintf(name, sizeof(name), "member-%d", i);
		fixture_add(people, name, "/home/m");
		people_join(people, "crew", name);
	}
}

static void large_group(void **state)
{
	struct fixture *fix = *state;
	fixture_change(fix, ten_thousand, NULL);
	const struct call crew = { "crew", GR_NAME, "crew", 0 };
	union entry e;
	int err = 0;
	size_t len = 1024, count = 0;
	char *buffer = NULL;
	for (;;) {
		buffer = realloc(buffer, len);
		assert_non_null(buffer);
		enum nss_status status = run(fix, &crew, &e, buffer, len, &err);
		if (status == NSS_STATUS_SUCCESS)
			break;
		assert_int_equal(status, NSS_STATUS_TRYAGAIN);
		assert_int_equal(err, ERANGE);
		len *= 2;
		assert_true(len < (1 << 20));
	}
	while (e.gr.gr_mem[count])
		count++;
	assert_int_equal(count, 10002);
	assert_string_equal(e.gr.gr_mem[10001], "member-9999");
	free(buffer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_length, setup, teardown),
		cmocka_unit_test_setup_teardown(finds_nothing_else, setup, teardown),
		cmocka_unit_test_setup_teardown(groups_of_users, setup, teardown),
		cmocka_unit_test_setup_teardown(without_a_file, setup, teardown),
		cmocka_unit_test_setup_teardown(backstop, setup, teardown),
		cmocka_unit_test_setup_teardown(who_may_own_it, setup, teardown),
		cmocka_unit_test_setup_teardown(evil_records, setup, teardown),
		cmocka_unit_test_setup_teardown(evil_groups_and_header, setup, teardown),
		cmocka_unit_test_setup_teardown(a_window_is_no_permission, setup, teardown),
		cmocka_unit_test_setup_teardown(truncated, setup, teardown),
		cmocka_unit_test_setup_teardown(large_group, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
