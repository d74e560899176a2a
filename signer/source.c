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
