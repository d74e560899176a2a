/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inside the source files: watching (source_files.c), listing (source_list.c), reading
 * (source_scan.c). */
#ifndef ACCOUNTD_SOURCE_FILES_IMPL_H
#define ACCOUNTD_SOURCE_FILES_IMPL_H

#include <time.h>

#include "accountd/source_files.h"
#include "lib/acctdb/record.h"
#include "lib/base/file.h"

#define SOURCES_MAX     (MTLS_ACCTDB_SOURCES_MAX - 1) /* the store is one */
#define SOURCE_NAME_MAX MTLS_ACCTDB_SOURCE_MAX
#define STRANGERS_MAX   64   /* files with other names that are remembered */
#define LISTING_MAX     4096 /* files of sources in the folder, too many ones included */

enum source_part {
	PART_PASSWD,
	PART_GROUP,
	PARTS,
};

/* What tells one content of a file from another, without reading it. All zero: no file. */
struct identity {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
};

struct source {
	char name[SOURCE_NAME_MAX + 1];
	enum source_state state;
	bool held;
	struct identity now[PARTS];   /* as the folder was listed last */
	struct identity tried[PARTS]; /* as the files were read last */
	bool retry;                   /* it failed for a reason that is not in the files */
	bool pending;                 /* handed on in this scan, not committed yet */
	size_t users, groups, hashes_dropped;
	struct mtls_diag error;
};

struct watch {
	uv_fs_event_t handle;
	const char *path; /* of a folder; borrowed */
	bool active;
	dev_t dev; /* what is watched while active: the path may come to name another folder */
	ino_t ino;
};

struct source_files {
	char *folder, *parent, *base; /* owned */
	const struct source_files_ops *ops;
	void *ctx;
	struct mtls_file_trust trust;
	uint32_t settle_ms, poll_ms;

	struct source sources[SOURCES_MAX]; /* by name */
	size_t source_count;
	char **strangers; /* owned; names that were reported */
	bool strangers_full;
	struct mtls_diag error;   /* why the folder cannot be read; "": it can */
	struct timespec modified; /* the folder, when it was listed */
	uint32_t wait_ms;         /* this scan left something to settle for so long; 0: nothing */

	struct watch watch, parent_watch;
	bool watch_failed; /* and that was reported */
	uv_timer_t settle, poll;
	int handles; /* not closed yet */
};

/* A sentence to the log. */
void source_report(struct source_files *files, bool error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Lists the folder and brings sources[].now up to date; sources that are new are added. An error
 * (the folder is missing or not to be trusted) changes nothing.
 */
int source_list(struct source_files *files, struct mtls_diag *diag);

/* One whole look, without watching: as source_files_scan(), and sets wait_ms. */
int source_look(struct source_files *files);

/* What a part of @source is called, with the folder. NULL when memory is short. */
char *source_path(const struct source_files *files, const char *name, enum source_part part);

void identity_of(const struct stat *st, struct identity *ret);
bool identity_same(const struct identity *a, const struct identity *b);
bool identity_none(const struct identity *identity);

#endif
