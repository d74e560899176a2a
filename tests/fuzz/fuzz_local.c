/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What this machine holds. The first byte picks the file: 'p' passwd, 'g' group, 'u' subuid, 's'
 * subgid, 'l' login.defs, 'y' sysusers.d. Whatever stands there, the tables end up in order and
 * their ranges the right way round.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "lib/acctdb/local_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void check_ranges(const struct local_ranges *ranges)
{
	for (size_t i = 0; i < ranges->count; i++) {
		const struct local_range *r = &ranges->items[i];
		must(r->first <= r->last);
		must(i == 0 || r->first > ranges->items[i - 1].last + 1);
	}
}

static void check_holding(const struct local_holding *h)
{
	for (size_t i = 0; i < h->names.count; i++) {
		must(h->names.items[i][0] != '\0' && !strchr(h->names.items[i], '\n'));
		must(i == 0 || strcmp(h->names.items[i - 1], h->names.items[i]) <= 0);
	}
	check_ranges(&h->ids);
	check_ranges(&h->allocated);
}

static void check(const struct mtls_local *local)
{
	check_holding(&local->users);
	check_holding(&local->groups);
	for (size_t i = 0; i < local->users.names.count; i++)
		must(mtls_local_has_user(local, local->users.names.items[i]));
	for (size_t i = 0; i < local->groups.ids.count; i++)
		if (local->groups.ids.items[i].first <= UINT32_MAX)
			must(mtls_local_has_gid(local, (uint32_t)local->groups.ids.items[i].first));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct {
		char kind;
		local_line_fn *each;
	} rows[] = {
		{ 'p', local_line_passwd }, { 'g', local_line_group }, { 'u', local_line_subuid },
		{ 's', local_line_subgid }, { 'l', local_line_defs },  { 'y', local_line_sysusers },
	};

	for (size_t i = 0; size > 0 && i < MTLS_COUNT(rows); i++) {
		if (data[0] != (uint8_t)rows[i].kind)
			continue;
		/* Exactly as large as a reader's buffer: the text and one byte. */
		char *text = malloc(size);
		struct mtls_local *local = calloc(1, sizeof(*local));
		if (!text || !local)
			abort();
		memcpy(text, data + 1, size - 1);
		must(local_each_line(local, text, size - 1, rows[i].each) == 0);
		must(local_defs_end(local) == 0);
		local_sort(local);
		check(local);
		mtls_local_free(local);
		free(text);
	}
	return 0;
}
