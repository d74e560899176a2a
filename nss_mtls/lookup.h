/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lookups of libnss_mtls, as glibc wants them, with the snapshot as a parameter. The results
 * lie in @buffer (@len bytes, any alignment). They return
 *
 *	NSS_STATUS_SUCCESS	found
 *	NSS_STATUS_NOTFOUND	not there; *errnop ENOENT
 *	NSS_STATUS_TRYAGAIN	*errnop ERANGE: @buffer is too small (or, for groups of a user,
 *				ENOMEM); never for another reason
 *	NSS_STATUS_UNAVAIL	no snapshot (*errnop ENOENT), or one that is not believed (EIO),
 *				or it cannot be opened
 *
 * Nothing is written to @buffer past @len; errno is preserved but through @errnop.
 */
#ifndef NSS_MTLS_LOOKUP_H
#define NSS_MTLS_LOOKUP_H

#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <shadow.h>
#include <sys/types.h>

#include "nss_mtls/db.h"

/* Where the result goes. */
struct nss_out {
	char *buffer;
	size_t len;
	int *errnop;
};

enum nss_status nss_passwd_by_name(struct nss_db *db, const char *name, struct passwd *pw,
				   const struct nss_out *out);
enum nss_status nss_passwd_by_uid(struct nss_db *db, uid_t uid, struct passwd *pw,
				  const struct nss_out *out);
enum nss_status nss_group_by_name(struct nss_db *db, const char *name, struct group *gr,
				  const struct nss_out *out);
enum nss_status nss_group_by_gid(struct nss_db *db, gid_t gid, struct group *gr,
				 const struct nss_out *out);

/* No password and no dates; whether the caller may know is the entry point's business. */
enum nss_status nss_shadow_by_name(struct nss_db *db, const char *name, struct spwd *sp,
				   const struct nss_out *out);

/* All entries, one a call, in no particular order: see nss_mtls/walk.h. */
struct nss_walk;
enum nss_status nss_passwd_next(struct nss_db *db, struct nss_walk *walk, struct passwd *pw,
				const struct nss_out *out);
enum nss_status nss_group_next(struct nss_db *db, struct nss_walk *walk, struct group *gr,
			       const struct nss_out *out);
enum nss_status nss_shadow_next(struct nss_db *db, struct nss_walk *walk, struct spwd *sp,
				const struct nss_out *out);

/* The list of gids that glibc grows: @start are used of @size; at most @limit if positive. */
struct nss_gids {
	long *start;
	long *size;
	gid_t **gids;
	long limit;
};

/* Adds the supplementary groups of @user but @primary and those that are there already. */
enum nss_status nss_groups_of_user(struct nss_db *db, const char *user, gid_t primary,
				   const struct nss_gids *list, int *errnop);

/*
 * Service x509: the name is a certificate key in canonical form. passwd: the account, if the key is
 * bound to one account only and that is ours. group: name "x509", gid 65534, the members are the
 * names of all bound accounts, of any source; the key is not echoed.
 *
 * The key MTLS_X509_PROBE is answered by a group without members iff the snapshot can be read: so
 * mtls-authd can tell "this certificate is not bound" from "nobody can tell", and glibc's silence
 * about a library that is not installed from an answer.
 */
enum nss_status nss_x509_passwd(struct nss_db *db, const char *key, struct passwd *pw,
				const struct nss_out *out);
enum nss_status nss_x509_group(struct nss_db *db, const char *key, struct group *gr,
			       const struct nss_out *out);

#endif
