/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A word that was mistyped: which one was meant. */
#ifndef MTLS_TOOLS_CTL_WORDS_H
#define MTLS_TOOLS_CTL_WORDS_H

#include <stddef.h>

#define CTL_WORD_MAX 64 /* bytes of a word that is compared; longer ones are near to nothing */

/* How far two words are apart: letters that are missing, too many, other, or changed places. */
size_t ctl_word_distance(const char *a, const char *b);

/* The nearest word so far; embed it zeroed. */
struct ctl_nearest {
	const char *word; /* NULL: none is near enough; borrowed */
	size_t distance;
};
/* Looks at @word as what @typed may have meant. */
void ctl_nearest_try(struct ctl_nearest *nearest, const char *typed, const char *word);

#endif
