/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Service mtls, database group. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "nss_mtls/pack.h"
#include "nss_mtls/walk.h"

enum nss_status nss_group_by_name(struct nss_db *db, const char *name, struct group *gr,
				  const struct nss_out *out)
{
	int saved = errno;
	struct nss_gen *gen;
	const struct mtls_acctdb *snapshot;
	struct mtls_acct_group group;

	int r = nss_db_pin(db, &gen, &snapshot);
	if (r < 0)
		return nss_status_of(r, saved, out->errnop);
	r = mtls_acctdb_group_by_name(snapshot, name, strnlen(name, MTLS_OWNED_NAME_MAX + 1),
				      &group);
	if (r >= 0)
		r = nss_pack_group(group.name, group.gid, &group.members, gr, out);
	nss_db_unpin(gen);
	return nss_status_of(r, saved, out->errnop);
}

enum nss_status nss_group_by_gid(struct nss_db *db, gid_t gid, struct group *gr,
				 const struct nss_out *out)
{
	int saved = errno;
	struct nss_gen *gen;
	const struct mtls_acctdb *snapshot;
	struct mtls_acct_group group;

	int r = nss_db_pin(db, &gen, &snapshot);
	if (r < 0)
		return nss_status_of(r, saved, out->errnop);
	r = mtls_acctdb_group_by_gid(snapshot, gid, &group);
	if (r >= 0)
		r = nss_pack_group(group.name, group.gid, &group.members, gr, out);
	nss_db_unpin(gen);
	return nss_status_of(r, saved, out->errnop);
}

static int next_group(const struct mtls_acctdb *db, struct mtls_acctdb_cursor *cursor, void *entry,
		      const struct nss_out *out)
{
	struct mtls_acct_group group;
	int r = mtls_acctdb_next_group(db, cursor, &group);
	return r < 0 ? r : nss_pack_group(group.name, group.gid, &group.members, entry, out);
}

enum nss_status nss_group_next(struct nss_db *db, struct nss_walk *walk, struct group *gr,
			       const struct nss_out *out)
{
	return nss_walk_next(db, walk, next_group, gr, out);
}
