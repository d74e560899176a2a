/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The supervisor. One thread, a poll(2) loop over a signalfd and the words of the store process. */
#include <config.h>

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "accountd/process.h"
#include "accountd/report.h"
#include "accountd/supervisor.h"
#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/service/child.h"
#include "lib/service/notify.h"
#include "lib/service/socket.h"

#define BACKLOG   64    /* connections that wait to be taken */
#define STOP_MS   20000 /* for the store to finish its commit and the publish under way */
#define OTHER_MS  5000  /* for one child to notice that the other has ended */
#define WORDS_MS  100   /* between two looks at the words of the store process */
#define WORDS_MAX 16    /* of one look; the service manager gets the last ones */

enum child { CHILD_STORE, CHILD_PUBLISHER, CHILDREN };
static const char *const child_names[CHILDREN] = { "store", "publisher" };

enum endpoint { ENDPOINT_CONTROL, ENDPOINT_AUTHD, ENDPOINTS };

struct supervisor {
	struct configuration *config;
	const char *path;
	bool catch_up;
	int signal_fd, self_fd;
	int word_fd;            /* -1: no store process */
	mtls_deadline words_at; /* not before: it may be broken into and never stop */
	int sockets[ENDPOINTS];
	bool ours[ENDPOINTS];
	char *paths[ENDPOINTS]; /* as bound: the settings may change */
	pid_t pids[CHILDREN];   /* 0: not running */
	struct mtls_child_pause pause;
	mtls_deadline kill_at; /* the child that is left; INT64_MAX: both run */
	bool on_purpose;       /* the pair ends because it was told to */
	bool proved;           /* the pair that runs has judged a stream: it can run */
	bool ready, stopping;
	int exit_code;
};

static bool any_left(const struct supervisor *s)
{
	return s->pids[CHILD_STORE] || s->pids[CHILD_PUBLISHER];
}

static void tell_manager(const char *state)
{
	int r = mtls_service_notify(state);
	if (r < 0)
		mtls_log(MTLS_LOG_WARNING, "service manager: %s", mtls_strerror(r));
}

/* --------------------------------------------------------------------------------- words */

/* A sentence for people: nothing in it may be taken for a line of its own. */
static void on_state(struct supervisor *s, const char *text)
{
	char state[MTLS_DIAG_MAX + 64];

	(void)snprintf(state, sizeof(state), "%sSTATUS=%s", s->ready ? "" : "READY=1\n", text);
	for (char *p = strstr(state, "STATUS="); *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	s->ready = s->proved = true;
	tell_manager(state);
}

static void on_alive(void)
{
	if (mtls_service_watchdog_ms())
		tell_manager("WATCHDOG=1");
}

static void end_words(struct supervisor *s)
{
	if (s->word_fd >= 0)
		(void)close(s->word_fd);
	s->word_fd = -1;
}

/* A store process that cannot say any more how it stands is none. */
static void on_silence(struct supervisor *s)
{
	end_words(s);
	if (s->pids[CHILD_STORE])
		(void)kill(s->pids[CHILD_STORE], SIGKILL);
}

/* What came last of each kind is handed on, so that a flood ends here. */
static void on_words(struct supervisor *s)
{
	struct word word, state = { 0 };
	bool alive = false;
	int err = 0; /* of what ended the look; what follows it may fail for its own reasons */
	ssize_t n = 0;

	for (int i = 0; i < WORDS_MAX; i++) {
		n = recv(s->word_fd, &word, sizeof(word), MSG_DONTWAIT);
		err = n < 0 ? errno : 0;
		if (n <= 0)
			break;
		if (n != (ssize_t)sizeof(word))
			continue;
		alive = alive || word.kind == WORD_ALIVE;
		if (word.kind == WORD_STATE)
			state = word;
	}
	s->words_at = mtls_deadline_in_ms(WORDS_MS);
	if (alive)
		on_alive();
	state.text[sizeof(state.text) - 1] = '\0';
	if (state.kind == WORD_STATE)
		on_state(s, state.text);
	if (n == 0 || (n < 0 && err != EAGAIN && err != EINTR))
		on_silence(s);
}

/* ------------------------------------------------------------------------------ starting */

static pid_t start_store(struct supervisor *s, int pair, int word)
{
	char uid[16], gid[16], authd[16], ping[16];
	const char *const args[] = { uid, gid, authd, ping, s->catch_up ? "catch-up" : "strict",
				     NULL };
	const int fds[] = { s->config->text_fd, pair, word, s->sockets[ENDPOINT_CONTROL],
			    s->sockets[ENDPOINT_AUTHD] };

	(void)snprintf(uid, sizeof(uid), "%u", s->config->uid);
	(void)snprintf(gid, sizeof(gid), "%u", s->config->gid);
	(void)snprintf(authd, sizeof(authd), "%u", s->config->authd_uid);
	(void)snprintf(ping, sizeof(ping), "%u", mtls_service_watchdog_ms());
	return process_start("--store-process", args, s->self_fd, fds);
}

static pid_t start_publisher(struct supervisor *s, int pair)
{
	static const char *const args[] = { NULL };
	const int fds[] = { s->config->text_fd, pair, -1, -1, -1 };

	return process_start("--publisher-process", args, s->self_fd, fds);
}

static int start_with(struct supervisor *s, const int pair[2], const int word[2])
{
	s->pids[CHILD_STORE] = start_store(s, pair[0], word[1]);
	if (s->pids[CHILD_STORE] > 0)
		s->pids[CHILD_PUBLISHER] = start_publisher(s, pair[1]);
	for (size_t i = 0; i < CHILDREN; i++) {
		int r = s->pids[i];
		if (r < 0) {
			s->pids[i] = 0;
			return r;
		}
	}
	return 0;
}

/* The folder of @path, and with it that above: /var/lib/mtls/accountd in a new /var/lib/mtls. */
static int make_folder_of(const char *path, mode_t mode, uid_t uid, gid_t gid,
			  struct mtls_diag *diag)
{
	char copy[PATH_MAX], above[PATH_MAX];

	if (mtls_strcopy(copy, sizeof(copy), path) < 0)
		return mtls_diag_set(diag, -ENAMETOOLONG, "'%s': path too long", path);
	const char *folder = dirname(copy);
	if (mtls_strcopy(above, sizeof(above), folder) < 0)
		return mtls_diag_set(diag, -ENAMETOOLONG, "'%s': path too long", path);
	int r = mtls_socket_folder(dirname(above), 0755, 0, 0, diag);
	return r < 0 ? r : mtls_socket_folder(folder, mode, uid, gid, diag);
}

static int make_folders(const struct configuration *c, struct mtls_diag *diag)
{
	int r = make_folder_of(c->settings->store, 0700, c->uid, c->gid, diag);

	return r < 0 ? r : make_folder_of(c->settings->snapshot, 0755, 0, 0, diag);
}

/* A store without its publisher ends by itself: its end of the pair is closed. */
static void start_pair(struct supervisor *s)
{
	int pair[2] = { -1, -1 }, word[2] = { -1, -1 };
	struct mtls_diag diag = { 0 };
	int r = 0;

	mtls_child_started(&s->pause);
	s->on_purpose = s->proved = false;
	s->kill_at = INT64_MAX;
	/* They may have gone, or be others, since the last time. */
	if (make_folders(s->config, &diag) < 0)
		mtls_log(MTLS_LOG_ERROR, "%s", diag.text);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, word) < 0)
		r = -errno;
	else
		r = start_with(s, pair, word);
	for (size_t i = 0; i < MTLS_COUNT(pair); i++)
		if (pair[i] >= 0)
			(void)close(pair[i]);
	if (word[1] >= 0)
		(void)close(word[1]);
	s->word_fd = word[0];
	s->words_at = 0;
	if (r < 0)
		mtls_log(MTLS_LOG_ERROR, "cannot start the processes: %s", mtls_strerror(r));
	if (!s->pids[CHILD_STORE])
		end_words(s);
	if (!any_left(s))
		mtls_child_ended(&s->pause, false, false);
}

/* -------------------------------------------------------------------------------- ending */

static void log_end(const char *what, pid_t pid, int status)
{
	struct mtls_diag diag = { 0 };

	if (mtls_child_end(status, &diag) < 0)
		mtls_log(MTLS_LOG_ERROR, "%s %ld %s", what, (long)pid, diag.text);
}

static void stop(struct supervisor *s, int exit_code)
{
	if (s->stopping)
		return;
	s->stopping = true;
	s->exit_code = exit_code;
	tell_manager("STOPPING=1");
	if (s->pids[CHILD_STORE])
		(void)kill(s->pids[CHILD_STORE], SIGTERM);
	s->kill_at = mtls_deadline_in_ms(STOP_MS);
}

static void child_ended(struct supervisor *s, enum child which, int status)
{
	log_end(child_names[which], s->pids[which], status);
	s->pids[which] = 0;
	if (which == CHILD_STORE) {
		if (s->word_fd >= 0)
			on_words(s); /* what it said before it ended, it has said */
		end_words(s);
	}
	/* It has said why. One that was killed is just started again. */
	if (which == CHILD_STORE && !s->ready && WIFEXITED(status) && WEXITSTATUS(status))
		stop(s, WEXITSTATUS(status));
	if (!any_left(s))
		mtls_child_ended(&s->pause, s->on_purpose, s->proved);
	else
		s->kill_at = mtls_deadline_min(s->kill_at, mtls_deadline_in_ms(OTHER_MS));
}

static void reap(struct supervisor *s)
{
	int status = 0;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < CHILDREN; i++)
			if (s->pids[i] == pid)
				child_ended(s, i, status);
}

static void kill_children(const struct supervisor *s)
{
	for (size_t i = 0; i < CHILDREN; i++)
		if (s->pids[i])
			(void)kill(s->pids[i], SIGKILL);
}

/* ------------------------------------------------------------------------------- signals */

/* Parse first: with a broken file everything stays as it is. */
static void reload(struct supervisor *s)
{
	struct configuration *fresh = NULL;
	struct mtls_diag diag = { 0 };

	int r = configuration_load(s->path, &fresh, &diag);
	if (r < 0) {
		mtls_log(MTLS_LOG_ERROR, "reload: %s; the old settings stay",
			 mtls_diag_text(&diag, r));
		return;
	}
	if (!mtls_streq(fresh->settings->control_socket, s->config->settings->control_socket) ||
	    !mtls_streq(fresh->settings->authd_socket, s->config->settings->authd_socket))
		mtls_log(MTLS_LOG_WARNING, "reload: the sockets stay until the next start");
	configuration_free(s->config);
	s->config = fresh;
	mtls_log(MTLS_LOG_NOTICE, "reload: the settings are taken over");
	s->on_purpose = true;
	if (s->pids[CHILD_STORE])
		(void)kill(s->pids[CHILD_STORE], SIGTERM);
	s->kill_at = mtls_deadline_in_ms(STOP_MS);
}

static void on_signal(struct supervisor *s)
{
	struct signalfd_siginfo info;

	while (read(s->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGCHLD:
			reap(s);
			break;
		case SIGHUP:
			if (!s->stopping)
				reload(s);
			break;
		default:
			stop(s, ACCOUNTD_EXIT_OK);
		}
	}
}

/* ---------------------------------------------------------------------------------- loop */

/* How long poll(2) may wait: until something is due. -1: for ever. */
static int wait_ms(const struct supervisor *s)
{
	mtls_deadline due = any_left(s) ? s->kill_at : s->pause.restart_at;

	if (s->word_fd >= 0 && mtls_deadline_left_ms(s->words_at))
		due = mtls_deadline_min(due, s->words_at);
	return due == INT64_MAX ? -1 : mtls_deadline_left_ms(due) + 1;
}

static void wait_event(struct supervisor *s)
{
	bool listens = mtls_deadline_left_ms(s->words_at) == 0;
	struct pollfd fds[] = { { .fd = s->signal_fd, .events = POLLIN },
				{ .fd = listens ? s->word_fd : -1, .events = POLLIN } };

	if (poll(fds, MTLS_COUNT(fds), wait_ms(s)) <= 0)
		return;
	if (fds[1].revents)
		on_words(s);
	if (fds[0].revents)
		on_signal(s);
}

static void loop(struct supervisor *s)
{
	while (!s->stopping || any_left(s)) {
		if (!any_left(s) && mtls_deadline_left_ms(s->pause.restart_at) == 0)
			start_pair(s);
		if (any_left(s) && mtls_deadline_left_ms(s->kill_at) == 0)
			kill_children(s);
		wait_event(s);
	}
}

/* --------------------------------------------------------------------------------- begin */

static int open_signals(struct supervisor *s, struct mtls_diag *diag)
{
	static const int wanted[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD };
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < MTLS_COUNT(wanted); i++) {
		(void)sigaddset(&set, wanted[i]);
		/* A parent may have left these ignored; then no child could be reaped. */
		(void)signal(wanted[i], SIG_DFL);
	}
	(void)signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
		return mtls_diag_set(diag, -errno, "sigprocmask: %s", strerrordesc_np(errno));
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signal_fd < 0)
		return mtls_diag_set(diag, -errno, "signalfd: %s", strerrordesc_np(errno));
	return 0;
}

static int open_sockets(struct supervisor *s, struct mtls_diag *diag)
{
	const struct configuration *c = s->config;
	const struct mtls_socket_spec specs[ENDPOINTS] = {
		[ENDPOINT_CONTROL] = { "control", c->settings->control_socket, 0600, 0, 0,
				       BACKLOG },
		[ENDPOINT_AUTHD] = { "authd", c->settings->authd_socket, 0660, c->uid, c->authd_gid,
				     BACKLOG },
	};

	for (size_t i = 0; i < ENDPOINTS; i++) {
		s->paths[i] = strdup(specs[i].path);
		if (!s->paths[i])
			return mtls_diag_set(diag, -ENOMEM, "out of memory");
		int r = mtls_socket_open(&specs[i], &s->sockets[i], &s->ours[i], diag);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Returns an exit code. */
static int prepare(struct supervisor *s, struct mtls_diag *diag)
{
	int r = mtls_child_open_self(&s->self_fd);

	if (r < 0) {
		(void)mtls_diag_set(diag, r, "/proc/self/exe: %s", mtls_strerror(r));
		return ACCOUNTD_EXIT_OSERR;
	}
	if (open_signals(s, diag) < 0 || make_folders(s->config, diag) < 0)
		return ACCOUNTD_EXIT_OSERR;
	return open_sockets(s, diag) < 0 ? ACCOUNTD_EXIT_UNAVAILABLE : ACCOUNTD_EXIT_OK;
}

static void supervisor_done(struct supervisor *s)
{
	for (size_t i = 0; i < ENDPOINTS; i++) {
		if (s->sockets[i] >= 0 && s->ours[i])
			(void)unlink(s->paths[i]);
		free(s->paths[i]);
	}
	configuration_free(s->config);
}

int supervisor_run(struct configuration *config, const char *path, bool catch_up)
{
	_cleanup_(supervisor_done) struct supervisor s = {
		.config = config,
		.path = path,
		.catch_up = catch_up,
		.signal_fd = -1,
		.self_fd = -1,
		.word_fd = -1,
		.sockets = { -1, -1 },
		.kill_at = INT64_MAX,
	};
	struct mtls_diag diag = { 0 };

	int code = prepare(&s, &diag);
	if (code != ACCOUNTD_EXIT_OK) {
		mtls_log(MTLS_LOG_ERROR, "%s", mtls_diag_text(&diag, MTLS_E_BUG));
		return code;
	}
	mtls_log(MTLS_LOG_NOTICE, "%s %s: accounts", PACKAGE_NAME, PACKAGE_VERSION);
	loop(&s);
	return s.exit_code;
}
