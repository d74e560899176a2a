/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Children of the supervisor. The supervisor has one thread, so fork is safe here. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "authd/process.h"
#include "lib/base/cleanup.h"

#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 10000
#define STEADY_MS      10000 /* who lived longer is started again at once */

int process_drop_root(uid_t uid, gid_t gid, struct mtls_diag *diag)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return mtls_diag_set(diag, -errno, "cannot give up root: %s",
				     strerrordesc_np(errno));
	bool gone = getresuid(&r, &e, &s) == 0 && r == uid && e == uid && s == uid &&
		    getresgid(&rg, &eg, &sg) == 0 && rg == gid && eg == gid && sg == gid &&
		    getgroups(0, NULL) == 0;
	/* Must fail: there is no way back. */
	if (!gone || setuid(0) == 0 || setresuid((uid_t)-1, 0, (uid_t)-1) == 0)
		return mtls_diag_set(diag, MTLS_E_BUG, "root was not given up");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		return mtls_diag_set(diag, -errno, "prctl: %s", strerrordesc_np(errno));
	return 0;
}

int process_raise_files(uint32_t wanted, struct mtls_diag *diag)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	if (limit.rlim_cur >= wanted)
		return 0;
	limit.rlim_cur = wanted;
	if (limit.rlim_max < wanted)
		limit.rlim_max = wanted; /* root with CAP_SYS_RESOURCE may */
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return mtls_diag_set(diag, MTLS_E_CONFIG,
				     "max_connections needs %u open files, the limit is lower: "
				     "LimitNOFILE or ulimit -n",
				     wanted);
	return 0;
}

int process_open_self(int *ret_fd)
{
	int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

/* The supervisor's signals are its own: children end by their sockets, or by SIGKILL. */
static void reset_signals(void)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGPIPE };
	sigset_t none;

	for (size_t i = 0; i < MTLS_COUNT(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

pid_t process_start_worker(const struct worker_setup *setup, const int *close_fds,
			   size_t close_count)
{
	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (pid > 0)
		return pid;
	reset_signals();
	for (size_t i = 0; i < close_count; i++)
		if (close_fds[i] >= 0)
			(void)close(close_fds[i]);
	_exit(worker_run(setup));
}

static void exec_lookup(enum lookup_kind kind, int self, int socket, pid_t supervisor)
{
	char name[] = "mtls-authd", option[] = "--lookup-process";
	char kind_text[32], pid_text[32];
	char *argv[] = { name, option, kind_text, pid_text, NULL };

	(void)snprintf(kind_text, sizeof(kind_text), "%s", lookup_kind_name(kind));
	(void)snprintf(pid_text, sizeof(pid_text), "%ld", (long)supervisor);
	reset_signals();
	if (dup2(socket, STDIN_FILENO) < 0 ||
	    close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		_exit(126);
	(void)execveat(self, "", argv, environ, AT_EMPTY_PATH);
	_exit(127);
}

pid_t process_start_lookup(enum lookup_kind kind, int self, int socket)
{
	pid_t supervisor = getpid();
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		exec_lookup(kind, self, socket, supervisor);
	return pid;
}

void process_started(struct process_slot *slot, pid_t pid)
{
	slot->pid = pid;
	slot->started_ms = mtls_now_ms();
	slot->generation++;
}

void process_ended(struct process_slot *slot, bool on_purpose)
{
	int64_t lived = mtls_now_ms() - slot->started_ms;

	slot->pid = 0;
	if (on_purpose || lived > STEADY_MS)
		slot->backoff_ms = 0;
	else if (slot->backoff_ms == 0)
		slot->backoff_ms = BACKOFF_MIN_MS;
	else
		slot->backoff_ms *= 2;
	if (slot->backoff_ms > BACKOFF_MAX_MS)
		slot->backoff_ms = BACKOFF_MAX_MS;
	slot->restart_at = mtls_deadline_in_ms(slot->backoff_ms);
}
