/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The six entry points of the PAM module, nothing else. */
#include <config.h>

#include <security/pam_modules.h>

#include "pam_mtls_rescue/rescue.h"

#define ENTRY __attribute__((visibility("default"))) PAM_EXTERN

ENTRY int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	return rescue_authenticate(pamh, flags, argc, argv);
}

/* libpam goes through the stack of authenticate again: what succeeded there has to succeed here. */
ENTRY int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)flags;
	(void)argc;
	(void)argv;
	return rescue_later(pamh, PAM_CRED_ERR);
}

/*
 * `account sufficient` lets a person in whose account the checks behind it would refuse: a clock
 * that stands in 1970 or in 2100 makes passwords expired.
 */
ENTRY int pam_sm_acct_mgmt(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)flags;
	(void)argc;
	(void)argv;
	return rescue_later(pamh, PAM_PERM_DENIED);
}

/* Nothing to do, nothing to say. */
static int step_aside(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)pamh;
	(void)flags;
	(void)argc;
	(void)argv;
	return PAM_IGNORE;
}

ENTRY int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	return step_aside(pamh, flags, argc, argv);
}

ENTRY int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	return step_aside(pamh, flags, argc, argv);
}

ENTRY int pam_sm_chauthtok(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	return step_aside(pamh, flags, argc, argv);
}
