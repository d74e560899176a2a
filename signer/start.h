/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Starts and ends a mtls-signer process (design.md section 4). Links libc and lib/base only: it is
 * part of the thin module. Works in setuid, root and unprivileged hosts, with threads and any
 * SIGCHLD handling: the end is known by EOF on the socket, killing is by pidfd, zombies are reaped
 * if they are ours to reap.
 */
#ifndef MTLS_SIGNER_START_H
#define MTLS_SIGNER_START_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/err.h"

#define MTLS_SIGNER_PATH MTLS_LIBEXECDIR "/mtls-signer"

struct signer_identity {
	uid_t uid; /* what the signer becomes; equal to geteuid() == getuid(): no change of
		      credentials */
	gid_t gid;
	const gid_t *groups; /* by getgrouplist() in the parent; borrowed */
	size_t group_count;
};

struct signer_start {
	const char *program; /* MTLS_SIGNER_PATH; a parameter for tests */
	struct signer_identity identity;
	const char *const *argv; /* e.g. { "mtls-signer", "--source", "file", "--dir",
				    "/home/a/.config/mtls", NULL } */
};

struct signer_process {
	int fd;    /* stream socket to the signer, O_CLOEXEC; -1: none */
	int pidfd; /* -1: none */
	pid_t pid;
};
#define SIGNER_PROCESS_NONE                                                                        \
	{                                                                                          \
		.fd = -1, .pidfd = -1                                                              \
	}

/*
 * socketpair, vfork-like child with signals blocked and only async-signal-safe calls: groups, gid,
 * uid by raw system calls, no_new_privs, rlimits, close_range, empty environment, execve. @ret is
 * set on success only. Returns 0 or -errno. A failed exec is seen as EOF by the first read.
 */
int signer_start(const struct signer_start *start, struct signer_process *ret,
		 struct mtls_diag *diag);

/* Closes the socket, gives the signer a moment, kills it by pidfd, reaps it if possible. Never
 * blocks long. */
void signer_stop(struct signer_process *process);

#endif
