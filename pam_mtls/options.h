/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the administrator said: pam_mtls.conf, the module arguments.
 */
#ifndef PAM_MTLS_OPTIONS_H
#define PAM_MTLS_OPTIONS_H

#include "lib/base/err.h"
#include "lib/settings/pam_mtls.h"

#define OPTIONS_ARGS_MAX 64

/* The module arguments, with `config=PATH` taken out. Borrows the strings. */
struct options_args {
	const char *config; /* absolute path; MTLS_PAM_CONF by default */
	const char *argv[OPTIONS_ARGS_MAX];
	int argc;
};

/*
 * Sorts the arguments. @argv may be NULL with @argc 0. Returns 0 or MTLS_E_CONFIG (a second
 * config=, a path that is not absolute, a NULL argument, too many).
 */
int options_args(int argc, const char **argv, struct options_args *ret, struct mtls_diag *diag);

/* options_args() and mtls_settings_pam_load(); errors as there. */
int options_load(const char *service, int argc, const char **argv, struct mtls_settings_pam **ret,
		 struct mtls_diag *diag);

#endif
