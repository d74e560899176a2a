/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sets of ids and sorted lists of names for the builder. No allocation an item. One thread. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "lib/acctdb/build_sets.h"
#include "lib/base/cleanup.h"
#include "lib/base/err.h"

#define WORD_BITS  64
#define PAGE_WORDS ((1U << MTLS_IDSET_PAGE_BITS) / WORD_BITS)
#define FIRST_ROOM 64

static uint32_t page_of(uint32_t id)
{
	return id >> MTLS_IDSET_PAGE_BITS;
}

static uint32_t word_of(uint32_t id)
{
	return (id / WORD_BITS) % PAGE_WORDS;
}

static uint64_t bit_of(uint32_t id)
{
	return UINT64_C(1) << (id % WORD_BITS);
}

int mtls_idset_add(struct mtls_idset *set, uint32_t id)
{
	if (id > MTLS_IDSET_ID_MAX)
		return MTLS_E_BUG;
	if (!set->pages)
		set->pages = calloc(MTLS_IDSET_PAGES, sizeof(*set->pages));
	if (!set->pages)
		return -ENOMEM;
	uint64_t **page = &set->pages[page_of(id)];
	if (!*page)
		*page = calloc(PAGE_WORDS, sizeof(**page));
	if (!*page)
		return -ENOMEM;
	uint64_t *word = &(*page)[word_of(id)];
	if (*word & bit_of(id))
		return 1;
	*word |= bit_of(id);
	return 0;
}

bool mtls_idset_has(const struct mtls_idset *set, uint32_t id)
{
	if (!set->pages || id > MTLS_IDSET_ID_MAX)
		return false;
	const uint64_t *page = set->pages[page_of(id)];
	return page && (page[word_of(id)] & bit_of(id));
}

void mtls_idset_done(struct mtls_idset *set)
{
	for (size_t i = 0; set->pages && i < MTLS_IDSET_PAGES; i++)
		free(set->pages[i]);
	free(set->pages);
	set->pages = NULL;
}

static int make_room(struct mtls_namelist *list, size_t len)
{
	if (list->count == list->count_room) {
		size_t room = list->count_room ? 2 * list->count_room : FIRST_ROOM;
		uint32_t *ends = reallocarray(list->ends, room, sizeof(*ends));
		if (!ends)
			return -ENOMEM;
		list->ends = ends;
		list->count_room = room;
	}
	size_t used = list->count ? list->ends[list->count - 1] : 0;
	if (len > list->text_room - used) {
		size_t room = 2 * list->text_room + FIRST_ROOM * MTLS_OWNED_NAME_MAX;
		char *text = realloc(list->text, room);
		if (!text)
			return -ENOMEM;
		list->text = text;
		list->text_room = room;
	}
	return 0;
}

int mtls_namelist_add(struct mtls_namelist *list, struct mtls_acct_str name)
{
	if (name.len > MTLS_OWNED_NAME_MAX || list->count == MTLS_NAMELIST_MAX)
		return MTLS_E_LIMIT;
	int r = make_room(list, name.len);
	if (r < 0)
		return r;
	uint32_t used = list->count ? list->ends[list->count - 1] : 0;
	memcpy(list->text + used, name.data, name.len);
	list->ends[list->count++] = used + (uint32_t)name.len;
	return 0;
}

struct mtls_acct_str mtls_namelist_get(const struct mtls_namelist *list, size_t index)
{
	uint32_t start = index ? list->ends[index - 1] : 0;
	return (struct mtls_acct_str){ .data = list->text + start,
				       .len = list->ends[index] - start };
}

bool mtls_namelist_has(const struct mtls_namelist *list, struct mtls_acct_str name)
{
	size_t low = 0, high = list->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int r = mtls_acct_str_compare(mtls_namelist_get(list, middle), name);
		if (r == 0)
			return true;
		if (r < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

void mtls_namelist_done(struct mtls_namelist *list)
{
	free(list->text);
	free(list->ends);
	*list = (struct mtls_namelist){ 0 };
}

int mtls_acct_str_compare(struct mtls_acct_str a, struct mtls_acct_str b)
{
	size_t common = a.len < b.len ? a.len : b.len;
	int r = common ? memcmp(a.data, b.data, common) : 0;
	return r ? r : (a.len > b.len) - (a.len < b.len);
}

uint64_t mtls_acct_membership(struct mtls_acct_str name, uint32_t gid, uint64_t secret)
{
	return XXH64(name.data, name.len, secret ^ gid);
}
