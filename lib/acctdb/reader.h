/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads a snapshot. An open snapshot is immutable and may be used by any number of threads at
 * once: lookups take no lock, allocate nothing and make no system call. What they return points
 * into the snapshot and lives until mtls_acctdb_close().
 *
 * Lookups return 0, MTLS_E_NOTFOUND, or MTLS_E_CORRUPT; the record was verified by checksum, its
 * fields were checked again, and it is the record that was asked for. They may change errno.
 */
#ifndef MTLS_ACCTDB_READER_H
#define MTLS_ACCTDB_READER_H

#include <sys/types.h>

#include "lib/acctdb/record.h"
#include "lib/base/err.h"

struct mtls_acctdb {
	const uint8_t *data; /* the whole file */
	size_t size;
	uint32_t records_end; /* where the hash tables begin */
	bool mapped;          /* data is our mapping */
	struct mtls_acct_header header;
};

/*
 * Opens a snapshot that lies in memory; @data is borrowed. Checks that the tables end exactly where
 * the file does (a file cut at any length is refused here), and the header.
 * 0, MTLS_E_CORRUPT or MTLS_E_VERSION.
 */
int mtls_acctdb_open_memory(struct mtls_acctdb *db, const void *data, size_t size);

/*
 * Maps the file @fd, which may be closed afterwards. The file must only ever be replaced by
 * rename, never changed in place. Also -errno.
 */
int mtls_acctdb_open_fd(struct mtls_acctdb *db, int fd);

/*
 * Opens the file at @path if root or @owner owns it and its folder and nobody else may write
 * there; keeps no descriptor. Also -errno and MTLS_E_UNTRUSTED; @diag may be NULL.
 */
int mtls_acctdb_open(struct mtls_acctdb *db, const char *path, uid_t owner, struct mtls_diag *diag);

void mtls_acctdb_close(struct mtls_acctdb *db);

int mtls_acctdb_next_ids(const struct mtls_acctdb *db, struct mtls_acct_next *ret);
int mtls_acctdb_user_by_name(const struct mtls_acctdb *db, const char *name, size_t len,
			     struct mtls_acct_user *ret);
int mtls_acctdb_user_by_uid(const struct mtls_acctdb *db, uint32_t uid, struct mtls_acct_user *ret);
int mtls_acctdb_group_by_name(const struct mtls_acctdb *db, const char *name, size_t len,
			      struct mtls_acct_group *ret);
int mtls_acctdb_group_by_gid(const struct mtls_acctdb *db, uint32_t gid,
			     struct mtls_acct_group *ret);
/* Supplementary groups, without the primary one; NOTFOUND for a user that is not ours. */
int mtls_acctdb_user_groups(const struct mtls_acctdb *db, const char *name, size_t len,
			    struct mtls_acct_ids *ret);
/* The names bound to a certificate key in canonical form (lib/name/key.h). */
int mtls_acctdb_binding(const struct mtls_acctdb *db, const char *key, size_t len,
			struct mtls_acct_names *ret);
int mtls_acctdb_tombstone(const struct mtls_acctdb *db, bool group, uint32_t id,
			  struct mtls_acct_tombstone *ret);
/* The name of a source; index 0 is "store". Format 1 has no other. */
int mtls_acctdb_source(const struct mtls_acctdb *db, uint8_t index, struct mtls_acct_str *ret);

/* A position in an enumeration; starts zeroed. It is the caller's, and means nothing to others. */
struct mtls_acctdb_cursor {
	uint32_t at;
};

/*
 * The next user or group, each exactly once, private groups included, in no particular order.
 * MTLS_E_NOTFOUND at the end. MTLS_E_CORRUPT: a damaged record was passed over; the cursor is
 * behind it, or at the end if nothing behind it can be read. On success the cursor has advanced;
 * who could not use the answer keeps a copy of the old one.
 */
int mtls_acctdb_next_user(const struct mtls_acctdb *db, struct mtls_acctdb_cursor *cursor,
			  struct mtls_acct_user *ret);
int mtls_acctdb_next_group(const struct mtls_acctdb *db, struct mtls_acctdb_cursor *cursor,
			   struct mtls_acct_group *ret);

/*
 * Walks all records in the order of the file. @key is the whole key with its kind byte, @value the
 * value without checksum. Stops when @each returns non-zero, and returns that; else 0 or
 * MTLS_E_CORRUPT.
 */
typedef int mtls_acctdb_each_fn(void *ctx, enum mtls_acct_kind kind, struct mtls_acct_str key,
				const uint8_t *value, size_t len);
int mtls_acctdb_each(const struct mtls_acctdb *db, mtls_acctdb_each_fn *each, void *ctx);

#endif
