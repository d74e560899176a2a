/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a person reads, in their language: the one that the host program set by setlocale(3), which
 * is never changed here. Texts have named places, {label}, no printf formats: a catalog can make a
 * text odd, not dangerous. Codes in brackets, names and dates are not translated.
 */
#ifndef PAM_MTLS_WORDS_H
#define PAM_MTLS_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"

#define WORDS_TEXT_MAX  512 /* bytes of a translation: a longer one is not taken */
#define WORDS_VALUE_MAX 128 /* bytes of a value; the rest is cut off */
#define WORDS_LINE_MAX  2048

/* Marks a text for xgettext where words() sees a variable only. */
#define N_(text) text

/* The translation of @text (never ""), or @text itself. */
const char *words(const char *text);

/* For @n of something; @one and @many are English. */
const char *words_plural(const char *one, const char *many, unsigned long n);

/* What stands in the place {name}: @text, which may come from outside, or the number. */
struct words_value {
	const char *name;
	const char *text; /* NULL: @number */
	uint64_t number;
};

/*
 * Appends @text to @out with the values in their places. Values are cleaned as prompt_clean() does
 * and cut at WORDS_VALUE_MAX; a place without a value stays as it stands.
 */
void words_fill(struct mtls_buf *out, const char *text, const struct words_value *values,
		size_t count);

/* The same into an empty @out: the whole line, or @text where memory is short. Never NULL. */
const char *words_line(struct mtls_buf *out, const char *text, const struct words_value *values,
		       size_t count);

#endif
