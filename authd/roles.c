/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of roles. Pure. */
#include <config.h>

#include <stdbool.h>

#include "authd/roles.h"
#include "lib/base/cleanup.h"
#include "lib/wire/msg.h"

enum uid_class {
	UID_ANY,
	UID_ROOT,
	UID_OTHER,
};

struct row {
	enum peer_transport transport;
	enum uid_class uid;
	enum mtls_role role;
	int msg_type;
	struct role_verdict verdict;
};

/* clang-format off */
static const struct row rows[] = {
	{ PEER_UNIX, UID_ROOT,  MTLS_ROLE_USER, MTLS_MSG_AUTH_REQUEST, { ROLE_REPORTED,     MTLS_REASON_ALLOWED } },
	{ PEER_UNIX, UID_ROOT,  MTLS_ROLE_USER, MTLS_MSG_AUTH_CHOICE,  { ROLE_REPORTED,     MTLS_REASON_ALLOWED } },
	{ PEER_UNIX, UID_OTHER, MTLS_ROLE_USER, MTLS_MSG_AUTH_REQUEST, { ROLE_UNPRIVILEGED, MTLS_REASON_ALLOWED } },
	{ PEER_UNIX, UID_OTHER, MTLS_ROLE_USER, MTLS_MSG_AUTH_CHOICE,  { ROLE_UNPRIVILEGED, MTLS_REASON_ALLOWED } },
	{ PEER_TCP,  UID_ANY,   MTLS_ROLE_USER, MTLS_MSG_AUTH_REQUEST, { ROLE_CLAIMED,      MTLS_REASON_ALLOWED } },
	{ PEER_TCP,  UID_ANY,   MTLS_ROLE_USER, MTLS_MSG_AUTH_CHOICE,  { ROLE_CLAIMED,      MTLS_REASON_ALLOWED } },
	/* A host's certificate is none for people: said so, because an administrator may have mixed them up. */
	{ PEER_UNIX, UID_ANY,   MTLS_ROLE_HOST, MTLS_MSG_AUTH_REQUEST, { ROLE_DENIED,       MTLS_REASON_CERT_ROLE } },
};
/* clang-format on */

static bool uid_matches(enum uid_class class, uid_t uid)
{
	switch (class) {
	case UID_ANY:
		return true;
	case UID_ROOT:
		return uid == 0;
	case UID_OTHER:
		return uid != 0 && uid != (uid_t)-1;
	}
	return false;
}

struct role_verdict roles_decide(enum peer_transport transport, uid_t uid, enum mtls_role role,
				 int msg_type)
{
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		const struct row *row = &rows[i];
		if (row->transport == transport && row->role == role && row->msg_type == msg_type &&
		    uid_matches(row->uid, uid))
			return row->verdict;
	}
	return (struct role_verdict){ ROLE_DENIED, MTLS_REASON_ROLE };
}

const char *role_grant_name(enum role_grant grant)
{
	switch (grant) {
	case ROLE_REPORTED:
		return "reported";
	case ROLE_UNPRIVILEGED:
		return "unprivileged";
	case ROLE_CLAIMED:
		return "claimed";
	case ROLE_DENIED:
		break;
	}
	return "denied";
}
