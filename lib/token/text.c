/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text that a token wrote, for people. Pure. */
#include <config.h>

#include "lib/base/str.h"
#include "lib/token/token_impl.h"

void token_text(char *out, size_t size, const unsigned char *field, size_t len)
{
	size_t used = 0;

	/* Blanks are the padding; some modules pad with NUL. */
	while (len > 0 && (field[len - 1] == ' ' || field[len - 1] == 0))
		len--;
	while (len > 0 && *field == ' ') {
		field++;
		len--;
	}
	if (len >= size)
		len = size - 1;
	/* A multi-byte character may have been cut, by us or by the field's end. */
	size_t cut = len;
	while (cut > 0 && len - cut < 4 && (field[cut - 1] & 0xc0) == 0x80)
		cut--;
	if (cut > 0 && field[cut - 1] >= 0xc0 && !mtls_utf8_valid(field + cut - 1, len - cut + 1))
		len = cut - 1;
	bool utf8 = mtls_utf8_valid(field, len) && !mtls_has_control(field, len);
	for (size_t i = 0; i < len; i++) {
		bool odd = field[i] < 0x20 || field[i] == 0x7f || (!utf8 && field[i] >= 0x80);
		out[used++] = odd ? '?' : (char)field[i];
	}
	out[used] = '\0';
}
