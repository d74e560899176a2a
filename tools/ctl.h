/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The subcommands of mtlsctl: one file each (ctl_NAME.c), which holds a struct ctl_command; the
 * list of them is in mtlsctl.c.
 */
#ifndef MTLS_TOOLS_CTL_H
#define MTLS_TOOLS_CTL_H

#include <stddef.h>

/* Exit codes of mtlsctl, as mtlsctl(8) documents them. */
enum ctl_exit {
	CTL_OK = 0,
	CTL_FAILED = 1,      /* it could not be done; standard error says why */
	CTL_USAGE = 2,       /* the command line was wrong */
	CTL_DENIED = 3,      /* try: the login was refused; check: there are findings;
			      * audit: no record was found; explain: would not enter;
			      * pin: the card refused the PIN, or has locked it */
	CTL_NO_DAEMON = 4,   /* a daemon that is needed does not run */
	CTL_UNPUBLISHED = 5, /* a change is stored, but no process sees it yet */
};

struct ctl_action;

struct ctl_command {
	const char *name;
	const char *help;  /* one line, for the list of commands */
	const char *about; /* with actions: sentences for --help */
	/* One action whose name is "": the command has no actions. */
	const struct ctl_action *actions;
	size_t count;
};

extern const struct ctl_command ctl_account;
extern const struct ctl_command ctl_audit;
extern const struct ctl_command ctl_bind;
extern const struct ctl_command ctl_check;
extern const struct ctl_command ctl_confirm;
extern const struct ctl_command ctl_disable;
extern const struct ctl_command ctl_enable;
extern const struct ctl_command ctl_enroll;
extern const struct ctl_command ctl_explain;
extern const struct ctl_command ctl_group;
extern const struct ctl_command ctl_init;
extern const struct ctl_command ctl_issue;
extern const struct ctl_command ctl_metrics;
extern const struct ctl_command ctl_pin;
extern const struct ctl_command ctl_reload;
extern const struct ctl_command ctl_renew;
extern const struct ctl_command ctl_rescue;
extern const struct ctl_command ctl_status;
extern const struct ctl_command ctl_top;
extern const struct ctl_command ctl_try;
extern const struct ctl_command ctl_watch_card;

/* The commands in the order in which they are shown; NULL behind the last. */
const struct ctl_command *ctl_command_at(size_t index);

/*
 * Runs @command: argv[0] is its name, argv[1] maybe an action. Prints to standard output, errors to
 * standard error. An exit code.
 */
int ctl_run(const struct ctl_command *command, int argc, char **argv);

#endif
