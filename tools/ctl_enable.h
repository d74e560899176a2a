/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What mtlsctl enable has in another file. */
#ifndef MTLS_TOOLS_CTL_ENABLE_H
#define MTLS_TOOLS_CTL_ENABLE_H

#include <jansson.h>
#include <stdbool.h>

/* `mtlsctl enable --list`. An exit code. */
int ctl_enable_list(bool json);

/* What it lists as an array of objects, as far as it can be read. NULL when memory is short. */
json_t *ctl_enable_states(void);

#endif
