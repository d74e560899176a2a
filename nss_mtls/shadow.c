/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Service mtls, database shadow: what programs get that ask for it whatever passwd says. No
 * password, and nothing that expires: certificates do, and mtls-authd knows. (pam_unix does not
 * ask: the password in passwd is not "x".)
 */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "nss_mtls/pack.h"
#include "nss_mtls/walk.h"

enum nss_status nss_shadow_by_name(struct nss_db *db, const char *name, struct spwd *sp,
				   const struct nss_out *out)
{
	int saved = errno;
	struct nss_gen *gen;
	const struct mtls_acctdb *snapshot;
	struct mtls_acct_user user;

	int r = nss_db_pin(db, &gen, &snapshot);
	if (r < 0)
		return nss_status_of(r, saved, out->errnop);
	r = mtls_acctdb_user_by_name(snapshot, name, strnlen(name, MTLS_OWNED_NAME_MAX + 1), &user);
	if (r >= 0)
		r = nss_pack_shadow(&user, sp, out);
	nss_db_unpin(gen);
	return nss_status_of(r, saved, out->errnop);
}

static int next_shadow(const struct mtls_acctdb *db, struct mtls_acctdb_cursor *cursor, void *entry,
		       const struct nss_out *out)
{
	struct mtls_acct_user user;
	int r = mtls_acctdb_next_user(db, cursor, &user);
	return r < 0 ? r : nss_pack_shadow(&user, entry, out);
}

enum nss_status nss_shadow_next(struct nss_db *db, struct nss_walk *walk, struct spwd *sp,
				const struct nss_out *out)
{
	return nss_walk_next(db, walk, next_shadow, sp, out);
}
