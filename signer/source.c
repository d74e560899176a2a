/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What sources have in common. */
#include <config.h>

#include <string.h>

#include "lib/base/str.h"
#include "signer/source.h"

void source_append_text(struct mtls_buf *out, const char *text)
{
	size_t len = strlen(text);
	size_t room = out->max - out->len;
	bool plain = !mtls_utf8_valid((const uint8_t *)text, len) ||
		     mtls_has_control((const uint8_t *)text, len);

	if (len > room) {
		len = room;
		while (len > 0 && ((uint8_t)text[len] & 0xc0) == 0x80)
			len--;
	}
	for (size_t i = 0; i < len; i++) {
		uint8_t byte = (uint8_t)text[i];
		bool odd = byte < 0x20 || byte == 0x7f || (plain && byte >= 0x80);
		(void)mtls_buf_append_byte(out, odd ? '?' : byte);
	}
}

bool source_has_suffix(const char *name, const char *const *suffixes)
{
	const char *dot = strrchr(name, '.');

	for (; *suffixes; suffixes++)
		if (name[0] != '.' && strcmp(dot ? dot : "", *suffixes) == 0)
			return true;
	return false;
}

bool source_is_certificate(const char *name)
{
	static const char *const suffixes[] = { ".pem", ".crt", ".cer", NULL };
	return source_has_suffix(name, suffixes);
}
