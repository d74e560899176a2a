/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The entry points of libnss_mtls.so.2, which is libnss_x509.so.2 too. The path is compiled in: the
 * library runs in every process, privileged ones included, and reads no environment and no
 * configuration.
 */
#include <config.h>

#include <errno.h>
#include <stdbool.h>
#include <unistd.h>

#include "nss_mtls/entry.h"
#include "nss_mtls/lookup.h"
#include "nss_mtls/walk.h"

#define SNAPSHOT_FOLDER MTLS_STATEDIR "/snapshot/"

static struct nss_db installed = {
	.path = SNAPSHOT_FOLDER "accounts.cdb",
	.gen_path = SNAPSHOT_FOLDER MTLS_ACCTDB_GEN_NAME,
	.owner = 0,
};

static struct nss_walk passwd_walk, group_walk, shadow_walk;

static enum nss_status reset(struct nss_walk *walk)
{
	nss_walk_reset(&installed, walk);
	return NSS_STATUS_SUCCESS;
}

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

enum nss_status _nss_mtls_setpwent(int stayopen)
{
	(void)stayopen;
	return reset(&passwd_walk);
}

enum nss_status _nss_mtls_getpwent_r(struct passwd *pw, char *buffer, size_t len, int *errnop)
{
	const struct nss_out out = { buffer, len, errnop };
	return nss_passwd_next(&installed, &passwd_walk, pw, &out);
}

enum nss_status _nss_mtls_endpwent(void)
{
	return reset(&passwd_walk);
}

enum nss_status _nss_mtls_setgrent(int stayopen)
{
	(void)stayopen;
	return reset(&group_walk);
}

enum nss_status _nss_mtls_getgrent_r(struct group *gr, char *buffer, size_t len, int *errnop)
{
	const struct nss_out out = { buffer, len, errnop };
	return nss_group_next(&installed, &group_walk, gr, &out);
}

enum nss_status _nss_mtls_endgrent(void)
{
	return reset(&group_walk);
}

/*
 * Nothing in these entries is secret, but programs take it for a sign of privilege that there are
 * any: so they are for root, like the file that they stand beside.
 */
static bool may_see_shadow(int *errnop)
{
	if (geteuid() == 0)
		return true;
	*errnop = EACCES;
	return false;
}

enum nss_status _nss_mtls_getspnam_r(const char *name, struct spwd *sp, char *buffer, size_t len,
				     int *errnop)
{
	const struct nss_out out = { buffer, len, errnop };
	if (!may_see_shadow(errnop))
		return NSS_STATUS_UNAVAIL;
	return nss_shadow_by_name(&installed, name, sp, &out);
}

enum nss_status _nss_mtls_setspent(int stayopen)
{
	(void)stayopen;
	return reset(&shadow_walk);
}

enum nss_status _nss_mtls_getspent_r(struct spwd *sp, char *buffer, size_t len, int *errnop)
{
	const struct nss_out out = { buffer, len, errnop };
	if (!may_see_shadow(errnop))
		return NSS_STATUS_UNAVAIL;
	return nss_shadow_next(&installed, &shadow_walk, sp, &out);
}

enum nss_status _nss_mtls_endspent(void)
{
	return reset(&shadow_walk);
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
