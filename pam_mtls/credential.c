/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which keys count, and which one of them. The presence rules stand here and in unlock.c: what a
 * credential needs is fixed before the person is asked, and is checked again against what the
 * signer says happened.
 */
#include <config.h>

#include "lib/base/str.h"
#include "pam_mtls/choice.h"
#include "pam_mtls/credential.h"
#include "pam_mtls/describe.h"
#include "pam_mtls/words.h"

/* Whether @info may be used here at all. */
static bool counts(const struct credential_set *set, const struct mtls_signer_credential *info)
{
	/* What a locked PKCS#12 file holds is seen only after its passphrase. */
	if (info->chain_count < 1 && !info->needs_secret)
		return false;
	return !set->only_token || mtls_streq(info->token, set->only_token);
}

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
		if (info && counts(set, info))
			set->items[set->count++] = (struct credential){
				.signer = signer, .info = info, .secret_required = secret_required
			};
		else if (info && set->only_token)
			set->trouble = MTLS_REASON_NO_TOKEN;
	}
}

void credential_forget(struct credential_set *set, const struct signer_client *signer)
{
	size_t kept = 0;
	for (size_t i = 0; i < set->count; i++)
		if (set->items[i].signer != signer)
			set->items[kept++] = set->items[i];
	set->count = kept;
}

/* Whether the person would read the same of both. */
static bool look_alike(const struct mtls_signer_credential *a,
		       const struct mtls_signer_credential *b)
{
	_cleanup_buf_ struct mtls_buf one = MTLS_BUF(WORDS_LINE_MAX);
	_cleanup_buf_ struct mtls_buf two = MTLS_BUF(WORDS_LINE_MAX);

	return mtls_streq(describe_credential(&one, DESCRIBE_CHOICE, a, 0),
			  describe_credential(&two, DESCRIBE_CHOICE, b, 0));
}

/* One line of a choice; what looks like another is told apart by its key. */
static void show_one(const struct credential *const *usable, size_t count, size_t index,
		     const struct prompt *prompt)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(WORDS_LINE_MAX + 16);
	const struct mtls_signer_credential *info = usable[index]->info;
	const char *line = describe_credential(&text, DESCRIBE_CHOICE, info, index + 1);
	bool twice = false;

	for (size_t i = 0; i < count && !twice; i++)
		twice = i != index && look_alike(info, usable[i]->info);
	if (twice && mtls_buf_printf(&text, " [%s]", describe_key(info)) >= 0)
		line = mtls_buf_cstr(&text);
	prompt_info(prompt, line ? line : "?");
}

static enum mtls_reason ask_which(const struct credential *const *usable, size_t count,
				  const struct prompt *prompt, size_t *ret_index)
{
	for (size_t i = 0; i < count; i++)
		show_one(usable, count, i, prompt);
	return prompt_reason(
		choice_ask(prompt, N_("Which certificate (1-{count})? "), count, ret_index));
}

/* What has expired is no choice beside what has not. */
static size_t drop_expired(const struct credential **usable, size_t count)
{
	size_t good = 0, kept = 0;
	for (size_t i = 0; i < count; i++)
		good += usable[i]->info->chain_count >= 1 && !describe_is_expired(usable[i]->info);
	if (good == 0)
		return count;
	for (size_t i = 0; i < count; i++)
		if (!describe_is_expired(usable[i]->info))
			usable[kept++] = usable[i];
	return kept;
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
	return drop_expired(usable, count);
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
