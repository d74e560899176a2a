/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Binding, by the supervisor as root. Holds no state. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "lib/service/notify.h"
#include "lib/service/socket.h"

int mtls_socket_folder(const char *path, mode_t mode, uid_t uid, gid_t gid, struct mtls_diag *diag)
{
	mode_t old = umask(077);
	int r = mkdir(path, 0700) < 0 ? -errno : 0;
	(void)umask(old);
	if (r == -EEXIST)
		return 0;
	if (r == 0) {
		/* Not by its name: who owns the folder above could put something else there. */
		_cleanup_close_ int fd =
			open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 || fchmod(fd, mode) < 0 || fchown(fd, uid, gid) < 0)
			r = -errno;
	}
	return r < 0 ? mtls_diag_set(diag, r, "cannot make the folder '%s': %s", path,
				     mtls_strerror(r))
		     : 0;
}

/* Others could replace the socket, and so play the daemon, if they may write to its folder. */
static int prepare_folder(const char *path, struct mtls_diag *diag)
{
	char copy[PATH_MAX];
	struct stat st;

	if (mtls_strcopy(copy, sizeof(copy), path) < 0)
		return mtls_diag_set(diag, -ENAMETOOLONG, "'%s': path too long", path);
	const char *folder = dirname(copy);
	int r = mtls_socket_folder(folder, 0755, 0, 0, diag);
	if (r < 0)
		return r;
	if (lstat(folder, &st) < 0)
		return mtls_diag_set(diag, -errno, "'%s': %s", folder, strerrordesc_np(errno));
	if (!S_ISDIR(st.st_mode) || st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return mtls_diag_set(diag, MTLS_E_UNTRUSTED,
				     "the folder '%s' of the socket must be root's and writable by "
				     "nobody else",
				     folder);
	return 0;
}

/* Removes a socket that nobody listens on. */
static int remove_stale(const struct sockaddr_un *sa, struct mtls_diag *diag)
{
	const char *path = sa->sun_path;
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0
				       : mtls_diag_set(diag, -errno, "'%s': %s", path,
						       strerrordesc_np(errno));
	if (!S_ISSOCK(st.st_mode))
		return mtls_diag_set(diag, -EEXIST, "'%s' exists and is not a socket", path);
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return mtls_diag_set(diag, -errno, "socket: %s", strerrordesc_np(errno));
	int err = connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0 ? errno : 0;
	/* Root with few capabilities may not ask at a socket of another user. */
	if (err == EACCES)
		return mtls_diag_set(diag, -EADDRINUSE,
				     "cannot tell whether somebody listens on '%s' (%s): if this "
				     "daemon does not run already, remove it",
				     path, strerrordesc_np(err));
	if (err != ECONNREFUSED)
		return mtls_diag_set(
			diag, -EADDRINUSE,
			"another process listens on '%s': does this daemon run already?", path);
	if (unlink(path) < 0)
		return mtls_diag_set(diag, -errno, "cannot remove '%s': %s", path,
				     strerrordesc_np(errno));
	return 0;
}

/* Nobody can connect before listen(), so owner and mode are right from the first moment. */
static int bind_as(int fd, const struct sockaddr_un *sa, const struct mtls_socket_spec *spec)
{
	mode_t old = umask(0177);
	int r = bind(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0 ? -errno : 0;
	(void)umask(old);
	if (r == 0 &&
	    (chmod(spec->path, spec->mode) < 0 || lchown(spec->path, spec->uid, spec->gid) < 0 ||
	     listen(fd, spec->backlog) < 0))
		r = -errno;
	return r;
}

int mtls_socket_bind(const struct mtls_socket_spec *spec, int *ret_fd, struct mtls_diag *diag)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	if (mtls_strcopy(sa.sun_path, sizeof(sa.sun_path), spec->path) < 0)
		return mtls_diag_set(diag, -ENAMETOOLONG, "'%s': too long for a socket",
				     spec->path);
	int r = prepare_folder(spec->path, diag);
	if (r >= 0)
		r = remove_stale(&sa, diag);
	if (r < 0)
		return r;
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return mtls_diag_set(diag, -errno, "socket: %s", strerrordesc_np(errno));
	r = bind_as(fd, &sa, spec);
	if (r < 0)
		return mtls_diag_set(diag, r, "cannot listen on '%s': %s", spec->path,
				     mtls_strerror(r));
	*ret_fd = MTLS_TAKE_FD(fd);
	return 0;
}

int mtls_socket_open(const struct mtls_socket_spec *spec, int *ret_fd, bool *ret_ours,
		     struct mtls_diag *diag)
{
	int fd = -1;
	const char *name = spec->name ? spec->name : spec->path;
	int r = spec->name ? mtls_service_take_socket(spec->name, &fd)
			   : mtls_service_take_path(spec->path, &fd);

	if (r == -ENOENT) {
		*ret_ours = true;
		return mtls_socket_bind(spec, ret_fd, diag);
	}
	if (r < 0)
		return mtls_diag_set(diag, r,
				     "the service manager's socket '%s' is no listening stream "
				     "socket: see its .socket unit",
				     name);
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		r = -errno;
		(void)close(fd);
		return mtls_diag_set(diag, r, "socket '%s': %s", name, mtls_strerror(r));
	}
	*ret_fd = fd;
	*ret_ours = false;
	return 0;
}
