/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The builder's state, and how its files call one another. */
#ifndef MTLS_ACCTDB_BUILD_IMPL_H
#define MTLS_ACCTDB_BUILD_IMPL_H

#include <cdb.h>

#include "lib/acctdb/build.h"
#include "lib/acctdb/build_sets.h"

/* What a MEMBERS item needs of its GROUP; the name is in a list of its own. */
struct mtls_acctbuild_group {
	uint32_t gid;
	uint8_t source;
	bool dropped;
};

struct mtls_acctbuild {
	struct mtls_acctbuild_options options;
	struct cdb_make cdb; /* holds memory until it is finished */
	bool cdb_open;
	int failed; /* the first error: nothing comes of this build any more */

	unsigned int kind; /* of the last item */
	uint64_t items;
	uint8_t last[MTLS_KEY_MAX]; /* name or key of the last item, to compare neighbours */
	size_t last_len;
	struct mtls_acct_tombstone last_stone; /* without its name */

	struct mtls_acct_header header;
	struct mtls_acct_next next;
	char source_text[MTLS_ACCTDB_SOURCES_MAX][MTLS_ACCTDB_SOURCE_MAX];
	struct mtls_acct_str sources[MTLS_ACCTDB_SOURCES_MAX];
	size_t source_count;

	/* Of the stream, whether dropped or not. */
	struct mtls_idset uids, gids, dead_uids, dead_gids;
	struct mtls_idset kept_groups, dropped_groups; /* gids of supplementary groups */
	struct mtls_namelist group_names;
	struct mtls_acctbuild_group *groups; /* owned; as many as names */
	size_t group_room;
	size_t group_near; /* first group whose name is not before the last user's */
	size_t group_at;   /* of the next MEMBERS */
	struct mtls_namelist dropped_users;

	uint64_t secret, said_by_users, said_by_groups; /* see mtls_acct_membership() */
	uint32_t dropped;
	struct mtls_buf value, list; /* reused */
};

enum mtls_name_grade {
	MTLS_NAME_OWNABLE,
	MTLS_NAME_RESERVED,
	MTLS_NAME_MALFORMED,
};
enum mtls_name_grade mtls_acctbuild_grade(struct mtls_acct_str name);

/* @name is behind the last item's (@last is nothing yet: always). Remembers it. */
bool mtls_acctbuild_in_order(struct mtls_acctbuild *build, struct mtls_acct_str name);
/* Adds @id to @alive. MTLS_E_DENIED if it is there already or in @dead. */
int mtls_acctbuild_claim(struct mtls_idset *alive, const struct mtls_idset *dead, uint32_t id,
			 const char *what, struct mtls_acct_str name, struct mtls_diag *diag);
/* MTLS_E_DENIED with "refused: WHAT 'NAME' WHY". */
int mtls_acctbuild_refuse(const char *what, struct mtls_acct_str name, const char *why,
			  struct mtls_diag *diag);
void mtls_acctbuild_report(struct mtls_acctbuild *build, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* One item each. 0, or an error with @diag. */
int mtls_acctbuild_group(struct mtls_acctbuild *build, const struct mtls_acct_item *item,
			 struct mtls_diag *diag);
int mtls_acctbuild_user(struct mtls_acctbuild *build, const struct mtls_acct_item *item,
			struct mtls_diag *diag);
int mtls_acctbuild_members(struct mtls_acctbuild *build, const struct mtls_acct_item *item,
			   struct mtls_diag *diag);
int mtls_acctbuild_binding(struct mtls_acctbuild *build, const struct mtls_acct_item *item,
			   struct mtls_diag *diag);

/* Seals build->value under the key and hands both to the database. */
int mtls_acctbuild_put(struct mtls_acctbuild *build, const void *key, size_t len,
		       struct mtls_diag *diag);
int mtls_acctbuild_put_user(struct mtls_acctbuild *build, const struct mtls_acct_user *user,
			    const struct mtls_acct_ids *gids, struct mtls_diag *diag);
int mtls_acctbuild_put_group(struct mtls_acctbuild *build, const struct mtls_acct_group *group,
			     struct mtls_diag *diag);
int mtls_acctbuild_put_tombstone(struct mtls_acctbuild *build,
				 const struct mtls_acct_tombstone *stone, struct mtls_diag *diag);
/* Header, next ids, sources; then the tables. */
int mtls_acctbuild_put_rest(struct mtls_acctbuild *build, struct mtls_diag *diag);

#endif
