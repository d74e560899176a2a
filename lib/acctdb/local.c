/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The machine's own users, groups and subordinate ids, sorted for lookup. Writer side only. */
#include <config.h>

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/acctdb/local.h"
#include "lib/base/str.h"

struct range {
	uint64_t first, last;
};

/* Names and ids of one kind, user or group. */
struct holding {
	char **names;
	uint32_t *ids;
	size_t count, room;
	struct range *ranges;
	size_t range_count;
};

struct mtls_local {
	struct holding users, groups;
};

static int hold(struct holding *h, const char *name, uint32_t id)
{
	if (h->count == h->room) {
		size_t room = h->room ? 2 * h->room : 64;
		char **names = reallocarray(h->names, room, sizeof(*names));
		if (!names)
			return -ENOMEM;
		h->names = names;
		uint32_t *ids = reallocarray(h->ids, room, sizeof(*ids));
		if (!ids)
			return -ENOMEM;
		h->ids = ids;
		h->room = room;
	}
	char *copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	h->names[h->count] = copy;
	h->ids[h->count++] = id;
	return 0;
}

static int hold_range(struct holding *h, uint64_t first, uint64_t count)
{
	if (!count)
		return 0;
	struct range *ranges = reallocarray(h->ranges, h->range_count + 1, sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	h->ranges = ranges;
	ranges[h->range_count++] = (struct range){ .first = first, .last = first + count - 1 };
	return 0;
}

static void release(struct holding *h)
{
	for (size_t i = 0; i < h->count; i++)
		free(h->names[i]);
	free(h->names);
	free(h->ids);
	free(h->ranges);
}

static int read_passwd(struct holding *h, FILE *f)
{
	for (struct passwd *pw; errno = 0, (pw = fgetpwent(f));) {
		int r = hold(h, pw->pw_name, pw->pw_uid);
		if (r < 0)
			return r;
	}
	return errno && errno != ENOENT ? -errno : 0;
}

static int read_group(struct holding *h, FILE *f)
{
	for (struct group *gr; errno = 0, (gr = fgetgrent(f));) {
		int r = hold(h, gr->gr_name, gr->gr_gid);
		if (r < 0)
			return r;
	}
	return errno && errno != ENOENT ? -errno : 0;
}

/* Lines of name:first:count; others are comments to the tools that own the file, and to us. */
static int read_ranges(struct holding *h, FILE *f)
{
	_cleanup_free_ char *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, f) >= 0) {
		const char *colon = strchr(line, ':');
		if (!colon || line[0] == '#')
			continue;
		char *end;
		unsigned long long first = strtoull(colon + 1, &end, 10);
		if (end == colon + 1 || *end != ':' || first > UINT32_MAX)
			continue;
		unsigned long long count = strtoull(end + 1, NULL, 10);
		int r = hold_range(h, first, count > UINT32_MAX ? UINT32_MAX : count);
		if (r < 0)
			return r;
	}
	return ferror(f) ? -EIO : 0;
}

static int read_file(const char *etc, const char *name, struct holding *h,
		     int (*reader)(struct holding *h, FILE *f), struct mtls_diag *diag)
{
	_cleanup_free_ char *path = NULL;
	if (asprintf(&path, "%s/%s", etc, name) < 0) {
		path = NULL;
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	}
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	if (!f && errno == ENOENT)
		return 0;
	int r = f ? reader(h, f) : -errno;
	if (r < 0)
		return mtls_diag_set(diag, r, "cannot read '%s': %s", path, mtls_strerror(r));
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int by_id(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static void sort(struct holding *h)
{
	if (!h->count)
		return;
	qsort(h->names, h->count, sizeof(*h->names), by_name);
	qsort(h->ids, h->count, sizeof(*h->ids), by_id);
}

int mtls_local_load(const char *etc, struct mtls_local **ret, struct mtls_diag *diag)
{
	_cleanup_(mtls_local_freep) struct mtls_local *local = calloc(1, sizeof(*local));
	if (!local)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	const struct {
		const char *name;
		struct holding *into;
		int (*reader)(struct holding *h, FILE *f);
	} files[] = {
		{ "passwd", &local->users, read_passwd },
		{ "group", &local->groups, read_group },
		{ "subuid", &local->users, read_ranges },
		{ "subgid", &local->groups, read_ranges },
	};
	for (size_t i = 0; i < MTLS_COUNT(files); i++) {
		int r = read_file(etc, files[i].name, files[i].into, files[i].reader, diag);
		if (r < 0)
			return r;
	}
	sort(&local->users);
	sort(&local->groups);
	*ret = MTLS_TAKE(local);
	return 0;
}

void mtls_local_free(struct mtls_local *local)
{
	if (!local)
		return;
	release(&local->users);
	release(&local->groups);
	free(local);
}

static bool has_name(const struct holding *h, const char *name)
{
	return h->count && bsearch(&name, h->names, h->count, sizeof(*h->names), by_name);
}

static bool has_id(const struct holding *h, uint32_t id)
{
	for (size_t i = 0; i < h->range_count; i++)
		if (id >= h->ranges[i].first && id <= h->ranges[i].last)
			return true;
	return h->count && bsearch(&id, h->ids, h->count, sizeof(*h->ids), by_id);
}

bool mtls_local_has_user(const struct mtls_local *local, const char *name)
{
	return local && has_name(&local->users, name);
}

bool mtls_local_has_group(const struct mtls_local *local, const char *name)
{
	return local && has_name(&local->groups, name);
}

bool mtls_local_has_uid(const struct mtls_local *local, uint32_t uid)
{
	return local && has_id(&local->users, uid);
}

bool mtls_local_has_gid(const struct mtls_local *local, uint32_t gid)
{
	return local && has_id(&local->groups, gid);
}
