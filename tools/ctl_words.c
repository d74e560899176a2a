/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The distance of words (optimal string alignment) for "did you mean". Pure; one thread. */
#include <config.h>

#include <string.h>

#include "tools/ctl_words.h"

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Three rows of the table: a change of places looks two rows back. */
size_t ctl_word_distance(const char *a, const char *b)
{
	size_t rows[3][CTL_WORD_MAX + 1];
	size_t a_len = strlen(a), b_len = strlen(b);

	if (a_len > CTL_WORD_MAX || b_len > CTL_WORD_MAX)
		return CTL_WORD_MAX;
	for (size_t j = 0; j <= b_len; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *two = rows[(i + 1) % 3];
		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t other = a[i - 1] != b[j - 1];
			row[j] = least(above[j] + 1, least(row[j - 1] + 1, above[j - 1] + other));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], two[j - 2] + 1);
		}
	}
	return rows[a_len % 3][b_len];
}

/* A third of the letters may be wrong: else any word would do for a short one. */
void ctl_nearest_try(struct ctl_nearest *nearest, const char *typed, const char *word)
{
	size_t distance = ctl_word_distance(typed, word);

	if (distance > (strlen(typed) + 2) / 3)
		return;
	if (nearest->word && nearest->distance <= distance)
		return;
	*nearest = (struct ctl_nearest){ .word = word, .distance = distance };
}
