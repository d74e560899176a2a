/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libnss_mtls.so.2 as glibc loads it, with the path that is compiled in: run by module.sh in a
 * private mount name space. Each case is a process of its own, because glibc keeps what it learnt.
 */
#include <config.h>

#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <shadow.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <security/pam_appl.h>

#include "lib/base/file.h"
#include "nss_mtls/entry.h"
#include "tests/nss/fixture.h"

extern int __nss_configure_lookup(const char *database, const char *order);

static struct fixture *fix;

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			(void)fprintf(stderr, "# line %d: %s\n", __LINE__, #condition);            \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static void configure(const char *order)
{
	CHECK(__nss_configure_lookup("passwd", order) == 0);
	CHECK(__nss_configure_lookup("group", order) == 0);
	CHECK(__nss_configure_lookup("initgroups", order) == 0);
	CHECK(__nss_configure_lookup("shadow", order) == 0);
}

static void service_mtls(void)
{
	configure("mtls");
	struct passwd *pw = getpwnam("alice");
	CHECK(pw && pw->pw_uid == FIX_ALICE_UID && strcmp(pw->pw_dir, "/home/alice") == 0);
	CHECK(strcmp(pw->pw_passwd, "*") == 0);
	pw = getpwuid(FIX_BOB_UID);
	CHECK(pw && strcmp(pw->pw_name, "bob") == 0);
	struct group *gr = getgrnam("crew");
	CHECK(gr && gr->gr_gid == FIX_CREW_GID && strcmp(gr->gr_mem[1], "bob") == 0);
	gr = getgrgid(FIX_ALICE_UID);
	CHECK(gr && strcmp(gr->gr_name, "alice") == 0 && !gr->gr_mem[0]);
	gid_t gids[8];
	int count = 8;
	CHECK(getgrouplist("alice", FIX_ALICE_UID, gids, &count) == 3);
	CHECK(gids[0] == FIX_ALICE_UID && gids[1] == FIX_STAFF_GID && gids[2] == FIX_CREW_GID);
	count = 8;
	CHECK(getgrouplist("nosuch", 77, gids, &count) == 1 && gids[0] == 77);
	char buffer[1024];
	struct passwd room, *found = &room;
	CHECK(getpwnam_r("nosuch", &room, buffer, sizeof(buffer), &found) == 0 && !found);
	found = &room;
	CHECK(getpwnam_r("alice", &room, buffer, 10, &found) == ERANGE && !found);
	CHECK(!getpwnam("root") && !getpwuid(0) && !getgrgid(0));
}

static void service_x509(void)
{
	configure("x509");
	struct passwd *pw = getpwnam(FIX_KEY_ALICE);
	CHECK(pw && strcmp(pw->pw_name, "alice") == 0);
	CHECK(!getpwnam(FIX_KEY_TWO) && !getpwnam("alice") && !getpwuid(FIX_ALICE_UID));
	struct group *gr = getgrnam(FIX_KEY_TWO);
	CHECK(gr && strcmp(gr->gr_name, "x509") == 0 && gr->gr_gid == 65534);
	CHECK(strcmp(gr->gr_mem[0], "alice") == 0 && strcmp(gr->gr_mem[1], "bob") == 0);
	gr = getgrnam(MTLS_X509_PROBE);
	CHECK(gr && !gr->gr_mem[0]);
	CHECK(!getgrnam("subject:CN=Nobody") && !getgrnam("crew"));
}

#define CREW_SIZE 10000

static void large_crew(struct people *people, void *ctx)
{
	char name[32];
	(void)ctx;
	for (int i = 0; i < CREW_SIZE; i++) {
		(void)snprintf(name, sizeof(name), "member-%05d", i);
		fixture_add(people, name, "/home/m");
		people_join(people, "crew", name);
	}
}

static size_t member_count(const struct group *gr)
{
	size_t count = 0;
	while (gr->gr_mem[count])
		count++;
	return count;
}

/* The lists of the process, with lookups in between, twice; buffers grow in glibc. */
static void lists(void)
{
	fixture_change(fix, large_crew, NULL);
	configure("mtls");
	for (int turn = 0; turn < 2; turn++) {
		int users = 0, groups = 0, alices = 0, crews = 0;
		setpwent();
		for (struct passwd *pw; (pw = getpwent()); users++) {
			alices += strcmp(pw->pw_name, "alice") == 0;
			CHECK(strcmp(pw->pw_passwd, "*") == 0);
			if (users % 1000 == 0)
				CHECK(getpwnam("bob") && getpwuid(FIX_ALICE_UID));
		}
		CHECK(!getpwent() && users == CREW_SIZE + 2 && alices == 1);
		setgrent();
		for (struct group *gr; (gr = getgrent()); groups++) {
			if (strcmp(gr->gr_name, "crew") != 0)
				continue;
			crews++;
			CHECK(member_count(gr) == CREW_SIZE + 2);
		}
		CHECK(!getgrent() && groups == CREW_SIZE + 4 && crews == 1);
		if (turn)
			endpwent();
		/* the other one is abandoned */
	}
	struct group *crew = getgrnam("crew");
	CHECK(crew && member_count(crew) == CREW_SIZE + 2);
	crew = getgrgid(FIX_CREW_GID);
	CHECK(crew && member_count(crew) == CREW_SIZE + 2);
	gid_t gids[4];
	int count = 4;
	CHECK(getgrouplist("member-09999", 5000, gids, &count) == 2 && gids[1] == FIX_CREW_GID);
}

/* An administrator may forbid lists; lookups stay. */
static void no_lists(void)
{
	fix->people->no_enumeration = true;
	fixture_publish(fix);
	configure("mtls");
	setpwent();
	setgrent();
	CHECK(!getpwent() && !getgrent());
	CHECK(getpwnam("alice") && getgrnam("crew"));
}

static void shadow_for_root(void)
{
	configure("mtls");
	struct spwd *sp = getspnam("alice");
	CHECK(sp && strcmp(sp->sp_namp, "alice") == 0 && strcmp(sp->sp_pwdp, "*") == 0);
	CHECK(sp->sp_lstchg == -1 && sp->sp_max == -1 && sp->sp_expire == -1);
	CHECK(!getspnam("nosuch") && !getspnam("root") && !getspnam("crew"));
	int count = 0;
	setspent();
	while ((sp = getspent())) {
		CHECK(strcmp(sp->sp_pwdp, "*") == 0);
		count++;
	}
	endspent();
	CHECK(count == 2);
}

static void shadow_for_others(void)
{
	configure("mtls");
	/* the library lies in a folder of root's */
	CHECK(getspnam("alice"));
	CHECK(setresgid(12345, 12345, 12345) == 0 && setresuid(12345, 12345, 12345) == 0);
	CHECK(getpwnam("alice"));
	char buffer[512];
	struct spwd room, *found = &room;
	CHECK(getspnam_r("alice", &room, buffer, sizeof(buffer), &found) == EACCES && !found);
	setspent();
	CHECK(!getspent());
	endspent();
}

static int answer(int count, const struct pam_message **messages, struct pam_response **ret,
		  void *word)
{
	(void)messages;
	struct pam_response *responses = calloc((size_t)count, sizeof(*responses));
	CHECK(responses);
	for (int i = 0; i < count; i++)
		responses[i].resp = strdup(word);
	*ret = responses;
	return PAM_SUCCESS;
}

static int pam_says(const char *user, const char *word, int (*phase)(pam_handle_t *pamh, int flags))
{
	char text[64];
	(void)snprintf(text, sizeof(text), "%s", word);
	const struct pam_conv conv = { answer, text };
	pam_handle_t *pamh = NULL;
	CHECK(pam_start_confdir("nsstest", user, &conv, "/run/pam", &pamh) == PAM_SUCCESS);
	int r = phase(pamh, 0);
	(void)pam_end(pamh, r);
	return r;
}

/* pam_unix: neither expired nor without a password, whether it asks shadow or not. */
static void pam_unix_agrees(void)
{
	static const char service[] = "auth required pam_unix.so nullok nodelay\n"
				      "account required pam_unix.so\n";
	const struct mtls_file_mode mode = { .mode = 0644, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	CHECK(mkdir("/run/pam", 0755) == 0);
	CHECK(mtls_file_replace("/run/pam/nsstest", service, strlen(service), &mode, NULL) == 0);
	configure("mtls");
	CHECK(pam_says("alice", "", pam_acct_mgmt) == PAM_SUCCESS);
	CHECK(pam_says("nosuch", "", pam_acct_mgmt) == PAM_USER_UNKNOWN);
	CHECK(pam_says("alice", "", pam_authenticate) == PAM_AUTH_ERR);
	CHECK(pam_says("alice", "*", pam_authenticate) == PAM_AUTH_ERR);
	CHECK(pam_says("nosuch", "", pam_authenticate) == PAM_USER_UNKNOWN);
}

static void behind_files(void)
{
	configure("files mtls");
	CHECK(getpwnam("root")->pw_uid == 0);
	CHECK(getpwnam("alice")->pw_uid == FIX_ALICE_UID);
	CHECK(!getpwnam("nosuch"));
}

static void both_names_are_one_library(void)
{
	void *a = dlopen("libnss_mtls.so.2", RTLD_NOW), *b = dlopen("libnss_x509.so.2", RTLD_NOW);
	CHECK(a && b);
	CHECK(dlsym(a, "_nss_mtls_getpwnam_r") == dlsym(b, "_nss_mtls_getpwnam_r"));
	/* nodelete: an answer lives on in whoever asked */
	CHECK(dlclose(a) == 0 && dlclose(b) == 0);
	CHECK(dlopen("libnss_mtls.so.2", RTLD_NOW | RTLD_NOLOAD));
}

static void fresh_machine(void)
{
	CHECK(unlink(fix->path) == 0);
	configure("mtls");
	char buffer[1024];
	struct passwd room, *found = &room;
	CHECK(getpwnam_r("alice", &room, buffer, sizeof(buffer), &found) == ENOENT && !found);
	CHECK(__nss_configure_lookup("group", "x509") == 0);
	struct group gr, *none = &gr;
	CHECK(getgrnam_r(MTLS_X509_PROBE, &gr, buffer, sizeof(buffer), &none) == ENOENT && !none);
}

static void wrong_owner(void)
{
	CHECK(chown(fix->path, 4711, 0) == 0);
	configure("mtls");
	char buffer[1024];
	struct passwd room, *found = &room;
	CHECK(getpwnam_r("alice", &room, buffer, sizeof(buffer), &found) == EIO && !found);
	CHECK(chown(fix->path, 0, 0) == 0);
	CHECK(getpwnam_r("alice", &room, buffer, sizeof(buffer), &found) == 0 && found);
}

/* Everything but the write and the end that report the result ends the process. */
static void forbid_system_calls(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { .len = MTLS_COUNT(code), .filter = code };
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

struct entries {
	__typeof__(_nss_mtls_getpwnam_r) *pw_name;
	__typeof__(_nss_mtls_getpwuid_r) *pw_uid;
	__typeof__(_nss_mtls_getgrnam_r) *gr_name;
	__typeof__(_nss_mtls_getgrgid_r) *gr_gid;
	__typeof__(_nss_mtls_initgroups_dyn) *groups;
	__typeof__(_nss_x509_getpwnam_r) *x_pw;
	__typeof__(_nss_x509_getgrnam_r) *x_gr;
	__typeof__(_nss_mtls_getpwent_r) *pw_next;
	__typeof__(_nss_mtls_setpwent) *pw_set;
	__typeof__(_nss_mtls_getgrent_r) *gr_next;
	__typeof__(_nss_mtls_setgrent) *gr_set;
};

static bool all_succeed(const struct entries *e, gid_t **gids)
{
	char buffer[1024];
	struct passwd pw;
	struct group gr;
	int err;
	long start = 1, size = 64;
	return e->pw_name("alice", &pw, buffer, sizeof(buffer), &err) == NSS_STATUS_SUCCESS &&
	       e->pw_name("nosuch", &pw, buffer, sizeof(buffer), &err) == NSS_STATUS_NOTFOUND &&
	       e->pw_uid(FIX_BOB_UID, &pw, buffer, sizeof(buffer), &err) == NSS_STATUS_SUCCESS &&
	       e->gr_name("crew", &gr, buffer, sizeof(buffer), &err) == NSS_STATUS_SUCCESS &&
	       e->gr_gid(FIX_CREW_GID, &gr, buffer, sizeof(buffer), &err) == NSS_STATUS_SUCCESS &&
	       e->groups("alice", 1, &start, &size, gids, -1, &err) == NSS_STATUS_SUCCESS &&
	       e->x_pw(FIX_KEY_ALICE, &pw, buffer, sizeof(buffer), &err) == NSS_STATUS_SUCCESS &&
	       e->x_gr(FIX_KEY_TWO, &gr, buffer, sizeof(buffer), &err) == NSS_STATUS_SUCCESS &&
	       e->pw_set(0) == NSS_STATUS_SUCCESS && e->gr_set(0) == NSS_STATUS_SUCCESS &&
	       e->pw_next(&pw, buffer, sizeof(buffer), &err) == NSS_STATUS_SUCCESS &&
	       e->gr_next(&gr, buffer, sizeof(buffer), &err) == NSS_STATUS_SUCCESS;
}

static void no_system_call(void)
{
	void *so = dlopen("libnss_mtls.so.2", RTLD_NOW);
	CHECK(so);
	struct entries e;
	*(void **)&e.pw_name = dlsym(so, "_nss_mtls_getpwnam_r");
	*(void **)&e.pw_uid = dlsym(so, "_nss_mtls_getpwuid_r");
	*(void **)&e.gr_name = dlsym(so, "_nss_mtls_getgrnam_r");
	*(void **)&e.gr_gid = dlsym(so, "_nss_mtls_getgrgid_r");
	*(void **)&e.groups = dlsym(so, "_nss_mtls_initgroups_dyn");
	*(void **)&e.x_pw = dlsym(so, "_nss_x509_getpwnam_r");
	*(void **)&e.x_gr = dlsym(so, "_nss_x509_getgrnam_r");
	*(void **)&e.pw_next = dlsym(so, "_nss_mtls_getpwent_r");
	*(void **)&e.pw_set = dlsym(so, "_nss_mtls_setpwent");
	*(void **)&e.gr_next = dlsym(so, "_nss_mtls_getgrent_r");
	*(void **)&e.gr_set = dlsym(so, "_nss_mtls_setgrent");
	gid_t *gids = calloc(64, sizeof(*gids));
	CHECK(gids && all_succeed(&e, &gids));
	forbid_system_calls();
	for (int i = 0; i < 100; i++)
		if (!all_succeed(&e, &gids))
			_exit(2);
	_exit(0);
}

/* The filter of the case before does forbid: with it, a file cannot be opened. */
static void the_filter_kills(void)
{
	forbid_system_calls();
	(void)access("/", F_OK);
	_exit(0);
}

int main(void)
{
	const char *sanitizers = getenv("MTLS_SANITIZERS");
	bool sanitized = sanitizers && *sanitizers && strcmp(sanitizers, "no") != 0;
	static const struct {
		const char *name;
		void (*run)(void);
		int want;   /* exit status */
		int signal; /* or the signal that ends it */
		bool bare;  /* not with a sanitizer, whose runtime makes calls of its own */
	} rows[] = {
		{ "service mtls through glibc", service_mtls, 0, 0, false },
		{ "service x509 through glibc", service_x509, 0, 0, false },
		{ "lists, and a group of 10,000", lists, 0, 0, false },
		{ "lists are forbidden", no_lists, 0, 0, false },
		{ "shadow for root", shadow_for_root, 0, 0, false },
		{ "shadow for others", shadow_for_others, 0, 0, false },
		{ "pam_unix: not expired, no password", pam_unix_agrees, 0, 0, false },
		{ "order files mtls", behind_files, 0, 0, false },
		{ "libnss_x509.so.2 is the same library", both_names_are_one_library, 0, 0, false },
		{ "no snapshot yet", fresh_machine, 0, 0, false },
		{ "a snapshot of another owner", wrong_owner, 0, 0, false },
		{ "no system call in a hundred rounds", no_system_call, 0, 0, true },
		{ "the filter of that test kills", the_filter_kills, 0, 31, true },
	};
	fix = fixture_installed();
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		if (rows[i].bare && sanitized) {
			(void)printf("ok %zu - %s # SKIP sanitizers make system calls\n", i + 1,
				     rows[i].name);
			continue;
		}
		(void)unlink(fix->path);
		(void)unlink(fix->gen);
		fixture_populate(fix);
		(void)fflush(stdout);
		pid_t pid = fork();
		if (pid == 0) {
			rows[i].run();
			_exit(0);
		}
		int status = -1;
		(void)waitpid(pid, &status, 0);
		bool ok = rows[i].signal ? WIFSIGNALED(status) && WTERMSIG(status) == rows[i].signal
					 : WIFEXITED(status) && WEXITSTATUS(status) == rows[i].want;
		(void)printf("%sok %zu - %s\n", ok ? "" : "not ", i + 1, rows[i].name);
	}
	(void)printf("1..%zu\n", MTLS_COUNT(rows));
	fixture_free(fix);
	return 0;
}
