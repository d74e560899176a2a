/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store: all accounts, in SQLite. It knows the rules for names and ids, allocates ids once and
 * for ever, and gives its content as the stream of lib/acctdb/item.h. Only accountd/store*.c know
 * SQLite. One thread, one writer; a walk has a connection of its own and sees one moment.
 *
 * A user without a primary group of its own has a private group: gid = uid, same name.
 */
#ifndef ACCOUNTD_STORE_H
#define ACCOUNTD_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/acctdb/item.h"
#include "lib/acctdb/local.h"
#include "lib/acctdb/reader.h"
#include "lib/base/cleanup.h"
#include "lib/base/err.h"
#include "lib/roster/roster.h"

#define STORE_SCHEMA 2 /* of the file; 1 had no sources */

struct store;

struct store_options {
	const char *path; /* of store.db; its folder exists and is ours alone */
	struct mtls_id_rules ids;
	bool no_enumeration; /* passed on to the snapshot */
	/* Called every few milliseconds of a long work, also while it opens; may be NULL. */
	void (*working)(void *ctx);
	void *ctx;
};

/*
 * Opens or creates the store: takes its lock (another accountd: MTLS_E_BUSY), checks integrity by
 * reading everything (about 2 s at a million users), migrates an older schema in one transaction.
 * @ret_new tells whether it holds nothing yet; its generation is then 1, so that it can be
 * published. Refuses with words that say how to restore: MTLS_E_CORRUPT (damaged; the file is not
 * touched), MTLS_E_VERSION (made by a newer version), MTLS_E_UNTRUSTED (others may read or write
 * it), -errno.
 *
 * What a crash left in the log is taken over. If the log itself is damaged, SQLite takes it for one
 * that was cut by the crash, and the changes in it are lost: store_check_snapshot() notices.
 */
int store_open(const struct store_options *options, struct store **ret, bool *ret_new,
	       struct mtls_diag *diag);
void store_close(struct store *store);
MTLS_DEFINE_CLEANUP(struct store *, store_close)

/* What this machine's files hold now; borrowed until the next call. NULL: nothing. */
void store_set_local(struct store *store, const struct mtls_local *local);

/*
 * A change: begin, operations, commit. A failed operation changes nothing and the change can go on.
 * A commit is durable when it returns; it counts the generation up by one, unless the change
 * touched nothing that is published. After a commit that failed nothing of the change is there and
 * the next one can begin.
 */
int store_begin(struct store *store, struct mtls_diag *diag);
int store_commit(struct store *store, uint64_t *ret_generation, struct mtls_diag *diag);
void store_rollback(struct store *store);

struct store_user_spec {
	const char *name, *gecos, *home, *shell; /* required but gecos */
	uint32_t uid;                            /* 0: the next free one of the window */
	uint32_t gid;                            /* 0: a private group */
};

/*
 * Operations, within a change. 0; MTLS_E_EXISTS (name or id is taken), MTLS_E_DENIED (a rule
 * forbids it, or it belongs to another source), MTLS_E_SYNTAX (a field), MTLS_E_LIMIT,
 * MTLS_E_NOTFOUND, -ENOMEM, -errno. @diag says in words what is wrong and what to do. @time:
 * seconds since 1970.
 */
int store_add_user(struct store *store, const struct store_user_spec *spec, uint32_t *ret_uid,
		   struct mtls_diag *diag);
/* Members of @spec that are NULL stay as they are; ids and name cannot change. */
int store_change_user(struct store *store, const struct store_user_spec *spec,
		      struct mtls_diag *diag);
/* With its private group, memberships and bindings; leaves tombstones. */
int store_remove_user(struct store *store, const char *name, uint64_t time, uint32_t *ret_uid,
		      struct mtls_diag *diag);
int store_add_group(struct store *store, const char *name, uint32_t gid, uint32_t *ret_gid,
		    struct mtls_diag *diag);
/* Refused for a private group and for the primary group of a user. */
int store_remove_group(struct store *store, const char *name, uint64_t time, uint32_t *ret_gid,
		       struct mtls_diag *diag);
/* Both must be of the store. */
int store_add_member(struct store *store, const char *group, const char *user,
		     struct mtls_diag *diag);
int store_remove_member(struct store *store, const char *group, const char *user,
			struct mtls_diag *diag);
/*
 * @key canonical (lib/name/key.h); @name of any source or system. It is bound to who has the name
 * now: it is published as long as he has it, again when a source gives him back, and never for
 * somebody else of his name.
 */
int store_bind(struct store *store, const char *key, const char *name, struct mtls_diag *diag);
int store_unbind(struct store *store, const char *key, const char *name, struct mtls_diag *diag);

/*
 * Every binding that names @name, in the order of keys: @holds says whether @owner, who had the
 * name here when it was bound (0: nobody, an account of another system), is who has it now. Only
 * these are published. @each returns 0 to go on.
 */
typedef int store_binding_fn(void *ctx, const char *key, uint32_t owner, bool holds);
int store_bindings_of(struct store *store, const char *name, store_binding_fn *each, void *ctx,
		      struct mtls_diag *diag);

/* Questions; within a change they see it. */
bool store_has_user(struct store *store, const char *name);
bool store_has_group(struct store *store, const char *name);
/* A removed user of this name; the last one's uid. */
bool store_former_user(struct store *store, const char *name, uint32_t *ret_uid);
int store_get_user(struct store *store, const char *name, uint32_t *ret_uid, uint32_t *ret_gid,
		   char **ret_home, char **ret_shell);

struct store_counts {
	uint64_t generation;
	uint64_t users, groups, bindings, tombstones; /* groups without private ones */
	struct mtls_acct_next next;
};
int store_counts(struct store *store, struct store_counts *ret, struct mtls_diag *diag);

/*
 * Takes a snapshot of any format over into a store that is new, tombstones, next ids and serial
 * included; accounts of its other sources become the store's. One transaction.
 */
int store_import_snapshot(struct store *store, const struct mtls_acctdb *db,
			  struct mtls_diag *diag);

/*
 * A store older than the snapshot @db (an old backup was restored) would give ids out again that
 * were given out in between: MTLS_E_DENIED, with words that name the two ways out. At each start.
 */
int store_check_snapshot(struct store *store, const struct mtls_acctdb *db, struct mtls_diag *diag);
/*
 * The second way: takes over the next ids of the snapshot, and leaves tombstones for ids that it
 * knows, alive or not, and the store does not; @ret_barred counts them. Accounts that only the
 * snapshot has are not taken over; the store's accounts and groups that the snapshot knows to be
 * removed are removed again. One transaction; counts the generation beyond the snapshot's.
 */
int store_catch_up(struct store *store, const struct mtls_acctdb *db, uint64_t time,
		   uint64_t *ret_barred, struct mtls_diag *diag);

/*
 * File sources. store_set_source() replaces what is known of the source @name (NULL @roster: it is
 * gone); store_merge() makes the effective accounts anew: the store's own, then the sources by
 * name, the first one wins. Who loses is in the conflicts, never silent. What vanishes leaves
 * tombstones; an id returns only to the name that had it. Both within a change.
 */
int store_set_source(struct store *store, const char *name, const struct mtls_roster *roster,
		     struct mtls_diag *diag);
int store_merge(struct store *store, uint64_t time, struct mtls_diag *diag);
/* What lost at the last merge: "corp:12: user 'x': the name belongs to the store". */
typedef int store_conflict_fn(void *ctx, const char *source, unsigned int line,
			      const char *sentence);
int store_conflicts(struct store *store, store_conflict_fn *each, void *ctx,
		    struct mtls_diag *diag);
/* Names of the sources that the store knows, and how many effective users each gives. */
typedef int store_source_fn(void *ctx, const char *name, uint64_t users, uint64_t groups);
int store_sources(struct store *store, store_source_fn *each, void *ctx, struct mtls_diag *diag);

/* One stream of items, of one moment; changes may go on meanwhile. */
struct store_walk;
int store_walk_new(struct store *store, struct store_walk **ret, struct mtls_diag *diag);
/* The next item, borrowed until the next call: 1; 0 after END; or an error. */
int store_walk_next(struct store_walk *walk, struct mtls_acct_item *ret, struct mtls_diag *diag);
void store_walk_free(struct store_walk *walk);
MTLS_DEFINE_CLEANUP(struct store_walk *, store_walk_free)

#endif
