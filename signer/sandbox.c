/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A list of what is refused, not of what is allowed: the signer runs with the person's own rights,
 * and what GnuTLS and its libraries call differs between versions. Refused calls answer EPERM, so
 * that a library that only tries something goes on. Process-wide, once.
 *
 * The filter is assembled here (seccomp(2), bpf as in linux/filter.h): libseccomp takes 0.3 ms for
 * it, at every login. Its header still names the calls: those that this machine does not have are
 * negative.
 */
#include <config.h>

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
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

/*
 * Calls that are refused for some values of one argument, of which the kernel takes the lower 32
 * bits: where (argument & mask) == value, or, with `unless`, where it is not.
 */
struct argument_rule {
	int call;
	uint32_t argument;
	uint32_t mask;
	uint32_t value;
	bool unless;
};

#define SELF UINT32_MAX /* stands for the own pid in `value` */

/* clang-format off */
static const struct argument_rule argument_rules[] = {
	{ SCMP_SYS(open),   1, O_WRONLY, O_WRONLY, false },
	{ SCMP_SYS(open),   1, O_RDWR,   O_RDWR,   false },
	{ SCMP_SYS(open),   1, O_CREAT,  O_CREAT,  false },
	{ SCMP_SYS(openat), 2, O_WRONLY, O_WRONLY, false },
	{ SCMP_SYS(openat), 2, O_RDWR,   O_RDWR,   false },
	{ SCMP_SYS(openat), 2, O_CREAT,  O_CREAT,  false },
	/* abort() signals its own process */
	{ SCMP_SYS(kill),   0, UINT32_MAX, SELF, true },
	{ SCMP_SYS(tgkill), 0, UINT32_MAX, SELF, true },
	/* no new code */
	{ SCMP_SYS(mmap),          2, PROT_EXEC, PROT_EXEC, false },
	{ SCMP_SYS(mprotect),      2, PROT_EXEC, PROT_EXEC, false },
	{ SCMP_SYS(pkey_mprotect), 2, PROT_EXEC, PROT_EXEC, false },
};
/* clang-format on */

/* Numbers of another architecture or of x86's x32 would mean other calls. */
#if defined(__x86_64__) && !defined(__ILP32__)
#define FILTER_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__) && !defined(__ILP32__)
#define FILTER_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define FILTER_ARCH AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define FILTER_ARCH AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define FILTER_ARCH AUDIT_ARCH_S390X
#elif defined(__i386__)
#define FILTER_ARCH AUDIT_ARCH_I386
#elif defined(__arm__) && defined(__ARM_EABI__)
#define FILTER_ARCH AUDIT_ARCH_ARM
#else
#error "add the audit architecture of this machine, see linux/audit.h"
#endif
#define X32_BIT 0x40000000U

#define NUMBER           offsetof(struct seccomp_data, nr)
#define ARCH             offsetof(struct seccomp_data, arch)
#define LOWER_HALF(i)    (offsetof(struct seccomp_data, args) + 8 * (i) + LOWER_HALF_AT)
#define LOWER_HALF_AT    (__BYTE_ORDER == __BIG_ENDIAN ? 4U : 0U)
#define INSTRUCTIONS_MAX 512

struct filter {
	struct sock_filter code[INSTRUCTIONS_MAX];
	unsigned short count;
	bool full;
};

static void emit(struct filter *filter, struct sock_filter instruction)
{
	if (filter->count == INSTRUCTIONS_MAX)
		filter->full = true;
	else
		filter->code[filter->count++] = instruction;
}

static void load(struct filter *filter, size_t offset)
{
	emit(filter, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

/* Skips @then instructions where the accumulator is @value, else @otherwise. */
static void if_equal(struct filter *filter, uint32_t value, uint8_t then, uint8_t otherwise)
{
	emit(filter,
	     (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, then, otherwise));
}

static void answer(struct filter *filter, uint32_t action)
{
	emit(filter, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

static void begin(struct filter *filter)
{
	load(filter, ARCH);
	if_equal(filter, FILTER_ARCH, 1, 0);
	answer(filter, SECCOMP_RET_KILL_PROCESS);
	load(filter, NUMBER);
	if (FILTER_ARCH != AUDIT_ARCH_X86_64)
		return;
	emit(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1));
	answer(filter, SECCOMP_RET_KILL_PROCESS);
}

/* Before and after it the accumulator holds the call's number. */
static void refuse(struct filter *filter, int call)
{
	if_equal(filter, (uint32_t)call, 0, 1);
	answer(filter, SECCOMP_RET_ERRNO | EPERM);
}

static void refuse_values(struct filter *filter, const struct argument_rule *rule)
{
	uint32_t value = rule->value == SELF ? (uint32_t)getpid() : rule->value;

	if_equal(filter, (uint32_t)rule->call, 0, 5);
	load(filter, LOWER_HALF(rule->argument));
	emit(filter, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, rule->mask));
	if_equal(filter, value, rule->unless ? 1 : 0, rule->unless ? 0 : 1);
	answer(filter, SECCOMP_RET_ERRNO | EPERM);
	load(filter, NUMBER);
}

static int load_filter(void)
{
	struct filter filter = { .count = 0 };

	begin(&filter);
	for (size_t i = 0; i < MTLS_COUNT(refused); i++)
		if (refused[i] >= 0)
			refuse(&filter, refused[i]);
	for (size_t i = 0; i < MTLS_COUNT(argument_rules); i++)
		if (argument_rules[i].call >= 0)
			refuse_values(&filter, &argument_rules[i]);
	answer(&filter, SECCOMP_RET_ALLOW);
	if (filter.full)
		return -E2BIG;
	const struct sock_fprog program = { .len = filter.count, .filter = filter.code };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0)
		return -errno;
	return 0;
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
