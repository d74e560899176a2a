/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Translation. The domain is bound at each look-up: glibc compares the folder and does nothing, so
 * there is no state of ours and no order of calls. Any thread.
 *
 * The environment of a setuid program chooses the language (LANGUAGE) and the encoding
 * (OUTPUT_CHARSET), which can turn any byte of a text into any other: so no translation is ever a
 * format, and one with control characters is not taken.
 */
#include <config.h>

#include <libintl.h>
#include <string.h>

#include "lib/base/str.h"
#include "pam_mtls/prompt.h"
#include "pam_mtls/words.h"

#define DOMAIN "pam-mtls"

/* C1 controls are left alone: in one-byte encodings they may be letters. */
static bool acceptable(const char *text)
{
	size_t len = 0;
	for (; text[len]; len++)
		if ((unsigned char)text[len] < 0x20 || text[len] == 0x7f || len >= WORDS_TEXT_MAX)
			return false;
	return len > 0;
}

const char *words(const char *text)
{
	(void)bindtextdomain(DOMAIN, MTLS_LOCALEDIR);
	const char *translated = dgettext(DOMAIN, text);
	return acceptable(translated) ? translated : text;
}

const char *words_plural(const char *one, const char *many, unsigned long n)
{
	(void)bindtextdomain(DOMAIN, MTLS_LOCALEDIR);
	const char *translated = dngettext(DOMAIN, one, many, n);
	return acceptable(translated) ? translated : n == 1 ? one : many;
}

/* The value for the place that @text begins with, and the length of that place. */
static const struct words_value *find_value(const char *text, const struct words_value *values,
					    size_t count, size_t *ret_len)
{
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(values[i].name);
		if (strncmp(text + 1, values[i].name, len) == 0 && text[1 + len] == '}') {
			*ret_len = len + 2;
			return &values[i];
		}
	}
	return NULL;
}

void words_fill(struct mtls_buf *out, const char *text, const struct words_value *values,
		size_t count)
{
	while (*text) {
		size_t len = strcspn(text, "{");
		if (len > 0) {
			(void)mtls_buf_append(out, text, len);
			text += len;
			continue;
		}
		const struct words_value *value = find_value(text, values, count, &len);
		if (!value) {
			(void)mtls_buf_append_byte(out, '{');
			text++;
			continue;
		}
		if (value->text)
			prompt_clean(out, value->text, 0, WORDS_VALUE_MAX);
		else
			(void)mtls_buf_printf(out, "%llu", (unsigned long long)value->number);
		text += len;
	}
}

const char *words_line(struct mtls_buf *out, const char *text, const struct words_value *values,
		       size_t count)
{
	words_fill(out, text, values, count);
	const char *line = mtls_buf_cstr(out);
	return line ? line : text;
}
