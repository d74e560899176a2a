/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values of format 1 without their checksum, appended to @out. 0 or the buffer's error. */
#ifndef MTLS_ACCTDB_ENCODE1_H
#define MTLS_ACCTDB_ENCODE1_H

#include "lib/acctdb/record.h"

int mtls_acct1_user_encode(const struct mtls_acct_user *user, struct mtls_buf *out);
int mtls_acct1_group_encode(uint32_t gid, const char *name, char *const *members, size_t count,
			    struct mtls_buf *out);
int mtls_acct1_user_groups_encode(const uint32_t *gids, size_t count, struct mtls_buf *out);
int mtls_acct1_binding_encode(char *const *names, size_t count, struct mtls_buf *out);
int mtls_acct1_tombstone_encode(uint64_t time, const char *name, struct mtls_buf *out);

#endif
