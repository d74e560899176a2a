/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From records in the snapshot to the structures of <pwd.h>, <grp.h> and <shadow.h>. The size that
 * is needed is computed and compared once; then everything fits.
 */
#include <config.h>

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/err.h"
#include "nss_mtls/pack.h"

/* Nobody logs in with a password here, and an empty one must never be seen. */
static const struct mtls_acct_str no_password = { .data = "*", .len = 1 };

static char *put(char **at, struct mtls_acct_str text)
{
	char *here = *at;
	memcpy(here, text.data, text.len);
	here[text.len] = '\0';
	*at += text.len + 1;
	return here;
}

int nss_pack_passwd(const struct mtls_acct_user *user, struct passwd *pw, const struct nss_out *out)
{
	size_t needed = user->name.len + no_password.len + user->gecos.len + user->home.len +
			user->shell.len + 5;
	if (out->len < needed)
		return -ERANGE;
	char *at = out->buffer;
	*pw = (struct passwd){
		.pw_name = put(&at, user->name),
		.pw_passwd = put(&at, no_password),
		.pw_uid = user->uid,
		.pw_gid = user->gid,
		.pw_gecos = put(&at, user->gecos),
		.pw_dir = put(&at, user->home),
		.pw_shell = put(&at, user->shell),
	};
	return 0;
}

int nss_pack_shadow(const struct mtls_acct_user *user, struct spwd *sp, const struct nss_out *out)
{
	if (out->len < user->name.len + no_password.len + 2)
		return -ERANGE;
	char *at = out->buffer;
	/* -1 is "not set" to all who read this, 0 in sp_lstchg would be "change it now". */
	*sp = (struct spwd){
		.sp_namp = put(&at, user->name),
		.sp_pwdp = put(&at, no_password),
		.sp_lstchg = -1,
		.sp_min = -1,
		.sp_max = -1,
		.sp_warn = -1,
		.sp_inact = -1,
		.sp_expire = -1,
		.sp_flag = ~0UL,
	};
	return 0;
}

int nss_pack_group(struct mtls_acct_str name, gid_t gid, const struct mtls_acct_names *members,
		   struct group *gr, const struct nss_out *out)
{
	size_t pad = -(uintptr_t)out->buffer % _Alignof(char *);
	/* A packed name is a length byte and the bytes: as long as with a NUL behind it. */
	size_t needed = pad + (members->count + (size_t)1) * sizeof(char *) + members->len +
			name.len + no_password.len + 2;
	if (out->len < needed)
		return -ERANGE;
	void *aligned = out->buffer + pad;
	char **list = aligned;
	char *at = (char *)(list + members->count + 1);
	struct mtls_acct_str member;
	size_t cursor = 0, count = 0;
	while (count < members->count && mtls_acct_names_next(members, &cursor, &member))
		list[count++] = put(&at, member);
	list[count] = NULL;
	*gr = (struct group){
		.gr_name = put(&at, name),
		.gr_passwd = put(&at, no_password),
		.gr_gid = gid,
		.gr_mem = list,
	};
	return 0;
}

enum nss_status nss_status_of(int result, int saved_errno, int *errnop)
{
	errno = saved_errno;
	switch (result) {
	case 0:
		return NSS_STATUS_SUCCESS;
	case MTLS_E_NOTFOUND:
		*errnop = ENOENT;
		return NSS_STATUS_NOTFOUND;
	case -ERANGE:
		*errnop = ERANGE;
		return NSS_STATUS_TRYAGAIN;
	default:
		/* Our own codes: the file is there but is not believed. */
		*errnop = result <= MTLS_E_SYNTAX ? EIO : -result;
		return NSS_STATUS_UNAVAIL;
	}
}
