/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Listening unix sockets: bound as root, or taken from the service manager. */
#ifndef MTLS_SERVICE_SOCKET_H
#define MTLS_SERVICE_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/err.h"

struct mtls_socket_spec {
	const char *name; /* FileDescriptorName= of the socket unit; NULL: the one with that path */
	const char *path;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	int backlog;
};

/*
 * Binds the socket and listens, non-blocking. The folder is made (root 0755) where it is missing
 * and refused if others may write to it; a socket left behind is replaced only if nobody listens on
 * it; it has its mode and owner before anybody can connect.
 */
int mtls_socket_bind(const struct mtls_socket_spec *spec, int *ret_fd, struct mtls_diag *diag);

/*
 * The service manager's socket of that name, or of that path, else as mtls_socket_bind().
 * @ret_ours: bound here, so ours to remove.
 */
int mtls_socket_open(const struct mtls_socket_spec *spec, int *ret_fd, bool *ret_ours,
		     struct mtls_diag *diag);

/* Makes @path a folder of @uid:@gid with @mode if nothing is there; parents are not made. */
int mtls_socket_folder(const char *path, mode_t mode, uid_t uid, gid_t gid, struct mtls_diag *diag);

#endif
