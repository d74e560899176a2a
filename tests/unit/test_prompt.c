/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pam_mtls/prompt: a conversation that answers well, badly, or not at all. */
#include <config.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/err.h"
#include "pam_mtls/prompt.h"

/* What the fake conversation does, and what it saw. */
struct fake {
	int code;
	const char *answer; /* NULL: a reply without text */
	bool no_reply;
	int calls, style;
	char text[256];
};

static int converse(int count, const struct pam_message **msgs, struct pam_response **ret,
		    void *ctx)
{
	struct fake *fake = ctx;
	assert_int_equal(count, 1);
	fake->calls++;
	fake->style = msgs[0]->msg_style;
	(void)strncpy(fake->text, msgs[0]->msg, sizeof(fake->text) - 1);
	if (fake->code != PAM_SUCCESS) {
		/* Some hosts leave rubbish behind when they fail: it must not be touched. */
		*ret = (struct pam_response *)(uintptr_t)16;
		return fake->code;
	}
	if (fake->no_reply)
		return PAM_SUCCESS;
	struct pam_response *reply = calloc(1, sizeof(*reply));
	assert_non_null(reply);
	reply->resp = fake->answer ? strdup(fake->answer) : NULL;
	*ret = reply;
	return PAM_SUCCESS;
}

static void answers(void **state)
{
	(void)state;
	static char long_answer[600];
	memset(long_answer, 'x', sizeof(long_answer) - 1);
	static char longest[513];
	memset(longest, 'y', sizeof(longest) - 1);
	const struct {
		const char *name;
		struct fake fake;
		int want;
	} rows[] = {
		{ "an answer", { .answer = "secret" }, 0 },
		{ "longest", { .answer = longest }, 0 },
		{ "too long", { .answer = long_answer }, MTLS_E_LIMIT },
		{ "empty", { .answer = "" }, MTLS_E_NEEDSECRET },
		{ "reply without text", { .answer = NULL }, MTLS_E_NEEDSECRET },
		{ "no reply", { .no_reply = true }, MTLS_E_NEEDSECRET },
		{ "failure", { .code = PAM_CONV_ERR }, -EIO },
		{ "come again", { .code = PAM_CONV_AGAIN }, -EIO },
		{ "no memory", { .code = PAM_BUF_ERR }, -ENOMEM },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fake fake = rows[i].fake;
		const struct pam_conv conv = { converse, &fake };
		const struct prompt prompt = { .conv = &conv };
		_cleanup_buf_ struct mtls_buf secret = MTLS_BUF_SECRET(512);
		int rc = prompt_secret(&prompt, "Passphrase: ", &secret);
		if (rc != rows[i].want || fake.style != PAM_PROMPT_ECHO_OFF || fake.calls != 1)
			fail_msg("%s: %d", rows[i].name, rc);
		assert_string_equal(fake.text, "Passphrase: ");
		if (rc == 0)
			assert_int_equal(secret.len, strlen(rows[i].fake.answer));
		else
			assert_int_equal(secret.len, 0);
	}
}

static void nobody_there(void **state)
{
	(void)state;
	const struct pam_conv empty = { NULL, NULL };
	const struct prompt prompts[] = {
		{ .conv = &empty },
		{ .conv = NULL },
	};
	for (size_t i = 0; i < 2; i++) {
		_cleanup_buf_ struct mtls_buf secret = MTLS_BUF_SECRET(512);
		assert_false(prompt_possible(&prompts[i]));
		assert_int_equal(prompt_secret(&prompts[i], "?", &secret), -EIO);
		assert_int_equal(prompt_line(&prompts[i], "?", &secret), -EIO);
		prompt_error(&prompts[i], "x");
		prompt_info(&prompts[i], "x");
		prompt_remark(&prompts[i], "x");
	}
}

/* PAM_SILENT, which sudo sets always. */
static void silence_keeps_remarks_back(void **state)
{
	(void)state;
	struct fake fake = { .answer = "secret" };
	const struct pam_conv conv = { converse, &fake };
	const struct prompt silent = { .conv = &conv, .silent = true }, loud = { .conv = &conv };
	prompt_remark(&silent, "soon");
	assert_int_equal(fake.calls, 0);
	prompt_remark(&loud, "soon");
	assert_int_equal(fake.calls, 1);
	assert_string_equal(fake.text, "soon");
	prompt_error(&silent, "refused");
	prompt_info(&silent, "1: Alice");
	assert_int_equal(fake.calls, 3);
	_cleanup_buf_ struct mtls_buf secret = MTLS_BUF_SECRET(512);
	assert_true(prompt_possible(&silent));
	assert_int_equal(prompt_secret(&silent, "?", &secret), 0);
}

static void texts_are_shown(void **state)
{
	(void)state;
	struct fake fake = { .no_reply = true };
	const struct pam_conv conv = { converse, &fake };
	const struct prompt prompt = { .conv = &conv };
	prompt_error(&prompt, "bad");
	assert_int_equal(fake.style, PAM_ERROR_MSG);
	assert_string_equal(fake.text, "bad");
	prompt_info(&prompt, "good");
	assert_int_equal(fake.style, PAM_TEXT_INFO);
	assert_string_equal(fake.text, "good");
}

static void numbers(void **state)
{
	(void)state;
	static const struct {
		const char *answer;
		int want;
		size_t index;
	} rows[] = {
		{ "1", 0, 0 },
		{ "3", 0, 2 },
		{ "0", MTLS_E_SYNTAX, 99 },
		{ "4", MTLS_E_SYNTAX, 99 },
		{ "-1", MTLS_E_SYNTAX, 99 },
		{ "+1", MTLS_E_SYNTAX, 99 },
		{ " 1", MTLS_E_SYNTAX, 99 },
		{ "1 ", MTLS_E_SYNTAX, 99 },
		{ "01", MTLS_E_SYNTAX, 99 },
		{ "1x", MTLS_E_SYNTAX, 99 },
		{ "4294967297", MTLS_E_SYNTAX, 99 },
		{ "11111111111111111111111111111111", MTLS_E_SYNTAX, 99 },
		{ "", MTLS_E_NEEDSECRET, 99 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fake fake = { .answer = rows[i].answer };
		const struct pam_conv conv = { converse, &fake };
		const struct prompt prompt = { .conv = &conv };
		size_t index = 99;
		int rc = prompt_number(&prompt, "Which? ", 3, &index);
		if (rc != rows[i].want || index != rows[i].index)
			fail_msg("'%s': %d", rows[i].answer, rc);
		assert_int_equal(fake.style, PAM_PROMPT_ECHO_ON);
	}
}

static void text_cannot_steer_a_terminal(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		char quote;
		size_t max;
		const char *want;
	} rows[] = {
		{ "Alice", 0, 64, "Alice" },
		{ "J\xc3\xb6rg", 0, 64, "J\xc3\xb6rg" },
		{ "a\x1b[31mb", 0, 64, "a?[31mb" },
		{ "a\nreason=allowed", 0, 64, "a?reason=allowed" },
		{ "a\x7f", 0, 64, "a?" },
		{ "a\xc2\x9b"
		  "31m",
		  0, 64, "a?31m" },
		{ "a\xff"
		  "b",
		  0, 64, "a?b" },
		{ "a\xc3", 0, 64, "a?" },
		{ "x' account='root", '\'', 64, "x? account=?root" },
		{ "it's", 0, 64, "it's" },
		{ "abcdef", 0, 3, "abc" },
		{ "ab\xc3\xb6", 0, 3, "ab" },
		{ "", 0, 3, "" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		_cleanup_buf_ struct mtls_buf out = MTLS_BUF(256);
		prompt_clean(&out, rows[i].text, rows[i].quote, rows[i].max);
		assert_string_equal(mtls_buf_cstr(&out), rows[i].want);
	}
}

static void dates(void **state)
{
	(void)state;
	char date[PROMPT_DATE_MAX];
	prompt_date(0, date);
	assert_string_equal(date, "1970-01-01");
	prompt_date(1893456000, date);
	assert_string_equal(date, "2030-01-01");
	prompt_date(INT64_MAX, date);
	assert_string_equal(date, "?");
	prompt_date(253402300799, date); /* "no well-defined expiration" of RFC 5280 */
	assert_string_equal(date, "9999-12-31");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(nobody_there),
		cmocka_unit_test(silence_keeps_remarks_back),
		cmocka_unit_test(texts_are_shown),
		cmocka_unit_test(numbers),
		cmocka_unit_test(text_cannot_steer_a_terminal),
		cmocka_unit_test(dates),
	};
	return cmocka_run_group_tests_name("prompt", tests, NULL, NULL);
}
