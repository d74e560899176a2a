/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Packets between workers and lookup processes: making and checking them. Pure. */
#include <config.h>

#include <string.h>

#include "authd/lookup_proto.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

static const char *const kind_names[LOOKUP_KINDS] = {
	[LOOKUP_X509] = "x509",
	[LOOKUP_ACCOUNTS] = "accounts",
};

const char *lookup_kind_name(enum lookup_kind kind)
{
	return kind_names[kind];
}

int lookup_kind_parse(const char *name)
{
	for (int i = 0; i < LOOKUP_KINDS; i++)
		if (mtls_streq(name, kind_names[i]))
			return i;
	return MTLS_E_SYNTAX;
}

bool lookup_query_add(struct lookup_query *query, const char *text, size_t len)
{
	if (query->count >= LOOKUP_KEYS_MAX || len == 0 || len > MTLS_KEY_MAX ||
	    memchr(text, '\0', len))
		return false;
	struct lookup_key *key = &query->keys[query->count++];
	key->len = (uint32_t)len;
	memcpy(key->text, text, len);
	key->text[len] = '\0';
	return true;
}

bool lookup_answer_add(struct lookup_answer *answer, uint32_t key, const char *text)
{
	if (answer->count >= LOOKUP_NAMES_MAX || !text[0])
		return false;
	struct lookup_name *name = &answer->names[answer->count];
	if (mtls_strcopy(name->text, sizeof(name->text), text) < 0)
		return false;
	name->key = key;
	answer->count++;
	return true;
}

size_t lookup_query_size(const struct lookup_query *query)
{
	return offsetof(struct lookup_query, keys) + query->count * sizeof(query->keys[0]);
}

size_t lookup_answer_size(const struct lookup_answer *answer)
{
	return offsetof(struct lookup_answer, names) + answer->count * sizeof(answer->names[0]);
}

bool lookup_query_valid(const struct lookup_query *query, size_t len)
{
	if (len < offsetof(struct lookup_query, keys) || query->count == 0 ||
	    query->count > LOOKUP_KEYS_MAX || len != lookup_query_size(query))
		return false;
	for (uint32_t i = 0; i < query->count; i++) {
		const struct lookup_key *key = &query->keys[i];
		if (key->len == 0 || key->len > MTLS_KEY_MAX ||
		    strnlen(key->text, sizeof(key->text)) != key->len)
			return false;
	}
	return true;
}

bool lookup_answer_valid(const struct lookup_answer *answer, size_t len)
{
	if (len < offsetof(struct lookup_answer, names) || answer->count > LOOKUP_NAMES_MAX ||
	    len != lookup_answer_size(answer) || answer->status > LOOKUP_FAILED)
		return false;
	if ((answer->status == LOOKUP_FOUND) != (answer->count > 0))
		return false;
	for (uint32_t i = 0; i < answer->count; i++) {
		const struct lookup_name *name = &answer->names[i];
		size_t n = strnlen(name->text, sizeof(name->text));
		if (n == 0 || n == sizeof(name->text) || name->key >= LOOKUP_KEYS_MAX)
			return false;
	}
	return true;
}
