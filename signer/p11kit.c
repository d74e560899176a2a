/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a forwarded token is. The address comes from the person's environment, through a program of
 * root's: it may lead to a socket of this person and nowhere else.
 */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "signer/source_token.h"

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
