/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs of the control socket: lib/control/authd.h says what they mean. */
#ifndef AUTHD_VERBS_H
#define AUTHD_VERBS_H

#include "lib/control/server.h"

/* A mtls_control_handler; @ctx is the struct supervisor. */
int verbs_run(void *ctx, struct mtls_control_call *call, const struct mtls_control_request *request,
	      struct mtls_control_end *end);

#endif
