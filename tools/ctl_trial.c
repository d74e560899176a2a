/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs `mtlsctl try` as another program, which has never seen root's memory, and reads its answer.
 */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "lib/wire/reason.h"
#include "tools/ctl.h"
#include "tools/ctl_ca.h"
#include "tools/ctl_trial.h"

#define ANSWER_MAX    65536
#define ARGUMENTS_MAX 24

void ctl_trial_done(struct ctl_trial *trial)
{
	json_decref(trial->json);
	trial->json = NULL;
}

static const char *string_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));
	return text ? text : "";
}

static int judge(struct ctl_trial *trial, int code, struct mtls_diag *diag)
{
	const char *reason = string_of(trial->json, "reason");
	const char *detail = string_of(trial->json, "detail");
	const char *advice = string_of(trial->json, "advice");
	bool allowed = json_is_true(json_object_get(trial->json, "allowed"));

	if (!trial->json || !*reason || allowed != (code == CTL_OK))
		return mtls_diag_set(diag, -EIO, "'mtlsctl try' gave no answer (status %d)", code);
	trial->verdict = allowed ? CTL_TRIAL_ALLOWED
			 : mtls_streq(reason, mtls_reason_token(MTLS_REASON_UNREACHABLE))
				 ? CTL_TRIAL_NONE
				 : CTL_TRIAL_REFUSED;
	(void)mtls_diag_set(&trial->text, 0, "%s (%s)%s%s%s%s", string_of(trial->json, "text"),
			    reason, *detail ? ": " : "", detail, *advice ? "; " : "", advice);
	return 0;
}

static void add_option(const char *argv[ARGUMENTS_MAX], const char *option, const char *value)
{
	size_t count = 0;

	while (argv[count])
		count++;
	if (!value || count + 2 >= ARGUMENTS_MAX)
		return;
	argv[count] = option;
	argv[count + 1] = value;
}

int ctl_trial_run(const struct ctl_person *person, const struct ctl_trial_plan *plan,
		  const struct mtls_buf *secret, struct ctl_trial *ret, struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf answer = MTLS_BUF(ANSWER_MAX);
	char conf[PATH_MAX];

	if (ctl_dir_path(plan->dir, "pam_mtls.conf", conf) < 0)
		return mtls_diag_set(diag, -ENAMETOOLONG, "'%s': path too long", plan->dir);
	if (access(conf, F_OK) < 0) {
		ret->verdict = CTL_TRIAL_NONE;
		(void)mtls_diag_set(&ret->text, 0, "this machine has no '%s'", conf);
		return 0;
	}
	const char *argv[ARGUMENTS_MAX] = {
		"mtlsctl",    "try",    "--json", "--service",       plan->service, "--user",
		person->name, "--conf", conf,     "--passphrase-fd", "3",
	};
	add_option(argv, "--key", plan->key_file);
	add_option(argv, "--source", plan->source);
	add_option(argv, "--uri", plan->uri);
	add_option(argv, "--socket", plan->socket);
	int code = ctl_person_exec(person, (char *const *)(uintptr_t)argv, secret, &answer, diag);
	if (code < 0)
		return code;
	ret->json = json_loadb((const char *)answer.data, answer.len, 0, NULL);
	return judge(ret, code, diag);
}
