/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a lookup costs: libnss_mtls through glibc and called directly, a bare tinycdb, and `files`,
 * side by side. Machines drift, so the contenders take turns in every round, each in a process of
 * its own, and only medians and ratios of one run count.
 *
 *	bench_nss [ROUNDS]	run by nss.sh in a private mount name space, as root
 */
#include <config.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cdb.h>

#include "lib/acctdb/writer.h"
#include "lib/base/str.h"
#include "nss_mtls/entry.h"

#define SNAPSHOT   MTLS_STATEDIR "/snapshot/accounts.cdb"
#define BARE       "/run/bare.cdb"
#define ROUNDS     9
#define ROUNDS_MAX 99
#define GROUPS     16 /* each user is in two of them */
#define FAST       20000
#define BUDGET_NS  30000000.0 /* of one measurement of `files` */

extern int __nss_configure_lookup(const char *database, const char *order);

enum lookup { NAME_HIT, NAME_MISS, UID_HIT, GROUP_LIST, LOOKUPS };
enum contender { GLIBC_MTLS, DIRECT, BARE_CDB, FILES, CONTENDERS };

static const char *const lookup_names[] = { "getpwnam_r hit", "getpwnam_r miss", "getpwuid_r hit",
					    "getgrouplist" };

static unsigned int accounts;
static volatile unsigned int sink;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void name_of(unsigned int i, char out[16])
{
	(void)snprintf(out, 16, "u%06u", i);
}

static double now_ns(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void build_snapshot(void)
{
	const struct mtls_acctdb_place place = { .path = SNAPSHOT, .lock_timeout_ms = 1000 };
	const struct mtls_id_window window = { MTLS_ID_WINDOW_MIN, MTLS_ID_WINDOW_MAX };
	struct mtls_acctdb_txn *txn = NULL;
	struct mtls_diag diag = { "" };
	char name[16], group[16], home[32];
	uint32_t id;

	(void)unlink(SNAPSHOT);
	(void)unlink(MTLS_STATEDIR "/snapshot/" MTLS_ACCTDB_GEN_NAME);
	double start = now_ns();
	int r = mtls_acctdb_begin(&place, &window, NULL, &txn, &diag);
	struct mtls_acctset *set = r < 0 ? NULL : mtls_acctdb_txn_set(txn);
	for (unsigned int i = 0; r >= 0 && i < accounts; i++) {
		name_of(i, name);
		(void)snprintf(home, sizeof(home), "/home/%s", name);
		const struct mtls_acctset_spec spec = {
			.name = name, .gecos = "A Person", .home = home, .shell = "/bin/bash"
		};
		r = mtls_acctset_add_user(set, &spec, &id, &diag);
	}
	for (unsigned int g = 0; r >= 0 && g < GROUPS; g++) {
		(void)snprintf(group, sizeof(group), "team%u", g);
		r = mtls_acctset_add_group(set, group, &id, &diag);
	}
	for (unsigned int i = 0; r >= 0 && i < accounts; i++) {
		name_of(i, name);
		for (unsigned int k = 0; r >= 0 && k < 2; k++) {
			(void)snprintf(group, sizeof(group), "team%u", (i + k) % GROUPS);
			r = mtls_acctset_add_member(set, group, name, &diag);
		}
	}
	if (r >= 0)
		r = mtls_acctdb_commit(txn, false, &diag);
	mtls_acctdb_txn_free(txn);
	if (r < 0) {
		(void)fprintf(stderr, "bench_nss: %s\n", mtls_diag_text(&diag, r));
		exit(1);
	}
	(void)printf("%u accounts: snapshot built, checked and published in %.0f ms\n", accounts,
		     (now_ns() - start) / 1e6);
}

/* The same answers without checksum, checks or record format. */
static void build_bare(void)
{
	struct cdb_make cdb;
	char key[32], value[128], name[16];
	int fd = open(BARE, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || cdb_make_start(&cdb, fd) < 0)
		die(BARE);
	for (unsigned int i = 0; i < accounts; i++) {
		uint32_t uid = MTLS_ID_WINDOW_MIN + i, gids[2] = { i, i + 1 };
		name_of(i, name);
		int n = snprintf(value, sizeof(value), "%u:%u:%s:A Person:/home/%s:/bin/bash", uid,
				 uid, name, name);
		int k = snprintf(key, sizeof(key), "u%s", name);
		(void)cdb_make_add(&cdb, key, (unsigned int)k, value, (unsigned int)n);
		(void)cdb_make_add(&cdb, &uid, sizeof(uid), value, (unsigned int)n);
		key[0] = 's';
		(void)cdb_make_add(&cdb, key, (unsigned int)k, gids, sizeof(gids));
	}
	if (cdb_make_finish(&cdb) < 0)
		die(BARE);
	(void)close(fd);
}

static void over(const char *from, const char *path)
{
	(void)umount2(path, MNT_DETACH);
	if (mount(from, path, NULL, MS_BIND, NULL) < 0)
		die(path);
}

static void build_files(void)
{
	char name[16];
	FILE *passwd = fopen("/run/passwd", "we"), *group = fopen("/run/group", "we");
	if (!passwd || !group)
		die("/run/passwd");
	(void)fputs("root:x:0:0:root:/root:/bin/bash\n", passwd);
	(void)fputs("root:x:0:\n", group);
	for (unsigned int i = 0; i < accounts; i++) {
		unsigned int uid = MTLS_ID_WINDOW_MIN + i;
		name_of(i, name);
		(void)fprintf(passwd, "%s:x:%u:%u:A Person:/home/%s:/bin/bash\n", name, uid, uid,
			      name);
		(void)fprintf(group, "%s:x:%u:\n", name, uid);
	}
	for (unsigned int g = 0; g < GROUPS; g++) {
		(void)fprintf(group, "team%u:x:%u:", g, MTLS_ID_WINDOW_MIN + accounts + g);
		const char *comma = "";
		for (unsigned int i = 0; i < accounts; i++) {
			if (i % GROUPS != g && (i + 1) % GROUPS != g)
				continue;
			name_of(i, name);
			(void)fprintf(group, "%s%s", comma, name);
			comma = ",";
		}
		(void)fputc('\n', group);
	}
	if (fclose(passwd) != 0 || fclose(group) != 0)
		die("/run/passwd");
	over("/run/passwd", "/etc/passwd");
	over("/run/group", "/etc/group");
}

static struct {
	__typeof__(_nss_mtls_getpwnam_r) *pw_name;
	__typeof__(_nss_mtls_getpwuid_r) *pw_uid;
	__typeof__(_nss_mtls_initgroups_dyn) *groups;
	struct cdb bare;
} state;

static void prepare(enum contender who)
{
	static const char *const orders[CONTENDERS] = { "mtls", NULL, NULL, "files" };
	if (orders[who]) {
		(void)__nss_configure_lookup("passwd", orders[who]);
		(void)__nss_configure_lookup("group", orders[who]);
		(void)__nss_configure_lookup("initgroups", orders[who]);
	}
	if (who == DIRECT) {
		void *so = dlopen("libnss_mtls.so.2", RTLD_NOW);
		if (!so)
			die("libnss_mtls.so.2");
		*(void **)&state.pw_name = dlsym(so, "_nss_mtls_getpwnam_r");
		*(void **)&state.pw_uid = dlsym(so, "_nss_mtls_getpwuid_r");
		*(void **)&state.groups = dlsym(so, "_nss_mtls_initgroups_dyn");
	}
	if (who == BARE_CDB && cdb_init(&state.bare, open(BARE, O_RDONLY | O_CLOEXEC)) < 0)
		die(BARE);
}

static bool ask_glibc(enum lookup what, const char *name, unsigned int uid)
{
	char buffer[1024];
	struct passwd pw, *found = NULL;
	gid_t gids[64];
	int count = 64;
	switch (what) {
	case UID_HIT:
		return getpwuid_r(uid, &pw, buffer, sizeof(buffer), &found) == 0 && found;
	case GROUP_LIST:
		return getgrouplist(name, uid, gids, &count) == 3;
	default:
		(void)getpwnam_r(name, &pw, buffer, sizeof(buffer), &found);
		return found;
	}
}

static bool ask_direct(enum lookup what, const char *name, unsigned int uid)
{
	static gid_t *gids;
	static long size;
	char buffer[1024];
	struct passwd pw;
	int err;
	long start = 0;
	switch (what) {
	case UID_HIT:
		return state.pw_uid(uid, &pw, buffer, sizeof(buffer), &err) == NSS_STATUS_SUCCESS;
	case GROUP_LIST:
		return state.groups(name, uid, &start, &size, &gids, -1, &err) ==
			       NSS_STATUS_SUCCESS &&
		       start == 2;
	default:
		return state.pw_name(name, &pw, buffer, sizeof(buffer), &err) == NSS_STATUS_SUCCESS;
	}
}

static bool ask_bare(enum lookup what, const char *name, unsigned int uid)
{
	char buffer[1024], key[32];
	struct cdb cdb = state.bare;
	key[0] = what == GROUP_LIST ? 's' : 'u';
	size_t len = strlen(name);
	memcpy(key + 1, name, len);
	int found = what == UID_HIT ? cdb_find(&cdb, &uid, sizeof(uid))
				    : cdb_find(&cdb, key, (unsigned int)len + 1);
	if (found <= 0)
		return false;
	memcpy(buffer, cdb_getdata(&cdb), cdb_datalen(&cdb));
	sink += (unsigned int)buffer[0];
	return true;
}

static double measure(enum contender who, enum lookup what, unsigned int count)
{
	static unsigned int seed = 1;
	char name[16];
	double start = now_ns();
	for (unsigned int i = 0; i < count; i++) {
		unsigned int pick = (seed = seed * 1103515245U + 12345U) / 65536U;
		pick = (pick * 32768U + (seed >> 8)) % accounts;
		name_of(pick, name);
		if (what == NAME_MISS)
			name[0] = 'v';
		unsigned int uid = MTLS_ID_WINDOW_MIN + pick;
		bool found = who == DIRECT     ? ask_direct(what, name, uid)
			     : who == BARE_CDB ? ask_bare(what, name, uid)
					       : ask_glibc(what, name, uid);
		if (found != (what != NAME_MISS)) {
			(void)fprintf(stderr, "bench_nss: contender %d, %s: wrong answer for %s\n",
				      who, lookup_names[what], name);
			_exit(1);
		}
	}
	return (now_ns() - start) / count;
}

/* What the loop itself costs: making a name. */
static double loop_cost(void)
{
	char name[16];
	double start = now_ns();
	for (unsigned int i = 0; i < FAST; i++) {
		name_of(i, name);
		sink += (unsigned int)name[3];
	}
	return (now_ns() - start) / FAST;
}

static void child(enum contender who, int out)
{
	double ns[LOOKUPS];
	prepare(who);
	double loop = loop_cost();
	for (int what = 0; what < LOOKUPS; what++) {
		unsigned int count = FAST;
		double once = measure(who, what, 1);
		once = measure(who, what, 1);
		if (who == FILES)
			count = once > BUDGET_NS / 3 ? 3 : (unsigned int)(BUDGET_NS / once);
		ns[what] = measure(who, what, count) - loop;
	}
	_exit(write(out, ns, sizeof(ns)) == sizeof(ns) ? 0 : 1);
}

static void take_turn(enum contender who, double ret_ns[LOOKUPS])
{
	int fds[2], status = 1;
	if (pipe(fds) < 0)
		die("pipe");
	pid_t pid = fork();
	if (pid == 0)
		child(who, fds[1]);
	(void)close(fds[1]);
	if (pid < 0 || read(fds[0], ret_ns, LOOKUPS * sizeof(double)) != LOOKUPS * sizeof(double) ||
	    waitpid(pid, &status, 0) != pid || status != 0) {
		(void)fprintf(stderr, "bench_nss: contender %d failed\n", who);
		exit(1);
	}
	(void)close(fds[0]);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void run(unsigned int rounds)
{
	static double all[CONTENDERS][LOOKUPS][ROUNDS_MAX];
	double ns[LOOKUPS];
	for (unsigned int round = 0; round < rounds; round++)
		for (int who = 0; who < CONTENDERS; who++) {
			take_turn(who, ns);
			for (int what = 0; what < LOOKUPS; what++)
				all[who][what][round] = ns[what];
		}
	(void)printf("%-16s %10s %10s %10s %12s %10s %12s\n", "ns a lookup", "mtls", "direct",
		     "bare cdb", "files", "mtls/cdb", "files/mtls");
	for (int what = 0; what < LOOKUPS; what++) {
		double median[CONTENDERS];
		for (int who = 0; who < CONTENDERS; who++) {
			qsort(all[who][what], rounds, sizeof(double), by_value);
			median[who] = all[who][what][rounds / 2];
		}
		(void)printf("%-16s %10.0f %10.0f %10.0f %12.0f %10.2f %12.1f\n",
			     lookup_names[what], median[GLIBC_MTLS], median[DIRECT],
			     median[BARE_CDB], median[FILES], median[GLIBC_MTLS] / median[BARE_CDB],
			     median[FILES] / median[GLIBC_MTLS]);
	}
	(void)putchar('\n');
	(void)fflush(stdout);
}

int main(int argc, char **argv)
{
	static const unsigned int sizes[] = { 1000, 100000 };
	uint32_t rounds = ROUNDS;
	if (argc > 1 && (mtls_parse_u32(argv[1], &rounds) < 0 || !rounds || rounds > ROUNDS_MAX))
		return 2;
	if (access("/run/mtls-test-private", F_OK) != 0) {
		(void)fprintf(stderr, "bench_nss: run it through bench/nss.sh\n");
		return 2;
	}
	(void)printf(
		"median of %u rounds; mtls: through glibc; direct: the module's function; bare "
		"cdb: cdb_find and a copy\n\n",
		rounds);
	for (size_t i = 0; i < MTLS_COUNT(sizes); i++) {
		accounts = sizes[i];
		build_snapshot();
		build_bare();
		build_files();
		(void)fflush(stdout);
		run(rounds);
	}
	return 0;
}
