/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the entry points do. Each returns the PAM code, after logging what there is to log. */
#ifndef PAM_MTLS_LOGIN_H
#define PAM_MTLS_LOGIN_H

#include <security/pam_modules.h>

#include "pam_mtls/result.h"

/* The whole login: person, signers, prompts, exchange, own checks of the verdict. */
int login_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv);

/* Every other phase: looks only at what our authenticate left behind, and at `account`. */
int login_later(pam_handle_t *pamh, enum result_entry entry, int flags, int argc,
		const char **argv);

#endif
