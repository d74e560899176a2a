/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mtls-accountd: the accounts. Options, then the supervisor; or, started by it, one of its
 * children.
 */
#include <config.h>

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "accountd/accountd.h"
#include "accountd/configuration.h"
#include "accountd/keeper.h"
#include "accountd/publisher.h"
#include "accountd/supervisor.h"
#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/service/notify.h"
#include "lib/settings/settings.h"

enum action {
	ACTION_RUN,
	ACTION_CHECK,
	ACTION_DUMP,
	ACTION_DONE, /* --help, --version */
	ACTION_USAGE,
};

struct options {
	enum action action;
	const char *config;
	bool catch_up;
};

static void print_help(FILE *out)
{
	(void)fputs("Usage: mtls-accountd [OPTION]...\n"
		    "Keeps the accounts and publishes them.\n"
		    "\n"
		    "  --config FILE   settings (default " MTLS_ACCOUNTD_CONF ")\n"
		    "  --foreground    stay in the foreground (always so)\n"
		    "  --check         check the settings, then end\n"
		    "  --catch-up      go on with a store that is older than the snapshot\n"
		    "  --dump-config   print every setting with its value and source\n"
		    "  --help          this text\n"
		    "  --version       the version\n"
		    "\n"
		    "See mtls-accountd(8).\n",
		    out);
}

static struct options parse(int argc, char **argv)
{
	static const struct option table[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "foreground", no_argument, NULL, 'f' },
		{ "check", no_argument, NULL, 'k' },
		{ "catch-up", no_argument, NULL, 'u' },
		{ "dump-config", no_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	struct options options = { .action = ACTION_RUN, .config = MTLS_ACCOUNTD_CONF };
	int c;

	while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
		switch (c) {
		case 'c':
			options.config = optarg;
			break;
		case 'f':
			break;
		case 'k':
			options.action = ACTION_CHECK;
			break;
		case 'u':
			options.catch_up = true;
			break;
		case 'd':
			options.action = ACTION_DUMP;
			break;
		case 'h':
			print_help(stdout);
			return (struct options){ .action = ACTION_DONE };
		case 'v':
			(void)printf("mtls-accountd (%s) %s\n", PACKAGE_NAME, PACKAGE_VERSION);
			return (struct options){ .action = ACTION_DONE };
		default:
			return (struct options){ .action = ACTION_USAGE };
		}
	}
	if (optind != argc)
		options.action = ACTION_USAGE;
	return options;
}

static int dump(const char *path)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(1024 * 1024);
	struct mtls_diag diag = { 0 };

	int r = mtls_settings_accountd_dump(path, &text, &diag);
	if (r < 0) {
		mtls_log(MTLS_LOG_ERROR, "%s", mtls_diag_text(&diag, r));
		return ACCOUNTD_EXIT_CONFIG;
	}
	bool written = fwrite(text.data, 1, text.len, stdout) == text.len && fflush(stdout) == 0;
	return written ? ACCOUNTD_EXIT_OK : ACCOUNTD_EXIT_OSERR;
}

static int check_or_run(const struct options *options)
{
	_cleanup_(configuration_freep) struct configuration *config = NULL;
	struct mtls_diag diag = { 0 };

	if (options->action == ACTION_RUN && geteuid() != 0) {
		mtls_log(MTLS_LOG_ERROR, "mtls-accountd must be started as root");
		return ACCOUNTD_EXIT_NOPERM;
	}
	int r = configuration_load(options->config, &config, &diag);
	if (r < 0) {
		mtls_log(MTLS_LOG_ERROR, "%s", mtls_diag_text(&diag, r));
		return ACCOUNTD_EXIT_CONFIG;
	}
	if (options->action == ACTION_CHECK)
		return ACCOUNTD_EXIT_OK;
	return supervisor_run(MTLS_TAKE(config), options->config, options->catch_up);
}

/* `--store-process PID UID GID AUTHD_UID PING_MS catch-up|strict` */
static int store_process(char **argv)
{
	struct keeper_setup setup = { .catch_up = mtls_streq(argv[7], "catch-up") };
	uint32_t numbers[5];

	for (size_t i = 0; i < MTLS_COUNT(numbers); i++)
		if (mtls_parse_u32(argv[2 + i], &numbers[i]) < 0)
			return ACCOUNTD_EXIT_USAGE;
	setup.supervisor = (pid_t)numbers[0];
	setup.uid = numbers[1];
	setup.gid = numbers[2];
	setup.authd_uid = numbers[3];
	setup.ping_ms = numbers[4];
	return keeper_run(&setup);
}

static int publisher_process(char **argv)
{
	uint32_t pid = 0;

	return mtls_parse_u32(argv[2], &pid) < 0 ? ACCOUNTD_EXIT_USAGE : publisher_run((pid_t)pid);
}

int main(int argc, char **argv)
{
	if (argc == 8 && mtls_streq(argv[1], "--store-process"))
		return store_process(argv);
	if (argc == 3 && mtls_streq(argv[1], "--publisher-process"))
		return publisher_process(argv);
	mtls_service_init();
	const struct options options = parse(argc, argv);
	switch (options.action) {
	case ACTION_DONE:
		return fflush(stdout) == 0 ? ACCOUNTD_EXIT_OK : ACCOUNTD_EXIT_OSERR;
	case ACTION_USAGE:
		print_help(stderr);
		return ACCOUNTD_EXIT_USAGE;
	case ACTION_DUMP:
		return dump(options.config);
	case ACTION_CHECK:
	case ACTION_RUN:
		break;
	}
	return check_or_run(&options);
}
