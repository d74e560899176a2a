/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Options: the table itself is lib/settings/pam_mtls.c. Here stands only what is the module's own:
 * which file.
 */
#include <config.h>

#include <string.h>

#include "pam_mtls/options.h"

int options_args(int argc, const char **argv, struct options_args *ret, struct mtls_diag *diag)
{
	static const char key[] = "config=";
	struct options_args args = { .config = NULL };
	for (int i = 0; i < argc; i++) {
		if (!argv || !argv[i])
			return mtls_diag_set(diag, MTLS_E_CONFIG, "argument %d is missing", i + 1);
		if (args.argc >= OPTIONS_ARGS_MAX)
			return mtls_diag_set(diag, MTLS_E_CONFIG, "more than %d arguments",
					     OPTIONS_ARGS_MAX);
		if (strncmp(argv[i], key, sizeof(key) - 1) != 0) {
			args.argv[args.argc++] = argv[i];
			continue;
		}
		if (args.config)
			return mtls_diag_set(diag, MTLS_E_CONFIG,
					     "argument '%s': a second config=", argv[i]);
		args.config = argv[i] + sizeof(key) - 1;
		if (args.config[0] != '/')
			return mtls_diag_set(diag, MTLS_E_CONFIG,
					     "argument '%s': expected an absolute path", argv[i]);
	}
	if (!args.config)
		args.config = MTLS_PAM_CONF;
	*ret = args;
	return 0;
}

int options_load(const char *service, int argc, const char **argv, struct mtls_settings_pam **ret,
		 struct mtls_diag *diag)
{
	struct options_args args;
	int rc = options_args(argc, argv, &args, diag);
	if (rc < 0)
		return rc;
	return mtls_settings_pam_load(args.config, service, args.argc, args.argv, ret, diag);
}
