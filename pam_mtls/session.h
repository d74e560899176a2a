/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the later phases must know of our authenticate: kept in the PAM handle, gone with it. A host
 * program whose session phase runs in another process (sshd) has none there and counts as "not
 * ours".
 */
#ifndef PAM_MTLS_SESSION_H
#define PAM_MTLS_SESSION_H

#include <stdbool.h>

#include <security/pam_modules.h>

#include "lib/wire/msg.h"
#include "pam_mtls/result.h"

/*
 * Keeps account and certificate facts of an allowed reply. @caller: the host is a setuid program
 * and the account that of its caller. @token: the name of the card, for GNOME, or NULL. 0 or
 * -ENOMEM.
 */
int session_keep(pam_handle_t *pamh, const struct mtls_auth_reply *reply, bool caller,
		 const char *token);

/* Forgets an earlier authenticate. */
void session_drop(pam_handle_t *pamh);

/*
 * MTLS_REASON_ALLOWED: our authenticate succeeded in this transaction and PAM_USER is still the
 * account that was proven. MTLS_REASON_USER_CHANGED: it is not. RESULT_NOT_OURS: there was none.
 *
 * sudo proves its caller, asks about the caller's account, and names the target in PAM_USER for
 * setcred and the session; so in a setuid program @entry decides whether another name is a change.
 */
int session_situation(pam_handle_t *pamh, enum result_entry entry);

/* The account that was proven; NULL without an authenticate of ours. The handle's. */
const char *session_account(pam_handle_t *pamh);

/* Sets MTLS_CERT_* in the PAM environment; nothing without an authenticate of ours. 0 or -ENOMEM.
 */
int session_export(pam_handle_t *pamh);

#endif
