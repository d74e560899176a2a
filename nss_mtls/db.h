/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The snapshot as a long-lived process sees it: always the newest, without a lock, without a
 * descriptor, and without a system call while nothing changes. A *generation* is one mapped
 * snapshot; a lookup pins it, so that it stays mapped while another thread moves on to the next.
 */
#ifndef NSS_MTLS_DB_H
#define NSS_MTLS_DB_H

#include <stdatomic.h>
#include <sys/types.h>

#include "lib/acctdb/reader.h"

struct nss_gen;

struct nss_db {
	const char *path;     /* accounts.cdb */
	const char *gen_path; /* accounts.gen */
	uid_t owner;          /* whose files are believed, besides root's; 0 in the module */
	_Atomic(struct nss_gen *) current;
	_Atomic(struct nss_gen *) all; /* every generation object ever made; they are reused */
};

/*
 * Pins the newest generation: @ret_db is valid until nss_db_unpin(@ret_gen). Returns 0, -errno
 * (-ENOENT: there is no snapshot), MTLS_E_UNTRUSTED, MTLS_E_CORRUPT, MTLS_E_VERSION. May change
 * errno. Safe in threads, and in the child of a process with threads.
 */
int nss_db_pin(struct nss_db *db, struct nss_gen **ret_gen, const struct mtls_acctdb **ret_db);
void nss_db_unpin(struct nss_gen *gen);

/*
 * Another way to name a generation that somebody keeps pinned, as small as a number. Numbers begin
 * at 1 and are used again, with the objects, when their generation is gone: who pins by number must
 * then make sure that it was still the one that was meant. NULL: it is gone.
 */
uint32_t nss_db_number(const struct nss_gen *gen);
struct nss_gen *nss_db_pin_number(const struct nss_db *db, uint32_t number,
				  const struct mtls_acctdb **ret_db);
/* Gives back one more pin of a generation that the caller knows to be pinned. */
void nss_db_unpin_number(const struct nss_db *db, uint32_t number);

/* Unmaps what is not pinned. For tests, which make many; the module keeps its own to the end. */
void nss_db_close(struct nss_db *db);

#endif
