/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of lib/acctdb/local share: the tables, and a reader of lines for each file. */
#ifndef MTLS_ACCTDB_LOCAL_IMPL_H
#define MTLS_ACCTDB_LOCAL_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "lib/acctdb/local.h"

struct local_names {
	char **items;
	size_t count, room;
};

struct local_range {
	uint64_t first, last; /* both belong to it */
};

struct local_ranges {
	struct local_range *items;
	size_t count, room;
};

/* One kind, users or groups. Sorted, ranges apart from one another, once loading is done. */
struct local_holding {
	struct local_names names;
	struct local_ranges ids;       /* held */
	struct local_ranges allocated; /* what tools may hand out */
};

/* A range of login.defs, or the default of its programs. */
struct local_limits {
	uint32_t min, max;
	bool min_set, max_set;
};
#define LOCAL_LIMITS 6

/* What a file was when it was read; all zero: it was not there. */
struct local_seen {
	char *path;
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
};

struct mtls_local {
	struct local_holding users, groups;
	struct local_limits limits[LOCAL_LIMITS];
	struct local_seen *seen;
	size_t seen_count, seen_room;
};

/* Room for one more of @size bytes in @items; the array by now, or NULL. */
void *local_grow(void *items, size_t count, size_t *room, size_t size);
int local_add_name(struct local_names *names, const char *name, size_t len);
int local_add_range(struct local_ranges *ranges, uint64_t first, uint64_t last);

/*
 * One line of a file, without its end; it may be cut up. Lines that make no sense are skipped, as
 * the programs that own the file do. 0 or -ENOMEM.
 */
typedef int local_line_fn(struct mtls_local *local, char *line);
local_line_fn local_line_passwd, local_line_group;  /* name:password:id:... */
local_line_fn local_line_subuid, local_line_subgid; /* name:first:count */
local_line_fn local_line_defs, local_line_sysusers; /* login.defs(5), sysusers.d(5) */

/* Behind the lines of login.defs: what they allow, defaults included. 0 or -ENOMEM. */
int local_defs_end(struct mtls_local *local);

/* Every line of @data (@len bytes and one more that is writable) to @each. 0 or -ENOMEM. */
int local_each_line(struct mtls_local *local, char *data, size_t len, local_line_fn *each);

/* Sorts and merges: the end of loading. */
void local_sort(struct mtls_local *local);

#endif
