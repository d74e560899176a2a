/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a forwarded token is. The address comes from the person's environment, through a program of
 * root's: it may lead to a socket of this person and nowhere else.
 */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "signer/source_token.h"

#define DESCRIPTORS_MAX 64 /* as signer/start.c limits them */

static const char prefix[] = "unix:path=";

/* '%' is an escape, ';' and ',' begin something else in p11-kit's grammar. */
static bool plain(const char *path)
{
	for (; *path; path++)
		if ((unsigned char)*path <= ' ' || strchr("%;,", *path) || *path == 0x7f)
			return false;
	return true;
}

enum mtls_reason p11kit_address(const char *address, uid_t owner, struct mtls_diag *diag)
{
	struct stat st;
	const char *path = address + sizeof(prefix) - 1;

	if (strncmp(address, prefix, sizeof(prefix) - 1) != 0 || path[0] != '/' || !plain(path)) {
		(void)mtls_diag_set(diag, 0, "the address is not unix:path=/PATH");
		return MTLS_REASON_SOCKET_UNTRUSTED;
	}
	/* Not through a link: it would be looked at here and followed elsewhere. */
	if (lstat(path, &st) < 0) {
		(void)mtls_diag_set(diag, 0, "'%s': %s", path, mtls_strerror(-errno));
		return errno == ENOENT ? MTLS_REASON_NO_TOKEN : MTLS_REASON_SOCKET_UNTRUSTED;
	}
	if (S_ISSOCK(st.st_mode) && st.st_uid == owner)
		return MTLS_REASON_ALLOWED;
	(void)mtls_diag_set(diag, 0, "'%s': %s", path,
			    S_ISSOCK(st.st_mode) ? "the socket is another user's"
						 : "it is not a socket");
	return MTLS_REASON_SOCKET_UNTRUSTED;
}

/* Of a connected stream socket of this machine; false: it is something else. */
static bool peer_of(int fd, uid_t *ret_uid)
{
	struct sockaddr_storage name;
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t name_len = sizeof(name), type_len = sizeof(int), peer_len = sizeof(peer);
	int type = 0;

	if (getpeername(fd, (struct sockaddr *)&name, &name_len) < 0 || name.ss_family != AF_UNIX ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) < 0 || type != SOCK_STREAM ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_len) < 0)
		return false;
	*ret_uid = peer.uid;
	return true;
}

bool p11kit_stranger(uid_t owner)
{
	for (int fd = STDERR_FILENO + 1; fd < DESCRIPTORS_MAX; fd++) {
		uid_t uid = 0;
		if (peer_of(fd, &uid) && uid != owner && uid != 0)
			return true;
	}
	return false;
}
