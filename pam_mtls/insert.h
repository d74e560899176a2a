/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waiting for a card: asked for once, looked for in bounded time. */
#ifndef PAM_MTLS_INSERT_H
#define PAM_MTLS_INSERT_H

#include "pam_mtls/credential.h"

/* All borrowed. */
struct insert {
	const struct half_ops *half;
	struct signer_client *signer; /* of the cards */
	const struct prompt *prompt;
	bool secret_required;
	uint32_t wait_ms;         /* card_wait, from the question on */
	uint32_t list_timeout_ms; /* for one look */
};

/*
 * Whether a card could mend that the cards' source had nothing for @situation; a reader that may
 * not be used, or a broken driver, is not mended by one.
 */
bool insert_helps(int situation);

/*
 * Asks for a card, and looks for it when Enter was pressed: once at least, then again and again
 * until there is something, or until @insert->wait_ms have passed since the question, but for no
 * longer than INSERT_LOOK_MS behind Enter. A card that is slow is found, and who has none goes on
 * soon.
 *
 * ALLOWED: @set has what the signer lists now. CONVERSATION: nobody could be asked. Else
 * @set->trouble.
 */
enum mtls_reason insert_card(const struct insert *insert, struct credential_set *set,
			     struct mtls_diag *diag);

#define INSERT_LOOK_MS 3000

#endif
