/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The credentials that signers list: which count here, which one the person wants, its secret. */
#ifndef PAM_MTLS_CREDENTIAL_H
#define PAM_MTLS_CREDENTIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pam_mtls/half.h"
#include "pam_mtls/person.h"
#include "pam_mtls/prompt.h"

#define CREDENTIALS_MAX (PERSON_SOURCES_MAX * MTLS_CREDENTIALS_MAX)

/* All borrowed from the signer's client. */
struct credential {
	struct signer_client *signer;
	const struct mtls_signer_credential *info;
	bool secret_required; /* a key that works without anything does not count */
};

struct credential_set {
	struct credential items[CREDENTIALS_MAX];
	size_t count;
	enum mtls_reason trouble; /* why there is none or not all; NO_CREDENTIAL at first */
	/* Borrowed: only what is on the card of this name counts. NULL: everything. */
	const char *only_token;
};
#define CREDENTIAL_SET_EMPTY                                                                       \
	{                                                                                          \
		.trouble = MTLS_REASON_NO_CREDENTIAL                                               \
	}

/* How long is waited: for what a machine does, for what a person does at a reader or a key. */
struct credential_times {
	uint32_t machine_ms, person_ms;
};

/*
 * Adds what @signer lists; @diag gets its own words where that fails.
 */
void credential_collect(struct credential_set *set, const struct half_ops *half,
			struct signer_client *signer, bool secret_required, uint32_t timeout_ms,
			struct mtls_diag *diag);

/* Takes out what @signer listed: its next list makes that invalid. */
void credential_forget(struct credential_set *set, const struct signer_client *signer);

/*
 * The one to use; asks where there are several. What has expired is offered only if there is
 * nothing else. ALLOWED with @ret_choice set, or KEY_UNPROTECTED, CONVERSATION, SECRET_EMPTY (no
 * choice was made), BAD_CHOICE, or @set->trouble.
 */
enum mtls_reason credential_choose(const struct credential_set *set, const struct prompt *prompt,
				   struct credential *ret_choice);

/*
 * Makes the key ready: asks for its secret, once. ALLOWED only if the presence rules are met by
 * what happened in this conversation; then @credential has its chain. *@ret_tries is what is known
 * of the tries that are left, or MTLS_TRIES_UNKNOWN.
 */
enum mtls_reason credential_unlock(struct credential *credential, const struct half_ops *half,
				   const struct prompt *prompt,
				   const struct credential_times *times, uint32_t *ret_tries,
				   struct mtls_diag *diag);

/* After that was refused for @situation, and the person has read why: what is good to know. */
void credential_after(const struct prompt *prompt, int situation, uint32_t tries);

/* What was refused is a secret: guessing it shall be slow. */
bool credential_is_guess(int situation);

/* Whether a signature may wait for a person, who has to touch the key, or to confirm at an agent.
 */
bool credential_may_wait(const struct credential *credential);

/* How long a signature may take. Nobody is waited for where nobody can be told. */
uint32_t credential_patience(const struct credential *credential, const struct prompt *prompt,
			     const struct credential_times *times);

/* Tells the person what a signature that does not come may be waiting for. @ctx: struct prompt. */
void credential_notice(void *ctx);

#endif
