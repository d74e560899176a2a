/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The secret of a key: asked for once, given to the signer only, cleared. What is said about it is
 * neutral where it can be either, a passphrase or a PIN.
 */
#include <config.h>

#include "lib/base/str.h"
#include "pam_mtls/credential.h"
#include "pam_mtls/describe.h"
#include "pam_mtls/words.h"

#define WORD_MAX 16 /* bytes of an answer that should be "yes" */

static bool is_pin(const struct mtls_signer_credential *info)
{
	return info->secret_kind != MTLS_SECRET_PASSPHRASE;
}

/* Before a try that may lock the key; "yes" in full, since the person cannot take it back. */
static enum mtls_reason confirm_last_try(const struct mtls_signer_credential *info,
					 const struct prompt *prompt)
{
	_cleanup_buf_ struct mtls_buf answer = MTLS_BUF(WORD_MAX);
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(WORDS_LINE_MAX);
	const char *yes = words("yes");
	const struct words_value values[] = { { "yes", yes, 0 } };
	const char *question = is_pin(info)
				       ? words("This is the last try before the PIN is locked. "
					       "Type {yes} to go on: ")
				       : words("This is the last try before the key is locked. "
					       "Type {yes} to go on: ");
	int rc = prompt_line(prompt, words_line(&text, question, values, MTLS_COUNT(values)),
			     &answer);
	if (rc < 0 && rc != MTLS_E_LIMIT)
		return prompt_reason(rc);
	const char *word = rc == 0 ? mtls_buf_cstr(&answer) : NULL;
	return mtls_streq(word, "yes") || mtls_streq(word, yes) ? MTLS_REASON_ALLOWED
								: MTLS_REASON_SECRET_EMPTY;
}

/* On a reader with a keypad the person is told, not asked; then @secret stays empty. */
static enum mtls_reason ask_secret(const struct mtls_signer_credential *info,
				   const struct prompt *prompt, struct mtls_buf *secret)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(WORDS_LINE_MAX);
	if (info->tries_left == 0)
		return is_pin(info) ? MTLS_REASON_PIN_LOCKED : MTLS_REASON_KEY_UNUSABLE;
	if (info->tries_left == 1) {
		enum mtls_reason reason = confirm_last_try(info, prompt);
		if (reason != MTLS_REASON_ALLOWED)
			return reason;
	}
	if (info->secret_kind == MTLS_SECRET_PIN_PAD) {
		if (!prompt_possible(prompt))
			return MTLS_REASON_CONVERSATION;
		prompt_info(prompt, describe_credential(&text, DESCRIBE_PIN_PAD, info, 0));
		return MTLS_REASON_ALLOWED;
	}
	enum describe_as as = is_pin(info) ? DESCRIBE_PIN : DESCRIBE_PASSPHRASE;
	int rc = prompt_secret(prompt, describe_credential(&text, as, info, 0), secret);
	/* Longer than any PIN. */
	if (rc == MTLS_E_LIMIT && is_pin(info))
		return MTLS_REASON_PIN_WRONG;
	return prompt_reason(rc);
}

/* The list may have moved while it was completed: find the credential again. */
static bool refresh(struct credential *credential, const struct half_ops *half, uint32_t id)
{
	size_t count = half->signer_client_count(credential->signer);
	for (size_t i = 0; i < count; i++) {
		const struct mtls_signer_credential *info =
			half->signer_client_credential(credential->signer, i);
		if (info && info->id == id && info->chain_count >= 1) {
			credential->info = info;
			return true;
		}
	}
	return false;
}

enum mtls_reason credential_unlock(struct credential *credential, const struct half_ops *half,
				   const struct prompt *prompt,
				   const struct credential_times *times, uint32_t *ret_tries,
				   struct mtls_diag *diag)
{
	const struct mtls_signer_credential *info = credential->info;
	*ret_tries = MTLS_TRIES_UNKNOWN;
	if (!info->needs_secret)
		return credential->secret_required ? MTLS_REASON_KEY_UNPROTECTED
						   : MTLS_REASON_ALLOWED;
	_cleanup_buf_ struct mtls_buf secret = MTLS_BUF_SECRET(MTLS_SECRET_MAX);
	enum mtls_reason reason = ask_secret(info, prompt, &secret);
	if (reason != MTLS_REASON_ALLOWED)
		return reason;
	const uint32_t id = info->id;
	const bool pad = info->secret_kind == MTLS_SECRET_PIN_PAD;
	enum mtls_presence presence = MTLS_PRESENCE_NONE;
	reason = half->signer_client_unlock(
		credential->signer, id, pad ? (const uint8_t *)"" : secret.data, secret.len,
		pad ? times->person_ms : times->machine_ms, &presence, ret_tries, diag);
	if (reason != MTLS_REASON_ALLOWED)
		return reason;
	/* The signer says what the secret was good for: a key that opens to any word has none. */
	if (credential->secret_required && presence == MTLS_PRESENCE_NONE)
		return MTLS_REASON_KEY_UNPROTECTED;
	return refresh(credential, half, id) ? MTLS_REASON_ALLOWED : MTLS_REASON_KEY_UNUSABLE;
}

bool credential_is_guess(int situation)
{
	return situation == MTLS_REASON_SECRET_WRONG || situation == MTLS_REASON_PIN_WRONG;
}

/* PKCS#11 does not count: 2 is all that is known of a card that has seen a wrong PIN. */
#define TRIES_FEW 2

static void tell_tries(const struct prompt *prompt, int situation, uint32_t tries)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(WORDS_LINE_MAX);
	const struct words_value values[] = { { "tries", NULL, tries } };
	const char *line = NULL;
	if (tries == 0)
		line = situation == MTLS_REASON_PIN_WRONG ? words("The PIN is locked now.")
							  : words("The key is locked now.");
	else if (tries == TRIES_FEW)
		line = words("Only a few tries are left.");
	else if (tries != MTLS_TRIES_UNKNOWN)
		line = words_line(&text,
				  words_plural("{tries} try left.", "{tries} tries left.", tries),
				  values, MTLS_COUNT(values));
	if (line)
		prompt_info(prompt, line);
}

void credential_after(const struct prompt *prompt, int situation, uint32_t tries)
{
	if (credential_is_guess(situation))
		tell_tries(prompt, situation, tries);
	if (situation == MTLS_REASON_PIN_LOCKED ||
	    (situation == MTLS_REASON_PIN_WRONG && tries == 0))
		prompt_info(prompt,
			    words("To unblock it, with the card's PUK: mtlsctl pin unblock"));
}

bool credential_may_wait(const struct credential *credential)
{
	/* A file signs by itself. */
	return !mtls_streq(credential->info->source, "file");
}

uint32_t credential_patience(const struct credential *credential, const struct prompt *prompt,
			     const struct credential_times *times)
{
	bool waits = credential_may_wait(credential) && prompt_possible(prompt);
	return waits ? times->person_ms : times->machine_ms;
}

void credential_notice(void *ctx)
{
	prompt_info(ctx, words("Touch your key, or confirm at your agent, if it waits for you."));
}
