/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The filters, as tables. The worker's list was found by running one under SCMP_ACT_TRAP. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <seccomp.h>

#include "authd/sandbox.h"
#include "lib/base/cleanup.h"

/* clang-format off */
static const char *const worker_calls[] = {
	/* connections */
	"accept4", "close", "shutdown", "getpeername", "getsockopt", "setsockopt",
	"recvfrom", "recvmsg", "read", "sendto", "sendmsg", "write", "writev",
	/* the event loop */
	"epoll_wait", "epoll_pwait", "epoll_ctl", "poll",
	/* memory (mmap has a rule of its own) */
	"brk", "munmap", "mremap", "madvise",
	/* time and randomness: GnuTLS reseeds after a while */
	"clock_gettime", "gettimeofday", "time", "getrandom",
	/* the C library */
	"futex", "restart_syscall", "rt_sigreturn", "exit_group",
};

static const char *const lookup_refused[] = {
	"execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev", "kill", "tkill",
	"pidfd_send_signal", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "mount", "umount2", "move_mount",
	"fsopen", "fsmount", "open_tree", "pivot_root", "chroot", "setns", "unshare", "bpf",
	"perf_event_open", "kexec_load", "kexec_file_load", "init_module", "finit_module",
	"delete_module", "add_key", "request_key", "keyctl", "userfaultfd", "swapon", "swapoff",
	"reboot", "settimeofday", "clock_settime", "io_uring_setup", "pidfd_getfd",
};
/* clang-format on */

static void releasep(scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}

/* A name that this architecture does not have is no error: then it cannot be called either. */
static int add_all(scmp_filter_ctx ctx, uint32_t action, const char *const *names, size_t count)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < count; i++) {
		int number = seccomp_syscall_resolve_name(names[i]);
		if (number != __NR_SCMP_ERROR && number >= 0)
			r = seccomp_rule_add(ctx, action, number, 0);
	}
	return r;
}

int sandbox_worker(void)
{
	_cleanup_(releasep) scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (!ctx)
		return -ENOMEM;
	int r = add_all(ctx, SCMP_ACT_ALLOW, worker_calls, MTLS_COUNT(worker_calls));
	if (r >= 0)
		r = add_all(ctx, SCMP_ACT_ALLOW, sandbox_extra, sandbox_extra_count);
	/* Memory only: no file, nothing executable. */
	if (r >= 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
				     SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS));
	if (r >= 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				     SCMP_A1(SCMP_CMP_EQ, FIONBIO, 0));
	return r < 0 ? r : seccomp_load(ctx);
}

/* The kernel looks at the lower half of these arguments only. */
#define LOW_HALF UINT64_C(0xffffffff)

/*
 * Calls that a process may make for itself but not against others of its uid, which the worker and
 * the supervisor are. Making them the owner of a descriptor would send them its signals.
 */
static int refuse_against_others(scmp_filter_ctx ctx)
{
	const uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
	const struct {
		int number;
		struct scmp_arg_cmp arg;
	} rows[] = {
		{ SCMP_SYS(tgkill), SCMP_A0(SCMP_CMP_NE, (scmp_datum_t)getpid(), 0) },
		{ SCMP_SYS(prlimit64), SCMP_A0(SCMP_CMP_NE, 0, 0) },
		{ SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_MASKED_EQ, LOW_HALF, F_SETOWN) },
		{ SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_MASKED_EQ, LOW_HALF, F_SETOWN_EX) },
		{ SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_MASKED_EQ, LOW_HALF, FIOSETOWN) },
		{ SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_MASKED_EQ, LOW_HALF, SIOCSPGRP) },
	};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < MTLS_COUNT(rows); i++)
		r = seccomp_rule_add(ctx, refuse, rows[i].number, 1, rows[i].arg);
	return r;
}

int sandbox_lookup(void)
{
	_cleanup_(releasep) scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	if (!ctx)
		return -ENOMEM;
	int r = add_all(ctx, SCMP_ACT_ERRNO(EPERM), lookup_refused, MTLS_COUNT(lookup_refused));
	if (r >= 0)
		r = refuse_against_others(ctx);
	return r < 0 ? r : seccomp_load(ctx);
}
