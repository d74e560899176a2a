/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of reasons. Constant data, any thread. */
#include <config.h>

#include <stddef.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/wire/reason.h"

struct row {
	int number;
	const char *token, *text, *advice;
};

static const struct row rows[] = {
#define MTLS_REASON_ROW(name, number, token, text, advice) { (number), token, text, advice },
	MTLS_REASONS(MTLS_REASON_ROW)
#undef MTLS_REASON_ROW
};

static const struct row *find(int reason)
{
	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		if (rows[i].number == reason)
			return &rows[i];
	return NULL;
}

const char *mtls_reason_token(int reason)
{
	const struct row *row = find(reason);
	return row ? row->token : NULL;
}

const char *mtls_reason_text(int reason)
{
	const struct row *row = find(reason);
	return row ? row->text : NULL;
}

const char *mtls_reason_advice(int reason)
{
	const struct row *row = find(reason);
	return row ? row->advice : NULL;
}

int mtls_reason_from_token(const char *token)
{
	for (size_t i = 0; token && i < MTLS_COUNT(rows); i++)
		if (strcmp(rows[i].token, token) == 0)
			return rows[i].number;
	return -1;
}

int mtls_reason_at(unsigned int index)
{
	return index < MTLS_COUNT(rows) ? rows[index].number : -1;
}
