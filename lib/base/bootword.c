/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words of /proc/cmdline. Holds no state: it is read each time. */
#include <config.h>

#include <string.h>

#include "lib/base/bootword.h"
#include "lib/base/file.h"

#define CMDLINE_PATH "/proc/cmdline"
#define CMDLINE_MAX  65536

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool mtls_bootword_in(const char *text, const char *word)
{
	size_t word_len = strlen(word);
	while (*text) {
		while (is_blank(*text))
			text++;
		const char *start = text;
		bool quoted = false;
		while (*text && (quoted || !is_blank(*text)))
			quoted ^= *text++ == '"';
		if ((size_t)(text - start) == word_len && memcmp(start, word, word_len) == 0)
			return word_len > 0;
	}
	return false;
}

bool mtls_bootword_off(void)
{
	static const struct mtls_file_trust root = { .owner = 0 };
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(CMDLINE_MAX);
	if (mtls_file_read(CMDLINE_PATH, &root, &text, NULL) < 0)
		return false;
	const char *words = mtls_buf_cstr(&text);
	return words && mtls_bootword_in(words, MTLS_BOOTWORD_OFF);
}
