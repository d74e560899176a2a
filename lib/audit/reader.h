/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Audit records of audit_file and of its rotated siblings FILE.1, FILE.2 and so on, in the order of
 * time or against it; or of any other descriptor that gives lines.
 */
#ifndef MTLS_AUDIT_READER_H
#define MTLS_AUDIT_READER_H

#include <sys/types.h>

#include "lib/audit/record.h"

#define MTLS_AUDIT_FILES_MAX 100

struct mtls_audit_reader;

/*
 * Opens @path and its siblings, as far as they are numbered without a gap. Each must be a regular
 * file of root or @owner that nobody else may write. @backwards: the newest record first. 0,
 * -errno, MTLS_E_UNTRUSTED; @diag names the file.
 */
int mtls_audit_reader_open(const char *path, uid_t owner, bool backwards,
			   struct mtls_audit_reader **ret, struct mtls_diag *diag);

/* Takes @fd, of a file or a pipe; @name is for messages. On failure @fd stays the caller's. */
int mtls_audit_reader_take(int fd, const char *name, bool backwards, struct mtls_audit_reader **ret,
			   struct mtls_diag *diag);

void mtls_audit_reader_free(struct mtls_audit_reader *reader);
MTLS_DEFINE_CLEANUP(struct mtls_audit_reader *, mtls_audit_reader_free)

/*
 * 1 and the next record, which is the caller's; 0: no more. MTLS_E_SYNTAX, MTLS_E_LIMIT: a line is
 * no record, @diag names file, place and cause; go on calling. Else the reading failed.
 */
int mtls_audit_reader_next(struct mtls_audit_reader *reader, struct mtls_audit_record **ret,
			   struct mtls_diag *diag);

bool mtls_audit_reader_backwards(const struct mtls_audit_reader *reader);

/* Of a file: whether compressed siblings lie beside it, which are not read. */
bool mtls_audit_reader_compressed(const char *path);

/*
 * Makes ready to follow the newest file: a backwards reader, which has given what is there, turns
 * and goes on with what is written from then on. 0 or a negative code.
 */
int mtls_audit_reader_turn(struct mtls_audit_reader *reader);

/*
 * Whether @path has become another file, or was cut, since the reader opened it; then it goes on
 * with what is there now, from the beginning. 1: so it is, 0: no. A file that is gone for the
 * moment is no other.
 */
int mtls_audit_reader_follow(struct mtls_audit_reader *reader, const char *path, uid_t owner,
			     struct mtls_diag *diag);

#endif
