/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two sockets that the supervisor binds, or takes from the service manager. */
#ifndef ACCOUNTD_SOCKET_H
#define ACCOUNTD_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/err.h"

struct socket_spec {
	const char *name; /* FileDescriptorName= of the socket unit */
	const char *path;
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

/*
 * The listening, non-blocking socket of @spec. Bound here: the folder is made (root 0755) where it
 * is missing and refused if others may write to it; a socket left behind is replaced only if nobody
 * listens on it; it has its mode and owner before anybody can connect. @ret_ours: bound here, so
 * ours to remove.
 */
int socket_open(const struct socket_spec *spec, int *ret_fd, bool *ret_ours,
		struct mtls_diag *diag);

/* Makes @path a folder of @uid:@gid with @mode if nothing is there; parents are not made. */
int socket_folder(const char *path, mode_t mode, uid_t uid, gid_t gid, struct mtls_diag *diag);

#endif
