/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store when the world ends or the disk does. Killed at random during commits: every change
 * that was acknowledged is there, and no id is given twice. Writes, syncs and opens that fail, each
 * of them once and for all n: a clear answer, nothing half done, and the next change works.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/store_help.h"

/* What the child tells through a pipe when a commit has returned. */
struct ack {
	uint32_t number, uid, removed; /* number: of the change; removed: a uid or 0 */
};

static void name_of(uint32_t number, char out[16])
{
	(void)snprintf(out, 16, "u%u", number);
}

/* Adds a user a change, removes one in four, until it is killed. */
static _Noreturn void write_for_ever(const char *folder, int fd, uint32_t first)
{
	const struct store_options options = help_options(help_path(folder, "store.db"));
	struct mtls_diag diag = { 0 };
	struct store *store;
	bool is_new;
	if (store_open(&options, &store, &is_new, &diag) < 0)
		_exit(1);
	for (uint32_t number = first;; number++) {
		struct ack ack = { .number = number };
		char name[16], old[16];
		uint64_t generation;
		name_of(number, name);
		const struct store_user_spec spec = { .name = name,
						      .home = "/home/x",
						      .shell = "/bin/sh" };
		if (store_begin(store, &diag) < 0 ||
		    store_add_user(store, &spec, &ack.uid, &diag) < 0)
			_exit(2);
		name_of(number - 2, old);
		if (number % 4 == 0 && number > first + 2 &&
		    store_remove_user(store, old, number, &ack.removed, &diag) < 0)
			_exit(3);
		if (store_commit(store, &generation, &diag) < 0)
			_exit(4);
		if (write(fd, &ack, sizeof(ack)) != sizeof(ack))
			_exit(5);
	}
}

struct ledger {
	struct ack acks[65536];
	size_t count;
};

static void read_acks(int fd, struct ledger *ledger)
{
	struct ack ack;
	while (read(fd, &ack, sizeof(ack)) == (ssize_t)sizeof(ack)) {
		assert_true(ledger->count < MTLS_COUNT(ledger->acks));
		ledger->acks[ledger->count++] = ack;
	}
}

/* Everything that was acknowledged stands in the walk, and no uid in two lines. */
static void check_ledger(const struct ledger *ledger, const char *text)
{
	for (size_t i = 0; i < ledger->count; i++) {
		const struct ack *ack = &ledger->acks[i];
		char name[16], user[64], stone[64];
		name_of(ack->number, name);
		(void)snprintf(user, sizeof(user), "\nuser %s %u:%u ", name, ack->uid, ack->uid);
		(void)snprintf(stone, sizeof(stone), "\nstone u %u %s ", ack->uid, name);
		if (!strstr(text, user) && !strstr(text, stone))
			fail_msg("%s (%u) is lost", name, ack->uid);
		if (!ack->removed)
			continue;
		(void)snprintf(stone, sizeof(stone), "\nstone u %u ", ack->removed);
		if (!strstr(text, stone))
			fail_msg("the tombstone of %u is lost", ack->removed);
	}
	for (size_t i = 1; i < ledger->count; i++)
		assert_true(ledger->acks[i].uid > ledger->acks[i - 1].uid);
}

static void killed_at_random(void **state)
{
	static struct ledger ledger;
	char *folder = help_folder();
	unsigned int seed = 7;
	(void)state;
	store_close(help_open(folder));
	for (int round = 0; round < 60; round++) {
		int fds[2];
		assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
		/* Numbers go on where any earlier child may have been. */
		uint32_t first = (uint32_t)(round + 1) * 100000;
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			write_for_ever(folder, fds[1], first);
		(void)close(fds[1]);
		/* At least one change, then anywhere in the next ones. */
		struct ack ack;
		assert_int_equal(read(fds[0], &ack, sizeof(ack)), sizeof(ack));
		ledger.acks[ledger.count++] = ack;
		(void)usleep((unsigned int)rand_r(&seed) % 20000);
		assert_int_equal(kill(pid, SIGKILL), 0);
		int status;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		read_acks(fds[0], &ledger);
		(void)close(fds[0]);
		if (round % 10 && round < 50)
			continue; /* the next child takes over what this one left */
		struct store *store = help_open(folder);
		char *text = help_text(store, false);
		check_ledger(&ledger, text);
		free(text);
		store_close(store);
	}
	print_message("# %zu acknowledged changes in 60 rounds\n", ledger.count);
	assert_true(ledger.count > 60);
	help_remove(folder);
}

/*
 * A VFS over the default one whose n-th call of a kind fails, once or from there on. SQLite calls
 * xWrite, xTruncate, xSync, xOpen through it, for the store knows nothing of it.
 */
enum kind {
	WRITES = 1,
	SYNCS = 2,
	OPENS = 4,
	READS = 8,
};

static struct {
	unsigned int kinds;
	int left;     /* calls until the one that fails; negative: none does */
	bool lasting; /* and all that follow */
	int code;
	int failed;
} fault = { .left = -1 };

static int fail_now(enum kind kind)
{
	if (!(fault.kinds & kind) || fault.left < 0)
		return SQLITE_OK;
	if (fault.left > 0) {
		fault.left--;
		return SQLITE_OK;
	}
	if (!fault.lasting)
		fault.left = -1;
	fault.failed++;
	errno = EIO; /* what SQLite asks for */
	return fault.code;
}

struct faulty_file {
	sqlite3_file base;
	sqlite3_file *real; /* behind this struct */
};

static sqlite3_file *real_of(sqlite3_file *file)
{
	return ((struct faulty_file *)file)->real;
}

static int faulty_close(sqlite3_file *file)
{
	return real_of(file)->pMethods->xClose(real_of(file));
}

static int faulty_read(sqlite3_file *file, void *data, int len, sqlite3_int64 at)
{
	int rc = fail_now(READS);
	return rc ? SQLITE_IOERR_READ
		  : real_of(file)->pMethods->xRead(real_of(file), data, len, at);
}

static int faulty_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 at)
{
	int rc = fail_now(WRITES);
	/* Half of it may be on the disk. */
	if (rc)
		(void)real_of(file)->pMethods->xWrite(real_of(file), data, len / 2, at);
	return rc ? rc : real_of(file)->pMethods->xWrite(real_of(file), data, len, at);
}

static int faulty_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	int rc = fail_now(WRITES);
	return rc ? SQLITE_IOERR_TRUNCATE : real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int faulty_sync(sqlite3_file *file, int flags)
{
	int rc = fail_now(SYNCS);
	return rc ? SQLITE_IOERR_FSYNC : real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int faulty_size(sqlite3_file *file, sqlite3_int64 *ret)
{
	return real_of(file)->pMethods->xFileSize(real_of(file), ret);
}

static int faulty_lock(sqlite3_file *file, int level)
{
	return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int faulty_unlock(sqlite3_file *file, int level)
{
	return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int faulty_check(sqlite3_file *file, int *ret)
{
	return real_of(file)->pMethods->xCheckReservedLock(real_of(file), ret);
}

static int faulty_control(sqlite3_file *file, int op, void *arg)
{
	return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}

static int faulty_sector(sqlite3_file *file)
{
	return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int faulty_device(sqlite3_file *file)
{
	return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int faulty_map(sqlite3_file *file, int region, int size, int extend, void volatile **ret)
{
	return real_of(file)->pMethods->xShmMap(real_of(file), region, size, extend, ret);
}

static int faulty_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
	return real_of(file)->pMethods->xShmLock(real_of(file), offset, n, flags);
}

static void faulty_barrier(sqlite3_file *file)
{
	real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int faulty_unmap(sqlite3_file *file, int flag)
{
	return real_of(file)->pMethods->xShmUnmap(real_of(file), flag);
}

static const sqlite3_io_methods faulty_methods = {
	.iVersion = 2,
	.xClose = faulty_close,
	.xRead = faulty_read,
	.xWrite = faulty_write,
	.xTruncate = faulty_truncate,
	.xSync = faulty_sync,
	.xFileSize = faulty_size,
	.xLock = faulty_lock,
	.xUnlock = faulty_unlock,
	.xCheckReservedLock = faulty_check,
	.xFileControl = faulty_control,
	.xSectorSize = faulty_sector,
	.xDeviceCharacteristics = faulty_device,
	.xShmMap = faulty_map,
	.xShmLock = faulty_shm_lock,
	.xShmBarrier = faulty_barrier,
	.xShmUnmap = faulty_unmap,
};

static sqlite3_vfs *real_vfs;
static sqlite3_vfs faulty_vfs;

static int faulty_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
		       int *ret_flags)
{
	struct faulty_file *faulty = (struct faulty_file *)file;
	(void)vfs;
	faulty->base.pMethods = NULL;
	faulty->real = (sqlite3_file *)(faulty + 1);
	if (fail_now(OPENS))
		return SQLITE_CANTOPEN;
	int rc = real_vfs->xOpen(real_vfs, name, faulty->real, flags, ret_flags);
	if (rc == SQLITE_OK)
		faulty->base.pMethods = &faulty_methods;
	return rc;
}

static int use_faulty_disk(void **state)
{
	(void)state;
	real_vfs = sqlite3_vfs_find(NULL);
	assert_non_null(real_vfs);
	faulty_vfs = *real_vfs;
	faulty_vfs.zName = "faulty";
	faulty_vfs.pNext = NULL;
	faulty_vfs.szOsFile += (int)sizeof(struct faulty_file);
	faulty_vfs.xOpen = faulty_open;
	return sqlite3_vfs_register(&faulty_vfs, 1);
}

static int use_real_disk(void **state)
{
	(void)state;
	(void)sqlite3_vfs_unregister(&faulty_vfs);
	return sqlite3_vfs_register(real_vfs, 1);
}

/* A change that touches every table, large enough for several pages. */
static int scripted_change(struct store *store, uint32_t number, struct mtls_diag *diag)
{
	char name[16], gecos[200], key[32];
	uint32_t id;
	uint64_t generation;
	memset(gecos, 'g', sizeof(gecos));
	gecos[sizeof(gecos) - 1] = '\0';
	(void)snprintf(key, sizeof(key), "subject:CN=%u", number);
	int r = store_begin(store, diag);
	if (r < 0)
		return r;
	for (uint32_t i = 0; r >= 0 && i < 40; i++) {
		name_of(number * 100 + i, name);
		const struct store_user_spec spec = {
			.name = name, .gecos = gecos, .home = "/home/x", .shell = "/bin/sh"
		};
		r = store_add_user(store, &spec, &id, diag);
		if (r >= 0)
			r = store_add_member(store, "fans", name, diag);
		if (r >= 0 && i < 20)
			r = store_bind(store, key, name, diag);
		if (r >= 0 && i % 2)
			r = store_remove_user(store, name, 1, &id, diag);
	}
	if (r >= 0)
		return store_commit(store, &generation, diag);
	store_rollback(store);
	return r;
}

static struct store *fresh_store(char **ret_folder)
{
	uint32_t gid;
	uint64_t generation;
	*ret_folder = help_folder();
	struct store *store = help_open(*ret_folder);
	OK(store_begin(store, WHY));
	OK(store_add_group(store, "fans", 0, &gid, WHY));
	OK(store_commit(store, &generation, WHY));
	return store;
}

static void arm(unsigned int kinds, int left, bool lasting, int code)
{
	fault.kinds = kinds;
	fault.left = left;
	fault.lasting = lasting;
	fault.code = code;
	fault.failed = 0;
}

static void disarm(void)
{
	fault.left = -1;
}

static bool has_change(const char *text, uint32_t number)
{
	char first[24], last[24];
	(void)snprintf(first, sizeof(first), "\nuser u%u ", number * 100);
	(void)snprintf(last, sizeof(last), "\nuser u%u ", number * 100 + 38);
	bool is = strstr(text, first), was = strstr(text, last);
	assert_int_equal(is, was); /* all of it or nothing */
	return is;
}

static const struct {
	const char *name;
	unsigned int kinds;
	int code, want;
} faults[] = {
	{ "a full disk", WRITES, SQLITE_FULL, -ENOSPC },
	{ "writes that fail", WRITES, SQLITE_IOERR_WRITE, -EIO },
	{ "syncs that fail", SYNCS, SQLITE_IOERR_FSYNC, -EIO },
	{ "reads that fail", READS, SQLITE_IOERR_READ, -EIO },
};

/* The n-th call fails; then the disk is well again. @return false: n is beyond the change. */
static bool one_fault(size_t which, int n, bool lasting)
{
	struct mtls_diag diag = { 0 };
	char *folder;
	struct store *store = fresh_store(&folder);
	arm(faults[which].kinds, n, lasting, faults[which].code);
	int r = scripted_change(store, 1, &diag);
	int failed = fault.failed;
	disarm();
	if (r < 0 && (r >= -1000 ? r != faults[which].want && r != -EIO : r != MTLS_E_CORRUPT))
		fail_msg("%s %d: %d '%s'", faults[which].name, n, r, diag.text);
	if (r < 0)
		assert_int_not_equal(diag.text[0], '\0');
	char *text = help_text(store, false);
	assert_int_equal(has_change(text, 1), r == 0);
	free(text);
	OK(scripted_change(store, 2, WHY));
	store_close(store);
	store = help_open(folder);
	text = help_text(store, false);
	assert_int_equal(has_change(text, 1), r == 0);
	assert_true(has_change(text, 2));
	free(text);
	store_close(store);
	help_remove(folder);
	return failed > 0;
}

static void every_fault_of_a_change(void **state)
{
	(void)state;
	for (size_t which = 0; which < MTLS_COUNT(faults); which++)
		for (int lasting = 0; lasting < 2; lasting++) {
			int n = 0;
			while (one_fault(which, n, lasting))
				n++;
			print_message("# %s%s: %d places\n", faults[which].name,
				      lasting ? ", from there on" : "", n);
			/* Reads come from the cache. */
			assert_true(n > 0 || faults[which].kinds == READS);
		}
}

/*
 * A change larger than the cache writes before its commit. When that fails, nothing of the change
 * can be committed, and the next one works.
 */
static void lost_in_the_middle(void **state)
{
	struct mtls_diag diag = { 0 };
	char *folder, gecos[250];
	struct store *store = fresh_store(&folder);
	uint64_t generation;
	uint32_t id;
	int r = 0;
	(void)state;
	memset(gecos, 'g', sizeof(gecos));
	gecos[sizeof(gecos) - 1] = '\0';
	char *before = help_text(store, false);
	OK(store_begin(store, WHY));
	arm(WRITES, 0, true, SQLITE_FULL);
	for (uint32_t i = 0; r >= 0 && i < 200000; i++) {
		char name[16];
		name_of(i, name);
		const struct store_user_spec spec = {
			.name = name, .gecos = gecos, .home = "/home/x", .shell = "/bin/sh"
		};
		r = store_add_user(store, &spec, &id, &diag);
	}
	disarm();
	assert_int_equal(r, -ENOSPC);
	assert_non_null(strstr(diag.text, "full"));
	r = store_add_group(store, "more", 0, &id, &diag);
	assert_int_equal(r, -ENOSPC);
	assert_int_equal(store_commit(store, &generation, &diag), -ENOSPC);
	char *after = help_text(store, false);
	assert_string_equal(after, before);
	free(after);
	OK(scripted_change(store, 2, WHY));
	store_close(store);
	store = help_open(folder);
	after = help_text(store, false);
	assert_true(has_change(after, 2));
	free(after);
	free(before);
	store_close(store);
	help_remove(folder);
}

/* How many of the changes from 1 on are there; none may be missing in between. */
static uint32_t changes_in(const char *text, uint32_t last)
{
	uint32_t count = 0;
	for (uint32_t i = 1; i <= last; i++) {
		bool is = has_change(text, i);
		assert_true(!is || count == i - 1);
		count += is;
	}
	return count;
}

/* SQLite takes a log that is damaged for one that a crash cut: earlier changes, never a mixture. */
static void damaged_log_is_a_cut_one(void **state)
{
	char *folder;
	size_t len;
	unsigned int seed = 11;
	int shorter = 0;
	(void)state;
	store_close(fresh_store(&folder));
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct store *store = help_open(folder);
		for (uint32_t i = 1; i <= 5; i++)
			if (scripted_change(store, i, WHY) < 0)
				_exit(1);
		_exit(0); /* as if killed: the log stays */
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	help_copy(help_path(folder, "store.db"), help_path(folder, "file"));
	char *log = help_read(help_path(folder, "store.db-wal"), &len);
	assert_non_null(log);
	for (int i = 0; i < 120; i++) {
		size_t at = (size_t)rand_r(&seed) % len;
		help_copy(help_path(folder, "file"), help_path(folder, "store.db"));
		(void)unlink(help_path(folder, "store.db-shm"));
		char was = log[at];
		log[at] = (char)(was ^ (1 << rand_r(&seed) % 8));
		help_write(help_path(folder, "store.db-wal"), log, i % 3 ? len : at);
		log[at] = was;
		struct store *store = help_open(folder);
		char *text = help_text(store, false);
		shorter += changes_in(text, 5) < 5;
		free(text);
		OK(scripted_change(store, 9, WHY));
		store_close(store);
	}
	assert_true(shorter > 0);
	free(log);
	help_remove(folder);
}

/* Opening: the store says why, leaves nothing half made, and opens when the disk is well again. */
static bool one_fault_of_open(int n, bool existing)
{
	struct mtls_diag diag = { 0 };
	struct store *store = NULL;
	bool is_new;
	char *folder;
	if (existing) {
		store = fresh_store(&folder);
		OK(scripted_change(store, 1, WHY));
		store_close(store);
		store = NULL;
	} else {
		folder = help_folder();
	}
	const struct store_options options = help_options(help_path(folder, "store.db"));
	arm(WRITES | SYNCS | OPENS | READS, n, false, SQLITE_IOERR_WRITE);
	int r = store_open(&options, &store, &is_new, &diag);
	int failed = fault.failed;
	disarm();
	if (r < 0) {
		assert_null(store);
		if (r != -EIO)
			fail_msg("open %d: %d '%s'", n, r, diag.text);
	}
	store_close(store);
	store = help_open(folder);
	char *text = help_text(store, false);
	assert_int_equal(has_change(text, 1), existing);
	free(text);
	store_close(store);
	help_remove(folder);
	return failed > 0;
}

static void every_fault_of_opening(void **state)
{
	(void)state;
	for (int existing = 0; existing < 2; existing++) {
		int n = 0;
		while (one_fault_of_open(n, existing))
			n++;
		print_message("# opening a store that is %s: %d places\n", existing ? "old" : "new",
			      n);
		assert_true(n > 5);
	}
}

/* A walk that cannot read says so; it never ends as if that were all. */
static void every_fault_of_a_walk(void **state)
{
	char *folder;
	struct store *store = fresh_store(&folder);
	(void)state;
	for (uint32_t i = 1; i < 10; i++)
		OK(scripted_change(store, i, WHY));
	store_close(store);
	store = help_open(folder);
	char *right = help_text(store, false);
	for (int n = 0;; n++) {
		int error = 0;
		arm(READS | OPENS, n, false, SQLITE_IOERR_READ);
		char *text = help_dump(store, &error);
		int failed = fault.failed;
		disarm();
		if (text)
			assert_string_equal(text, right);
		else if (error != -EIO)
			fail_msg("walk %d: %d", n, error);
		free(text);
		if (!failed) {
			print_message("# a walk: %d places\n", n);
			assert_true(n > 5);
			break;
		}
	}
	free(right);
	store_close(store);
	help_remove(folder);
}

#define FAULTY(name) cmocka_unit_test_setup_teardown(name, use_faulty_disk, use_real_disk)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_at_random), cmocka_unit_test(damaged_log_is_a_cut_one),
		FAULTY(every_fault_of_a_change),    FAULTY(lost_in_the_middle),
		FAULTY(every_fault_of_opening),     FAULTY(every_fault_of_a_walk),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
