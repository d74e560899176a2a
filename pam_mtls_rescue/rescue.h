/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rescue login: one code, once, by somebody in front of the machine. */
#ifndef PAM_MTLS_RESCUE_RESCUE_H
#define PAM_MTLS_RESCUE_RESCUE_H

#include <security/pam_modules.h>

int rescue_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv);

/*
 * Whether this transaction was authenticated by a code: PAM_SUCCESS if so and PAM_USER is still
 * that account's name, @refused if it is not any more, PAM_IGNORE if others authenticated.
 */
int rescue_later(pam_handle_t *pamh, int refused);

#endif
