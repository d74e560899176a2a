/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs a program of the administrator's: bounded, alone, with nothing of ours. */
#ifndef MTLS_TOOLS_CTL_PROGRAM_H
#define MTLS_TOOLS_CTL_PROGRAM_H

#include <stdint.h>

#include "lib/base/err.h"

/*
 * Runs @argv (its first word an absolute path, root's and writable by nobody else) with
 * @environment and nothing beside it, standard output going to standard error, until it ends or
 * @timeout_ms are over; what it left running in its process group is killed. 0: it ended with
 * status 0. MTLS_E_UNTRUSTED, -ETIMEDOUT, -EIO (it failed) with @diag.
 */
int ctl_program_run(char *const *argv, char *const *environment, uint32_t timeout_ms,
		    struct mtls_diag *diag);

#endif
