/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mtlsctl enable: how it is written. Backups and states first, then the watcher, then the service
 * files; under the lock, and compared once more, because the proofs took their time.
 */
#include <config.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "tools/ctl_common.h"
#include "tools/ctl_enable.h"
#include "tools/ctl_pam_return.h"

#define CMD       "enable"
#define SECOND_MS 1000

/* A change that waits, or one that was made, is not made again. */
int ctl_enable_check_state(const char *service)
{
	struct ctl_pam_state state;
	struct mtls_diag diag = { 0 };

	int r = ctl_pam_state_load(service, &state, &diag);
	if (r == -ENOENT || (r >= 0 && state.phase == CTL_PAM_RETURNED))
		return CTL_OK;
	if (r < 0)
		return ctl_error(CMD, "%s", mtls_diag_text(&diag, r));
	return ctl_error(CMD, "'%s' is enabled already (%s, %s): 'mtlsctl disable %s' first",
			 service, mtls_stack_mode_name(state.mode), ctl_pam_phase_name(state.phase),
			 service);
}

/* The sessions that this command runs in: of every ancestor that has a terminal, or its own. */
static void note_sessions(struct ctl_pam_state *state)
{
	struct ctl_proc ancestors[CTL_PROC_MAX];
	size_t count = ctl_proc_ancestors(ancestors);

	for (size_t i = 0; i < count && state->session_count < CTL_PAM_SESSIONS; i++)
		if (ancestors[i].terminal &&
		    (i == 0 || ancestors[i].session != ancestors[i - 1].session))
			state->sessions[state->session_count++] = ctl_proc_session(&ancestors[i]);
	if (count && !state->session_count)
		state->sessions[state->session_count++] = ctl_proc_session(&ancestors[0]);
}

static int describe(const struct ctl_enable_all *e, struct ctl_enable_job *job)
{
	struct ctl_pam_state *state = &job->state;

	*state = (struct ctl_pam_state){
		.mode = e->mode,
		.phase = CTL_PAM_WRITING,
		.uid = job->file.uid,
		.gid = job->file.gid,
		.file_mode = job->file.mode,
		.since = (int64_t)time(NULL),
	};
	(void)mtls_strcopy(state->service, sizeof(state->service), job->service);
	ctl_pam_boot(state->boot);
	note_sessions(state);
	int r = ctl_pam_hash(&job->file.text, state->before);
	return r < 0 ? r : ctl_pam_hash(&job->now, state->after);
}

/* Backup first: a state without its backup could not be brought back. */
static int prepare(struct ctl_enable_all *e, struct mtls_diag *diag)
{
	for (size_t i = 0; i < e->count; i++) {
		struct ctl_enable_job *job = &e->jobs[i];
		int r = describe(e, job);
		if (r >= 0)
			r = ctl_pam_backup_save(job->service, &job->file.text, diag);
		if (r >= 0)
			r = ctl_pam_witness_make(job->service, diag);
		if (r >= 0)
			r = ctl_pam_state_save(&job->state, diag);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The time runs from here on, so that it is the same for all. */
static int put_in_place(struct ctl_enable_all *e, struct mtls_diag *diag)
{
	int64_t deadline = ctl_pam_now_ms() + (int64_t)e->confirm_s * SECOND_MS;

	for (size_t i = 0; i < e->count; i++) {
		int r = ctl_pam_write(e->jobs[i].service, &e->jobs[i].now, &e->jobs[i].file, diag);
		if (r < 0)
			return r;
		e->jobs[i].written = true;
	}
	for (size_t i = 0; i < e->count; i++) {
		struct ctl_pam_state *state = &e->jobs[i].state;
		state->phase = e->confirm_s ? CTL_PAM_PENDING : CTL_PAM_CONFIRMED;
		state->deadline_ms = e->confirm_s ? deadline : 0;
		int r = ctl_pam_state_save(state, diag);
		if (r < 0)
			return r;
		if (!e->confirm_s)
			ctl_pam_witness_remove(state->service);
	}
	return 0;
}

/* All or nothing. */
static int take_back(struct ctl_enable_all *e, const char *why)
{
	for (size_t i = 0; i < e->count; i++) {
		struct mtls_diag said = { 0 };
		if (!e->jobs[i].state.service[0])
			continue;
		(void)ctl_pam_return(&e->jobs[i].state, "it could not be finished", &said);
		if (e->jobs[i].written)
			(void)ctl_error(CMD, "%s", said.text);
	}
	return ctl_error(CMD, "%s", why);
}

/* The proofs took their time, and were about this very content. */
static int check_same(const struct ctl_enable_job *job)
{
	_cleanup_pam_file_ struct ctl_pam_file now = CTL_PAM_FILE;
	struct mtls_diag diag = { 0 };

	int code = ctl_enable_check_state(job->service);
	if (code)
		return code;
	int r = ctl_pam_read(job->service, &now, &diag);
	if (r < 0)
		return ctl_error(CMD, "%s", mtls_diag_text(&diag, r));
	if (now.text.len != job->file.text.len || now.uid != job->file.uid ||
	    now.gid != job->file.gid || now.mode != job->file.mode ||
	    memcmp(now.text.data, job->file.text.data, now.text.len) != 0)
		return ctl_error(CMD,
				 "'%s' was changed by somebody else meanwhile. Nothing was "
				 "changed by this command: start again",
				 job->service);
	return CTL_OK;
}

static int write_locked(struct ctl_enable_all *e, int lock)
{
	struct mtls_diag diag = { 0 };
	int code = CTL_OK;

	for (size_t i = 0; !code && i < e->count; i++)
		code = check_same(&e->jobs[i]);
	if (code)
		return code;
	int r = prepare(e, &diag);
	if (r >= 0 && e->confirm_s)
		r = ctl_pam_watch(lock, &diag);
	if (r >= 0)
		r = put_in_place(e, &diag);
	return r < 0 ? take_back(e, mtls_diag_text(&diag, r)) : CTL_OK;
}

/* Not to be stopped half-way, with the lock, by a key on the terminal. */
int ctl_enable_write(struct ctl_enable_all *e)
{
	static const int signals[] = { SIGINT, SIGQUIT, SIGTSTP, SIGHUP, SIGTERM };
	struct mtls_diag diag = { 0 };
	sigset_t blocked, before;
	_cleanup_close_ int lock = -1;

	int r = ctl_pam_lock(CTL_PAM_PATIENCE_MS, &lock, &diag);
	if (r < 0)
		return ctl_error(CMD, "%s", mtls_diag_text(&diag, r));
	(void)sigemptyset(&blocked);
	for (size_t i = 0; i < MTLS_COUNT(signals); i++)
		(void)sigaddset(&blocked, signals[i]);
	(void)sigprocmask(SIG_BLOCK, &blocked, &before);
	int code = write_locked(e, lock);
	(void)close(MTLS_TAKE_FD(lock));
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return code;
}
