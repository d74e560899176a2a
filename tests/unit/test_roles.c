/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of roles: each row of PROTOCOL.md, and deny for everything else. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "authd/roles.h"
#include "lib/base/cleanup.h"
#include "lib/wire/msg.h"

#define REQUEST MTLS_MSG_AUTH_REQUEST
#define CHOICE  MTLS_MSG_AUTH_CHOICE

static const struct {
	const char *name;
	enum peer_transport transport;
	uid_t uid;
	enum mtls_role role;
	int type;
	enum role_grant grant;
	enum mtls_reason reason;
} rows[] = {
	/* clang-format off */
	{ "root of this host, user certificate", PEER_UNIX, 0, MTLS_ROLE_USER, REQUEST, ROLE_REPORTED, MTLS_REASON_ALLOWED },
	{ "root's choice", PEER_UNIX, 0, MTLS_ROLE_USER, CHOICE, ROLE_REPORTED, MTLS_REASON_ALLOWED },
	{ "a person's program", PEER_UNIX, 1000, MTLS_ROLE_USER, REQUEST, ROLE_UNPRIVILEGED, MTLS_REASON_ALLOWED },
	{ "a person's choice", PEER_UNIX, 1000, MTLS_ROLE_USER, CHOICE, ROLE_UNPRIVILEGED, MTLS_REASON_ALLOWED },
	{ "a daemon's program", PEER_UNIX, 33, MTLS_ROLE_USER, REQUEST, ROLE_UNPRIVILEGED, MTLS_REASON_ALLOWED },
	{ "TCP, user certificate", PEER_TCP, (uid_t)-1, MTLS_ROLE_USER, REQUEST, ROLE_CLAIMED, MTLS_REASON_ALLOWED },
	{ "TCP, choice", PEER_TCP, (uid_t)-1, MTLS_ROLE_USER, CHOICE, ROLE_CLAIMED, MTLS_REASON_ALLOWED },
	{ "TCP is never root, whatever the uid field says", PEER_TCP, 0, MTLS_ROLE_USER, REQUEST, ROLE_CLAIMED, MTLS_REASON_ALLOWED },
	{ "host-CA certificate as user, root", PEER_UNIX, 0, MTLS_ROLE_HOST, REQUEST, ROLE_DENIED, MTLS_REASON_CERT_ROLE },
	{ "host-CA certificate as user, person", PEER_UNIX, 1000, MTLS_ROLE_HOST, REQUEST, ROLE_DENIED, MTLS_REASON_CERT_ROLE },
	{ "host certificate on TCP asks for a login", PEER_TCP, (uid_t)-1, MTLS_ROLE_HOST, REQUEST, ROLE_DENIED, MTLS_REASON_ROLE },
	{ "host certificate chooses", PEER_UNIX, 0, MTLS_ROLE_HOST, CHOICE, ROLE_DENIED, MTLS_REASON_ROLE },
	{ "a peer without a uid", PEER_UNIX, (uid_t)-1, MTLS_ROLE_USER, REQUEST, ROLE_DENIED, MTLS_REASON_ROLE },
	{ "a reply", PEER_UNIX, 0, MTLS_ROLE_USER, MTLS_MSG_AUTH_REPLY, ROLE_DENIED, MTLS_REASON_ROLE },
	{ "a signer's message", PEER_UNIX, 0, MTLS_ROLE_USER, MTLS_MSG_SIGNER_LIST, ROLE_DENIED, MTLS_REASON_ROLE },
	{ "type 0", PEER_UNIX, 0, MTLS_ROLE_USER, 0, ROLE_DENIED, MTLS_REASON_ROLE },
	{ "a role that is none", PEER_UNIX, 0, 7, REQUEST, ROLE_DENIED, MTLS_REASON_ROLE },
	/* clang-format on */
};

static void table_decides(void **state)
{
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		print_message("# %s\n", rows[i].name);
		struct role_verdict verdict =
			roles_decide(rows[i].transport, rows[i].uid, rows[i].role, rows[i].type);
		assert_int_equal(verdict.grant, rows[i].grant);
		assert_int_equal(verdict.reason, rows[i].reason);
	}
}

/* No message but the two has any row, from nobody. */
static void everything_else_is_denied(void **state)
{
	(void)state;
	for (int type = 0; type < 64; type++) {
		if (type == REQUEST || type == CHOICE)
			continue;
		for (int role = MTLS_ROLE_USER; role <= MTLS_ROLE_HOST; role++) {
			assert_int_equal(roles_decide(PEER_UNIX, 0, role, type).grant, ROLE_DENIED);
			assert_int_equal(roles_decide(PEER_UNIX, 1000, role, type).grant,
					 ROLE_DENIED);
			assert_int_equal(roles_decide(PEER_TCP, (uid_t)-1, role, type).grant,
					 ROLE_DENIED);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_decides),
		cmocka_unit_test(everything_else_is_denied),
	};
	return cmocka_run_group_tests_name("roles", tests, NULL, NULL);
}
