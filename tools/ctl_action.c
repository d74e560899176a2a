/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Actions of a subcommand: what is parsed is what --help shows. One thread. */
#include <config.h>

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>

#include "lib/base/str.h"
#include "tools/ctl.h"
#include "tools/ctl_action.h"

#define FIRST_OPTION 256 /* above any character */

static size_t option_count(const struct ctl_action *action)
{
	size_t count = 0;

	while (action->options[count].name)
		count++;
	return count;
}

static void print_synopsis(FILE *out, const struct ctl_action *action, const char *lead)
{
	(void)fprintf(out, "%smtlsctl %s%s%s%s%s%s\n", lead, action->command,
		      *action->name ? " " : "", action->name, *action->arguments ? " " : "",
		      action->arguments, action->options->name ? " [OPTION...]" : "");
}

static void print_help(FILE *out, const struct ctl_action *action)
{
	print_synopsis(out, action, "Usage: ");
	(void)fprintf(out, "%s.\n%s", action->help, action->options->name ? "\n" : "");
	for (const struct ctl_option *o = action->options; o->name; o++) {
		char left[48];
		(void)snprintf(left, sizeof(left), "--%s%s%s", o->name, o->value ? " " : "",
			       o->value ? o->value : "");
		(void)fprintf(out, "  %-20s %s\n", left, o->help);
	}
}

int ctl_action_usage(const struct ctl_action *action, const char *fmt, ...)
{
	va_list ap;

	const char *space = *action->name ? " " : "";

	(void)fprintf(stderr, "mtlsctl %s%s%s: ", action->command, space, action->name);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	print_synopsis(stderr, action, "Usage: ");
	(void)fprintf(stderr, "Try 'mtlsctl %s%s%s --help'.\n", action->command, space,
		      action->name);
	return CTL_USAGE;
}

static void take_option(const struct ctl_option *option, void *ret)
{
	char *at = (char *)ret + option->offset;

	if (option->value)
		*(const char **)(void *)at = optarg;
	else
		*(bool *)at = true;
}

int ctl_action_parse(const struct ctl_action *action, int argc, char **argv, void *ret,
		     char ***ret_args, int *ret_count)
{
	struct option options[CTL_OPTIONS_MAX + 1] = { { 0 } };
	size_t count = option_count(action);

	if (count > CTL_OPTIONS_MAX)
		return ctl_action_usage(action, "over %d options", CTL_OPTIONS_MAX);
	for (size_t i = 0; i < count; i++)
		options[i] = (struct option){
			.name = action->options[i].name,
			.has_arg = action->options[i].value ? required_argument : no_argument,
			.val = FIRST_OPTION + (int)i,
		};
	optind = 0;
	opterr = 0;
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (c < FIRST_OPTION)
			return ctl_action_usage(action, "'%s' is %s", argv[optind - 1],
						optopt >= FIRST_OPTION
							? "missing its value, or has one too many"
							: "no option");
		take_option(&action->options[c - FIRST_OPTION], ret);
	}
	if (argc - optind < action->min || argc - optind > action->max)
		return ctl_action_usage(action, "%s",
					argc - optind < action->min ? "something is missing"
								    : "too many arguments");
	*ret_args = argv + optind;
	*ret_count = argc - optind;
	return CTL_OK;
}

static void print_actions(FILE *out, const struct ctl_action *actions, size_t count,
			  const char *about)
{
	for (size_t i = 0; i < count; i++)
		print_synopsis(out, &actions[i], i ? "       " : "Usage: ");
	(void)fprintf(out, "\n%s\n'mtlsctl %s ACTION --help' has the options.\n", about,
		      actions->command);
}

static bool wants_help(const char *arg)
{
	return mtls_streq(arg, "--help") || mtls_streq(arg, "-h");
}

int ctl_action_run(const struct ctl_action *action, int argc, char **argv)
{
	if (argc >= 2 && wants_help(argv[1])) {
		print_help(stdout, action);
		return CTL_OK;
	}
	return action->run(action, argc, argv);
}

int ctl_action_dispatch(const struct ctl_action *actions, size_t count, const char *about, int argc,
			char **argv)
{
	if (argc >= 2 && wants_help(argv[1])) {
		print_actions(stdout, actions, count, about);
		return CTL_OK;
	}
	for (size_t i = 0; argc >= 2 && i < count; i++) {
		if (!mtls_streq(argv[1], actions[i].name))
			continue;
		return ctl_action_run(&actions[i], argc - 1, argv + 1);
	}
	if (argc >= 2)
		(void)fprintf(stderr, "mtlsctl: %s: unknown action '%s'\n", argv[0], argv[1]);
	print_actions(stderr, actions, count, about);
	return CTL_USAGE;
}
