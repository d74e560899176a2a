/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Children of a supervisor: their image, their signals, their end, their next start. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/base/cleanup.h"
#include "lib/service/child.h"

#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 10000
#define STEADY_MS      10000 /* who lived longer is started again at once */

int mtls_child_open_self(int *ret_fd)
{
	int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

void mtls_child_reset_signals(void)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGPIPE };
	sigset_t none;

	for (size_t i = 0; i < MTLS_COUNT(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

int mtls_child_end(int status, struct mtls_diag *diag)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return mtls_diag_set(diag, MTLS_E_BUG,
				     "made a system call that its sandbox forbids");
	if (WIFSIGNALED(status))
		return mtls_diag_set(diag, MTLS_E_CLOSED, "died: %s",
				     sigdescr_np(WTERMSIG(status)));
	if (WEXITSTATUS(status))
		return mtls_diag_set(diag, MTLS_E_CLOSED, "ended with status %d",
				     WEXITSTATUS(status));
	return 0;
}

void mtls_child_started(struct mtls_child_pause *pause)
{
	pause->started_ms = mtls_now_ms();
}

void mtls_child_ended(struct mtls_child_pause *pause, bool on_purpose, bool proved)
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
