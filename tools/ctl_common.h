/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the subcommands of mtlsctl share: messages, secrets from a terminal. */
#ifndef MTLS_TOOLS_CTL_COMMON_H
#define MTLS_TOOLS_CTL_COMMON_H

#include <stdarg.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "tools/ctl.h"

#define CTL_LEAD_MAX 64 /* bytes of "mtlsctl COMMAND ACTION" */

/* "mtlsctl NAME: TEXT" to standard error. Returns CTL_FAILED. */
int ctl_error(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "mtlsctl: TEXT" to standard error. Returns @code. */
int ctl_fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A line that says why a command fails, for standard error and for ctl_print_error(). */
void ctl_complain(const char *lead, const char *fmt, va_list ap);

/*
 * The last word with --json: if the command complained and has no result of its own, one object on
 * standard output, {"error": {"code": @code, "text": "..."}}.
 */
void ctl_print_error(int code);
/* There is a result on standard output: it stands for itself. */
void ctl_result_printed(void);

/*
 * Asks on the controlling terminal, echo off, until the end of the line. @secret must have the
 * wipe flag and is empty before. 0, -ENOTTY (there is no terminal), MTLS_E_LIMIT, -errno.
 */
int ctl_ask_secret(const char *prompt, struct mtls_buf *secret);

/*
 * Questions on standard error, answered on standard input. _number: from 1 to @count, 0 is the
 * first; -EINVAL for another answer. _yes: 1, or 0 for any other answer. -ENOTTY: nobody is there.
 */
int ctl_ask_number(const char *question, size_t count);
int ctl_ask_yes(const char *question);

/* One line (its newline dropped) or all up to the end from descriptor @fd. 0, MTLS_E_LIMIT, -errno.
 */
int ctl_read_secret(int fd, struct mtls_buf *secret);

#endif
