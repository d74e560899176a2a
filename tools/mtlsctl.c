/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The administrator's tool: a table of subcommands, one file each. */
#include <config.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "tools/ctl_common.h"

/* clang-format off */
static const struct ctl_command commands[] = {
	{ "init", ctl_init, "--name SERVERNAME [--dir DIR] [--dry-run]",
	  "make CAs, the server's certificate and the first configuration",
	  "  --name SERVERNAME  the DNS name of the machine that runs mtls-authd\n"
	  "  --dir DIR          instead of " MTLS_SYSCONFDIR "\n"
	  "  --dry-run          say what would be made\n" },
	{ "issue", ctl_issue, "USER [--out FILE] [--days N] [--cn TEXT] [--passphrase-fd N] [--bind] [--dir DIR]",
	  "make a person's key and certificate",
	  "  --out FILE         instead of ~USER/.config/mtls/USER.pem\n"
	  "  --days N           how long the certificate is valid (365)\n"
	  "  --cn TEXT          the name in the certificate (USER)\n"
	  "  --passphrase-fd N  read the passphrase from descriptor N instead of asking\n"
	  "  --bind             bind the certificate's key to the account USER\n"
	  "  --dir DIR          instead of " MTLS_SYSCONFDIR "\n" },
	{ "account", ctl_account, "ACTION ...", "the accounts that pam-mtls itself provides", "" },
	{ "group", ctl_group, "ACTION ...", "the groups of these accounts", "" },
	{ "bind", ctl_bind, "ACTION ...", "which certificate belongs to which account", "" },
	{ "try", ctl_try, "[--service S] [--user U] [--key FILE] [--conf FILE] [--passphrase-fd N] [--json]",
	  "make the exchange as a login would, and show each step",
	  "  --service S        the PAM service to name (mtlsctl)\n"
	  "  --user U           the account to ask for; else the certificate decides\n"
	  "  --key FILE         instead of the files in ~/.config/mtls\n"
	  "  --conf FILE        instead of " MTLS_SYSCONFDIR "/pam_mtls.conf\n"
	  "  --passphrase-fd N  read the passphrase from descriptor N instead of asking\n"
	  "  --json             print one JSON object\n" },
	{ "check", ctl_check, "[--dir DIR] [--dump-config] [--service S] [--json]",
	  "look for mistakes in configuration, files and system",
	  "  --dir DIR          instead of " MTLS_SYSCONFDIR "\n"
	  "  --dump-config      print every key with its value and source\n"
	  "  --service S        the PAM service whose section is dumped\n"
	  "  --json             print one JSON object\n" },
};
/* clang-format on */

const struct ctl_command *ctl_find(const char *name)
{
	for (size_t i = 0; i < MTLS_COUNT(commands); i++)
		if (mtls_streq(commands[i].name, name))
			return &commands[i];
	return NULL;
}

void ctl_print_help(FILE *out, const char *name)
{
	const struct ctl_command *command = ctl_find(name);

	if (!command)
		return;
	(void)fprintf(out, "Usage: mtlsctl %s %s\n%s.\n\n%s", command->name, command->usage,
		      command->help, command->options);
}

static void print_usage(FILE *out)
{
	(void)fprintf(out, "Usage: mtlsctl COMMAND [OPTION...]\n\nCommands:\n");
	for (size_t i = 0; i < MTLS_COUNT(commands); i++)
		(void)fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
	(void)fprintf(out, "\n'mtlsctl COMMAND --help' has the options. See mtlsctl(8).\n");
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

int main(int argc, char **argv)
{
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
	const struct ctl_command *command = ctl_find(argv[1]);
	if (!command) {
		(void)fprintf(stderr, "mtlsctl: unknown command '%s'\n", argv[1]);
		print_usage(stderr);
		return CTL_USAGE;
	}
	return flushed(command->run(argc - 1, argv + 1));
}
