/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the subcommands of mtlsctl share: usage, messages, secrets from a terminal. */
#ifndef MTLS_TOOLS_CTL_COMMON_H
#define MTLS_TOOLS_CTL_COMMON_H

#include <stdio.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "tools/ctl.h"

struct ctl_command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *usage;   /* the arguments */
	const char *help;    /* one line */
	const char *options; /* lines for --help, each ending in a newline */
};

/* The row of @name in the table of mtlsctl.c; NULL if there is none. */
const struct ctl_command *ctl_find(const char *name);

/* --help of a subcommand, to @out. */
void ctl_print_help(FILE *out, const char *name);

/* "mtlsctl NAME: TEXT" and how to get help, to standard error. Returns CTL_USAGE. */
int ctl_usage_error(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

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
