/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers, hexadecimal, character classes, lists. No locale, no errno, whole input or nothing. */
#ifndef MTLS_BASE_STR_H
#define MTLS_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Decimal digits only: no sign, no space, no leading zero but "0" itself, nothing behind.
 * Returns 0, MTLS_E_SYNTAX, or MTLS_E_LIMIT above the type's maximum.
 */
int mtls_parse_u32(const char *str, uint32_t *ret_value);
int mtls_parse_u64(const char *str, uint64_t *ret_value);

/* Writes 2 * len lower-case digits and a NUL to @out (at least 2 * len + 1 bytes). */
void mtls_hex_encode(const uint8_t *data, size_t len, char *out);

/*
 * @str_len digits of either case to bytes; @out takes @size bytes. Returns the number of bytes,
 * MTLS_E_SYNTAX (odd length, another character) or MTLS_E_LIMIT.
 */
int mtls_hex_decode(const char *str, size_t str_len, uint8_t *out, size_t size);

/* Well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF). */
bool mtls_utf8_valid(const uint8_t *data, size_t len);

/* True if there is a byte below 0x20 (NUL too), 0x7f, or (as UTF-8) a C1 control U+0080-U+009F. */
bool mtls_has_control(const uint8_t *data, size_t len);

/*
 * The next item of a list: *@cursor is advanced past the item and its separator; items are not
 * trimmed, empty ones are returned with *@ret_len 0. Returns NULL when the list is used up.
 */
const char *mtls_split_next(const char **cursor, char separator, size_t *ret_len);

/* strcmp() == 0, and false if either is NULL. */
bool mtls_streq(const char *a, const char *b);

/* Copies @str to @out[@size] with its NUL. Returns 0 or MTLS_E_LIMIT, then @out is empty. */
int mtls_strcopy(char *out, size_t size, const char *str);

/* A NULL-terminated list of strings, every part owned; NULL is fine. */
void mtls_strv_free(char **list);
size_t mtls_strv_count(char *const *list);
/* Appends a copy of @str to *@list, which is reallocated. 0 or -ENOMEM. */
int mtls_strv_add(char ***list, const char *str);
static inline void mtls_strv_freep(char ***list)
{
	mtls_strv_free(*list);
}

#endif
