/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The published snapshot as mtlsctl shows it: sorted by name, without a daemon, without rights.
 * What is returned points into the snapshot.
 */
#ifndef MTLS_TOOLS_CTL_SNAPSHOT_H
#define MTLS_TOOLS_CTL_SNAPSHOT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/acctdb/reader.h"

struct ctl_snapshot {
	struct mtls_acctdb db;
	bool open; /* false: none was published yet, everything is empty */
};

/* A missing file is an empty snapshot. 0 or an error with @diag. */
int ctl_snapshot_open(const char *path, struct ctl_snapshot *ret, struct mtls_diag *diag);
void ctl_snapshot_close(struct ctl_snapshot *snapshot);

bool ctl_snapshot_user(const struct ctl_snapshot *snapshot, const char *name,
		       struct mtls_acct_user *ret);
bool ctl_snapshot_group(const struct ctl_snapshot *snapshot, const char *name,
			struct mtls_acct_group *ret);

/* Arrays sorted by name, malloc'ed. 0, -ENOMEM, MTLS_E_CORRUPT. */
int ctl_snapshot_users(const struct ctl_snapshot *snapshot, struct mtls_acct_user **ret,
		       size_t *ret_count);
/* @private_too: the groups that only one user has, too. */
int ctl_snapshot_groups(const struct ctl_snapshot *snapshot, bool private_too,
			struct mtls_acct_group **ret, size_t *ret_count);

/* Names of the supplementary groups of @name, sorted; a NULL-terminated list that is the caller's
 * (mtls_strv_free). */
int ctl_snapshot_groups_of(const struct ctl_snapshot *snapshot, struct mtls_acct_str name,
			   char ***ret);
/* The source of a user or group: "store", ... "?" if the snapshot does not say. */
struct mtls_acct_str ctl_snapshot_source(const struct ctl_snapshot *snapshot, uint8_t index);

struct ctl_binding {
	struct mtls_acct_str name, key;
};
/* Whether the canonical @key is bound to @name, perhaps beside others. */
bool ctl_snapshot_bound(const struct ctl_snapshot *snapshot, const char *name, const char *key);

/* A row for each name of each binding, sorted by name, then key. */
int ctl_snapshot_bindings(const struct ctl_snapshot *snapshot, struct ctl_binding **ret,
			  size_t *ret_count);

/*
 * Lists on standard output: @each prints row @index as a line, or makes it a JSON object when
 * @json. What could not be written is a failure of mtlsctl's main().
 */
typedef json_t *ctl_row_json(const void *ctx, size_t index);
typedef int ctl_row_text(const void *ctx, size_t index);
struct ctl_listing {
	const char *header;
	ctl_row_text *text; /* 0 or an error */
	ctl_row_json *json; /* NULL when memory is short */
};
/* 0, -ENOMEM, or what a row returned. */
int ctl_print_listing(const struct ctl_listing *listing, const void *ctx, size_t count, bool json);

/* A JSON string of bytes that are not NUL-terminated. */
json_t *ctl_json_str(struct mtls_acct_str str);

#endif
