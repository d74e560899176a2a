/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <endian.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "tests/nss/fixture.h"

#define LOCK_TIMEOUT_MS 5000

const struct mtls_id_window fix_window = { MTLS_ID_WINDOW_MIN, MTLS_ID_WINDOW_MAX };

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "fixture: %s\n", what);
	abort();
}

static struct fixture *at(const char *folder)
{
	struct fixture *fix = calloc(1, sizeof(*fix));
	must(fix, "memory");
	must(asprintf(&fix->path, "%s/accounts.cdb", folder) > 0, "memory");
	must(asprintf(&fix->gen, "%s/accounts.gen", folder) > 0, "memory");
	fix->people = people_new();
	fix->db.path = fix->path;
	fix->db.gen_path = fix->gen;
	fix->db.owner = geteuid();
	return fix;
}

struct fixture *fixture_new(void)
{
	char *folder, *inner;
	const char *base = getenv("TMPDIR");
	must(asprintf(&folder, "%s/nss.XXXXXX", base ? base : "/tmp") > 0, "memory");
	must(mkdtemp(folder), "mkdtemp");
	must(asprintf(&inner, "%s/s", folder) > 0, "memory");
	struct fixture *fix = at(inner);
	free(inner);
	fix->folder = folder;
	return fix;
}

struct fixture *fixture_installed(void)
{
	must(access("/run/mtls-test-private", F_OK) == 0, "this is not a private name space");
	return at(MTLS_STATEDIR "/snapshot");
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void fixture_free(struct fixture *fix)
{
	nss_db_close(&fix->db);
	people_free(fix->people);
	if (fix->folder)
		(void)nftw(fix->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(fix->folder);
	free(fix->path);
	free(fix->gen);
	free(fix);
}

void fixture_publish(struct fixture *fix)
{
	_cleanup_(mtls_acctplace_closep) struct mtls_acctplace *place = NULL;
	struct mtls_diag diag = { "" };
	int fd;
	int r = mtls_acctplace_open(fix->path, geteuid(), LOCK_TIMEOUT_MS, &place, &diag);
	must(r >= 0, mtls_diag_text(&diag, r));
	r = mtls_acctplace_begin(place, &fd, &diag);
	must(r >= 0, mtls_diag_text(&diag, r));
	r = people_write(fix->people, fd, &diag);
	must(r >= 0, mtls_diag_text(&diag, r));
	r = mtls_acctplace_publish(place, &diag);
	must(r >= 0, mtls_diag_text(&diag, r));
}

void fixture_change(struct fixture *fix, void (*change)(struct people *people, void *ctx),
		    void *ctx)
{
	change(fix->people, ctx);
	fixture_publish(fix);
}

void fixture_add(struct people *people, const char *name, const char *home)
{
	(void)people_add(people, &(struct people_user){ .name = name, .home = home });
}

static void people_of_tests(struct people *people, void *ctx)
{
	(void)ctx;
	static const char *const bound[][2] = {
		{ FIX_KEY_ALICE, "alice" }, { FIX_KEY_TWO, "alice" },
		{ FIX_KEY_TWO, "bob" },     { FIX_KEY_FOREIGN, "local.user" },
		{ FIX_KEY_MIXED, "alice" }, { FIX_KEY_MIXED, "local.user" },
	};
	static const char *const members[][2] = {
		{ "staffers", "alice" },
		{ "crew", "alice" },
		{ "crew", "bob" },
	};
	(void)people_user(people, "alice");
	(void)people_user(people, "bob");
	(void)people_group(people, "staffers", 0, 0);
	(void)people_group(people, "crew", 0, 0);
	for (size_t i = 0; i < MTLS_COUNT(members); i++)
		people_join(people, members[i][0], members[i][1]);
	for (size_t i = 0; i < MTLS_COUNT(bound); i++)
		people_bind(people, bound[i][0], bound[i][1]);
}

void fixture_populate(struct fixture *fix)
{
	people_free(fix->people);
	fix->people = people_new();
	fixture_change(fix, people_of_tests, NULL);
}

static uint32_t read_u32(const uint8_t *p)
{
	uint32_t value;
	memcpy(&value, p, sizeof(value));
	return le32toh(value);
}

uint8_t *fixture_find(uint8_t *file, size_t size, const void *key, size_t key_len, size_t *ret_len)
{
	size_t end = read_u32(file);
	must(end <= size, "layout");
	for (size_t at = 2048; at + 8 <= end;) {
		size_t klen = read_u32(file + at), len = read_u32(file + at + 4);
		if (klen == key_len && memcmp(file + at + 8, key, klen) == 0) {
			*ret_len = len - 8;
			return file + at + 8 + klen;
		}
		at += 8 + klen + len;
	}
	return NULL;
}

void fixture_reseal(const void *key, size_t key_len, uint8_t *value, size_t len)
{
	struct mtls_buf sealed = MTLS_BUF(1 << 20);
	must(mtls_buf_append(&sealed, value, len) == 0, "memory");
	must(mtls_acct_seal(key, key_len, &sealed) == 0, "seal");
	memcpy(value, sealed.data, sealed.len);
	mtls_buf_done(&sealed);
}

void fixture_replace(struct fixture *fix, const void *data, size_t len)
{
	char temporary[512];
	struct mtls_diag diag = { "" };
	(void)snprintf(temporary, sizeof(temporary), "%s.replace", fix->path);
	int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	must(fd >= 0 && mtls_fd_write_all(fd, data, len) == 0 && close(fd) == 0, "write");
	must(rename(temporary, fix->path) == 0, "rename");
	must(mtls_acctplace_count(fix->gen, geteuid(), &diag) == 0, diag.text);
}

void fixture_read(struct fixture *fix, struct mtls_buf *out)
{
	must(mtls_file_read(fix->path, NULL, out, NULL) == 0, "read");
}
