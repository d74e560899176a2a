/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Service mtls, supplementary groups of a user: one record, no walk through the groups. */
#include <config.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "nss_mtls/pack.h"

/* Room for @more gids behind those that are used, within the limit. */
static int make_room(const struct nss_gids *list, long more)
{
	long needed = *list->start + more;
	if (list->limit > 0 && needed > list->limit)
		needed = list->limit;
	if (needed <= *list->size)
		return 0;
	long size = *list->size > needed / 2 ? 2 * *list->size : needed;
	if (list->limit > 0 && size > list->limit)
		size = list->limit;
	gid_t *gids = reallocarray(*list->gids, (size_t)size, sizeof(*gids));
	if (!gids)
		return -ENOMEM;
	*list->gids = gids;
	*list->size = size;
	return 0;
}

/* Other services may have added groups before us; the record itself has no duplicates. */
static bool listed(const struct nss_gids *list, long count, gid_t gid)
{
	for (long i = 0; i < count; i++)
		if ((*list->gids)[i] == gid)
			return true;
	return false;
}

static int append(const struct nss_gids *list, gid_t primary, const struct mtls_acct_ids *ids)
{
	int r = make_room(list, (long)ids->count);
	if (r < 0)
		return r;
	long before = *list->start;
	for (uint32_t i = 0; i < ids->count; i++) {
		gid_t gid = mtls_acct_ids_get(ids, i);
		if (gid == primary || listed(list, before, gid))
			continue;
		if (*list->start >= *list->size)
			break; /* the limit */
		(*list->gids)[(*list->start)++] = gid;
	}
	return 0;
}

enum nss_status nss_groups_of_user(struct nss_db *db, const char *user, gid_t primary,
				   const struct nss_gids *list, int *errnop)
{
	int saved = errno;
	struct nss_gen *gen;
	const struct mtls_acctdb *snapshot;
	struct mtls_acct_ids ids;

	int r = nss_db_pin(db, &gen, &snapshot);
	if (r < 0)
		return nss_status_of(r, saved, errnop);
	r = mtls_acctdb_user_groups(snapshot, user, strnlen(user, MTLS_OWNED_NAME_MAX + 1), &ids);
	if (r >= 0)
		r = append(list, primary, &ids);
	nss_db_unpin(gen);
	if (r != -ENOMEM)
		return nss_status_of(r, saved, errnop);
	*errnop = ENOMEM;
	return NSS_STATUS_TRYAGAIN;
}
