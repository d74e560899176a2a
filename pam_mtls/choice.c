/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Questions with a number as the answer. Owns nothing. */
#include <config.h>

#include "pam_mtls/choice.h"
#include "pam_mtls/words.h"

int choice_ask(const struct prompt *prompt, const char *question, size_t count, size_t *ret_index)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(WORDS_LINE_MAX);
	const struct words_value values[] = { { "count", NULL, count } };
	return prompt_number(prompt, words_line(&text, words(question), values, MTLS_COUNT(values)),
			     count, ret_index);
}

int choice_account(void *ctx, char *const *candidates, size_t count)
{
	const struct prompt *prompt = ctx;
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(WORDS_LINE_MAX);
	for (size_t i = 0; i < count; i++) {
		const struct words_value values[] = { { "number", NULL, i + 1 },
						      { "account", candidates[i], 0 } };
		mtls_buf_reset(&text);
		/* The same in every language. */
		prompt_info(prompt,
			    words_line(&text, "{number}: {account}", values, MTLS_COUNT(values)));
	}
	size_t index = 0;
	int rc = choice_ask(prompt, N_("Which account (1-{count})? "), count, &index);
	return rc < 0 ? rc : (int)index;
}
