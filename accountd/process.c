/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Children of the supervisor. It has one thread, so fork is safe here. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "accountd/process.h"
#include "lib/base/cleanup.h"
#include "lib/service/child.h"
#include "lib/service/rights.h"

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
	mtls_child_reset_signals();
	if (place_fds(&self, fds) < 0)
		_exit(126);
	(void)execveat(self, "", (char *const *)(uintptr_t)argv, environ, AT_EMPTY_PATH);
	_exit(127);
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

int process_give_up(uid_t uid, gid_t gid, struct mtls_diag *diag)
{
	pid_t parent = getppid();
	int r = mtls_rights_give_up(uid, gid, diag);

	return r < 0 ? r : die_with(parent, diag);
}
