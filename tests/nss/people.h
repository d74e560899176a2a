/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Accounts that a test describes in any order, and the stream of items, frames or snapshot that
 * they make. Nothing is judged here: what the builder refuses can be described too. Texts are
 * copied. Running out of memory aborts the test.
 */
#ifndef TESTS_NSS_PEOPLE_H
#define TESTS_NSS_PEOPLE_H

#include "lib/acctdb/build.h"

struct people {
	/* Set before the snapshot is made; people_new() sets the usual. */
	struct mtls_id_rules ids;
	const struct mtls_local *local; /* borrowed */
	uint64_t generation;            /* people_write() counts it up afterwards */
	uint64_t created;
	bool no_enumeration;
	struct mtls_acct_next next; /* 0: one behind the highest id */
	void (*dropped)(void *ctx, const char *sentence);
	void *ctx;
	struct people_lists *lists; /* owned */
};

struct people_user {
	const char *name, *gecos, *home, *shell; /* NULL: "A Person", /home/NAME, /bin/sh */
	uint32_t uid, gid;                       /* uid 0: the next one; gid 0: the uid */
	uint8_t source;
};

struct people *people_new(void);
void people_free(struct people *people);
MTLS_DEFINE_CLEANUP(struct people *, people_free)

/* The id. */
uint32_t people_add(struct people *people, const struct people_user *user);
uint32_t people_user(struct people *people, const char *name);
uint32_t people_group(struct people *people, const char *name, uint32_t gid, uint8_t source);
/* Both directions of it. */
void people_join(struct people *people, const char *group, const char *user);
void people_bind(struct people *people, const char *key, const char *name);
void people_tombstone(struct people *people, bool group, uint32_t id, const char *name);
uint8_t people_source(struct people *people, const char *name);
/* With memberships and bindings, and the private group; leaves tombstones. */
void people_remove(struct people *people, const char *user);

/* The stream, sorted as it must be. Stops at the first non-zero result and returns it. */
typedef int people_each_fn(void *ctx, const struct mtls_acct_item *item);
int people_walk(struct people *people, people_each_fn *each, void *ctx);
/* The same as frames, appended. */
void people_frames(struct people *people, struct mtls_buf *out);
/* A snapshot in the empty file @fd, through frames; as mtls_acctbuild_add(). */
int people_write(struct people *people, int fd, struct mtls_diag *diag);

#endif
