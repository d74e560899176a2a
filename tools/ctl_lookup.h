/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Asking what mtls-authd would be told about certificate keys and accounts: by its own lookup
 * process, the installed program, as its user where we are root.
 */
#ifndef MTLS_TOOLS_CTL_LOOKUP_H
#define MTLS_TOOLS_CTL_LOOKUP_H

#include <stdint.h>

#include "lib/base/err.h"
#include "lib/mapping/query.h"

#define CTL_LOOKUP_PROGRAM MTLS_SBINDIR "/mtls-authd"

/*
 * One question of @kind; @user: the account that mtls-authd runs as. 0 and @ret, whose status may
 * be TIMEOUT; or an error, @diag says why there was no answer.
 */
int ctl_lookup(enum mtls_lookup_kind kind, const char *user, uint32_t timeout_ms,
	       const struct mtls_lookup_query *query, struct mtls_lookup_answer *ret,
	       struct mtls_diag *diag);

#endif
