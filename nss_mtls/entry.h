/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the library exports, for glibc and nobody else: nss_mtls.map lists the same names. */
#ifndef NSS_MTLS_ENTRY_H
#define NSS_MTLS_ENTRY_H

#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <sys/types.h>

#define NSS_ENTRY __attribute__((visibility("default")))

NSS_ENTRY enum nss_status _nss_mtls_getpwnam_r(const char *name, struct passwd *pw, char *buffer,
					       size_t len, int *errnop);
NSS_ENTRY enum nss_status _nss_mtls_getpwuid_r(uid_t uid, struct passwd *pw, char *buffer,
					       size_t len, int *errnop);
NSS_ENTRY enum nss_status _nss_mtls_getgrnam_r(const char *name, struct group *gr, char *buffer,
					       size_t len, int *errnop);
NSS_ENTRY enum nss_status _nss_mtls_getgrgid_r(gid_t gid, struct group *gr, char *buffer,
					       size_t len, int *errnop);
NSS_ENTRY enum nss_status _nss_mtls_initgroups_dyn(const char *user, gid_t group, long *start,
						   long *size, gid_t **groups, long limit,
						   int *errnop);
NSS_ENTRY enum nss_status _nss_x509_getpwnam_r(const char *key, struct passwd *pw, char *buffer,
					       size_t len, int *errnop);
NSS_ENTRY enum nss_status _nss_x509_getgrnam_r(const char *key, struct group *gr, char *buffer,
					       size_t len, int *errnop);

#endif
