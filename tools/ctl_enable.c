/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mtlsctl enable: pam_mtls into service files, without a way to lock oneself out. First everything
 * is proven, then backups and states are on the disk, then the watcher runs, only then is a service
 * file replaced. Whatever dies in between, the state says what was there before.
 */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "tools/ctl_action.h"
#include "tools/ctl_common.h"
#include "tools/ctl_enable.h"
#include "tools/ctl_json.h"
#include "tools/ctl_pam_prove.h"
#include "tools/ctl_pam_return.h"

#define CMD             "enable"
#define CONFIRM_DEFAULT "120s"
#define CONFIRM_MAX_S   3600
#define NO_DEADLINE     0

struct options {
	const char *mode, *confirm, *user, *key, *passphrase_fd;
	bool dry_run, list, restore, json;
};

/* --- what may be enabled --- */

static const struct {
	const char *service, *why;
} unfit[] = {
#define SHARED "other services take their lines from it, and all of them would change: enable those"
#define SILENT "nobody is asked for anything there"
#define REMOTE "certificates do not work there yet: the person's key is elsewhere"
	{ "other", "it is what every service without a file gets" },
	{ "common-auth", SHARED },
	{ "common-account", SHARED },
	{ "common-password", SHARED },
	{ "common-session", SHARED },
	{ "common-session-noninteractive", SHARED },
	{ "system-auth", SHARED },
	{ "system-login", SHARED },
	{ "system-local-login", SHARED },
	{ "system-remote-login", SHARED },
	{ "password-auth", SHARED },
	{ "postlogin", SHARED },
	{ "atd", SILENT },
	{ "cron", SILENT },
	{ "crond", SILENT },
	{ "runuser", SILENT },
	{ "runuser-l", SILENT },
	{ "systemd-user", SILENT },
	{ "sshd", REMOTE },
	{ "remote", REMOTE },
};

static int check_fit(const char *service)
{
	if (!mtls_stack_service_valid(service))
		return ctl_error(CMD,
				 "'%s' is no name of a service: small letters, digits, '.', "
				 "'_', '-'",
				 service);
	for (size_t i = 0; i < MTLS_COUNT(unfit); i++)
		if (mtls_streq(unfit[i].service, service))
			return ctl_error(CMD, "'%s' is not enabled: %s", service, unfit[i].why);
	return CTL_OK;
}

/* A refusal, and how to do it by hand. */
static int refuse(const struct ctl_enable_job *job, enum mtls_stack_mode mode, const char *why)
{
	_cleanup_buf_ struct mtls_buf advice = MTLS_BUF(MTLS_STACK_FILE_MAX);

	(void)ctl_error(CMD, "the stack of '%s' is not changed: %s. Nothing was changed",
			job->service, why);
	if (mtls_stack_advice(job->stack, mode, &advice) == 0 && mtls_buf_cstr(&advice))
		(void)fprintf(stderr,
			      "By hand, in %s/%s, with a copy of it and an open root shell:\n%s",
			      CTL_PAM_DIR, job->service, mtls_buf_cstr(&advice));
	return CTL_FAILED;
}

static int plan_job(const struct ctl_enable_all *e, struct ctl_enable_job *job)
{
	struct mtls_diag diag = { 0 };

	int code = check_fit(job->service);
	if (!code)
		code = ctl_enable_check_state(job->service);
	if (code)
		return code;
	int r = ctl_pam_read(job->service, &job->file, &diag);
	if (r >= 0)
		r = mtls_stack_parse(job->file.text.data, job->file.text.len, &job->stack, &diag);
	if (r >= 0)
		r = mtls_stack_understand(job->stack, e->mode, ctl_pam_load, NULL, &job->plan,
					  &diag);
	if (r >= 0)
		r = ctl_pam_includers(job->service, &job->includers, &diag);
	if (r >= 0) {
		job->plan.rescue = e->codes ? job->service : NULL;
		r = mtls_stack_compose(job->stack, &job->plan, false, &job->now);
	}
	if (r >= 0)
		r = mtls_stack_compose(job->stack, &job->plan, true, &job->absent);
	return r < 0 ? refuse(job, e->mode, mtls_diag_text(&diag, r)) : CTL_OK;
}

/* Taken out again, it has to be what it was: else disable could not do what it promises. */
static int check_reversible(const struct ctl_enable_job *job, struct mtls_stack **ret)
{
	_cleanup_(mtls_stack_freep) struct mtls_stack *now = NULL;
	_cleanup_buf_ struct mtls_buf back = MTLS_BUF(MTLS_STACK_FILE_MAX);

	if (mtls_stack_parse(job->now.data, job->now.len, &now, NULL) < 0 ||
	    mtls_stack_strip(now, &back, NULL) < 0 || back.len != job->file.text.len ||
	    memcmp(back.data, job->file.text.data, back.len) != 0)
		return ctl_error(CMD,
				 "the stack of '%s' could not be taken back. Nothing was "
				 "changed",
				 job->service);
	*ret = MTLS_TAKE(now);
	return CTL_OK;
}

static int plan_all(struct ctl_enable_all *e)
{
	int code = CTL_OK;

	/* All refusals at once; one is enough to change nothing. */
	for (size_t i = 0; i < e->count; i++) {
		int one = plan_job(e, &e->jobs[i]);
		code = code ? code : one;
	}
	return code;
}

/* --- the self-test --- */

static int read_passphrase(struct ctl_enable_all *e, const char *fd_text, uint32_t fd)
{
	char prompt[128];

	(void)snprintf(prompt, sizeof(prompt),
		       "Passphrase or PIN of the key of '%s': ", e->prove.person.name);
	int r = fd_text ? ctl_read_secret((int)fd, &e->prove.secret)
			: ctl_ask_secret(prompt, &e->prove.secret);
	if (r < 0)
		return ctl_error(CMD, "cannot read the passphrase: %s; see --passphrase-fd",
				 mtls_strerror(r));
	return CTL_OK;
}

static int prove_job(const struct ctl_enable_all *e, const struct ctl_enable_job *job)
{
	const struct ctl_prove_stack stack = {
		.service = job->service,
		.mode = e->mode,
		.before = &job->file.text,
		.now = &job->now,
		.absent = &job->absent,
	};

	int code = ctl_prove_settings(job->service);
	if (!code)
		code = ctl_prove_exchange(&e->prove, job->service);
	return code ? code : ctl_prove_stack(&e->prove, &stack);
}

static int prove_all(struct ctl_enable_all *e, const struct options *o, uint32_t fd)
{
	int code = ctl_prove_person(o->user, &e->prove);
	if (!code)
		code = ctl_prove_check(&e->prove);
	if (!code && e->mode == MTLS_STACK_REQUIRED)
		code = ctl_prove_rescue(&e->prove, e->codes);
	if (!code && e->confirm_s)
		code = ctl_prove_boot(&e->prove, e->mode == MTLS_STACK_REQUIRED);
	if (!code)
		code = read_passphrase(e, o->passphrase_fd, fd);
	for (size_t i = 0; !code && i < e->count; i++)
		code = prove_job(e, &e->jobs[i]);
	mtls_buf_done(&e->prove.secret);
	return code;
}

/* --- what is told --- */

static void tell_plan(const struct ctl_enable_all *e, const struct ctl_enable_job *job)
{
	ctl_prove_step(&e->prove, "service", "'%s': %s", job->service,
		       mtls_stack_mode_kind(e->mode));
	if (job->plan.skipped)
		ctl_prove_step(&e->prove, "note",
			       "'%s': who enters by certificate skips line %zu and what follows "
			       "there for auth",
			       job->service, job->plan.skipped);
	for (char *const *name = job->includers; name && *name; name++)
		ctl_prove_step(&e->prove, "note", "'%s' takes lines from '%s', and changes with it",
			       *name, job->service);
}

static bool has_job(const struct ctl_enable_all *e, const char *service)
{
	for (size_t i = 0; i < e->count; i++)
		if (mtls_streq(e->jobs[i].service, service))
			return true;
	return false;
}

/* `sudo -i` is a service of its own: who thinks of sudo means both. */
static void tell_siblings(const struct ctl_enable_all *e)
{
	if (has_job(e, "sudo") && !has_job(e, "sudo-i") && access(CTL_PAM_DIR "/sudo-i", F_OK) == 0)
		ctl_prove_step(&e->prove, "note",
			       "'sudo -i' uses the service 'sudo-i', which stays as it is: enable "
			       "both, if it shall not");
}

static int dry_run(const struct ctl_enable_all *e)
{
	for (size_t i = 0; i < e->count; i++) {
		const struct ctl_enable_job *job = &e->jobs[i];
		_cleanup_(mtls_stack_freep) struct mtls_stack *now = NULL;
		int code = check_reversible(job, &now);
		if (code)
			return code;
		tell_plan(e, job);
		if (!e->prove.json)
			ctl_pam_print_diff(job->service, job->stack, now);
		ctl_prove_step(&e->prove, "would write", "%s/%s.before and .json", CTL_PAM_STATE,
			       job->service);
		ctl_prove_step(&e->prove, "would write", "%s/%s", CTL_PAM_DIR, job->service);
	}
	tell_siblings(e);
	if (e->confirm_s)
		ctl_prove_step(&e->prove, "would wait", "%us for 'mtlsctl confirm'", e->confirm_s);
	ctl_prove_step(&e->prove, "dry run", "nothing was written, no login was tried");
	return CTL_OK;
}

static void tell_done(const struct ctl_enable_all *e)
{
	for (size_t i = 0; i < e->count; i++)
		ctl_prove_step(&e->prove, "written", "%s/%s; as it was: %s/%s.before", CTL_PAM_DIR,
			       e->jobs[i].service, CTL_PAM_STATE, e->jobs[i].service);
	if (!e->confirm_s) {
		ctl_prove_step(&e->prove, "done", "for good; 'mtlsctl disable' takes it out");
		return;
	}
	ctl_prove_step(&e->prove, "waiting",
		       "for %us. Enter anew by certificate in ANOTHER terminal, and there, as "
		       "root: mtlsctl confirm",
		       e->confirm_s);
	if (mtls_streq(e->jobs[0].service, "sudo"))
		ctl_prove_step(&e->prove, "", "for sudo that is: sudo -k; sudo mtlsctl confirm");
	ctl_prove_step(&e->prove, "", "without it, all is as before after that time, by itself");
}

static int print_steps(const struct ctl_enable_all *e, int code)
{
	if (!e->prove.json)
		return code;
	int r = ctl_json_print(
		json_pack("{s:b, s:O}", "done", code == CTL_OK, "steps", e->prove.steps));
	return code ? code : r;
}

/* Early, before anybody is asked: the folder of states is as it should be. */
static int check_folder(void)
{
	_cleanup_close_ int lock = -1;
	struct mtls_diag diag = { 0 };

	int r = ctl_pam_lock(CTL_PAM_PATIENCE_MS, &lock, &diag);
	return r < 0 ? ctl_error(CMD, "%s", mtls_diag_text(&diag, r)) : CTL_OK;
}

static int run_all(struct ctl_enable_all *e, const struct options *o, uint32_t fd)
{
	int code = o->dry_run ? CTL_OK : check_folder();

	if (!code)
		code = plan_all(e);
	for (size_t i = 0; !code && i < e->count; i++) {
		_cleanup_(mtls_stack_freep) struct mtls_stack *now = NULL;
		code = check_reversible(&e->jobs[i], &now);
	}
	if (!code && o->dry_run)
		return dry_run(e);
	if (!code)
		code = prove_all(e, o, fd);
	for (size_t i = 0; !code && i < e->count; i++)
		tell_plan(e, &e->jobs[i]);
	if (!code)
		tell_siblings(e);
	if (!code)
		code = ctl_enable_write(e);
	if (!code)
		tell_done(e);
	return code;
}

static void release(struct ctl_enable_all *e)
{
	for (size_t i = 0; i < e->count; i++) {
		ctl_pam_file_done(&e->jobs[i].file);
		mtls_stack_free(e->jobs[i].stack);
		mtls_strv_free(e->jobs[i].includers);
		mtls_buf_done(&e->jobs[i].now);
		mtls_buf_done(&e->jobs[i].absent);
	}
	mtls_buf_done(&e->prove.secret);
	json_decref(e->prove.steps);
	ctl_person_done(&e->prove.person);
	free(e);
}

/* --- the command line --- */

static int read_mode(const struct ctl_action *action, const char *text, enum mtls_stack_mode *ret)
{
	for (int mode = 0; mode < MTLS_STACK_MODES; mode++) {
		if (mtls_streq(text, mtls_stack_mode_name((enum mtls_stack_mode)mode))) {
			*ret = (enum mtls_stack_mode)mode;
			return CTL_OK;
		}
	}
	return ctl_action_usage(action, "--mode is sufficient or required");
}

/* "120s", "2m", "none" */
static int read_confirm(const struct ctl_action *action, const char *text,
			enum mtls_stack_mode mode, uint32_t *ret)
{
	char number[16];
	uint32_t value;
	size_t len = strlen(text);

	if (mtls_streq(text, "none") && mode == MTLS_STACK_REQUIRED)
		return ctl_action_usage(action, "--mode required always needs a confirmation");
	if (mtls_streq(text, "none")) {
		*ret = NO_DEADLINE;
		return CTL_OK;
	}
	if (len < 2 || len > sizeof(number) || !strchr("sm", text[len - 1]))
		return ctl_action_usage(action, "--confirm needs a time like 120s or 5m, or none");
	(void)snprintf(number, sizeof(number), "%.*s", (int)len - 1, text);
	if (mtls_parse_u32(number, &value) < 0 || value > CONFIRM_MAX_S)
		return ctl_action_usage(action, "--confirm needs a time up to %d s", CONFIRM_MAX_S);
	value *= text[len - 1] == 'm' ? 60 : 1;
	if (value == 0 || value > CONFIRM_MAX_S)
		return ctl_action_usage(action, "--confirm needs a time of 1 s to %d s",
					CONFIRM_MAX_S);
	*ret = value;
	return CTL_OK;
}

static int take_services(const struct ctl_action *action, char **args, int count,
			 struct ctl_enable_all *e)
{
	if (count == 0)
		return ctl_action_usage(action, "which service?");
	if (count > CTL_ENABLE_MAX)
		return ctl_action_usage(action, "at most %d services at once", CTL_ENABLE_MAX);
	for (int i = 0; i < count; i++) {
		for (int k = 0; k < i; k++)
			if (mtls_streq(args[i], args[k]))
				return ctl_action_usage(action, "'%s' is there twice", args[i]);
		e->jobs[i] = (struct ctl_enable_job){
			.service = args[i],
			.file = CTL_PAM_FILE,
			.now = MTLS_BUF(MTLS_STACK_FILE_MAX),
			.absent = MTLS_BUF(MTLS_STACK_FILE_MAX),
		};
		e->count++;
	}
	return CTL_OK;
}

static int start(const struct ctl_action *action, const struct options *o, char **args, int count)
{
	uint32_t fd = 0;

	struct ctl_enable_all *e = calloc(1, sizeof(*e));
	if (!e)
		return ctl_error(CMD, "out of memory");
	mtls_buf_init(&e->prove.secret, 1024, true);
	e->prove.key = o->key;
	e->prove.json = o->json;
	e->prove.steps = json_array();
	e->codes = ctl_prove_codes();
	int code = read_mode(action, o->mode, &e->mode);
	if (!code)
		code = read_confirm(action, o->confirm, e->mode, &e->confirm_s);
	if (!code)
		code = ctl_action_number(action, "passphrase-fd", o->passphrase_fd, 0, INT_MAX,
					 &fd);
	if (!code)
		code = take_services(action, args, count, e);
	if (!code)
		code = print_steps(e, run_all(e, o, fd));
	release(e);
	return code;
}

static void tell_returned(void *ctx, bool failed, const char *sentence)
{
	(void)ctx;
	(void)fprintf(failed ? stderr : stdout, "mtlsctl: %s\n", sentence);
}

static int restore(void)
{
	_cleanup_close_ int lock = -1;
	struct mtls_diag diag = { 0 };

	/* Looking makes no folder. */
	if (access(CTL_PAM_STATE, F_OK) < 0 && errno == ENOENT)
		return CTL_OK;
	int r = ctl_pam_lock(CTL_PAM_PATIENCE_MS, &lock, &diag);
	if (r < 0)
		return ctl_error(CMD, "%s", mtls_diag_text(&diag, r));
	return ctl_pam_return_due(tell_returned, NULL) < 0 ? CTL_FAILED : CTL_OK;
}

static const struct ctl_option options[] = {
	CTL_OPTION(struct options, mode, "mode", "sufficient|required",
		   "certificate or password (sufficient); certificate only"),
	CTL_OPTION(struct options, confirm, "confirm", "TIME",
		   "until when it must be confirmed (" CONFIRM_DEFAULT "), or none"),
	CTL_OPTION(struct options, user, "user", "USER",
		   "whose certificate proves that it works; else who called sudo"),
	CTL_OPTION(struct options, key, "key", "FILE", "the key of the first exchange"),
	CTL_OPTION(struct options, passphrase_fd, "passphrase-fd", "N",
		   "read the passphrase from descriptor N instead of asking"),
	CTL_OPTION(struct options, dry_run, "dry-run", NULL, "show what would change"),
	CTL_OPTION(struct options, list, "list", NULL, "show what is enabled"),
	CTL_OPTION(struct options, restore, "restore-expired", NULL,
		   "bring back what was not confirmed in time"),
	CTL_OPTION(struct options, json, "json", NULL, "print one JSON object"),
	{ 0 },
};

static int run_enable(const struct ctl_action *action, int argc, char **argv)
{
	struct options o = { .mode = "sufficient", .confirm = CONFIRM_DEFAULT };
	char **args;
	int count;

	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (code)
		return code;
	if (geteuid() != 0)
		return ctl_error(CMD, "only root may change service files");
	if ((o.list || o.restore) && count)
		return ctl_action_usage(action, "--list and --restore-expired take no service");
	if (o.list)
		return ctl_enable_list(o.json);
	return o.restore ? restore() : start(action, &o, args, count);
}

/* clang-format off */
static const struct ctl_action actions[] = {
	{ CMD, "", "[SERVICE]...", "Puts pam_mtls into the service's file in " CTL_PAM_DIR ", after it has proven that a certificate\n"
	  "enters. The old file comes back by itself unless 'mtlsctl confirm' is given in time",
	  0, CTL_ENABLE_MAX, options, run_enable },
};
/* clang-format on */

const struct ctl_command ctl_enable = {
	.name = CMD,
	.help = "let a PAM service log in by certificate, with a way back",
	.actions = actions,
	.count = MTLS_COUNT(actions),
};
