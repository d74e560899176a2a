/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The subcommands of mtlsctl: one file each (ctl_NAME.c), listed in the table of mtlsctl.c. */
#ifndef MTLS_TOOLS_CTL_H
#define MTLS_TOOLS_CTL_H

/* Exit codes of mtlsctl, as mtlsctl(8) documents them. */
enum ctl_exit {
	CTL_OK = 0,
	CTL_FAILED = 1,      /* it could not be done; standard error says why */
	CTL_USAGE = 2,       /* the command line was wrong */
	CTL_DENIED = 3,      /* try: the login was refused; check: there are findings */
	CTL_NO_DAEMON = 4,   /* mtls-accountd does not run */
	CTL_UNPUBLISHED = 5, /* a change is stored, but no process sees it yet */
};

/* argv[0] is the subcommand's name. They print to standard output, errors to standard error. */
int ctl_init(int argc, char **argv);
int ctl_issue(int argc, char **argv);
int ctl_account(int argc, char **argv);
int ctl_group(int argc, char **argv);
int ctl_bind(int argc, char **argv);
int ctl_try(int argc, char **argv);
int ctl_check(int argc, char **argv);

#endif
