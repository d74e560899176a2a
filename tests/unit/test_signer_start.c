/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * signer/start: what the started program inherits, in every kind of host program. Each row runs in
 * a process of its own, because it changes signal handling, descriptors or users.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "signer/start.h"

#define OTHER_UID 54321
#define OTHER_GID 54322

static char folder[] = "/tmp/signer_start.XXXXXX";
static char fake[64]; /* a copy that every user may execute */

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			(void)dprintf(failures, "# %s:%d: %s (errno %d)\n", __FILE__, __LINE__,    \
				      #condition, errno);                                          \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)
static int failures; /* where CHECK writes; the host may have no standard error */

static struct signer_start start_as(uid_t uid, gid_t gid, const char *mode)
{
	static const char *argv[4];
	argv[0] = "mtls-signer";
	argv[1] = mode;
	argv[2] = NULL;
	return (struct signer_start){
		.program = fake,
		.identity = { .uid = uid, .gid = gid },
		.argv = argv,
	};
}

/* Reads to the line END, at most 5 s. */
static void read_report(int fd, char *out, size_t size)
{
	size_t len = 0;
	mtls_deadline deadline = mtls_deadline_in_ms(5000);

	out[0] = '\0';
	while (!strstr(out, "END\n")) {
		CHECK(len + 1 < size && mtls_wait_fd(fd, POLLIN, deadline) == 0);
		ssize_t n = read(fd, out + len, size - len - 1);
		CHECK(n > 0);
		len += (size_t)n;
		out[len] = '\0';
	}
}

static bool has_line(const char *text, const char *line)
{
	char pattern[512];
	(void)snprintf(pattern, sizeof(pattern), "\n%s\n", line);
	return strstr(text, pattern) != NULL || strncmp(text, pattern + 1, strlen(line) + 1) == 0;
}

static bool is_gone(pid_t pid)
{
	return kill(pid, 0) < 0 && errno == ESRCH;
}

/* The process is gone or, where nobody may reap it yet, dead. */
static void wait_gone(pid_t pid)
{
	mtls_deadline deadline = mtls_deadline_in_ms(5000);
	while (!is_gone(pid) && mtls_deadline_left_ms(deadline) > 0)
		(void)poll(NULL, 0, 5);
	CHECK(is_gone(pid));
}

static void check_clean_start(const char *report)
{
	static const char *const lines[] = {
		"NoNewPrivs:\t1",
		"SigBlk:\t0000000000000000",
		"SigIgn:\t0000000000000000",
		"fd 0 socket:",
		"fd 1 /dev/null",
		"fd 2 /dev/null",
		"env 0",
		"cwd /",
		"core 0",
		"leader 1",
		"umask 077",
		"arg mtls-signer",
		"arg report",
	};
	for (size_t i = 0; i < MTLS_COUNT(lines); i++)
		if (!has_line(report, lines[i])) {
			(void)dprintf(failures, "# no line '%s' in:\n%s", lines[i], report);
			_exit(1);
		}
	int descriptors = 0;
	for (const char *p = report; (p = strstr(p, "\nfd ")); p++)
		descriptors++;
	CHECK(descriptors == 3);
}

/* Starts, reads the report, stops, sees the process gone and the descriptors free again. */
static void start_and_check(void)
{
	char report[8192];
	struct signer_process process = SIGNER_PROCESS_NONE;
	struct signer_start start = start_as(getuid(), getgid(), "report");
	struct mtls_diag diag = { 0 };

	if (getuid() == 0)
		start = start_as(OTHER_UID, OTHER_GID, "report");
	sigset_t before, after;
	CHECK(sigprocmask(SIG_SETMASK, NULL, &before) == 0);
	CHECK(signer_start(&start, &process, &diag) == 0);
	CHECK(sigprocmask(SIG_SETMASK, NULL, &after) == 0);
	for (int sig = 1; sig < 32; sig++)
		CHECK(sigismember(&before, sig) == sigismember(&after, sig));
	CHECK(process.fd > 2 && process.pidfd > 2);
	CHECK(fcntl(process.fd, F_GETFD) == FD_CLOEXEC);
	CHECK(fcntl(process.pidfd, F_GETFD) == FD_CLOEXEC);
	read_report(process.fd, report, sizeof(report));
	check_clean_start(report);
	pid_t pid = process.pid;
	signer_stop(&process);
	CHECK(process.fd == -1 && process.pidfd == -1);
	wait_gone(pid);
	signer_stop(&process);
}

static void host_plain(void)
{
	CHECK(setenv("LD_LIBRARY_PATH", "/nonexistent", 1) == 0);
	CHECK(dup2(failures, 77) == 77); /* not close-on-exec: the host leaks it, we must not */
	(void)umask(0);
}

static void host_ignores_sigchld(void)
{
	CHECK(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
}

static void host_no_zombies(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT };
	CHECK(sigaction(SIGCHLD, &action, NULL) == 0);
}

static void reap_everything(int sig)
{
	(void)sig;
	int saved = errno;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	errno = saved;
}

static void host_reaps_in_handler(void)
{
	struct sigaction action = { .sa_handler = reap_everything };
	CHECK(sigaction(SIGCHLD, &action, NULL) == 0);
}

static void *reap_loop(void *arg)
{
	for (;;)
		if (waitpid(-1, NULL, 0) < 0)
			(void)poll(NULL, 0, 1);
	return arg;
}

static void host_reaps_in_thread(void)
{
	pthread_t thread;
	CHECK(pthread_create(&thread, NULL, reap_loop, NULL) == 0);
}

static void host_without_stdio(void)
{
	(void)close(0);
	(void)close(1);
	(void)close(2);
}

static void host_blocks_signals(void)
{
	sigset_t all;
	(void)sigfillset(&all);
	CHECK(sigprocmask(SIG_SETMASK, &all, NULL) == 0);
	CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	CHECK(signal(SIGTERM, SIG_IGN) != SIG_ERR);
}

static atomic_int spins;

static void *spin(void *arg)
{
	for (;;) {
		atomic_fetch_add(&spins, 1);
		(void)usleep(100);
	}
	return arg;
}

static void host_with_threads(void)
{
	for (int i = 0; i < 4; i++) {
		pthread_t thread;
		CHECK(pthread_create(&thread, NULL, spin, NULL) == 0);
	}
}

static void host_with_many_descriptors(void)
{
	for (int i = 0; i < 200; i++)
		CHECK(dup(failures) >= 0);
}

static void host_unprivileged(void)
{
	if (getuid() != 0)
		return;
	CHECK(setresgid(OTHER_GID, OTHER_GID, OTHER_GID) == 0);
	CHECK(setresuid(OTHER_UID, OTHER_UID, OTHER_UID) == 0);
}

/* Runs @host, then @check, in a child; their failures are printed. */
static void run_in_child(const char *name, void (*host)(void), void (*check)(void))
{
	char text[16384];
	size_t len = 0;
	int fds[2];
	(void)fflush(NULL);
	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		failures = fcntl(fds[1], F_DUPFD_CLOEXEC, 50);
		(void)close(fds[0]);
		(void)close(fds[1]);
		(void)alarm(20);
		if (host)
			host();
		check();
		_exit(0);
	}
	(void)close(fds[1]);
	for (ssize_t n; (n = read(fds[0], text + len, sizeof(text) - 1 - len)) > 0;)
		len += (size_t)n;
	text[len] = '\0';
	(void)close(fds[0]);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0) {
		print_error("# %s: status 0x%x\n%s", name, (unsigned int)status, text);
		fail();
	}
}

static void starts_in_every_host(void **state)
{
	static const struct {
		const char *name;
		void (*host)(void);
	} rows[] = {
		{ "plain", host_plain },
		{ "SIGCHLD ignored", host_ignores_sigchld },
		{ "SA_NOCLDWAIT", host_no_zombies },
		{ "handler reaps everything", host_reaps_in_handler },
		{ "thread reaps everything", host_reaps_in_thread },
		{ "no descriptors 0-2", host_without_stdio },
		{ "all signals blocked, some ignored", host_blocks_signals },
		{ "several threads", host_with_threads },
		{ "200 descriptors", host_with_many_descriptors },
		{ "unprivileged", host_unprivileged },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		run_in_child(rows[i].name, rows[i].host, start_and_check);
}

static void need_root(void)
{
	if (getuid() != 0) {
		print_message("# skipped: changing users needs root\n");
		skip();
	}
}

static void check_dropped(const char *report)
{
	static const char *const lines[] = {
		"Uid:\t54321\t54321\t54321\t54321",
		"Gid:\t54322\t54322\t54322\t54322",
		"Groups:\t60001 60002 ",
		"CapPrm:\t0000000000000000",
		"CapAmb:\t0000000000000000",
	};
	for (size_t i = 0; i < MTLS_COUNT(lines); i++)
		if (!has_line(report, lines[i])) {
			(void)dprintf(failures, "# no line '%s' in:\n%s", lines[i], report);
			_exit(1);
		}
	check_clean_start(report);
}

static void drop_and_check(void)
{
	static const gid_t groups[] = { 60001, 60002 };
	char report[8192];
	struct signer_process process = SIGNER_PROCESS_NONE;
	struct signer_start start = start_as(OTHER_UID, OTHER_GID, "report");
	uid_t old = geteuid();

	start.identity.groups = groups;
	start.identity.group_count = MTLS_COUNT(groups);
	CHECK(signer_start(&start, &process, NULL) == 0);
	read_report(process.fd, report, sizeof(report));
	check_dropped(report);
	signer_stop(&process);
	CHECK(geteuid() == old); /* the host keeps what it had */
}

static void host_setuid(void)
{
	/* As sudo: euid 0, the caller's real uid. */
	static const gid_t groups[] = { 0, 4, 5 };
	CHECK(setgroups(MTLS_COUNT(groups), groups) == 0);
	CHECK(setresuid(OTHER_UID, 0, 0) == 0);
}

static void host_keeps_capabilities(void)
{
	CHECK(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0);
}

static void drops_to_the_person(void **state)
{
	static const struct {
		const char *name;
		void (*host)(void);
	} rows[] = {
		{ "root host", NULL },
		{ "setuid host", host_setuid },
		{ "root host with threads", host_with_threads },
		{ "root host that keeps capabilities", host_keeps_capabilities },
		{ "root host without stdio", host_without_stdio },
	};
	(void)state;
	need_root();
	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		run_in_child(rows[i].name, rows[i].host, drop_and_check);
}

static void refuse_other_user(void)
{
	struct signer_process process = SIGNER_PROCESS_NONE;
	struct mtls_diag diag = { 0 };
	struct signer_start start = start_as(OTHER_UID + 1, OTHER_GID, "report");
	CHECK(signer_start(&start, &process, &diag) == -EPERM);
	CHECK(strstr(diag.text, "change of user"));
	CHECK(process.fd == -1 && process.pidfd == -1);
	CHECK(waitpid(-1, NULL, 0) == -1 && errno == ECHILD); /* no zombie */
}

/* A setuid program of a user: real and effective ids differ, and neither is root's. */
static void host_setuid_user(void)
{
	host_unprivileged();
}

static void cannot_become_another_without_right(void **state)
{
	(void)state;
	need_root();
	run_in_child("unprivileged host", host_setuid_user, refuse_other_user);
}

static void check_failures(void)
{
	static const struct {
		const char *program;
		uid_t uid;
		int want;
		const char *text;
	} rows[] = {
		{ "/nonexistent/mtls-signer", OTHER_UID, -ENOENT, "exec" },
		{ "/dev/null", OTHER_UID, -EACCES, "exec" },
		{ "mtls-signer", OTHER_UID, -EINVAL, "absolute" },
		{ NULL, 0, -EPERM, "never runs as root" },
		{ NULL, (uid_t)-1, -EPERM, "never runs as root" },
	};
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct signer_process process = SIGNER_PROCESS_NONE;
		struct mtls_diag diag = { 0 };
		uid_t uid = getuid() != 0 && rows[i].uid == OTHER_UID ? getuid() : rows[i].uid;
		struct signer_start start =
			start_as(uid, getuid() ? getgid() : OTHER_GID, "report");
		if (rows[i].program)
			start.program = rows[i].program;
		int before = dup(failures);
		(void)close(before);
		CHECK(signer_start(&start, &process, &diag) == rows[i].want);
		CHECK(strstr(diag.text, rows[i].text));
		CHECK(process.fd == -1 && process.pidfd == -1 && process.pid == 0);
		CHECK(dup(failures) == before); /* nothing leaked */
		(void)close(before);
		CHECK(waitpid(-1, NULL, 0) == -1 && errno == ECHILD);
	}
}

static void failures_are_named(void **state)
{
	(void)state;
	run_in_child("failures", NULL, check_failures);
}

static int listener = -1;

/* Ends the wait of execve, with ENOSYS, should signer_start() wait for it without end. */
static void *end_exec(void *arg)
{
	(void)poll(NULL, 0, 15000);
	(void)close(listener);
	return arg;
}

/* From here on execve hangs in this thread and its children: whoever could answer does not. */
static void hang_exec(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execve, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { .len = MTLS_COUNT(code), .filter = code };
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, end_exec, NULL) == 0);
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
				SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	CHECK(listener >= 0);
}

/* As if the person had stopped it in the moment when it was theirs already. */
static void check_hung_exec(void)
{
	struct signer_process process = SIGNER_PROCESS_NONE;
	struct mtls_diag diag = { 0 };
	uid_t uid = getuid() ? getuid() : OTHER_UID;
	struct signer_start start = start_as(uid, getuid() ? getgid() : OTHER_GID, "report");

	CHECK(signer_start(&start, &process, &diag) == -ETIMEDOUT);
	CHECK(strstr(diag.text, "exec"));
	CHECK(process.fd == -1 && process.pidfd == -1 && process.pid == 0);
	CHECK(waitpid(-1, NULL, 0) == -1 && errno == ECHILD);
}

static void does_not_wait_for_ever(void **state)
{
	(void)state;
	run_in_child("exec that hangs", hang_exec, check_hung_exec);
}

static void stop_hung(void)
{
	struct signer_process process = SIGNER_PROCESS_NONE;
	uid_t uid = getuid() ? getuid() : OTHER_UID;
	struct signer_start start = start_as(uid, getuid() ? getgid() : OTHER_GID, "hang");
	CHECK(signer_start(&start, &process, NULL) == 0);
	pid_t pid = process.pid;
	int64_t begin = mtls_now_ms();
	signer_stop(&process);
	int64_t took = mtls_now_ms() - begin;
	CHECK(took >= SIGNER_STOP_GRACE_MS && took < 1000);
	wait_gone(pid);
}

static void stop_dead(void)
{
	char byte;
	struct signer_process process = SIGNER_PROCESS_NONE;
	uid_t uid = getuid() ? getuid() : OTHER_UID;
	struct signer_start start = start_as(uid, getuid() ? getgid() : OTHER_GID, "die");
	CHECK(signer_start(&start, &process, NULL) == 0);
	CHECK(mtls_wait_fd(process.fd, POLLIN, mtls_deadline_in_ms(5000)) == 0);
	CHECK(read(process.fd, &byte, 1) == 0); /* its end is seen as EOF */
	pid_t pid = process.pid;
	signer_stop(&process);
	wait_gone(pid);
}

static void stops_whatever_it_does(void **state)
{
	static const struct {
		const char *name;
		void (*host)(void), (*check)(void);
	} rows[] = {
		{ "hung", NULL, stop_hung },
		{ "hung, SIGCHLD ignored", host_ignores_sigchld, stop_hung },
		{ "hung, thread reaps everything", host_reaps_in_thread, stop_hung },
		{ "dead", NULL, stop_dead },
		{ "dead, SIGCHLD ignored", host_ignores_sigchld, stop_dead },
		{ "dead, reaped by a thread", host_reaps_in_thread, stop_dead },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		run_in_child(rows[i].name, rows[i].host, rows[i].check);
}

/* 20 starts at once from threads, while another thread forks: no descriptor may leak into one. */
static void *start_often(void *arg)
{
	for (int i = 0; i < 5; i++)
		start_and_check();
	return arg;
}

static void check_concurrent(void)
{
	pthread_t threads[4];
	for (size_t i = 0; i < MTLS_COUNT(threads); i++)
		CHECK(pthread_create(&threads[i], NULL, start_often, NULL) == 0);
	for (size_t i = 0; i < MTLS_COUNT(threads); i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}

static void starts_from_threads(void **state)
{
	(void)state;
	run_in_child("four threads", NULL, check_concurrent);
}

static int copy_fake(void **state)
{
	char path[4096];
	const char *builddir = getenv("top_builddir");
	_cleanup_buf_ struct mtls_buf buf = MTLS_BUF(64 << 20);

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/tests/unit/fake_signer", builddir ? builddir : ".");
	if (!mkdtemp(folder) || chmod(folder, 0755) < 0)
		return -1;
	(void)snprintf(fake, sizeof(fake), "%s/fake_signer", folder);
	struct mtls_file_mode mode = { .mode = 0755, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	if (mtls_file_read(path, NULL, &buf, NULL) < 0)
		return -1;
	return mtls_file_replace(fake, buf.data, buf.len, &mode, NULL);
}

static int remove_fake(void **state)
{
	(void)state;
	(void)unlink(fake);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_in_every_host),
		cmocka_unit_test(drops_to_the_person),
		cmocka_unit_test(cannot_become_another_without_right),
		cmocka_unit_test(failures_are_named),
		cmocka_unit_test(does_not_wait_for_ever),
		cmocka_unit_test(stops_whatever_it_does),
		cmocka_unit_test(starts_from_threads),
	};
	return cmocka_run_group_tests(tests, copy_fake, remove_fake);
}
