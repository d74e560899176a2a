/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An account source for tests: it never answers the owner of /run/mtls-test/hang, and knows nobody
 * for everybody else.
 */
#include <errno.h>
#include <nss.h>
#include <pwd.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

enum nss_status _nss_hang_getpwnam_r(const char *name, struct passwd *pwd, char *buffer, size_t len,
				     int *errnop);

__attribute__((visibility("default"))) enum nss_status _nss_hang_getpwnam_r(const char *name,
									    struct passwd *pwd,
									    char *buffer,
									    size_t len, int *errnop)
{
	struct stat st;

	(void)name;
	(void)pwd;
	(void)buffer;
	(void)len;
	while (stat("/run/mtls-test/hang", &st) == 0 && st.st_uid == geteuid())
		(void)pause();
	*errnop = ENOENT;
	return NSS_STATUS_NOTFOUND;
}
