/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Packs records into the buffer of the caller of getpwnam_r(3) and the like. Pure. */
#ifndef NSS_MTLS_PACK_H
#define NSS_MTLS_PACK_H

#include "nss_mtls/lookup.h"

/* 0, or -ERANGE when @out is too small; then nothing was written but to the buffer. */
int nss_pack_passwd(const struct mtls_acct_user *user, struct passwd *pw,
		    const struct nss_out *out);
int nss_pack_shadow(const struct mtls_acct_user *user, struct spwd *sp, const struct nss_out *out);
int nss_pack_group(struct mtls_acct_str name, gid_t gid, const struct mtls_acct_names *members,
		   struct group *gr, const struct nss_out *out);

/* The status for a result of a lookup; restores errno to @saved first. */
enum nss_status nss_status_of(int result, int saved_errno, int *errnop);

#endif
