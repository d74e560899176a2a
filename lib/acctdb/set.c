/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The set of accounts as the writer changes it: libc search trees over objects that the set owns.
 * The rules about who may get which name and id live here. One thread.
 */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "lib/acctdb/set.h"
#include "lib/base/str.h"
#include "lib/name/key.h"

struct mtls_acctset {
	struct mtls_id_window window;
	const struct mtls_local *local; /* borrowed */
	struct mtls_acct_next next;
	/* Roots of tsearch(3). The objects belong to the trees by name, key and id. */
	void *users, *users_by_uid;
	void *groups, *groups_by_gid;
	void *bindings, *tombstones;
};

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

static struct mtls_acctset_user *find_user(const struct mtls_acctset *set, const char *name)
{
	union {
		const char *in;
		char *out;
	} key = { .in = name };
	const struct mtls_acctset_user wanted = { .name = key.out };
	return find_in(&set->users, &wanted, user_cmp);
}

static struct mtls_acctset_group *find_group(const struct mtls_acctset *set, const char *name)
{
	union {
		const char *in;
		char *out;
	} key = { .in = name };
	const struct mtls_acctset_group wanted = { .name = key.out };
	return find_in(&set->groups, &wanted, group_cmp);
}

static struct mtls_acctset_binding *find_binding(const struct mtls_acctset *set, const char *text)
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
	return find_user(set, name);
}

const struct mtls_acctset_group *mtls_acctset_group(const struct mtls_acctset *set,
						    const char *name)
{
	return find_group(set, name);
}

static bool has_uid(const struct mtls_acctset *set, uint32_t uid)
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
	const struct mtls_acctset_user *user = find_user(set, group->name);
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

static int plant_user(struct mtls_acctset *set, const struct mtls_acct_user *from)
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

static int plant_group(struct mtls_acctset *set, const char *name, size_t len, uint32_t gid)
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

static int plant_tombstone(struct mtls_acctset *set, bool is_group, uint32_t id, uint64_t time,
			   const char *name, size_t len)
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

/* Room is made for powers of two, so that a large group grows in linear time. */
static bool full(size_t count)
{
	return (count & (count - 1)) == 0;
}

static size_t room_for(size_t count)
{
	return count ? 2 * count : 1;
}

static int join(struct mtls_acctset_group *group, struct mtls_acctset_user *user)
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

static bool is_member(const struct mtls_acctset_user *user, uint32_t gid)
{
	for (size_t i = 0; i < user->gid_count; i++)
		if (user->gids[i] == gid)
			return true;
	return false;
}

static void leave(struct mtls_acctset_group *group, struct mtls_acctset_user *user)
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

static int check_name(const struct mtls_acctset *set, const char *name, struct mtls_diag *diag)
{
	size_t len = strlen(name);
	if (mtls_account_name_reserved(name, len))
		return mtls_diag_set(diag, MTLS_E_DENIED,
				     "the name '%s' is reserved for the system", name);
	if (!mtls_account_name_ownable(name, len))
		return mtls_diag_set(
			diag, MTLS_E_SYNTAX,
			"'%s' is not a name for an account: small letters, digits, '_' "
			"and '-', a letter first, at most %d bytes",
			name, MTLS_OWNED_NAME_MAX);
	if (find_user(set, name))
		return mtls_diag_set(diag, MTLS_E_EXISTS, "an account '%s' exists already", name);
	if (find_group(set, name))
		return mtls_diag_set(diag, MTLS_E_EXISTS, "a group '%s' exists already", name);
	if (mtls_local_has_user(set->local, name))
		return mtls_diag_set(diag, MTLS_E_EXISTS,
				     "'%s' is a local account of this machine (/etc/passwd)", name);
	if (mtls_local_has_group(set->local, name))
		return mtls_diag_set(diag, MTLS_E_EXISTS,
				     "'%s' is a local group of this machine (/etc/group)", name);
	return 0;
}

/* NULL, or why an id cannot be given to anybody. It is asked as uid and as gid alike. */
static const char *taken(const struct mtls_acctset *set, uint32_t id)
{
	if (!mtls_id_allowed(&set->window, id))
		return "is outside of the configured window or reserved";
	if (has_uid(set, id) || mtls_acctset_has_gid(set, id))
		return "is in use";
	if (mtls_acctset_has_tombstone(set, false, id) || mtls_acctset_has_tombstone(set, true, id))
		return "belonged to a removed account and is never given out again";
	if (mtls_local_has_uid(set->local, id) || mtls_local_has_gid(set->local, id))
		return "is held by this machine's own files (passwd, group, subuid, subgid)";
	return NULL;
}

static int allocate(struct mtls_acctset *set, uint32_t *ret_id, struct mtls_diag *diag)
{
	uint32_t next = set->next.uid > set->next.gid ? set->next.uid : set->next.gid;
	if (next < set->window.min)
		next = set->window.min;
	for (uint64_t id = next; id <= set->window.max; id++) {
		if (taken(set, (uint32_t)id))
			continue;
		*ret_id = (uint32_t)id;
		return 0;
	}
	return mtls_diag_set(diag, MTLS_E_LIMIT,
			     "no id is left between %" PRIu32 " and %" PRIu32
			     ": widen id_min and id_max in accountd.conf",
			     set->window.min, set->window.max);
}

static int check_fields(const struct mtls_acctset_spec *spec, const char *gecos,
			struct mtls_diag *diag)
{
	size_t home = strlen(spec->home), shell = strlen(spec->shell);
	if (!mtls_account_gecos_valid(gecos, strlen(gecos)))
		return mtls_diag_set(diag, MTLS_E_SYNTAX,
				     "the gecos text must be UTF-8 without ':' and control "
				     "characters, at most 255 bytes");
	if (home > MTLS_ACCTDB_FIELD_MAX || !mtls_account_path_valid(spec->home, home))
		return mtls_diag_set(diag, MTLS_E_SYNTAX,
				     "'%s' is not a home: an absolute path without '..' and ':', "
				     "at most 255 bytes",
				     spec->home);
	if (shell > MTLS_ACCTDB_FIELD_MAX || !mtls_account_path_valid(spec->shell, shell))
		return mtls_diag_set(diag, MTLS_E_SYNTAX,
				     "'%s' is not a shell: an absolute path without '..' and ':', "
				     "at most 255 bytes",
				     spec->shell);
	return 0;
}

struct name_search {
	const char *name;
	bool found;
	uint32_t uid;
};

static int names_account(void *ctx, const struct mtls_acctset_binding *binding)
{
	struct name_search *search = ctx;
	for (char **name = binding->names; *name; name++)
		if (mtls_streq(*name, search->name))
			search->found = true;
	return search->found;
}

/*
 * A binding to another source's account holds only the name. An account of ours that takes the name
 * later must not inherit the certificate.
 */
static int check_not_bound(const struct mtls_acctset *set, const char *name, struct mtls_diag *diag)
{
	static const struct mtls_acctset_walk walk = { .binding = names_account };
	struct name_search search = { .name = name };
	(void)mtls_acctset_walk(set, &walk, &search);
	if (!search.found)
		return 0;
	return mtls_diag_set(diag, MTLS_E_EXISTS,
			     "a certificate is bound to '%s' as an account of another source; "
			     "remove that binding first",
			     name);
}

static int pick_id(struct mtls_acctset *set, uint32_t wanted, uint32_t *ret_id,
		   struct mtls_diag *diag)
{
	if (!wanted)
		return allocate(set, ret_id, diag);
	const char *why = taken(set, wanted);
	if (why)
		return mtls_diag_set(diag, MTLS_E_DENIED, "the id %" PRIu32 " %s", wanted, why);
	*ret_id = wanted;
	return 0;
}

static struct mtls_acct_str text_of(const char *text)
{
	return (struct mtls_acct_str){ .data = text, .len = strlen(text) };
}

int mtls_acctset_add_user(struct mtls_acctset *set, const struct mtls_acctset_spec *spec,
			  uint32_t *ret_uid, struct mtls_diag *diag)
{
	const char *gecos = spec->gecos ? spec->gecos : "";
	uint32_t id = 0;
	int r = check_name(set, spec->name, diag);
	if (r >= 0)
		r = check_fields(spec, gecos, diag);
	if (r >= 0)
		r = check_not_bound(set, spec->name, diag);
	if (r >= 0)
		r = pick_id(set, spec->uid, &id, diag);
	if (r < 0)
		return r;

	const struct mtls_acct_user user = { .uid = id,
					     .gid = id,
					     .name = text_of(spec->name),
					     .gecos = text_of(gecos),
					     .home = text_of(spec->home),
					     .shell = text_of(spec->shell) };
	r = plant_group(set, spec->name, user.name.len, id);
	if (r >= 0)
		r = plant_user(set, &user);
	if (r < 0)
		return mtls_diag_set(diag, r, "%s", mtls_strerror(r));
	/* An id that was asked for leaves the sequence alone; the sequence steps over it. */
	if (!spec->uid)
		set->next = (struct mtls_acct_next){ .uid = id + 1, .gid = id + 1 };
	*ret_uid = id;
	return 0;
}

int mtls_acctset_add_group(struct mtls_acctset *set, const char *name, uint32_t *ret_gid,
			   struct mtls_diag *diag)
{
	uint32_t id = 0;
	int r = check_name(set, name, diag);
	if (r >= 0)
		r = allocate(set, &id, diag);
	if (r < 0)
		return r;
	r = plant_group(set, name, strlen(name), id);
	if (r < 0)
		return mtls_diag_set(diag, r, "%s", mtls_strerror(r));
	set->next = (struct mtls_acct_next){ .uid = id + 1, .gid = id + 1 };
	*ret_gid = id;
	return 0;
}

int mtls_acctset_add_member(struct mtls_acctset *set, const char *group_name, const char *user_name,
			    struct mtls_diag *diag)
{
	struct mtls_acctset_group *group = find_group(set, group_name);
	struct mtls_acctset_user *user = find_user(set, user_name);
	if (!group)
		return mtls_diag_set(diag, MTLS_E_NOTFOUND, "there is no group '%s'", group_name);
	if (!user)
		return mtls_diag_set(diag, MTLS_E_NOTFOUND, "there is no account '%s'", user_name);
	if (mtls_acctset_group_is_private(set, group))
		return mtls_diag_set(diag, MTLS_E_DENIED,
				     "'%s' is the private group of the account '%s'", group_name,
				     group_name);
	if (is_member(user, group->gid))
		return 0;
	if (group->member_count >= MTLS_ACCTDB_MEMBERS_MAX ||
	    user->gid_count >= MTLS_ACCTDB_GROUPS_MAX)
		return mtls_diag_set(diag, MTLS_E_LIMIT,
				     "'%s' cannot join '%s': at most %d members of a group and %d "
				     "groups of a user",
				     user_name, group_name, MTLS_ACCTDB_MEMBERS_MAX,
				     MTLS_ACCTDB_GROUPS_MAX);
	int r = join(group, user);
	return r < 0 ? mtls_diag_set(diag, r, "out of memory") : 0;
}

static void drop_name(char **names, const char *name)
{
	char **to = names;
	for (char **from = names; *from; from++) {
		if (mtls_streq(*from, name))
			free(*from);
		else
			*to++ = *from;
	}
	*to = NULL;
}

static void drop_binding(struct mtls_acctset *set, struct mtls_acctset_binding *binding)
{
	(void)tdelete(binding, &set->bindings, binding_cmp);
	binding_free(binding);
}

static int find_bound(void *ctx, const struct mtls_acctset_binding *binding)
{
	struct name_search *search = ctx;
	for (char **name = binding->names; *name; name++)
		if (mtls_streq(*name, search->name))
			return 1;
	return 0;
}

struct bound_keys {
	const char *name;
	char **keys;
};

static int collect_key(void *ctx, const struct mtls_acctset_binding *binding)
{
	struct bound_keys *bound = ctx;
	struct name_search search = { .name = bound->name };
	return find_bound(&search, binding) ? mtls_strv_add(&bound->keys, binding->key) : 0;
}

static int unbind_all(struct mtls_acctset *set, const char *name)
{
	static const struct mtls_acctset_walk walk = { .binding = collect_key };
	struct bound_keys bound = { .name = name };
	int r = mtls_acctset_walk(set, &walk, &bound);
	for (char **key = bound.keys; r >= 0 && key && *key; key++)
		r = mtls_acctset_unbind(set, *key, name, NULL);
	mtls_strv_free(bound.keys);
	return r;
}

static struct mtls_acctset_group *group_of_gid(const struct mtls_acctset *set, uint32_t gid)
{
	const struct mtls_acctset_group wanted = { .gid = gid };
	return find_in(&set->groups_by_gid, &wanted, gid_cmp);
}

int mtls_acctset_remove_user(struct mtls_acctset *set, const char *name, uint64_t time,
			     struct mtls_diag *diag)
{
	struct mtls_acctset_user *user = find_user(set, name);
	if (!user)
		return mtls_diag_set(diag, MTLS_E_NOTFOUND, "there is no account '%s' of mtls",
				     name);
	size_t len = strlen(user->name);
	int r = plant_tombstone(set, false, user->uid, time, user->name, len);
	if (r >= 0)
		r = plant_tombstone(set, true, user->gid, time, user->name, len);
	if (r >= 0)
		r = unbind_all(set, user->name);
	if (r < 0)
		return mtls_diag_set(diag, r, "cannot remove '%s': %s", name, mtls_strerror(r));
	while (user->gid_count) {
		struct mtls_acctset_group *group = group_of_gid(set, user->gids[0]);
		if (!group)
			return mtls_diag_set(diag, MTLS_E_BUG, "a group of '%s' is missing", name);
		leave(group, user);
	}
	struct mtls_acctset_group *private = group_of_gid(set, user->gid);
	if (private) {
		(void)tdelete(private, &set->groups, group_cmp);
		(void)tdelete(private, &set->groups_by_gid, gid_cmp);
		group_free(private);
	}
	(void)tdelete(user, &set->users, user_cmp);
	(void)tdelete(user, &set->users_by_uid, uid_cmp);
	user_free(user);
	return 0;
}

static int plant_binding(struct mtls_acctset *set, const char *key, const char *name)
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

static int check_key(const char *key, struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf canonical = MTLS_BUF(MTLS_KEY_MAX);
	enum mtls_key_kind kind;
	int r = mtls_key_parse(key, strlen(key), &kind, &canonical, diag);
	if (r < 0)
		return r;
	if (!mtls_streq(mtls_buf_cstr(&canonical), key))
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "the key '%s' is not canonical", key);
	return 0;
}

int mtls_acctset_bind(struct mtls_acctset *set, const char *key, const char *name,
		      struct mtls_diag *diag)
{
	if (!mtls_acct_bindable(name, strlen(name)))
		return mtls_diag_set(diag, MTLS_E_DENIED,
				     "no certificate can be bound to '%s': not a name, or reserved",
				     name);
	int r = check_key(key, diag);
	if (r < 0)
		return r;
	struct mtls_acctset_binding *binding = find_binding(set, key);
	if (!binding) {
		r = plant_binding(set, key, name);
		return r < 0 ? mtls_diag_set(diag, r, "%s", mtls_strerror(r)) : 0;
	}
	for (char **bound = binding->names; *bound; bound++)
		if (mtls_streq(*bound, name))
			return mtls_diag_set(diag, MTLS_E_EXISTS,
					     "the key is bound to '%s' already", name);
	if (mtls_strv_count(binding->names) >= MTLS_ACCTDB_NAMES_MAX)
		return mtls_diag_set(diag, MTLS_E_LIMIT, "the key is bound to %d accounts already",
				     MTLS_ACCTDB_NAMES_MAX);
	return mtls_strv_add(&binding->names, name);
}

int mtls_acctset_unbind(struct mtls_acctset *set, const char *key, const char *name,
			struct mtls_diag *diag)
{
	struct mtls_acctset_binding *binding = find_binding(set, key);
	size_t before = binding ? mtls_strv_count(binding->names) : 0;
	if (before)
		drop_name(binding->names, name);
	if (!before || mtls_strv_count(binding->names) == before)
		return mtls_diag_set(diag, MTLS_E_NOTFOUND, "'%s' is not bound to that key", name);
	if (before == 1)
		drop_binding(set, binding);
	return 0;
}

static int is_former(void *ctx, const struct mtls_acctset_tombstone *stone)
{
	struct name_search *search = ctx;
	if (!stone->group && mtls_streq(stone->name, search->name)) {
		search->found = true;
		search->uid = stone->id;
	}
	return 0;
}

bool mtls_acctset_former_user(const struct mtls_acctset *set, const char *name, uint32_t *ret_uid)
{
	static const struct mtls_acctset_walk walk = { .tombstone = is_former };
	struct name_search search = { .name = name };
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

/* Loading: users first, so that members find them whatever the order in the file. */
struct loading {
	struct mtls_acctset *set;
	const struct mtls_acctdb *db;
	bool users;
	uint32_t user_count, group_count, binding_count, tombstone_count;
};

static int load_group(struct loading *l, const uint8_t *value, size_t len)
{
	struct mtls_acct_group group;
	int r = mtls_acct_group_decode(&l->db->header.window, value, len, &group);
	if (r >= 0)
		r = plant_group(l->set, group.name.data, group.name.len, group.gid);
	if (r < 0)
		return r;
	l->group_count++;
	struct mtls_acctset_group *planted = group_of_gid(l->set, group.gid);
	struct mtls_acct_str member;
	for (size_t at = 0; mtls_acct_names_next(&group.members, &at, &member);) {
		char name[MTLS_OWNED_NAME_MAX + 1] = "";
		memcpy(name, member.data, member.len);
		struct mtls_acctset_user *user = find_user(l->set, name);
		r = user && planted ? join(planted, user) : MTLS_E_CORRUPT;
		if (r < 0)
			return r;
	}
	return 0;
}

static int load_binding(struct loading *l, struct mtls_acct_str key, const uint8_t *value,
			size_t len)
{
	struct mtls_acct_names names;
	int r = mtls_acct_binding_decode(value, len, &names);
	if (r < 0)
		return r;
	_cleanup_free_ char *text = strndup(key.data + 1, key.len - 1);
	if (!text)
		return -ENOMEM;
	l->binding_count++;
	struct mtls_acct_str name;
	for (size_t at = 0; mtls_acct_names_next(&names, &at, &name);) {
		char copy[MTLS_ACCOUNT_NAME_MAX + 1] = "";
		memcpy(copy, name.data, name.len);
		r = mtls_acctset_bind(l->set, text, copy, NULL);
		if (r < 0)
			return r == -ENOMEM ? r : MTLS_E_CORRUPT;
	}
	return 0;
}

static int load_tombstone(struct loading *l, struct mtls_acct_str key, const uint8_t *value,
			  size_t len)
{
	struct mtls_acct_tombstone stone;
	uint32_t id;
	if (key.len != 2 + sizeof(id))
		return MTLS_E_CORRUPT;
	int r = mtls_acct_tombstone_decode(value, len, &stone);
	if (r < 0)
		return r;
	const struct mtls_acct_ids in_key = { .count = 1, .data = (const uint8_t *)key.data + 2 };
	id = mtls_acct_ids_get(&in_key, 0);
	l->tombstone_count++;
	return plant_tombstone(l->set, key.data[1] == 'g', id, stone.time, stone.name.data,
			       stone.name.len);
}

static int load_user(struct loading *l, const uint8_t *value, size_t len)
{
	struct mtls_acct_user user;
	int r = mtls_acct_user_decode(&l->db->header.window, value, len, &user);
	if (r < 0)
		return r;
	l->user_count++;
	return plant_user(l->set, &user);
}

static int load_record(void *ctx, enum mtls_acct_kind kind, struct mtls_acct_str key,
		       const uint8_t *value, size_t len)
{
	struct loading *l = ctx;
	if (l->users)
		return kind == MTLS_ACCT_USER_NAME ? load_user(l, value, len) : 0;
	switch (kind) {
	case MTLS_ACCT_NEXT:
		return mtls_acct_next_decode(value, len, &l->set->next);
	case MTLS_ACCT_GROUP_NAME:
		return load_group(l, value, len);
	case MTLS_ACCT_BINDING:
		return load_binding(l, key, value, len);
	case MTLS_ACCT_TOMBSTONE:
		return load_tombstone(l, key, value, len);
	default:
		return 0; /* a second view of something above */
	}
}

int mtls_acctset_load(const struct mtls_acctdb *db, const struct mtls_id_window *window,
		      const struct mtls_local *local, struct mtls_acctset **ret,
		      struct mtls_diag *diag)
{
	_cleanup_(mtls_acctset_freep) struct mtls_acctset *set = NULL;
	int r = mtls_acctset_new(window, local, &set);
	if (r < 0)
		return mtls_diag_set(diag, r, "out of memory");
	set->next = (struct mtls_acct_next){ 0 };
	struct loading l = { .set = set, .db = db, .users = true };
	r = mtls_acctdb_each(db, load_record, &l);
	l.users = false;
	if (r >= 0)
		r = mtls_acctdb_each(db, load_record, &l);
	if (r >= 0 && (l.user_count != db->header.users || l.group_count != db->header.groups ||
		       l.binding_count != db->header.bindings ||
		       l.tombstone_count != db->header.tombstones || !set->next.uid))
		r = MTLS_E_CORRUPT;
	if (r == MTLS_E_EXISTS)
		r = MTLS_E_CORRUPT;
	if (r < 0)
		return mtls_diag_set(diag, r, "the snapshot cannot be taken over: %s",
				     mtls_strerror(r));
	*ret = MTLS_TAKE(set);
	return 0;
}
