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
	size_t secret_len;
	uint32_t timeout_ms;
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
	(void)diag;
	client->unlocks++;
	client->unlocked_id = id;
	client->secret_len = len;
	client->timeout_ms = timeout_ms;
	assert_non_null(secret);
	assert_true(len < sizeof(client->secret));
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

/* One person's certificates may differ in nothing that is shown but their keys. */
static void twins_are_told_apart(void **state)
{
	(void)state;
	struct signer_client client = { .count = 3,
					.credentials = { credential(3, true), credential(6, true),
							 credential(1, true) } };
	struct talk talk = { .answers = { "2" }, .seen = "" };
	const struct pam_conv conv = { converse, &talk };
	const struct prompt prompt = { .conv = &conv };
	struct credential_set set = CREDENTIAL_SET_EMPTY;
	struct credential choice = { .info = NULL };
	struct mtls_diag diag = { "" };

	client.credentials[0].key_type = MTLS_KEY_TYPE_ED25519;
	client.credentials[1].key_type = MTLS_KEY_TYPE_ECDSA_P256;
	client.credentials[2].key_type = MTLS_KEY_TYPE_ECDSA_P256;
	credential_collect(&set, &half, &client, true, 1000, &diag);
	assert_int_equal(credential_choose(&set, &prompt, &choice), MTLS_REASON_ALLOWED);
	assert_int_equal(choice.info->id, 6);
	assert_string_equal(talk.seen, "1: Alice (from CA, until 2100-01-01) [Ed25519]|"
				       "2: Alice (from CA, until 2100-01-01) [P-256]|"
				       "3: Bob (from CA, until 2100-01-01)|"
				       "Which certificate (1-3)? |");
}

static const struct credential_times times = { .machine_ms = 1000, .person_ms = 60000 };

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
	{ "wrong, tries counted", true, true, false, false, 3, { "x" }, MTLS_REASON_SECRET_WRONG, MTLS_PRESENCE_NONE, 2, MTLS_REASON_SECRET_WRONG, 1, "|Only a few tries are left.|" },
	{ "wrong, locked now", true, true, false, false, 3, { "x" }, MTLS_REASON_SECRET_WRONG, MTLS_PRESENCE_NONE, 0, MTLS_REASON_SECRET_WRONG, 1, "|The key is locked now.|" },
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
		uint32_t tries = 7;
		enum mtls_reason reason =
			credential_unlock(&chosen, &half, &prompt, &times, &tries, &diag);
		if (reason != ALLOWED)
			credential_after(&prompt, (int)reason, tries);
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

/* Cards: what is asked, what is said, and how long the reader's keypad is waited for. */
struct pin_row {
	const char *name;
	enum mtls_secret_kind kind;
	const char *token;
	uint32_t tries_before;
	const char *answers[4];
	enum mtls_reason unlock_reason;
	uint32_t tries;
	enum mtls_reason want;
	int unlocks;
	size_t secret_len;
	const char *seen; /* exactly */
};

#define PIN      MTLS_SECRET_PIN
#define PAD      MTLS_SECRET_PIN_PAD
#define WRONG    MTLS_REASON_PIN_WRONG
#define LOCKED   MTLS_REASON_PIN_LOCKED
#define QUESTION "PIN for Bob's card (Bob, from CA, until 2100-01-01): |"
#define ON_PAD   "Type the PIN for Bob's card (Bob) on the keypad of the reader.|"
#define LAST     "This is the last try before the PIN is locked. Type yes to go on: |"
#define FEW      "Only a few tries are left.|"
#define UNBLOCK  "To unblock it, with the card's PUK: mtlsctl pin unblock|"

/* clang-format off */
static const struct pin_row pin_rows[] = {
	{ "right PIN", PIN, "Bob's card", UNKNOWN, { "123456" }, ALLOWED, UNKNOWN, ALLOWED, 1, 6, QUESTION },
	{ "a card without a name", PIN, NULL, UNKNOWN, { "123456" }, ALLOWED, UNKNOWN, ALLOWED, 1, 6, "PIN for Bob (from CA, until 2100-01-01): |" },
	{ "wrong, asked once", PIN, "Bob's card", UNKNOWN, { "1", "2" }, WRONG, UNKNOWN, WRONG, 1, 1, QUESTION },
	{ "wrong, three left", PIN, "Bob's card", 4, { "1" }, WRONG, 3, WRONG, 1, 1, QUESTION "3 tries left.|" },
	{ "wrong, few left", PIN, "Bob's card", 3, { "1" }, WRONG, 2, WRONG, 1, 1, QUESTION FEW },
	{ "wrong, one left", PIN, "Bob's card", 2, { "1" }, WRONG, 1, WRONG, 1, 1, QUESTION "1 try left.|" },
	{ "wrong, locked now", PIN, "Bob's card", 1, { "yes", "1" }, WRONG, 0, WRONG, 1, 1, LAST QUESTION "The PIN is locked now.|" UNBLOCK },
	{ "locked by this one", PIN, "Bob's card", UNKNOWN, { "1" }, LOCKED, 0, LOCKED, 1, 1, QUESTION UNBLOCK },
	{ "locked before", PIN, "Bob's card", 0, { "1" }, ALLOWED, UNKNOWN, LOCKED, 0, 0, UNBLOCK },
	{ "empty: nothing is sent", PIN, "Bob's card", 3, { "" }, ALLOWED, UNKNOWN, MTLS_REASON_SECRET_EMPTY, 0, 0, QUESTION },
	{ "last try, not wanted", PIN, "Bob's card", 1, { "", "1" }, ALLOWED, UNKNOWN, MTLS_REASON_SECRET_EMPTY, 0, 0, LAST },
	{ "keypad", PAD, "Bob's card", UNKNOWN, { NULL }, ALLOWED, UNKNOWN, ALLOWED, 1, 0, ON_PAD },
	{ "keypad, no name", PAD, NULL, UNKNOWN, { NULL }, ALLOWED, UNKNOWN, ALLOWED, 1, 0, "Type the PIN for Bob on the keypad of the reader.|" },
	{ "keypad, wrong", PAD, "Bob's card", UNKNOWN, { NULL }, WRONG, 2, WRONG, 1, 0, ON_PAD FEW },
	{ "keypad, last try", PAD, "Bob's card", 1, { "yes" }, ALLOWED, UNKNOWN, ALLOWED, 1, 0, LAST ON_PAD },
	{ "keypad, last try not wanted", PAD, "Bob's card", 1, { "no" }, ALLOWED, UNKNOWN, MTLS_REASON_SECRET_EMPTY, 0, 0, LAST },
	{ "keypad, locked", PAD, "Bob's card", 0, { NULL }, ALLOWED, UNKNOWN, LOCKED, 0, 0, UNBLOCK },
};
/* clang-format on */

static void pins(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(pin_rows) / sizeof(pin_rows[0]); i++) {
		const struct pin_row *row = &pin_rows[i];
		struct signer_client client = {
			.count = 1,
			.credentials = { credential(1, true) },
			.unlock_reason = row->unlock_reason,
			.presence = row->kind == PAD ? MTLS_PRESENCE_PIN_PAD : SECRET,
			.tries = row->tries,
		};
		client.credentials[0].secret_kind = row->kind;
		client.credentials[0].token = (char *)(uintptr_t)row->token;
		client.credentials[0].tries_left = row->tries_before;
		struct talk talk = { .seen = "" };
		memcpy(talk.answers, row->answers, sizeof(talk.answers));
		const struct pam_conv conv = { converse, &talk };
		const struct prompt prompt = { .conv = &conv };
		struct credential chosen = { .signer = &client,
					     .info = client.credentials,
					     .secret_required = true };
		struct mtls_diag diag = { "" };
		uint32_t tries = 7;
		enum mtls_reason reason =
			credential_unlock(&chosen, &half, &prompt, &times, &tries, &diag);
		if (reason != ALLOWED)
			credential_after(&prompt, (int)reason, tries);
		if (reason != row->want || client.unlocks != row->unlocks ||
		    client.secret_len != row->secret_len || strcmp(talk.seen, row->seen) != 0)
			fail_msg("%s: %d, %d unlocks, %zu bytes, '%s'", row->name, reason,
				 client.unlocks, client.secret_len, talk.seen);
		uint32_t patience = row->kind == PAD ? times.person_ms : times.machine_ms;
		if (row->unlocks && client.timeout_ms != patience)
			fail_msg("%s: waited for %u ms", row->name, client.timeout_ms);
	}
}

static void a_pin_over_the_limit(void **state)
{
	(void)state;
	static char answer[MTLS_SECRET_MAX + 2];
	memset(answer, '1', sizeof(answer) - 1);
	struct signer_client client = { .count = 1, .credentials = { credential(1, true) } };
	client.credentials[0].secret_kind = PIN;
	struct talk talk = { .answers = { answer } };
	const struct pam_conv conv = { converse, &talk };
	const struct prompt prompt = { .conv = &conv };
	struct credential chosen = { .signer = &client, .info = client.credentials };
	struct mtls_diag diag = { "" };
	uint32_t tries;
	assert_int_equal(credential_unlock(&chosen, &half, &prompt, &times, &tries, &diag), WRONG);
	assert_int_equal(client.unlocks, 0);
}

/* What has expired is no choice beside what has not; what is hidden may be either. */
static void expired_ones(void **state)
{
	(void)state;
	enum { GOOD, GONE, HIDDEN };
	static const struct {
		const char *name;
		int kinds[3];
		size_t count;
		const char *answer;
		uint32_t id;
		const char *seen;
	} rows[] = {
		{ "one good, two gone", { GONE, GOOD, GONE }, 3, NULL, 1, "" },
		{ "all gone", { GONE, GONE }, 2, "2", 1, "1: Alice (from CA, expired" },
		{ "only one, gone", { GONE }, 1, NULL, 0, "" },
		{ "gone and hidden", { GONE, HIDDEN }, 2, "2", 1, "|2: Bob|" },
		{ "good, gone and hidden", { GONE, GOOD, HIDDEN }, 3, "2", 2, "|2: Carol|" },
	};
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct signer_client client = { .count = rows[i].count };
		for (uint32_t j = 0; j < rows[i].count; j++) {
			client.credentials[j] = credential(j, true);
			if (rows[i].kinds[j] == GONE)
				client.credentials[j].not_after = 86400;
			if (rows[i].kinds[j] == HIDDEN)
				client.credentials[j].chain_count = 0;
		}
		struct talk talk = { .answers = { rows[i].answer } };
		const struct pam_conv conv = { converse, &talk };
		const struct prompt prompt = { .conv = &conv };
		struct credential_set set = CREDENTIAL_SET_EMPTY;
		struct mtls_diag diag = { "" };
		credential_collect(&set, &half, &client, true, 1000, &diag);
		struct credential choice = { .info = NULL };
		enum mtls_reason reason = credential_choose(&set, &prompt, &choice);
		if (reason != ALLOWED || choice.info->id != rows[i].id ||
		    !strstr(talk.seen, rows[i].seen) || (!rows[i].answer && *talk.seen))
			fail_msg("%s: %d, '%s'", rows[i].name, reason, talk.seen);
	}
}

/* The name of a card that must be used, as GDM gives it. */
static void only_one_card(void **state)
{
	(void)state;
	static const struct {
		const char *name, *tokens[2], *only;
		size_t count;
		enum mtls_reason trouble;
	} rows[] = {
		{ "that one", { "A", "B" }, "B", 1, MTLS_REASON_NO_TOKEN },
		{ "none of them", { "A", "A" }, "B", 0, MTLS_REASON_NO_TOKEN },
		{ "no names", { NULL, NULL }, "B", 0, MTLS_REASON_NO_TOKEN },
		{ "nobody asks for one", { "A", NULL }, NULL, 2, MTLS_REASON_NO_CREDENTIAL },
	};
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct signer_client client = {
			.count = 2, .credentials = { credential(0, true), credential(1, true) }
		};
		for (size_t j = 0; j < 2; j++)
			client.credentials[j].token = (char *)(uintptr_t)rows[i].tokens[j];
		struct credential_set set = CREDENTIAL_SET_EMPTY;
		set.only_token = rows[i].only;
		struct mtls_diag diag = { "" };
		credential_collect(&set, &half, &client, true, 1000, &diag);
		if (set.count != rows[i].count || set.trouble != rows[i].trouble)
			fail_msg("%s: %zu, %d", rows[i].name, set.count, set.trouble);
		credential_forget(&set, &client);
		assert_int_equal(set.count, 0);
	}
}

/* A conversation that failed once is none any more. */
static void a_failed_question_is_the_last(void **state)
{
	(void)state;
	struct signer_client client = {
		.count = 2, .credentials = { credential(0, true), credential(1, true) }
	};
	struct talk talk = { .seen = "" };
	const struct pam_conv conv = { converse, &talk };
	struct prompt_state asked = { .asked = 0 };
	const struct prompt prompt = { .conv = &conv, .state = &asked };
	struct credential_set set = CREDENTIAL_SET_EMPTY;
	struct mtls_diag diag = { "" };
	credential_collect(&set, &half, &client, false, 1000, &diag);
	struct credential choice = { .info = NULL };
	assert_int_equal(credential_choose(&set, &prompt, &choice), MTLS_REASON_CONVERSATION);
	assert_true(asked.failed);
	assert_int_equal(asked.asked, 0);
	talk.seen[0] = '\0';
	assert_int_equal(credential_choose(&set, &prompt, &choice), MTLS_REASON_CONVERSATION);
	prompt_error(&prompt, "nobody reads this");
	assert_string_equal(talk.seen, "");
}

/* A file signs by itself; whatever else holds a key may ask for a finger. */
static void patience(void **state)
{
	(void)state;
	struct talk talk = { .seen = "" };
	const struct pam_conv conv = { converse, &talk };
	const struct prompt prompt = { .conv = &conv }, nobody = { .conv = NULL };
	struct mtls_signer_credential info = credential(1, true);
	const struct credential chosen = { .info = &info };
	static const struct {
		const char *source;
		uint32_t want;
	} rows[] = {
		{ "file", 1000 },
		{ "pkcs11", 60000 },
		{ "agent", 60000 },
		{ "p11-kit", 60000 },
	};
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		info.source = (char *)(uintptr_t)rows[i].source;
		assert_int_equal(credential_patience(&chosen, &prompt, &times), rows[i].want);
		assert_int_equal(credential_patience(&chosen, &nobody, &times), 1000);
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
	uint32_t tries;
	assert_int_equal(credential_unlock(&chosen, &half, &prompt, &times, &tries, &diag),
			 MTLS_REASON_ALLOWED);
	assert_string_equal(talk.seen, "Passphrase for B?[2Job (from CA, expired 1970-01-02): |");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(choosing),
		cmocka_unit_test(two_signers_one_list),
		cmocka_unit_test(twins_are_told_apart),
		cmocka_unit_test(unlocking),
		cmocka_unit_test(pins),
		cmocka_unit_test(a_pin_over_the_limit),
		cmocka_unit_test(expired_ones),
		cmocka_unit_test(only_one_card),
		cmocka_unit_test(a_failed_question_is_the_last),
		cmocka_unit_test(patience),
		cmocka_unit_test(an_expired_one_is_called_so),
	};
	return cmocka_run_group_tests_name("credential", tests, NULL, NULL);
}
