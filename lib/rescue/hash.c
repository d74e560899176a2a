/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The only user of libcrypt. Holds no state; every block that saw a code is cleared. */
#include <config.h>

#include <crypt.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "lib/rescue/hash.h"

/* The better one first. Each has a salt and stretches. */
static const char *const methods[] = { "$y$", "$6$" };

static bool is_of_method(const char *text, size_t len, const char *method)
{
	size_t method_len = strlen(method);
	return len > method_len && memcmp(text, method, method_len) == 0;
}

bool mtls_rescue_hash_valid(const char *text, size_t len)
{
	bool known = false;
	if (len >= MTLS_RESCUE_HASH_MAX)
		return false;
	for (size_t i = 0; i < MTLS_COUNT(methods); i++)
		known |= is_of_method(text, len, methods[i]);
	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		known &= (c >= '.' && c <= '9') || (c >= 'A' && c <= 'Z') ||
			 (c >= 'a' && c <= 'z') || c == '$' || c == '=' || c == ',';
	}
	return known;
}

int mtls_rescue_setting_new(struct mtls_rescue_hash *ret, struct mtls_diag *diag)
{
	for (size_t i = 0; i < MTLS_COUNT(methods); i++) {
		struct mtls_rescue_hash setting;
		/* 0: the library's own cost; its own random numbers. */
		const char *made = crypt_gensalt_rn(methods[i], 0, NULL, 0, setting.text,
						    (int)sizeof(setting.text));
		if (!made || !mtls_rescue_hash_valid(made, strlen(made)))
			continue;
		*ret = setting;
		return 0;
	}
	return mtls_diag_set(diag, MTLS_E_UNSUPPORTED,
			     "libcrypt offers neither yescrypt nor SHA-512");
}

static void forget(struct crypt_data **data)
{
	if (*data)
		explicit_bzero(*data, sizeof(**data));
	free(*data);
}

int mtls_rescue_hash(const struct mtls_rescue_code *code, const struct mtls_rescue_hash *setting,
		     struct mtls_rescue_hash *ret, struct mtls_diag *diag)
{
	/* 32 KiB: too much for the stack of somebody else's thread. */
	_cleanup_(forget) struct crypt_data *data = calloc(1, sizeof(*data));
	if (!data)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	const char *hash = crypt_rn(code->text, setting->text, data, (int)sizeof(*data));
	if (!hash || !mtls_rescue_hash_valid(hash, strlen(hash)))
		return mtls_diag_set(diag, MTLS_E_UNSUPPORTED,
				     "libcrypt cannot compute the hashes of the rescue codes");
	struct mtls_rescue_hash whole = { "" };
	(void)mtls_strcopy(whole.text, sizeof(whole.text), hash);
	*ret = whole;
	return 0;
}

bool mtls_rescue_hash_equal(const struct mtls_rescue_hash *a, const struct mtls_rescue_hash *b)
{
	unsigned int differ = 0;
	for (size_t i = 0; i < sizeof(a->text); i++)
		differ |= (unsigned int)(uint8_t)a->text[i] ^ (uint8_t)b->text[i];
	return differ == 0 && a->text[0] != '\0';
}
