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
};
#define CREDENTIAL_SET_EMPTY                                                                       \
	{                                                                                          \
		.trouble = MTLS_REASON_NO_CREDENTIAL                                               \
	}

/*
 * Adds what @signer lists; @diag gets its own words where that fails.
 */
void credential_collect(struct credential_set *set, const struct half_ops *half,
			struct signer_client *signer, bool secret_required, uint32_t timeout_ms,
			struct mtls_diag *diag);

/*
 * The one to use; asks where there are several. ALLOWED with @ret_choice set, or
 * KEY_UNPROTECTED, CONVERSATION, SECRET_EMPTY (no choice was made), BAD_CHOICE, or @set->trouble.
 */
enum mtls_reason credential_choose(const struct credential_set *set, const struct prompt *prompt,
				   struct credential *ret_choice);

/*
 * Makes the key ready: asks for its secret, once. ALLOWED only if the presence rules are met by
 * what happened in this conversation; then @credential has its chain.
 */
enum mtls_reason credential_unlock(struct credential *credential, const struct half_ops *half,
				   const struct prompt *prompt, uint32_t timeout_ms,
				   struct mtls_diag *diag);

#endif
