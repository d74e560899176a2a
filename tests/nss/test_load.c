/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Threads and forked children look up while the snapshot is replaced a thousand times. Each answer
 * must be whole and no older than the snapshot that was published before the question.
 *
 *	test_load		the library, in this program
 *	test_load --module	libnss_mtls.so.2 through glibc, in a private name space (module.sh)
 */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/nss/fixture.h"

#define SNAPSHOTS       1000
#define READERS         4
#define FORKS           40
#define LOOKUPS_A_CHILD 200

extern int __nss_configure_lookup(const char *database, const char *order);

/* Shared with the children. */
struct shared {
	_Atomic int started;   /* the version that is being written */
	_Atomic int published; /* the version that every later question must see */
	_Atomic int stop;
	_Atomic int failed;
};

static struct shared *shared;
static struct fixture *fix;
static bool through_glibc;
static _Atomic long answers;

static void complain(const char *what, int a, int b)
{
	if (!atomic_exchange(&shared->failed, 1))
		(void)fprintf(stderr, "# %s (%d, %d)\n", what, a, b);
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
	int before = atomic_load(&shared->published);
	int r = turn % 2 ? by_name("alice", &pw, buffer, sizeof(buffer))
			 : by_uid(FIX_ALICE_UID, &pw, buffer, sizeof(buffer));
	if (r < 0) {
		complain("alice was not found", turn, before);
		return;
	}
	int version = version_of(&pw);
	int after = atomic_load(&shared->started);
	if (strcmp(pw.pw_name, "alice") != 0 || pw.pw_uid != FIX_ALICE_UID)
		complain("somebody else", (int)pw.pw_uid, version);
	if (version < before || version > after)
		complain("an answer from another time", version, before);
	if (group("crew", &gr, buffer, sizeof(buffer)) < 0 || gr.gr_gid != FIX_CREW_GID ||
	    !gr.gr_mem[0] || !gr.gr_mem[1] || gr.gr_mem[2])
		complain("a wrong group", turn, version);
	atomic_fetch_add(&answers, 2);
}

static void *reader(void *arg)
{
	for (int turn = *(int *)arg; !atomic_load(&shared->stop); turn++)
		ask_once(turn);
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

static void *publisher(void *arg)
{
	struct mtls_buf *file = arg;
	const struct timespec nap = { .tv_nsec = 1000000 };
	struct mtls_acct_key by_id;
	mtls_acct_key_id(MTLS_ACCT_USER_ID, FIX_ALICE_UID, &by_id);
	for (int version = 1; version <= SNAPSHOTS; version++) {
		set_home(file->data, file->len, "ualice", 6, version);
		set_home(file->data, file->len, (const char *)by_id.bytes, by_id.len, version);
		atomic_store(&shared->started, version);
		fixture_replace(fix, file->data, file->len);
		atomic_store(&shared->published, version);
		(void)nanosleep(&nap, NULL);
	}
	return NULL;
}

static void one_child(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		for (int i = 0; i < LOOKUPS_A_CHILD; i++)
			ask_once(i);
		/* a grandchild, of a child that has loaded snapshots of its own */
		pid_t second = fork();
		if (second == 0) {
			ask_once(1);
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

/* How often the snapshot is mapped, and how many descriptors there are. */
static int mappings(void)
{
	char line[1024];
	int count = 0;
	FILE *f = fopen("/proc/self/maps", "re");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		count += strstr(line, "/accounts.cdb") != NULL;
	(void)fclose(f);
	return count;
}

static int descriptors(void)
{
	int count = 0;
	DIR *dir = opendir("/proc/self/fd");
	if (!dir)
		return -1;
	while (readdir(dir))
		count++;
	(void)closedir(dir);
	return count;
}

static int number;

static void result(bool ok, const char *what)
{
	(void)printf("%sok %d - %s\n", ok ? "" : "not ", ++number, what);
}

static void replace_home(struct people *people, void *ctx)
{
	(void)ctx;
	fixture_add(people, "alice", "/home/v00000");
	fixture_add(people, "bob", "/home/bob");
	(void)people_group(people, "staffers", 0, 0);
	(void)people_group(people, "crew", 0, 0);
	people_join(people, "crew", "alice");
	people_join(people, "crew", "bob");
}

static void load(struct mtls_buf *file)
{
	pthread_t readers[READERS], writer;
	int numbers[READERS];
	if (pthread_create(&writer, NULL, publisher, file) != 0)
		abort();
	for (int i = 0; i < READERS; i++) {
		numbers[i] = i;
		if (pthread_create(&readers[i], NULL, reader, &numbers[i]) != 0)
			abort();
	}
	for (int i = 0; i < FORKS; i++)
		one_child();
	(void)pthread_join(writer, NULL);
	atomic_store(&shared->stop, 1);
	for (int i = 0; i < READERS; i++)
		(void)pthread_join(readers[i], NULL);
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
	fixture_change(fix, replace_home, NULL);
	struct mtls_buf file = MTLS_BUF(1 << 20);
	fixture_read(fix, &file);

	ask_once(0);
	int fds = descriptors();
	load(&file);
	result(!atomic_load(&shared->failed), "every answer is whole and not older than it may be");
	(void)fprintf(stderr, "# %ld answers, %d snapshots, %d children\n", atomic_load(&answers),
		      SNAPSHOTS, FORKS);
	ask_once(0);
	ask_once(1);
	result(!atomic_load(&shared->failed), "afterwards the last snapshot answers");
	result(mappings() == 1, "old generations are unmapped");
	result(descriptors() == fds, "no descriptor is kept");
	(void)printf("1..%d\n", number);
	mtls_buf_done(&file);
	fixture_free(fix);
	return 0;
}
