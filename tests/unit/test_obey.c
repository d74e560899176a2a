/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/client/obey: every row starts from the verdict that is obeyed and changes one thing. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "lib/client/obey.h"

#define SAYS(verdict_, reason_) .verdict = MTLS_VERDICT_##verdict_, .reason = MTLS_REASON_##reason_
#define ACCOUNT(name, number)   .has_account = true, .account = (name), .uid = (number)
#define REPLY(name, number)     SAYS(ALLOWED, ALLOWED), ACCOUNT(name, number)
#define LOCAL(name, number)                                                                        \
	.pam_user = (name), .user_found = true, .user_uid = (number), .min_uid = 1000

static char alice[] = "alice", odd[] = "al ice", slash[] = "../root", empty[] = "", root[] = "root";

static void verdicts_are_checked(void **state)
{
	const struct {
		const char *name;
		struct mtls_auth_reply reply;
		struct mtls_obey_local local;
		enum mtls_reason want;
	} rows[] = {
		{ "right", { REPLY(alice, 1001) }, { LOCAL("alice", 1001) }, MTLS_REASON_ALLOWED },
		{ "nobody was named",
		  { REPLY(alice, 1001) },
		  { LOCAL(NULL, 1001) },
		  MTLS_REASON_ALLOWED },
		{ "an empty name was set",
		  { REPLY(alice, 1001) },
		  { LOCAL("", 1001) },
		  MTLS_REASON_ALLOWED },
		{ "at min_uid",
		  { REPLY(alice, 1000) },
		  { LOCAL("alice", 1000) },
		  MTLS_REASON_ALLOWED },
		{ "denied",
		  { .verdict = MTLS_VERDICT_DENIED, .reason = MTLS_REASON_UNMAPPED },
		  { LOCAL("alice", 1001) },
		  MTLS_REASON_UNMAPPED },
		{ "denied with an account",
		  { SAYS(DENIED, ALLOWED), ACCOUNT(alice, 1001) },
		  { LOCAL("alice", 1001) },
		  MTLS_REASON_PROTOCOL },
		{ "allowed with a reason",
		  { SAYS(ALLOWED, CERT_EXPIRED), ACCOUNT(alice, 1001) },
		  { LOCAL("alice", 1001) },
		  MTLS_REASON_CERT_EXPIRED },
		{ "choose",
		  { .verdict = MTLS_VERDICT_CHOOSE, .reason = MTLS_REASON_CHOOSE },
		  { LOCAL("alice", 1001) },
		  MTLS_REASON_CHOOSE },
		{ "nothing", { 0 }, { LOCAL("alice", 1001) }, MTLS_REASON_PROTOCOL },
		{ "no account",
		  { SAYS(ALLOWED, ALLOWED), .account = alice, .uid = 1001 },
		  { LOCAL("alice", 1001) },
		  MTLS_REASON_PROTOCOL },
		{ "account without name",
		  { REPLY(NULL, 1001) },
		  { LOCAL("alice", 1001) },
		  MTLS_REASON_PROTOCOL },
		{ "space",
		  { REPLY(odd, 1001) },
		  { LOCAL("al ice", 1001) },
		  MTLS_REASON_NAME_GRAMMAR },
		{ "path", { REPLY(slash, 1001) }, { LOCAL(NULL, 1001) }, MTLS_REASON_NAME_GRAMMAR },
		{ "empty",
		  { REPLY(empty, 1001) },
		  { LOCAL(NULL, 1001) },
		  MTLS_REASON_NAME_GRAMMAR },
		{ "another",
		  { REPLY(alice, 1001) },
		  { LOCAL("bob", 1001) },
		  MTLS_REASON_NAME_MISMATCH },
		{ "another case",
		  { REPLY(alice, 1001) },
		  { LOCAL("Alice", 1001) },
		  MTLS_REASON_NAME_MISMATCH },
		{ "prefix",
		  { REPLY(alice, 1001) },
		  { LOCAL("alic", 1001) },
		  MTLS_REASON_NAME_MISMATCH },
		{ "unknown here",
		  { REPLY(alice, 1001) },
		  { .pam_user = "alice", .user_uid = 1001, .min_uid = 1000 },
		  MTLS_REASON_LOCAL_UNKNOWN },
		{ "another number",
		  { REPLY(alice, 1002) },
		  { LOCAL("alice", 1001) },
		  MTLS_REASON_LOCAL_UID },
		{ "number 0 for alice",
		  { REPLY(alice, 0) },
		  { LOCAL("alice", 1001) },
		  MTLS_REASON_LOCAL_UID },
		{ "1001 for a local 0",
		  { REPLY(alice, 1001) },
		  { LOCAL("alice", 0) },
		  MTLS_REASON_LOCAL_UID },
		{ "root", { REPLY(root, 0) }, { LOCAL("root", 0) }, MTLS_REASON_ROOT },
		{ "root under another name",
		  { REPLY(alice, 0) },
		  { LOCAL("alice", 0) },
		  MTLS_REASON_ROOT },
		{ "root, no minimum",
		  { REPLY(root, 0) },
		  { .pam_user = "root", .user_found = true },
		  MTLS_REASON_ROOT },
		{ "root allowed",
		  { REPLY(root, 0) },
		  { LOCAL("root", 0), .allow_root = true },
		  MTLS_REASON_ALLOWED },
		{ "below min_uid",
		  { REPLY(alice, 999) },
		  { LOCAL("alice", 999) },
		  MTLS_REASON_MIN_UID },
		{ "below min_uid with allow_root",
		  { REPLY(alice, 1) },
		  { LOCAL("alice", 1), .allow_root = true },
		  MTLS_REASON_MIN_UID },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		enum mtls_reason got = mtls_obey_verdict(&rows[i].reply, &rows[i].local);
		if (got != rows[i].want)
			fail_msg("row '%s': %d, want %d", rows[i].name, got, rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(verdicts_are_checked) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
