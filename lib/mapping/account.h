/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether the account that a binding names may be entered with a certificate at all. Pure. */
#ifndef MTLS_MAPPING_ACCOUNT_H
#define MTLS_MAPPING_ACCOUNT_H

#include <stdint.h>

#include "lib/mapping/query.h"
#include "lib/wire/reason.h"

/*
 * Judges a FOUND answer of kind accounts about @name: ACCOUNT_UNKNOWN if it is about somebody else,
 * ACCOUNT_REFUSED for uid 0, ids below @min_uid and the id that means "none"; else ALLOWED.
 */
enum mtls_reason mtls_mapping_judge_account(const struct mtls_lookup_answer *answer,
					    const char *name, uint32_t min_uid);

#endif
