/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A list of what is refused, not of what is allowed: the signer runs with the person's own rights,
 * and what GnuTLS and its libraries call differs between versions. Refused calls answer EPERM, so
 * that a library that only tries something goes on. Process-wide, once.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <seccomp.h>

#include "lib/base/cleanup.h"
#include "signer/sandbox.h"

#define LOCK_LIMIT (64UL << 20) /* as signer/start.c sets it */

static const int refused[] = {
	/* another program or process */
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(fork),
	SCMP_SYS(vfork),
	SCMP_SYS(clone),
	SCMP_SYS(clone3),
	/* the network, and sockets of the person's other programs */
	SCMP_SYS(socket),
	SCMP_SYS(socketpair),
	SCMP_SYS(connect),
	SCMP_SYS(bind),
	SCMP_SYS(listen),
	SCMP_SYS(accept),
	SCMP_SYS(accept4),
	/* other processes of the person */
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(process_madvise),
	SCMP_SYS(kcmp),
	SCMP_SYS(pidfd_open),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(pidfd_send_signal),
	SCMP_SYS(tkill),
	SCMP_SYS(rt_sigqueueinfo),
	SCMP_SYS(rt_tgsigqueueinfo),
	SCMP_SYS(setpriority),
	SCMP_SYS(prlimit64),
	/* files, but for reading */
	SCMP_SYS(creat),
	SCMP_SYS(truncate),
	SCMP_SYS(rename),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	SCMP_SYS(link),
	SCMP_SYS(linkat),
	SCMP_SYS(symlink),
	SCMP_SYS(symlinkat),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	SCMP_SYS(mkdir),
	SCMP_SYS(mkdirat),
	SCMP_SYS(rmdir),
	SCMP_SYS(mknod),
	SCMP_SYS(mknodat),
	SCMP_SYS(chmod),
	SCMP_SYS(fchmod),
	SCMP_SYS(fchmodat),
	SCMP_SYS(chown),
	SCMP_SYS(fchown),
	SCMP_SYS(lchown),
	SCMP_SYS(fchownat),
	SCMP_SYS(setxattr),
	SCMP_SYS(lsetxattr),
	SCMP_SYS(fsetxattr),
	SCMP_SYS(utime),
	SCMP_SYS(utimes),
	SCMP_SYS(utimensat),
	SCMP_SYS(futimesat),
	SCMP_SYS(openat2),
	/* ways around the above, and a wide kernel surface that a signer has no use for */
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(keyctl),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(move_mount),
	SCMP_SYS(fsopen),
	SCMP_SYS(open_tree),
	SCMP_SYS(unshare),
	SCMP_SYS(setns),
	SCMP_SYS(chroot),
	SCMP_SYS(pivot_root),
	SCMP_SYS(memfd_create),
	SCMP_SYS(shmat),
	SCMP_SYS(mq_open),
};

/* Calls that are refused for some values of one argument. */
struct argument_rule {
	int call;
	struct scmp_arg_cmp compare;
};

static int add_argument_rules(scmp_filter_ctx ctx)
{
	const uint64_t self = (uint64_t)getpid();
	const struct argument_rule rules[] = {
		{ SCMP_SYS(open), SCMP_A1_64(SCMP_CMP_MASKED_EQ, O_WRONLY, O_WRONLY) },
		{ SCMP_SYS(open), SCMP_A1_64(SCMP_CMP_MASKED_EQ, O_RDWR, O_RDWR) },
		{ SCMP_SYS(open), SCMP_A1_64(SCMP_CMP_MASKED_EQ, O_CREAT, O_CREAT) },
		{ SCMP_SYS(openat), SCMP_A2_64(SCMP_CMP_MASKED_EQ, O_WRONLY, O_WRONLY) },
		{ SCMP_SYS(openat), SCMP_A2_64(SCMP_CMP_MASKED_EQ, O_RDWR, O_RDWR) },
		{ SCMP_SYS(openat), SCMP_A2_64(SCMP_CMP_MASKED_EQ, O_CREAT, O_CREAT) },
		/* abort() signals its own process */
		{ SCMP_SYS(kill), SCMP_A0_64(SCMP_CMP_NE, self, 0) },
		{ SCMP_SYS(tgkill), SCMP_A0_64(SCMP_CMP_NE, self, 0) },
		{ SCMP_SYS(prlimit64), SCMP_A0_64(SCMP_CMP_NE, 0, 0) },
		/* no new code */
		{ SCMP_SYS(mmap), SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC) },
		{ SCMP_SYS(mprotect), SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC) },
		{ SCMP_SYS(pkey_mprotect), SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC) },
	};
	for (size_t i = 0; i < MTLS_COUNT(rules); i++) {
		int r = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EPERM), rules[i].call, 1,
					       &rules[i].compare);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_rules(scmp_filter_ctx ctx)
{
	for (size_t i = 0; i < MTLS_COUNT(refused); i++) {
		int r = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EPERM), refused[i], 0, NULL);
		if (r < 0)
			return r;
	}
	return add_argument_rules(ctx);
}

static void releasep(scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}

static int load_filter(void)
{
	_cleanup_(releasep) scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	if (!ctx)
		return -ENOMEM;
	int r = add_rules(ctx);
	return r < 0 ? r : seccomp_load(ctx); /* sets no_new_privs too */
}

/*
 * All or nothing, and only with room to spare: with a small limit a later allocation would fail,
 * which is worse than a page of a short-lived process in swap.
 */
static void lock_memory(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur >= LOCK_LIMIT)
		(void)mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
}

int sandbox_enter(struct mtls_diag *diag)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return mtls_diag_set(diag, -errno, "mtls-signer cannot make itself undumpable");
	lock_memory();
	int r = load_filter();
	if (r < 0)
		return mtls_diag_set(diag, r, "mtls-signer's system call filter: %s",
				     mtls_strerror(r));
	return 0;
}
