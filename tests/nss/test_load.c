/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Threads and forked children look up and list while the snapshot is replaced a thousand times.
 * With the counter each answer must be no older than the snapshot that was published before the
 * question; without it no older than a second. A list is of one moment. Nothing grows.
 *
 *	test_load		the library, in this program
 *	test_load --module	libnss_mtls.so.2 through glibc, in a private name space (module.sh)
 */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "nss_mtls/walk.h"
#include "tests/nss/fixture.h"

#define SNAPSHOTS       1000
#define READERS         64
#define FORKS           40
#define LOOKUPS_A_CHILD 100
#define LISTS_A_CHILD   5
#define GLIBC_MAPS      4 /* that glibc keeps of a thread that has ended: stack, arena, guards */

/* A second, and what CLOCK_MONOTONIC_COARSE may be behind. */
#define STALE_NS 1020000000LL

extern int __nss_configure_lookup(const char *database, const char *order);

/* Shared with the children. */
struct shared {
	_Atomic int started;   /* the version that is being written */
	_Atomic int published; /* the version that every later question must see */
	_Atomic int stop;
	_Atomic int failed;
	_Atomic int64_t replaced[SNAPSHOTS + 2]; /* when this version was gone; 0: not yet */
};

static struct shared *shared;
static struct fixture *fix;
static bool through_glibc;
static bool counted; /* there is an accounts.gen */
static _Atomic long answers, lists;
static struct nss_walk common; /* of all threads */

static void complain(const char *what, int a, int b)
{
	if (!atomic_exchange(&shared->failed, 1))
		(void)fprintf(stderr, "# %s (%d, %d)\n", what, a, b);
}

static int64_t now_ns(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* What a question knows before it is asked. */
struct before {
	int published;
	int64_t time;
};

static struct before look(void)
{
	return (struct before){ atomic_load(&shared->published), now_ns() };
}

static void check_age(int version, const struct before *before)
{
	if (version < 0 || version > atomic_load(&shared->started)) {
		complain("an answer from the future", version, before->published);
		return;
	}
	if (version >= before->published)
		return;
	if (counted) {
		complain("an old answer", version, before->published);
		return;
	}
	int64_t gone = atomic_load(&shared->replaced[version]);
	if (gone && before->time - gone > STALE_NS)
		complain("an answer that was gone for so many ms",
			 (int)((before->time - gone) / 1000000), version);
}

static int by_name(const char *name, struct passwd *pw, char *buffer, size_t len)
{
	struct passwd *found = NULL;
	int err = 0;
	const struct nss_out out = { buffer, len, &err };
	if (through_glibc)
		return getpwnam_r(name, pw, buffer, len, &found) == 0 && found ? 0 : -1;
	return nss_passwd_by_name(&fix->db, name, pw, &out) == NSS_STATUS_SUCCESS ? 0 : -1;
}

static int by_uid(uid_t uid, struct passwd *pw, char *buffer, size_t len)
{
	struct passwd *found = NULL;
	int err = 0;
	const struct nss_out out = { buffer, len, &err };
	if (through_glibc)
		return getpwuid_r(uid, pw, buffer, len, &found) == 0 && found ? 0 : -1;
	return nss_passwd_by_uid(&fix->db, uid, pw, &out) == NSS_STATUS_SUCCESS ? 0 : -1;
}

static int group(const char *name, struct group *gr, char *buffer, size_t len)
{
	struct group *found = NULL;
	int err = 0;
	const struct nss_out out = { buffer, len, &err };
	if (through_glibc)
		return getgrnam_r(name, gr, buffer, len, &found) == 0 && found ? 0 : -1;
	return nss_group_by_name(&fix->db, name, gr, &out) == NSS_STATUS_SUCCESS ? 0 : -1;
}

/* The version that the home tells, or -1. */
static int version_of(const struct passwd *pw)
{
	static const char prefix[] = "/home/v";
	if (strncmp(pw->pw_dir, prefix, sizeof(prefix) - 1) != 0)
		return -1;
	return atoi(pw->pw_dir + sizeof(prefix) - 1);
}

static void ask_once(int turn)
{
	char buffer[512];
	struct passwd pw;
	struct group gr;
	const struct before before = look();
	int r = turn % 2 ? by_name("alice", &pw, buffer, sizeof(buffer))
			 : by_uid(FIX_ALICE_UID, &pw, buffer, sizeof(buffer));
	if (r < 0) {
		complain("alice was not found", turn, before.published);
		return;
	}
	if (strcmp(pw.pw_name, "alice") != 0 || pw.pw_uid != FIX_ALICE_UID)
		complain("somebody else", (int)pw.pw_uid, turn);
	check_age(version_of(&pw), &before);
	if (group("crew", &gr, buffer, sizeof(buffer)) < 0 || gr.gr_gid != FIX_CREW_GID ||
	    !gr.gr_mem[0] || !gr.gr_mem[1] || gr.gr_mem[2])
		complain("a wrong group", turn, 0);
	atomic_fetch_add(&answers, 2);
}

static bool next_passwd(struct nss_walk *walk, struct passwd *pw, char *buffer, size_t len)
{
	struct passwd *found = NULL;
	int err = 0;
	const struct nss_out out = { buffer, len, &err };
	if (through_glibc)
		return getpwent_r(pw, buffer, len, &found) == 0 && found;
	return nss_passwd_next(&fix->db, walk, pw, &out) == NSS_STATUS_SUCCESS;
}

static bool next_group(struct nss_walk *walk, struct group *gr, char *buffer, size_t len)
{
	struct group *found = NULL;
	int err = 0;
	const struct nss_out out = { buffer, len, &err };
	if (through_glibc)
		return getgrent_r(gr, buffer, len, &found) == 0 && found;
	return nss_group_next(&fix->db, walk, gr, &out) == NSS_STATUS_SUCCESS;
}

/*
 * alice and bob, both with the home of the same version; four groups. Through glibc there is one
 * position in the process, so only one thread may do this.
 */
static void list_once(struct nss_walk *walk)
{
	char buffer[512];
	struct passwd pw;
	struct group gr;
	uint64_t uids = 0, gids = 0;
	int users = 0, groups = 0, version = -1;
	const struct before before = look();
	if (through_glibc)
		setpwent();
	else
		nss_walk_reset(&fix->db, walk);
	for (; next_passwd(walk, &pw, buffer, sizeof(buffer)); users++) {
		uids += pw.pw_uid;
		if (users && version_of(&pw) != version)
			complain("a list of two moments", version_of(&pw), version);
		version = version_of(&pw);
	}
	check_age(version, &before);
	if (through_glibc)
		setgrent();
	else
		nss_walk_reset(&fix->db, walk);
	for (; next_group(walk, &gr, buffer, sizeof(buffer)); groups++)
		gids += gr.gr_gid;
	if (users != 2 || uids != FIX_ALICE_UID + (uint64_t)FIX_BOB_UID)
		complain("a wrong list of users", users, (int)uids);
	if (groups != 4 || gids != uids + FIX_STAFF_GID + FIX_CREW_GID)
		complain("a wrong list of groups", groups, (int)gids);
	if (through_glibc) {
		endpwent();
		endgrent();
	} else {
		nss_walk_reset(&fix->db, walk);
	}
	atomic_fetch_add(&lists, 2);
}

/* A position that all threads pull at, and now and then put back. */
static void pull(int turn)
{
	char buffer[512];
	struct passwd pw;
	if (turn % 50 == 0)
		nss_walk_reset(&fix->db, &common);
	if (next_passwd(&common, &pw, buffer, sizeof(buffer)) &&
	    pw.pw_uid != (strcmp(pw.pw_name, "bob") == 0 ? FIX_BOB_UID : FIX_ALICE_UID))
		complain("a wrong entry", (int)pw.pw_uid, turn);
}

static void *reader(void *arg)
{
	struct nss_walk own = { 0 };
	int number = *(int *)arg, seen = -1;
	for (int turn = number; !atomic_load(&shared->stop); turn++) {
		ask_once(turn);
		if (!through_glibc) {
			pull(turn);
			if (turn % 8 == 0)
				list_once(&own);
		}
		/* sixty others and the publisher want to run too */
		int published = atomic_load(&shared->published);
		if (published == seen)
			(void)sched_yield();
		seen = published;
	}
	return NULL;
}

static void set_home(uint8_t *file, size_t size, const char *key, size_t key_len, int version)
{
	size_t len;
	char home[32];
	uint8_t *value = fixture_find(file, size, key, key_len, &len);
	uint8_t *at = value ? memmem(value, len, "/home/v", 7) : NULL;
	if (!at)
		abort();
	(void)snprintf(home, sizeof(home), "/home/v%05d", version);
	memcpy(at, home, strlen(home));
	fixture_reseal(key, key_len, value, len);
}

/* As fixture_replace(), but nobody counts. */
static void replace_quietly(const void *data, size_t len)
{
	const struct mtls_file_mode mode = { .mode = 0644, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	if (mtls_file_replace(fix->path, data, len, &mode, NULL) < 0)
		abort();
}

static void publish(struct mtls_buf *file, int version)
{
	struct mtls_acct_key alice, bob;
	mtls_acct_key_id(MTLS_ACCT_USER_ID, FIX_ALICE_UID, &alice);
	mtls_acct_key_id(MTLS_ACCT_USER_ID, FIX_BOB_UID, &bob);
	set_home(file->data, file->len, "ualice", 6, version);
	set_home(file->data, file->len, "ubob", 4, version);
	set_home(file->data, file->len, (const char *)alice.bytes, alice.len, version);
	set_home(file->data, file->len, (const char *)bob.bytes, bob.len, version);
	atomic_store(&shared->started, version);
	if (counted)
		fixture_replace(fix, file->data, file->len);
	else
		replace_quietly(file->data, file->len);
	atomic_store(&shared->replaced[version - 1], now_ns());
	atomic_store(&shared->published, version);
}

static void *publisher(void *arg)
{
	/* with the counter as fast as it goes; without, for longer than a second is */
	const struct timespec nap = { .tv_nsec = counted ? 1000000 : 2000000 };
	for (int version = 1; version <= SNAPSHOTS; version++) {
		publish(arg, version);
		(void)nanosleep(&nap, NULL);
	}
	return NULL;
}

static void one_child(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		struct nss_walk own = { 0 };
		/* the position of threads that are not here */
		list_once(&common);
		for (int i = 0; i < LOOKUPS_A_CHILD; i++)
			ask_once(i);
		for (int i = 0; i < LISTS_A_CHILD; i++)
			list_once(&own);
		/* a grandchild, of a child that has loaded snapshots of its own */
		pid_t second = fork();
		if (second == 0) {
			ask_once(1);
			list_once(&common);
			_exit(0);
		}
		int status = 1;
		(void)waitpid(second, &status, 0);
		_exit(status == 0 ? 0 : 1);
	}
	int status = 1;
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		complain("a child failed", status, 0);
}

/* What the process has of the snapshot and at all. */
struct footprint {
	int snapshots, counters, maps, descriptors;
	int files; /* of the maps; the rest is memory, stacks of threads that have ended too */
	long anonymous_kb;
};

static struct footprint measure(void)
{
	char line[1024];
	struct footprint f = { 0 };
	FILE *maps = fopen("/proc/self/maps", "re"), *status = fopen("/proc/self/status", "re");
	DIR *dir = opendir("/proc/self/fd");
	if (!maps || !status || !dir)
		abort();
	while (fgets(line, sizeof(line), maps)) {
		f.maps++;
		f.files += strchr(line, '/') != NULL;
		f.snapshots += strstr(line, "/accounts.cdb") != NULL;
		f.counters += strstr(line, "/accounts.gen") != NULL;
	}
	while (fgets(line, sizeof(line), status))
		if (strncmp(line, "RssAnon:", 8) == 0)
			f.anonymous_kb = strtol(line + 8, NULL, 10);
	while (readdir(dir))
		f.descriptors++;
	(void)fclose(maps);
	(void)fclose(status);
	(void)closedir(dir);
	return f;
}

static int number;

static void result(bool ok, const char *what)
{
	(void)printf("%sok %d - %s%s\n", ok ? "" : "not ", ++number, what,
		     counted ? "" : ", without the counter");
}

static void versioned_homes(struct people *people, void *ctx)
{
	(void)ctx;
	fixture_add(people, "alice", "/home/v00000");
	fixture_add(people, "bob", "/home/v00000");
	(void)people_group(people, "staffers", 0, 0);
	(void)people_group(people, "crew", 0, 0);
	people_join(people, "crew", "alice");
	people_join(people, "crew", "bob");
}

static void load(struct mtls_buf *file, int *ret_most_mapped)
{
	pthread_t readers[READERS], writer;
	struct nss_walk own = { 0 };
	int numbers[READERS];
	*ret_most_mapped = 0;
	if (pthread_create(&writer, NULL, publisher, file) != 0)
		abort();
	for (int i = 0; i < READERS; i++) {
		numbers[i] = i;
		if (pthread_create(&readers[i], NULL, reader, &numbers[i]) != 0)
			abort();
	}
	for (int i = 0; i < FORKS; i++) {
		one_child();
		list_once(&own);
		int mapped = measure().snapshots;
		if (mapped > *ret_most_mapped)
			*ret_most_mapped = mapped;
	}
	(void)pthread_join(writer, NULL);
	atomic_store(&shared->stop, 1);
	for (int i = 0; i < READERS; i++)
		(void)pthread_join(readers[i], NULL);
	nss_walk_reset(&fix->db, &common);
}

/* Sanitizers keep what was freed, and shadows of it, in mappings of their own. */
static bool sanitized(void)
{
	const char *sanitizers = getenv("MTLS_SANITIZERS");
	return sanitizers && *sanitizers && strcmp(sanitizers, "no") != 0;
}

/* Version 1 anew, and no answer of a round before is left. */
static void begin(struct mtls_buf *file)
{
	char buffer[512];
	struct passwd pw;
	memset(shared, 0, sizeof(*shared));
	publish(file, 1);
	while (by_name("alice", &pw, buffer, sizeof(buffer)) < 0 || version_of(&pw) != 1)
		(void)sched_yield();
}

static void round_of(struct mtls_buf *file)
{
	static bool warm;
	int most = 0;
	/* Once for what stays: stacks and arenas of so many threads. */
	if (!warm) {
		begin(file);
		load(file, &most);
		result(!atomic_load(&shared->failed), "every answer of a first round is right");
	}
	warm = true;
	begin(file);
	struct footprint before = measure();
	atomic_store(&answers, 0);
	load(file, &most);
	struct footprint after = measure();
	result(!atomic_load(&shared->failed), "every answer is whole and not older than it may be");
	(void)fprintf(stderr,
		      "# %ld answers, %ld lists, %d snapshots, %d children, %d mapped at most; "
		      "anonymous memory %ld -> %ld KiB, %d -> %d mappings\n",
		      atomic_load(&answers), atomic_load(&lists), SNAPSHOTS, FORKS, most,
		      before.anonymous_kb, after.anonymous_kb, before.maps, after.maps);
	result(most > 0 && most <= 2 * READERS + 3, "each thread keeps two snapshots at most");
	result(after.snapshots == 1 && after.counters == (counted ? 1 : after.counters),
	       "old generations are unmapped");
	result(after.files <= before.files &&
		       after.maps <= before.maps + (sanitized() ? 256 : GLIBC_MAPS * READERS),
	       "no mapping is left behind");
	result(after.descriptors == before.descriptors, "no descriptor is kept");
	result(after.anonymous_kb <= before.anonymous_kb + (sanitized() ? 65536 : 1024),
	       "memory does not grow");
}

int main(int argc, char **argv)
{
	through_glibc = argc > 1 && strcmp(argv[1], "--module") == 0;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		return 99;
	if (through_glibc && (__nss_configure_lookup("passwd", "mtls") != 0 ||
			      __nss_configure_lookup("group", "mtls") != 0))
		return 99;
	fix = through_glibc ? fixture_installed() : fixture_new();
	fixture_change(fix, versioned_homes, NULL);
	struct mtls_buf file = MTLS_BUF(1 << 20);
	fixture_read(fix, &file);

	counted = true;
	round_of(&file);
	if (unlink(fix->gen) < 0)
		return 99;
	counted = false;
	round_of(&file);
	(void)printf("1..%d\n", number);
	mtls_buf_done(&file);
	fixture_free(fix);
	return 0;
}
