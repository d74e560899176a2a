/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The machine's own users, groups and ranges of ids as sorted tables, which answer by binary
 * search. local_load.c finds the files, local_lines.c reads their lines. Writer side only; pure but
 * for memory.
 */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/acctdb/local_impl.h"

void *local_grow(void *items, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return items;
	size_t more = *room ? 2 * *room : 64;
	void *grown = reallocarray(items, more, size);
	if (grown)
		*room = more;
	return grown;
}

int local_add_name(struct local_names *names, const char *name, size_t len)
{
	char **items = local_grow(names->items, names->count, &names->room, sizeof(*items));
	if (!items)
		return -ENOMEM;
	names->items = items;
	char *copy = strndup(name, len);
	if (!copy)
		return -ENOMEM;
	items[names->count++] = copy;
	return 0;
}

int local_add_range(struct local_ranges *ranges, uint64_t first, uint64_t last)
{
	struct local_range *items =
		local_grow(ranges->items, ranges->count, &ranges->room, sizeof(*items));
	if (!items)
		return -ENOMEM;
	ranges->items = items;
	items[ranges->count++] = (struct local_range){ .first = first, .last = last };
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int by_first(const void *a, const void *b)
{
	const struct local_range *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

static void sort_ranges(struct local_ranges *ranges)
{
	size_t kept = 0;

	if (!ranges->count)
		return;
	qsort(ranges->items, ranges->count, sizeof(*ranges->items), by_first);
	for (size_t i = 1; i < ranges->count; i++) {
		struct local_range *last = &ranges->items[kept], *next = &ranges->items[i];
		if (next->first > last->last + 1)
			ranges->items[++kept] = *next;
		else if (next->last > last->last)
			last->last = next->last;
	}
	ranges->count = kept + 1;
}

void local_sort(struct mtls_local *local)
{
	struct local_holding *holdings[] = { &local->users, &local->groups };

	for (size_t i = 0; i < MTLS_COUNT(holdings); i++) {
		struct local_names *names = &holdings[i]->names;
		if (names->count)
			qsort(names->items, names->count, sizeof(*names->items), by_name);
		sort_ranges(&holdings[i]->ids);
		sort_ranges(&holdings[i]->allocated);
	}
}

static void release(struct local_holding *h)
{
	for (size_t i = 0; i < h->names.count; i++)
		free(h->names.items[i]);
	free(h->names.items);
	free(h->ids.items);
	free(h->allocated.items);
}

void mtls_local_free(struct mtls_local *local)
{
	if (!local)
		return;
	release(&local->users);
	release(&local->groups);
	for (size_t i = 0; i < local->seen_count; i++)
		free(local->seen[i].path);
	free(local->seen);
	free(local);
}

static bool has_name(const struct local_names *names, const char *name)
{
	return names->count &&
	       bsearch(&name, names->items, names->count, sizeof(*names->items), by_name);
}

static int id_in_range(const void *key, const void *element)
{
	const struct local_range *range = element;
	uint64_t id = *(const uint32_t *)key;

	return (id > range->last) - (id < range->first);
}

static const struct local_range *find_id(const struct local_ranges *ranges, uint32_t id)
{
	return ranges->count ? bsearch(&id, ranges->items, ranges->count, sizeof(*ranges->items),
				       id_in_range)
			     : NULL;
}

static bool has_id(const struct local_ranges *ranges, uint32_t id)
{
	return find_id(ranges, id) != NULL;
}

bool mtls_local_has_user(const struct mtls_local *local, const char *name)
{
	return local && has_name(&local->users.names, name);
}

bool mtls_local_has_group(const struct mtls_local *local, const char *name)
{
	return local && has_name(&local->groups.names, name);
}

bool mtls_local_has_uid(const struct mtls_local *local, uint32_t uid)
{
	return local && has_id(&local->users.ids, uid);
}

bool mtls_local_has_gid(const struct mtls_local *local, uint32_t gid)
{
	return local && has_id(&local->groups.ids, gid);
}

bool mtls_local_allocates_uid(const struct mtls_local *local, uint32_t uid)
{
	return local && has_id(&local->users.allocated, uid);
}

bool mtls_local_allocates_gid(const struct mtls_local *local, uint32_t gid)
{
	return local && has_id(&local->groups.allocated, gid);
}

static bool is_foreign(const struct mtls_id_rules *ids, uint32_t id)
{
	for (uint32_t i = 0; i < ids->foreign_count; i++)
		if (mtls_id_allowed(&ids->foreign[i], id))
			return true;
	return false;
}

bool mtls_local_refuses_uid(const struct mtls_local *local, const struct mtls_id_rules *ids,
			    uint32_t uid)
{
	return mtls_local_has_uid(local, uid) ||
	       (mtls_local_allocates_uid(local, uid) && !is_foreign(ids, uid));
}

bool mtls_local_refuses_gid(const struct mtls_local *local, const struct mtls_id_rules *ids,
			    uint32_t gid)
{
	return mtls_local_has_gid(local, gid) ||
	       (mtls_local_allocates_gid(local, gid) && !is_foreign(ids, gid));
}

/* What tools may hand out is refused up to the next foreign range, which is admitted. */
static uint64_t before_foreign(const struct mtls_id_rules *ids, uint32_t id, uint64_t last)
{
	for (uint32_t i = 0; i < ids->foreign_count; i++)
		if (ids->foreign[i].min > id && ids->foreign[i].min <= last)
			last = ids->foreign[i].min - 1;
	return last;
}

bool mtls_local_refuses_run(const struct mtls_local *local, const struct mtls_id_rules *ids,
			    uint32_t id, uint32_t *ret_last)
{
	if (!mtls_local_refuses_uid(local, ids, id) && !mtls_local_refuses_gid(local, ids, id))
		return false;
	const struct local_holding *holdings[] = { &local->users, &local->groups };
	uint64_t end = id;
	for (size_t i = 0; i < MTLS_COUNT(holdings); i++) {
		const struct local_range *held = find_id(&holdings[i]->ids, id);
		const struct local_range *allocated = find_id(&holdings[i]->allocated, id);
		if (held && held->last > end)
			end = held->last;
		if (!held && allocated && !is_foreign(ids, id)) {
			uint64_t last = before_foreign(ids, id, allocated->last);
			end = last > end ? last : end;
		}
	}
	*ret_last = end > UINT32_MAX ? UINT32_MAX : (uint32_t)end;
	return true;
}
