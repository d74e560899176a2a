/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Service x509: which accounts is this certificate key bound to? Keys are compared as bytes; who
 * asks makes them canonical (lib/name/key.h).
 */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "nss_mtls/pack.h"

#define X509_GID 65534 /* a group that nobody is in: the answer gives no rights */

static const struct mtls_acct_str x509_name = { .data = "x509", .len = 4 };

/*
 * A key that stands for two people is no passwd entry, whichever source the second belongs to.
 */
static int single_account(const struct mtls_acctdb *snapshot, const char *key, size_t len,
			  struct mtls_acct_user *ret_user)
{
	struct mtls_acct_names names;
	struct mtls_acct_str name;
	size_t cursor = 0;

	int r = mtls_acctdb_binding(snapshot, key, len, &names);
	if (r < 0)
		return r;
	if (names.count != 1 || !mtls_acct_names_next(&names, &cursor, &name))
		return MTLS_E_NOTFOUND;
	return mtls_acctdb_user_by_name(snapshot, name.data, name.len, ret_user);
}

enum nss_status nss_x509_passwd(struct nss_db *db, const char *key, struct passwd *pw,
				const struct nss_out *out)
{
	int saved = errno;
	struct nss_gen *gen;
	const struct mtls_acctdb *snapshot;
	struct mtls_acct_user user;

	int r = nss_db_pin(db, &gen, &snapshot);
	if (r < 0)
		return nss_status_of(r, saved, out->errnop);
	r = single_account(snapshot, key, strnlen(key, MTLS_KEY_MAX + 1), &user);
	if (r >= 0)
		r = nss_pack_passwd(&user, pw, out);
	nss_db_unpin(gen);
	return nss_status_of(r, saved, out->errnop);
}

enum nss_status nss_x509_group(struct nss_db *db, const char *key, struct group *gr,
			       const struct nss_out *out)
{
	int saved = errno;
	struct nss_gen *gen;
	const struct mtls_acctdb *snapshot;
	struct mtls_acct_names names = { 0 };

	int r = nss_db_pin(db, &gen, &snapshot);
	if (r < 0)
		return nss_status_of(r, saved, out->errnop);
	if (strcmp(key, MTLS_X509_PROBE) != 0)
		r = mtls_acctdb_binding(snapshot, key, strnlen(key, MTLS_KEY_MAX + 1), &names);
	if (r >= 0)
		r = nss_pack_group(x509_name, X509_GID, &names, gr, out);
	nss_db_unpin(gen);
	return nss_status_of(r, saved, out->errnop);
}
