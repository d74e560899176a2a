/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists that grow, and are sorted when the stream is asked for. */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "tests/nss/people.h"

#define KEY_MAX 256

struct name {
	char text[MTLS_ACCOUNT_NAME_MAX + 1];
};

struct user {
	struct name name;
	char *gecos, *home, *shell; /* owned */
	uint32_t uid, gid;
	uint8_t source;
};

struct group {
	struct name name;
	uint32_t gid;
	uint8_t source;
};

struct member {
	struct name group, user;
	uint32_t gid;
};

struct binding {
	char key[KEY_MAX];
	struct name name;
};

struct tombstone {
	bool group;
	uint32_t id;
	struct name name;
};

struct people_lists {
	struct user *users;
	struct group *groups;
	struct member *members;
	struct binding *bindings;
	struct tombstone *stones;
	size_t user_count, group_count, member_count, binding_count, stone_count;
	struct name sources[MTLS_ACCTDB_SOURCES_MAX];
	size_t source_count;
	uint32_t highest;
};

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "people: %s\n", what);
	abort();
}

/* Room for one more of @size bytes at the end of a list that doubles. */
static void *grow(void *list, size_t count, size_t size)
{
	if (count & (count - 1))
		return list;
	list = reallocarray(list, count ? 2 * count : 1, size);
	must(list, "memory");
	return list;
}

static struct name name_of(const char *text)
{
	struct name name;
	must(mtls_strcopy(name.text, sizeof(name.text), text) == 0, "a name is too long");
	return name;
}

struct people *people_new(void)
{
	struct people *people = calloc(1, sizeof(*people));
	must(people, "memory");
	people->lists = calloc(1, sizeof(*people->lists));
	must(people->lists, "memory");
	people->ids.window = (struct mtls_id_window){ MTLS_ID_WINDOW_MIN, MTLS_ID_WINDOW_MAX };
	people->generation = 1;
	people->created = 1000000000;
	people->lists->highest = MTLS_ID_WINDOW_MIN - 1;
	people->lists->source_count = 1;
	return people;
}

static void free_user(struct user *user)
{
	free(user->gecos);
	free(user->home);
	free(user->shell);
}

void people_free(struct people *people)
{
	if (!people)
		return;
	struct people_lists *l = people->lists;
	for (size_t i = 0; i < l->user_count; i++)
		free_user(&l->users[i]);
	free(l->users);
	free(l->groups);
	free(l->members);
	free(l->bindings);
	free(l->stones);
	free(l);
	free(people);
}

static uint32_t take_id(struct people_lists *l, uint32_t wanted)
{
	uint32_t id = wanted ? wanted : l->highest + 1;
	if (id > l->highest && id <= MTLS_ID_WINDOW_MAX)
		l->highest = id;
	return id;
}

static char *copy_of(const char *text)
{
	char *copy = strdup(text);
	must(copy, "memory");
	return copy;
}

uint32_t people_add(struct people *people, const struct people_user *user)
{
	struct people_lists *l = people->lists;
	char home[sizeof("/home/") + MTLS_ACCOUNT_NAME_MAX];
	l->users = grow(l->users, l->user_count, sizeof(*l->users));
	struct user *new = &l->users[l->user_count++];
	(void)snprintf(home, sizeof(home), "/home/%s", user->name);
	uint32_t uid = take_id(l, user->uid);
	*new = (struct user){ .name = name_of(user->name),
			      .gecos = copy_of(user->gecos ? user->gecos : "A Person"),
			      .home = copy_of(user->home ? user->home : home),
			      .shell = copy_of(user->shell ? user->shell : "/bin/sh"),
			      .uid = uid,
			      .gid = user->gid ? user->gid : uid,
			      .source = user->source };
	return uid;
}

uint32_t people_user(struct people *people, const char *name)
{
	return people_add(people, &(struct people_user){ .name = name });
}

uint32_t people_group(struct people *people, const char *name, uint32_t gid, uint8_t source)
{
	struct people_lists *l = people->lists;
	l->groups = grow(l->groups, l->group_count, sizeof(*l->groups));
	gid = take_id(l, gid);
	l->groups[l->group_count++] =
		(struct group){ .name = name_of(name), .gid = gid, .source = source };
	return gid;
}

void people_join(struct people *people, const char *group, const char *user)
{
	struct people_lists *l = people->lists;
	l->members = grow(l->members, l->member_count, sizeof(*l->members));
	struct member *new = &l->members[l->member_count++];
	*new = (struct member){ .group = name_of(group), .user = name_of(user) };
	for (size_t i = 0; i < l->group_count; i++)
		if (strcmp(l->groups[i].name.text, group) == 0)
			new->gid = l->groups[i].gid;
	must(new->gid, "no such group to join");
}

void people_bind(struct people *people, const char *key, const char *name)
{
	struct people_lists *l = people->lists;
	l->bindings = grow(l->bindings, l->binding_count, sizeof(*l->bindings));
	struct binding *new = &l->bindings[l->binding_count++];
	*new = (struct binding){ .name = name_of(name) };
	must(mtls_strcopy(new->key, sizeof(new->key), key) == 0, "a key is too long");
}

void people_tombstone(struct people *people, bool group, uint32_t id, const char *name)
{
	struct people_lists *l = people->lists;
	l->stones = grow(l->stones, l->stone_count, sizeof(*l->stones));
	l->stones[l->stone_count++] =
		(struct tombstone){ .group = group, .id = take_id(l, id), .name = name_of(name) };
}

uint8_t people_source(struct people *people, const char *name)
{
	struct people_lists *l = people->lists;
	must(l->source_count < MTLS_ACCTDB_SOURCES_MAX, "sources");
	l->sources[l->source_count] = name_of(name);
	return (uint8_t)l->source_count++;
}

void people_remove(struct people *people, const char *user)
{
	struct people_lists *l = people->lists;
	for (size_t i = 0; i < l->user_count; i++) {
		if (strcmp(l->users[i].name.text, user) != 0)
			continue;
		uint32_t uid = l->users[i].uid;
		people_tombstone(people, false, uid, user);
		if (l->users[i].gid == uid)
			people_tombstone(people, true, uid, user);
		free_user(&l->users[i]);
		l->users[i--] = l->users[--l->user_count];
	}
	for (size_t i = 0; i < l->member_count; i++)
		if (strcmp(l->members[i].user.text, user) == 0)
			l->members[i--] = l->members[--l->member_count];
	for (size_t i = 0; i < l->binding_count; i++)
		if (strcmp(l->bindings[i].name.text, user) == 0)
			l->bindings[i--] = l->bindings[--l->binding_count];
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

static int by_id(uint32_t a, uint32_t b)
{
	return (a > b) - (a < b);
}

static int by_stone(const void *a, const void *b)
{
	const struct tombstone *x = a, *y = b;
	return x->group != y->group ? x->group - y->group : by_id(x->id, y->id);
}

static int by_group(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	int r = by_name(&x->group, &y->group);
	return r ? r : by_name(&x->user, &y->user);
}

static int by_user(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	int r = by_name(&x->user, &y->user);
	return r ? r : by_id(x->gid, y->gid);
}

static int by_key(const void *a, const void *b)
{
	const struct binding *x = a, *y = b;
	int r = strcmp(x->key, y->key);
	return r ? r : by_name(&x->name, &y->name);
}

static void sort(void *list, size_t count, size_t size, int (*compare)(const void *, const void *))
{
	if (count)
		qsort(list, count, size, compare);
}

struct walk {
	struct people_lists *l;
	people_each_fn *each;
	void *ctx;
	uint64_t items;
	struct mtls_buf list;
};

static struct mtls_acct_str str_of(const char *text)
{
	return (struct mtls_acct_str){ .data = text, .len = strlen(text) };
}

static int send(struct walk *w, const struct mtls_acct_item *item)
{
	w->items++;
	return w->each(w->ctx, item);
}

static int walk_head(struct walk *w, const struct people *people)
{
	struct mtls_acct_item item = { .kind = MTLS_ACCT_ITEM_BEGIN,
				       .u.begin = { people->generation, people->no_enumeration } };
	int r = send(w, &item);
	if (r)
		return r;
	item = (struct mtls_acct_item){ .kind = MTLS_ACCT_ITEM_NEXT, .u.next = people->next };
	if (!item.u.next.uid)
		item.u.next = (struct mtls_acct_next){ w->l->highest + 1, w->l->highest + 1 };
	r = send(w, &item);
	for (size_t i = 1; !r && i < w->l->source_count; i++) {
		item = (struct mtls_acct_item){ .kind = MTLS_ACCT_ITEM_SOURCE,
						.u.source = { (uint8_t)i,
							      str_of(w->l->sources[i].text) } };
		r = send(w, &item);
	}
	return r;
}

static int walk_stones(struct walk *w)
{
	int r = 0;
	sort(w->l->stones, w->l->stone_count, sizeof(*w->l->stones), by_stone);
	for (size_t i = 0; !r && i < w->l->stone_count; i++) {
		const struct tombstone *stone = &w->l->stones[i];
		const struct mtls_acct_item item = {
			.kind = MTLS_ACCT_ITEM_TOMBSTONE,
			.u.tombstone = { stone->group, stone->id, 1234, str_of(stone->name.text) },
		};
		r = send(w, &item);
	}
	return r;
}

static int walk_groups(struct walk *w)
{
	int r = 0;
	sort(w->l->groups, w->l->group_count, sizeof(*w->l->groups), by_name);
	for (size_t i = 0; !r && i < w->l->group_count; i++) {
		const struct group *group = &w->l->groups[i];
		const struct mtls_acct_item item = {
			.kind = MTLS_ACCT_ITEM_GROUP,
			.u.group = { .gid = group->gid,
				     .source = group->source,
				     .name = str_of(group->name.text) },
		};
		r = send(w, &item);
	}
	return r;
}

static int walk_users(struct walk *w)
{
	int r = 0;
	size_t at = 0;
	struct people_lists *l = w->l;
	sort(l->users, l->user_count, sizeof(*l->users), by_name);
	sort(l->members, l->member_count, sizeof(*l->members), by_user);
	for (size_t i = 0; !r && i < l->user_count; i++) {
		const struct user *user = &l->users[i];
		mtls_buf_reset(&w->list);
		while (at < l->member_count && by_name(&l->members[at].user, &user->name) < 0)
			at++;
		for (; at < l->member_count && !by_name(&l->members[at].user, &user->name); at++)
			(void)mtls_acct_ids_pack(l->members[at].gid, &w->list);
		const struct mtls_acct_item item = {
			.kind = MTLS_ACCT_ITEM_USER,
			.u.user = { { user->uid, user->gid, user->source, str_of(user->name.text),
				      str_of(user->gecos), str_of(user->home),
				      str_of(user->shell) },
				    { (uint32_t)(w->list.len / 4), w->list.data } },
		};
		r = send(w, &item);
	}
	return r;
}

static int walk_members(struct walk *w)
{
	int r = 0;
	size_t at = 0;
	struct people_lists *l = w->l;
	sort(l->members, l->member_count, sizeof(*l->members), by_group);
	for (size_t i = 0; !r && i < l->group_count; i++) {
		uint32_t count = 0;
		mtls_buf_reset(&w->list);
		for (; at < l->member_count && !by_name(&l->members[at].group, &l->groups[i].name);
		     at++, count++)
			(void)mtls_acct_names_pack(l->members[at].user.text, &w->list);
		const struct mtls_acct_item item = {
			.kind = MTLS_ACCT_ITEM_MEMBERS,
			.u.members = { l->groups[i].gid, { count, w->list.data, w->list.len } },
		};
		r = send(w, &item);
	}
	return r;
}

static int walk_bindings(struct walk *w)
{
	int r = 0;
	struct people_lists *l = w->l;
	sort(l->bindings, l->binding_count, sizeof(*l->bindings), by_key);
	for (size_t i = 0; !r && i < l->binding_count;) {
		const char *key = l->bindings[i].key;
		uint32_t count = 0;
		mtls_buf_reset(&w->list);
		for (; i < l->binding_count && mtls_streq(l->bindings[i].key, key); i++, count++)
			(void)mtls_acct_names_pack(l->bindings[i].name.text, &w->list);
		const struct mtls_acct_item item = {
			.kind = MTLS_ACCT_ITEM_BINDING,
			.u.binding = { str_of(key), { count, w->list.data, w->list.len } },
		};
		r = send(w, &item);
	}
	return r;
}

int people_walk(struct people *people, people_each_fn *each, void *ctx)
{
	static int (*const parts[])(struct walk * w) = { walk_stones, walk_groups, walk_users,
							 walk_members, walk_bindings };
	struct walk w = {
		.l = people->lists, .each = each, .ctx = ctx, .list = MTLS_BUF(MTLS_ACCT_FRAME_MAX)
	};
	int r = walk_head(&w, people);
	for (size_t i = 0; !r && i < MTLS_COUNT(parts); i++)
		r = parts[i](&w);
	must(!w.list.err, "memory");
	mtls_buf_done(&w.list);
	const struct mtls_acct_item end = { .kind = MTLS_ACCT_ITEM_END,
					    .u.end.items = w.items + 1 };
	return r ? r : each(ctx, &end);
}

static int append_frame(void *ctx, const struct mtls_acct_item *item)
{
	must(mtls_acct_item_encode(item, ctx) == 0, "a frame");
	return 0;
}

void people_frames(struct people *people, struct mtls_buf *out)
{
	(void)people_walk(people, append_frame, out);
}

static int build(struct mtls_acctbuild *to, const struct mtls_buf *frames, struct mtls_diag *diag)
{
	for (size_t at = 0, size; at < frames->len; at += size) {
		struct mtls_acct_item item;
		int r = mtls_acct_frame_size(frames->data + at, frames->len - at, &size);
		must(r == 0 && size && size <= frames->len - at, "the size of a frame");
		r = mtls_acct_item_decode(frames->data + at, size, &item);
		must(r == 0, "the content of a frame");
		r = mtls_acctbuild_add(to, &item, diag);
		if (r < 0)
			return r;
	}
	struct mtls_acct_header header;
	return mtls_acctbuild_finish(to, &header, diag);
}

int people_write(struct people *people, int fd, struct mtls_diag *diag)
{
	const struct mtls_acctbuild_options options = { .ids = people->ids,
							.local = people->local,
							.created = people->created,
							.fd = fd,
							.dropped = people->dropped,
							.ctx = people->ctx };
	_cleanup_(mtls_acctbuild_freep) struct mtls_acctbuild *to = NULL;
	int r = mtls_acctbuild_new(&options, &to, diag);
	if (r < 0)
		return r;
	struct mtls_buf frames = MTLS_BUF(SIZE_MAX / 2);
	people_frames(people, &frames);
	r = build(to, &frames, diag);
	mtls_buf_done(&frames);
	if (r >= 0)
		people->generation++;
	return r;
}
