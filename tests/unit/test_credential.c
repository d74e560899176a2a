/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pam_mtls/credential: which keys count, choice, secret, presence; with a fake signer. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pam_mtls/credential.h"

#define FAKE_MAX 4

struct signer_client {
	enum mtls_reason list_reason, unlock_reason;
	struct mtls_signer_credential credentials[FAKE_MAX];
	size_t count;
	enum mtls_presence presence;
	uint32_t tries;
	bool stays_hidden;
	/* seen */
	int unlocks;
	uint32_t unlocked_id;
	char secret[64];
};

static enum mtls_reason fake_list(struct signer_client *client, uint32_t timeout_ms,
				  struct mtls_diag *diag)
{
	(void)timeout_ms;
	return (enum mtls_reason)mtls_diag_set(diag, (int)client->list_reason, "fake");
}

static size_t fake_count(const struct signer_client *client)
{
	return client->count;
}

static const struct mtls_signer_credential *fake_credential(const struct signer_client *client,
							    size_t index)
{
	return index < client->count ? &client->credentials[index] : NULL;
}

static enum mtls_reason fake_unlock(struct signer_client *client, uint32_t id,
				    const uint8_t *secret, size_t len, uint32_t timeout_ms,
				    enum mtls_presence *ret_presence, uint32_t *ret_tries,
				    struct mtls_diag *diag)
{
	(void)timeout_ms;
	(void)diag;
	client->unlocks++;
	client->unlocked_id = id;
	assert_true(len > 0 && len < sizeof(client->secret));
	memcpy(client->secret, secret, len);
	*ret_presence = client->presence;
	*ret_tries = client->tries;
	for (size_t i = 0; i < client->count && !client->stays_hidden; i++)
		if (client->credentials[i].id == id)
			client->credentials[i].chain_count = 1;
	return client->unlock_reason;
}

static const struct half_ops half = {
	.signer_client_list = fake_list,
	.signer_client_count = fake_count,
	.signer_client_credential = fake_credential,
	.signer_client_unlock = fake_unlock,
};

/* A conversation: answers in order, texts gathered. */
struct talk {
	const char *answers[4];
	unsigned int next;
	char seen[1024];
};

static int converse(int count, const struct pam_message **msgs, struct pam_response **ret,
		    void *ctx)
{
	struct talk *talk = ctx;
	assert_int_equal(count, 1);
	(void)strncat(talk->seen, msgs[0]->msg, sizeof(talk->seen) - strlen(talk->seen) - 1);
	(void)strncat(talk->seen, "|", sizeof(talk->seen) - strlen(talk->seen) - 1);
	struct pam_response *reply = calloc(1, sizeof(*reply));
	assert_non_null(reply);
	if (msgs[0]->msg_style == PAM_PROMPT_ECHO_OFF || msgs[0]->msg_style == PAM_PROMPT_ECHO_ON) {
		if (talk->next >= 4 || !talk->answers[talk->next]) {
			free(reply);
			return PAM_CONV_ERR;
		}
		reply->resp = strdup(talk->answers[talk->next++]);
	}
	*ret = reply;
	return PAM_SUCCESS;
}

static struct mtls_signer_credential credential(uint32_t id, bool needs_secret)
{
	static char *const labels[] = { (char *)(uintptr_t) "Alice", (char *)(uintptr_t) "Bob",
					(char *)(uintptr_t) "Carol" };
	return (struct mtls_signer_credential){
		.id = id,
		.label = labels[id % 3],
		.issuer = (char *)(uintptr_t) "CA",
		.not_after = 4102444800, /* 2100-01-01 */
		.needs_secret = needs_secret,
		.tries_left = MTLS_TRIES_UNKNOWN,
		.chain_count = 1,
	};
}

struct choose_row {
	const char *name;
	size_t count;
	bool needs_secret[3];
	bool secret_required;
	bool alone;
	enum mtls_reason list_reason;
	const char *answer;
	enum mtls_reason want;
	uint32_t id;
};

/* clang-format off */
static const struct choose_row choose_rows[] = {
	{ "one, protected", 1, { true }, true, false, MTLS_REASON_ALLOWED, NULL, MTLS_REASON_ALLOWED, 0 },
	{ "one, unprotected, presence required", 1, { false }, true, false, MTLS_REASON_ALLOWED, NULL, MTLS_REASON_KEY_UNPROTECTED, 0 },
	{ "one, unprotected, presence not required", 1, { false }, false, false, MTLS_REASON_ALLOWED, NULL, MTLS_REASON_ALLOWED, 0 },
	{ "the protected one of two", 2, { false, true }, true, false, MTLS_REASON_ALLOWED, NULL, MTLS_REASON_ALLOWED, 1 },
	{ "second of three", 3, { true, true, true }, true, false, MTLS_REASON_ALLOWED, "2", MTLS_REASON_ALLOWED, 1 },
	{ "not offered", 3, { true, true, true }, true, false, MTLS_REASON_ALLOWED, "4", MTLS_REASON_BAD_CHOICE, 0 },
	{ "no choice made", 2, { true, true }, true, false, MTLS_REASON_ALLOWED, "", MTLS_REASON_SECRET_EMPTY, 0 },
	{ "conversation fails", 2, { true, true }, true, false, MTLS_REASON_ALLOWED, NULL, MTLS_REASON_CONVERSATION, 0 },
	{ "none", 0, { false }, true, false, MTLS_REASON_ALLOWED, NULL, MTLS_REASON_NO_CREDENTIAL, 0 },
	{ "signer says none", 0, { false }, true, false, MTLS_REASON_NO_CREDENTIAL, NULL, MTLS_REASON_NO_CREDENTIAL, 0 },
	{ "signer hangs", 1, { true }, true, false, MTLS_REASON_SIGNER_TIMEOUT, NULL, MTLS_REASON_SIGNER_TIMEOUT, 0 },
	{ "signer fails", 1, { true }, true, false, MTLS_REASON_SIGNER_FAILED, NULL, MTLS_REASON_SIGNER_FAILED, 0 },
	{ "nobody to ask", 1, { true }, true, true, MTLS_REASON_ALLOWED, NULL, MTLS_REASON_CONVERSATION, 0 },
	{ "nobody to ask, nothing to ask", 1, { false }, false, true, MTLS_REASON_ALLOWED, NULL, MTLS_REASON_ALLOWED, 0 },
	{ "nobody to ask which", 2, { false, false }, false, true, MTLS_REASON_ALLOWED, NULL, MTLS_REASON_CONVERSATION, 0 },
	{ "nobody to ask, silent one left", 2, { true, false }, false, true, MTLS_REASON_ALLOWED, NULL, MTLS_REASON_ALLOWED, 1 },
	{ "nobody to ask, unprotected", 1, { false }, true, true, MTLS_REASON_ALLOWED, NULL, MTLS_REASON_KEY_UNPROTECTED, 0 },
};
/* clang-format on */

static void choosing(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(choose_rows) / sizeof(choose_rows[0]); i++) {
		const struct choose_row *row = &choose_rows[i];
		struct signer_client client = { .list_reason = row->list_reason,
						.count = row->count };
		for (size_t j = 0; j < row->count; j++)
			client.credentials[j] = credential((uint32_t)j, row->needs_secret[j]);
		struct talk talk = { .answers = { row->answer } };
		const struct pam_conv conv = { converse, &talk };
		const struct prompt prompt = { .conv = row->alone ? NULL : &conv };
		struct credential_set set = CREDENTIAL_SET_EMPTY;
		struct mtls_diag diag = { "" };
		credential_collect(&set, &half, &client, row->secret_required, 1000, &diag);
		struct credential choice = { .info = NULL };
		enum mtls_reason reason = credential_choose(&set, &prompt, &choice);
		if (reason != row->want)
			fail_msg("%s: %d", row->name, reason);
		if (reason == MTLS_REASON_ALLOWED && choice.info->id != row->id)
			fail_msg("%s: id %u", row->name, choice.info->id);
		if (reason != MTLS_REASON_ALLOWED && choice.info)
			fail_msg("%s: a choice was made", row->name);
	}
}

static void two_signers_one_list(void **state)
{
	(void)state;
	struct signer_client good = { .count = 1, .credentials = { credential(7, true) } };
	struct signer_client broken = { .list_reason = MTLS_REASON_SIGNER_FAILED };
	struct signer_client open = { .count = 1, .credentials = { credential(7, false) } };
	struct talk talk = { .seen = "" };
	const struct pam_conv conv = { converse, &talk };
	const struct prompt prompt = { .conv = &conv };
	struct credential_set set = CREDENTIAL_SET_EMPTY;
	struct mtls_diag diag = { "" };
	credential_collect(&set, &half, &broken, true, 1000, &diag);
	credential_collect(&set, &half, &open, true, 1000, &diag);
	credential_collect(&set, &half, &good, true, 1000, &diag);
	struct credential choice = { .info = NULL };
	assert_int_equal(credential_choose(&set, &prompt, &choice), MTLS_REASON_ALLOWED);
	assert_ptr_equal(choice.signer, &good);
}

struct unlock_row {
	const char *name;
	bool needs_secret, secret_required, hidden, stays_hidden;
	uint32_t tries_before;
	const char *answers[4];
	enum mtls_reason unlock_reason;
	enum mtls_presence presence;
	uint32_t tries;
	enum mtls_reason want;
	int unlocks;
	const char *seen; /* must appear */
};

#define UNKNOWN MTLS_TRIES_UNKNOWN
#define ALLOWED MTLS_REASON_ALLOWED
#define SECRET  MTLS_PRESENCE_SECRET

/* clang-format off */
static const struct unlock_row unlock_rows[] = {
	/* name  needs required hidden stays tries answers reason presence tries want unlocks seen */
	{ "right passphrase", true, true, false, false, UNKNOWN, { "sesame" }, ALLOWED, SECRET, UNKNOWN, ALLOWED, 1, "Passphrase for Bob (from CA, until 2100-01-01): " },
	{ "wrong passphrase, asked once", true, true, false, false, UNKNOWN, { "x", "y" }, MTLS_REASON_SECRET_WRONG, MTLS_PRESENCE_NONE, UNKNOWN, MTLS_REASON_SECRET_WRONG, 1, "" },
	{ "wrong, tries counted", true, true, false, false, 3, { "x" }, MTLS_REASON_SECRET_WRONG, MTLS_PRESENCE_NONE, 2, MTLS_REASON_SECRET_WRONG, 1, "locked: 2" },
	{ "wrong, locked now", true, true, false, false, 3, { "x" }, MTLS_REASON_SECRET_WRONG, MTLS_PRESENCE_NONE, 0, MTLS_REASON_SECRET_WRONG, 1, "locked now" },
	{ "empty", true, true, false, false, UNKNOWN, { "" }, ALLOWED, SECRET, UNKNOWN, MTLS_REASON_SECRET_EMPTY, 0, "" },
	{ "conversation fails", true, true, false, false, UNKNOWN, { NULL }, ALLOWED, SECRET, UNKNOWN, MTLS_REASON_CONVERSATION, 0, "" },
	{ "any word opens it", true, true, false, false, UNKNOWN, { "x" }, ALLOWED, MTLS_PRESENCE_NONE, UNKNOWN, MTLS_REASON_KEY_UNPROTECTED, 1, "" },
	{ "any word opens it, presence not required", true, false, false, false, UNKNOWN, { "x" }, ALLOWED, MTLS_PRESENCE_NONE, UNKNOWN, ALLOWED, 1, "" },
	{ "unprotected", false, true, false, false, UNKNOWN, { "x" }, ALLOWED, SECRET, UNKNOWN, MTLS_REASON_KEY_UNPROTECTED, 0, "" },
	{ "unprotected, presence not required", false, false, false, false, UNKNOWN, { "x" }, ALLOWED, SECRET, UNKNOWN, ALLOWED, 0, "" },
	{ "locked", true, true, false, false, 0, { "x" }, ALLOWED, SECRET, UNKNOWN, MTLS_REASON_KEY_UNUSABLE, 0, "" },
	{ "last try, yes", true, true, false, false, 1, { "yes", "sesame" }, ALLOWED, SECRET, UNKNOWN, ALLOWED, 1, "last try" },
	{ "last try, y is not yes", true, true, false, false, 1, { "y", "sesame" }, ALLOWED, SECRET, UNKNOWN, MTLS_REASON_SECRET_EMPTY, 0, "last try" },
	{ "last try, the passphrase instead", true, true, false, false, 1, { "a very long passphrase", "x" }, ALLOWED, SECRET, UNKNOWN, MTLS_REASON_SECRET_EMPTY, 0, "last try" },
	{ "hidden until unlocked", true, true, true, false, UNKNOWN, { "sesame" }, ALLOWED, SECRET, UNKNOWN, ALLOWED, 1, "Passphrase for Bob: " },
	{ "hidden for good", true, true, true, true, UNKNOWN, { "sesame" }, ALLOWED, SECRET, UNKNOWN, MTLS_REASON_KEY_UNUSABLE, 1, "" },
	{ "signer hangs", true, true, false, false, UNKNOWN, { "sesame" }, MTLS_REASON_SIGNER_TIMEOUT, SECRET, UNKNOWN, MTLS_REASON_SIGNER_TIMEOUT, 1, "" },
};
/* clang-format on */

static void unlocking(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(unlock_rows) / sizeof(unlock_rows[0]); i++) {
		const struct unlock_row *row = &unlock_rows[i];
		struct signer_client client = {
			.count = 2,
			.credentials = { credential(0, true), credential(1, row->needs_secret) },
			.unlock_reason = row->unlock_reason,
			.presence = row->presence,
			.tries = row->tries,
			.stays_hidden = row->stays_hidden,
		};
		client.credentials[1].tries_left = row->tries_before;
		if (row->hidden)
			client.credentials[1].chain_count = 0;
		struct talk talk = { .seen = "" };
		memcpy(talk.answers, row->answers, sizeof(talk.answers));
		const struct pam_conv conv = { converse, &talk };
		const struct prompt prompt = { .conv = &conv };
		struct credential chosen = { .signer = &client,
					     .info = &client.credentials[1],
					     .secret_required = row->secret_required };
		struct mtls_diag diag = { "" };
		enum mtls_reason reason = credential_unlock(&chosen, &half, &prompt, 1000, &diag);
		if (reason != row->want || client.unlocks != row->unlocks ||
		    !strstr(talk.seen, row->seen))
			fail_msg("%s: %d, %d unlocks, '%s'", row->name, reason, client.unlocks,
				 talk.seen);
		if (client.unlocks && client.unlocked_id != 1)
			fail_msg("%s: another key was unlocked", row->name);
		if (reason == ALLOWED && chosen.info->chain_count < 1)
			fail_msg("%s: no chain", row->name);
	}
}

static void an_expired_one_is_called_so(void **state)
{
	(void)state;
	struct signer_client client = { .count = 1, .credentials = { credential(1, true) } };
	client.credentials[0].not_after = 86400;
	client.credentials[0].label = (char *)(uintptr_t) "B\x1b[2Job";
	struct talk talk = { .answers = { "x" } };
	const struct pam_conv conv = { converse, &talk };
	const struct prompt prompt = { .conv = &conv };
	struct credential chosen = { .signer = &client, .info = client.credentials };
	struct mtls_diag diag = { "" };
	assert_int_equal(credential_unlock(&chosen, &half, &prompt, 1000, &diag),
			 MTLS_REASON_ALLOWED);
	assert_string_equal(talk.seen, "Passphrase for B?[2Job (from CA, expired 1970-01-02): |");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(choosing),
		cmocka_unit_test(two_signers_one_list),
		cmocka_unit_test(unlocking),
		cmocka_unit_test(an_expired_one_is_called_so),
	};
	return cmocka_run_group_tests_name("credential", tests, NULL, NULL);
}
