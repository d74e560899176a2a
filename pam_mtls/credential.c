/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Choice and passphrase. The presence rules stand here: what a credential needs is fixed before
 * the person is asked, and is checked again against what the signer says happened.
 */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <time.h>

#include "lib/base/str.h"
#include "pam_mtls/credential.h"

#define TEXT_MAX  1024 /* bytes of a prompt */
#define LABEL_MAX 128  /* bytes of a label or an issuer in it */

void credential_collect(struct credential_set *set, const struct half_ops *half,
			struct signer_client *signer, bool secret_required, uint32_t timeout_ms,
			struct mtls_diag *diag)
{
	enum mtls_reason reason = half->signer_client_list(signer, timeout_ms, diag);
	if (reason != MTLS_REASON_ALLOWED) {
		if (reason != MTLS_REASON_NO_CREDENTIAL)
			set->trouble = reason;
		return;
	}
	size_t count = half->signer_client_count(signer);
	for (size_t i = 0; i < count && set->count < CREDENTIALS_MAX; i++) {
		const struct mtls_signer_credential *info =
			half->signer_client_credential(signer, i);
		/* What a locked PKCS#12 file holds is seen only after its passphrase. */
		if (!info || (info->chain_count < 1 && !info->needs_secret))
			continue;
		set->items[set->count++] = (struct credential){
			.signer = signer, .info = info, .secret_required = secret_required
		};
	}
}

/* "Alice (from Example CA, until 2027-01-01)", or the file's name where nothing else is known. */
static void describe(struct mtls_buf *out, const struct mtls_signer_credential *info)
{
	prompt_clean(out, info->label ? info->label : "?", 0, LABEL_MAX);
	if (info->chain_count < 1)
		return;
	char date[PROMPT_DATE_MAX];
	prompt_date(info->not_after, date);
	(void)mtls_buf_append_str(out, " (from ");
	prompt_clean(out, info->issuer ? info->issuer : "?", 0, LABEL_MAX);
	(void)mtls_buf_printf(out, ", %s %s)", info->not_after < time(NULL) ? "expired" : "until",
			      date);
}

static enum mtls_reason prompt_reason(int rc)
{
	switch (rc) {
	case 0:
		return MTLS_REASON_ALLOWED;
	case MTLS_E_NEEDSECRET:
		return MTLS_REASON_SECRET_EMPTY;
	case MTLS_E_LIMIT:
		return MTLS_REASON_SECRET_WRONG;
	case MTLS_E_SYNTAX:
		return MTLS_REASON_BAD_CHOICE;
	default:
		return MTLS_REASON_CONVERSATION;
	}
}

static enum mtls_reason ask_which(const struct credential *const *usable, size_t count,
				  const struct prompt *prompt, size_t *ret_index)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(TEXT_MAX);
	for (size_t i = 0; i < count; i++) {
		mtls_buf_reset(&text);
		(void)mtls_buf_printf(&text, "%zu: ", i + 1);
		describe(&text, usable[i]->info);
		const char *line = mtls_buf_cstr(&text);
		prompt_info(prompt, line ? line : "?");
	}
	mtls_buf_reset(&text);
	(void)mtls_buf_printf(&text, "Which certificate (1-%zu)? ", count);
	const char *question = mtls_buf_cstr(&text);
	return prompt_reason(prompt_number(prompt, question ? question : "Which certificate? ",
					   count, ret_index));
}

/* Protected as it has to be, and, where nobody can be asked, usable without asking. */
static size_t select_usable(const struct credential_set *set, bool can_ask,
			    const struct credential **usable, bool *ret_unprotected,
			    bool *ret_must_ask)
{
	size_t count = 0;
	for (size_t i = 0; i < set->count; i++) {
		const struct credential *item = &set->items[i];
		if (item->secret_required && !item->info->needs_secret)
			*ret_unprotected = true;
		else if (item->info->needs_secret && !can_ask)
			*ret_must_ask = true;
		else
			usable[count++] = item;
	}
	return count;
}

enum mtls_reason credential_choose(const struct credential_set *set, const struct prompt *prompt,
				   struct credential *ret_choice)
{
	const struct credential *usable[CREDENTIALS_MAX];
	bool unprotected = false, must_ask = false, can_ask = prompt_possible(prompt);
	size_t count = select_usable(set, can_ask, usable, &unprotected, &must_ask);
	if (count == 0 && must_ask)
		return MTLS_REASON_CONVERSATION;
	if (count == 0)
		return unprotected ? MTLS_REASON_KEY_UNPROTECTED : set->trouble;
	size_t index = 0;
	if (count > 1) {
		if (!can_ask)
			return MTLS_REASON_CONVERSATION;
		enum mtls_reason reason = ask_which(usable, count, prompt, &index);
		if (reason != MTLS_REASON_ALLOWED)
			return reason;
	}
	*ret_choice = *usable[index];
	return MTLS_REASON_ALLOWED;
}

/* Before a try that may lock the key; "yes" in full, since the person cannot take it back. */
static enum mtls_reason confirm_last_try(const struct prompt *prompt)
{
	_cleanup_buf_ struct mtls_buf answer = MTLS_BUF(16);
	int rc = prompt_line(
		prompt,
		"This is the last try before the key is locked. Type yes to go on: ", &answer);
	if (rc < 0 && rc != MTLS_E_LIMIT)
		return prompt_reason(rc);
	const char *word = rc == 0 ? mtls_buf_cstr(&answer) : NULL;
	return mtls_streq(word, "yes") ? MTLS_REASON_ALLOWED : MTLS_REASON_SECRET_EMPTY;
}

static enum mtls_reason ask_secret(const struct mtls_signer_credential *info,
				   const struct prompt *prompt, struct mtls_buf *secret)
{
	if (info->tries_left == 0)
		return MTLS_REASON_KEY_UNUSABLE;
	if (info->tries_left == 1) {
		enum mtls_reason reason = confirm_last_try(prompt);
		if (reason != MTLS_REASON_ALLOWED)
			return reason;
	}
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(TEXT_MAX);
	(void)mtls_buf_append_str(&text, "Passphrase for ");
	describe(&text, info);
	(void)mtls_buf_append_str(&text, ": ");
	const char *question = mtls_buf_cstr(&text);
	return prompt_reason(prompt_secret(prompt, question ? question : "Passphrase: ", secret));
}

static void tell_tries(const struct prompt *prompt, uint32_t tries)
{
	if (tries == MTLS_TRIES_UNKNOWN)
		return;
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(TEXT_MAX);
	if (tries == 0)
		(void)mtls_buf_append_str(&text, "The key is locked now.");
	else
		(void)mtls_buf_printf(&text, "Tries left before the key is locked: %u", tries);
	const char *line = mtls_buf_cstr(&text);
	if (line)
		prompt_info(prompt, line);
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
				   const struct prompt *prompt, uint32_t timeout_ms,
				   struct mtls_diag *diag)
{
	const struct mtls_signer_credential *info = credential->info;
	if (!info->needs_secret)
		return credential->secret_required ? MTLS_REASON_KEY_UNPROTECTED
						   : MTLS_REASON_ALLOWED;
	_cleanup_buf_ struct mtls_buf secret = MTLS_BUF_SECRET(MTLS_SECRET_MAX);
	enum mtls_reason reason = ask_secret(info, prompt, &secret);
	if (reason != MTLS_REASON_ALLOWED)
		return reason;
	const uint32_t id = info->id;
	enum mtls_presence presence = MTLS_PRESENCE_NONE;
	uint32_t tries = MTLS_TRIES_UNKNOWN;
	reason = half->signer_client_unlock(credential->signer, id, secret.data, secret.len,
					    timeout_ms, &presence, &tries, diag);
	if (reason == MTLS_REASON_SECRET_WRONG)
		tell_tries(prompt, tries);
	if (reason != MTLS_REASON_ALLOWED)
		return reason;
	/* The signer says what the secret was good for: a key that opens to any word has none. */
	if (credential->secret_required && presence == MTLS_PRESENCE_NONE)
		return MTLS_REASON_KEY_UNPROTECTED;
	return refresh(credential, half, id) ? MTLS_REASON_ALLOWED : MTLS_REASON_KEY_UNUSABLE;
}
