/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The account behind a binding. Pure. */
#include <config.h>

#include "lib/base/str.h"
#include "lib/mapping/account.h"

enum mtls_reason mtls_mapping_judge_account(const struct mtls_lookup_answer *answer,
					    const char *name, uint32_t min_uid)
{
	if (answer->count != 1 || !mtls_streq(answer->names[0].text, name))
		return MTLS_REASON_ACCOUNT_UNKNOWN;
	if (answer->uid == 0 || answer->uid < min_uid || answer->uid == UINT32_MAX ||
	    answer->gid == UINT32_MAX)
		return MTLS_REASON_ACCOUNT_REFUSED;
	return MTLS_REASON_ALLOWED;
}
