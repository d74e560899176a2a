/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waiting for a card. Blocks, with a deadline; the host program's thread. */
#include <config.h>

#include <errno.h>
#include <poll.h>

#include "pam_mtls/insert.h"
#include "pam_mtls/words.h"

#define STEP_MS    250 /* between two looks */
#define ANSWER_MAX 256 /* bytes; whatever is typed counts as Enter */

bool insert_helps(int situation)
{
	return situation == MTLS_REASON_NO_TOKEN || situation == MTLS_REASON_TOKEN_GONE ||
	       situation == MTLS_REASON_NO_CREDENTIAL;
}

static enum mtls_reason ask(const struct prompt *prompt)
{
	_cleanup_buf_ struct mtls_buf answer = MTLS_BUF(ANSWER_MAX);
	int rc = prompt_line(prompt,
			     words("Insert your card, then press Enter (without a card, Enter goes "
				   "on to the next way to log in): "),
			     &answer);
	bool answered = rc == 0 || rc == MTLS_E_NEEDSECRET || rc == MTLS_E_LIMIT;
	return answered ? MTLS_REASON_ALLOWED : MTLS_REASON_CONVERSATION;
}

/* Something that can be used or talked about; or a failure that further looks do not change. */
static bool look(const struct insert *insert, struct credential_set *set, struct mtls_diag *diag)
{
	credential_forget(set, insert->signer);
	set->trouble = MTLS_REASON_NO_CREDENTIAL;
	credential_collect(set, insert->half, insert->signer, insert->secret_required,
			   insert->list_timeout_ms, diag);
	return set->count > 0 || !insert_helps((int)set->trouble);
}

enum mtls_reason insert_card(const struct insert *insert, struct credential_set *set,
			     struct mtls_diag *diag)
{
	mtls_deadline end = mtls_deadline_in_ms(insert->wait_ms);
	enum mtls_reason reason = ask(insert->prompt);
	if (reason != MTLS_REASON_ALLOWED)
		return reason;
	end = mtls_deadline_min(end, mtls_deadline_in_ms(INSERT_LOOK_MS));
	while (!look(insert, set, diag) && mtls_deadline_left_ms(end) > 0)
		(void)poll(NULL, 0, STEP_MS);
	return set->count > 0 ? MTLS_REASON_ALLOWED : set->trouble;
}
