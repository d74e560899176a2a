/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lookup process of mtls-authd, borrowed: the same program, order of sources, sandbox and
 * packets as in a login, so that an answer here is the answer there. The child is ours, and is
 * killed if it does not answer. One thread.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/service/rights.h"
#include "tools/ctl_lookup.h"

#define START_MS 10000 /* for the process to load its modules */

struct borrowed {
	int fd;
	pid_t pid;
};

static void borrowed_done(struct borrowed *b)
{
	if (b->fd >= 0)
		(void)close(b->fd);
	if (b->pid > 0) {
		(void)kill(b->pid, SIGKILL);
		(void)waitpid(b->pid, NULL, 0);
	}
}

static void run(enum mtls_lookup_kind kind, const struct passwd *user, int socket, pid_t parent)
{
	char name[] = "mtls-authd", option[] = "--lookup-process", kind_text[32], pid_text[32];
	char *argv[] = { name, option, kind_text, pid_text, NULL };
	char *environment[] = { NULL };

	(void)signal(SIGPIPE, SIG_DFL);
	(void)snprintf(kind_text, sizeof(kind_text), "%s", mtls_lookup_kind_name(kind));
	(void)snprintf(pid_text, sizeof(pid_text), "%ld", (long)parent);
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null < 0 || dup2(socket, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(null, STDERR_FILENO) < 0 ||
	    close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		_exit(126);
	if (user && mtls_rights_give_up(user->pw_uid, user->pw_gid, NULL) < 0)
		_exit(126);
	(void)execve(CTL_LOOKUP_PROGRAM, argv, environment);
	_exit(127);
}

static int start(enum mtls_lookup_kind kind, const char *user, struct borrowed *ret,
		 struct mtls_diag *diag)
{
	const struct passwd *pw = geteuid() == 0 ? getpwnam(user) : NULL;
	const pid_t self = getpid();
	int pair[2];

	if (geteuid() == 0 && !pw)
		return mtls_diag_set(diag, MTLS_E_NOTFOUND, "user '%s' does not exist", user);
	if (access(CTL_LOOKUP_PROGRAM, X_OK) < 0)
		return mtls_diag_set(diag, -errno, "'%s': %s", CTL_LOOKUP_PROGRAM,
				     mtls_strerror(-errno));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return mtls_diag_set(diag, -errno, "socketpair: %s", mtls_strerror(-errno));
	ret->fd = pair[0];
	ret->pid = fork();
	if (ret->pid == 0)
		run(kind, pw, pair[1], self);
	const int err = ret->pid < 0 ? -errno : 0;
	(void)close(pair[1]);
	return err < 0 ? mtls_diag_set(diag, err, "fork: %s", mtls_strerror(err)) : 0;
}

static int no_answer(struct mtls_diag *diag)
{
	return mtls_diag_set(diag, MTLS_E_PROTOCOL,
			     "the lookup process of mtls-authd gave no answer: is '%s' of the same "
			     "version?",
			     CTL_LOOKUP_PROGRAM);
}

/* It says one byte when its modules are loaded: what that takes is no part of an answer. */
static int wait_ready(const struct borrowed *b, struct mtls_diag *diag)
{
	char byte;

	if (mtls_wait_fd(b->fd, POLLIN, mtls_deadline_in_ms(START_MS)) < 0 ||
	    recv(b->fd, &byte, 1, 0) != 1)
		return no_answer(diag);
	return 0;
}

static int ask(const struct borrowed *b, uint32_t timeout_ms, const struct mtls_lookup_query *query,
	       struct mtls_lookup_answer *ret, struct mtls_diag *diag)
{
	if (send(b->fd, query, mtls_lookup_query_size(query), MSG_NOSIGNAL) < 0)
		return mtls_diag_set(diag, -errno, "the lookup process of mtls-authd: %s",
				     mtls_strerror(-errno));
	int r = mtls_wait_fd(b->fd, POLLIN, mtls_deadline_in_ms(timeout_ms));
	if (r == -ETIMEDOUT) {
		*ret = (struct mtls_lookup_answer){ .status = MTLS_LOOKUP_TIMEOUT };
		return 0;
	}
	ssize_t n = r < 0 ? -1 : recv(b->fd, ret, sizeof(*ret), MSG_TRUNC);
	if (n <= 0 || !mtls_lookup_answer_valid(ret, (size_t)n) || ret->id != query->id)
		return no_answer(diag);
	return 0;
}

int ctl_lookup(enum mtls_lookup_kind kind, const char *user, uint32_t timeout_ms,
	       const struct mtls_lookup_query *query, struct mtls_lookup_answer *ret,
	       struct mtls_diag *diag)
{
	_cleanup_(borrowed_done) struct borrowed borrowed = { .fd = -1 };

	int r = start(kind, user, &borrowed, diag);
	if (r >= 0)
		r = wait_ready(&borrowed, diag);
	if (r >= 0)
		r = ask(&borrowed, timeout_ms, query, ret, diag);
	return r;
}
