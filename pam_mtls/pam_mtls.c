/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The six entry points of the PAM module, nothing else. */
#include <config.h>

#include <security/pam_modules.h>

#include "pam_mtls/login.h"

#define ENTRY __attribute__((visibility("default"))) PAM_EXTERN

ENTRY int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	return login_authenticate(pamh, flags, argc, argv);
}

ENTRY int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	return login_later(pamh, RESULT_SETCRED, flags, argc, argv);
}

ENTRY int pam_sm_acct_mgmt(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	return login_later(pamh, RESULT_ACCT_MGMT, flags, argc, argv);
}

ENTRY int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	return login_later(pamh, RESULT_OPEN_SESSION, flags, argc, argv);
}

ENTRY int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	return login_later(pamh, RESULT_CLOSE_SESSION, flags, argc, argv);
}

ENTRY int pam_sm_chauthtok(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)pamh;
	(void)flags;
	(void)argc;
	(void)argv;
	return result_to_pam(RESULT_CHAUTHTOK, RESULT_NOT_OURS);
}
