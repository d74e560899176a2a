/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bounded lines of a descriptor, from its beginning on or from its end back: a file of gigabytes is
 * walked in memory of one line. A line that is too long is passed over and told.
 */
#ifndef MTLS_AUDIT_LINES_H
#define MTLS_AUDIT_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/cleanup.h"
#include "lib/base/err.h"

struct mtls_audit_lines;

/*
 * Borrows @fd. Forwards: from the descriptor's position on; a pipe will do. @backwards: a file,
 * from its end. 0, -ENOMEM, -errno.
 */
int mtls_audit_lines_new(int fd, bool backwards, struct mtls_audit_lines **ret);
void mtls_audit_lines_free(struct mtls_audit_lines *lines);
MTLS_DEFINE_CLEANUP(struct mtls_audit_lines *, mtls_audit_lines_free)

/*
 * 1 and the next line without its end, valid until the next call; it may hold any byte. 0: no more,
 * or, forwards, none yet: a later call goes on. MTLS_E_LIMIT: a line above MTLS_AUDIT_LINE_MAX was
 * passed over; go on calling. Else -errno. *@ret_offset is where the line starts.
 *
 * A half line at the end (what a crash leaves) is no line; forwards, mtls_audit_lines_rest() has
 * it.
 */
int mtls_audit_lines_next(struct mtls_audit_lines *lines, const char **ret, size_t *ret_len,
			  uint64_t *ret_offset);

/* Forwards, after 0: takes the bytes behind the last line end; NULL if there are none. */
const char *mtls_audit_lines_rest(struct mtls_audit_lines *lines, size_t *ret_len);

/* Forwards: how many bytes were read up to now. */
uint64_t mtls_audit_lines_offset(const struct mtls_audit_lines *lines);

/* Backwards, after the first call: where the last whole line of the file ends. */
uint64_t mtls_audit_lines_tail(const struct mtls_audit_lines *lines);

#endif
