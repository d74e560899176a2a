/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads /proc/PID/stat. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/err.h"
#include "tools/ctl_proc.h"

#define STAT_MAX 1024

int ctl_proc_read(pid_t pid, struct ctl_proc *ret)
{
	char path[64], text[STAT_MAX];
	int parent, session, tty;
	unsigned long long start;

	(void)snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	/* The name of the program stands in brackets and may hold anything, brackets too. */
	const char *rest = strrchr(text, ')');
	if (!rest || sscanf(rest + 1,
			    " %*c %d %*d %d %d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
			    "%*d %llu",
			    &parent, &session, &tty, &start) != 4)
		return MTLS_E_SYNTAX;
	*ret = (struct ctl_proc){
		.pid = pid,
		.parent = parent,
		.session = session,
		.terminal = tty != 0,
		.start = start,
	};
	return 0;
}

size_t ctl_proc_ancestors(struct ctl_proc out[CTL_PROC_MAX])
{
	size_t count = 0;

	for (pid_t pid = getpid(); pid > 1 && count < CTL_PROC_MAX; count++) {
		if (ctl_proc_read(pid, &out[count]) < 0)
			break;
		pid = out[count].parent;
	}
	return count;
}

struct ctl_session ctl_proc_session(const struct ctl_proc *proc)
{
	struct ctl_proc leader;
	struct ctl_session session = { .leader = proc->session };

	if (ctl_proc_read(proc->session, &leader) == 0)
		session.start = leader.start;
	return session;
}
