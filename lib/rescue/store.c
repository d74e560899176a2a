/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The folder, its lock, the file. Holds no state but the descriptor of the lock. */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/rescue/store.h"

#define LOCK_PAUSE_MS 50

static int path_of(const char *folder, char out[PATH_MAX])
{
	int n = snprintf(out, PATH_MAX, "%s/" MTLS_RESCUE_FILE, folder);
	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int judge_folder(const char *folder, int fd, struct mtls_diag *diag)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return mtls_diag_set(diag, -errno, "'%s': %s", folder, strerrordesc_np(errno));
	if (st.st_uid == 0 && (st.st_mode & 07777) == 0700)
		return 0;
	return mtls_diag_set(diag, MTLS_E_UNTRUSTED,
			     "the folder '%s' has owner %u, mode %04o, expected root and 0700: "
			     "chown root: and chmod 700",
			     folder, (unsigned int)st.st_uid, (unsigned int)st.st_mode & 07777);
}

static int open_folder(const char *folder, int *ret_fd, struct mtls_diag *diag)
{
	_cleanup_close_ int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return mtls_diag_set(diag, -errno, "'%s': %s", folder, strerrordesc_np(errno));
	int r = judge_folder(folder, fd, diag);
	if (r == 0)
		*ret_fd = MTLS_TAKE_FD(fd);
	return r;
}

int mtls_rescue_folder_make(const char *folder, struct mtls_diag *diag)
{
	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		return mtls_diag_set(diag, -errno, "cannot make '%s': %s", folder,
				     strerrordesc_np(errno));
	_cleanup_close_ int fd = -1;
	int r = open_folder(folder, &fd, diag);
	if (r < 0)
		return r;
	r = mtls_file_sync_parent(folder);
	return r < 0 ? mtls_diag_set(diag, r, "cannot sync the folder of '%s': %s", folder,
				     mtls_strerror(r))
		     : 0;
}

/* flock(2) has no timeout, and a signal for one would be the host program's. */
int mtls_rescue_lock(const char *folder, unsigned int patience_ms, int *ret_fd,
		     struct mtls_diag *diag)
{
	static const struct timespec pause = { .tv_nsec = LOCK_PAUSE_MS * 1000000L };
	mtls_deadline deadline = mtls_deadline_in_ms(patience_ms);
	_cleanup_close_ int fd = -1;
	int r = open_folder(folder, &fd, diag);
	if (r < 0)
		return r;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return mtls_diag_set(diag, -errno, "cannot lock '%s': %s", folder,
					     strerrordesc_np(errno));
		if (mtls_deadline_left_ms(deadline) == 0)
			return mtls_diag_set(diag, MTLS_E_BUSY, "'%s' is in use", folder);
		(void)nanosleep(&pause, NULL);
	}
	*ret_fd = MTLS_TAKE_FD(fd);
	return 0;
}

int mtls_rescue_load(const char *folder, struct mtls_rescue_set **ret, struct mtls_diag *diag)
{
	static const struct mtls_file_trust root = { .owner = 0, .secret = true };
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF_SECRET(MTLS_RESCUE_FILE_MAX);
	char path[PATH_MAX];
	int r = path_of(folder, path);
	if (r < 0)
		return mtls_diag_set(diag, r, "'%s': path too long", folder);
	r = mtls_file_read(path, &root, &text, diag);
	if (r < 0)
		return r;
	struct mtls_diag line = { "" };
	r = mtls_rescue_set_parse(text.data, text.len, ret, &line);
	return r < 0 ? mtls_diag_set(diag, r, "'%s': %s", path, mtls_diag_text(&line, r)) : 0;
}

/* Temporary files of mtls_file_replace(): "codes." and six characters. */
static void sweep(const char *folder)
{
	DIR *dir = opendir(folder);
	for (const struct dirent *d; dir && (d = readdir(dir));)
		if (strncmp(d->d_name, MTLS_RESCUE_FILE ".", sizeof(MTLS_RESCUE_FILE)) == 0 &&
		    strlen(d->d_name) == sizeof(MTLS_RESCUE_FILE) + 6)
			(void)unlinkat(dirfd(dir), d->d_name, 0);
	if (dir)
		(void)closedir(dir);
}

int mtls_rescue_save(const char *folder, const struct mtls_rescue_set *set, struct mtls_diag *diag)
{
	static const struct mtls_file_mode mode = { .mode = 0600, .uid = 0, .gid = 0 };
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF_SECRET(MTLS_RESCUE_FILE_MAX);
	char path[PATH_MAX];
	int r = path_of(folder, path);
	if (r == 0)
		r = mtls_rescue_set_format(set, &text);
	if (r < 0)
		return mtls_diag_set(diag, r, "'%s': %s", folder, mtls_strerror(r));
	sweep(folder);
	return mtls_file_replace(path, text.data, text.len, &mode, diag);
}

int mtls_rescue_remove(const char *folder, struct mtls_diag *diag)
{
	char path[PATH_MAX];
	int r = path_of(folder, path);
	sweep(folder);
	if (r == 0 && unlink(path) < 0)
		r = -errno;
	if (r == 0)
		r = mtls_file_sync_parent(path);
	return r < 0 ? mtls_diag_set(diag, r, "'%s': %s", path, mtls_strerror(r)) : 0;
}
