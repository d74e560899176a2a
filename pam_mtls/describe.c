/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole sentences for each case, so that a translator can order the words. Pure; any thread. */
#include <config.h>

#include <time.h>

#include "pam_mtls/describe.h"
#include "pam_mtls/prompt.h"
#include "pam_mtls/words.h"

enum known {
	KNOWN_LABEL, /* what a locked file holds is seen only after its passphrase */
	KNOWN_VALID,
	KNOWN_EXPIRED,
	KNOWN_COUNT,
};

/* clang-format off */
static const char *const texts[][KNOWN_COUNT] = {
	[DESCRIBE_CHOICE] = {
		N_("{number}: {label}"),
		N_("{number}: {label} (from {issuer}, until {date})"),
		N_("{number}: {label} (from {issuer}, expired {date})"),
	},
	[DESCRIBE_PASSPHRASE] = {
		N_("Passphrase for {label}: "),
		N_("Passphrase for {label} (from {issuer}, until {date}): "),
		N_("Passphrase for {label} (from {issuer}, expired {date}): "),
	},
	[DESCRIBE_PIN] = {
		N_("PIN for {label}: "),
		N_("PIN for {label} (from {issuer}, until {date}): "),
		N_("PIN for {label} (from {issuer}, expired {date}): "),
	},
	[DESCRIBE_PIN_PAD] = {
		N_("Type the PIN for {label} on the keypad of the reader."),
		N_("Type the PIN for {label} on the keypad of the reader."),
		N_("Type the PIN for {label} on the keypad of the reader."),
	},
};

/* Where the card that holds the key has a name. */
static const char *const token_texts[][KNOWN_COUNT] = {
	[DESCRIBE_CHOICE] = {
		N_("{number}: {label}, on {token}"),
		N_("{number}: {label} (from {issuer}, until {date}), on {token}"),
		N_("{number}: {label} (from {issuer}, expired {date}), on {token}"),
	},
	[DESCRIBE_PASSPHRASE] = {
		N_("Passphrase for {label}: "),
		N_("Passphrase for {label} (from {issuer}, until {date}): "),
		N_("Passphrase for {label} (from {issuer}, expired {date}): "),
	},
	[DESCRIBE_PIN] = {
		N_("PIN for {token} ({label}): "),
		N_("PIN for {token} ({label}, from {issuer}, until {date}): "),
		N_("PIN for {token} ({label}, from {issuer}, expired {date}): "),
	},
	[DESCRIBE_PIN_PAD] = {
		N_("Type the PIN for {token} ({label}) on the keypad of the reader."),
		N_("Type the PIN for {token} ({label}) on the keypad of the reader."),
		N_("Type the PIN for {token} ({label}) on the keypad of the reader."),
	},
};
/* clang-format on */

static bool is_set(const char *text)
{
	return text && *text;
}

bool describe_is_expired(const struct mtls_signer_credential *info)
{
	return info->chain_count >= 1 && info->not_after < time(NULL);
}

/* Names of algorithms: the same in every language. */
const char *describe_key(const struct mtls_signer_credential *info)
{
	switch (info->key_type) {
	case MTLS_KEY_TYPE_RSA:
		return "RSA";
	case MTLS_KEY_TYPE_ECDSA_P256:
		return "P-256";
	case MTLS_KEY_TYPE_ECDSA_P384:
		return "P-384";
	case MTLS_KEY_TYPE_ECDSA_P521:
		return "P-521";
	case MTLS_KEY_TYPE_ED25519:
		return "Ed25519";
	case MTLS_KEY_TYPE_HIDDEN:
	default:
		return "?";
	}
}

const char *describe_credential(struct mtls_buf *out, enum describe_as as,
				const struct mtls_signer_credential *info, size_t number)
{
	char date[PROMPT_DATE_MAX];
	prompt_date(info->not_after, date);
	const struct words_value values[] = {
		{ "number", NULL, number },
		{ "label", is_set(info->label) ? info->label : "?", 0 },
		{ "issuer", is_set(info->issuer) ? info->issuer : "?", 0 },
		{ "date", date, 0 },
		{ "token", is_set(info->token) ? info->token : "?", 0 },
	};
	enum known known = info->chain_count < 1       ? KNOWN_LABEL
			   : describe_is_expired(info) ? KNOWN_EXPIRED
						       : KNOWN_VALID;
	const char *text = is_set(info->token) ? token_texts[as][known] : texts[as][known];
	return words_line(out, words(text), values, MTLS_COUNT(values));
}
