/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `--json` prints. */
#ifndef MTLS_TOOLS_CTL_JSON_H
#define MTLS_TOOLS_CTL_JSON_H

#include <jansson.h>
#include <stdio.h>

#include "tools/ctl_daemon.h"

/* A daemon's fields as an object: numbers where the field is one, so that no script has to guess.
 */
json_t *ctl_json_fields(const struct mtls_control_fields *fields);

/* An array of the fields of all items of @kind. NULL when memory is short. */
json_t *ctl_json_items(const struct ctl_daemon *daemon, const char *kind);

/*
 * Writes @value in ASCII without a control character: @flags of json_dumpf(). 0, or -1 when memory
 * is short or @out takes no more.
 */
int ctl_json_write(const json_t *value, size_t flags, FILE *out);

/*
 * Prints the result of a command, and releases it; NULL: memory was short when it was made. An exit
 * code. What could not be written is a failure of main().
 */
int ctl_json_print(json_t *value);

#endif
