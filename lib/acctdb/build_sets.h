/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the builder remembers of a stream: sets of ids, lists of names in their order, and the hash
 * by which two lists of memberships are compared.
 */
#ifndef MTLS_ACCTDB_BUILD_SETS_H
#define MTLS_ACCTDB_BUILD_SETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/acctdb/record.h"
#include "lib/base/buf.h"

/*
 * A bit for each id below 2^31, the rest being reserved. Bits come in pages of 32 KiB that are made
 * when an id of theirs is added, so that 2^31 ids cost at most 256 MiB and the usual few ranges
 * next to nothing. (One sparse mapping would do the same until the machine does not overcommit.)
 */
#define MTLS_IDSET_ID_MAX    0x7fffffffU
#define MTLS_IDSET_PAGE_BITS 18 /* 2^18 bits are 32 KiB */
#define MTLS_IDSET_PAGES     (1U << (31 - MTLS_IDSET_PAGE_BITS))

struct mtls_idset {
	uint64_t **pages; /* owned; NULL while empty */
};

/* 0: added; 1: it was there; -ENOMEM. @id is at most MTLS_IDSET_ID_MAX. */
int mtls_idset_add(struct mtls_idset *set, uint32_t id);
bool mtls_idset_has(const struct mtls_idset *set, uint32_t id);
void mtls_idset_done(struct mtls_idset *set);

/* Names in ascending order, one behind the other. Starts zeroed. */
struct mtls_namelist {
	char *text;     /* owned */
	uint32_t *ends; /* owned; where each name ends */
	size_t count, count_room, text_room;
};

#define MTLS_NAMELIST_MAX (1U << 22) /* names, of MTLS_OWNED_NAME_MAX bytes at most: 128 MiB */

/* Appends; the caller keeps the order. 0, -ENOMEM, MTLS_E_LIMIT. */
int mtls_namelist_add(struct mtls_namelist *list, struct mtls_acct_str name);
struct mtls_acct_str mtls_namelist_get(const struct mtls_namelist *list, size_t index);
bool mtls_namelist_has(const struct mtls_namelist *list, struct mtls_acct_str name);
void mtls_namelist_done(struct mtls_namelist *list);

/* As bytes; a prefix comes before what it begins. <0, 0, >0. */
int mtls_acct_str_compare(struct mtls_acct_str a, struct mtls_acct_str b);

/*
 * A number for "@name is a member of @gid". Sums of it (mod 2^64) are equal for equal sets, in any
 * order; @secret, of one build only, keeps the sender from making others that are.
 */
uint64_t mtls_acct_membership(struct mtls_acct_str name, uint32_t gid, uint64_t secret);

#endif
