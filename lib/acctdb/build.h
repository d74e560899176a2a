/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a stream of items to the bytes of a snapshot. This is the publisher's judgement, made as
 * root about what an unprivileged process sent, so it trusts nothing of it:
 *
 * - *Refused*, and with it the whole stream: what a correct store cannot send. Another order than
 *   lib/acctdb/item.h has, a name or id that is there twice, an id that is alive and has a
 *   tombstone, malformed names and fields, a list of members and the gids of the users that do not
 *   say the same, a count that is wrong.
 * - *Dropped*, and reported with one sentence each: what this machine does not admit. A name or id
 *   that its own files hold by now, a reserved name, an id outside of the rules, a user whose
 *   primary group was dropped. Memberships of what was dropped go with it.
 *
 * Memory: eight bytes a record, bitmaps over the ids in use, the names of groups and of what was
 * dropped.
 */
#ifndef MTLS_ACCTDB_BUILD_H
#define MTLS_ACCTDB_BUILD_H

#include "lib/acctdb/item.h"
#include "lib/acctdb/local.h"
#include "lib/base/cleanup.h"
#include "lib/base/err.h"

struct mtls_acctbuild;

struct mtls_acctbuild_options {
	struct mtls_id_rules ids;
	const struct mtls_local *local; /* borrowed; NULL: the machine holds nothing */
	uint64_t created;               /* seconds since 1970 */
	int fd;                         /* borrowed; an empty file open for reading and writing */
	/* A sentence for each record that is dropped; may be NULL. */
	void (*dropped)(void *ctx, const char *sentence);
	void *ctx;
};

int mtls_acctbuild_new(const struct mtls_acctbuild_options *options, struct mtls_acctbuild **ret,
		       struct mtls_diag *diag);
/* Takes the next item. 0; MTLS_E_DENIED (refused), -errno, -ENOMEM with @diag: give up then. */
int mtls_acctbuild_add(struct mtls_acctbuild *build, const struct mtls_acct_item *item,
		       struct mtls_diag *diag);
/* After END: writes header and tables. The file is complete but not synced. */
int mtls_acctbuild_finish(struct mtls_acctbuild *build, struct mtls_acct_header *ret_header,
			  struct mtls_diag *diag);
/* Users and groups dropped so far. */
uint32_t mtls_acctbuild_dropped(const struct mtls_acctbuild *build);
void mtls_acctbuild_free(struct mtls_acctbuild *build);
MTLS_DEFINE_CLEANUP(struct mtls_acctbuild *, mtls_acctbuild_free)

#endif
