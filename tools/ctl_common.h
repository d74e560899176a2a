/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the subcommands of mtlsctl share: messages, secrets from a terminal. */
#ifndef MTLS_TOOLS_CTL_COMMON_H
#define MTLS_TOOLS_CTL_COMMON_H

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "tools/ctl.h"

/* "mtlsctl NAME: TEXT" to standard error. Returns CTL_FAILED. */
int ctl_error(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Asks on the controlling terminal, echo off, until the end of the line. @secret must have the
 * wipe flag and is empty before. 0, -ENOTTY (there is no terminal), MTLS_E_LIMIT, -errno.
 */
int ctl_ask_secret(const char *prompt, struct mtls_buf *secret);

/* One line (its newline dropped) or all up to the end from descriptor @fd. 0, MTLS_E_LIMIT, -errno.
 */
int ctl_read_secret(int fd, struct mtls_buf *secret);

#endif
