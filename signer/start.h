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

#define MTLS_SIGNER_PATH  MTLS_LIBEXECDIR "/mtls-signer"       /* source file */
#define MTLS_SIGNER_TOKEN MTLS_LIBEXECDIR "/mtls-signer-token" /* pkcs11, p11-kit */
#define MTLS_SIGNER_AGENT MTLS_LIBEXECDIR "/mtls-signer-agent" /* agent */
#define MTLS_SIGNER_CERTS MTLS_SYSCONFDIR "/certs.d"           /* for its --certs */

struct signer_identity {
	uid_t uid; /* what the signer becomes; never 0. Equal to the real, effective and saved uid
		      of the host: groups are left alone (an unprivileged host may not set them) */
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
	int fd;    /* stream socket to the signer, O_CLOEXEC, never 0-2; -1: none */
	int pidfd; /* likewise */
	pid_t pid; /* for the log only: another part of the host may have reaped it */
};
#define SIGNER_PROCESS_NONE                                                                        \
	{                                                                                          \
		.fd = -1, .pidfd = -1                                                              \
	}

/*
 * socketpair, child in our memory with signals blocked and only raw system calls: groups, gid, uid,
 * no_new_privs, rlimits, close_range, empty environment, execve. In the signer descriptor 0 is the
 * socket, 1 and 2 are /dev/null, others do not exist; its folder is "/", it leads a session of its
 * own. @ret is set on success only: the program runs, under the identity asked for and with no way
 * back. Returns 0 or -errno, of the failed exec too; -ETIMEDOUT if it does not come to its exec in
 * five seconds, since somebody holds it up. @diag names the step.
 */
int signer_start(const struct signer_start *start, struct signer_process *ret,
		 struct mtls_diag *diag);

/*
 * Closes the socket if it is still there (a client may have taken it: set fd to -1 then), gives the
 * signer SIGNER_STOP_GRACE_MS, kills it by pidfd, reaps it if it is ours to reap. Never blocks
 * long; callable twice.
 */
#define SIGNER_STOP_GRACE_MS 50
void signer_stop(struct signer_process *process);

#endif
