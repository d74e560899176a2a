/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changes the snapshot: lock, read, change the set, build a new file beside the old one, check it,
 * rename, count up. Whatever happens in between, readers see the old file or the new one.
 *
 * Beside accounts.cdb lie accounts.gen (see lib/acctdb/record.h) and the lock file.
 */
#ifndef MTLS_ACCTDB_WRITER_H
#define MTLS_ACCTDB_WRITER_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/acctdb/set.h"
#include "lib/base/cleanup.h"
#include "lib/base/err.h"

#define MTLS_ACCTDB_LOCK_NAME ".lock"

struct mtls_acctdb_place {
	const char *path; /* of the snapshot; its folder is made where it is missing */
	uid_t owner;      /* who may own file and folder besides root: 0 but in tests */
	uint32_t lock_timeout_ms;
};

struct mtls_acctdb_txn;

/*
 * Takes the lock and loads the set; an absent snapshot is an empty set, unless accounts.gen says
 * that there was one: then this is refused, since ids would be given out again. Returns 0, -errno,
 * MTLS_E_BUSY (somebody else holds the lock), MTLS_E_UNTRUSTED, MTLS_E_CORRUPT; @diag says what to
 * do. @window and @local as in lib/acctdb/set.h; @local must live as long as the transaction.
 */
int mtls_acctdb_begin(const struct mtls_acctdb_place *place, const struct mtls_id_window *window,
		      const struct mtls_local *local, struct mtls_acctdb_txn **ret,
		      struct mtls_diag *diag);
/* Gives the lock back; what was not committed is forgotten. */
void mtls_acctdb_txn_free(struct mtls_acctdb_txn *txn);
MTLS_DEFINE_CLEANUP(struct mtls_acctdb_txn *, mtls_acctdb_txn_free)

/* The set to change; the transaction's. */
struct mtls_acctset *mtls_acctdb_txn_set(struct mtls_acctdb_txn *txn);

/*
 * Publishes the set. Every record is checked once more before it is written, and read back from the
 * new file before that takes the old one's place. With @dry_run all of it but the last.
 */
int mtls_acctdb_commit(struct mtls_acctdb_txn *txn, bool dry_run, struct mtls_diag *diag);

/*
 * The parts, for tests and measurements: writes the checked records of @set as a constant database
 * to the empty file @fd. @header gives serial and time; window and counts are the set's.
 */
int mtls_acctset_write(const struct mtls_acctset *set, uint64_t serial, uint64_t created, int fd,
		       struct mtls_diag *diag);
/* Counts accounts.gen at @path up by one. 0, -errno, MTLS_E_UNTRUSTED. */
int mtls_acctdb_gen_count(const char *path, uid_t owner, struct mtls_diag *diag);

#endif
