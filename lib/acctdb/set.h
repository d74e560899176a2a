/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All accounts in memory, as the writer changes them: users with their private groups, further
 * groups, bindings, tombstones, next ids. Every change keeps the rules: names and ids that this
 * machine or the set holds are refused, an id that was ever given out is not given out again.
 *
 * A user has a private group of the same name whose gid is its uid. Strings given to a function
 * are copied; what is returned is the set's and lives until the next change.
 */
#ifndef MTLS_ACCTDB_SET_H
#define MTLS_ACCTDB_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/acctdb/local.h"
#include "lib/acctdb/reader.h"
#include "lib/base/cleanup.h"
#include "lib/base/err.h"

struct mtls_acctset;

struct mtls_acctset_user {
	uint32_t uid, gid;
	char *name, *gecos, *home, *shell;
	uint32_t *gids; /* supplementary groups */
	size_t gid_count;
};

struct mtls_acctset_group {
	uint32_t gid;
	char *name;
	char **members; /* NULL or NULL-terminated; member_count of them */
	size_t member_count;
};

struct mtls_acctset_binding {
	char *key;    /* canonical, kind:value */
	char **names; /* NULL-terminated, never empty */
};

struct mtls_acctset_tombstone {
	bool group;
	uint32_t id;
	uint64_t time;
	char *name;
};

/* What a new user shall be. All texts are required but gecos (NULL is empty). */
struct mtls_acctset_spec {
	const char *name, *gecos, *home, *shell;
	uint32_t uid; /* 0: the next free one */
};

/* An empty set. @local (borrowed, may be NULL) is what this machine's own files hold. */
int mtls_acctset_new(const struct mtls_id_window *window, const struct mtls_local *local,
		     struct mtls_acctset **ret);
/*
 * A copy of what @db holds; @window replaces the file's. Reads every record, so a damaged one
 * anywhere is MTLS_E_CORRUPT, and so is one that is missing according to the header's counts.
 */
int mtls_acctset_load(const struct mtls_acctdb *db, const struct mtls_id_window *window,
		      const struct mtls_local *local, struct mtls_acctset **ret,
		      struct mtls_diag *diag);
void mtls_acctset_free(struct mtls_acctset *set);
MTLS_DEFINE_CLEANUP(struct mtls_acctset *, mtls_acctset_free)

/*
 * Changes. 0; MTLS_E_EXISTS (name or id is taken), MTLS_E_DENIED (a rule forbids it), MTLS_E_SYNTAX
 * (a field), MTLS_E_LIMIT, MTLS_E_NOTFOUND, -ENOMEM. @diag says in words what is wrong.
 */
int mtls_acctset_add_user(struct mtls_acctset *set, const struct mtls_acctset_spec *spec,
			  uint32_t *ret_uid, struct mtls_diag *diag);
int mtls_acctset_add_group(struct mtls_acctset *set, const char *name, uint32_t *ret_gid,
			   struct mtls_diag *diag);
int mtls_acctset_add_member(struct mtls_acctset *set, const char *group, const char *user,
			    struct mtls_diag *diag);
/* Removes the user, its private group, its memberships and its bindings; leaves tombstones. */
int mtls_acctset_remove_user(struct mtls_acctset *set, const char *name, uint64_t time,
			     struct mtls_diag *diag);
/* A group that is no user's private one; its members leave it, its gid gets a tombstone. */
int mtls_acctset_remove_group(struct mtls_acctset *set, const char *name, uint64_t time,
			      struct mtls_diag *diag);
/* @key must be canonical; @name may be another source's account, then only its name is held. */
int mtls_acctset_bind(struct mtls_acctset *set, const char *key, const char *name,
		      struct mtls_diag *diag);
int mtls_acctset_unbind(struct mtls_acctset *set, const char *key, const char *name,
			struct mtls_diag *diag);

/* NULL when there is none. */
const struct mtls_acctset_user *mtls_acctset_user(const struct mtls_acctset *set, const char *name);
const struct mtls_acctset_group *mtls_acctset_group(const struct mtls_acctset *set,
						    const char *name);
/* A group that only its user belongs to: user and group have name and id in common. */
bool mtls_acctset_group_is_private(const struct mtls_acctset *set,
				   const struct mtls_acctset_group *group);
/* True if a removed user had this name; @ret_uid is one of the uids. */
bool mtls_acctset_former_user(const struct mtls_acctset *set, const char *name, uint32_t *ret_uid);

const struct mtls_id_window *mtls_acctset_window(const struct mtls_acctset *set);
const struct mtls_local *mtls_acctset_local(const struct mtls_acctset *set);
void mtls_acctset_next_ids(const struct mtls_acctset *set, struct mtls_acct_next *ret);
bool mtls_acctset_has_tombstone(const struct mtls_acctset *set, bool group, uint32_t id);
bool mtls_acctset_has_gid(const struct mtls_acctset *set, uint32_t gid);

/*
 * Walks in sorted order; stops at the first non-zero result and returns it. Members of @walk that
 * are NULL are skipped.
 */
struct mtls_acctset_walk {
	int (*user)(void *ctx, const struct mtls_acctset_user *user);
	int (*group)(void *ctx, const struct mtls_acctset_group *group);
	int (*binding)(void *ctx, const struct mtls_acctset_binding *binding);
	int (*tombstone)(void *ctx, const struct mtls_acctset_tombstone *stone);
};
int mtls_acctset_walk(const struct mtls_acctset *set, const struct mtls_acctset_walk *walk,
		      void *ctx);

#endif
