/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The self-test of `mtlsctl enable`. Every proof starts as failed. */
#include <config.h>

#include <shadow.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "lib/rescue/store.h"
#include "lib/settings/pam_mtls.h"
#include "tools/ctl_check.h"
#include "tools/ctl_common.h"
#include "tools/ctl_pam_prove.h"
#include "tools/ctl_pam_trial.h"
#include "tools/ctl_trial.h"

#define CMD     "enable"
#define CONSOLE "tty1"
#define REMOTE  "pts/0"

#define CONSOLE_SERVICE "login"

#define BOOT_UNIT "/etc/systemd/system/multi-user.target.wants/mtls-pam-return.service"

void ctl_prove_step(const struct ctl_prove *prove, const char *name, const char *fmt, ...)
{
	char text[MTLS_DIAG_MAX];
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	if (prove->json)
		(void)json_array_append_new(prove->steps,
					    json_pack("{s:s, s:s}", "step", name, "text", text));
	else
		(void)printf("%-14s %s\n", name, text);
	(void)fflush(stdout);
}

int ctl_prove_person(const char *user, struct ctl_prove *ret)
{
	if (!user)
		user = secure_getenv("SUDO_USER");
	if (!user || mtls_streq(user, "root"))
		return ctl_error(CMD, "whose certificate shall prove that it works? Name an "
				      "administrator with --user; root has none here");
	struct mtls_diag diag = { 0 };
	int r = ctl_person_find(user, &ret->person, &diag);
	if (r < 0)
		return ctl_error(CMD, "%s", mtls_diag_text(&diag, r));
	if (ret->person.uid == 0)
		return ctl_error(CMD, "'%s' has the user id 0, which no certificate becomes", user);
	return CTL_OK;
}

int ctl_prove_check(const struct ctl_prove *prove)
{
	size_t errors = 1, warnings = 0;

	if (check_errors(stderr, &errors, &warnings) < 0)
		return ctl_error(CMD, "out of memory");
	if (errors)
		return ctl_error(CMD, "'mtlsctl check' finds %zu error%s: put %s right first",
				 errors, errors == 1 ? "" : "s", errors == 1 ? "it" : "them");
	ctl_prove_step(prove, "check", "0 errors, %zu warnings", warnings);
	return CTL_OK;
}

bool ctl_prove_codes(void)
{
	_cleanup_(mtls_rescue_set_freep) struct mtls_rescue_set *set = NULL;

	return mtls_rescue_load(MTLS_RESCUE_FOLDER, &set, NULL) == 0 &&
	       mtls_rescue_set_has_user(set, "root") && mtls_rescue_set_unused(set) > 0;
}

int ctl_prove_rescue(const struct ctl_prove *prove, bool codes)
{
	const struct spwd *root = getspnam("root");
	/* "!" and "*" are locked; empty is no password but an open door. */
	bool password = root && root->sp_pwdp && strlen(root->sp_pwdp) >= 13 &&
			!strchr("!*", root->sp_pwdp[0]);

	if (!password && !codes)
		return ctl_error(CMD, "root has no password that works, and there are no rescue "
				      "codes for root: nobody could log in at the console if "
				      "certificates failed. 'mtlsctl rescue new' makes codes, "
				      "'passwd root' a password; or use --mode sufficient");
	ctl_prove_step(prove, "rescue", "root at the console: %s%s%s", password ? "a password" : "",
		       password && codes ? ", " : "", codes ? "rescue codes" : "");
	return CTL_OK;
}

/* Without systemd there is nothing to say: what starts mtlsctl at boot there is not ours to know.
 */
int ctl_prove_boot(const struct ctl_prove *prove, bool needed)
{
	if (access("/run/systemd/system", F_OK) < 0 || access(BOOT_UNIT, F_OK) == 0)
		return CTL_OK;
	if (needed)
		return ctl_error(CMD, "after a restart nothing would bring the change back: "
				      "systemctl enable --now mtls-pam-return.service "
				      "mtls-pam-return.timer");
	ctl_prove_step(prove, "note",
		       "after a restart only the next mtlsctl brings the change back; better: "
		       "systemctl enable --now mtls-pam-return.service mtls-pam-return.timer");
	return CTL_OK;
}

int ctl_prove_settings(const char *service)
{
	struct mtls_settings_pam *settings = NULL;
	struct mtls_diag diag = { 0 };

	int r = mtls_settings_pam_load(MTLS_PAM_CONF, service, 0, NULL, &settings, &diag);
	if (r < 0)
		return ctl_error(CMD, "%s", mtls_diag_text(&diag, r));
	bool enforced = settings->account == MTLS_ACCOUNT_ENFORCE;
	mtls_settings_pam_free(settings);
	if (enforced)
		return ctl_error(CMD,
				 "'%s' has account = enforce for '%s': that refuses every "
				 "other way in, also those that must stay. Take it out first",
				 MTLS_PAM_CONF, service);
	return CTL_OK;
}

int ctl_prove_exchange(const struct ctl_prove *prove, const char *service)
{
	const struct ctl_trial_plan plan = {
		.dir = MTLS_SYSCONFDIR,
		.service = service,
		.key_file = prove->key,
	};
	struct ctl_trial trial = { .verdict = CTL_TRIAL_NONE };
	struct mtls_diag diag = { 0 };

	int r = ctl_trial_run(&prove->person, &plan, &prove->secret, &trial, &diag);
	bool allowed = r >= 0 && trial.verdict == CTL_TRIAL_ALLOWED;
	ctl_trial_done(&trial);
	if (!allowed)
		return ctl_error(CMD,
				 "'%s' does not enter '%s' by certificate: %s. Nothing was "
				 "changed",
				 prove->person.name, service,
				 mtls_diag_text(r < 0 ? &diag : &trial.text, r));
	ctl_prove_step(prove, "exchange", "'%s' enters '%s' by certificate", prove->person.name,
		       service);
	return CTL_OK;
}

/* --- the stack on libpam --- */

static const char *const ends[] = {
	[CTL_PAM_TRIAL_BROKEN] = "libpam does not get through it",
	[CTL_PAM_TRIAL_DENIED] = "refused without a question",
	[CTL_PAM_TRIAL_ASKED] = "asked for something else",
	[CTL_PAM_TRIAL_ENTERED] = "entered without a question",
};

struct expectation {
	const char *what;
	const struct mtls_buf *text;
	const char *user, *tty;
	const struct mtls_buf *secret;
	enum ctl_pam_trial_end want;
};

static enum ctl_pam_trial_end run_trial(const struct ctl_prove *prove, const char *service,
					const struct expectation *e, struct mtls_diag *ret_said)
{
	const struct ctl_pam_trial trial = {
		.service = service,
		.text = e->text,
		.user = e->user,
		.tty = e->tty,
		.uid = prove->person.uid,
		.gid = prove->person.gid,
		.secret = e->secret,
	};

	return ctl_pam_trial_run(&trial, ret_said);
}

static int expect(const struct ctl_prove *prove, const char *service, const struct expectation *e)
{
	struct mtls_diag said = { 0 };

	enum ctl_pam_trial_end end = run_trial(prove, service, e, &said);
	if (end != e->want)
		return ctl_error(CMD, "'%s', %s: %s%s%s. Nothing was changed", service, e->what,
				 ends[end], *said.text ? ": " : "", said.text);
	ctl_prove_step(prove, "stack", "'%s', %s: as it should be", service, e->what);
	return CTL_OK;
}

/* What every console has: if root does not get in by it, there is no way back. */
static int no_console(void)
{
	return ctl_error(CMD, "'" CONSOLE_SERVICE "', root at the console: refused, as it is now "
			      "already. Nobody could log in there if certificates failed: let root "
			      "in at " CONSOLE ", or use --mode sufficient. Nothing was changed");
}

/* Another service that has never let root in at a console need not do so now. */
static bool root_was_asked(const struct ctl_prove *prove, const struct ctl_prove_stack *stack)
{
	const struct expectation before = { "", stack->before, "root", CONSOLE, NULL, 0 };
	struct mtls_diag said = { 0 };

	return run_trial(prove, stack->service, &before, &said) == CTL_PAM_TRIAL_ASKED;
}

static int expect_all(const struct ctl_prove *prove, const char *service,
		      const struct expectation *list, size_t count)
{
	int code = CTL_OK;

	for (size_t i = 0; code == CTL_OK && i < count; i++)
		code = expect(prove, service, &list[i]);
	return code;
}

int ctl_prove_stack(const struct ctl_prove *prove, const struct ctl_prove_stack *stack)
{
	const char *user = prove->person.name;
	const struct expectation always[] = {
		{ "as it is now: a password is asked for", stack->before, user, NULL, NULL,
		  CTL_PAM_TRIAL_ASKED },
		/* A card counts for who sits in front of the machine. */
		{ "with the certificate", stack->now, user, CONSOLE, &prove->secret,
		  CTL_PAM_TRIAL_ENTERED },
	};
	const struct expectation sufficient[] = {
		{ "without the module: the password is still asked for", stack->absent, user, NULL,
		  NULL, CTL_PAM_TRIAL_ASKED },
	};
	const struct expectation required[] = {
		{ "without a certificate: refused", stack->absent, user, NULL, NULL,
		  CTL_PAM_TRIAL_DENIED },
		{ "root from elsewhere, without a certificate: refused", stack->absent, "root",
		  REMOTE, NULL, CTL_PAM_TRIAL_DENIED },
	};
	const struct expectation console[] = {
		{ "root at the console, without the module: the password is still asked for",
		  stack->absent, "root", CONSOLE, NULL, CTL_PAM_TRIAL_ASKED },
	};

	int code = expect_all(prove, stack->service, always, MTLS_COUNT(always));
	if (code)
		return code;
	if (stack->mode == MTLS_STACK_SUFFICIENT)
		return expect_all(prove, stack->service, sufficient, MTLS_COUNT(sufficient));
	code = expect_all(prove, stack->service, required, MTLS_COUNT(required));
	if (code)
		return code;
	if (root_was_asked(prove, stack))
		return expect_all(prove, stack->service, console, MTLS_COUNT(console));
	return mtls_streq(stack->service, CONSOLE_SERVICE) ? no_console() : CTL_OK;
}
