/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The trial of a stack. The only user of libpam in mtlsctl. */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <security/pam_appl.h>

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "tools/ctl_pam_dir.h"
#include "tools/ctl_pam_trial.h"

#define FOLDER_NAME "trial." /* with the number of the process, and letters */
#define PATIENCE_MS 120000   /* slow cards, slow lookups, a delay after a failure */
#define SAID_MAX    512

/* --- the folder --- */

static int path_in(const char *folder, const char *name, char out[PATH_MAX])
{
	int n = snprintf(out, PATH_MAX, "%s/%s", folder, name);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int link_all(const char *folder, const char *but)
{
	struct dirent **list = NULL;
	int r = 0;

	int count = scandir(CTL_PAM_DIR, &list, NULL, NULL);
	if (count < 0)
		return -errno;
	for (int i = 0; i < count; i++) {
		const char *name = list[i]->d_name;
		char from[PATH_MAX], to[PATH_MAX];
		if (name[0] != '.' && !mtls_streq(name, but) &&
		    (path_in(CTL_PAM_DIR, name, from) < 0 || path_in(folder, name, to) < 0 ||
		     symlink(from, to) < 0))
			r = -EIO;
		free(list[i]);
	}
	free(list);
	return r;
}

static void remove_folder(const char *folder)
{
	struct dirent **list = NULL;

	int count = scandir(folder, &list, NULL, NULL);
	for (int i = 0; i < count; i++) {
		char path[PATH_MAX];
		if (!mtls_streq(list[i]->d_name, ".") && !mtls_streq(list[i]->d_name, "..") &&
		    path_in(folder, list[i]->d_name, path) == 0)
			(void)unlink(path);
		free(list[i]);
	}
	free(list);
	(void)rmdir(folder);
}

/* Of trials whose process was killed. */
static void remove_leftovers(void)
{
	struct dirent **list = NULL;

	int count = scandir(MTLS_RUNDIR, &list, NULL, NULL);
	for (int i = 0; i < count; i++) {
		const char *name = list[i]->d_name;
		size_t len = sizeof(FOLDER_NAME) - 1;
		char path[PATH_MAX];
		long pid = strncmp(name, FOLDER_NAME, len) == 0 ? strtol(name + len, NULL, 10) : 0;
		if (pid > 0 && kill((pid_t)pid, 0) < 0 && errno == ESRCH &&
		    path_in(MTLS_RUNDIR, name, path) == 0)
			remove_folder(path);
		free(list[i]);
	}
	free(list);
}

static int make_folder(const struct ctl_pam_trial *trial, char folder[PATH_MAX],
		       struct mtls_diag *diag)
{
	const struct mtls_file_mode mode = { .mode = 0644, .uid = 0, .gid = 0 };
	char path[PATH_MAX];

	(void)mtls_folder_make(MTLS_RUNDIR, 0755);
	remove_leftovers();
	(void)snprintf(folder, PATH_MAX, MTLS_RUNDIR "/" FOLDER_NAME "%ld.XXXXXX", (long)getpid());
	if (!mkdtemp(folder)) {
		*folder = '\0';
		return mtls_diag_set(diag, -errno, "cannot make a folder in '%s': %s", MTLS_RUNDIR,
				     strerrordesc_np(errno));
	}
	int r = link_all(folder, trial->service);
	if (r < 0)
		return mtls_diag_set(diag, r, "'%s': %s", folder, mtls_strerror(r));
	r = path_in(folder, trial->service, path);
	if (r < 0)
		return r;
	return mtls_file_replace(path, trial->text->data, trial->text->len, &mode, diag);
}

/* --- the child: its answer is one letter, then what was said --- */

struct talk {
	const struct ctl_pam_trial *trial;
	int out;
	bool answered;
	char said[SAID_MAX];
};

static const char letters[] = { [CTL_PAM_TRIAL_BROKEN] = 'b',
				[CTL_PAM_TRIAL_DENIED] = 'd',
				[CTL_PAM_TRIAL_ASKED] = 'a',
				[CTL_PAM_TRIAL_ENTERED] = 'e' };

__attribute__((noreturn)) static void answer(const struct talk *talk, enum ctl_pam_trial_end end)
{
	(void)mtls_fd_write_all(talk->out, &letters[end], 1);
	(void)mtls_fd_write_all(talk->out, talk->said, strlen(talk->said));
	_exit(0);
}

static void say(struct talk *talk, const char *text)
{
	size_t len = strlen(talk->said);

	(void)snprintf(talk->said + len, sizeof(talk->said) - len, "%s%s", len ? "; " : "", text);
}

/* A passphrase, once; whatever else is asked is somebody else's question. */
static char *reply_to(struct talk *talk, const struct pam_message *message)
{
	const struct mtls_buf *secret = talk->trial->secret;

	if (message->msg_style == PAM_PROMPT_ECHO_OFF && secret && !talk->answered) {
		talk->answered = true;
		return strndup((const char *)secret->data, secret->len);
	}
	say(talk, message->msg);
	answer(talk, CTL_PAM_TRIAL_ASKED);
}

static int converse(int count, const struct pam_message **messages, struct pam_response **ret,
		    void *ctx)
{
	struct talk *talk = ctx;

	struct pam_response *replies = calloc((size_t)count, sizeof(*replies));
	if (!replies)
		return PAM_BUF_ERR;
	for (int i = 0; i < count; i++) {
		if (messages[i]->msg_style == PAM_PROMPT_ECHO_OFF ||
		    messages[i]->msg_style == PAM_PROMPT_ECHO_ON)
			replies[i].resp = reply_to(talk, messages[i]);
		else
			say(talk, messages[i]->msg);
	}
	*ret = replies;
	return PAM_SUCCESS;
}

/* Nobody waits for a delay that was meant for somebody who guesses. */
static void no_delay(int code, unsigned int usec, void *ctx)
{
	(void)code;
	(void)usec;
	(void)ctx;
}

__attribute__((noreturn)) static void try_stack(const struct ctl_pam_trial *trial,
						const char *folder, int out)
{
	struct talk talk = { .trial = trial, .out = out };
	const struct pam_conv conv = { converse, &talk };
	pam_handle_t *pamh = NULL;

	(void)alarm(PATIENCE_MS / 1000);
	if (setgroups(0, NULL) < 0 || setresgid(trial->gid, 0, 0) < 0 ||
	    setresuid(trial->uid, 0, 0) < 0 || chdir("/") < 0) {
		say(&talk, "cannot become the person");
		answer(&talk, CTL_PAM_TRIAL_BROKEN);
	}
	int r = pam_start_confdir(trial->service, trial->user, &conv, folder, &pamh);
	if (r == PAM_SUCCESS && trial->tty)
		r = pam_set_item(pamh, PAM_TTY, trial->tty);
	if (r == PAM_SUCCESS)
		r = pam_set_item(pamh, PAM_FAIL_DELAY, (const void *)no_delay);
	if (r != PAM_SUCCESS) {
		say(&talk, "libpam cannot read it");
		answer(&talk, CTL_PAM_TRIAL_BROKEN);
	}
	r = pam_authenticate(pamh, 0);
	if (r == PAM_SUCCESS)
		r = pam_acct_mgmt(pamh, 0);
	if (r != PAM_SUCCESS)
		say(&talk, pam_strerror(pamh, r));
	(void)pam_end(pamh, r);
	/* PAM_ABORT and PAM_SYSTEM_ERR are a stack that cannot work. */
	answer(&talk, r == PAM_SUCCESS                        ? CTL_PAM_TRIAL_ENTERED
		      : r == PAM_ABORT || r == PAM_SYSTEM_ERR ? CTL_PAM_TRIAL_BROKEN
							      : CTL_PAM_TRIAL_DENIED);
}

/* --- the parent --- */

static enum ctl_pam_trial_end read_answer(int fd, struct mtls_diag *ret_said)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(SAID_MAX * 2);
	mtls_deadline deadline = mtls_deadline_in_ms(PATIENCE_MS);

	/* A module may have left a process behind that holds the pipe: the first part is all. */
	if (mtls_wait_fd(fd, POLLIN, deadline) < 0) {
		(void)mtls_diag_set(ret_said, 0, "it did not come to an end");
		return CTL_PAM_TRIAL_BROKEN;
	}
	if (mtls_fd_read_all(fd, &text) < 0 || !mtls_buf_cstr(&text) || !text.len) {
		(void)mtls_diag_set(ret_said, 0, "a module has ended the process that tried it");
		return CTL_PAM_TRIAL_BROKEN;
	}
	(void)mtls_diag_set(ret_said, 0, "%s", mtls_buf_cstr(&text) + 1);
	for (size_t end = 0; end < MTLS_COUNT(letters); end++)
		if (letters[end] == (char)text.data[0])
			return (enum ctl_pam_trial_end)end;
	return CTL_PAM_TRIAL_BROKEN;
}

static enum ctl_pam_trial_end run_child(const struct ctl_pam_trial *trial, const char *folder,
					struct mtls_diag *ret_said)
{
	int pipe_fds[2];

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return CTL_PAM_TRIAL_BROKEN;
	(void)fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		(void)close(pipe_fds[0]);
		try_stack(trial, folder, pipe_fds[1]);
	}
	(void)close(pipe_fds[1]);
	enum ctl_pam_trial_end end =
		pid < 0 ? CTL_PAM_TRIAL_BROKEN : read_answer(pipe_fds[0], ret_said);
	(void)close(pipe_fds[0]);
	if (pid > 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	}
	return end;
}

enum ctl_pam_trial_end ctl_pam_trial_run(const struct ctl_pam_trial *trial,
					 struct mtls_diag *ret_said)
{
	enum ctl_pam_trial_end end = CTL_PAM_TRIAL_BROKEN;
	char folder[PATH_MAX];

	int r = make_folder(trial, folder, ret_said);
	if (r >= 0)
		end = run_child(trial, folder, ret_said);
	if (*folder)
		remove_folder(folder);
	return end;
}
