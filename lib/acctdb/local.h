/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What this machine's own files hold: names and ids that a published account must not have.
 * /etc/passwd, /etc/group, and the ranges of /etc/subuid and /etc/subgid. Read once; constant.
 */
#ifndef MTLS_ACCTDB_LOCAL_H
#define MTLS_ACCTDB_LOCAL_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/cleanup.h"
#include "lib/base/err.h"

struct mtls_local;

/* @etc is the folder of the files ("/etc"). A missing file is empty; 0, -errno, @diag. */
int mtls_local_load(const char *etc, struct mtls_local **ret, struct mtls_diag *diag);
void mtls_local_free(struct mtls_local *local);
MTLS_DEFINE_CLEANUP(struct mtls_local *, mtls_local_free)

/* @local may be NULL: then the machine holds nothing. */
bool mtls_local_has_user(const struct mtls_local *local, const char *name);
bool mtls_local_has_group(const struct mtls_local *local, const char *name);
bool mtls_local_has_uid(const struct mtls_local *local, uint32_t uid);
bool mtls_local_has_gid(const struct mtls_local *local, uint32_t gid);

#endif
