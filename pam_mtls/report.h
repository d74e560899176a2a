/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One line in the system log for each outcome, and the words for the person. */
#ifndef PAM_MTLS_REPORT_H
#define PAM_MTLS_REPORT_H

#include <security/pam_modules.h>

#include "lib/wire/msg.h"
#include "pam_mtls/prompt.h"
#include "pam_mtls/result.h"

/* All borrowed; NULL where unknown. */
struct report {
	int situation;
	const char *service, *user, *host;
	const struct mtls_auth_reply *reply;
	const char *detail;
	const struct prompt *prompt; /* NULL: the person is told nothing */
};

/*
 * Logs `reason=TOKEN service='...' user='...' account='...' audit=ID detail="..."`. The person
 * reads the reason with its token in brackets, unless it is the success.
 */
void report_outcome(pam_handle_t *pamh, const struct report *report);

#endif
