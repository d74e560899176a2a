/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What this machine's own files say about names and ids. Read once; constant. Two grades:
 *
 * - *held*: a published account must not have it, whoever allows it: users and groups of
 *   /etc/passwd and /etc/group, ranges of /etc/subuid and /etc/subgid, users, groups and ids of
 *   sysusers.d(5) (also those that nobody has made yet).
 * - *allocated*: what tools may hand out any day: UID_MIN-UID_MAX, GID_*, SYS_UID_*, SYS_GID_*,
 *   SUB_UID_*, SUB_GID_* of /etc/login.defs (or the tools' defaults), and lines `r` of sysusers.d.
 *   Refused unless the administrator admits the id by a range of foreign_ids.
 */
#ifndef MTLS_ACCTDB_LOCAL_H
#define MTLS_ACCTDB_LOCAL_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/cleanup.h"
#include "lib/base/err.h"
#include "lib/name/id.h"

#define MTLS_LOCAL_FILE_MAX  (64 * 1024 * 1024) /* bytes of one file */
#define MTLS_LOCAL_FILES_MAX 4096               /* files of sysusers.d */

struct mtls_local;

/*
 * Below @root ("" is the machine itself): etc/{passwd,group,subuid,subgid,login.defs} and
 * sysusers.d of etc, run, usr/local/lib and usr/lib, a file of which hides those of its name in the
 * folders behind. A missing file is empty. 0, -errno, MTLS_E_LIMIT, @diag.
 */
int mtls_local_load_root(const char *root, struct mtls_local **ret, struct mtls_diag *diag);
/* The same with the folder that holds etc as @root: mtls_local_load("/etc"). */
int mtls_local_load(const char *etc, struct mtls_local **ret, struct mtls_diag *diag);
void mtls_local_free(struct mtls_local *local);
MTLS_DEFINE_CLEANUP(struct mtls_local *, mtls_local_free)

/* Held. @local may be NULL: then the machine holds nothing. */
bool mtls_local_has_user(const struct mtls_local *local, const char *name);
bool mtls_local_has_group(const struct mtls_local *local, const char *name);
bool mtls_local_has_uid(const struct mtls_local *local, uint32_t uid);
bool mtls_local_has_gid(const struct mtls_local *local, uint32_t gid);

/* Allocated. */
bool mtls_local_allocates_uid(const struct mtls_local *local, uint32_t uid);
bool mtls_local_allocates_gid(const struct mtls_local *local, uint32_t gid);

/* The rule for both grades: held, or allocated and in no foreign range of @ids. */
bool mtls_local_refuses_uid(const struct mtls_local *local, const struct mtls_id_rules *ids,
			    uint32_t uid);
bool mtls_local_refuses_gid(const struct mtls_local *local, const struct mtls_id_rules *ids,
			    uint32_t gid);

/*
 * For who gives out ids: true if @id is refused as a uid or as a gid; then @ret_last (at least @id)
 * is the end of a run of ids of which none is better.
 */
bool mtls_local_refuses_run(const struct mtls_local *local, const struct mtls_id_rules *ids,
			    uint32_t id, uint32_t *ret_last);

/*
 * Whether a file or folder that was read is another one by now, has come or has gone: then it is
 * time to load again. One stat(2) for each; what cannot be told counts as changed.
 */
bool mtls_local_changed(const struct mtls_local *local);

#endif
