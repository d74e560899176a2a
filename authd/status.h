/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The items of `status`: lib/control/authd.h lists them. */
#ifndef AUTHD_STATUS_H
#define AUTHD_STATUS_H

#include "lib/control/server.h"

struct supervisor;

/* 0, -ENOMEM, MTLS_E_LIMIT. */
int status_tell(const struct supervisor *s, struct mtls_control_call *call);

/* The number of the configuration in use; 0 before the first one serves. */
uint64_t status_generation(const struct supervisor *s);

#endif
