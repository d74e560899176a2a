/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starting child processes, and giving up root. Used by the supervisor. */
#ifndef AUTHD_PROCESS_H
#define AUTHD_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "authd/worker.h"
#include "lib/base/err.h"
#include "lib/mapping/query.h"
#include "lib/service/child.h"

/* A child and when it may be started again. */
struct process_slot {
	pid_t pid; /* 0: not running */
	uint32_t generation;
	struct mtls_child_pause pause;
};

/* Room for @wanted descriptors; 0, or an error when the hard limit is lower. */
int process_raise_files(uint32_t wanted, struct mtls_diag *diag);

/*
 * Forks a worker; @setup->channel_fd is its end. @close_fds: of the supervisor, not for the child.
 * The pid or -errno.
 */
pid_t process_start_worker(const struct worker_setup *setup, const int *close_fds,
			   size_t close_count);

/*
 * Starts a lookup process of @kind with @socket as standard input, by exec of @self: it inherits no
 * memory of ours. The pid or -errno.
 */
pid_t process_start_lookup(enum mtls_lookup_kind kind, int self, int socket);

/* Notes that the child in @slot has ended; when it may be started again: mtls_child_ended(). */
void process_ended(struct process_slot *slot, bool on_purpose, bool proved);

/* Notes that @pid runs in @slot. */
void process_started(struct process_slot *slot, pid_t pid);

#endif
