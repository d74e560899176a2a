/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a process comes from: its ancestors and their login sessions, as /proc has them. */
#ifndef MTLS_TOOLS_CTL_PROC_H
#define MTLS_TOOLS_CTL_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CTL_PROC_MAX 64 /* ancestors that are looked at */

struct ctl_proc {
	pid_t pid, parent, session;
	bool terminal;  /* its session has one */
	uint64_t start; /* clock ticks since the machine was started */
};

/* 0 or -errno. */
int ctl_proc_read(pid_t pid, struct ctl_proc *ret);

/* This process, its parent, and so on; not the first process of the machine. The number. */
size_t ctl_proc_ancestors(struct ctl_proc out[CTL_PROC_MAX]);

/* A session: its leader, and when that was started, because numbers come again. */
struct ctl_session {
	pid_t leader;
	uint64_t start; /* 0: it has ended */
};
struct ctl_session ctl_proc_session(const struct ctl_proc *proc);

#endif
