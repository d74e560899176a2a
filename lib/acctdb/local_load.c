/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds the files that say what this machine holds, remembers what each was, and gives their lines
 * to local_lines.c. A file that cannot be read is an error: not to know is not to allow.
 */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/acctdb/local_impl.h"
#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/base/str.h"

#define CONF_SUFFIX ".conf"

static void identify(struct local_seen *seen, const struct stat *st)
{
	seen->dev = st->st_dev;
	seen->ino = st->st_ino;
	seen->size = st->st_size;
	seen->mtime = st->st_mtim;
	seen->ctime = st->st_ctim;
}

/* Remembers @path; @st is NULL where there was nothing. Before it is read: what changes meanwhile
 * is then seen as a change. */
static int remember(struct mtls_local *local, const char *path, const struct stat *st)
{
	struct local_seen *seen =
		local_grow(local->seen, local->seen_count, &local->seen_room, sizeof(*seen));
	if (!seen)
		return -ENOMEM;
	local->seen = seen;
	seen[local->seen_count] = (struct local_seen){ .path = strdup(path) };
	if (!seen[local->seen_count].path)
		return -ENOMEM;
	if (st)
		identify(&seen[local->seen_count], st);
	local->seen_count++;
	return 0;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool mtls_local_changed(const struct mtls_local *local)
{
	for (size_t i = 0; local && i < local->seen_count; i++) {
		const struct local_seen *was = &local->seen[i];
		struct local_seen is = { 0 };
		struct stat st;
		if (stat(was->path, &st) == 0)
			identify(&is, &st);
		else if (errno != ENOENT && errno != ENOTDIR)
			return true;
		if (is.dev != was->dev || is.ino != was->ino || is.size != was->size ||
		    !same_time(&is.mtime, &was->mtime) || !same_time(&is.ctime, &was->ctime))
			return true;
	}
	return false;
}

/* Opens what is at @path and remembers it: 1, 0 if there is nothing, -errno. */
static int open_and_remember(struct mtls_local *local, const char *path, int flags, int *ret_fd,
			     struct stat *ret_st)
{
	_cleanup_close_ int fd = open(path, flags | O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 && errno != ENOENT && errno != ENOTDIR)
		return -errno;
	if (fd < 0)
		return remember(local, path, NULL);
	if (fstat(fd, ret_st) < 0)
		return -errno;
	int r = remember(local, path, ret_st);
	if (r < 0)
		return r;
	*ret_fd = MTLS_TAKE_FD(fd);
	return 1;
}

static int read_lines(struct mtls_local *local, const char *path, local_line_fn *each)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(MTLS_LOCAL_FILE_MAX);
	_cleanup_close_ int fd = -1;
	struct stat st;

	int r = open_and_remember(local, path, 0, &fd, &st);
	/* A link to /dev/null is how a file of sysusers.d is switched off. */
	if (r <= 0 || !S_ISREG(st.st_mode))
		return r;
	r = mtls_fd_read_all(fd, &text);
	if (r >= 0)
		r = mtls_buf_reserve(&text, 1);
	return r < 0 ? r : local_each_line(local, (char *)text.data, text.len, each);
}

static int read_file(struct mtls_local *local, const char *path, local_line_fn *each,
		     struct mtls_diag *diag)
{
	int r = read_lines(local, path, each);
	if (r < 0)
		return mtls_diag_set(diag, r, "cannot read '%s': %s", path, mtls_strerror(r));
	return 0;
}

static int read_etc(struct mtls_local *local, const char *etc, struct mtls_diag *diag)
{
	static const struct {
		const char *name;
		local_line_fn *each;
	} files[] = {
		{ "passwd", local_line_passwd },   { "group", local_line_group },
		{ "subuid", local_line_subuid },   { "subgid", local_line_subgid },
		{ "login.defs", local_line_defs },
	};

	for (size_t i = 0; i < MTLS_COUNT(files); i++) {
		_cleanup_free_ char *path = NULL;
		if (asprintf(&path, "%s/%s", etc, files[i].name) < 0) {
			path = NULL;
			return mtls_diag_set(diag, -ENOMEM, "out of memory");
		}
		int r = read_file(local, path, files[i].each, diag);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_conf(const char *name)
{
	size_t len = strlen(name), suffix = strlen(CONF_SUFFIX);

	return name[0] != '.' && len > suffix &&
	       memcmp(name + len - suffix, CONF_SUFFIX, suffix) == 0;
}

static bool is_known(char *const *paths, const char *name)
{
	for (; paths && *paths; paths++)
		if (mtls_streq(strrchr(*paths, '/') + 1, name))
			return true;
	return false;
}

static int add_path(char ***paths, const char *folder, const char *name)
{
	_cleanup_free_ char *path = NULL;

	if (is_known(*paths, name))
		return 0;
	if (mtls_strv_count(*paths) == MTLS_LOCAL_FILES_MAX)
		return MTLS_E_LIMIT;
	if (asprintf(&path, "%s/%s", folder, name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	return mtls_strv_add(paths, path);
}

static void closedirp(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

static int list_folder(struct mtls_local *local, const char *folder, char ***paths)
{
	_cleanup_(closedirp) DIR *dir = NULL;
	_cleanup_close_ int fd = -1;
	struct stat st;

	int r = open_and_remember(local, folder, O_DIRECTORY, &fd, &st);
	if (r <= 0)
		return r;
	dir = fdopendir(fd);
	if (!dir)
		return -errno;
	fd = -1;
	for (struct dirent *entry; errno = 0, (entry = readdir(dir));) {
		r = is_conf(entry->d_name) ? add_path(paths, folder, entry->d_name) : 0;
		if (r < 0)
			return r;
	}
	return -errno;
}

static int read_sysusers(struct mtls_local *local, const char *root, const char *etc,
			 struct mtls_diag *diag)
{
	static const char *const folders[] = { "run", "usr/local/lib", "usr/lib" };
	_cleanup_(mtls_strv_freep) char **paths = NULL;

	for (size_t i = 0; i <= MTLS_COUNT(folders); i++) {
		_cleanup_free_ char *folder = NULL;
		int n = i == 0 ? asprintf(&folder, "%s/sysusers.d", etc)
			       : asprintf(&folder, "%s/%s/sysusers.d", root, folders[i - 1]);
		if (n < 0) {
			folder = NULL;
			return mtls_diag_set(diag, -ENOMEM, "out of memory");
		}
		int r = list_folder(local, folder, &paths);
		if (r < 0)
			return mtls_diag_set(diag, r, "cannot read '%s': %s", folder,
					     mtls_strerror(r));
	}
	for (char **path = paths; path && *path; path++) {
		int r = read_file(local, *path, local_line_sysusers, diag);
		if (r < 0)
			return r;
	}
	return 0;
}

static int load(const char *root, const char *etc, struct mtls_local **ret, struct mtls_diag *diag)
{
	_cleanup_(mtls_local_freep) struct mtls_local *local = calloc(1, sizeof(*local));
	if (!local)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	int r = read_etc(local, etc, diag);
	if (r < 0)
		return r;
	if (local_defs_end(local) < 0)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	r = read_sysusers(local, root, etc, diag);
	if (r < 0)
		return r;
	local_sort(local);
	*ret = MTLS_TAKE(local);
	return 0;
}

int mtls_local_load_root(const char *root, struct mtls_local **ret, struct mtls_diag *diag)
{
	_cleanup_free_ char *etc = NULL;

	if (asprintf(&etc, "%s/etc", root) < 0) {
		etc = NULL;
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	}
	return load(root, etc, ret, diag);
}

int mtls_local_load(const char *etc, struct mtls_local **ret, struct mtls_diag *diag)
{
	const char *slash = strrchr(etc, '/');
	_cleanup_free_ char *root = slash ? strndup(etc, (size_t)(slash - etc)) : strdup(".");

	if (!root)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	return load(root, etc, ret, diag);
}
