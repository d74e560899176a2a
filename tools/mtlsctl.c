/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The administrator's tool: the list of its subcommands, one file each. */
#include <config.h>

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "tools/ctl.h"
#include "tools/ctl_common.h"
#include "tools/ctl_complete.h"
#include "tools/ctl_pam_return.h"
#include "tools/ctl_term.h"
#include "tools/ctl_words.h"

#define COMMANDS_MAX 16 /* of one task */

/* By what a person wants to do, and in the order in which one does it. A line each. */
/* clang-format off */
static const struct task {
	const char *title;
	const struct ctl_command *commands[COMMANDS_MAX]; /* NULL behind the last */
} tasks[] = {
	{ "Set up", {
		&ctl_init,
		&ctl_rescue,
		&ctl_check,
		&ctl_enable,
		&ctl_confirm,
		&ctl_disable,
	} },
	{ "People", {
		&ctl_enroll,
		&ctl_issue,
		&ctl_renew,
		&ctl_account,
		&ctl_group,
		&ctl_bind,
	} },
	{ "Cards", {
		&ctl_pin,
		&ctl_watch_card,
	} },
	{ "Operate", {
		&ctl_status,
		&ctl_reload,
		&ctl_top,
		&ctl_metrics,
	} },
	{ "Find out", {
		&ctl_audit,
		&ctl_explain,
		&ctl_try,
	} },
};
/* clang-format on */

const struct ctl_command *ctl_command_at(size_t index)
{
	for (size_t i = 0; i < MTLS_COUNT(tasks); i++)
		for (const struct ctl_command *const *c = tasks[i].commands; *c; c++)
			if (index-- == 0)
				return *c;
	return NULL;
}

static const struct ctl_command *find_command(const char *name, struct ctl_nearest *nearest)
{
	const struct ctl_command *command;

	for (size_t i = 0; (command = ctl_command_at(i)); i++) {
		if (mtls_streq(command->name, name))
			return command;
		ctl_nearest_try(nearest, name, command->name);
	}
	return NULL;
}

static void print_usage(FILE *out)
{
	const char *title = ctl_style(out, CTL_STYLE_TITLE);
	const char *plain = ctl_style(out, CTL_STYLE_PLAIN);

	(void)fprintf(out, "Usage: mtlsctl COMMAND [OPTION...]\n");
	for (size_t i = 0; i < MTLS_COUNT(tasks); i++) {
		(void)fprintf(out, "\n%s%s%s\n", title, tasks[i].title, plain);
		for (const struct ctl_command *const *c = tasks[i].commands; *c; c++)
			(void)fprintf(out, "  %-10s %s\n", (*c)->name, (*c)->help);
	}
	(void)fprintf(out, "\n'mtlsctl COMMAND --help' has the options. See mtlsctl(8).\n");
}

static int unknown_command(const char *name, const struct ctl_nearest *nearest)
{
	(void)ctl_fail(CTL_USAGE, "unknown command '%s'%s%s%s", name,
		       nearest->word ? ": did you mean '" : "", nearest->word ? nearest->word : "",
		       nearest->word ? "'?" : "");
	(void)fprintf(stderr, "'mtlsctl --help' lists the commands.\n");
	return CTL_USAGE;
}

/* What could not be printed was not said: a full disk is a failure. */
static int flushed(int code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	(void)fprintf(stderr, "mtlsctl: cannot write to standard output\n");
	return CTL_FAILED;
}

/*
 * A closed descriptor 0, 1 or 2 would go to the next file that is opened: the lock, a key, the
 * snapshot; and a message into it. Opened for reading, so that output still fails.
 */
static int occupy_stdio(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != fd)
			return -1;
	return 0;
}

/* Before anything is parsed: a command line that is wrong has an answer that a program can read. */
static bool wants_json(int argc, char **argv)
{
	for (int i = 2; i < argc && !mtls_streq(argv[i], "--"); i++)
		if (mtls_streq(argv[i], "--json"))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	struct ctl_nearest nearest = { 0 };

	if (occupy_stdio() < 0)
		return CTL_FAILED;
	/* TLS secrets are written to no file, whoever asks. A closed pipe is an error, no signal.
	 */
	(void)unsetenv("SSLKEYLOGFILE");
	(void)signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		print_usage(stderr);
		return CTL_USAGE;
	}
	if (mtls_streq(argv[1], "--help") || mtls_streq(argv[1], "-h")) {
		print_usage(stdout);
		return flushed(CTL_OK);
	}
	if (mtls_streq(argv[1], "--version")) {
		(void)printf("mtlsctl (%s) %s\n", PACKAGE_NAME, PACKAGE_VERSION);
		return flushed(CTL_OK);
	}
	if (mtls_streq(argv[1], "--complete")) {
		ctl_complete(argc - 2, argv + 2);
		return flushed(CTL_OK);
	}
	const struct ctl_command *command = find_command(argv[1], &nearest);
	if (command)
		ctl_pam_return_by_the_way();
	int code =
		command ? ctl_run(command, argc - 1, argv + 1) : unknown_command(argv[1], &nearest);
	if (code != CTL_OK && wants_json(argc, argv))
		ctl_print_error(code);
	return flushed(code);
}
