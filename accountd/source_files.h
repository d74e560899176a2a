/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The source files: a folder of passwd(5) and group(5) style files, NAME.passwd and NAME.group, of
 * which each NAME is a source of accounts. Watched; a source whose files changed is read as a whole
 * and handed on, or, if anything in it is wrong, keeps the state that the store has of it.
 *
 * A source is taken away only by removing its files from a folder that can be read. While the
 * folder is missing or not to be trusted, every source keeps its state, so that a folder that is
 * not mounted yet takes nobody's account away.
 *
 * One thread, the loop's. Needs of a sandbox: openat, close, read, fstat, newfstatat, getdents64,
 * fcntl (F_GETFL), clock_gettime, memory, sysinfo (qsort of the C library asks for the size of the
 * memory), epoll as libuv uses it, inotify_add_watch, inotify_rm_watch; inotify_init1 only within
 * source_files_new(). Landlock: the folder's parent must be readable, since the folder may be made
 * or replaced later.
 */
#ifndef ACCOUNTD_SOURCE_FILES_H
#define ACCOUNTD_SOURCE_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <uv.h>

#include "lib/base/cleanup.h"
#include "lib/base/err.h"
#include "lib/roster/roster.h"

#define SOURCE_FILES_SETTLE_MS 250   /* how long a file must have been left alone */
#define SOURCE_FILES_POLL_MS   60000 /* backstop where no event comes */

enum source_state {
	SOURCE_GOOD,   /* the store has what the files say */
	SOURCE_BROKEN, /* the store keeps what it had; the error says why */
	SOURCE_GONE,   /* its files were removed, and the store knows */
};

struct source_info {
	const char *name;
	enum source_state state;
	const char *error;    /* "" unless broken */
	bool held;            /* the store has accounts of it, of now or of before */
	size_t users, groups; /* of the files, when they were last good */
	size_t hashes_dropped;
};

/*
 * What becomes of a scan. For one that found changes: begin, changed for each source, commit. An
 * error of begin or commit undoes the scan, an error of changed only that source's change (the
 * others go on); all three are tried again at the next scan, and @diag becomes the source's error.
 */
struct source_files_ops {
	int (*begin)(void *ctx, struct mtls_diag *diag);
	/* NULL @roster: the source is gone. It is borrowed for the call. */
	int (*changed)(void *ctx, const char *source, const struct mtls_roster *roster,
		       struct mtls_diag *diag);
	int (*commit)(void *ctx, struct mtls_diag *diag);
	/* begin was called, commit was not, or it failed. */
	void (*rollback)(void *ctx);
	/* For the log, once for each thing that happens. @error: somebody should look at it. */
	void (*report)(void *ctx, bool error, const char *sentence);
};

struct source_files_options {
	const char *folder;                 /* absolute */
	const struct source_files_ops *ops; /* borrowed, all members set */
	void *ctx;
	uid_t owner; /* who may own folder and files besides root; 0: nobody */
	uint32_t settle_ms, poll_ms;
};

struct source_files;

/* Nothing is read yet. 0, -ENOMEM, or what libuv says. */
int source_files_new(uv_loop_t *loop, const struct source_files_options *options,
		     struct source_files **ret, struct mtls_diag *diag);

/* Before the first scan: the store has accounts of the source @name from before. 0 or an error. */
int source_files_known(struct source_files *files, const char *name, struct mtls_diag *diag);

/*
 * Looks now, and hands on what changed; also what the timers and events do. 1 if changes were
 * committed, 0 if there was nothing to do (or what there is must settle first, for which a timer is
 * set), or an error that was reported.
 */
int source_files_scan(struct source_files *files);

/* By name. Stops at the first result that is not 0, and returns it. */
typedef int source_info_fn(void *ctx, const struct source_info *info);
int source_files_each(const struct source_files *files, source_info_fn *each, void *ctx);

/* Closes the handles; the memory goes when the loop has run once more. NULL is fine. */
void source_files_free(struct source_files *files);
MTLS_DEFINE_CLEANUP(struct source_files *, source_files_free)

#endif
