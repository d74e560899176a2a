/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who may send what, and what their word counts: one table that ends in deny (PROTOCOL.md shows
 * it). Pure: transport and uid are the kernel's, the certificate's role is the verified path's.
 */
#ifndef AUTHD_ROLES_H
#define AUTHD_ROLES_H

#include "authd/peer.h"
#include "lib/verify/verify.h"
#include "lib/wire/reason.h"

enum role_grant {
	ROLE_DENIED = 0,
	ROLE_REPORTED,     /* root of this host says so: service, tty, remote host count */
	ROLE_UNPRIVILEGED, /* only for the peer's own uid; tty and remote host are ignored */
	ROLE_CLAIMED,      /* recorded as claims, believed by nobody */
};

struct role_verdict {
	enum role_grant grant;
	enum mtls_reason reason; /* with ROLE_DENIED */
};

/* @msg_type: enum mtls_msg_type of the message that has arrived or would be expected. */
struct role_verdict roles_decide(enum peer_transport transport, uid_t uid, enum mtls_role role,
				 int msg_type);

/* "reported", "unprivileged", "claimed", "denied": how the audit record tags the request. */
const char *role_grant_name(enum role_grant grant);

#endif
