/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one table from PKCS#11's return values to reasons. Pure. */
#include <config.h>

#include "lib/base/cleanup.h"
#include "lib/token/token_impl.h"

#define ROW(name, reason)                                                                          \
	{                                                                                          \
		CKR_##name, "CKR_" #name, MTLS_REASON_##reason                                     \
	}

/* clang-format off */
static const struct {
	CK_RV rv;
	const char *name;
	enum mtls_reason reason;
} results[] = {
	ROW(OK,                              ALLOWED),

	ROW(PIN_INCORRECT,                   PIN_WRONG),
	ROW(PIN_INVALID,                     PIN_WRONG),
	ROW(PIN_LEN_RANGE,                   PIN_WRONG),
	ROW(PIN_LOCKED,                      PIN_LOCKED),
	ROW(PIN_EXPIRED,                     KEY_UNUSABLE),
	ROW(PIN_TOO_WEAK,                    KEY_UNUSABLE),
	ROW(USER_PIN_NOT_INITIALIZED,        KEY_UNUSABLE),

	/* the person said no, on the reader */
	ROW(CANCEL,                          SECRET_EMPTY),
	ROW(FUNCTION_CANCELED,               SECRET_EMPTY),
	ROW(FUNCTION_REJECTED,               SECRET_EMPTY),
	ROW(USER_NOT_LOGGED_IN,              SECRET_EMPTY),

	ROW(DEVICE_REMOVED,                  TOKEN_GONE),
	ROW(TOKEN_NOT_PRESENT,               TOKEN_GONE),
	ROW(TOKEN_NOT_RECOGNIZED,            TOKEN_GONE),
	ROW(SLOT_ID_INVALID,                 TOKEN_GONE),
	ROW(SESSION_CLOSED,                  TOKEN_GONE),
	ROW(SESSION_HANDLE_INVALID,          TOKEN_GONE),
	ROW(OBJECT_HANDLE_INVALID,           TOKEN_GONE),
	ROW(KEY_HANDLE_INVALID,              TOKEN_GONE),
	ROW(KEY_CHANGED,                     TOKEN_GONE),

	/* this key cannot do it */
	ROW(ACTION_PROHIBITED,               KEY_UNUSABLE),
	ROW(ATTRIBUTE_READ_ONLY,             KEY_UNUSABLE),
	ROW(ATTRIBUTE_TYPE_INVALID,          KEY_UNUSABLE),
	ROW(ATTRIBUTE_VALUE_INVALID,         KEY_UNUSABLE),
	ROW(ATTRIBUTE_SENSITIVE,             KEY_UNUSABLE),
	ROW(CURVE_NOT_SUPPORTED,             KEY_UNUSABLE),
	ROW(DATA_INVALID,                    KEY_UNUSABLE),
	ROW(DATA_LEN_RANGE,                  KEY_UNUSABLE),
	ROW(DOMAIN_PARAMS_INVALID,           KEY_UNUSABLE),
	ROW(FUNCTION_NOT_SUPPORTED,          KEY_UNUSABLE),
	ROW(KEY_FUNCTION_NOT_PERMITTED,      KEY_UNUSABLE),
	ROW(KEY_SIZE_RANGE,                  KEY_UNUSABLE),
	ROW(KEY_TYPE_INCONSISTENT,           KEY_UNUSABLE),
	ROW(MECHANISM_INVALID,               KEY_UNUSABLE),
	ROW(MECHANISM_PARAM_INVALID,         KEY_UNUSABLE),
	ROW(SESSION_READ_ONLY,               KEY_UNUSABLE),
	ROW(TEMPLATE_INCOMPLETE,             KEY_UNUSABLE),
	ROW(TEMPLATE_INCONSISTENT,           KEY_UNUSABLE),
	ROW(TOKEN_WRITE_PROTECTED,           KEY_UNUSABLE),
	ROW(INFORMATION_SENSITIVE,           KEY_UNUSABLE),
	ROW(EXCEEDED_MAX_ITERATIONS,         KEY_UNUSABLE),

	ROW(HOST_MEMORY,                     SIGNER_FAILED),

	/* "already logged in" says nothing about the PIN that was given */
	ROW(USER_ALREADY_LOGGED_IN,          MODULE_FAILED),
	ROW(USER_ANOTHER_ALREADY_LOGGED_IN,  MODULE_FAILED),
	ROW(USER_TOO_MANY_TYPES,             MODULE_FAILED),
	ROW(USER_TYPE_INVALID,               MODULE_FAILED),
	ROW(ARGUMENTS_BAD,                   MODULE_FAILED),
	ROW(BUFFER_TOO_SMALL,                MODULE_FAILED),
	ROW(CANT_LOCK,                       MODULE_FAILED),
	ROW(CRYPTOKI_ALREADY_INITIALIZED,    MODULE_FAILED),
	ROW(CRYPTOKI_NOT_INITIALIZED,        MODULE_FAILED),
	ROW(DEVICE_ERROR,                    MODULE_FAILED),
	ROW(DEVICE_MEMORY,                   MODULE_FAILED),
	ROW(FIPS_SELF_TEST_FAILED,           MODULE_FAILED),
	ROW(FUNCTION_FAILED,                 MODULE_FAILED),
	ROW(GENERAL_ERROR,                   MODULE_FAILED),
	ROW(LIBRARY_LOAD_FAILED,             MODULE_FAILED),
	ROW(MUTEX_BAD,                       MODULE_FAILED),
	ROW(NEED_TO_CREATE_THREADS,          MODULE_FAILED),
	ROW(NO_EVENT,                        MODULE_FAILED),
	ROW(OPERATION_ACTIVE,                MODULE_FAILED),
	ROW(OPERATION_NOT_INITIALIZED,       MODULE_FAILED),
	ROW(SESSION_COUNT,                   MODULE_FAILED),
	ROW(SESSION_EXISTS,                  MODULE_FAILED),
	ROW(SESSION_READ_ONLY_EXISTS,        MODULE_FAILED),
	ROW(SESSION_READ_WRITE_SO_EXISTS,    MODULE_FAILED),
};
/* clang-format on */

enum mtls_reason token_result(CK_RV rv, const char *call, struct mtls_diag *diag)
{
	for (size_t i = 0; i < MTLS_COUNT(results); i++) {
		if (results[i].rv != rv)
			continue;
		if (rv != CKR_OK)
			(void)mtls_diag_set(diag, 0, "%s: %s", call, results[i].name);
		return results[i].reason;
	}
	(void)mtls_diag_set(diag, 0, "%s: error 0x%lx", call, rv);
	return MTLS_REASON_MODULE_FAILED;
}

enum mtls_reason token_failed(struct mtls_token *token, CK_RV rv, const char *call,
			      struct mtls_diag *diag)
{
	enum mtls_reason reason = token_result(rv, call, diag);

	/*
	 * Modules say "device error" of a card that was pulled while it worked, some of them also
	 * when they are asked for its name then: SoftHSM2, and p11-kit's client without its server.
	 */
	if (reason == MTLS_REASON_MODULE_FAILED && token_check(token, NULL) != MTLS_REASON_ALLOWED)
		reason = MTLS_REASON_TOKEN_GONE;
	if (reason == MTLS_REASON_TOKEN_GONE) {
		token_session_close(token);
		token->logged_in = false;
	}
	return reason;
}
