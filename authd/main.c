/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mtls-authd: the verifier. Options, then the supervisor; or, started by it, a lookup process. */
#include <config.h>

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "authd/configuration.h"
#include "authd/lookup.h"
#include "authd/supervisor.h"
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
};

static void print_help(FILE *out)
{
	(void)fputs("Usage: mtls-authd [OPTION]...\n"
		    "The verifier of certificate logins.\n"
		    "\n"
		    "  --config FILE   settings (default " MTLS_AUTHD_CONF ")\n"
		    "  --foreground    stay in the foreground (always so)\n"
		    "  --check         check settings, keys and certificates, then end\n"
		    "  --dump-config   print every setting with its value and source\n"
		    "  --help          this text\n"
		    "  --version       the version\n"
		    "\n"
		    "See mtls-authd(8).\n",
		    out);
}

static struct options parse(int argc, char **argv)
{
	static const struct option table[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "foreground", no_argument, NULL, 'f' },
		{ "check", no_argument, NULL, 'k' },
		{ "dump-config", no_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	struct options options = { .action = ACTION_RUN, .config = MTLS_AUTHD_CONF };
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
		case 'd':
			options.action = ACTION_DUMP;
			break;
		case 'h':
			print_help(stdout);
			return (struct options){ .action = ACTION_DONE };
		case 'v':
			(void)printf("mtls-authd (%s) %s\n", PACKAGE_NAME, PACKAGE_VERSION);
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

	int r = mtls_settings_authd_dump(path, &text, &diag);
	if (r < 0) {
		mtls_log(MTLS_LOG_ERROR, "%s", mtls_diag_text(&diag, r));
		return AUTHD_EXIT_CONFIG;
	}
	bool written = fwrite(text.data, 1, text.len, stdout) == text.len && fflush(stdout) == 0;
	return written ? AUTHD_EXIT_OK : AUTHD_EXIT_OSERR;
}

static int check_or_run(const struct options *options)
{
	_cleanup_(configuration_freep) struct configuration *config = NULL;
	struct mtls_diag diag = { 0 };

	if (options->action == ACTION_RUN && geteuid() != 0) {
		mtls_log(MTLS_LOG_ERROR, "mtls-authd must be started as root, which it gives up");
		return AUTHD_EXIT_NOPERM;
	}
	int r = configuration_load(options->config, 1, NULL, &config, &diag);
	if (r < 0) {
		mtls_log(MTLS_LOG_ERROR, "%s", mtls_diag_text(&diag, r));
		return AUTHD_EXIT_CONFIG;
	}
	if (config->settings->debug)
		mtls_log_set_level(MTLS_LOG_DEBUG);
	if (options->action == ACTION_RUN)
		return supervisor_run(MTLS_TAKE(config), options->config);
	expiries_log(&config->expiries, (int64_t)time(NULL), true);
	return AUTHD_EXIT_OK;
}

/* `--lookup-process KIND PID`, by the supervisor only: lookup_run() checks that. */
static int lookup_process(char **argv)
{
	uint32_t pid = 0;
	int kind = mtls_lookup_kind_parse(argv[2]);

	if (kind < 0 || mtls_parse_u32(argv[3], &pid) < 0)
		return AUTHD_EXIT_USAGE;
	return lookup_run(kind, (pid_t)pid);
}

int main(int argc, char **argv)
{
	/* GnuTLS would write every session's secrets there; it reads this at the first secret. */
	(void)unsetenv("SSLKEYLOGFILE");
	if (argc == 4 && mtls_streq(argv[1], "--lookup-process"))
		return lookup_process(argv);
	mtls_service_init();
	const struct options options = parse(argc, argv);
	switch (options.action) {
	case ACTION_DONE:
		return fflush(stdout) == 0 ? AUTHD_EXIT_OK : AUTHD_EXIT_OSERR;
	case ACTION_USAGE:
		print_help(stderr);
		return AUTHD_EXIT_USAGE;
	case ACTION_DUMP:
		return dump(options.config);
	case ACTION_CHECK:
	case ACTION_RUN:
		break;
	}
	return check_or_run(&options);
}
