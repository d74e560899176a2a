/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Children of the supervisor. It has one thread, so fork is safe here. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "accountd/process.h"
#include "lib/base/cleanup.h"

#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 10000
#define STEADY_MS      10000 /* a pair that lived longer is started again at once */

int process_open_self(int *ret_fd)
{
	int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

/* The supervisor's signals are its own; the store process asks for SIGTERM again. */
static void reset_signals(void)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGPIPE };
	sigset_t none;

	for (size_t i = 0; i < MTLS_COUNT(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child. Descriptors go up first, so that none is overwritten before it is copied. */
static int place_fds(int *self, const int *fds)
{
	int high[ACCOUNTD_FD_END - ACCOUNTD_FD_SETTINGS];

	*self = fcntl(*self, F_DUPFD_CLOEXEC, ACCOUNTD_FD_END);
	if (*self < 0)
		return -errno;
	for (size_t i = 0; i < MTLS_COUNT(high); i++) {
		high[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, ACCOUNTD_FD_END);
		if (fds[i] >= 0 && high[i] < 0)
			return -errno;
	}
	if (close_range(ACCOUNTD_FD_SETTINGS, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return -errno;
	for (size_t i = 0; i < MTLS_COUNT(high); i++)
		if (high[i] >= 0 && dup2(high[i], ACCOUNTD_FD_SETTINGS + (int)i) < 0)
			return -errno;
	return 0;
}

pid_t process_start(const char *option, const char *const *args, int self,
		    const int fds[ACCOUNTD_FD_END - ACCOUNTD_FD_SETTINGS])
{
	char pid_text[32];
	const char *argv[PROCESS_ARGS_MAX + 4] = { "mtls-accountd", option, pid_text };
	size_t count = 3;

	(void)snprintf(pid_text, sizeof(pid_text), "%ld", (long)getpid());
	for (size_t i = 0; args[i] && i < PROCESS_ARGS_MAX; i++)
		argv[count++] = args[i];
	pid_t pid = fork();
	if (pid != 0)
		return pid < 0 ? -errno : pid;
	reset_signals();
	if (place_fds(&self, fds) < 0)
		_exit(126);
	(void)execveat(self, "", (char *const *)(uintptr_t)argv, environ, AT_EMPTY_PATH);
	_exit(127);
}

void process_started(struct process_pause *pause)
{
	pause->started_ms = mtls_now_ms();
}

void process_ended(struct process_pause *pause, bool on_purpose, bool proved)
{
	int64_t lived = mtls_now_ms() - pause->started_ms;

	if (on_purpose || lived > STEADY_MS)
		pause->backoff_ms = 0;
	else if (pause->backoff_ms == 0 || proved)
		pause->backoff_ms = BACKOFF_MIN_MS;
	else
		pause->backoff_ms *= 2;
	if (pause->backoff_ms > BACKOFF_MAX_MS)
		pause->backoff_ms = BACKOFF_MAX_MS;
	pause->restart_at = mtls_deadline_in_ms(pause->backoff_ms);
}

/* ------------------------------------------------------------------------- in the child */

/* Set again after the uid changed: the kernel forgets it then. */
static int die_with(pid_t supervisor, struct mtls_diag *diag)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != supervisor)
		return mtls_diag_set(diag, MTLS_E_CLOSED,
				     "started by mtls-accountd only, which must live");
	return 0;
}

int process_begin(pid_t supervisor, struct mtls_diag *diag)
{
	const struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
	return die_with(supervisor, diag);
}

/*
 * An exec as uid 0 would get them all back; uid 0 is then a number like others. A container may
 * have no CAP_SETPCAP: no_new_privs and the sandbox, which knows no exec, say the same.
 */
static int drop_bounding_set(void)
{
	for (unsigned long cap = 0; cap < 64; cap++) {
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != 1)
			continue; /* not there, or not a capability of this kernel */
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return errno == EPERM ? 0 : -errno;
	}
	const unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
				   SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
				   SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
	return prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) < 0 ? -errno : 0;
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capset, &header, data) < 0)
		return -errno;
	memset(data, 0xff, sizeof(data));
	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	for (size_t i = 0; i < MTLS_COUNT(data); i++)
		if (data[i].effective || data[i].permitted || data[i].inheritable)
			return MTLS_E_BUG;
	return 0;
}

static int become(uid_t uid, gid_t gid)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	bool gone = getresuid(&r, &e, &s) == 0 && r == uid && e == uid && s == uid &&
		    getresgid(&rg, &eg, &sg) == 0 && rg == gid && eg == gid && sg == gid &&
		    getgroups(0, NULL) == 0;
	return gone ? 0 : MTLS_E_BUG;
}

int process_give_up(uid_t uid, gid_t gid, struct mtls_diag *diag)
{
	pid_t parent = getppid();
	int r = drop_bounding_set();

	if (r >= 0)
		r = become(uid, gid);
	if (r >= 0)
		r = drop_capabilities();
	if (r < 0)
		return mtls_diag_set(diag, r, "cannot give up rights: %s", mtls_strerror(r));
	/* Must fail: there is no way back. */
	if (uid != 0 && (setuid(0) == 0 || setresuid((uid_t)-1, 0, (uid_t)-1) == 0))
		return mtls_diag_set(diag, MTLS_E_BUG, "root was not given up");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		return mtls_diag_set(diag, -errno, "prctl: %s", strerrordesc_np(errno));
	return die_with(parent, diag);
}
