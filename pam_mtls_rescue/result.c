/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of results. Nothing here is PAM_IGNORE: a stack that consists of this module alone must
 * not be led around it. Under `sufficient` every refusal goes on to the next line.
 *
 * Where nothing was tried there is nothing to report to the administrator either (LOG_DEBUG):
 * these come with every login of everybody.
 */
#include <config.h>

#include <stddef.h>
#include <syslog.h>

#include <security/pam_modules.h>

#include "lib/base/cleanup.h"
#include "pam_mtls_rescue/result.h"

/* clang-format off */
static const struct result_row rows[RESULTS] = {
	[RESULT_FAULT]       = { "fault", PAM_AUTH_ERR, LOG_ERR, "The rescue code was not accepted." },
	/* The only line with PAM_SUCCESS. Loud: somebody had to open the safe. */
	[RESULT_ACCEPTED]    = { "used", PAM_SUCCESS, LOG_WARNING, NULL },
	[RESULT_WRONG]       = { "wrong-code", PAM_AUTH_ERR, LOG_WARNING,
				 "This is not one of the rescue codes of this machine." },
	[RESULT_USED_BEFORE] = { "used-before", PAM_AUTH_ERR, LOG_WARNING,
				 "This rescue code was used before. Take another one." },
	[RESULT_NO_CODE]     = { "no-code", PAM_AUTH_ERR, LOG_NOTICE,
				 "What was typed is not a rescue code." },
	[RESULT_SKIPPED]     = { "skipped", PAM_AUTHINFO_UNAVAIL, LOG_DEBUG, NULL },
	[RESULT_WAIT]        = { "too-many-tries", PAM_AUTH_ERR, LOG_WARNING,
				 "Too many rescue codes were tried." },
	[RESULT_EXHAUSTED]   = { "exhausted", PAM_AUTHINFO_UNAVAIL, LOG_WARNING,
				 "All rescue codes are used. The next way in: mtls=off on the kernel command line." },
	[RESULT_NO_SET]      = { "no-codes", PAM_AUTHINFO_UNAVAIL, LOG_DEBUG, NULL },
	[RESULT_NOT_LOCAL]   = { "not-local", PAM_AUTHINFO_UNAVAIL, LOG_DEBUG, NULL },
	[RESULT_NOT_SERVICE] = { "not-this-service", PAM_AUTHINFO_UNAVAIL, LOG_DEBUG, NULL },
	[RESULT_NOT_USER]    = { "not-this-user", PAM_AUTHINFO_UNAVAIL, LOG_DEBUG, NULL },
	[RESULT_NOT_ROOT]    = { "not-root", PAM_AUTHINFO_UNAVAIL, LOG_DEBUG, NULL },
	[RESULT_UNUSABLE]    = { "unusable", PAM_AUTHINFO_UNAVAIL, LOG_ERR,
				 "The rescue codes cannot be used." },
	[RESULT_UNWRITABLE]  = { "unwritable", PAM_AUTHINFO_UNAVAIL, LOG_ERR,
				 "The code was not taken: that it is used now cannot be written down. "
				 "Make room on the disk, or restart with mtls=off on the kernel command line." },
	[RESULT_UNCOUNTED]   = { "uncounted", PAM_AUTHINFO_UNAVAIL, LOG_ERR,
				 "Rescue codes cannot be used: tries cannot be counted." },
	[RESULT_BUSY]        = { "busy", PAM_AUTHINFO_UNAVAIL, LOG_WARNING,
				 "Rescue codes are being used elsewhere. Try again." },
	[RESULT_CONFIG]      = { "config", PAM_AUTHINFO_UNAVAIL, LOG_ERR, NULL },
	[RESULT_CONVERSATION] = { "conversation", PAM_CONV_ERR, LOG_NOTICE, NULL },
	[RESULT_NO_MEMORY]   = { "no-memory", PAM_BUF_ERR, LOG_ERR, "Memory is short." },
};
/* clang-format on */

const struct result_row *result_row(enum result result)
{
	size_t i = (unsigned int)result < MTLS_COUNT(rows) ? result : RESULT_FAULT;
	return &rows[i];
}
