/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finds blocks, decodes nothing. Pure, no state. */
#include <config.h>

#include <string.h>

#include "signer/pem.h"

static const char begin_mark[] = "-----BEGIN ";
static const char end_mark[] = "-----END ";
static const char dashes[] = "-----";

static const uint8_t *find(const uint8_t *data, const uint8_t *end, const char *text)
{
	return memmem(data, (size_t)(end - data), text, strlen(text));
}

bool pem_is(const uint8_t *data, size_t len)
{
	return len && find(data, data + len, begin_mark) != NULL;
}

/* Completes @block, whose body begins at @body. */
static void find_end(struct pem_block *block, const uint8_t *body, const uint8_t *end)
{
	const uint8_t *at = body;

	block->body = body;
	block->body_len = (size_t)(end - body);
	block->whole_len = (size_t)(end - block->whole);
	while ((at = find(at, end, end_mark))) {
		const uint8_t *label = at + strlen(end_mark);
		size_t rest = (size_t)(end - label);
		if (rest >= block->label_len + strlen(dashes) &&
		    memcmp(label, block->label, block->label_len) == 0 &&
		    memcmp(label + block->label_len, dashes, strlen(dashes)) == 0) {
			block->body_len = (size_t)(at - body);
			block->whole_len =
				(size_t)(label + block->label_len + strlen(dashes) - block->whole);
			block->ended = true;
			return;
		}
		at = label;
	}
}

bool pem_next(const uint8_t *data, size_t len, size_t *pos, struct pem_block *ret)
{
	const uint8_t *end = data + len;

	if (*pos >= len)
		return false;
	const uint8_t *begin = find(data + *pos, end, begin_mark);
	if (!begin)
		return false;
	const uint8_t *label = begin + strlen(begin_mark);
	const uint8_t *stop = find(label, end, dashes);
	if (!stop)
		return false;
	*ret = (struct pem_block){
		.label = (const char *)label,
		.label_len = (size_t)(stop - label),
		.whole = begin,
	};
	*pos = (size_t)(stop - data);
	find_end(ret, stop + strlen(dashes), end);
	return true;
}

bool pem_label_is(const struct pem_block *block, const char *label)
{
	return block->label_len == strlen(label) &&
	       memcmp(block->label, label, block->label_len) == 0;
}

bool pem_label_is_key(const struct pem_block *block)
{
	static const char suffix[] = "PRIVATE KEY";

	return block->label_len >= strlen(suffix) &&
	       memcmp(block->label + block->label_len - strlen(suffix), suffix, strlen(suffix)) ==
		       0;
}
