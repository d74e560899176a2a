/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the readers of all syntaxes share: lines, numbers, and messages that are safe to print
 * whatever the file holds. Pure; owns nothing.
 */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/roster/roster_impl.h"

/* Bytes of the file that a message repeats, and how long they can get: a byte becomes "\xNN". */
#define SHOWN_MAX   48
#define SHOWN_BYTES (4 * SHOWN_MAX + sizeof("..."))

#define ID_DIGITS_MAX 10

static const struct mtls_roster_span nothing = { 0 };

/* Not only controls: a terminal or a log must not be steered by anything that a file holds. */
static void show(struct mtls_roster_span found, char out[SHOWN_BYTES])
{
	static const char digits[] = "0123456789abcdef";
	size_t count = found.len < SHOWN_MAX ? found.len : SHOWN_MAX;
	char *p = out;

	for (size_t i = 0; i < count; i++) {
		unsigned char c = (unsigned char)found.data[i];
		if (c >= 0x20 && c < 0x7f) {
			*p++ = (char)c;
			continue;
		}
		*p++ = '\\';
		*p++ = 'x';
		*p++ = digits[c >> 4];
		*p++ = digits[c & 15];
	}
	memcpy(p, "...", sizeof("..."));
	if (count == found.len)
		*p = '\0';
}

int mtls_roster_wrong(const struct mtls_roster_place *place, const char *what,
		      struct mtls_roster_span found, const char *expected)
{
	char shown[SHOWN_BYTES];

	if (!found.data)
		return mtls_diag_set(place->diag, MTLS_E_SYNTAX, "%s:%u: found %s, expected %s",
				     place->file, place->line, what, expected);
	show(found, shown);
	return mtls_diag_set(place->diag, MTLS_E_SYNTAX, "%s:%u: found %s '%s', expected %s",
			     place->file, place->line, what, shown, expected);
}

int mtls_roster_nomem(const struct mtls_roster_place *place)
{
	return mtls_diag_set(place->diag, -ENOMEM, "%s:%u: out of memory", place->file,
			     place->line);
}

static int check_line(const struct mtls_roster_text *text, struct mtls_roster_span line, bool ended)
{
	const struct mtls_roster_place *place = &text->place;

	if (memchr(line.data, '\0', line.len))
		return mtls_roster_wrong(place, "a NUL byte", nothing, "text");
	if (memchr(line.data, '\r', line.len))
		return mtls_roster_wrong(place, "a carriage return", nothing,
					 "lines that end in a line feed only (see dos2unix)");
	if (!ended && !text->csv)
		return mtls_roster_wrong(place, "no newline at the end of the last line", nothing,
					 "one: without it the file may be cut off");
	return 0;
}

static int next_line(struct mtls_roster_text *text, struct mtls_roster_span *ret)
{
	size_t left = text->len - text->at;
	struct mtls_roster_span line = { text->data + text->at, left };

	text->place.line++;
	const char *end = memchr(line.data, '\n', left);
	if (end)
		line.len = (size_t)(end - line.data);
	text->at += line.len + (end ? 1 : 0);
	if (line.len > MTLS_ROSTER_LINE_MAX)
		return mtls_diag_set(text->place.diag, MTLS_E_LIMIT,
				     "%s:%u: found a line of %zu bytes, expected at most %d",
				     text->place.file, text->place.line, line.len,
				     MTLS_ROSTER_LINE_MAX);
	if (text->csv && line.len && line.data[line.len - 1] == '\r')
		line.len--;
	int r = check_line(text, line, end);
	if (r < 0)
		return r;
	*ret = line;
	return 0;
}

int mtls_roster_next_line(struct mtls_roster_text *text, struct mtls_roster_span *ret)
{
	while (text->at < text->len) {
		struct mtls_roster_span line = { 0 };
		int r = next_line(text, &line);
		if (r < 0)
			return r;
		if (line.len && line.data[0] != '#') {
			*ret = line;
			return 1;
		}
	}
	return 0;
}

int mtls_roster_parse_id(const struct mtls_roster_place *place, const char *what,
			 struct mtls_roster_span text, uint32_t *ret)
{
	char digits[ID_DIGITS_MAX + 1] = "";
	uint32_t id = MTLS_ROSTER_NO_ID;

	if (text.len <= ID_DIGITS_MAX)
		memcpy(digits, text.data, text.len);
	if (mtls_parse_u32(digits, &id) < 0 || id == MTLS_ROSTER_NO_ID)
		return mtls_roster_wrong(place, what, text,
					 "a plain decimal number from 0 to 4294967294");
	*ret = id;
	return 0;
}

void mtls_roster_count_hash(struct mtls_roster *roster, struct mtls_roster_span password)
{
	static const char *const none[] = { "", "x", "*", "!", "!!", "*LK*", "NP" };

	for (size_t i = 0; i < MTLS_COUNT(none); i++)
		if (password.len == strlen(none[i]) &&
		    memcmp(password.data, none[i], password.len) == 0)
			return;
	roster->hashes_dropped++;
}
