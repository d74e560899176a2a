/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sessions and logins. A login belongs to the token and our process, not to a session. */
#include <config.h>

#include "lib/token/token_impl.h"

enum mtls_reason token_session(struct mtls_token *token, struct mtls_diag *diag)
{
	if (!token->present)
		return token_check(token, diag);
	if (token->session != CK_INVALID_HANDLE)
		return MTLS_REASON_ALLOWED;
	CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
	CK_RV rv = token->module->api->C_OpenSession(token->slot, CKF_SERIAL_SESSION, NULL, NULL,
						     &session);
	if (rv != CKR_OK)
		return token_failed(token, rv, "C_OpenSession", diag);
	token->session = session;
	return MTLS_REASON_ALLOWED;
}

void token_session_close(struct mtls_token *token)
{
	if (token->session != CK_INVALID_HANDLE)
		(void)token->module->api->C_CloseSession(token->session);
	token->session = CK_INVALID_HANDLE;
}

void mtls_token_logout(struct mtls_token *token)
{
	if (token->session != CK_INVALID_HANDLE && token->logged_in)
		(void)token->module->api->C_Logout(token->session);
	token->logged_in = false;
}

CK_RV token_login(struct mtls_token *token, CK_SESSION_HANDLE session, CK_USER_TYPE user,
		  struct mtls_token_pin pin)
{
	union {
		const char *given;
		CK_UTF8CHAR *wanted;
	} text = { .given = pin.data }; /* the interface lacks the const */

	return token->module->api->C_Login(session, user, text.wanted, pin.len);
}

/*
 * "Already logged in" proves nothing about the PIN that was given: whoever it was is logged out,
 * and then there is one try. It is not worth two: the second would be counted as well.
 */
static CK_RV login_once(struct mtls_token *token, struct mtls_token_pin pin)
{
	CK_RV rv = token_login(token, token->session, CKU_USER, pin);
	if (rv != CKR_USER_ALREADY_LOGGED_IN)
		return rv;
	(void)token->module->api->C_Logout(token->session);
	return token_login(token, token->session, CKU_USER, pin);
}

enum mtls_reason mtls_token_login(struct mtls_token *token, const char *pin, size_t len,
				  struct mtls_diag *diag)
{
	const struct mtls_token_pin given = { .data = pin, .len = len };

	/* An empty PIN is no PIN: some tokens take it for "the one that was given before". */
	if ((pin && len == 0) || (!pin && !token->info.pin_pad))
		return MTLS_REASON_SECRET_EMPTY;
	if (len > MTLS_TOKEN_PIN_MAX)
		return MTLS_REASON_PIN_WRONG;
	enum mtls_reason reason = token_session(token, diag);
	if (reason != MTLS_REASON_ALLOWED)
		return reason;
	mtls_token_logout(token);
	CK_RV rv = login_once(token, given);
	if (rv == CKR_OK) {
		token->logged_in = true;
		return MTLS_REASON_ALLOWED;
	}
	reason = token_failed(token, rv, "C_Login", diag);
	if (reason == MTLS_REASON_PIN_WRONG || reason == MTLS_REASON_PIN_LOCKED)
		(void)token_check(token, NULL); /* for the number of tries */
	return reason;
}
