/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The way back. Three who know it: the watcher that enable leaves behind, the unit
 * mtls-pam-return.service at boot and by its timer, and every later mtlsctl of root. Each holds the
 * lock and decides by the state file alone, so that any of them may die at any time.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "tools/ctl_pam_return.h"

#define RETRY_MS 10000 /* after a failure: a disk may be full for a while */

/* --- one service --- */

/* What to write: the backup; if that is lost, what stands there without our lines. */
static int find_old(const struct ctl_pam_state *state, const struct ctl_pam_file *now,
		    struct mtls_buf *ret, struct mtls_diag *diag)
{
	_cleanup_(mtls_stack_freep) struct mtls_stack *stack = NULL;
	struct mtls_diag second = { 0 };

	int r = ctl_pam_backup_load(state, ret, diag);
	if (r >= 0)
		return 0;
	mtls_buf_reset(ret);
	if (mtls_stack_parse(now->text.data, now->text.len, &stack, &second) < 0 ||
	    mtls_stack_strip(stack, ret, &second) < 0)
		return r;
	return 0;
}

/* What stands there and is neither the old nor the new content. */
static int keep_others(const struct ctl_pam_state *state, const struct ctl_pam_file *now,
		       const char *hash, struct mtls_diag *ret_path, struct mtls_diag *diag)
{
	if (mtls_streq(hash, state->after) || mtls_streq(hash, state->before))
		return 0;
	return ctl_pam_keep(state->service, &now->text, ret_path, diag);
}

static int bring_back(const struct ctl_pam_state *state, struct mtls_diag *ret_kept,
		      struct mtls_diag *diag)
{
	_cleanup_pam_file_ struct ctl_pam_file now = CTL_PAM_FILE;
	_cleanup_buf_ struct mtls_buf old = MTLS_BUF(MTLS_STACK_FILE_MAX);
	const struct ctl_pam_file like = {
		.uid = state->uid,
		.gid = state->gid,
		.mode = state->file_mode,
	};
	char hash[CTL_PAM_HASH_MAX] = "";

	/* One that cannot be read, or is a link now, is replaced all the same. */
	int r = ctl_pam_read(state->service, &now, NULL);
	if (r >= 0)
		r = ctl_pam_hash(&now.text, hash);
	if (r >= 0 && mtls_streq(hash, state->before))
		return 0;
	if (r >= 0)
		r = keep_others(state, &now, hash, ret_kept, diag);
	if (r < 0 && *hash)
		return r;
	r = find_old(state, &now, &old, diag);
	return r < 0 ? r : ctl_pam_write(state->service, &old, &like, diag);
}

int ctl_pam_return(struct ctl_pam_state *state, const char *why, struct mtls_diag *said)
{
	struct mtls_diag kept = { 0 }, diag = { 0 };

	int r = bring_back(state, &kept, &diag);
	if (r < 0)
		return mtls_diag_set(
			said, r,
			"'%s' CANNOT be brought back: %s. By hand: cp %s/%s.before " CTL_PAM_DIR
			"/%s",
			state->service, mtls_diag_text(&diag, r), CTL_PAM_STATE, state->service,
			state->service);
	(void)mtls_diag_set(said, 0, "'%s' is as it was before: %s%s%s", state->service, why,
			    *kept.text ? "; what others wrote meanwhile is kept in " : "",
			    kept.text);
	state->phase = CTL_PAM_RETURNED;
	(void)mtls_strcopy(state->note, sizeof(state->note), said->text);
	ctl_pam_witness_remove(state->service);
	return ctl_pam_state_save(state, said);
}

/* --- all of them --- */

static const char *reason_of(const struct ctl_pam_state *state)
{
	char boot[CTL_PAM_BOOT_MAX];

	ctl_pam_boot(boot);
	if (state->phase == CTL_PAM_WRITING)
		return "the change was not finished";
	return mtls_streq(boot, state->boot) ? "the change was not confirmed in time"
					     : "the machine was started anew before the change was "
					       "confirmed";
}

int ctl_pam_return_due(ctl_pam_said_fn *said, void *ctx)
{
	_cleanup_(mtls_strv_freep) char **services = NULL;
	int last = ctl_pam_state_services(&services);

	for (char **service = services; service && *service; service++) {
		struct ctl_pam_state state;
		struct mtls_diag sentence = { 0 };
		int r = ctl_pam_state_load(*service, &state, &sentence);
		if (r >= 0 && !ctl_pam_due(&state))
			continue;
		if (r >= 0)
			r = ctl_pam_return(&state, reason_of(&state), &sentence);
		if (r < 0)
			last = r;
		said(ctx, r < 0, mtls_diag_text(&sentence, r));
	}
	return last;
}

static void tell(void *ctx, bool failed, const char *sentence)
{
	(void)ctx;
	(void)failed;
	(void)fprintf(stderr, "mtlsctl: %s\n", sentence);
}

void ctl_pam_return_by_the_way(void)
{
	_cleanup_close_ int lock = -1;

	if (geteuid() != 0 || access(CTL_PAM_STATE "/lock", F_OK) < 0 ||
	    ctl_pam_lock(0, &lock, NULL) < 0)
		return;
	(void)ctl_pam_return_due(tell, NULL);
}

/* --- the watcher --- */

static volatile sig_atomic_t asked_to_end;

static void on_term(int number)
{
	(void)number;
	asked_to_end = 1;
}

static void log_sentence(void *ctx, bool failed, const char *sentence)
{
	(void)ctx;
	syslog(failed ? LOG_CRIT : LOG_WARNING, "%s", sentence);
}

static bool waits(const struct ctl_pam_state *state)
{
	return state->phase == CTL_PAM_PENDING || state->phase == CTL_PAM_WRITING;
}

/* The next deadline, maybe past; 0 if nothing waits. */
static int64_t next_deadline(void)
{
	_cleanup_(mtls_strv_freep) char **services = NULL;
	int64_t next = 0;

	(void)ctl_pam_state_services(&services);
	for (char **service = services; service && *service; service++) {
		struct ctl_pam_state state;
		if (ctl_pam_state_load(*service, &state, NULL) < 0 || !waits(&state))
			continue;
		/* One that is being written has no deadline: it was due long ago. */
		int64_t deadline = state.deadline_ms > 0 ? state.deadline_ms : 1;
		if (!next || deadline < next)
			next = deadline;
	}
	return next;
}

/* Brings back what is due. The time until which to wait, 0 for the end. */
static int64_t look(void)
{
	_cleanup_close_ int lock = -1;

	/*
	 * Who holds it for so long was stopped in the middle. Everybody replaces whole files, so
	 * what is due can go back under its hands; waiting on would leave somebody locked out.
	 */
	bool alone = ctl_pam_lock(CTL_PAM_PATIENCE_MS, &lock, NULL) >= 0;
	if (!alone)
		syslog(LOG_WARNING, "the lock of '%s' is not given up: going on without it",
		       CTL_PAM_STATE);
	int r = ctl_pam_return_due(log_sentence, NULL);
	int64_t next = next_deadline();
	/* Who has the lock may go on after all, and write what nobody would watch then. */
	return !alone || (r < 0 && next) ? ctl_pam_now_ms() + RETRY_MS : next;
}

/* Until @when, or until a state changes. */
static void wait_until(int timer, int changes, int64_t when)
{
	const struct itimerspec at = {
		.it_value = { .tv_sec = when / 1000, .tv_nsec = when % 1000 * 1000000 },
	};
	struct pollfd fds[] = {
		{ .fd = timer, .events = POLLIN },
		{ .fd = changes, .events = POLLIN },
	};
	char events[4096];

	const struct timespec patience = { .tv_sec = RETRY_MS / 1000 };
	sigset_t none;

	(void)sigemptyset(&none);
	(void)timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
	/* Without a timer it looks again and again, but it looks. */
	(void)ppoll(fds, MTLS_COUNT(fds), timer < 0 ? &patience : NULL, &none);
	(void)!read(changes, events, sizeof(events));
}

/* The end of a session or of the machine: better too early than never. */
static void end_early(void)
{
	_cleanup_(mtls_strv_freep) char **services = NULL;
	_cleanup_close_ int lock = -1;

	(void)ctl_pam_lock(CTL_PAM_PATIENCE_MS, &lock, NULL);
	(void)ctl_pam_state_services(&services);
	for (char **service = services; service && *service; service++) {
		struct ctl_pam_state state;
		struct mtls_diag sentence = { 0 };
		if (ctl_pam_state_load(*service, &state, NULL) < 0 || !waits(&state))
			continue;
		int r = ctl_pam_return(
			&state, "the process that watched the deadline was told to end", &sentence);
		log_sentence(NULL, r < 0, mtls_diag_text(&sentence, r));
	}
}

__attribute__((noreturn)) static void watch(int ready)
{
	const struct sigaction term = { .sa_handler = on_term };

	(void)prctl(PR_SET_NAME, "mtls-pam-return");
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGQUIT, SIG_IGN);
	/* Noticed while waiting only, so that it cannot slip in before. */
	sigset_t blocked;
	(void)sigemptyset(&blocked);
	(void)sigaddset(&blocked, SIGTERM);
	(void)sigprocmask(SIG_SETMASK, &blocked, NULL);
	(void)sigaction(SIGTERM, &term, NULL);
	openlog("mtlsctl", LOG_PID, LOG_AUTH);
	int timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);
	int changes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	(void)inotify_add_watch(changes, CTL_PAM_STATE, IN_MOVED_TO | IN_DELETE);
	(void)!write(ready, "r", 1);
	(void)close(ready);
	for (int64_t when; !asked_to_end && (when = look());)
		wait_until(timer, changes, when);
	if (asked_to_end)
		end_early();
	_exit(0);
}

/* Nothing of the terminal, of the caller's files, of its lock stays with it. */
static void leave_everything(int ready)
{
	(void)setsid();
	int null = open("/dev/null", O_RDWR);
	for (int fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++)
		(void)dup2(null, fd);
	(void)dup2(ready, STDERR_FILENO + 1);
	(void)close_range(STDERR_FILENO + 2, ~0U, 0);
	(void)!chdir("/");
}

int ctl_pam_watch(int lock_fd, struct mtls_diag *diag)
{
	int ready[2];
	char byte;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return mtls_diag_set(diag, -errno, "pipe: %s", strerrordesc_np(errno));
	(void)fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		(void)close(lock_fd);
		leave_everything(ready[1]);
		/* The second child is no session leader and gets no terminal by accident. */
		if (fork() == 0)
			watch(STDERR_FILENO + 1);
		_exit(0);
	}
	(void)close(ready[1]);
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
	ssize_t n = pid < 0 ? -1 : read(ready[0], &byte, 1);
	(void)close(ready[0]);
	if (n != 1)
		return mtls_diag_set(diag, -ECHILD,
				     "the process that brings the change back did not start");
	return 0;
}
