/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strict parsing of small texts. Pure. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/base/str.h"

static int parse_digits(const char *str, uint64_t max, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (!*str || (str[0] == '0' && str[1]))
		return MTLS_E_SYNTAX;
	for (const char *p = str; *p; p++) {
		if (*p < '0' || *p > '9')
			return MTLS_E_SYNTAX;
		unsigned int digit = (unsigned int)(*p - '0');
		if (value > (max - digit) / 10)
			return MTLS_E_LIMIT;
		value = value * 10 + digit;
	}
	*ret_value = value;
	return 0;
}

int mtls_parse_u64(const char *str, uint64_t *ret_value)
{
	return parse_digits(str, UINT64_MAX, ret_value);
}

int mtls_parse_u32(const char *str, uint32_t *ret_value)
{
	uint64_t value;
	int r = parse_digits(str, UINT32_MAX, &value);
	if (r < 0)
		return r;
	*ret_value = (uint32_t)value;
	return 0;
}

void mtls_hex_encode(const uint8_t *data, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[data[i] >> 4];
		out[2 * i + 1] = digits[data[i] & 15];
	}
	out[2 * len] = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int mtls_hex_decode(const char *str, size_t str_len, uint8_t *out, size_t size)
{
	if (str_len % 2)
		return MTLS_E_SYNTAX;
	if (str_len / 2 > size || str_len / 2 > INT32_MAX)
		return MTLS_E_LIMIT;
	for (size_t i = 0; i < str_len / 2; i++) {
		int high = hex_value(str[2 * i]);
		int low = hex_value(str[2 * i + 1]);
		if (high < 0 || low < 0)
			return MTLS_E_SYNTAX;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return (int)(str_len / 2);
}

/* Length of the well-formed sequence at @p, 0 if there is none; its code point in @ret_code. */
static size_t utf8_sequence(const uint8_t *p, size_t left, uint32_t *ret_code)
{
	/* clang-format off */
	static const struct { uint8_t mask, lead; uint32_t min; } forms[] = {
		{ 0x80, 0x00, 0 }, { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 },
	};
	/* clang-format on */

	for (size_t n = 0; n < sizeof(forms) / sizeof(forms[0]); n++) {
		if ((p[0] & forms[n].mask) != forms[n].lead)
			continue;
		if (left < n + 1)
			return 0;
		uint32_t code = p[0] & (uint8_t)~forms[n].mask;
		for (size_t i = 1; i <= n; i++) {
			if ((p[i] & 0xc0) != 0x80)
				return 0;
			code = code << 6 | (p[i] & 0x3f);
		}
		if (code < forms[n].min || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
			return 0;
		*ret_code = code;
		return n + 1;
	}
	return 0;
}

bool mtls_utf8_valid(const uint8_t *data, size_t len)
{
	uint32_t code;

	for (size_t i = 0; i < len;) {
		size_t n = utf8_sequence(data + i, len - i, &code);
		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

bool mtls_has_control(const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (data[i] < 0x20 || data[i] == 0x7f)
			return true;
		if (data[i] == 0xc2 && i + 1 < len && data[i + 1] >= 0x80 && data[i + 1] <= 0x9f)
			return true;
	}
	return false;
}

const char *mtls_split_next(const char **cursor, char separator, size_t *ret_len)
{
	const char *item = *cursor;

	if (!item)
		return NULL;
	const char *end = strchrnul(item, separator);
	*ret_len = (size_t)(end - item);
	*cursor = *end ? end + 1 : NULL;
	return item;
}

bool mtls_streq(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

int mtls_strcopy(char *out, size_t size, const char *str)
{
	size_t len = strlen(str);
	if (len >= size) {
		if (size)
			out[0] = '\0';
		return MTLS_E_LIMIT;
	}
	memcpy(out, str, len + 1);
	return 0;
}

void mtls_strv_free(char **list)
{
	if (!list)
		return;
	for (size_t i = 0; list[i]; i++)
		free(list[i]);
	free(list);
}

size_t mtls_strv_count(char *const *list)
{
	size_t n = 0;
	while (list && list[n])
		n++;
	return n;
}

int mtls_strv_add(char ***list, const char *str)
{
	size_t n = mtls_strv_count(*list);
	char **grown = reallocarray(*list, n + 2, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	*list = grown;
	grown[n] = strdup(str);
	grown[n + 1] = NULL;
	return grown[n] ? 0 : -ENOMEM;
}
