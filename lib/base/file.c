/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* File access for programs that run as root. Holds no state. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/base/file.h"
#include "lib/base/str.h"

#define READ_CHUNK 4096

/* The folder part of @path; "." and "/" where it has none of its own. */
static int parent_of(const char *path, char *out, size_t size)
{
	int r = mtls_strcopy(out, size, path);
	if (r < 0)
		return -ENAMETOOLONG;
	char *slash = strrchr(out, '/');
	if (!slash)
		return mtls_strcopy(out, size, ".");
	if (slash == out)
		slash++;
	*slash = '\0';
	return 0;
}

static bool owner_trusted(const struct stat *st, const struct mtls_file_trust *trust)
{
	return st->st_uid == 0 || st->st_uid == trust->owner;
}

static int check_file(const char *path, const struct stat *st, const struct mtls_file_trust *trust,
		      struct mtls_diag *diag)
{
	if (!owner_trusted(st, trust))
		return mtls_diag_set(
			diag, MTLS_E_UNTRUSTED, "'%s' is owned by uid %u, expected root%s", path,
			(unsigned int)st->st_uid, trust->owner ? " or the configured owner" : "");
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return mtls_diag_set(diag, MTLS_E_UNTRUSTED,
				     "'%s' is writable by group or others (mode %04o): chmod go-w",
				     path, (unsigned int)st->st_mode & 07777);
	if (!trust->secret)
		return 0;
	bool group_ok = st->st_gid == 0 || (trust->secret_gid && st->st_gid == trust->secret_gid);
	if ((st->st_mode & S_IRWXO) || ((st->st_mode & S_IRWXG) && !group_ok))
		return mtls_diag_set(diag, MTLS_E_UNTRUSTED,
				     "'%s' is a secret that others may read (mode %04o, gid %u)",
				     path, (unsigned int)st->st_mode & 07777,
				     (unsigned int)st->st_gid);
	return 0;
}

static int check_folder(const char *path, const struct mtls_file_trust *trust,
			struct mtls_diag *diag)
{
	char folder[PATH_MAX];
	struct stat st;
	int r = parent_of(path, folder, sizeof(folder));
	if (r < 0)
		return mtls_diag_set(diag, r, "'%s': path too long", path);
	if (stat(folder, &st) < 0)
		return mtls_diag_set(diag, -errno, "'%s': %s", folder, strerrordesc_np(errno));
	if (!owner_trusted(&st, trust) || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return mtls_diag_set(
			diag, MTLS_E_UNTRUSTED,
			"the folder '%s' is owned by uid %u, mode %04o: others could replace '%s'",
			folder, (unsigned int)st.st_uid, (unsigned int)st.st_mode & 07777, path);
	return 0;
}

int mtls_file_open_trusted(const char *path, const struct mtls_file_trust *trust, int *ret_fd,
			   struct mtls_diag *diag)
{
	_cleanup_close_ int fd =
		open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return mtls_diag_set(diag, -errno, "cannot open '%s': %s", path,
				     strerrordesc_np(errno));
	struct stat st;
	if (fstat(fd, &st) < 0)
		return mtls_diag_set(diag, -errno, "cannot stat '%s': %s", path,
				     strerrordesc_np(errno));
	if (!S_ISREG(st.st_mode))
		return mtls_diag_set(diag, MTLS_E_UNTRUSTED, "'%s' is not a regular file", path);
	if (trust) {
		int r = check_file(path, &st, trust, diag);
		if (r >= 0)
			r = check_folder(path, trust, diag);
		if (r < 0)
			return r;
	}
	*ret_fd = MTLS_TAKE_FD(fd);
	return 0;
}

int mtls_fd_read_all(int fd, struct mtls_buf *buf)
{
	for (;;) {
		/* At the limit, one byte more tells "full" from "too long". */
		uint8_t chunk[READ_CHUNK];
		ssize_t n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		int r = n < 0 ? -errno : mtls_buf_append(buf, chunk, (size_t)n);
		if (buf->wipe)
			explicit_bzero(chunk, sizeof(chunk));
		if (r < 0 || n <= 0)
			return r;
	}
}

int mtls_file_read(const char *path, const struct mtls_file_trust *trust, struct mtls_buf *buf,
		   struct mtls_diag *diag)
{
	_cleanup_close_ int fd = -1;
	int r = mtls_file_open_trusted(path, trust, &fd, diag);
	if (r < 0)
		return r;
	r = mtls_fd_read_all(fd, buf);
	if (r == MTLS_E_LIMIT)
		return mtls_diag_set(diag, r, "'%s' is longer than %zu bytes", path, buf->max);
	if (r < 0)
		return mtls_diag_set(diag, r, "cannot read '%s': %s", path, mtls_strerror(r));
	return 0;
}

int mtls_fd_write_all(int fd, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int mtls_folder_make(const char *path, mode_t mode)
{
	if (mkdir(path, mode) < 0)
		return errno == EEXIST ? 0 : -errno;
	return chmod(path, mode) < 0 ? -errno : 0;
}

int mtls_file_sync_parent(const char *path)
{
	char folder[PATH_MAX];
	int r = parent_of(path, folder, sizeof(folder));
	if (r < 0)
		return r;
	_cleanup_close_ int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

static int fill(int fd, const void *data, size_t len, const struct mtls_file_mode *mode,
		const char **ret_step)
{
	*ret_step = "write";
	int r = mtls_fd_write_all(fd, data, len);
	if (r < 0)
		return r;
	*ret_step = "chown";
	bool change_owner = mode->uid != (uid_t)-1 || mode->gid != (gid_t)-1;
	if (change_owner && fchown(fd, mode->uid, mode->gid) < 0)
		return -errno;
	*ret_step = "chmod";
	if (fchmod(fd, mode->mode) < 0)
		return -errno;
	*ret_step = "fsync";
	return fsync(fd) < 0 ? -errno : 0;
}

/* rename, or link where the target must not exist. */
static int publish(const char *temporary, const char *path, bool exclusive)
{
	if (!exclusive)
		return rename(temporary, path) < 0 ? -errno : 0;
	if (link(temporary, path) < 0)
		return -errno;
	(void)unlink(temporary);
	return 0;
}

int mtls_file_replace(const char *path, const void *data, size_t len,
		      const struct mtls_file_mode *mode, struct mtls_diag *diag)
{
	_cleanup_free_ char *temporary = NULL;
	if (asprintf(&temporary, "%s.XXXXXX", path) < 0) {
		temporary = NULL;
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	}
	const char *step = "create";
	_cleanup_close_ int fd = mkostemp(temporary, O_CLOEXEC);
	int r = fd < 0 ? -errno : fill(fd, data, len, mode, &step);
	if (r >= 0) {
		step = "rename";
		r = publish(temporary, path, mode->exclusive);
	}
	if (r < 0) {
		if (fd >= 0)
			(void)unlink(temporary);
		return mtls_diag_set(diag, r, "cannot write '%s' (%s): %s", path, step,
				     mtls_strerror(r));
	}
	r = mtls_file_sync_parent(path);
	if (r < 0)
		return mtls_diag_set(diag, r, "cannot sync the folder of '%s': %s", path,
				     mtls_strerror(r));
	return 0;
}
