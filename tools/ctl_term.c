/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Terminals: colours, width, progress. Holds no state; one thread. */
#include <config.h>

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

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
