/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The process that looks at readers, and its parent's side of the pipe. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/str.h"
#include "tools/ctl_tokens.h"
#include "tools/ctl_watch_scan.h"

#define LOOK_SECONDS 60   /* after which a driver hangs */
#define FAILURES_MAX 5    /* in a row: then the drivers are loaded anew */
#define WAIT_MS      2000 /* after which it is looked at anyway */

_Static_assert(sizeof(struct ctl_scan_report) <= PIPE_BUF, "a report is written at once");

/* --- the child --- */

static void add(struct ctl_scan_report *report, const struct mtls_token_info *info)
{
	struct ctl_scan_token *token = &report->tokens[report->count++];

	(void)snprintf(token->label, sizeof(token->label), "%s", info->label);
	(void)snprintf(token->identity, sizeof(token->identity), "%s\n%s\n%s", info->serial,
		       info->model, info->manufacturer);
	token->removable = info->removable;
}

static void count_remark(void *ctx, const char *what, const char *text)
{
	unsigned int *remarks = ctx;

	(void)what;
	(void)text;
	(*remarks)++;
}

struct eyes {
	const struct ctl_scan *scan;
	struct mtls_tokens *tokens;
	unsigned int remarks; /* of drivers, since it was cleared */
};

/* Drivers begin anew: some see what has changed at no other time. */
static void open_eyes(struct eyes *eyes)
{
	mtls_tokens_free(eyes->tokens);
	eyes->tokens = NULL;
	(void)alarm(LOOK_SECONDS);
	if (mtls_tokens_open((const char *const *)eyes->scan->modules,
			     mtls_strv_count(eyes->scan->modules), count_remark, &eyes->remarks,
			     &eyes->tokens) < 0 ||
	    !mtls_tokens_modules(eyes->tokens))
		_exit(1);
}

static void look(struct eyes *eyes, struct ctl_scan_report *ret)
{
	const struct ctl_scan *scan = eyes->scan;
	const struct mtls_token_filters filters = { .filter = { scan->filter },
						    .count = scan->filter ? 1 : 0 };

	memset(ret, 0, sizeof(*ret));
	(void)alarm(LOOK_SECONDS);
	/* A driver that was never there is not one that fails: the others say what there is. */
	eyes->remarks = 0;
	(void)mtls_tokens_look(eyes->tokens, &filters);
	ret->failed = eyes->remarks > 0;
	for (size_t i = 0; i < mtls_tokens_count(eyes->tokens); i++)
		if (ret->count < CTL_SCAN_TOKENS_MAX)
			add(ret, mtls_token_info(mtls_tokens_at(eyes->tokens, i)));
}

static void live(const struct ctl_scan *scan, int fd, pid_t parent) __attribute__((noreturn));
static void live(const struct ctl_scan *scan, int fd, pid_t parent)
{
	static struct ctl_scan_report before, now;
	struct eyes eyes = { .scan = scan };
	unsigned int failures = 0;
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	/* It may wait in a driver: it ends with its parent. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(1);
	ctl_token_quiet();
	open_eyes(&eyes);
	for (bool first = true, event = true;; first = false) {
		if (!event && !before.count && !first)
			open_eyes(&eyes);
		look(&eyes, &now);
		if (now.failed) { /* it may be the way in which this one says that a card is gone */
			open_eyes(&eyes);
			look(&eyes, &now);
		}
		if ((first || memcmp(&before, &now, sizeof(now)) != 0) &&
		    mtls_fd_write_all(fd, &now, sizeof(now)) < 0)
			_exit(1);
		failures = now.failed ? failures + 1 : 0;
		if (failures == FAILURES_MAX)
			_exit(1);
		before = now;
		(void)alarm(LOOK_SECONDS);
		event = mtls_tokens_wait(eyes.tokens, WAIT_MS) > 0;
	}
}

/* --- the parent --- */

int ctl_scan_start(struct ctl_scan *scan, struct mtls_diag *diag)
{
	const pid_t self = getpid();
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return mtls_diag_set(diag, -errno, "pipe: %s", strerrordesc_np(errno));
	(void)fflush(stdout);
	pid_t pid = fork();
	if (pid == 0)
		live(scan, ends[1], self);
	int err = errno;
	(void)close(ends[1]);
	if (pid < 0) {
		(void)close(ends[0]);
		return mtls_diag_set(diag, -err, "fork: %s", strerrordesc_np(err));
	}
	scan->pid = pid;
	scan->fd = ends[0];
	return 0;
}

int ctl_scan_take(struct ctl_scan *scan, struct ctl_scan_report *ret)
{
	ssize_t n = read(scan->fd, ret, sizeof(*ret));

	if (n < 0 && errno == EINTR)
		return 0;
	if (n != (ssize_t)sizeof(*ret) || ret->count > CTL_SCAN_TOKENS_MAX)
		return MTLS_E_CLOSED;
	for (uint32_t i = 0; i < ret->count; i++) {
		ret->tokens[i].label[CTL_SCAN_TEXT_MAX - 1] = '\0';
		ret->tokens[i].identity[sizeof(ret->tokens[i].identity) - 1] = '\0';
	}
	return 1;
}

void ctl_scan_stop(struct ctl_scan *scan)
{
	if (scan->pid > 0) {
		(void)kill(scan->pid, SIGKILL);
		while (waitpid(scan->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (scan->fd >= 0)
		(void)close(scan->fd);
	scan->pid = 0;
	scan->fd = -1;
}

int ctl_scan_choose(const struct ctl_scan_report *report)
{
	int found = -1;

	for (uint32_t i = 0; i < report->count; i++)
		if (report->tokens[i].removable)
			found = found == -1 ? (int)i : -2;
	return found;
}
