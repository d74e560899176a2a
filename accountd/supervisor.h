/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The supervisor: root, small, parses nothing that the children say. It makes folders and sockets,
 * starts the store process and the publisher with a pair of sockets between them, and starts both
 * anew when one ends: what was on its way in the pair is worth nothing then.
 */
#ifndef ACCOUNTD_SUPERVISOR_H
#define ACCOUNTD_SUPERVISOR_H

#include <stdbool.h>

#include "accountd/configuration.h"

/*
 * Runs until SIGTERM or SIGINT; an exit code. @config is owned from now on; @path is read again at
 * SIGHUP. @catch_up is for the store: it may be older than the snapshot.
 */
int supervisor_run(struct configuration *config, const char *path, bool catch_up);

#endif
