/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the library exports, for glibc and nobody else: nss_mtls.map lists the same names. */
#ifndef NSS_MTLS_ENTRY_H
#define NSS_MTLS_ENTRY_H

#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <shadow.h>
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

/* One position a process and database; @stayopen means nothing here. */
NSS_ENTRY enum nss_status _nss_mtls_setpwent(int stayopen);
NSS_ENTRY enum nss_status _nss_mtls_getpwent_r(struct passwd *pw, char *buffer, size_t len,
					       int *errnop);
NSS_ENTRY enum nss_status _nss_mtls_endpwent(void);
NSS_ENTRY enum nss_status _nss_mtls_setgrent(int stayopen);
NSS_ENTRY enum nss_status _nss_mtls_getgrent_r(struct group *gr, char *buffer, size_t len,
					       int *errnop);
NSS_ENTRY enum nss_status _nss_mtls_endgrent(void);

/* For root only: others get UNAVAIL with EACCES, as from a file that they may not open. */
NSS_ENTRY enum nss_status _nss_mtls_getspnam_r(const char *name, struct spwd *sp, char *buffer,
					       size_t len, int *errnop);
NSS_ENTRY enum nss_status _nss_mtls_setspent(int stayopen);
NSS_ENTRY enum nss_status _nss_mtls_getspent_r(struct spwd *sp, char *buffer, size_t len,
					       int *errnop);
NSS_ENTRY enum nss_status _nss_mtls_endspent(void);

NSS_ENTRY enum nss_status _nss_x509_getpwnam_r(const char *key, struct passwd *pw, char *buffer,
					       size_t len, int *errnop);
NSS_ENTRY enum nss_status _nss_x509_getgrnam_r(const char *key, struct group *gr, char *buffer,
					       size_t len, int *errnop);

#endif
