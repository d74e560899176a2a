/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mtlsctl reload: mtls-authd reads its configuration again; waits for what came of it. */
#include <config.h>

#include <errno.h>
#include <stdio.h>

#include "lib/control/authd.h"
#include "tools/ctl_action.h"
#include "tools/ctl_common.h"
#include "tools/ctl_json.h"
#include "tools/ctl_term.h"

#define CMD         "reload"
#define PATIENCE_MS 120000 /* new workers start, lists of a hundred thousand entries are read */

struct options {
	bool json;
};

static const struct ctl_option options[] = {
	CTL_OPTION(struct options, json, "json", NULL, "print one JSON object"),
	{ 0 },
};

static int say_no_answer(const struct ctl_daemon *daemon)
{
	if (daemon->state == CTL_DAEMON_DOWN)
		return ctl_fail(CTL_NO_DAEMON, "mtls-authd does not run. Start it with: %s",
				ctl_start_command(CTL_AUTHD));
	if (daemon->err == -EACCES)
		return ctl_fail(CTL_FAILED, "only root may reload mtls-authd: try sudo");
	return ctl_fail(CTL_FAILED,
			"mtls-authd: %s: what was done is not known; look with "
			"mtlsctl status",
			daemon->diag.text);
}

static int report(const struct ctl_daemon *daemon, bool json)
{
	if (daemon->state != CTL_DAEMON_ANSWERED)
		return say_no_answer(daemon);
	const struct mtls_control_end *end = &daemon->end->u.control_end;
	if (end->code != MTLS_CONTROL_OK)
		return ctl_fail(CTL_FAILED, "nothing was changed: %s",
				end->text ? end->text : "mtls-authd does not say why; see its log");
	if (json)
		return ctl_json_print(ctl_json_fields(&end->fields));
	(void)printf("mtls-authd uses the new configuration, generation %s\n",
		     ctl_field(&end->fields, "generation"));
	return CTL_OK;
}

static int run_reload(const struct ctl_action *action, int argc, char **argv)
{
	_cleanup_(ctl_daemon_done) struct ctl_daemon daemon = { 0 };
	struct options o = { 0 };
	char **args;
	int count;

	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (code)
		return code;
	ctl_progress("mtls-authd reads its configuration and starts new workers ...");
	ctl_daemon_ask(&daemon, CTL_AUTHD, MTLS_AUTHD_VERB_RELOAD, PATIENCE_MS);
	return report(&daemon, o.json);
}

/* clang-format off */
static const struct ctl_action actions[] = {
	{ CMD, "", "", "Makes mtls-authd read its configuration, certificates and revocation lists again, and waits.\n"
	  "A mistake in them changes nothing. No login is lost",
	  0, 0, options, run_reload },
};
/* clang-format on */

const struct ctl_command ctl_reload = {
	.name = CMD,
	.help = "make mtls-authd read its configuration again",
	.actions = actions,
	.count = MTLS_COUNT(actions),
};
