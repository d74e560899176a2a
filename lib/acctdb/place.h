/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the snapshot lies, and how a new one takes its place: lock, temporary file, fsync, rename,
 * fsync of the folder, count. Whatever happens in between, readers see the old file or the new one.
 *
 * Beside accounts.cdb lie accounts.gen (see lib/acctdb/record.h) and the lock file.
 */
#ifndef MTLS_ACCTDB_PLACE_H
#define MTLS_ACCTDB_PLACE_H

#include <stdint.h>
#include <sys/types.h>

#include "lib/acctdb/record.h"
#include "lib/base/cleanup.h"
#include "lib/base/err.h"

#define MTLS_ACCTDB_LOCK_NAME ".lock"

struct mtls_acctplace;

/*
 * Makes the folder (0755) where it is missing, refuses one that others may write to, takes the lock
 * (waiting @lock_timeout_ms at most, else MTLS_E_BUSY), makes accounts.gen where it is missing and,
 * where a snapshot lies already, counts it up: a publisher that died between rename and count is
 * made good for. So 0 is counted only where none was ever published. @path is that of accounts.cdb;
 * @owner may own files besides root: 0 but in tests.
 */
int mtls_acctplace_open(const char *path, uid_t owner, uint32_t lock_timeout_ms,
			struct mtls_acctplace **ret, struct mtls_diag *diag);
void mtls_acctplace_close(struct mtls_acctplace *place); /* gives the lock back */
MTLS_DEFINE_CLEANUP(struct mtls_acctplace *, mtls_acctplace_close)

/* A new temporary file, empty, 0600, in place of one that a crash left. The place owns @ret_fd. */
int mtls_acctplace_begin(struct mtls_acctplace *place, int *ret_fd, struct mtls_diag *diag);
/*
 * Reads the temporary file's header and layout back, then publishes it. After an error the
 * temporary file is gone, and either the old snapshot lies there still, or (the folder could not be
 * synced, the count not be raised: @diag says so) the new one does.
 */
int mtls_acctplace_publish(struct mtls_acctplace *place, struct mtls_diag *diag);
/* Removes the temporary file, if there is one. */
void mtls_acctplace_discard(struct mtls_acctplace *place);

/* Counts accounts.gen at @path up by one. 0, -errno, MTLS_E_UNTRUSTED. */
int mtls_acctplace_count(const char *path, uid_t owner, struct mtls_diag *diag);
/* What accounts.gen at @path counts; 0 if there is none. */
int mtls_acctplace_counted(const char *path, uid_t owner, uint64_t *ret_count,
			   struct mtls_diag *diag);

#endif
