/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Children of the supervisor. The supervisor has one thread, so fork is safe here. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "authd/process.h"
#include "lib/base/cleanup.h"

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

pid_t process_start_worker(const struct worker_setup *setup, const int *close_fds,
			   size_t close_count)
{
	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (pid > 0)
		return pid;
	mtls_child_reset_signals();
	for (size_t i = 0; i < close_count; i++)
		if (close_fds[i] >= 0)
			(void)close(close_fds[i]);
	_exit(worker_run(setup));
}

static void exec_lookup(enum mtls_lookup_kind kind, int self, int socket, pid_t supervisor)
{
	char name[] = "mtls-authd", option[] = "--lookup-process";
	char kind_text[32], pid_text[32];
	char *argv[] = { name, option, kind_text, pid_text, NULL };

	(void)snprintf(kind_text, sizeof(kind_text), "%s", mtls_lookup_kind_name(kind));
	(void)snprintf(pid_text, sizeof(pid_text), "%ld", (long)supervisor);
	mtls_child_reset_signals();
	if (dup2(socket, STDIN_FILENO) < 0 ||
	    close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		_exit(126);
	(void)execveat(self, "", argv, environ, AT_EMPTY_PATH);
	_exit(127);
}

pid_t process_start_lookup(enum mtls_lookup_kind kind, int self, int socket)
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
	slot->generation++;
	mtls_child_started(&slot->pause);
}

void process_ended(struct process_slot *slot, bool on_purpose, bool proved)
{
	slot->pid = 0;
	mtls_child_ended(&slot->pause, on_purpose, proved);
}
