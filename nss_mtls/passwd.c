/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Service mtls, database passwd. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "nss_mtls/pack.h"
#include "nss_mtls/walk.h"

enum nss_status nss_passwd_by_name(struct nss_db *db, const char *name, struct passwd *pw,
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
		r = nss_pack_passwd(&user, pw, out);
	nss_db_unpin(gen);
	return nss_status_of(r, saved, out->errnop);
}

enum nss_status nss_passwd_by_uid(struct nss_db *db, uid_t uid, struct passwd *pw,
				  const struct nss_out *out)
{
	int saved = errno;
	struct nss_gen *gen;
	const struct mtls_acctdb *snapshot;
	struct mtls_acct_user user;

	int r = nss_db_pin(db, &gen, &snapshot);
	if (r < 0)
		return nss_status_of(r, saved, out->errnop);
	r = mtls_acctdb_user_by_uid(snapshot, uid, &user);
	if (r >= 0)
		r = nss_pack_passwd(&user, pw, out);
	nss_db_unpin(gen);
	return nss_status_of(r, saved, out->errnop);
}

static int next_passwd(const struct mtls_acctdb *db, struct mtls_acctdb_cursor *cursor, void *entry,
		       const struct nss_out *out)
{
	struct mtls_acct_user user;
	int r = mtls_acctdb_next_user(db, cursor, &user);
	return r < 0 ? r : nss_pack_passwd(&user, entry, out);
}

enum nss_status nss_passwd_next(struct nss_db *db, struct nss_walk *walk, struct passwd *pw,
				const struct nss_out *out)
{
	return nss_walk_next(db, walk, next_passwd, pw, out);
}
