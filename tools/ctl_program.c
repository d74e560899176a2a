/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One child in a session of its own, watched by pidfd. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "tools/ctl_program.h"

#define FIRST_OTHER_FD 3
#define STATUS_NO_EXEC 127

static void become_program(char *const *argv, char *const *environment) __attribute__((noreturn));
static void become_program(char *const *argv, char *const *environment)
{
	int null = open("/dev/null", O_RDONLY);

	(void)umask(077);
	(void)signal(SIGPIPE, SIG_DFL);
	if (null >= 0 && setsid() >= 0 && chdir("/") == 0 && dup2(null, STDIN_FILENO) >= 0 &&
	    dup2(STDERR_FILENO, STDOUT_FILENO) >= 0 &&
	    syscall(SYS_close_range, FIRST_OTHER_FD, ~0U, 0) == 0)
		(void)execve(argv[0], argv, environment);
	_exit(STATUS_NO_EXEC);
}

/* Waits for the end or the deadline; then nothing of its process group is left. */
static int watch(pid_t pid, uint32_t timeout_ms, int *ret_status)
{
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	int r = pidfd < 0 ? -errno : mtls_wait_fd(pidfd, POLLIN, mtls_deadline_in_ms(timeout_ms));
	/* Not reaped yet, so the number is still its own. */
	(void)kill(-pid, SIGKILL);
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
		;
	return r < 0 ? r : 0;
}

static int check_program(const char *path, struct mtls_diag *diag)
{
	const struct mtls_file_trust trust = { 0 };
	_cleanup_close_ int fd = -1;

	int r = mtls_file_open_trusted(path, &trust, &fd, diag);
	if (r == -ELOOP)
		return mtls_diag_set(diag, MTLS_E_UNTRUSTED,
				     "'%s' is a symbolic link; name the program itself", path);
	return r;
}

int ctl_program_run(char *const *argv, char *const *environment, uint32_t timeout_ms,
		    struct mtls_diag *diag)
{
	int status = 0;

	int r = check_program(argv[0], diag);
	if (r < 0)
		return r;
	(void)fflush(stdout);
	pid_t pid = fork();
	if (pid < 0)
		return mtls_diag_set(diag, -errno, "fork: %s", strerrordesc_np(errno));
	if (pid == 0)
		become_program(argv, environment);
	r = watch(pid, timeout_ms, &status);
	if (r == -ETIMEDOUT)
		return mtls_diag_set(diag, r, "'%s' took longer than %u ms and was killed", argv[0],
				     (unsigned int)timeout_ms);
	if (r < 0)
		return mtls_diag_set(diag, r, "'%s': %s", argv[0], mtls_strerror(r));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFSIGNALED(status))
		return mtls_diag_set(diag, -EIO, "'%s' ended by signal %d", argv[0],
				     WTERMSIG(status));
	return mtls_diag_set(diag, -EIO, "'%s' %s %d", argv[0],
			     WEXITSTATUS(status) == STATUS_NO_EXEC
				     ? "cannot be run, or ended with status"
				     : "failed with status",
			     WEXITSTATUS(status));
}
