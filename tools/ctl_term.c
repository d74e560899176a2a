/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Terminals: colours, width, progress. Holds no state; one thread. */
#include <config.h>

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "tools/ctl_term.h"

/* https://no-color.org: set and not empty. mtlsctl may be run by sudo: the environment is a wish.
 */
static bool has_colours(FILE *out)
{
	const char *no = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	return isatty(fileno(out)) && !(no && *no) && term && *term && !mtls_streq(term, "dumb");
}

const char *ctl_style(FILE *out, enum ctl_style style)
{
	static const char *const sequences[CTL_STYLES] = {
		[CTL_STYLE_PLAIN] = "\033[0m",    [CTL_STYLE_TITLE] = "\033[1m",
		[CTL_STYLE_DIM] = "\033[2m",      [CTL_STYLE_GOOD] = "\033[32m",
		[CTL_STYLE_WARNING] = "\033[33m", [CTL_STYLE_BAD] = "\033[1;31m",
	};

	return has_colours(out) ? sequences[style] : "";
}

unsigned int ctl_term_width(FILE *out, unsigned int otherwise)
{
	struct winsize size = { 0 };

	if (!isatty(fileno(out)) || ioctl(fileno(out), TIOCGWINSZ, &size) < 0 || !size.ws_col)
		return otherwise;
	return size.ws_col;
}

/* The length of the character at @text, and itself; 1 and 0 for what is none. */
static size_t character(const char *text, uint32_t *ret)
{
	const uint8_t *bytes = (const uint8_t *)text;
	const size_t want = bytes[0] < 0x80 ? 1 : bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;
	size_t have = 0;

	while (have < want && bytes[have])
		have++;
	*ret = 0;
	if (have < want || !mtls_utf8_valid(bytes, want))
		return 1;
	uint32_t code = want == 1 ? bytes[0] : bytes[0] & (0x7fU >> want);
	for (size_t i = 1; i < want; i++)
		code = code << 6 | (bytes[i] & 0x3f);
	*ret = code;
	return want;
}

/* What changes how the rest is shown, or shows nothing, is not shown. */
static bool printable(uint32_t code)
{
	static const struct {
		uint32_t first, last;
	} hidden[] = {
		{ 0x00, 0x1f },     { 0x7f, 0xa0 },     { 0xad, 0xad },        { 0x61c, 0x61c },
		{ 0x180e, 0x180e }, { 0x200b, 0x200f }, { 0x2028, 0x202e },    { 0x2060, 0x206f },
		{ 0xfeff, 0xfeff }, { 0xfff0, 0xffff }, { 0xe0000, 0x10ffff },
	};

	for (size_t i = 0; i < MTLS_COUNT(hidden); i++)
		if (code >= hidden[i].first && code <= hidden[i].last)
			return false;
	return true;
}

size_t ctl_term_text(const char *text, size_t columns, char *out, size_t size)
{
	size_t count = 0, used = 0, cut = 0, cut_count = 0;

	while (*text) {
		uint32_t code;
		const size_t len = character(text, &code);
		const bool shown = printable(code);
		const size_t need = shown ? len : 1;
		if ((columns && count == columns) || used + need + 3 > size) {
			/* Room for the two dots was kept. */
			used = cut;
			out[used++] = '.';
			out[used++] = '.';
			count = cut_count + 2;
			break;
		}
		if (shown)
			memcpy(out + used, text, len);
		else
			out[used] = '?';
		used += need;
		text += len;
		if (++count + 2 <= columns || !columns) {
			cut = used;
			cut_count = count;
		}
	}
	out[used] = '\0';
	return count;
}

void ctl_progress(const char *fmt, ...)
{
	va_list ap;

	if (!isatty(STDERR_FILENO))
		return;
	(void)fflush(stdout);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
}
