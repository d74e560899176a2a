/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A position in the list of all users or groups: getpwent(3) and the like. It belongs to the
 * process, as glibc has it: threads that walk at once share one list, and each entry goes to one of
 * them. The list is of the moment in which its first entry was asked for.
 *
 * There is no lock, so nothing is held when a process forks: a child goes on from where its parent
 * was, on its own.
 */
#ifndef NSS_MTLS_WALK_H
#define NSS_MTLS_WALK_H

#include <stdatomic.h>

#include "nss_mtls/lookup.h"

/*
 * All of a position in one word: the cursor in the lower half, above it the number of the
 * generation (0: none; then the cursor is 0 before the first entry, or WALK_ENDED), above that a
 * count of how often the walk was begun or ended, so that no position comes back soon.
 */
struct nss_walk {
	_Atomic uint64_t position;
};

/*
 * The next entry: writes it to @entry and @out, which are of one kind. 0 and the cursor behind it,
 * MTLS_E_NOTFOUND at the end, MTLS_E_CORRUPT: passed over; -ERANGE.
 */
typedef int nss_walk_step(const struct mtls_acctdb *db, struct mtls_acctdb_cursor *cursor,
			  void *entry, const struct nss_out *out);

/*
 * Takes the next entry. Statuses as in nss_mtls/lookup.h; NOTFOUND at the end, and for every call
 * after that, and in a snapshot that allows no lists. With TRYAGAIN the position stays.
 */
enum nss_status nss_walk_next(struct nss_db *db, struct nss_walk *walk, nss_walk_step *step,
			      void *entry, const struct nss_out *out);

/* Back to before the first entry; forgets the moment. */
void nss_walk_reset(struct nss_db *db, struct nss_walk *walk);

#endif
