/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parts of a login share: login.c, and login_find.c, which looks for a key. */
#ifndef PAM_MTLS_LOGIN_IMPL_H
#define PAM_MTLS_LOGIN_IMPL_H

#include <security/pam_modules.h>

#include "pam_mtls/credential.h"
#include "pam_mtls/hints.h"
#include "pam_mtls/items.h"
#include "pam_mtls/result.h"
#include "pam_mtls/seat.h"
#include "pam_mtls/signers.h"

/* One login. All owned, for the time of the call. */
struct login {
	pam_handle_t *pamh;
	struct items items;
	struct prompt_state asked;
	struct mtls_settings_pam *settings;
	struct user *caller, *claimed, *signer_user;
	struct hints hints;
	struct person person;
	struct signers signers;
	struct credential_set credentials;
	int card_trouble; /* why the cards' source had nothing; ALLOWED: it was not asked */
	bool card_asked;  /* the person was asked to insert one */
	const struct half_ops *half;
	struct mtls_exchange *exchange;
	struct mtls_msg *reply;
	uint32_t tries; /* that a refused secret left */
	struct mtls_exchange_accepted
		accepted;   /* whose certificates, where the issuer was refused */
	const char *issuer; /* of that certificate, borrowed; NULL: it was not refused */
	struct mtls_diag diag;
};

/* A failed step whose code has no reason of its own. */
int login_situation(int rc, enum mtls_reason otherwise);

/* A look-up where "no such account" is an answer and leaves its result NULL. */
int login_found_or_not(int rc);

/* The greeter of GNOME keeps a service for cards, which it starts again as soon as it fails. */
bool login_greeter_of_cards(const struct login *login);

/*
 * Looks for a key that this person may use here: who they are, one source after the other, which
 * of several; asks for what it needs to know. ALLOWED with @ret set, or the situation.
 */
int login_find(struct login *login, struct credential *ret);

#endif
