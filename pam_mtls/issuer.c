/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pure, but for the catalog of texts. */
#include <config.h>

#include <string.h>

#include "lib/base/str.h"
#include "pam_mtls/issuer.h"
#include "pam_mtls/prompt.h"
#include "pam_mtls/words.h"

enum sentence {
	NO_LIST,
	ALL,
	SOME,
	NAMESAKE,
};

static const char *const sentences[] = {
	[NO_LIST] = N_("It was issued by '{issuer}'."),
	[ALL] = N_("It was issued by '{issuer}'; accepted here: {names}."),
	[SOME] = N_("It was issued by '{issuer}'; accepted here: {names} and {more} more."),
	/* A CA that was made anew, or somebody else's. */
	[NAMESAKE] = N_("It was issued by another '{issuer}' than the one that is accepted here."),
};

/* Names of CAs may hold anything; none may end its quotes. */
static void add_name(struct mtls_buf *out, const char *name, size_t max)
{
	(void)mtls_buf_append_str(out, out->len ? ", '" : "'");
	prompt_clean(out, name, '\'', max);
	(void)mtls_buf_append_str(out, "'");
}

static bool namesake(const char *issuer, const struct mtls_exchange_accepted *accepted)
{
	for (size_t i = 0; i < accepted->count; i++)
		if (mtls_streq(accepted->labels[i], issuer))
			return true;
	return false;
}

/* As many names as a value of words_fill() takes, but one in any case; the number of them. */
static size_t list_names(const struct mtls_exchange_accepted *accepted, struct mtls_buf *names)
{
	static const size_t quotes = sizeof(", ''") - 1;
	size_t count = 0;

	for (; count < accepted->count; count++) {
		const char *label = accepted->labels[count];
		if (count && names->len + quotes + strlen(label) > WORDS_VALUE_MAX)
			break;
		add_name(names, label, WORDS_VALUE_MAX - quotes);
	}
	return count;
}

void issuer_explain(const char *issuer, const struct mtls_exchange_accepted *accepted,
		    bool translated, struct mtls_buf *out)
{
	_cleanup_buf_ struct mtls_buf clean = MTLS_BUF(WORDS_VALUE_MAX);
	_cleanup_buf_ struct mtls_buf names = MTLS_BUF(2 * WORDS_VALUE_MAX);
	enum sentence which = NO_LIST;

	if (!issuer || !*issuer)
		return;
	prompt_clean(&clean, issuer, '\'', WORDS_VALUE_MAX);
	const size_t left = accepted->count - list_names(accepted, &names) + accepted->more;
	if (namesake(issuer, accepted))
		which = NAMESAKE;
	else if (accepted->count)
		which = left ? SOME : ALL;
	const char *by = mtls_buf_cstr(&clean), *list = mtls_buf_cstr(&names);
	const struct words_value values[] = {
		{ "issuer", by ? by : "?", 0 },
		{ "names", list ? list : "?", 0 },
		{ "more", NULL, left },
	};
	const char *text = sentences[which];
	words_fill(out, translated ? words(text) : text, values, MTLS_COUNT(values));
}
