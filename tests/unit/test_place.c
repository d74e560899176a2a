/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The place of the snapshot. A publisher dies before each of its system calls in turn, and each of
 * them fails in turn: readers find the old snapshot or the new one, whole, and the next publisher
 * goes on as if nothing had been. Then who may own what, the lock, and the count.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
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
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/acctdb/place.h"
#include "lib/acctdb/reader.h"
#include "tests/nss/people.h"

#define DIED       77
#define STEPS_MOST 200

/* The calls of a publisher; each is a step, counted from 1. */
static long step, step_that_dies, step_that_fails;
static long allocations_left = -1; /* -1: without end */

static bool fails_here(void)
{
	step++;
	if (step == step_that_dies)
		_exit(DIED);
	if (step != step_that_fails)
		return false;
	errno = EIO;
	return true;
}

/* clang-format off */
#define WRAP(type, name, parameters, arguments, failure)                                           \
	type __real_##name parameters;                                                             \
	type __wrap_##name parameters;                                                             \
	type __wrap_##name parameters { return fails_here() ? (failure) : __real_##name arguments; }
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode), -1)
WRAP(int, chmod, (const char *path, mode_t mode), (path, mode), -1)
WRAP(int, fchmod, (int fd, mode_t mode), (fd, mode), -1)
WRAP(int, flock, (int fd, int what), (fd, what), -1)
WRAP(int, fsync, (int fd), (fd), -1)
WRAP(int, rename, (const char *from, const char *to), (from, to), -1)
WRAP(int, link, (const char *from, const char *to), (from, to), -1)
WRAP(int, unlink, (const char *path), (path), -1)
WRAP(ssize_t, write, (int fd, const void *data, size_t len), (fd, data, len), -1)
WRAP(int, ftruncate, (int fd, off_t len), (fd, len), -1)
WRAP(int, __open_2, (const char *path, int flags), (path, flags), -1)
WRAP(void *, mmap, (void *at, size_t len, int prot, int flags, int fd, off_t from),
     (at, len, prot, flags, fd, from), MAP_FAILED)
/* clang-format on */

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	if (flags & O_CREAT) {
		va_list ap;
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	return fails_here() ? -1 : __real_open(path, flags, mode);
}

static bool may_allocate(void)
{
	return allocations_left < 0 || allocations_left-- > 0;
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
	return may_allocate() ? __real_calloc(count, size) : NULL;
}

char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
char *__wrap_strdup(const char *text)
{
	return may_allocate() ? __real_strdup(text) : NULL;
}

char *__real_strndup(const char *text, size_t len);
char *__wrap_strndup(const char *text, size_t len);
char *__wrap_strndup(const char *text, size_t len)
{
	return may_allocate() ? __real_strndup(text, len) : NULL;
}

static char top[128], folder[160], path[192], gen[192], lock[192], temporary[192];

static int setup(void **state)
{
	(void)state;
	step_that_dies = step_that_fails = 0;
	char *here = getcwd(NULL, 0);
	assert_non_null(here);
	assert_true(snprintf(top, sizeof(top), "%s/place.XXXXXX", here) < (int)sizeof(top));
	free(here);
	assert_non_null(mkdtemp(top));
	(void)snprintf(folder, sizeof(folder), "%s/state/s", top);
	(void)snprintf(path, sizeof(path), "%s/accounts.cdb", folder);
	(void)snprintf(temporary, sizeof(temporary), "%s/accounts.cdb.new", folder);
	(void)snprintf(gen, sizeof(gen), "%s/" MTLS_ACCTDB_GEN_NAME, folder);
	(void)snprintf(lock, sizeof(lock), "%s/" MTLS_ACCTDB_LOCK_NAME, folder);
	return 0;
}

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(name);
}

static int teardown(void **state)
{
	(void)state;
	return nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static bool exists(const char *name)
{
	struct stat st;
	return lstat(name, &st) == 0;
}

static int open_place(struct mtls_acctplace **ret, struct mtls_diag *diag)
{
	return mtls_acctplace_open(path, geteuid(), 0, ret, diag);
}

/* Accounts of this serial in the place's temporary file, published. */
static int publish_in(struct mtls_acctplace *place, uint64_t serial, struct mtls_diag *diag)
{
	_cleanup_(people_freep) struct people *people = people_new();
	int fd;
	people->generation = serial;
	(void)people_user(people, "alice");
	int r = mtls_acctplace_begin(place, &fd, diag);
	if (r >= 0)
		r = people_write(people, fd, diag);
	return r < 0 ? r : mtls_acctplace_publish(place, diag);
}

static int publish(uint64_t serial, struct mtls_diag *diag)
{
	_cleanup_(mtls_acctplace_closep) struct mtls_acctplace *place = NULL;
	int r = open_place(&place, diag);
	return r < 0 ? r : publish_in(place, serial, diag);
}

static void must_publish(uint64_t serial)
{
	struct mtls_diag diag = { "" };
	int r = publish(serial, &diag);
	if (r < 0)
		fail_msg("%d: %s", r, diag.text);
}

static uint64_t counted(void)
{
	uint64_t count = UINT64_MAX;
	assert_int_equal(mtls_acctplace_counted(gen, geteuid(), &count, NULL), 0);
	return count;
}

/* What a reader finds; 0: nothing is there. Anything but a whole snapshot fails the test. */
static uint64_t serial_there(void)
{
	struct mtls_acctdb db;
	struct mtls_acct_user user;
	struct mtls_diag diag = { "" };
	int r = mtls_acctdb_open(&db, path, geteuid(), &diag);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		fail_msg("a reader found %d: %s", r, diag.text);
	assert_int_equal(mtls_acctdb_user_by_name(&db, "alice", 5, &user), 0);
	uint64_t serial = db.header.serial;
	mtls_acctdb_close(&db);
	return serial;
}

/* Publishes @serial in a process that dies at @dies; its exit status. */
static int publish_and_die(uint64_t serial, long dies)
{
	(void)fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		step = 0;
		step_that_dies = dies;
		_exit(publish(serial, NULL) < 0 ? 1 : 0);
	}
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* The first snapshot of a machine: nothing or the whole of it. */
static void dies_while_it_is_the_first(void **state)
{
	(void)state;
	long dies;
	for (dies = 1;; dies++) {
		int status = publish_and_die(1, dies);
		uint64_t there = serial_there();
		assert_true(there <= 1 && dies < STEPS_MOST);
		if (status == 0)
			break;
		assert_int_equal(status, DIED);
		must_publish(2);
		assert_int_equal(serial_there(), 2);
		assert_true(counted() > 0);
		assert_false(exists(temporary));
		assert_int_equal(nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
		assert_int_equal(mkdir(top, 0755), 0);
	}
	assert_int_equal(serial_there(), 1);
	assert_true(dies > 15);
}

static void dies_at_any_step(void **state)
{
	(void)state;
	uint64_t serial = 1;
	bool before_rename = false, behind_rename = false;
	long dies;
	must_publish(serial);
	struct stat old, new;
	assert_int_equal(stat(gen, &old), 0);
	for (dies = 1;; dies++) {
		uint64_t count = counted();
		int status = publish_and_die(serial + 1, dies);
		uint64_t there = serial_there();
		assert_true(dies < STEPS_MOST);
		if (status == 0)
			break;
		assert_int_equal(status, DIED);
		if (there != serial && there != serial + 1)
			fail_msg("step %ld: serial %lu", dies, (unsigned long)there);
		before_rename |= there == serial;
		behind_rename |= there == serial + 1;
		/* whoever comes next tells the readers, even if it does nothing else */
		struct mtls_acctplace *place = NULL;
		assert_int_equal(open_place(&place, NULL), 0);
		mtls_acctplace_close(place);
		assert_true(counted() > count);
		serial += 2;
		must_publish(serial);
		assert_int_equal(serial_there(), serial);
		assert_false(exists(temporary));
		assert_int_equal(stat(gen, &new), 0);
		assert_int_equal(new.st_ino, old.st_ino);
	}
	assert_true(before_rename && behind_rename && dies > 10);
}

static void fails_at_any_step(void **state)
{
	(void)state;
	uint64_t serial = 1;
	unsigned int failed = 0;
	must_publish(serial);
	for (long fails = 1;; fails++) {
		struct mtls_diag diag = { "" };
		uint64_t before = serial_there();
		assert_true(fails < STEPS_MOST);
		step = 0;
		step_that_fails = fails;
		int r = publish(++serial, &diag);
		bool reached = step >= fails;
		step_that_fails = 0;
		uint64_t there = serial_there();
		if (r == 0 && there != serial)
			fail_msg("step %ld: success, but %lu is there", fails,
				 (unsigned long)there);
		if (r < 0 && (r != -EIO || (there != before && there != serial) || !diag.text[0]))
			fail_msg("step %ld: %d (%s), and %lu is there", fails, r, diag.text,
				 (unsigned long)there);
		failed += r < 0;
		must_publish(++serial);
		assert_false(exists(temporary));
		if (!reached)
			break;
	}
	assert_true(failed > 10);
}

/* A publisher that goes on after a failure, with the lock kept. */
static void goes_on_after_a_failure(void **state)
{
	(void)state;
	_cleanup_(mtls_acctplace_closep) struct mtls_acctplace *place = NULL;
	assert_int_equal(open_place(&place, NULL), 0);
	assert_int_equal(publish_in(place, 1, NULL), 0);
	for (long fails = 1; fails < 12; fails++) {
		step = 0;
		step_that_fails = fails;
		(void)publish_in(place, 2, NULL);
		step_that_fails = 0;
		assert_int_equal(publish_in(place, 3, NULL), 0);
		assert_int_equal(serial_there(), 3);
		assert_false(exists(temporary));
	}
}

/* Readers open it all the while, and find one or the other. */
static void readers_see_old_or_new(void **state)
{
	(void)state;
	int done[2];
	must_publish(1);
	assert_int_equal(pipe2(done, O_CLOEXEC | O_NONBLOCK), 0);
	(void)fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)close(done[1]);
		unsigned long looks = 0;
		uint64_t last = 0;
		char byte;
		/* until the other end is closed, and once more */
		for (bool more = true; more; looks++) {
			struct mtls_acctdb db;
			struct mtls_acct_user user;
			more = read(done[0], &byte, 1) < 0;
			if (mtls_acctdb_open(&db, path, geteuid(), NULL) < 0 ||
			    mtls_acctdb_user_by_name(&db, "alice", 5, &user) < 0 ||
			    db.header.serial < last)
				_exit(1);
			last = db.header.serial;
			mtls_acctdb_close(&db);
		}
		_exit(last == 300 && looks > 10 ? 0 : 2);
	}
	(void)close(done[0]);
	for (uint64_t serial = 2; serial <= 300; serial++)
		must_publish(serial);
	(void)close(done[1]);
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void modes_and_count(void **state)
{
	(void)state;
	struct stat st;
	uint64_t count = 99;
	struct mtls_acctplace *place = NULL;
	struct mtls_diag diag = { "" };
	assert_int_equal(mtls_acctplace_counted(gen, geteuid(), &count, &diag), 0);
	assert_int_equal(count, 0);
	assert_string_equal(diag.text, "");
	assert_int_equal(mtls_acctplace_count(gen, geteuid(), &diag), -ENOENT);
	assert_non_null(strstr(diag.text, "accounts.gen': No such file"));
	mode_t mask = umask(0077);
	/* opening alone is no snapshot: nothing is counted */
	assert_int_equal(open_place(&place, NULL), 0);
	mtls_acctplace_close(place);
	assert_int_equal(counted(), 0);
	must_publish(1);
	(void)umask(mask);
	assert_int_equal(counted(), 1);
	static const struct {
		const char *name;
		mode_t mode;
	} rows[] = {
		{ folder, S_IFDIR | 0755 },
		{ path, S_IFREG | 0644 },
		{ gen, S_IFREG | 0644 },
		{ lock, S_IFREG | 0600 },
	};
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		assert_int_equal(lstat(rows[i].name, &st), 0);
		if (st.st_mode != rows[i].mode)
			fail_msg("%s: %o", rows[i].name, st.st_mode);
	}
	assert_int_equal(lstat(gen, &st), 0);
	assert_int_equal(st.st_size, MTLS_ACCTDB_GEN_SIZE);
	/* opened: 2; published: 3 */
	must_publish(2);
	assert_int_equal(counted(), 3);
	assert_int_equal(mtls_acctplace_count(gen, geteuid(), NULL), 0);
	assert_int_equal(counted(), 4);
	/* the counter went while a publisher was at work: there is one again */
	assert_int_equal(open_place(&place, NULL), 0);
	assert_int_equal(unlink(gen), 0);
	assert_int_equal(publish_in(place, 3, NULL), 0);
	assert_int_equal(counted(), 1);
	mtls_acctplace_close(place);
}

static void temporary_files(void **state)
{
	(void)state;
	struct mtls_acctplace *place = NULL;
	struct mtls_diag diag = { "" };
	struct stat st;
	int fd = -1, second = -1;
	must_publish(1);
	assert_int_equal(open_place(&place, NULL), 0);
	assert_int_equal(mtls_acctplace_publish(place, &diag), MTLS_E_BUG);
	mtls_acctplace_discard(place);

	assert_int_equal(mtls_acctplace_begin(place, &fd, NULL), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(st.st_size, 0);
	assert_true(exists(temporary));
	/* what is no snapshot is not published, nor half of one */
	assert_int_equal(mtls_acctplace_publish(place, &diag), MTLS_E_CORRUPT);
	assert_non_null(strstr(diag.text, "cannot read back"));
	assert_false(exists(temporary));
	assert_int_equal(mtls_acctplace_publish(place, NULL), MTLS_E_BUG);
	assert_int_equal(mtls_acctplace_begin(place, &fd, NULL), 0);
	_cleanup_(people_freep) struct people *people = people_new();
	assert_int_equal(people_write(people, fd, NULL), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(ftruncate(fd, st.st_size - 1), 0);
	assert_int_equal(mtls_acctplace_publish(place, NULL), MTLS_E_CORRUPT);
	assert_int_equal(serial_there(), 1);

	/* beginning again, or closing, is giving up */
	assert_int_equal(mtls_acctplace_begin(place, &fd, NULL), 0);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(mtls_acctplace_begin(place, &second, NULL), 0);
	assert_int_equal(fstat(second, &st), 0);
	assert_int_equal(st.st_size, 0);
	mtls_acctplace_close(place);
	assert_false(exists(temporary));

	/* one that a crash left, and one that is somebody else's doing */
	FILE *left = fopen(temporary, "we");
	assert_non_null(left);
	assert_int_equal(fclose(left), 0);
	must_publish(2);
	assert_int_equal(symlink(path, temporary), 0);
	must_publish(3);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(mkdir(temporary, 0755), 0);
	assert_true(publish(4, &diag) < 0);
	assert_non_null(strstr(diag.text, "cannot remove"));
	assert_int_equal(serial_there(), 3);
}

static void full_disk(void **state)
{
	(void)state;
	struct rlimit before;
	struct mtls_diag diag = { "" };
	must_publish(1);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	const struct rlimit room = { 2100, before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &room), 0);
	int r = publish(2, &diag);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(r, -EFBIG);
	assert_string_equal(diag.text, "cannot write the snapshot: File too large");
	assert_int_equal(serial_there(), 1);
	assert_false(exists(temporary));
	must_publish(2);
}

static void bad_paths(void **state)
{
	(void)state;
	static const char *const rows[] = { "accounts.cdb",   "",      "/accounts.cdb", "/",
					    "s/accounts.cdb", "/tmp/", "relative/" };
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct mtls_acctplace *place = NULL;
		struct mtls_diag diag = { "" };
		int r = mtls_acctplace_open(rows[i], geteuid(), 0, &place, &diag);
		if (r != -EINVAL || place || !strstr(diag.text, "absolute path"))
			fail_msg("'%s': %d", rows[i], r);
	}
	/* only the folder and the one above it are made */
	struct mtls_acctplace *place = NULL;
	char deep[256];
	(void)snprintf(deep, sizeof(deep), "%s/a/b/c/accounts.cdb", top);
	assert_int_equal(mtls_acctplace_open(deep, geteuid(), 0, &place, NULL), -ENOENT);
}

static void stranger(const char *name, const char *how)
{
	static const char short_text[] = "short";
	int fd;
	if (strcmp(how, "group may write") == 0) {
		assert_int_equal(chmod(name, 0775), 0);
	} else if (strcmp(how, "all may write") == 0) {
		assert_int_equal(chmod(name, 0757), 0);
	} else if (strcmp(how, "short") == 0) {
		assert_int_equal(unlink(name), 0);
		fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		assert_true(fd >= 0);
		assert_int_equal(write(fd, short_text, 5), 5);
		assert_int_equal(close(fd), 0);
	} else if (strcmp(how, "link") == 0) {
		assert_int_equal(unlink(name), 0);
		assert_int_equal(symlink(path, name), 0);
	} else if (strcmp(how, "dangling link") == 0) {
		assert_int_equal(unlink(name), 0);
		assert_int_equal(symlink("nowhere", name), 0);
	} else if (strcmp(how, "folder") == 0) {
		assert_int_equal(unlink(name), 0);
		assert_int_equal(mkdir(name, 0755), 0);
	} else {
		assert_string_equal(how, "as it is");
	}
}

static void who_may_own_it(void **state)
{
	(void)state;
	static const struct {
		const char *file, *how;
		int want;
		const char *why;
	} rows[] = {
		{ gen, "as it is", 0, "" },
		{ folder, "as it is", 0, "" },
		{ folder, "group may write", MTLS_E_UNTRUSTED, "must be a folder of root" },
		{ folder, "all may write", MTLS_E_UNTRUSTED, "must be a folder of root" },
		{ gen, "group may write", MTLS_E_UNTRUSTED, "must be a file of root" },
		{ gen, "all may write", MTLS_E_UNTRUSTED, "must be a file of root" },
		{ gen, "short", MTLS_E_UNTRUSTED, "must be a file of root" },
		{ gen, "link", -ELOOP, "cannot open" },
		{ gen, "dangling link", -ELOOP, "cannot open" },
		{ gen, "folder", -EISDIR, "cannot open" },
		{ lock, "link", -ELOOP, "cannot open the lock" },
		{ lock, "folder", -EISDIR, "cannot open the lock" },
	};
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct mtls_acctplace *place = NULL;
		struct mtls_diag diag = { "" };
		must_publish(1);
		stranger(rows[i].file, rows[i].how);
		int r = open_place(&place, &diag);
		if (r != rows[i].want || !strstr(diag.text, rows[i].why))
			fail_msg("%s, %s: %d (%s)", rows[i].file, rows[i].how, r, diag.text);
		mtls_acctplace_close(place);
		uint64_t count = 99;
		if (rows[i].file == gen && r < 0 && rows[i].want == MTLS_E_UNTRUSTED)
			assert_int_equal(mtls_acctplace_counted(gen, geteuid(), &count, NULL), r);
		assert_int_equal(count, 99);
		assert_int_equal(nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
		assert_int_equal(mkdir(top, 0755), 0);
	}
	/* the folder is a link, or another's */
	struct mtls_acctplace *place = NULL;
	char state_folder[160];
	(void)snprintf(state_folder, sizeof(state_folder), "%s/state", top);
	assert_int_equal(mkdir(state_folder, 0755), 0);
	assert_int_equal(symlink("/tmp", folder), 0);
	assert_int_equal(open_place(&place, NULL), MTLS_E_UNTRUSTED);
	assert_int_equal(unlink(folder), 0);
	if (geteuid() == 0) {
		assert_int_equal(mkdir(folder, 0755), 0);
		assert_int_equal(chown(folder, 4711, 0), 0);
		assert_int_equal(mtls_acctplace_open(path, 0, 0, &place, NULL), MTLS_E_UNTRUSTED);
		assert_int_equal(mtls_acctplace_open(path, 4711, 0, &place, NULL), 0);
		mtls_acctplace_close(place);
	}
}

/* Another process has the lock; it gives it back when told, or keeps it. */
static void one_publisher(void **state)
{
	(void)state;
	struct mtls_acctplace *place = NULL;
	struct mtls_diag diag = { "" };
	int ready[2], release[2];
	char byte;
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(release, O_CLOEXEC), 0);
	(void)fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (open_place(&place, NULL) < 0 || write(ready[1], "r", 1) != 1 ||
		    read(release[0], &byte, 1) != 1)
			_exit(1);
		mtls_acctplace_close(place);
		_exit(0);
	}
	/* so that the end of a process that failed is seen */
	(void)close(ready[1]);
	(void)close(release[0]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(open_place(&place, &diag), MTLS_E_BUSY);
	assert_non_null(strstr(diag.text, "another process publishes"));
	assert_int_equal(mtls_acctplace_open(path, geteuid(), 30, &place, NULL), MTLS_E_BUSY);
	assert_null(place);
	assert_int_equal(write(release[1], "x", 1), 1);
	assert_int_equal(mtls_acctplace_open(path, geteuid(), 30000, &place, NULL), 0);
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	mtls_acctplace_close(place);
	(void)close(ready[0]);
	(void)close(release[1]);
}

static void without_memory(void **state)
{
	(void)state;
	struct mtls_acctplace *place = NULL;
	for (long allowed = 0; allowed < 20; allowed++) {
		struct mtls_diag diag = { "" };
		allocations_left = allowed;
		int r = open_place(&place, &diag);
		allocations_left = -1;
		if (r == 0) {
			assert_true(allowed > 2);
			break;
		}
		assert_int_equal(r, -ENOMEM);
		assert_null(place);
	}
	assert_non_null(place);
	mtls_acctplace_close(place);
	mtls_acctplace_close(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(dies_while_it_is_the_first),
		TEST(dies_at_any_step),
		TEST(fails_at_any_step),
		TEST(goes_on_after_a_failure),
		TEST(readers_see_old_or_new),
		TEST(modes_and_count),
		TEST(temporary_files),
		TEST(full_disk),
		TEST(bad_paths),
		TEST(who_may_own_it),
		TEST(one_publisher),
		TEST(without_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
