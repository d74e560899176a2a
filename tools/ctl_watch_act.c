/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs loginctl, or the person's own command, as the person. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "tools/ctl_watch_act.h"

#define SESSION_MAX 64   /* bytes of a session's name */
#define ANSWER_MAX  1024 /* bytes that loginctl may answer */
#define LOGINCTL    "loginctl"
#define STATUS_NO   127

static const struct {
	const char *word, *verb;
} verbs[] = {
	{ "lock", "lock-session" },
	{ "logout", "terminate-session" },
};

/* Runs @argv, standard output to @out if that is wanted. Its exit status, or -errno. */
static int run(const char *const *argv, struct mtls_buf *out)
{
	_cleanup_close_ int from = -1;
	int ends[2] = { -1, -1 }, status = 0;
	sigset_t none;

	if (out && pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	(void)fflush(stdout);
	pid_t pid = fork();
	int err = errno;
	if (pid == 0) {
		(void)sigemptyset(&none);
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
		(void)signal(SIGPIPE, SIG_DFL);
		if (!out || dup2(ends[1], STDOUT_FILENO) >= 0)
			(void)execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(STATUS_NO);
	}
	from = ends[0];
	if (ends[1] >= 0)
		(void)close(ends[1]);
	if (pid < 0)
		return -err;
	int r = out ? mtls_fd_read_all(from, out) : 0;
	if (r < 0)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return r;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* A name of systemd-logind's: letters and digits. What is not is no session. */
static bool is_session(const char *text, size_t len)
{
	static const char set[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

	return len && len < SESSION_MAX && strspn(text, set) >= len;
}

/* A property, without the line's end, in @out; false where there is none. */
static bool property(const char *verb, const char *of, const char *name, char out[ANSWER_MAX])
{
	_cleanup_buf_ struct mtls_buf answer = MTLS_BUF(ANSWER_MAX - 1);
	const char *const argv[] = { LOGINCTL, verb, of, "--value", "-p", name, NULL };

	if (run(argv, &answer) != 0)
		return false;
	const char *text = mtls_buf_cstr(&answer);
	if (!text)
		return false;
	(void)snprintf(out, ANSWER_MAX, "%.*s", (int)strcspn(text, "\n"), text);
	return *out != '\0';
}

static int act_on(const char *verb, const char *session, struct mtls_diag *diag)
{
	const char *const argv[] = { LOGINCTL, verb, session, NULL };

	int status = run(argv, NULL);
	if (status == 0)
		return 0;
	return mtls_diag_set(diag, -EIO, "'loginctl %s %s' failed (%d)", verb, session, status);
}

/* No graphical session: all that sit at a seat; a session over the network has no card here. */
static int act_on_seats(const char *verb, const char *uid, struct mtls_diag *diag)
{
	char list[ANSWER_MAX], seat[ANSWER_MAX];
	int done = 0, r = 0;

	if (!property("show-user", uid, "Sessions", list))
		return mtls_diag_set(diag, -ESRCH, "loginctl knows no session of yours");
	char *rest = list;
	for (char *id; (id = strsep(&rest, " "));) {
		if (!is_session(id, strlen(id)) || !property("show-session", id, "Seat", seat))
			continue;
		int one = act_on(verb, id, diag);
		r = one < 0 ? one : r;
		done++;
	}
	return done ? r : mtls_diag_set(diag, -ESRCH, "you have no session on a seat");
}

static int act_on_session(const char *verb, struct mtls_diag *diag)
{
	const char *own = getenv("XDG_SESSION_ID");
	char uid[16], display[ANSWER_MAX];

	if (own && is_session(own, strlen(own)))
		return act_on(verb, own, diag);
	(void)snprintf(uid, sizeof(uid), "%u", (unsigned int)getuid());
	if (property("show-user", uid, "Display", display) && is_session(display, strlen(display)))
		return act_on(verb, display, diag);
	return act_on_seats(verb, uid, diag);
}

int ctl_watch_act(const char *action, const char *label, struct mtls_diag *diag)
{
	const char *const argv[] = { "/bin/sh", "-c", action, NULL };

	for (size_t i = 0; i < MTLS_COUNT(verbs); i++)
		if (mtls_streq(action, verbs[i].word))
			return act_on_session(verbs[i].verb, diag);
	if (setenv("MTLS_TOKEN", label, 1) < 0)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	int status = run(argv, NULL);
	return status == 0 ? 0 : mtls_diag_set(diag, -EIO, "the command ended with %d", status);
}
