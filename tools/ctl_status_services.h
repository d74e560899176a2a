/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mtlsctl status: the PAM services that use pam_mtls. */
#ifndef MTLS_TOOLS_CTL_STATUS_SERVICES_H
#define MTLS_TOOLS_CTL_STATUS_SERVICES_H

#include <jansson.h>
#include <stdint.h>

#include "tools/ctl_check.h"

/*
 * An array of objects: service, and uses: its file calls pam_mtls; for those that `mtlsctl enable`
 * changed, what `enable --list` says too. What needs attention goes to @check. NULL when memory is
 * short.
 */
json_t *status_services(struct check *check);

/* One of them as a line. */
void status_service_print(const json_t *row, int64_t now);

#endif
