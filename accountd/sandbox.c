/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The filters, as tables. The lists were found by running the processes under SCMP_ACT_TRAP. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <seccomp.h>

#include "accountd/sandbox.h"
#include "lib/base/cleanup.h"

/* clang-format off */
static const char *const common_calls[] = {
	/* files; where, is Landlock's and the file modes' business */
	"openat", "close", "read", "pread64", "readv", "write", "pwrite64", "writev", "lseek",
	"fstat", "newfstatat", "statx", "fsync", "fdatasync", "ftruncate", "flock",
	"unlink", "unlinkat", "rename", "renameat", "renameat2", "fchmod", "access", "faccessat", "faccessat2", "getdents64",
	/* who am I: what SQLite asks before it changes an owner */
	"geteuid", "getpid", "getuid",
	/* memory (mmap has a rule of its own) */
	"brk", "munmap", "mremap", "madvise",
	"sysinfo", /* qsort(3): how much of it there is */
	/* time and randomness */
	"clock_gettime", "gettimeofday", "time", "getrandom",
	/* the C library */
	"futex", "restart_syscall", "rt_sigreturn", "exit_group",
};

static const char *const store_calls[] = {
	/* connections that the listening sockets give */
	"accept4", "shutdown", "getsockopt", "recvfrom", "sendto",
	/* the event loop and its signals */
	"epoll_wait", "epoll_pwait", "epoll_ctl", "poll", "rt_sigprocmask", "rt_sigaction",
	/* SQLite */
	"readlink", "getcwd", "fallocate", "clock_nanosleep", "nanosleep",
	/* the folder of the source files */
	"inotify_add_watch", "inotify_rm_watch",
};

static const char *const publisher_calls[] = {
	"mkdir", "mkdirat", "link", "linkat", "fchown", "poll", "ppoll",
	"recvfrom", "sendto", "clock_nanosleep", "nanosleep",
};
/* clang-format on */

/* The kernel looks at the lower half of these arguments only. */
#define LOW_HALF UINT64_C(0xffffffff)

static void releasep(scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}

/* A name that this architecture does not have is no error: then it cannot be called either. */
static int add_all(scmp_filter_ctx ctx, const char *const *names, size_t count)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < count; i++) {
		int number = seccomp_syscall_resolve_name(names[i]);
		if (number != __NR_SCMP_ERROR && number >= 0)
			r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, number, 0);
	}
	return r;
}

/* Nothing executable is mapped; the fcntl() of locks and flags, none that sends signals. */
static int add_by_argument(scmp_filter_ctx ctx)
{
	const struct {
		int number;
		struct scmp_arg_cmp arg;
	} rows[] = {
		{ SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0) },
		{ SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_MASKED_EQ, LOW_HALF, FIONBIO) },
		{ SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_MASKED_EQ, LOW_HALF, F_GETFD) },
		{ SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_MASKED_EQ, LOW_HALF, F_SETFD) },
		{ SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_MASKED_EQ, LOW_HALF, F_GETFL) },
		{ SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_MASKED_EQ, LOW_HALF, F_GETLK) },
		{ SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_MASKED_EQ, LOW_HALF, F_SETLK) },
		{ SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_MASKED_EQ, LOW_HALF, F_SETLKW) },
		{ SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_MASKED_EQ, LOW_HALF, F_OFD_SETLK) },
		{ SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_MASKED_EQ, LOW_HALF, F_DUPFD_CLOEXEC) },
	};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < MTLS_COUNT(rows); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, rows[i].number, 1, rows[i].arg);
	return r;
}

static int load(const char *const *own, size_t own_count)
{
	_cleanup_(releasep) scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (!ctx)
		return -ENOMEM;
	int r = add_all(ctx, common_calls, MTLS_COUNT(common_calls));
	if (r >= 0)
		r = add_all(ctx, own, own_count);
	if (r >= 0)
		r = add_all(ctx, accountd_sandbox_extra, accountd_sandbox_extra_count);
	if (r >= 0)
		r = add_by_argument(ctx);
	return r < 0 ? r : seccomp_load(ctx);
}

int sandbox_store(void)
{
	return load(store_calls, MTLS_COUNT(store_calls));
}

int sandbox_publisher(void)
{
	return load(publisher_calls, MTLS_COUNT(publisher_calls));
}
