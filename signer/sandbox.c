/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A list of what is refused, not of what is allowed: the signer runs with the person's own rights,
 * and what GnuTLS and its libraries call differs between versions. Refused calls answer EPERM, so
 * that a library that only tries something goes on. Process-wide; a second call closes more.
 *
 * The filter is assembled here (seccomp(2), bpf as in linux/filter.h): libseccomp takes 0.3 ms for
 * it, at every login. Its header still names the calls: those that this machine does not have are
 * negative. It is a tree, since the kernel tries every number there is when it takes a filter: a
 * list costs 0.1 ms more for that.
 */
#include <config.h>

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/net.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <seccomp.h>

#include "lib/base/cleanup.h"
#include "signer/domain.h"
#include "signer/sandbox.h"

#define LOCK_LIMIT (64UL << 20) /* as signer/start.c sets it */

/* Bits of the profiles that a rule is for. */
#define FILES  (1U << SANDBOX_FILES)
#define TOKENS (1U << SANDBOX_TOKENS)
#define CLOSED FILES /* our own code and the libraries that it is linked to */
#define ALL    (FILES | TOKENS)

struct call_rule {
	int call;
	unsigned int profiles;
};

/* Newer than the headers that we are built with may be; the same number everywhere. */
#define CALL_FCHMODAT2     452
#define CALL_SETXATTRAT    463
#define CALL_REMOVEXATTRAT 466
#define CALL_FILE_SETATTR  469

/* clang-format off */
static const struct call_rule refused[] = {
	/* another program or process */
	{ SCMP_SYS(execve), ALL },
	{ SCMP_SYS(execveat), ALL },
	{ SCMP_SYS(fork), ALL },
	{ SCMP_SYS(vfork), ALL },
	{ SCMP_SYS(clone), CLOSED },
	{ SCMP_SYS(clone3), CLOSED },
	/* the network, and sockets of the person's other programs */
	{ SCMP_SYS(socket), FILES },
	{ SCMP_SYS(connect), FILES },
	{ SCMP_SYS(socketpair), CLOSED },
	{ SCMP_SYS(bind), CLOSED },
	{ SCMP_SYS(listen), ALL },
	{ SCMP_SYS(accept), ALL },
	{ SCMP_SYS(accept4), ALL },
	/* other processes of the person */
	{ SCMP_SYS(ptrace), ALL },
	{ SCMP_SYS(process_vm_readv), ALL },
	{ SCMP_SYS(process_vm_writev), ALL },
	{ SCMP_SYS(process_madvise), ALL },
	{ SCMP_SYS(kcmp), ALL },
	{ SCMP_SYS(pidfd_open), ALL },
	{ SCMP_SYS(pidfd_getfd), ALL },
	{ SCMP_SYS(pidfd_send_signal), ALL },
	{ SCMP_SYS(tkill), ALL },
	{ SCMP_SYS(rt_sigqueueinfo), ALL },
	{ SCMP_SYS(rt_tgsigqueueinfo), ALL },
	{ SCMP_SYS(setpriority), ALL },
	{ SCMP_SYS(ioprio_set), CLOSED },
	{ SCMP_SYS(sched_setaffinity), CLOSED },
	{ SCMP_SYS(sched_setattr), CLOSED },
	{ SCMP_SYS(sched_setparam), CLOSED },
	{ SCMP_SYS(sched_setscheduler), CLOSED },
	{ SCMP_SYS(prlimit64), CLOSED },
	/* files, but for reading; a token may be one */
	{ SCMP_SYS(creat), CLOSED },
	{ SCMP_SYS(truncate), CLOSED },
	{ SCMP_SYS(truncate64), CLOSED },
	{ SCMP_SYS(rename), CLOSED },
	{ SCMP_SYS(renameat), CLOSED },
	{ SCMP_SYS(renameat2), CLOSED },
	{ SCMP_SYS(link), CLOSED },
	{ SCMP_SYS(linkat), CLOSED },
	{ SCMP_SYS(symlink), ALL },
	{ SCMP_SYS(symlinkat), ALL },
	{ SCMP_SYS(unlink), CLOSED },
	{ SCMP_SYS(unlinkat), CLOSED },
	{ SCMP_SYS(mkdir), CLOSED },
	{ SCMP_SYS(mkdirat), CLOSED },
	{ SCMP_SYS(rmdir), CLOSED },
	{ SCMP_SYS(mknod), ALL },
	{ SCMP_SYS(mknodat), ALL },
	{ SCMP_SYS(chmod), CLOSED },
	{ SCMP_SYS(fchmod), CLOSED },
	{ SCMP_SYS(fchmodat), CLOSED },
	{ SCMP_SYS(chown), CLOSED },
	{ SCMP_SYS(fchown), CLOSED },
	{ SCMP_SYS(lchown), CLOSED },
	{ SCMP_SYS(fchownat), CLOSED },
	{ SCMP_SYS(chown32), CLOSED },
	{ SCMP_SYS(fchown32), CLOSED },
	{ SCMP_SYS(lchown32), CLOSED },
	{ SCMP_SYS(setxattr), ALL },
	{ SCMP_SYS(lsetxattr), ALL },
	{ SCMP_SYS(fsetxattr), ALL },
	{ SCMP_SYS(removexattr), ALL },
	{ SCMP_SYS(lremovexattr), ALL },
	{ SCMP_SYS(fremovexattr), ALL },
	{ CALL_FCHMODAT2, CLOSED },
	{ CALL_SETXATTRAT, ALL },
	{ CALL_REMOVEXATTRAT, ALL },
	{ CALL_FILE_SETATTR, ALL },
	{ SCMP_SYS(utime), CLOSED },
	{ SCMP_SYS(utimes), CLOSED },
	{ SCMP_SYS(utimensat), CLOSED },
	{ SCMP_SYS(utimensat_time64), CLOSED },
	{ SCMP_SYS(futimesat), CLOSED },
	{ SCMP_SYS(openat2), ALL },
	/* ways around the above, and a wide kernel surface that a signer has no use for */
	{ SCMP_SYS(io_uring_setup), ALL },
	{ SCMP_SYS(io_uring_enter), ALL },
	{ SCMP_SYS(io_uring_register), ALL },
	{ SCMP_SYS(bpf), ALL },
	{ SCMP_SYS(perf_event_open), ALL },
	{ SCMP_SYS(userfaultfd), ALL },
	{ SCMP_SYS(add_key), ALL },
	{ SCMP_SYS(request_key), ALL },
	{ SCMP_SYS(keyctl), ALL },
	{ SCMP_SYS(open_by_handle_at), ALL },
	{ SCMP_SYS(mount), ALL },
	{ SCMP_SYS(umount2), ALL },
	{ SCMP_SYS(move_mount), ALL },
	{ SCMP_SYS(fsopen), ALL },
	{ SCMP_SYS(open_tree), ALL },
	{ SCMP_SYS(unshare), ALL },
	{ SCMP_SYS(setns), ALL },
	{ SCMP_SYS(chroot), ALL },
	{ SCMP_SYS(pivot_root), ALL },
	{ SCMP_SYS(memfd_create), CLOSED }, /* libffi's closures, in p11-kit's client */
	{ SCMP_SYS(personality), ALL }, /* READ_IMPLIES_EXEC: every mapping would be code */
	/* what programs of the person share; some modules have semaphores of their own */
	{ SCMP_SYS(ipc), CLOSED },
	{ SCMP_SYS(shmat), ALL },
	{ SCMP_SYS(shmctl), ALL },
	{ SCMP_SYS(msgget), ALL },
	{ SCMP_SYS(msgsnd), ALL },
	{ SCMP_SYS(msgrcv), ALL },
	{ SCMP_SYS(msgctl), ALL },
	{ SCMP_SYS(semget), CLOSED },
	{ SCMP_SYS(semop), CLOSED },
	{ SCMP_SYS(semtimedop), CLOSED },
	{ SCMP_SYS(semctl), CLOSED },
	{ SCMP_SYS(mq_open), ALL },
	{ SCMP_SYS(mq_unlink), ALL },
};
/* clang-format on */

/*
 * Calls that are refused for some values of one argument, of which the kernel takes the lower 32
 * bits: where (argument & mask) == value, or, with `unless`, where it is not. All rules of a call
 * and profile have to let it pass.
 */
struct argument_rule {
	int call;
	unsigned int profiles;
	uint32_t argument;
	uint32_t mask;
	uint32_t value;
	bool unless;
};

#define SELF UINT32_MAX /* stands for the own pid in `value` */

#ifdef __s390x__
#define CLONE_FLAGS 1 /* the stack comes first there */
#else
#define CLONE_FLAGS 0
#endif

/* clang-format off */
static const struct argument_rule argument_rules[] = {
	{ SCMP_SYS(open),   CLOSED, 1, O_WRONLY, O_WRONLY, false },
	{ SCMP_SYS(open),   CLOSED, 1, O_RDWR,   O_RDWR,   false },
	{ SCMP_SYS(open),   CLOSED, 1, O_CREAT,  O_CREAT,  false },
	{ SCMP_SYS(open),   CLOSED, 1, O_TRUNC,  O_TRUNC,  false }, /* also with O_RDONLY */
	{ SCMP_SYS(openat), CLOSED, 2, O_TRUNC,  O_TRUNC,  false },
	{ SCMP_SYS(openat), CLOSED, 2, O_WRONLY, O_WRONLY, false },
	{ SCMP_SYS(openat), CLOSED, 2, O_RDWR,   O_RDWR,   false },
	{ SCMP_SYS(openat), CLOSED, 2, O_CREAT,  O_CREAT,  false },
	/* abort() signals its own process */
	{ SCMP_SYS(kill),   ALL, 0, UINT32_MAX, SELF, true },
	{ SCMP_SYS(tgkill), ALL, 0, UINT32_MAX, SELF, true },
	/* nor does a descriptor send a signal, of any number, to whom it is made to belong */
	{ SCMP_SYS(fcntl),   ALL, 1, UINT32_MAX, F_SETOWN,    false },
	{ SCMP_SYS(fcntl),   ALL, 1, UINT32_MAX, F_SETOWN_EX, false },
	{ SCMP_SYS(fcntl),   ALL, 1, UINT32_MAX, F_SETSIG,    false },
	{ SCMP_SYS(fcntl64), ALL, 1, UINT32_MAX, F_SETOWN,    false },
	{ SCMP_SYS(fcntl64), ALL, 1, UINT32_MAX, F_SETOWN_EX, false },
	{ SCMP_SYS(fcntl64), ALL, 1, UINT32_MAX, F_SETSIG,    false },
	{ SCMP_SYS(ioctl),   ALL, 1, UINT32_MAX, FIOSETOWN,   false },
	{ SCMP_SYS(ioctl),   ALL, 1, UINT32_MAX, SIOCSPGRP,   false },
	/* words typed into a terminal, pasted on a console */
	{ SCMP_SYS(ioctl),   ALL, 1, UINT32_MAX, TIOCSTI,     false },
	{ SCMP_SYS(ioctl),   ALL, 1, UINT32_MAX, TIOCLINUX,   false },
	/* no new code */
	{ SCMP_SYS(mmap),          CLOSED, 2, PROT_EXEC, PROT_EXEC, false },
	{ SCMP_SYS(mmap2),         CLOSED, 2, PROT_EXEC, PROT_EXEC, false },
	{ SCMP_SYS(mprotect),      CLOSED, 2, PROT_EXEC, PROT_EXEC, false },
	{ SCMP_SYS(pkey_mprotect), CLOSED, 2, PROT_EXEC, PROT_EXEC, false },
	/* a card service, a TPM's resource manager listen on this machine */
	{ SCMP_SYS(socket), TOKENS, 0, UINT32_MAX, AF_UNIX, true },
	/* its own limits, as getrlimit(3) asks, and nobody else's */
	{ SCMP_SYS(prlimit64), TOKENS, 0, UINT32_MAX, 0, true },
	/* threads of a module, and no process */
	{ SCMP_SYS(clone), TOKENS, CLONE_FLAGS, CLONE_THREAD, CLONE_THREAD, true },
	/* libraries ask for the limits of their own process */
	{ SCMP_SYS(prlimit64), TOKENS, 0, UINT32_MAX, 0, true },
	/* the one call of some machines for all that sockets do, by the numbers of linux/net.h */
	{ SCMP_SYS(socketcall), FILES,  0, UINT32_MAX, SYS_SOCKET,     false },
	{ SCMP_SYS(socketcall), FILES,  0, UINT32_MAX, SYS_CONNECT,    false },
	{ SCMP_SYS(socketcall), CLOSED, 0, UINT32_MAX, SYS_SOCKETPAIR, false },
	{ SCMP_SYS(socketcall), CLOSED, 0, UINT32_MAX, SYS_BIND,       false },
	{ SCMP_SYS(socketcall), ALL,    0, UINT32_MAX, SYS_LISTEN,     false },
	{ SCMP_SYS(socketcall), ALL,    0, UINT32_MAX, SYS_ACCEPT,     false },
	{ SCMP_SYS(socketcall), ALL,    0, UINT32_MAX, SYS_ACCEPT4,    false },
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

/* From this number up to the next range's: one answer, or that of the argument rules of @from. */
struct range {
	uint32_t from;
	uint32_t action;
};
#define BY_ARGUMENTS UINT32_MAX
#define REFUSE       (SECCOMP_RET_ERRNO | EPERM)
#define CALLS_MAX    (MTLS_COUNT(refused) + MTLS_COUNT(argument_rules) + 1)

/* All numbers, in order, with what is answered to each. */
struct ranges {
	unsigned int profile; /* its bit */
	struct range call[CALLS_MAX], range[2 * CALLS_MAX + 1];
	size_t calls, count;
};

/* In order; who comes first counts. */
static void add_call(struct ranges *ranges, int number, unsigned int profiles, uint32_t action)
{
	const uint32_t call = (uint32_t)number;
	size_t at = ranges->calls;

	if (number < 0 || !(profiles & ranges->profile))
		return;
	for (size_t i = 0; i < ranges->calls; i++)
		if (ranges->call[i].from == call)
			return;
	for (; at > 0 && ranges->call[at - 1].from > call; at--)
		ranges->call[at] = ranges->call[at - 1];
	ranges->call[at] = (struct range){ call, action };
	ranges->calls++;
}

/* One that says the same as the one before is no new range. */
static void add_range(struct ranges *ranges, uint32_t from, uint32_t action)
{
	struct range *last = ranges->count ? &ranges->range[ranges->count - 1] : NULL;

	if (last && last->from == from)
		last->action = action; /* an empty one between two neighbours */
	else
		ranges->range[ranges->count++] = (struct range){ from, action };
	if (ranges->count < 2 || action == BY_ARGUMENTS)
		return;
	if (ranges->range[ranges->count - 2].action == action)
		ranges->count--;
}

static void fill_ranges(struct ranges *ranges)
{
	for (size_t i = 0; i < MTLS_COUNT(refused); i++)
		add_call(ranges, refused[i].call, refused[i].profiles, REFUSE);
	/* clone3's flags are in memory, where a filter cannot look: glibc falls back to clone. */
	add_call(ranges, SCMP_SYS(clone3), TOKENS, SECCOMP_RET_ERRNO | ENOSYS);
	for (size_t i = 0; i < MTLS_COUNT(argument_rules); i++)
		add_call(ranges, argument_rules[i].call, argument_rules[i].profiles, BY_ARGUMENTS);
	add_range(ranges, 0, SECCOMP_RET_ALLOW);
	for (size_t i = 0; i < ranges->calls; i++) {
		add_range(ranges, ranges->call[i].from, ranges->call[i].action);
		add_range(ranges, ranges->call[i].from + 1, SECCOMP_RET_ALLOW);
	}
}

static void refuse_values(struct filter *filter, const struct argument_rule *rule)
{
	uint32_t value = rule->value == SELF ? (uint32_t)getpid() : rule->value;

	load(filter, LOWER_HALF(rule->argument));
	emit(filter, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, rule->mask));
	if_equal(filter, value, rule->unless ? 1 : 0, rule->unless ? 0 : 1);
	answer(filter, REFUSE);
}

static void emit_leaf(struct filter *filter, const struct ranges *ranges, const struct range *range)
{
	if (range->action != BY_ARGUMENTS) {
		answer(filter, range->action);
		return;
	}
	for (size_t i = 0; i < MTLS_COUNT(argument_rules); i++)
		if (argument_rules[i].call == (int)range->from &&
		    (argument_rules[i].profiles & ranges->profile))
			refuse_values(filter, &argument_rules[i]);
	answer(filter, SECCOMP_RET_ALLOW);
}

/* The accumulator holds the call's number, which is one of these @count ranges. */
static void emit_tree(struct filter *filter, const struct ranges *ranges, const struct range *range,
		      size_t count)
{
	const size_t half = count / 2;

	if (count == 1) {
		emit_leaf(filter, ranges, range);
		return;
	}
	const unsigned short at = filter->count;
	emit(filter,
	     (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, range[half].from, 0, 0));
	emit_tree(filter, ranges, range, half);
	const int skipped = filter->count - at - 1;
	if (skipped > UINT8_MAX)
		filter->full = true;
	if (filter->full)
		return;
	filter->code[at].jt = (uint8_t)skipped;
	emit_tree(filter, ranges, range + half, count - half);
}

static int load_filter(enum sandbox_profile profile)
{
	struct ranges ranges = { .profile = 1U << profile };
	struct filter filter = { .count = 0 };

	fill_ranges(&ranges);
	begin(&filter);
	emit_tree(&filter, &ranges, ranges.range, ranges.count);
	if (filter.full)
		return -E2BIG;
	const struct sock_fprog program = { .len = filter.count, .filter = filter.code };
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0 ? -errno : 0;
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

int sandbox_enter(enum sandbox_profile profile, struct mtls_diag *diag)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return mtls_diag_set(diag, -errno, "mtls-signer cannot make itself undumpable");
	lock_memory();
	/* A filter costs 0.2 ms, and another one follows. */
	if (profile == SANDBOX_AGENT)
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return mtls_diag_set(diag, -errno, "no_new_privs");
	int r = domain_enter();
	if (r < 0)
		return mtls_diag_set(diag, r, "mtls-signer's Landlock domain: %s",
				     mtls_strerror(r));
	r = load_filter(profile);
	if (r < 0)
		return mtls_diag_set(diag, r, "mtls-signer's system call filter: %s",
				     mtls_strerror(r));
	return 0;
}
