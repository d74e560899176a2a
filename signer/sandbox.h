/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the signer gives up before it reads the first byte of a person's file. */
#ifndef MTLS_SIGNER_SANDBOX_H
#define MTLS_SIGNER_SANDBOX_H

#include "lib/base/err.h"

/*
 * Not dumpable, memory out of swap where the limits allow it, and a system call filter: no exec, no
 * new process, no socket, no look at or signal to another process, no change of any file. 0 or
 * -errno with @diag; then no key may be read.
 */
int sandbox_enter(struct mtls_diag *diag);

#endif
