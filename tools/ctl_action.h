/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Subcommands, with actions (`mtlsctl account add`) or without (`mtlsctl status`): tables of
 * actions and of their options, from which parsing, usage and --help are made.
 */
#ifndef MTLS_TOOLS_CTL_ACTION_H
#define MTLS_TOOLS_CTL_ACTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/ctl.h"

#define CTL_OPTIONS_MAX 24
#define CTL_VALUE_MAX   64 /* bytes of what stands for a value */

struct ctl_option {
	const char *name; /* without "--" */
	/*
	 * What stands for its value in the help; NULL: a flag. It is also what the shell completes
	 * there: see the table of tools/ctl_complete.c. Words with '|' between them are a choice.
	 */
	const char *value;
	const char *help;
	size_t offset; /* in the action's struct: of a const char *, or of a bool for a flag */
};

struct ctl_action {
	const char *command, *name;       /* "account", "add"; "" for a command without actions */
	const char *arguments;            /* "USER [KEY]"; completed like values of options */
	const char *help;                 /* sentences, without the last full stop */
	int min, max;                     /* number of arguments that are no options */
	const struct ctl_option *options; /* ends with a row without name */
	/* argv[0] is the action's name. */
	int (*run)(const struct ctl_action *action, int argc, char **argv);
};

/* A row of an action's options: where the value goes in @type. */
#define CTL_OPTION(type, member, name, value, help)                                                \
	{                                                                                          \
		name, value, help, offsetof(type, member)                                          \
	}

/*
 * Parses options into @ret, a zeroed struct of the action's; @ret_args is the first of the
 * @ret_count arguments that are no options. CTL_OK, or CTL_USAGE after saying what is wrong.
 */
int ctl_action_parse(const struct ctl_action *action, int argc, char **argv, void *ret,
		     char ***ret_args, int *ret_count);

/* "mtlsctl COMMAND ACTION: TEXT" and how to get help; returns CTL_USAGE. */
int ctl_action_usage(const struct ctl_action *action, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * The name of argument @index ("USER", of "USER [KEY]"); the last one again where it ends in "...".
 * False behind them, and where an option is needed instead.
 */
bool ctl_action_argument(const struct ctl_action *action, int index, char out[CTL_VALUE_MAX]);

/*
 * The value @text of --@option as a number in @low..@high, into @ret; a NULL @text leaves it alone.
 * CTL_OK, or CTL_USAGE after saying what is wrong.
 */
int ctl_action_number(const struct ctl_action *action, const char *option, const char *text,
		      uint32_t low, uint32_t high, uint32_t *ret);

#endif
