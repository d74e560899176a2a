/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pam_mtls/result: the table is complete, and says yes in one line only. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <security/pam_modules.h>

#include "pam_mtls/result.h"

static const struct {
	int situation;
	const char *token;
} all[] = {
#define ROW(name, number, token, text, advice) { (number), (token) },
	MTLS_REASONS(ROW)
#undef ROW
		{ RESULT_OFF, "off" },
	{ RESULT_NOT_OURS, "not-ours" },
	{ RESULT_NO_MEMORY, "no-memory" },
	{ RESULT_FAULT, "fault" },
};
#define ALL (sizeof(all) / sizeof(all[0]))

static const char *const entries[RESULT_ENTRIES] = {
	[RESULT_AUTHENTICATE] = "authenticate",   [RESULT_SETCRED] = "setcred",
	[RESULT_ACCT_MGMT] = "acct_mgmt",         [RESULT_OPEN_SESSION] = "open_session",
	[RESULT_CLOSE_SESSION] = "close_session", [RESULT_CHAUTHTOK] = "chauthtok",
};

/* What pam_modules(3) names for each entry point; IGNORE and the denials apart. */
static bool code_fits(enum result_entry entry, int code)
{
	static const int allowed[RESULT_ENTRIES][8] = {
		[RESULT_AUTHENTICATE] = { PAM_AUTH_ERR, PAM_AUTHINFO_UNAVAIL, PAM_USER_UNKNOWN,
					  PAM_CONV_ERR, PAM_BUF_ERR },
		[RESULT_SETCRED] = { PAM_CRED_ERR, PAM_BUF_ERR, PAM_IGNORE },
		[RESULT_ACCT_MGMT] = { PAM_PERM_DENIED, PAM_BUF_ERR, PAM_IGNORE },
		[RESULT_OPEN_SESSION] = { PAM_SESSION_ERR, PAM_BUF_ERR, PAM_IGNORE },
		[RESULT_CLOSE_SESSION] = { PAM_SESSION_ERR, PAM_BUF_ERR, PAM_IGNORE },
		[RESULT_CHAUTHTOK] = { PAM_IGNORE },
	};
	for (size_t i = 0; i < 8 && allowed[entry][i]; i++)
		if (allowed[entry][i] == code)
			return true;
	return false;
}

static void every_situation_has_a_code_everywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < ALL; i++) {
		if (all[i].situation == MTLS_REASON_ALLOWED)
			continue;
		for (int e = 0; e < RESULT_ENTRIES; e++) {
			int code = result_to_pam((enum result_entry)e, all[i].situation);
			if (all[i].situation == RESULT_OFF && code == PAM_IGNORE)
				continue;
			if (!code_fits((enum result_entry)e, code))
				fail_msg("%s in %s: code %d", all[i].token, entries[e], code);
		}
	}
}

static void success_is_one_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < ALL; i++)
		for (int e = 0; e < RESULT_ENTRIES; e++) {
			int code = result_to_pam((enum result_entry)e, all[i].situation);
			bool may = all[i].situation == MTLS_REASON_ALLOWED && e != RESULT_CHAUTHTOK;
			if ((code == PAM_SUCCESS) != may)
				fail_msg("%s in %s: code %d", all[i].token, entries[e], code);
		}
}

static void authenticate_ignores_only_when_off(void **state)
{
	(void)state;
	for (size_t i = 0; i < ALL; i++) {
		bool ignored = result_to_pam(RESULT_AUTHENTICATE, all[i].situation) == PAM_IGNORE;
		if (ignored != (all[i].situation == RESULT_OFF))
			fail_msg("%s", all[i].token);
	}
}

static void others_logins_are_none_of_ours(void **state)
{
	(void)state;
	for (int e = 0; e < RESULT_ENTRIES; e++)
		assert_int_equal(result_to_pam((enum result_entry)e, RESULT_NOT_OURS),
				 e == RESULT_AUTHENTICATE ? PAM_AUTH_ERR : PAM_IGNORE);
}

static void unknown_situations_deny(void **state)
{
	(void)state;
	static const int strange[] = { 2, 9, 999, -5, -1000, INT32_MAX, INT32_MIN };
	static const int want[RESULT_ENTRIES] = { PAM_AUTH_ERR,    PAM_CRED_ERR,    PAM_PERM_DENIED,
						  PAM_SESSION_ERR, PAM_SESSION_ERR, PAM_IGNORE };
	for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++)
		for (int e = 0; e < RESULT_ENTRIES; e++)
			assert_int_equal(result_to_pam((enum result_entry)e, strange[i]), want[e]);
	assert_int_equal(result_to_pam(RESULT_ENTRIES, MTLS_REASON_ALLOWED), PAM_SYSTEM_ERR);
}

static void chosen_codes(void **state)
{
	(void)state;
	static const struct {
		int situation, code;
	} rows[] = {
		{ MTLS_REASON_UNREACHABLE, PAM_AUTHINFO_UNAVAIL },
		{ MTLS_REASON_TIMEOUT, PAM_AUTHINFO_UNAVAIL },
		{ MTLS_REASON_CONFIG, PAM_AUTHINFO_UNAVAIL },
		{ MTLS_REASON_BUSY, PAM_AUTHINFO_UNAVAIL },
		{ MTLS_REASON_NOT_LOCAL, PAM_AUTHINFO_UNAVAIL },
		{ MTLS_REASON_CHOICE_TIMEOUT, PAM_AUTH_ERR },
		{ MTLS_REASON_PENALTY, PAM_AUTH_ERR },
		{ MTLS_REASON_SECRET_EMPTY, PAM_AUTHINFO_UNAVAIL },
		{ MTLS_REASON_SECRET_WRONG, PAM_AUTH_ERR },
		{ MTLS_REASON_CERT_REVOKED, PAM_AUTH_ERR },
		{ MTLS_REASON_KEY_UNPROTECTED, PAM_AUTH_ERR },
		{ MTLS_REASON_USER_UNKNOWN, PAM_USER_UNKNOWN },
		/* not PAM_USER_UNKNOWN, which stacks may ignore */
		{ MTLS_REASON_ACCOUNT_UNKNOWN, PAM_AUTH_ERR },
		{ MTLS_REASON_LOCAL_UNKNOWN, PAM_AUTH_ERR },
		{ MTLS_REASON_CONVERSATION, PAM_CONV_ERR },
		{ MTLS_REASON_NO_TOKEN, PAM_AUTHINFO_UNAVAIL },
		{ MTLS_REASON_TOKEN_GONE, PAM_AUTHINFO_UNAVAIL },
		{ MTLS_REASON_PIN_WRONG, PAM_AUTH_ERR },
		{ MTLS_REASON_PIN_LOCKED, PAM_AUTHINFO_UNAVAIL },
		{ MTLS_REASON_READER_REFUSED, PAM_AUTHINFO_UNAVAIL },
		{ MTLS_REASON_MODULE_FAILED, PAM_AUTHINFO_UNAVAIL },
		{ MTLS_REASON_AGENT_MISSING, PAM_AUTHINFO_UNAVAIL },
		{ MTLS_REASON_AGENT_REFUSED, PAM_AUTH_ERR },
		{ MTLS_REASON_SOCKET_UNTRUSTED, PAM_AUTHINFO_UNAVAIL },
		{ RESULT_NO_MEMORY, PAM_BUF_ERR },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (result_to_pam(RESULT_AUTHENTICATE, rows[i].situation) != rows[i].code)
			fail_msg("%s", result_token(rows[i].situation));
	assert_int_equal(result_to_pam(RESULT_ACCT_MGMT, MTLS_REASON_USER_CHANGED),
			 PAM_PERM_DENIED);
	assert_int_equal(result_to_pam(RESULT_SETCRED, MTLS_REASON_USER_CHANGED), PAM_CRED_ERR);
}

static void words_are_those_of_the_reasons(void **state)
{
	(void)state;
	for (size_t i = 0; i < ALL; i++) {
		assert_string_equal(result_token(all[i].situation), all[i].token);
		assert_true(strlen(result_text(all[i].situation)) > 0);
	}
	assert_string_equal(result_token(999), "fault");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_situation_has_a_code_everywhere),
		cmocka_unit_test(success_is_one_line),
		cmocka_unit_test(authenticate_ignores_only_when_off),
		cmocka_unit_test(others_logins_are_none_of_ours),
		cmocka_unit_test(unknown_situations_deny),
		cmocka_unit_test(chosen_codes),
		cmocka_unit_test(words_are_those_of_the_reasons),
	};
	return cmocka_run_group_tests_name("result", tests, NULL, NULL);
}
