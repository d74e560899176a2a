/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The client's own checks of a verdict, before it obeys. Pure but for the local account, which the
 * caller looked up; so every row of the table can be tested.
 */
#ifndef MTLS_CLIENT_OBEY_H
#define MTLS_CLIENT_OBEY_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/wire/msg.h"

struct mtls_obey_local {
	const char *pam_user; /* PAM_USER before the exchange; NULL or "" if it was not set */
	bool user_found;      /* getpwnam() of the reply's account on this machine */
	uid_t user_uid;
	uid_t min_uid;
	bool allow_root; /* of pam_mtls.conf; then min_uid does not bind uid 0 */
};

/*
 * MTLS_REASON_ALLOWED, or the first reason not to obey: verdict, name grammar, name equals
 * PAM_USER, local account exists, uid equal, uid 0, min_uid. The server's half of the last but one
 * is that no binding names uid 0.
 */
enum mtls_reason mtls_obey_verdict(const struct mtls_auth_reply *reply,
				   const struct mtls_obey_local *local);

#endif
