/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Actions of a subcommand: what is parsed is what --help shows. One thread. */
#include <config.h>

#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/str.h"
#include "tools/ctl_action.h"
#include "tools/ctl_common.h"
#include "tools/ctl_words.h"

#define FIRST_OPTION 256 /* above any character */
#define LEFT_WIDTH   20  /* columns of an option before its help; a longer one has its own line */

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
		int left = fprintf(out, "  --%s%s%s", o->name, o->value ? " " : "",
				   o->value ? o->value : "");
		if (left > LEFT_WIDTH + 2)
			(void)fprintf(out, "\n%*s", LEFT_WIDTH + 2, "");
		else
			(void)fprintf(out, "%*s", LEFT_WIDTH + 2 - left, "");
		(void)fprintf(out, " %s\n", o->help);
	}
}

int ctl_action_usage(const struct ctl_action *action, const char *fmt, ...)
{
	const char *space = *action->name ? " " : "";
	char lead[CTL_LEAD_MAX];
	va_list ap;

	(void)snprintf(lead, sizeof(lead), "mtlsctl %s%s%s", action->command, space, action->name);
	va_start(ap, fmt);
	ctl_complain(lead, fmt, ap);
	va_end(ap);
	print_synopsis(stderr, action, "Usage: ");
	(void)fprintf(stderr, "Try '%s --help'.\n", lead);
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

int ctl_action_number(const struct ctl_action *action, const char *option, const char *text,
		      uint32_t low, uint32_t high, uint32_t *ret)
{
	uint32_t value;

	if (!text)
		return CTL_OK;
	if (mtls_parse_u32(text, &value) < 0 || value < low || value > high)
		return ctl_action_usage(
			action, "--%s needs a number from %" PRIu32 " to %" PRIu32 ", not '%s'",
			option, low, high, text);
	*ret = value;
	return CTL_OK;
}

/* What getopt_long() did not take: @typed, with its dashes. */
static int wrong_option(const struct ctl_action *action, const char *typed)
{
	struct ctl_nearest nearest = { 0 };

	if (optopt >= FIRST_OPTION)
		return ctl_action_usage(action, "'%s' is missing its value, or has one too many",
					typed);
	for (const struct ctl_option *o = action->options; strlen(typed) > 2 && o->name; o++)
		ctl_nearest_try(&nearest, typed + 2, o->name);
	if (nearest.word)
		return ctl_action_usage(action, "'%s' is no option: did you mean '--%s'?", typed,
					nearest.word);
	return ctl_action_usage(action, "'%s' is no option", typed);
}

bool ctl_action_argument(const struct ctl_action *action, int index, char out[CTL_VALUE_MAX])
{
	const char *cursor = action->arguments;
	size_t len;

	for (int i = 0;; i++) {
		const char *word = mtls_split_next(&cursor, ' ', &len);
		if (!word || !len || *word == '-')
			return false;
		bool repeats = len > 3 && strncmp(word + len - 3, "...", 3) == 0;
		if (i < index && !repeats)
			continue;
		bool brackets = *word == '[';
		len -= (repeats ? 3 : 0) + (brackets ? 2 : 0);
		(void)snprintf(out, CTL_VALUE_MAX, "%.*s", (int)len, word + (brackets ? 1 : 0));
		return true;
	}
}

static int missing_argument(const struct ctl_action *action, int index)
{
	char name[CTL_VALUE_MAX];

	if (!ctl_action_argument(action, index, name))
		return ctl_action_usage(action, "an argument is missing");
	return ctl_action_usage(action, "%s is missing", name);
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
			return wrong_option(action, argv[optind - 1]);
		take_option(&action->options[c - FIRST_OPTION], ret);
	}
	if (argc - optind < action->min)
		return missing_argument(action, argc - optind);
	if (argc - optind > action->max)
		return ctl_action_usage(action, "unexpected argument '%s'",
					argv[optind + action->max]);
	*ret_args = argv + optind;
	*ret_count = argc - optind;
	return CTL_OK;
}

static void print_actions(FILE *out, const struct ctl_command *command)
{
	for (size_t i = 0; i < command->count; i++)
		print_synopsis(out, &command->actions[i], i ? "       " : "Usage: ");
	(void)fprintf(out, "\n%s\n'mtlsctl %s ACTION --help' has the options.\n", command->about,
		      command->name);
}

static bool wants_help(const char *arg)
{
	return mtls_streq(arg, "--help") || mtls_streq(arg, "-h");
}

static int run_action(const struct ctl_action *action, int argc, char **argv)
{
	if (argc >= 2 && wants_help(argv[1])) {
		print_help(stdout, action);
		return CTL_OK;
	}
	return action->run(action, argc, argv);
}

static int unknown_action(const struct ctl_command *command, const char *name)
{
	struct ctl_nearest nearest = { 0 };

	for (size_t i = 0; i < command->count; i++)
		ctl_nearest_try(&nearest, name, command->actions[i].name);
	(void)ctl_error(command->name, "unknown action '%s'%s%s%s", name,
			nearest.word ? ": did you mean '" : "", nearest.word ? nearest.word : "",
			nearest.word ? "'?" : "");
	(void)fprintf(stderr, "'mtlsctl %s --help' lists the actions.\n", command->name);
	return CTL_USAGE;
}

int ctl_run(const struct ctl_command *command, int argc, char **argv)
{
	if (!*command->actions->name)
		return run_action(command->actions, argc, argv);
	if (argc < 2) {
		print_actions(stderr, command);
		return CTL_USAGE;
	}
	if (wants_help(argv[1])) {
		print_actions(stdout, command);
		return CTL_OK;
	}
	for (size_t i = 0; i < command->count; i++)
		if (mtls_streq(argv[1], command->actions[i].name))
			return run_action(&command->actions[i], argc - 1, argv + 1);
	return unknown_action(command, argv[1]);
}
