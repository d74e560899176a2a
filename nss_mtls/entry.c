/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The entry points of libnss_mtls.so.2, which is libnss_x509.so.2 too. The path is compiled in: the
 * library runs in every process, privileged ones included, and reads no environment and no
 * configuration.
 */
#include <config.h>

#include "nss_mtls/entry.h"
#include "nss_mtls/lookup.h"

#define SNAPSHOT_FOLDER MTLS_STATEDIR "/snapshot/"

static struct nss_db installed = {
	.path = SNAPSHOT_FOLDER "accounts.cdb",
	.gen_path = SNAPSHOT_FOLDER MTLS_ACCTDB_GEN_NAME,
	.owner = 0,
};

enum nss_status _nss_mtls_getpwnam_r(const char *name, struct passwd *pw, char *buffer, size_t len,
				     int *errnop)
{
	const struct nss_out out = { buffer, len, errnop };
	return nss_passwd_by_name(&installed, name, pw, &out);
}

enum nss_status _nss_mtls_getpwuid_r(uid_t uid, struct passwd *pw, char *buffer, size_t len,
				     int *errnop)
{
	const struct nss_out out = { buffer, len, errnop };
	return nss_passwd_by_uid(&installed, uid, pw, &out);
}

enum nss_status _nss_mtls_getgrnam_r(const char *name, struct group *gr, char *buffer, size_t len,
				     int *errnop)
{
	const struct nss_out out = { buffer, len, errnop };
	return nss_group_by_name(&installed, name, gr, &out);
}

enum nss_status _nss_mtls_getgrgid_r(gid_t gid, struct group *gr, char *buffer, size_t len,
				     int *errnop)
{
	const struct nss_out out = { buffer, len, errnop };
	return nss_group_by_gid(&installed, gid, gr, &out);
}

enum nss_status _nss_mtls_initgroups_dyn(const char *user, gid_t group, long *start, long *size,
					 gid_t **groups, long limit, int *errnop)
{
	const struct nss_gids list = { start, size, groups, limit };
	return nss_groups_of_user(&installed, user, group, &list, errnop);
}

enum nss_status _nss_x509_getpwnam_r(const char *key, struct passwd *pw, char *buffer, size_t len,
				     int *errnop)
{
	const struct nss_out out = { buffer, len, errnop };
	return nss_x509_passwd(&installed, key, pw, &out);
}

enum nss_status _nss_x509_getgrnam_r(const char *key, struct group *gr, char *buffer, size_t len,
				     int *errnop)
{
	const struct nss_out out = { buffer, len, errnop };
	return nss_x509_group(&installed, key, gr, &out);
}
