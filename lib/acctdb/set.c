/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The set of accounts as libc search trees over objects that the set owns. The rules are in
 * set_change.c. One thread.
 */
#include <config.h>

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "lib/acctdb/set_impl.h"
#include "lib/base/str.h"

static int user_cmp(const void *a, const void *b)
{
	return strcmp(((const struct mtls_acctset_user *)a)->name,
		      ((const struct mtls_acctset_user *)b)->name);
}

static int uid_cmp(const void *a, const void *b)
{
	uint32_t x = ((const struct mtls_acctset_user *)a)->uid;
	uint32_t y = ((const struct mtls_acctset_user *)b)->uid;
	return (x > y) - (x < y);
}

static int group_cmp(const void *a, const void *b)
{
	return strcmp(((const struct mtls_acctset_group *)a)->name,
		      ((const struct mtls_acctset_group *)b)->name);
}

static int gid_cmp(const void *a, const void *b)
{
	uint32_t x = ((const struct mtls_acctset_group *)a)->gid;
	uint32_t y = ((const struct mtls_acctset_group *)b)->gid;
	return (x > y) - (x < y);
}

static int binding_cmp(const void *a, const void *b)
{
	return strcmp(((const struct mtls_acctset_binding *)a)->key,
		      ((const struct mtls_acctset_binding *)b)->key);
}

static int tombstone_cmp(const void *a, const void *b)
{
	const struct mtls_acctset_tombstone *x = a, *y = b;
	if (x->group != y->group)
		return x->group - y->group;
	return (x->id > y->id) - (x->id < y->id);
}

static void user_free(void *p)
{
	struct mtls_acctset_user *user = p;
	if (!user)
		return;
	free(user->name);
	free(user->gecos);
	free(user->home);
	free(user->shell);
	free(user->gids);
	free(user);
}

static void group_free(void *p)
{
	struct mtls_acctset_group *group = p;
	if (!group)
		return;
	free(group->name);
	for (size_t i = 0; i < group->member_count; i++)
		free(group->members[i]);
	free(group->members);
	free(group);
}

static void binding_free(void *p)
{
	struct mtls_acctset_binding *binding = p;
	if (!binding)
		return;
	free(binding->key);
	mtls_strv_free(binding->names);
	free(binding);
}

static void tombstone_free(void *p)
{
	struct mtls_acctset_tombstone *stone = p;
	if (!stone)
		return;
	free(stone->name);
	free(stone);
}

static void keep(void *p)
{
	(void)p;
}

int mtls_acctset_new(const struct mtls_id_window *window, const struct mtls_local *local,
		     struct mtls_acctset **ret)
{
	struct mtls_acctset *set = calloc(1, sizeof(*set));
	if (!set)
		return -ENOMEM;
	set->window = *window;
	set->local = local;
	set->next = (struct mtls_acct_next){ .uid = window->min, .gid = window->min };
	*ret = set;
	return 0;
}

void mtls_acctset_free(struct mtls_acctset *set)
{
	if (!set)
		return;
	tdestroy(set->users_by_uid, keep);
	tdestroy(set->groups_by_gid, keep);
	tdestroy(set->users, user_free);
	tdestroy(set->groups, group_free);
	tdestroy(set->bindings, binding_free);
	tdestroy(set->tombstones, tombstone_free);
	free(set);
}

/* tsearch(3) trees give the address of a node whose first member is the object. */
static void *find_in(void *const *root, const void *object, __compar_fn_t compare)
{
	void *const *node = tfind(object, root, compare);
	return node ? *node : NULL;
}

struct mtls_acctset_user *mtls_acctset_find_user(const struct mtls_acctset *set, const char *name)
{
	union {
		const char *in;
		char *out;
	} key = { .in = name };
	const struct mtls_acctset_user wanted = { .name = key.out };
	return find_in(&set->users, &wanted, user_cmp);
}

struct mtls_acctset_group *mtls_acctset_find_group(const struct mtls_acctset *set, const char *name)
{
	union {
		const char *in;
		char *out;
	} key = { .in = name };
	const struct mtls_acctset_group wanted = { .name = key.out };
	return find_in(&set->groups, &wanted, group_cmp);
}

struct mtls_acctset_binding *mtls_acctset_find_binding(const struct mtls_acctset *set,
						       const char *text)
{
	union {
		const char *in;
		char *out;
	} key = { .in = text };
	const struct mtls_acctset_binding wanted = { .key = key.out };
	return find_in(&set->bindings, &wanted, binding_cmp);
}

const struct mtls_acctset_user *mtls_acctset_user(const struct mtls_acctset *set, const char *name)
{
	return mtls_acctset_find_user(set, name);
}

const struct mtls_acctset_group *mtls_acctset_group(const struct mtls_acctset *set,
						    const char *name)
{
	return mtls_acctset_find_group(set, name);
}

bool mtls_acctset_has_uid(const struct mtls_acctset *set, uint32_t uid)
{
	const struct mtls_acctset_user wanted = { .uid = uid };
	return find_in(&set->users_by_uid, &wanted, uid_cmp);
}

bool mtls_acctset_has_gid(const struct mtls_acctset *set, uint32_t gid)
{
	const struct mtls_acctset_group wanted = { .gid = gid };
	return find_in(&set->groups_by_gid, &wanted, gid_cmp);
}

bool mtls_acctset_has_tombstone(const struct mtls_acctset *set, bool group, uint32_t id)
{
	const struct mtls_acctset_tombstone wanted = { .group = group, .id = id };
	return find_in(&set->tombstones, &wanted, tombstone_cmp);
}

bool mtls_acctset_group_is_private(const struct mtls_acctset *set,
				   const struct mtls_acctset_group *group)
{
	const struct mtls_acctset_user *user = mtls_acctset_find_user(set, group->name);
	return user && user->gid == group->gid;
}

const struct mtls_id_window *mtls_acctset_window(const struct mtls_acctset *set)
{
	return &set->window;
}

const struct mtls_local *mtls_acctset_local(const struct mtls_acctset *set)
{
	return set->local;
}

void mtls_acctset_next_ids(const struct mtls_acctset *set, struct mtls_acct_next *ret)
{
	*ret = set->next;
}

/* Puts @object into both trees, or into none. The trees take it only on success. */
static int plant(void **root, __compar_fn_t compare, void **second, __compar_fn_t second_compare,
		 void *object)
{
	void *const *node = tsearch(object, root, compare);
	if (!node)
		return -ENOMEM;
	if (*node != object)
		return MTLS_E_EXISTS;
	if (!second)
		return 0;
	node = tsearch(object, second, second_compare);
	if (node && *node == object)
		return 0;
	(void)tdelete(object, root, compare);
	return node ? MTLS_E_EXISTS : -ENOMEM;
}

int mtls_acctset_plant_user(struct mtls_acctset *set, const struct mtls_acct_user *from)
{
	struct mtls_acctset_user *user = calloc(1, sizeof(*user));
	if (!user)
		return -ENOMEM;
	*user = (struct mtls_acctset_user){
		.uid = from->uid,
		.gid = from->gid,
		.name = strndup(from->name.data, from->name.len),
		.gecos = strndup(from->gecos.data, from->gecos.len),
		.home = strndup(from->home.data, from->home.len),
		.shell = strndup(from->shell.data, from->shell.len),
	};
	int r = user->name && user->gecos && user->home && user->shell ? 0 : -ENOMEM;
	if (r >= 0)
		r = plant(&set->users, user_cmp, &set->users_by_uid, uid_cmp, user);
	if (r < 0)
		user_free(user);
	return r;
}

int mtls_acctset_plant_group(struct mtls_acctset *set, const char *name, size_t len, uint32_t gid)
{
	struct mtls_acctset_group *group = calloc(1, sizeof(*group));
	if (!group)
		return -ENOMEM;
	group->gid = gid;
	group->name = strndup(name, len);
	int r = group->name ? 0 : -ENOMEM;
	if (r >= 0)
		r = plant(&set->groups, group_cmp, &set->groups_by_gid, gid_cmp, group);
	if (r < 0)
		group_free(group);
	return r;
}

int mtls_acctset_plant_tombstone(struct mtls_acctset *set, bool is_group, uint32_t id,
				 uint64_t time, const char *name, size_t len)
{
	struct mtls_acctset_tombstone *stone = calloc(1, sizeof(*stone));
	if (!stone)
		return -ENOMEM;
	*stone = (struct mtls_acctset_tombstone){
		.group = is_group, .id = id, .time = time, .name = strndup(name, len)
	};
	int r = stone->name ? 0 : -ENOMEM;
	if (r >= 0)
		r = plant(&set->tombstones, tombstone_cmp, NULL, NULL, stone);
	if (r < 0)
		tombstone_free(stone);
	return r;
}

int mtls_acctset_plant_binding(struct mtls_acctset *set, const char *key, const char *name)
{
	struct mtls_acctset_binding *binding = calloc(1, sizeof(*binding));
	if (!binding)
		return -ENOMEM;
	binding->key = strdup(key);
	int r = binding->key ? mtls_strv_add(&binding->names, name) : -ENOMEM;
	if (r >= 0)
		r = plant(&set->bindings, binding_cmp, NULL, NULL, binding);
	if (r < 0)
		binding_free(binding);
	return r;
}

void mtls_acctset_uproot_user(struct mtls_acctset *set, struct mtls_acctset_user *user)
{
	(void)tdelete(user, &set->users, user_cmp);
	(void)tdelete(user, &set->users_by_uid, uid_cmp);
	user_free(user);
}

void mtls_acctset_uproot_group(struct mtls_acctset *set, struct mtls_acctset_group *group)
{
	(void)tdelete(group, &set->groups, group_cmp);
	(void)tdelete(group, &set->groups_by_gid, gid_cmp);
	group_free(group);
}

void mtls_acctset_uproot_binding(struct mtls_acctset *set, struct mtls_acctset_binding *binding)
{
	(void)tdelete(binding, &set->bindings, binding_cmp);
	binding_free(binding);
}

/* Room is made for powers of two, so that a large group grows in linear time. */
static bool full(size_t count)
{
	return (count & (count - 1)) == 0;
}

static size_t room_for(size_t count)
{
	return count ? 2 * count : 1;
}

int mtls_acctset_join(struct mtls_acctset_group *group, struct mtls_acctset_user *user)
{
	if (full(group->member_count)) {
		char **members = reallocarray(group->members, room_for(group->member_count),
					      sizeof(*members));
		if (!members)
			return -ENOMEM;
		group->members = members;
	}
	if (full(user->gid_count)) {
		uint32_t *gids = reallocarray(user->gids, room_for(user->gid_count), sizeof(*gids));
		if (!gids)
			return -ENOMEM;
		user->gids = gids;
	}
	char *name = strdup(user->name);
	if (!name)
		return -ENOMEM;
	group->members[group->member_count++] = name;
	user->gids[user->gid_count++] = group->gid;
	return 0;
}

void mtls_acctset_leave(struct mtls_acctset_group *group, struct mtls_acctset_user *user)
{
	for (size_t i = 0; i < group->member_count; i++) {
		if (!mtls_streq(group->members[i], user->name))
			continue;
		free(group->members[i]);
		group->members[i] = group->members[--group->member_count];
		break;
	}
	for (size_t i = 0; i < user->gid_count; i++) {
		if (user->gids[i] != group->gid)
			continue;
		user->gids[i] = user->gids[--user->gid_count];
		break;
	}
}

struct mtls_acctset_group *mtls_acctset_find_gid(const struct mtls_acctset *set, uint32_t gid)
{
	const struct mtls_acctset_group wanted = { .gid = gid };
	return find_in(&set->groups_by_gid, &wanted, gid_cmp);
}

struct former_search {
	const char *name;
	bool found;
	uint32_t uid;
};

static int is_former(void *ctx, const struct mtls_acctset_tombstone *stone)
{
	struct former_search *search = ctx;
	if (!stone->group && mtls_streq(stone->name, search->name)) {
		search->found = true;
		search->uid = stone->id;
	}
	return 0;
}

bool mtls_acctset_former_user(const struct mtls_acctset *set, const char *name, uint32_t *ret_uid)
{
	static const struct mtls_acctset_walk walk = { .tombstone = is_former };
	struct former_search search = { .name = name };
	(void)mtls_acctset_walk(set, &walk, &search);
	if (search.found)
		*ret_uid = search.uid;
	return search.found;
}

/* What twalk_r(3) carries along: it cannot be stopped, so later objects are passed over. */
struct walking {
	const struct mtls_acctset_walk *walk;
	void *ctx;
	int result;
};

#define DEFINE_VISIT(kind)                                                                         \
	static void visit_##kind(const void *node, VISIT which, void *closure)                     \
	{                                                                                          \
		struct walking *w = closure;                                                       \
		if ((which == postorder || which == leaf) && !w->result)                           \
			w->result = w->walk->kind(                                                 \
				w->ctx, *(const struct mtls_acctset_##kind *const *)node);         \
	}
DEFINE_VISIT(user)
DEFINE_VISIT(group)
DEFINE_VISIT(binding)
DEFINE_VISIT(tombstone)

int mtls_acctset_walk(const struct mtls_acctset *set, const struct mtls_acctset_walk *walk,
		      void *ctx)
{
	struct walking w = { .walk = walk, .ctx = ctx };
	if (walk->user)
		twalk_r(set->users, visit_user, &w);
	if (walk->group)
		twalk_r(set->groups, visit_group, &w);
	if (walk->binding)
		twalk_r(set->bindings, visit_binding, &w);
	if (walk->tombstone)
		twalk_r(set->tombstones, visit_tombstone, &w);
	return w.result;
}
