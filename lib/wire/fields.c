/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The messages as tables: every field with its limits, and what fields say together. Constant. */
#include <config.h>

#include <stddef.h>
#include <string.h>

#include "lib/wire/field.h"

/* Bytes of texts. PROTOCOL.md has the same numbers. */
#define SERVICE_MAX 64
#define ACCOUNT_MAX 256
#define TTY_MAX     64
#define HOST_MAX    255
#define USER_MAX    256
#define TEXT_MAX    512
#define DN_MAX      4096
#define SERIAL_MAX  64
#define SHA256_LEN  32
#define RULE_MAX    128
#define AUDIT_MAX   64
#define SOURCE_MAX  32
#define LABEL_MAX   256

static bool in_range(int number, int min, int max)
{
	return number >= min && number <= max;
}

static bool known_reason(int number)
{
	return mtls_reason_token(number) != NULL;
}

static bool known_verdict(int number)
{
	return in_range(number, MTLS_VERDICT_DENIED, MTLS_VERDICT_CHOOSE);
}

static bool known_control_code(int number)
{
	return in_range(number, MTLS_CONTROL_OK, MTLS_CONTROL_UNPUBLISHED);
}

static bool known_key_type(int number)
{
	return in_range(number, MTLS_KEY_TYPE_HIDDEN, MTLS_KEY_TYPE_ED25519);
}

static bool known_presence(int number)
{
	return in_range(number, MTLS_PRESENCE_NONE, MTLS_PRESENCE_TOUCH);
}

static bool known_secret_kind(int number)
{
	return in_range(number, MTLS_SECRET_PASSPHRASE, MTLS_SECRET_PIN_PAD);
}

static bool known_scheme(int number)
{
	static const int schemes[] = {
		MTLS_SIGN_RSA_PSS_RSAE_SHA256,
		MTLS_SIGN_RSA_PSS_RSAE_SHA384,
		MTLS_SIGN_RSA_PSS_RSAE_SHA512,
		MTLS_SIGN_ECDSA_P256_SHA256,
		MTLS_SIGN_ECDSA_P384_SHA384,
		MTLS_SIGN_ECDSA_P521_SHA512,
		MTLS_SIGN_ED25519,
	};
	for (size_t i = 0; i < MTLS_COUNT(schemes); i++)
		if (schemes[i] == number)
			return true;
	return false;
}

static bool lower_hex(const char *text, size_t len)
{
	return len % 2 == 0 && strspn(text, "0123456789abcdef") == len;
}

#define AT(type, member) .offset = offsetof(struct type, member)

/* clang-format off */
#define AUTH_REQUEST_TEXT(asn1_name, member, limit) \
	{ asn1_name, MTLS_FIELD_TEXT, true, AT(mtls_auth_request, member), .min = 1, .max = (limit) }
static const struct mtls_field auth_request[] = {
	{ "version", MTLS_FIELD_U32,   false, AT(mtls_auth_request, version) },
	{ "service", MTLS_FIELD_TEXT,  false, AT(mtls_auth_request, service), .min = 1, .max = SERVICE_MAX },
	{ "uid",     MTLS_FIELD_U32,   false, AT(mtls_auth_request, uid) },
	{ "nonce",   MTLS_FIELD_FIXED, false, AT(mtls_auth_request, nonce), .max = MTLS_NONCE_LEN },
	AUTH_REQUEST_TEXT("account",    account,     ACCOUNT_MAX),
	AUTH_REQUEST_TEXT("tty",        tty,         TTY_MAX),
	AUTH_REQUEST_TEXT("remoteHost", remote_host, HOST_MAX),
	AUTH_REQUEST_TEXT("remoteUser", remote_user, USER_MAX),
	AUTH_REQUEST_TEXT("hostName",   host_name,   HOST_MAX),
	AUTH_REQUEST_TEXT("target",     target,      HOST_MAX),
};

static const struct mtls_field account[] = {
	{ "name", MTLS_FIELD_TEXT, false, AT(mtls_auth_reply, account), .min = 1, .max = ACCOUNT_MAX },
	{ "uid",  MTLS_FIELD_U32,  false, AT(mtls_auth_reply, uid) },
	{ "gid",  MTLS_FIELD_U32,  false, AT(mtls_auth_reply, gid) },
};

/* Names are empty where a certificate's own is empty or malformed: the refusal still says the rest. */
static const struct mtls_field certificate[] = {
	{ "subject",  MTLS_FIELD_TEXT,  false, AT(mtls_auth_reply, cert.subject), .max = DN_MAX },
	{ "issuer",   MTLS_FIELD_TEXT,  false, AT(mtls_auth_reply, cert.issuer), .max = DN_MAX },
	{ "serial",   MTLS_FIELD_TEXT,  false, AT(mtls_auth_reply, cert.serial), .max = SERIAL_MAX, .alphabet = lower_hex },
	{ "sha256",   MTLS_FIELD_FIXED, false, AT(mtls_auth_reply, cert.sha256), .max = SHA256_LEN },
	{ "notAfter", MTLS_FIELD_I64,   false, AT(mtls_auth_reply, cert.not_after) },
};

static const struct mtls_field auth_reply[] = {
	{ "version",     MTLS_FIELD_U32,   false, AT(mtls_auth_reply, version) },
	{ "nonce",       MTLS_FIELD_FIXED, false, AT(mtls_auth_reply, nonce), .max = MTLS_NONCE_LEN },
	{ "verdict",     MTLS_FIELD_ENUM,  false, AT(mtls_auth_reply, verdict), .known = known_verdict },
	{ "reason",      MTLS_FIELD_ENUM,  false, AT(mtls_auth_reply, reason), .known = known_reason },
	{ "auditId",     MTLS_FIELD_TEXT,  false, AT(mtls_auth_reply, audit_id), .min = 1, .max = AUDIT_MAX },
	{ "text",        MTLS_FIELD_TEXT,  true,  AT(mtls_auth_reply, text), .min = 1, .max = TEXT_MAX },
	{ "account",     MTLS_FIELD_GROUP, true,  .count_offset = offsetof(struct mtls_auth_reply, has_account),
	  .sub = account, .sub_count = MTLS_COUNT(account) },
	{ "candidates",  MTLS_FIELD_TEXTS, true,  AT(mtls_auth_reply, candidates),
	  .count_offset = offsetof(struct mtls_auth_reply, candidate_count),
	  .min = 1, .max = ACCOUNT_MAX, .list_max = MTLS_CANDIDATES_MAX },
	{ "certificate", MTLS_FIELD_GROUP, true,  .count_offset = offsetof(struct mtls_auth_reply, has_cert),
	  .sub = certificate, .sub_count = MTLS_COUNT(certificate) },
	{ "rule",        MTLS_FIELD_TEXT,  true,  AT(mtls_auth_reply, rule), .min = 1, .max = RULE_MAX },
};

static const struct mtls_field auth_choice[] = {
	{ "nonce",   MTLS_FIELD_FIXED, false, AT(mtls_auth_choice, nonce), .max = MTLS_NONCE_LEN },
	{ "account", MTLS_FIELD_TEXT,  false, AT(mtls_auth_choice, account), .min = 1, .max = ACCOUNT_MAX },
};

static const struct mtls_field signer_list[] = {
	{ "version", MTLS_FIELD_U32, false, AT(mtls_signer_list, version) },
};

static const struct mtls_field signer_credential[] = {
	{ "id",          MTLS_FIELD_U32,   false, AT(mtls_signer_credential, id) },
	{ "source",      MTLS_FIELD_TEXT,  false, AT(mtls_signer_credential, source), .min = 1, .max = SOURCE_MAX },
	{ "label",       MTLS_FIELD_TEXT,  false, AT(mtls_signer_credential, label), .max = LABEL_MAX },
	{ "issuer",      MTLS_FIELD_TEXT,  false, AT(mtls_signer_credential, issuer), .max = LABEL_MAX },
	{ "notAfter",    MTLS_FIELD_I64,   false, AT(mtls_signer_credential, not_after) },
	{ "keyType",     MTLS_FIELD_ENUM,  false, AT(mtls_signer_credential, key_type), .known = known_key_type },
	{ "needsSecret", MTLS_FIELD_BOOL,  false, AT(mtls_signer_credential, needs_secret) },
	{ "chain",       MTLS_FIELD_CHAIN, true,  AT(mtls_signer_credential, chain),
	  .count_offset = offsetof(struct mtls_signer_credential, chain_count),
	  .min = 1, .max = MTLS_CERT_MAX, .list_max = MTLS_CHAIN_MAX },
	{ "triesLeft",   MTLS_FIELD_U32,   true,  AT(mtls_signer_credential, tries_left) },
	{ "secretKind",  MTLS_FIELD_ENUM,  true,  AT(mtls_signer_credential, secret_kind), .known = known_secret_kind },
	{ "token",       MTLS_FIELD_TEXT,  true,  AT(mtls_signer_credential, token), .min = 1, .max = LABEL_MAX },
};

static const struct mtls_field signer_end[] = {
	{ "reason", MTLS_FIELD_ENUM, false, AT(mtls_signer_end, reason), .known = known_reason },
	{ "detail", MTLS_FIELD_TEXT, true,  AT(mtls_signer_end, detail), .min = 1, .max = TEXT_MAX },
};

static const struct mtls_field signer_unlock[] = {
	{ "id",     MTLS_FIELD_U32,    false, AT(mtls_signer_unlock, id) },
	{ "secret", MTLS_FIELD_SECRET, false, AT(mtls_signer_unlock, secret), .max = MTLS_SECRET_MAX },
};

static const struct mtls_field signer_unlocked[] = {
	{ "reason",    MTLS_FIELD_ENUM, false, AT(mtls_signer_unlocked, reason), .known = known_reason },
	{ "presence",  MTLS_FIELD_ENUM, false, AT(mtls_signer_unlocked, presence), .known = known_presence },
	{ "triesLeft", MTLS_FIELD_U32,  true,  AT(mtls_signer_unlocked, tries_left) },
};

static const struct mtls_field signer_sign[] = {
	{ "id",      MTLS_FIELD_U32,   false, AT(mtls_signer_sign, id) },
	{ "scheme",  MTLS_FIELD_ENUM,  false, AT(mtls_signer_sign, scheme), .known = known_scheme },
	{ "content", MTLS_FIELD_BYTES, false, AT(mtls_signer_sign, content), .min = 1, .max = MTLS_SIGN_CONTENT_MAX },
};

static const struct mtls_field signer_signature[] = {
	{ "reason",    MTLS_FIELD_ENUM,  false, AT(mtls_signer_signature, reason), .known = known_reason },
	{ "signature", MTLS_FIELD_BYTES, true,  AT(mtls_signer_signature, signature), .min = 1, .max = MTLS_SIGNATURE_MAX },
};

static const struct mtls_field signer_quit[] = {
	{ "unused", MTLS_FIELD_UNUSED, true, .offset = 0 },
};

static const struct mtls_field control_request[] = {
	{ "version", MTLS_FIELD_U32,   false, AT(mtls_control_request, version) },
	{ "verb",    MTLS_FIELD_TEXT,  false, AT(mtls_control_request, verb),
	  .min = 1, .max = MTLS_CONTROL_NAME_MAX, .alphabet = mtls_field_is_name },
	{ "fields",  MTLS_FIELD_PAIRS, true,  AT(mtls_control_request, fields), .list_max = MTLS_CONTROL_FIELDS_MAX },
};

static const struct mtls_field control_item[] = {
	{ "kind",   MTLS_FIELD_TEXT,  false, AT(mtls_control_item, kind),
	  .min = 1, .max = MTLS_CONTROL_NAME_MAX, .alphabet = mtls_field_is_name },
	{ "fields", MTLS_FIELD_PAIRS, true,  AT(mtls_control_item, fields), .list_max = MTLS_CONTROL_FIELDS_MAX },
};

static const struct mtls_field control_end[] = {
	{ "code",   MTLS_FIELD_ENUM,  false, AT(mtls_control_end, code), .known = known_control_code },
	{ "text",   MTLS_FIELD_TEXT,  true,  AT(mtls_control_end, text), .min = 1, .max = MTLS_CONTROL_TEXT_MAX },
	{ "fields", MTLS_FIELD_PAIRS, true,  AT(mtls_control_end, fields), .list_max = MTLS_CONTROL_FIELDS_MAX },
};
/* clang-format on */

static int check_auth_reply(const void *message, struct mtls_diag *diag)
{
	const struct mtls_auth_reply *m = message;
	const char *wrong = NULL;

	switch (m->verdict) {
	case MTLS_VERDICT_ALLOWED:
		if (m->reason != MTLS_REASON_ALLOWED || !m->has_account || m->candidate_count)
			wrong = "allowed: reason 0, an account, no candidates";
		break;
	case MTLS_VERDICT_CHOOSE:
		if (m->reason != MTLS_REASON_CHOOSE || m->has_account || m->candidate_count < 2)
			wrong = "choose: reason 1, no account, two candidates or more";
		break;
	case MTLS_VERDICT_DENIED:
	default:
		if (m->reason == MTLS_REASON_ALLOWED || m->reason == MTLS_REASON_CHOOSE ||
		    m->candidate_count)
			wrong = "denied: a reason to refuse, no candidates";
		break;
	}
	return wrong ? mtls_diag_set(diag, MTLS_E_SYNTAX, "AuthReply: %s", wrong) : 0;
}

static int check_signer_credential(const void *message, struct mtls_diag *diag)
{
	const struct mtls_signer_credential *m = message;
	size_t total = 0;

	for (size_t i = 0; i < m->chain_count; i++)
		total += m->chain[i].len;
	if (total > MTLS_CHAIN_BYTES_MAX)
		return mtls_diag_set(diag, MTLS_E_LIMIT,
				     "SignerCredential: field 'chain': over %d bytes",
				     MTLS_CHAIN_BYTES_MAX);
	if ((m->chain_count == 0) != (m->key_type == MTLS_KEY_TYPE_HIDDEN) ||
	    (m->chain_count == 0 && !m->needs_secret))
		return mtls_diag_set(diag, MTLS_E_SYNTAX,
				     "SignerCredential: no chain: key type 0, needs a secret");
	if (m->secret_kind != MTLS_SECRET_PASSPHRASE && !m->needs_secret)
		return mtls_diag_set(diag, MTLS_E_SYNTAX,
				     "SignerCredential: a kind of secret where none is needed");
	return 0;
}

static int check_signer_signature(const void *message, struct mtls_diag *diag)
{
	const struct mtls_signer_signature *m = message;

	if ((m->reason == MTLS_REASON_ALLOWED) != (m->signature.len > 0))
		return mtls_diag_set(diag, MTLS_E_SYNTAX,
				     "SignerSignature: a signature with reason 0, else none");
	return 0;
}

#define TABLE(fields, check)                                                                       \
	{                                                                                          \
		fields, MTLS_COUNT(fields), check                                                  \
	}

const struct mtls_fields *mtls_fields_of(int type)
{
	static const struct mtls_fields tables[] = {
		[MTLS_MSG_AUTH_REQUEST] = TABLE(auth_request, NULL),
		[MTLS_MSG_AUTH_REPLY] = TABLE(auth_reply, check_auth_reply),
		[MTLS_MSG_AUTH_CHOICE] = TABLE(auth_choice, NULL),
		[MTLS_MSG_SIGNER_LIST] = TABLE(signer_list, NULL),
		[MTLS_MSG_SIGNER_CREDENTIAL] = TABLE(signer_credential, check_signer_credential),
		[MTLS_MSG_SIGNER_END] = TABLE(signer_end, NULL),
		[MTLS_MSG_SIGNER_UNLOCK] = TABLE(signer_unlock, NULL),
		[MTLS_MSG_SIGNER_UNLOCKED] = TABLE(signer_unlocked, NULL),
		[MTLS_MSG_SIGNER_SIGN] = TABLE(signer_sign, NULL),
		[MTLS_MSG_SIGNER_SIGNATURE] = TABLE(signer_signature, check_signer_signature),
		[MTLS_MSG_SIGNER_QUIT] = TABLE(signer_quit, NULL),
		[MTLS_MSG_CONTROL_REQUEST] = TABLE(control_request, NULL),
		[MTLS_MSG_CONTROL_ITEM] = TABLE(control_item, NULL),
		[MTLS_MSG_CONTROL_END] = TABLE(control_end, NULL),
	};
	if (type < 0 || (size_t)type >= MTLS_COUNT(tables) || !tables[type].fields)
		return NULL;
	return &tables[type];
}
