/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inside the set: its trees, and planting and uprooting objects without asking about rules. */
#ifndef MTLS_ACCTDB_SET_IMPL_H
#define MTLS_ACCTDB_SET_IMPL_H

#include "lib/acctdb/set.h"

struct mtls_acctset {
	struct mtls_id_window window;
	const struct mtls_local *local; /* borrowed */
	struct mtls_acct_next next;
	/* Roots of tsearch(3). The objects belong to the trees by name, key and id. */
	void *users, *users_by_uid;
	void *groups, *groups_by_gid;
	void *bindings, *tombstones;
};

/* NULL when there is none. */
struct mtls_acctset_user *mtls_acctset_find_user(const struct mtls_acctset *set, const char *name);
struct mtls_acctset_group *mtls_acctset_find_group(const struct mtls_acctset *set,
						   const char *name);
struct mtls_acctset_group *mtls_acctset_find_gid(const struct mtls_acctset *set, uint32_t gid);
struct mtls_acctset_binding *mtls_acctset_find_binding(const struct mtls_acctset *set,
						       const char *key);
bool mtls_acctset_has_uid(const struct mtls_acctset *set, uint32_t uid);

/* Add a copy. 0, -ENOMEM, or MTLS_E_EXISTS: name, id or key are there already. */
int mtls_acctset_plant_user(struct mtls_acctset *set, const struct mtls_acct_user *from);
int mtls_acctset_plant_group(struct mtls_acctset *set, const char *name, size_t len, uint32_t gid);
int mtls_acctset_plant_binding(struct mtls_acctset *set, const char *key, const char *name);
int mtls_acctset_plant_tombstone(struct mtls_acctset *set, bool is_group, uint32_t id,
				 uint64_t time, const char *name, size_t len);

/* Take out and free. */
void mtls_acctset_uproot_user(struct mtls_acctset *set, struct mtls_acctset_user *user);
void mtls_acctset_uproot_group(struct mtls_acctset *set, struct mtls_acctset_group *group);
void mtls_acctset_uproot_binding(struct mtls_acctset *set, struct mtls_acctset_binding *binding);

/* Both sides of a membership. */
int mtls_acctset_join(struct mtls_acctset_group *group, struct mtls_acctset_user *user);
void mtls_acctset_leave(struct mtls_acctset_group *group, struct mtls_acctset_user *user);

#endif
