/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inside a merge of sources: claims (store_merge.c) and who may have what (store_judge.c). */
#ifndef ACCOUNTD_STORE_MERGE_H
#define ACCOUNTD_STORE_MERGE_H

#include "accountd/store_impl.h"

struct merge {
	struct store *store;
	uint64_t lost[MTLS_ACCTDB_SOURCES_MAX];
	uint64_t time;
};

/* A row that wants to become an account or a group. */
struct claim {
	int64_t source;
	uint32_t line, id, gid; /* id: uid of a user, gid of a group */
	const char *name;
	bool group;
};

/*
 * 0, a refusal whose reason is in the store's words (MTLS_E_DENIED, MTLS_E_EXISTS, MTLS_E_SYNTAX),
 * or an error. @row of a user: line, name, uid, gid, gecos, home, shell.
 */
int store_judge_user(struct merge *m, const struct claim *claim, sqlite3_stmt *row);
int store_judge_group(struct merge *m, const struct claim *claim);

#endif
