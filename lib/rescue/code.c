/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The alphabet and the check character. A code is a word over GF(32) that is zero at a generator
 * of its multiplicative group, as in a Reed-Solomon code with one check symbol: the factors of the
 * 20 places all differ, so one wrong character and any two that are swapped are always noticed.
 */
#include <config.h>

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <sys/types.h>

#include "lib/base/err.h"
#include "lib/rescue/code.h"

#define BITS       5
#define SYMBOLS    (1U << BITS)
#define POLYNOMIAL 0x25U /* x^5 + x^2 + 1, primitive: x generates all 31 others */

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static unsigned int times_x(unsigned int symbol)
{
	symbol <<= 1;
	return symbol & SYMBOLS ? symbol ^ POLYNOMIAL : symbol;
}

/* The character's number, -1 for none. */
static int symbol_of(char c)
{
	if (c >= 'a' && c <= 'z')
		c = (char)(c - 'a' + 'A');
	if (c == 'I' || c == 'L')
		c = '1';
	if (c == 'O')
		c = '0';
	const char *at = c ? strchr(alphabet, c) : NULL;
	return at ? (int)(at - alphabet) : -1;
}

/* The value at x of the first @len symbols; all of a code make zero. */
static unsigned int evaluate(const uint8_t *symbols, size_t len)
{
	unsigned int sum = 0;
	for (size_t i = 0; i < len; i++)
		sum = times_x(sum) ^ symbols[i];
	return sum;
}

static void to_text(const uint8_t *symbols, struct mtls_rescue_code *ret)
{
	for (size_t i = 0; i < MTLS_RESCUE_CODE_LEN; i++)
		ret->text[i] = alphabet[symbols[i]];
	ret->text[MTLS_RESCUE_CODE_LEN] = '\0';
}

int mtls_rescue_code_new(struct mtls_rescue_code *ret)
{
	uint8_t symbols[MTLS_RESCUE_CODE_LEN];
	ssize_t n = getrandom(symbols, sizeof(symbols), 0);
	if (n != (ssize_t)sizeof(symbols))
		return n < 0 ? -errno : -EIO;
	for (size_t i = 0; i < sizeof(symbols); i++)
		symbols[i] &= SYMBOLS - 1;
	const size_t last = MTLS_RESCUE_CODE_LEN - 1;
	symbols[last] = (uint8_t)times_x(evaluate(symbols, last));
	to_text(symbols, ret);
	explicit_bzero(symbols, sizeof(symbols));
	return 0;
}

int mtls_rescue_code_read(const char *typed, struct mtls_rescue_code *ret)
{
	uint8_t symbols[MTLS_RESCUE_CODE_LEN];
	size_t len = 0;
	int rc = 0;
	for (const char *p = typed; *p && rc == 0; p++) {
		if (*p == ' ' || *p == '-' || *p == '\t')
			continue;
		int symbol = symbol_of(*p);
		if (symbol < 0 || len >= MTLS_RESCUE_CODE_LEN)
			rc = MTLS_E_SYNTAX;
		else
			symbols[len++] = (uint8_t)symbol;
	}
	if (rc == 0 && (len != MTLS_RESCUE_CODE_LEN || evaluate(symbols, len) != 0))
		rc = MTLS_E_SYNTAX;
	if (rc == 0)
		to_text(symbols, ret);
	explicit_bzero(symbols, sizeof(symbols));
	return rc;
}

void mtls_rescue_code_show(const struct mtls_rescue_code *code, struct mtls_rescue_shown *ret)
{
	char *out = ret->text;
	for (size_t i = 0; i < MTLS_RESCUE_CODE_LEN; i++) {
		if (i > 0 && i % MTLS_RESCUE_CODE_GROUP == 0)
			*out++ = '-';
		*out++ = code->text[i];
	}
	*out = '\0';
}
