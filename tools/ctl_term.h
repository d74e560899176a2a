/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a terminal gets and a file or a pipe does not: colours, the width of its lines, progress.
 */
#ifndef MTLS_TOOLS_CTL_TERM_H
#define MTLS_TOOLS_CTL_TERM_H

#include <stddef.h>
#include <stdio.h>

enum ctl_style {
	CTL_STYLE_PLAIN,
	CTL_STYLE_TITLE,
	CTL_STYLE_DIM,
	CTL_STYLE_GOOD,
	CTL_STYLE_WARNING,
	CTL_STYLE_BAD,
	CTL_STYLES,
};

/*
 * The sequence that starts @style on @out; CTL_STYLE_PLAIN ends all of them. "" where @out is no
 * terminal, or one without colours (TERM=dumb), or NO_COLOR is set to something. Constant.
 */
const char *ctl_style(FILE *out, enum ctl_style style);

/* Columns of the terminal @out; @otherwise where it is none or does not say. */
unsigned int ctl_term_width(FILE *out, unsigned int otherwise);

/*
 * @text as a terminal may have it, at most @columns characters, NUL-terminated in @out[@size]: what
 * is no printable character (controls, marks that turn the direction of writing, bytes that are not
 * UTF-8) becomes '?', and what is cut ends in "..". @columns 0: as many as fit. Returns the number
 * of characters.
 */
size_t ctl_term_text(const char *text, size_t columns, char *out, size_t size);

/* A line about what is going on, to standard error if that is a terminal. */
void ctl_progress(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
