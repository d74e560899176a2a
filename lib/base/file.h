/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files: trusted open, bounded read, atomic replace. */
#ifndef MTLS_BASE_FILE_H
#define MTLS_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

/* Who may own a file that we believe, and who may read a secret one. */
struct mtls_file_trust {
	uid_t owner;      /* allowed owner besides root */
	bool secret;      /* refuse if others may read it, or a group other than secret_gid */
	gid_t secret_gid; /* 0: no group but root's */
};

/*
 * Opens a regular file for reading: O_CLOEXEC, O_NOFOLLOW on the last component, O_NOCTTY,
 * O_NONBLOCK, then fstat: owner root or trust->owner, not writable by group or others; the folder
 * that holds it likewise (sticky folders are refused). @trust NULL: no check of the owner.
 * Returns 0, -errno, or MTLS_E_UNTRUSTED; @diag names path and reason.
 */
int mtls_file_open_trusted(const char *path, const struct mtls_file_trust *trust, int *ret_fd,
			   struct mtls_diag *diag);

/*
 * Reads the whole trusted file, at most @buf->max bytes, else MTLS_E_LIMIT. The content is
 * appended to @buf, whose wipe flag the caller chose.
 */
int mtls_file_read(const char *path, const struct mtls_file_trust *trust, struct mtls_buf *buf,
		   struct mtls_diag *diag);

/* Reads @fd to its end into @buf; 0, -errno, MTLS_E_LIMIT. */
int mtls_fd_read_all(int fd, struct mtls_buf *buf);

/* Writes all of it, through EINTR and short writes; 0 or -errno. */
int mtls_fd_write_all(int fd, const void *data, size_t len);

struct mtls_file_mode {
	mode_t mode;
	uid_t uid;      /* (uid_t)-1: as the process */
	gid_t gid;      /* (gid_t)-1: as the process */
	bool exclusive; /* never replace: -EEXIST where @path exists already */
};

/*
 * Replaces @path as a whole or not at all: temporary file in the same folder, fchown, fchmod,
 * fsync, rename, fsync of the folder. Returns 0 or -errno; @diag names path and step.
 */
int mtls_file_replace(const char *path, const void *data, size_t len,
		      const struct mtls_file_mode *mode, struct mtls_diag *diag);

/*
 * Makes the folder @path with @mode, whatever the umask; one that is there stays as it is. In
 * folders that nobody else may write to. 0 or -errno.
 */
int mtls_folder_make(const char *path, mode_t mode);

/* fsync of the folder that holds @path; 0 or -errno. */
int mtls_file_sync_parent(const char *path);

#endif
