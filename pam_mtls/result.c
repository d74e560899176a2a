/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of results. Pure; any thread. The reasons' tokens and texts are expanded here from the
 * table in lib/wire/reason.h: linking lib/wire would bring libtasn1 into every program that has a
 * pam_mtls line in its service file.
 */
#include <config.h>

#include <stddef.h>

#include <security/pam_modules.h>

#include "lib/base/cleanup.h"
#include "pam_mtls/result.h"
#include "pam_mtls/words.h"

struct row {
	int situation;
	int codes[RESULT_ENTRIES];
};

/* All phases but authenticate deny alike; we never have a password to change. */
#define REFUSED(authenticate)                                                                      \
	{                                                                                          \
		authenticate, PAM_CRED_ERR, PAM_PERM_DENIED, PAM_SESSION_ERR, PAM_SESSION_ERR,     \
			PAM_IGNORE                                                                 \
	}

/* clang-format off */
static const struct row rows[] = {
	/* The only line with PAM_SUCCESS. */
	{ MTLS_REASON_ALLOWED, { PAM_SUCCESS, PAM_SUCCESS, PAM_SUCCESS, PAM_SUCCESS, PAM_SUCCESS, PAM_IGNORE } },

	/* The only line that steps aside in authenticate; and those who logged in by other means. */
	{ RESULT_OFF,      { PAM_IGNORE,   PAM_IGNORE, PAM_IGNORE, PAM_IGNORE, PAM_IGNORE, PAM_IGNORE } },
	{ RESULT_NOT_OURS, { PAM_AUTH_ERR, PAM_IGNORE, PAM_IGNORE, PAM_IGNORE, PAM_IGNORE, PAM_IGNORE } },

	{ RESULT_NO_MEMORY, { PAM_BUF_ERR, PAM_BUF_ERR, PAM_BUF_ERR, PAM_BUF_ERR, PAM_BUF_ERR, PAM_IGNORE } },
	{ RESULT_FAULT,     REFUSED(PAM_AUTH_ERR) },

	{ MTLS_REASON_CHOOSE,           REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_CERT_EXPIRED,     REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_CERT_NOT_YET,     REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_CERT_REVOKED,     REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_CRL_UNUSABLE,     REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_EKU_MISSING,      REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_EKU_WRONG,        REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_KU_WRONG,         REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_CERT_WEAK,        REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_CHAIN_DEPTH,      REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_CERT_SHAPE,       REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_CERT_IDENTITY,    REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_CERT_ROLE,        REFUSED(PAM_AUTH_ERR) },

	/* ACCOUNT_UNKNOWN is about the certificate's account, not about PAM_USER: stacks that
	 * ignore PAM_USER_UNKNOWN must not be led around a refused certificate. */
	{ MTLS_REASON_UNMAPPED,         REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_MAPPED_OTHER,     REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_ACCOUNT_UNKNOWN,  REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_ACCOUNT_REFUSED,  REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_ACCOUNT_PEER,     REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_BAD_CHOICE,       REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_ROLE,             REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_CHOICE_TIMEOUT,   REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_PENALTY,          REFUSED(PAM_AUTH_ERR) },

	{ MTLS_REASON_BAD_REQUEST,      REFUSED(PAM_AUTHINFO_UNAVAIL) },
	{ MTLS_REASON_VERSION,          REFUSED(PAM_AUTHINFO_UNAVAIL) },
	{ MTLS_REASON_LOOKUP_TIMEOUT,   REFUSED(PAM_AUTHINFO_UNAVAIL) },
	{ MTLS_REASON_LOOKUP_FAILED,    REFUSED(PAM_AUTHINFO_UNAVAIL) },
	{ MTLS_REASON_BUSY,             REFUSED(PAM_AUTHINFO_UNAVAIL) },
	{ MTLS_REASON_INTERNAL,         REFUSED(PAM_AUTHINFO_UNAVAIL) },

	/* Who can present a false server can as well drop the packets: the same code. */
	{ MTLS_REASON_UNREACHABLE,      REFUSED(PAM_AUTHINFO_UNAVAIL) },
	{ MTLS_REASON_TIMEOUT,          REFUSED(PAM_AUTHINFO_UNAVAIL) },
	{ MTLS_REASON_SERVER_UNTRUSTED, REFUSED(PAM_AUTHINFO_UNAVAIL) },
	{ MTLS_REASON_SERVER_NAME,      REFUSED(PAM_AUTHINFO_UNAVAIL) },
	{ MTLS_REASON_SERVER_EXPIRED,   REFUSED(PAM_AUTHINFO_UNAVAIL) },
	{ MTLS_REASON_SERVER_NOT_YET,   REFUSED(PAM_AUTHINFO_UNAVAIL) },
	{ MTLS_REASON_SERVER_PURPOSE,   REFUSED(PAM_AUTHINFO_UNAVAIL) },
	{ MTLS_REASON_HANDSHAKE,        REFUSED(PAM_AUTHINFO_UNAVAIL) },
	{ MTLS_REASON_PROTOCOL,         REFUSED(PAM_AUTHINFO_UNAVAIL) },

	{ MTLS_REASON_ISSUER_UNTRUSTED, REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_BAD_SIGNATURE,    REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_CERT_REQUIRED,    REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_CERT_REFUSED,     REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_CERT_BOUNDS,      REFUSED(PAM_AUTH_ERR) },

	{ MTLS_REASON_NONCE,            REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_NAME_GRAMMAR,     REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_NAME_MISMATCH,    REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_LOCAL_UNKNOWN,    REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_LOCAL_UID,        REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_MIN_UID,          REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_ROOT,             REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_USER_CHANGED,     REFUSED(PAM_AUTH_ERR) },

	{ MTLS_REASON_NO_CREDENTIAL,    REFUSED(PAM_AUTHINFO_UNAVAIL) },
	{ MTLS_REASON_KEY_UNPROTECTED,  REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_SECRET_WRONG,     REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_SECRET_EMPTY,     REFUSED(PAM_AUTHINFO_UNAVAIL) },
	{ MTLS_REASON_SIGNER_FAILED,    REFUSED(PAM_AUTHINFO_UNAVAIL) },
	{ MTLS_REASON_SIGNER_TIMEOUT,   REFUSED(PAM_AUTHINFO_UNAVAIL) },
	{ MTLS_REASON_KEY_UNUSABLE,     REFUSED(PAM_AUTHINFO_UNAVAIL) },
	{ MTLS_REASON_NOT_PERSON,       REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_NOT_LOCAL,        REFUSED(PAM_AUTHINFO_UNAVAIL) },
	{ MTLS_REASON_CONFIG,           REFUSED(PAM_AUTHINFO_UNAVAIL) },
	{ MTLS_REASON_CONVERSATION,     REFUSED(PAM_CONV_ERR) },
	{ MTLS_REASON_KEYLOG,           REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_NO_SOURCE,        REFUSED(PAM_AUTHINFO_UNAVAIL) },
	{ MTLS_REASON_USER_UNKNOWN,     REFUSED(PAM_USER_UNKNOWN) },
	{ MTLS_REASON_NO_TOKEN,         REFUSED(PAM_AUTHINFO_UNAVAIL) },
	{ MTLS_REASON_TOKEN_GONE,       REFUSED(PAM_AUTHINFO_UNAVAIL) },
	{ MTLS_REASON_PIN_WRONG,        REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_PIN_LOCKED,       REFUSED(PAM_AUTHINFO_UNAVAIL) },
	{ MTLS_REASON_READER_REFUSED,   REFUSED(PAM_AUTHINFO_UNAVAIL) },
	{ MTLS_REASON_MODULE_FAILED,    REFUSED(PAM_AUTHINFO_UNAVAIL) },
	{ MTLS_REASON_AGENT_MISSING,   REFUSED(PAM_AUTHINFO_UNAVAIL) },
	{ MTLS_REASON_AGENT_REFUSED,   REFUSED(PAM_AUTH_ERR) },
	{ MTLS_REASON_SOCKET_UNTRUSTED,REFUSED(PAM_AUTHINFO_UNAVAIL) },
};

static const struct {
	int situation;
	const char *token, *text;
} names[] = {
#define WORDS(name, number, token, text, advice) { (number), (token), (text) },
	MTLS_REASONS(WORDS)
#undef WORDS
	{ RESULT_OFF,       "off",       N_("Certificate login is switched off.") },
	{ RESULT_NOT_OURS,  "not-ours",  N_("This login was not made with a certificate.") },
	{ RESULT_NO_MEMORY, "no-memory", N_("Memory is short.") },
	{ RESULT_FAULT,     "fault",     N_("Certificate login failed.") },
};
/* clang-format on */

int result_to_pam(enum result_entry entry, int situation)
{
	static const int denied[RESULT_ENTRIES] = REFUSED(PAM_AUTH_ERR);
	if ((unsigned int)entry >= RESULT_ENTRIES)
		return PAM_SYSTEM_ERR;
	int code = denied[entry];
	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		if (rows[i].situation == situation)
			code = rows[i].codes[entry];
	return code;
}

const char *result_token(int situation)
{
	for (size_t i = 0; i < MTLS_COUNT(names); i++)
		if (names[i].situation == situation)
			return names[i].token;
	return "fault";
}

const char *result_text(int situation)
{
	for (size_t i = 0; i < MTLS_COUNT(names); i++)
		if (names[i].situation == situation)
			return names[i].text;
	return "Certificate login failed.";
}
