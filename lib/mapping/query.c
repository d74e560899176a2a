/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Packets between workers and lookup processes: making and checking them. Pure. */
#include <config.h>

#include <string.h>

#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/mapping/query.h"

static const char *const kind_names[MTLS_LOOKUP_KINDS] = {
	[MTLS_LOOKUP_X509] = "x509",
	[MTLS_LOOKUP_ACCOUNTS] = "accounts",
};

const char *mtls_lookup_kind_name(enum mtls_lookup_kind kind)
{
	return kind_names[kind];
}

int mtls_lookup_kind_parse(const char *name)
{
	for (int i = 0; i < MTLS_LOOKUP_KINDS; i++)
		if (mtls_streq(name, kind_names[i]))
			return i;
	return MTLS_E_SYNTAX;
}

/* Where the key at @index begins: behind those before it. */
static size_t start_of(const struct mtls_lookup_query *query, uint32_t index)
{
	if (index == 0)
		return 0;
	const struct mtls_lookup_key *before = &query->keys[index - 1];
	return (size_t)before->at + before->len + 1;
}

bool mtls_lookup_query_add(struct mtls_lookup_query *query, const char *text, size_t len)
{
	if (query->count >= MTLS_LOOKUP_KEYS_MAX || len == 0 || len > MTLS_KEY_MAX ||
	    memchr(text, '\0', len))
		return false;
	const size_t at = start_of(query, query->count);
	query->keys[query->count++] =
		(struct mtls_lookup_key){ .at = (uint32_t)at, .len = (uint32_t)len };
	memcpy(query->text + at, text, len);
	query->text[at + len] = '\0';
	return true;
}

const char *mtls_lookup_query_key(const struct mtls_lookup_query *query, uint32_t index)
{
	return query->text + query->keys[index].at;
}

bool mtls_lookup_answer_add(struct mtls_lookup_answer *answer, uint32_t key, const char *text)
{
	if (answer->count >= MTLS_LOOKUP_NAMES_MAX || !text[0])
		return false;
	struct mtls_lookup_name *name = &answer->names[answer->count];
	if (mtls_strcopy(name->text, sizeof(name->text), text) < 0)
		return false;
	name->key = key;
	answer->count++;
	return true;
}

size_t mtls_lookup_query_size(const struct mtls_lookup_query *query)
{
	return offsetof(struct mtls_lookup_query, text) + start_of(query, query->count);
}

size_t mtls_lookup_answer_size(const struct mtls_lookup_answer *answer)
{
	return offsetof(struct mtls_lookup_answer, names) +
	       answer->count * sizeof(answer->names[0]);
}

bool mtls_lookup_query_valid(const struct mtls_lookup_query *query, size_t len)
{
	if (len < offsetof(struct mtls_lookup_query, text) || len > sizeof(*query) ||
	    query->count == 0 || query->count > MTLS_LOOKUP_KEYS_MAX)
		return false;
	const size_t used = len - offsetof(struct mtls_lookup_query, text);
	for (uint32_t i = 0; i < query->count; i++) {
		const struct mtls_lookup_key *key = &query->keys[i];
		if (key->at != start_of(query, i) || key->at >= used || key->len == 0 ||
		    key->len > MTLS_KEY_MAX ||
		    strnlen(query->text + key->at, used - key->at) != key->len)
			return false;
	}
	/* The last NUL is the last octet. */
	return used == start_of(query, query->count);
}

bool mtls_lookup_answer_valid(const struct mtls_lookup_answer *answer, size_t len)
{
	if (len < offsetof(struct mtls_lookup_answer, names) ||
	    answer->count > MTLS_LOOKUP_NAMES_MAX || len != mtls_lookup_answer_size(answer) ||
	    answer->status > MTLS_LOOKUP_FAILED)
		return false;
	if ((answer->status == MTLS_LOOKUP_FOUND) != (answer->count > 0))
		return false;
	for (uint32_t i = 0; i < answer->count; i++) {
		const struct mtls_lookup_name *name = &answer->names[i];
		size_t n = strnlen(name->text, sizeof(name->text));
		if (n == 0 || n == sizeof(name->text) || name->key >= MTLS_LOOKUP_KEYS_MAX)
			return false;
	}
	return true;
}
