/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a person reads about an issuer that is not accepted. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "pam_mtls/issuer.h"

static void sentences(void **state)
{
	static const struct {
		const char *name, *issuer;
		struct mtls_exchange_accepted accepted;
		const char *want;
	} rows[] = {
		{ "one",
		  "Mine",
		  { { "Yours" }, 1, 0 },
		  "It was issued by 'Mine'; accepted here: 'Yours'." },
		{ "two and more",
		  "Mine",
		  { { "A", "B" }, 2, 7 },
		  "It was issued by 'Mine'; accepted here: 'A', 'B' and 7 more." },
		{ "no list", "Mine", { { "" }, 0, 0 }, "It was issued by 'Mine'." },
		{ "no name that can be read",
		  "Mine",
		  { { "" }, 0, 9 },
		  "It was issued by 'Mine'." },
		{ "a namesake",
		  "B",
		  { { "A", "B" }, 2, 0 },
		  "It was issued by another 'B' than the one that is accepted here." },
		{ "no issuer", "", { { "A" }, 1, 0 }, "" },
		{ "quotes and control characters",
		  "a'b\033[31m\n",
		  { { "'; accepted here: 'me\xff" }, 1, 0 },
		  "It was issued by 'a?b?[31m?'; accepted here: '?; accepted here: ?me?'." },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_buf_ struct mtls_buf out = MTLS_BUF(512);
		issuer_explain(rows[i].issuer, &rows[i].accepted, false, &out);
		const char *got = mtls_buf_cstr(&out);
		if (!got || strcmp(got, rows[i].want) != 0)
			fail_msg("row '%s': %s", rows[i].name, got ? got : "(nothing)");
	}
}

/* As many names as there is room for, the others are counted; and one at least, if it is cut. */
static void long_names(void **state)
{
	struct mtls_exchange_accepted accepted = { .count = MTLS_EXCHANGE_LABELS_MAX, .more = 5 };
	char issuer[300];
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(ISSUER_SENTENCE_MAX);
	(void)state;
	memset(issuer, 'i', sizeof(issuer) - 1);
	issuer[sizeof(issuer) - 1] = '\0';
	for (size_t i = 0; i < MTLS_EXCHANGE_LABELS_MAX; i++)
		memset(accepted.labels[i], 'a' + (int)i, MTLS_EXCHANGE_LABEL_MAX - 1);
	issuer_explain(issuer, &accepted, false, &out);
	const char *text = mtls_buf_cstr(&out);
	assert_non_null(text);
	assert_non_null(strstr(text, "iii'; accepted here: 'aaa"));
	assert_non_null(strstr(text, "aaa' and 8 more."));

	mtls_buf_reset(&out);
	for (size_t i = 0; i < MTLS_EXCHANGE_LABELS_MAX; i++)
		accepted.labels[i][40] = '\0';
	accepted.more = 0;
	issuer_explain("X", &accepted, true, &out);
	text = mtls_buf_cstr(&out);
	assert_non_null(text);
	assert_non_null(strstr(text, "aaa', 'bbb"));
	assert_non_null(strstr(text, "bbb' and 2 more."));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sentences),
		cmocka_unit_test(long_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
