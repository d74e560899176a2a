/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pam_mtls/insert: a card that comes at once, late, or never; with a fake signer. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pam_mtls/insert.h"

/* Lists nothing, for @trouble, until the look number @appears; 0: never. */
struct signer_client {
	enum mtls_reason trouble;
	int appears, looks;
	struct mtls_signer_credential card;
};

static bool is_there(const struct signer_client *client)
{
	return client->appears > 0 && client->looks >= client->appears;
}

static enum mtls_reason fake_list(struct signer_client *client, uint32_t timeout_ms,
				  struct mtls_diag *diag)
{
	(void)timeout_ms;
	(void)diag;
	client->looks++;
	return is_there(client) ? MTLS_REASON_ALLOWED : client->trouble;
}

static size_t fake_count(const struct signer_client *client)
{
	return is_there(client) ? 1 : 0;
}

static const struct mtls_signer_credential *fake_credential(const struct signer_client *client,
							    size_t index)
{
	return index == 0 && is_there(client) ? &client->card : NULL;
}

static const struct half_ops half = {
	.signer_client_list = fake_list,
	.signer_client_count = fake_count,
	.signer_client_credential = fake_credential,
};

struct talk {
	const char *answer; /* NULL: fails */
	int questions, style;
	char text[256];
};

static int converse(int count, const struct pam_message **msgs, struct pam_response **ret,
		    void *ctx)
{
	struct talk *talk = ctx;
	assert_int_equal(count, 1);
	talk->questions++;
	talk->style = msgs[0]->msg_style;
	(void)strncpy(talk->text, msgs[0]->msg, sizeof(talk->text) - 1);
	if (!talk->answer)
		return PAM_CONV_ERR;
	struct pam_response *reply = calloc(1, sizeof(*reply));
	assert_non_null(reply);
	reply->resp = strdup(talk->answer);
	*ret = reply;
	return PAM_SUCCESS;
}

static void cards(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum mtls_reason trouble;
		int appears;
		const char *answer;
		uint32_t wait_ms;
		enum mtls_reason want;
		int looks; /* 0: more than one */
	} rows[] = {
		{ "there at once", MTLS_REASON_NO_TOKEN, 1, "", 60000, MTLS_REASON_ALLOWED, 1 },
		{ "a word for Enter", MTLS_REASON_NO_TOKEN, 1, "ok", 60000, MTLS_REASON_ALLOWED,
		  1 },
		{ "at the second look", MTLS_REASON_NO_TOKEN, 2, "", 60000, MTLS_REASON_ALLOWED,
		  2 },
		{ "empty at first", MTLS_REASON_NO_CREDENTIAL, 3, "", 60000, MTLS_REASON_ALLOWED,
		  3 },
		{ "never", MTLS_REASON_NO_TOKEN, 0, "", 300, MTLS_REASON_NO_TOKEN, 0 },
		{ "the time is over: one look", MTLS_REASON_NO_TOKEN, 0, "", 0,
		  MTLS_REASON_NO_TOKEN, 1 },
		{ "the reader may not be used", MTLS_REASON_READER_REFUSED, 2, "", 60000,
		  MTLS_REASON_READER_REFUSED, 1 },
		{ "the signer is gone", MTLS_REASON_SIGNER_FAILED, 2, "", 60000,
		  MTLS_REASON_SIGNER_FAILED, 1 },
		{ "nobody answers", MTLS_REASON_NO_TOKEN, 1, NULL, 60000, MTLS_REASON_CONVERSATION,
		  -1 },
	};
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct signer_client client = { .trouble = rows[i].trouble,
						.appears = rows[i].appears,
						.card = { .chain_count = 1,
							  .needs_secret = true } };
		struct talk talk = { .answer = rows[i].answer };
		const struct pam_conv conv = { converse, &talk };
		const struct prompt prompt = { .conv = &conv };
		const struct insert insert = { .half = &half,
					       .signer = &client,
					       .prompt = &prompt,
					       .secret_required = true,
					       .wait_ms = rows[i].wait_ms,
					       .list_timeout_ms = 1000 };
		struct credential_set set = CREDENTIAL_SET_EMPTY;
		struct mtls_diag diag = { "" };
		enum mtls_reason reason = insert_card(&insert, &set, &diag);
		int looks = rows[i].looks < 0 ? 0 : rows[i].looks;
		bool good = rows[i].looks == 0 ? client.looks > 1 : client.looks == looks;
		if (reason != rows[i].want || !good || talk.questions != 1)
			fail_msg("%s: %d, %d looks, %d questions", rows[i].name, reason,
				 client.looks, talk.questions);
		assert_int_equal(set.count, reason == MTLS_REASON_ALLOWED ? 1 : 0);
		assert_int_equal(talk.style, PAM_PROMPT_ECHO_ON);
		assert_non_null(strstr(talk.text, "Insert your card"));
	}
}

/* What was listed before is gone with the next list. */
static void nothing_old_is_kept(void **state)
{
	(void)state;
	struct signer_client client = { .trouble = MTLS_REASON_NO_TOKEN };
	struct talk talk = { .answer = "" };
	const struct pam_conv conv = { converse, &talk };
	const struct prompt prompt = { .conv = &conv };
	const struct insert insert = { .half = &half, .signer = &client, .prompt = &prompt };
	struct credential_set set = CREDENTIAL_SET_EMPTY;
	struct mtls_diag diag = { "" };
	set.items[set.count++] = (struct credential){ .signer = &client, .info = &client.card };
	assert_int_equal(insert_card(&insert, &set, &diag), MTLS_REASON_NO_TOKEN);
	assert_int_equal(set.count, 0);
}

static void when_a_card_would_help(void **state)
{
	(void)state;
	assert_true(insert_helps(MTLS_REASON_NO_TOKEN));
	assert_true(insert_helps(MTLS_REASON_NO_CREDENTIAL));
	assert_true(insert_helps(MTLS_REASON_TOKEN_GONE));
	assert_false(insert_helps(MTLS_REASON_READER_REFUSED));
	assert_false(insert_helps(MTLS_REASON_MODULE_FAILED));
	assert_false(insert_helps(MTLS_REASON_PIN_LOCKED));
	assert_false(insert_helps(MTLS_REASON_SIGNER_TIMEOUT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cards),
		cmocka_unit_test(nothing_old_is_kept),
		cmocka_unit_test(when_a_card_would_help),
	};
	return cmocka_run_group_tests_name("insert", tests, NULL, NULL);
}
