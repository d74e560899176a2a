/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Starts and ends mtls-signer from inside any host program. The child shares the parent's memory
 * until execve (as posix_spawn does it: forking a large host costs more than the signer's start),
 * so it may only make raw system calls: glibc's set*id() wrappers would signal the parent's other
 * threads, and whatever else it wrote would be seen by the host. It runs on a stack of its own; the
 * calling thread waits meanwhile. Not by CLONE_VFORK, which waits for ever and uninterruptibly:
 * from the change of ids on the child is the person's, whose other programs may stop it. Holds no
 * state.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "signer/start.h"

/* On some 32-bit systems the plain numbers are those of the calls with 16-bit ids. */
#ifdef SYS_setresuid32
#define NR_SETRESUID SYS_setresuid32
#define NR_SETRESGID SYS_setresgid32
#define NR_SETGROUPS SYS_setgroups32
#else
#define NR_SETRESUID SYS_setresuid
#define NR_SETRESGID SYS_setresgid
#define NR_SETGROUPS SYS_setgroups
#endif

/* 32-bit systems with 64-bit times only have another call. */
#ifdef SYS_futex
#define NR_FUTEX SYS_futex
#else
#define NR_FUTEX SYS_futex_time64
#endif

#define STACK_SIZE    (64 * 1024)
#define START_MS      5000 /* from the clone to the exec: a few are usual, but machines are busy */
#define KILL_WAIT_MS  100
#define FIRST_FREE_FD 3
#define SIGNAL_LAST   64
#define SIGSET_BYTES  8 /* the kernel's sigset_t */

/* All that the child needs, filled in by the parent; `step` and `err` are its answer. */
struct child {
	const struct signer_start *start;
	int socket;
	int null;
	bool change_groups; /* see identity_change() */
	bool change_gid;
	bool change_uid;
	uid_t old_uid[3];
	gid_t old_gid[3];
	volatile int err;
	const char *volatile step;
	/* 1 until the child has let go of our memory, by exec or exit: the kernel clears it. */
	volatile uint32_t here;
};

/* clang-format off */
static const struct {
	int resource;
	struct rlimit limit;
	bool required;
} limits[] = {
	{ RLIMIT_CORE, { 0, 0 }, true },                          /* no key in a core file */
	{ RLIMIT_CPU, { 60, 60 }, false },                        /* a key derivation without end */
	{ RLIMIT_NOFILE, { 64, 64 }, false },
	{ RLIMIT_MEMLOCK, { 64 << 20, 64 << 20 }, false },        /* so that it can keep keys out of swap */
};
/* clang-format on */

static const char *const empty_environment[] = { NULL };
static const unsigned long default_action[16]; /* the kernel's struct sigaction, SIG_DFL */
static const unsigned long no_signals[SIGSET_BYTES / sizeof(unsigned long)];

/*
 * The child's functions are not instrumented: their traces would stay in memory that is the
 * parent's. They take no address of a local variable and return -1 with errno, as system calls do.
 */
#define CHILD static __attribute__((no_sanitize("address"), no_sanitize("thread")))

CHILD long child_identity(const struct child *child)
{
	const struct signer_identity *identity = &child->start->identity;

	if (child->change_groups &&
	    syscall(NR_SETGROUPS, identity->group_count, identity->groups) != 0)
		return -1;
	if (child->change_gid &&
	    syscall(NR_SETRESGID, identity->gid, identity->gid, identity->gid) != 0)
		return -1;
	if (child->change_uid &&
	    syscall(NR_SETRESUID, identity->uid, identity->uid, identity->uid) != 0)
		return -1;
	/* A kernel without ambient capabilities has none to clear. */
	(void)syscall(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return 0;
}

/* No id that the host had, and not root's, may be had again. */
CHILD long child_no_way_back(const struct child *child)
{
	const struct signer_identity *identity = &child->start->identity;
	bool back = syscall(NR_SETRESUID, (uid_t)-1, 0, (uid_t)-1) == 0;

	for (int i = 0; i < 3 && !back; i++) {
		back = child->old_uid[i] != identity->uid &&
		       syscall(NR_SETRESUID, (uid_t)-1, child->old_uid[i], (uid_t)-1) == 0;
		if (!back)
			back = child->old_gid[i] != identity->gid &&
			       syscall(NR_SETRESGID, (gid_t)-1, child->old_gid[i], (gid_t)-1) == 0;
	}
	if (!back)
		return 0;
	errno = EPERM;
	return -1;
}

CHILD long child_limits(void)
{
	for (size_t i = 0; i < MTLS_COUNT(limits); i++) {
		long r = syscall(SYS_prlimit64, 0, limits[i].resource, &limits[i].limit, NULL);
		if (r != 0 && limits[i].required)
			return -1;
	}
	return 0;
}

CHILD long child_descriptors(const struct child *child)
{
	/* Both are FIRST_FREE_FD or above, so none is overwritten before it is used. */
	if (syscall(SYS_dup3, child->socket, 0, 0) < 0 ||
	    syscall(SYS_dup3, child->null, 1, 0) < 0 || syscall(SYS_dup3, child->null, 2, 0) < 0)
		return -1;
	return syscall(SYS_close_range, FIRST_FREE_FD, ~0U, 0);
}

/* The host's handlers must not run here, and what it ignores or blocks is not the signer's. */
CHILD long child_signals(void)
{
	for (int sig = 1; sig <= SIGNAL_LAST; sig++)
		(void)syscall(SYS_rt_sigaction, sig, default_action, NULL, SIGSET_BYTES);
	return syscall(SYS_rt_sigprocmask, SIG_SETMASK, no_signals, NULL, SIGSET_BYTES);
}

/* Returns the name of the step that failed. */
CHILD const char *child_prepare(const struct child *child)
{
	/* Before the change of ids, while a privileged host may still raise limits. */
	if (child_limits() != 0)
		return "resource limits";
	if (child_identity(child) != 0)
		return "change of user";
	if (child_no_way_back(child) != 0)
		return "check that privileges are gone";
	if (syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return "no_new_privs";
	if (syscall(SYS_setsid) < 0)
		return "session";
	(void)syscall(SYS_umask, 077);
	if (syscall(SYS_chdir, "/") != 0)
		return "chdir";
	if (child_descriptors(child) != 0)
		return "descriptors";
	if (child_signals() != 0)
		return "signals";
	return NULL;
}

CHILD int child_main(void *arg)
{
	struct child *child = arg;

	child->step = child_prepare(child);
	if (!child->step) {
		(void)syscall(SYS_execve, child->start->program, child->start->argv,
			      empty_environment);
		child->step = "exec";
	}
	child->err = errno;
	syscall(SYS_exit_group, 127);
	return 127;
}

/* Which ids differ. Nothing to do is the unprivileged host; there setgroups would be refused. */
static int identity_change(const struct signer_identity *identity, struct child *child)
{
	uid_t *uid = child->old_uid;
	gid_t *gid = child->old_gid;

	if (getresuid(&uid[0], &uid[1], &uid[2]) < 0 || getresgid(&gid[0], &gid[1], &gid[2]) < 0)
		return -errno;
	for (int i = 0; i < 3; i++) {
		child->change_uid |= uid[i] != identity->uid;
		child->change_gid |= gid[i] != identity->gid;
	}
	child->change_groups = child->change_uid;
	return 0;
}

/*
 * A host without descriptors 0-2 is given them by our calls; then its next message to "standard
 * error" would go to the signer. Moves @fd up; closes it on failure.
 */
static int move_up(int fd)
{
	if (fd < 0)
		return -errno;
	if (fd >= FIRST_FREE_FD)
		return fd;
	int up = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
	int err = errno;
	(void)close(fd);
	return up < 0 ? -err : up;
}

/* The pair of the signer's socket, both ends out of the way of standard descriptors. */
static int open_pair(int *ret_ours, int *ret_signers)
{
	int fds[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	_cleanup_close_ int signers = fds[1];
	int ours = move_up(fds[0]);
	if (ours < 0)
		return ours;
	int r = move_up(MTLS_TAKE_FD(signers));
	if (r < 0) {
		(void)close(ours);
		return r;
	}
	*ret_ours = ours;
	*ret_signers = r;
	return 0;
}

static void block_signals(uint64_t *ret_old)
{
	/* By system call: pthread_sigmask() leaves out the two signals that glibc uses itself. */
	static const uint64_t all = UINT64_MAX;
	(void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, ret_old, SIGSET_BYTES);
}

static void restore_signals(const uint64_t *old)
{
	(void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, old, NULL, SIGSET_BYTES);
}

/* 0, or -ETIMEDOUT: then the child still runs on our memory. Signals are blocked. */
static int wait_gone(const struct child *child, uint32_t timeout_ms)
{
	const mtls_deadline deadline = mtls_deadline_in_ms(timeout_ms);

	while (child->here) {
		const int left = mtls_deadline_left_ms(deadline);
		const struct timespec time = { .tv_sec = left / 1000,
					       .tv_nsec = left % 1000 * 1000000L };
		if (left == 0)
			return -ETIMEDOUT;
		(void)syscall(NR_FUTEX, &child->here, FUTEX_WAIT, 1, &time, NULL, 0);
	}
	return 0;
}

/*
 * The child on @stack, until it is away. One that does not get to its exec is killed; after that it
 * runs no further instruction of ours, but the kernel may still write to its memory, which is left
 * to it then.
 */
static pid_t spawn_on(void *stack, struct child *child, int *ret_pidfd, bool *ret_lost)
{
	pid_t pid = clone(child_main, (char *)stack + STACK_SIZE,
			  CLONE_VM | CLONE_CHILD_CLEARTID | CLONE_PIDFD | SIGCHLD, child, ret_pidfd,
			  NULL, &child->here);
	if (pid < 0)
		return -errno;
	if (wait_gone(child, START_MS) < 0) {
		child->step = "exec";
		child->err = ETIMEDOUT;
		(void)syscall(SYS_pidfd_send_signal, *ret_pidfd, SIGKILL, NULL, 0);
		*ret_lost = wait_gone(child, KILL_WAIT_MS) < 0;
	}
	return pid;
}

/* Returns the pid, or -errno. The pidfd comes with the child: its pid may be reused at once in a
 * host that reaps everything. */
static pid_t spawn(struct child *child, int *ret_pidfd)
{
	void *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stack == MAP_FAILED)
		return -errno;
	struct child *shared =
		stack; /* at its far end; a stack frame of ours may be gone before it */
	int pidfd = -1;
	bool lost = false;
	uint64_t old;
	*shared = *child;
	shared->here = 1;
	block_signals(&old);
	pid_t pid = spawn_on(stack, shared, &pidfd, &lost);
	restore_signals(&old);
	child->step = shared->step;
	child->err = shared->err;
	if (!lost)
		(void)munmap(stack, STACK_SIZE);
	if (pid >= 0)
		*ret_pidfd = pidfd;
	return pid;
}

/* Ours to reap or not: ECHILD says that the host did, or ignores SIGCHLD. */
static void reap(int pidfd)
{
	siginfo_t info = { 0 };
	while (waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) < 0 &&
	       errno == EINTR)
		;
}

static int check_start(const struct signer_start *start, struct mtls_diag *diag)
{
	if (start->identity.uid == 0 || start->identity.uid == (uid_t)-1 ||
	    start->identity.gid == (gid_t)-1)
		return mtls_diag_set(diag, -EPERM, "the signer never runs as root");
	if (start->program[0] != '/')
		return mtls_diag_set(diag, -EINVAL, "'%s' is not an absolute path", start->program);
	return 0;
}

/* Everything but the errno: spawn() and the clean-up of what the parent must not keep. */
static int run_child(const struct signer_start *start, struct signer_process *ret,
		     const char **ret_step)
{
	struct child child = { .start = start };
	_cleanup_close_ int ours = -1;
	_cleanup_close_ int signers = -1;

	*ret_step = "set-up";
	int r = identity_change(&start->identity, &child);
	if (r >= 0)
		r = open_pair(&ours, &signers);
	if (r < 0)
		return r;
	*ret_step = "open /dev/null";
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);
	r = move_up(MTLS_TAKE_FD(null));
	if (r < 0)
		return r;
	null = r;
	child.socket = signers;
	child.null = null;
	*ret_step = "clone";
	int raw_pidfd = -1;
	pid_t pid = spawn(&child, &raw_pidfd);
	if (pid < 0)
		return pid;
	_cleanup_close_ int pidfd = move_up(raw_pidfd);
	if (child.step) {
		*ret_step = child.step;
		/* It lets go of our memory a moment before it can be reaped. */
		if (pidfd >= 0 &&
		    mtls_wait_fd(pidfd, POLLIN, mtls_deadline_in_ms(KILL_WAIT_MS)) >= 0)
			reap(pidfd);
		return child.err ? -child.err : -EIO;
	}
	if (pidfd < 0)
		return pidfd; /* the socket closes, and the signer ends by that */
	ret->fd = MTLS_TAKE_FD(ours);
	ret->pidfd = MTLS_TAKE_FD(pidfd);
	ret->pid = pid;
	return 0;
}

int signer_start(const struct signer_start *start, struct signer_process *ret,
		 struct mtls_diag *diag)
{
	const char *step = "";
	int r = check_start(start, diag);
	if (r < 0)
		return r;
	r = run_child(start, ret, &step);
	if (r < 0)
		return mtls_diag_set(diag, r, "cannot start '%s' for uid %u (%s): %s",
				     start->program, (unsigned int)start->identity.uid, step,
				     mtls_strerror(r));
	return 0;
}

void signer_stop(struct signer_process *process)
{
	if (process->fd >= 0)
		(void)close(process->fd);
	process->fd = -1;
	if (process->pidfd < 0)
		return;
	int r = mtls_wait_fd(process->pidfd, POLLIN, mtls_deadline_in_ms(SIGNER_STOP_GRACE_MS));
	if (r < 0) {
		(void)syscall(SYS_pidfd_send_signal, process->pidfd, SIGKILL, NULL, 0);
		(void)mtls_wait_fd(process->pidfd, POLLIN, mtls_deadline_in_ms(KILL_WAIT_MS));
	}
	reap(process->pidfd);
	(void)close(process->pidfd);
	process->pidfd = -1;
	process->pid = 0;
}
