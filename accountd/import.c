/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Collects, then makes: groups first, then users with their primary groups, then members. Numbers
 * of the client's file are looked up in the file itself, so that a primary group is found under the
 * number that it gets here.
 */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "accountd/import.h"
#include "lib/base/str.h"
#include "lib/roster/roster.h"

struct user {
	char *name, *gecos, *home, *shell, *groups; /* owned; NULL: not said */
	uint32_t uid, gid;                          /* MTLS_ROSTER_NO_ID: not said */
	uint32_t made;                              /* the uid that it got */
};

/* One item; several of one name are one group, of which the first in order is made. */
struct group {
	char *name, *members;
	uint32_t gid;
	uint32_t made;
	bool again;   /* the same group as the one before */
	bool private; /* a user's own: made with the user */
};

struct import {
	bool dry;
	struct mtls_id_window keep; /* ids that are kept; min over max: none */
	struct user *users;
	size_t user_count, user_room;
	struct group *groups; /* by name once import_make() has begun */
	size_t group_count, group_room;
	struct group **by_gid; /* owned; those that have one */
	size_t by_gid_count;
	size_t bytes;
	size_t told_users, told_groups; /* of the answer's items */
	int err;                        /* the first thing that was wrong */
	struct mtls_diag diag;
};

/* ------------------------------------------------------------------------------ collecting */

static int parse_range(const char *text, struct mtls_id_window *ret, struct mtls_diag *diag)
{
	char low[16];
	const char *dash = strchr(text, '-');
	size_t len = dash ? (size_t)(dash - text) : 0;

	if (!dash || len >= sizeof(low))
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "keep-ids: found '%s', expected MIN-MAX",
				     text);
	memcpy(low, text, len);
	low[len] = '\0';
	if (mtls_parse_u32(low, &ret->min) < 0 || mtls_parse_u32(dash + 1, &ret->max) < 0 ||
	    ret->min == 0 || ret->min > ret->max)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "keep-ids: found '%s', expected MIN-MAX",
				     text);
	return 0;
}

int import_new(const struct mtls_control_fields *fields, struct import **ret,
	       struct mtls_diag *diag)
{
	_cleanup_(import_freep) struct import *import = calloc(1, sizeof(*import));
	const char *keep = mtls_control_get(fields, "keep-ids");

	if (!import)
		return -ENOMEM;
	import->dry = mtls_control_get(fields, "dry-run") != NULL;
	import->keep.min = 1;
	int r = keep ? parse_range(keep, &import->keep, diag) : 0;
	if (r < 0)
		return r;
	*ret = MTLS_TAKE(import);
	return 0;
}

void import_free(struct import *import)
{
	if (!import)
		return;
	for (size_t i = 0; i < import->user_count; i++) {
		struct user *user = &import->users[i];
		free(user->name);
		free(user->gecos);
		free(user->home);
		free(user->shell);
		free(user->groups);
	}
	for (size_t i = 0; i < import->group_count; i++) {
		free(import->groups[i].name);
		free(import->groups[i].members);
	}
	free(import->users);
	free(import->groups);
	free(import->by_gid);
	free(import);
}

bool import_is_dry(const struct import *import)
{
	return import && import->dry;
}

/* Room for one more of @size bytes at *@list. */
static int make_room(void *list, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return 0;
	size_t wanted = *room ? *room * 2 : 64;
	void *grown = reallocarray(*(void **)list, wanted, size);
	if (!grown)
		return -ENOMEM;
	*(void **)list = grown;
	*room = wanted;
	return 0;
}

/* A copy of the field @name, or NULL where there is none. */
static int take_text(struct import *import, const struct mtls_control_item *item, const char *name,
		     char **ret)
{
	const char *text = mtls_control_get(&item->fields, name);

	*ret = NULL;
	if (!text)
		return 0;
	import->bytes += strlen(text) + 1;
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

static int take_id(const struct mtls_control_item *item, const char *name, uint32_t *ret,
		   struct mtls_diag *diag)
{
	const char *text = mtls_control_get(&item->fields, name);

	*ret = MTLS_ROSTER_NO_ID;
	if (!text || (mtls_parse_u32(text, ret) == 0 && *ret != MTLS_ROSTER_NO_ID))
		return 0;
	return mtls_diag_set(diag, MTLS_E_SYNTAX, "%s: found '%s', expected a number", name, text);
}

/* What is not there is NULL, also after a failure: the entry counts and is freed with the rest. */
static int take_user(struct import *import, const struct mtls_control_item *item)
{
	int r = make_room(&import->users, import->user_count, &import->user_room,
			  sizeof(*import->users));
	if (r < 0)
		return r;
	struct user *user = &import->users[import->user_count++];
	*user = (struct user){ 0 };
	const struct {
		const char *name;
		char **to;
	} texts[] = { { "name", &user->name },
		      { "gecos", &user->gecos },
		      { "home", &user->home },
		      { "shell", &user->shell },
		      { "groups", &user->groups } };
	for (size_t i = 0; r >= 0 && i < MTLS_COUNT(texts); i++)
		r = take_text(import, item, texts[i].name, texts[i].to);
	if (r >= 0)
		r = take_id(item, "uid", &user->uid, &import->diag);
	if (r >= 0)
		r = take_id(item, "gid", &user->gid, &import->diag);
	if (r >= 0 && !user->name)
		r = mtls_diag_set(&import->diag, MTLS_E_SYNTAX, "a user without a name");
	return r;
}

static int take_group(struct import *import, const struct mtls_control_item *item)
{
	int r = make_room(&import->groups, import->group_count, &import->group_room,
			  sizeof(*import->groups));
	if (r < 0)
		return r;
	struct group *group = &import->groups[import->group_count++];
	*group = (struct group){ 0 };
	r = take_text(import, item, "name", &group->name);
	if (r >= 0)
		r = take_text(import, item, "members", &group->members);
	if (r >= 0)
		r = take_id(item, "gid", &group->gid, &import->diag);
	if (r >= 0 && !group->name)
		r = mtls_diag_set(&import->diag, MTLS_E_SYNTAX, "a group without a name");
	return r;
}

int import_take(struct import *import, const struct mtls_control_item *item)
{
	int r;

	if (import->err < 0)
		return 0; /* the end will say it */
	if (import->user_count >= MTLS_ROSTER_ENTRIES_MAX ||
	    import->group_count >= MTLS_ROSTER_ENTRIES_MAX || import->bytes > IMPORT_BYTES_MAX)
		r = mtls_diag_set(&import->diag, MTLS_E_LIMIT, "too many accounts for one import");
	else if (mtls_streq(item->kind, "user"))
		r = take_user(import, item);
	else if (mtls_streq(item->kind, "group"))
		r = take_group(import, item);
	else
		r = mtls_diag_set(&import->diag, MTLS_E_SYNTAX, "import has no items '%s'",
				  item->kind);
	import->err = r;
	return r == -ENOMEM ? r : 0;
}

/* ------------------------------------------------------------------------------- ordering */

static int by_name(const void *a, const void *b)
{
	const struct group *left = a, *right = b;
	return strcmp(left->name, right->name);
}

static uint32_t gid_of(const void *p)
{
	return (*(struct group *const *)p)->gid;
}

static int by_gid(const void *a, const void *b)
{
	uint32_t left = gid_of(a), right = gid_of(b);
	return left < right ? -1 : left > right;
}

static struct group *find_name(struct import *import, const char *name)
{
	struct group wanted = { .name = (char *)(uintptr_t)name };
	/* Without groups there is no array, which bsearch(3) must not see. */
	struct group *found = !import->groups
				      ? NULL
				      : bsearch(&wanted, import->groups, import->group_count,
						sizeof(wanted), by_name);

	while (found && found->again)
		found--;
	return found;
}

static struct group *find_gid(struct import *import, uint32_t gid)
{
	struct group wanted = { .gid = gid }, *key = &wanted;
	struct group **found =
		bsearch(&key, import->by_gid, import->by_gid_count, sizeof(key), by_gid);

	return found ? *found : NULL;
}

/* Items of one group must agree; two groups must not have one number. */
static int join_items(struct import *import, struct mtls_diag *diag)
{
	for (size_t i = 1; i < import->group_count; i++) {
		struct group *before = &import->groups[i - 1], *group = &import->groups[i];
		group->again = mtls_streq(before->name, group->name);
		if (group->again && before->gid != group->gid)
			return mtls_diag_set(diag, MTLS_E_SYNTAX,
					     "group '%s' is there with two numbers", group->name);
	}
	return 0;
}

static int index_gids(struct import *import, struct mtls_diag *diag)
{
	import->by_gid = calloc(import->group_count + 1, sizeof(struct group *));
	if (!import->by_gid)
		return -ENOMEM;
	for (size_t i = 0; i < import->group_count; i++)
		if (!import->groups[i].again && import->groups[i].gid != MTLS_ROSTER_NO_ID)
			import->by_gid[import->by_gid_count++] = &import->groups[i];
	qsort(import->by_gid, import->by_gid_count, sizeof(struct group *), by_gid);
	for (size_t i = 1; i < import->by_gid_count; i++)
		if (import->by_gid[i]->gid == import->by_gid[i - 1]->gid)
			return mtls_diag_set(diag, MTLS_E_EXISTS,
					     "groups '%s' and '%s' have the same number %u",
					     import->by_gid[i - 1]->name, import->by_gid[i]->name,
					     import->by_gid[i]->gid);
	return 0;
}

static int order(struct import *import, struct mtls_diag *diag)
{
	if (import->group_count)
		qsort(import->groups, import->group_count, sizeof(struct group), by_name);
	int r = join_items(import, diag);
	return r < 0 ? r : index_gids(import, diag);
}

/* --------------------------------------------------------------------------------- making */

static bool kept(const struct import *import, uint32_t id)
{
	return id != MTLS_ROSTER_NO_ID && id >= import->keep.min && id <= import->keep.max;
}

/* The group of the user's name, with nobody but the user in it: what we call a private group. */
static bool is_private(struct import *import, const struct user *user, const struct group *group)
{
	const struct group *end = import->groups + import->group_count;

	if (user->gid != group->gid || group->gid == MTLS_ROSTER_NO_ID ||
	    (user->uid != user->gid && (kept(import, user->uid) || kept(import, user->gid))))
		return false;
	for (const struct group *item = group; item == group || (item < end && item->again); item++)
		if (item->members && item->members[0] && !mtls_streq(item->members, user->name))
			return false;
	return true;
}

static void find_private(struct import *import)
{
	for (size_t i = 0; i < import->user_count; i++) {
		struct user *user = &import->users[i];
		struct group *group = find_name(import, user->name);
		if (group && is_private(import, user, group))
			group->private = true;
	}
}

static int make_groups(struct import *import, struct store *store, struct mtls_diag *diag)
{
	for (size_t i = 0; i < import->group_count; i++) {
		struct group *group = &import->groups[i];
		if (group->again || group->private)
			continue;
		int r = store_add_group(store, group->name,
					kept(import, group->gid) ? group->gid : 0, &group->made,
					diag);
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * The primary group's number here; 0: a private one. A number that is not in the file is another
 * system's: that a group has it here too is chance, unless numbers are kept.
 */
static int primary_of(struct import *import, const struct user *user, uint32_t *ret,
		      struct mtls_diag *diag)
{
	*ret = 0;
	if (user->gid == MTLS_ROSTER_NO_ID)
		return 0;
	const struct group *group = find_gid(import, user->gid);
	if (group) {
		*ret = group->private ? 0 : group->made;
		return 0;
	}
	/* A number that is the user's own stands for a private group nobody wrote down. */
	if (user->gid == user->uid)
		return 0;
	if (!kept(import, user->gid))
		return mtls_diag_set(diag, MTLS_E_NOTFOUND,
				     "user '%.64s': its primary group %" PRIu32
				     " is not in the import: give its file too (--group), or keep "
				     "the number (--keep-ids) of a group that is here",
				     user->name, user->gid);
	*ret = user->gid;
	return 0;
}

static int make_user(struct import *import, struct keeper *keeper, struct user *user,
		     struct mtls_diag *diag)
{
	char home[MTLS_ACCOUNT_PATH_MAX + MTLS_ACCOUNT_NAME_MAX + 2];
	struct store_user_spec spec = {
		.name = user->name,
		.gecos = user->gecos,
		.home = user->home ? user->home : home,
		.shell = user->shell ? user->shell : keeper->settings->shell,
		.uid = kept(import, user->uid) ? user->uid : 0,
	};

	if (!user->home && snprintf(home, sizeof(home), "%s/%s", keeper->settings->home_base,
				    user->name) >= (int)sizeof(home))
		return mtls_diag_set(diag, MTLS_E_LIMIT, "the home of '%.64s' is too long",
				     user->name);
	int r = primary_of(import, user, &spec.gid, diag);
	if (r >= 0)
		r = store_add_user(keeper->store, &spec, &user->made, diag);
	struct group *own = find_name(import, user->name);
	if (r >= 0 && own && own->private)
		own->made = user->made;
	return r;
}

static int add_to(struct store *store, const char *group, const char *user, struct mtls_diag *diag)
{
	uint32_t gid = 0;
	int r = 0;

	if (!store_has_group(store, group))
		r = store_add_group(store, group, 0, &gid, diag);
	if (r >= 0)
		r = store_add_member(store, group, user, diag);
	/* Written down twice, or his primary group besides: so it is already. */
	if (r == MTLS_E_EXISTS) {
		diag->text[0] = '\0';
		r = 0;
	}
	return r;
}

/* Walks the list @names; the other side of each membership is @other. */
static int add_list(struct store *store, const char *names, const char *other, bool are_groups,
		    struct mtls_diag *diag)
{
	size_t len = 0;

	while (names && *names) {
		char name[MTLS_ACCOUNT_NAME_MAX + 1];
		const char *item = mtls_split_next(&names, ',', &len);
		if (len == 0 || len >= sizeof(name))
			return mtls_diag_set(diag, MTLS_E_SYNTAX,
					     "'%s': found '%.64s', expected names with ',' between",
					     other, item);
		memcpy(name, item, len);
		name[len] = '\0';
		int r = are_groups ? add_to(store, name, other, diag)
				   : add_to(store, other, name, diag);
		if (r < 0)
			return r;
	}
	return 0;
}

static int make_members(struct import *import, struct store *store, struct mtls_diag *diag)
{
	int r = 0;
	bool private = false;

	for (size_t i = 0; r >= 0 && i < import->group_count; i++) {
		const struct group *group = &import->groups[i];
		private = group->again ? private : group->private;
		if (!private)
			r = add_list(store, group->members, group->name, false, diag);
	}
	for (size_t i = 0; r >= 0 && i < import->user_count; i++)
		r = add_list(store, import->users[i].groups, import->users[i].name, true, diag);
	return r;
}

static bool renumbered(uint32_t asked, uint32_t made)
{
	return asked != MTLS_ROSTER_NO_ID && asked != made;
}

/* The fields of the end. */
static int sum_up(const struct import *import, struct mtls_control_fields *ret)
{
	size_t groups = 0, anew = 0;
	char text[32];

	for (size_t i = 0; i < import->user_count; i++)
		anew += renumbered(import->users[i].uid, import->users[i].made);
	for (size_t i = 0; i < import->group_count; i++) {
		const struct group *group = &import->groups[i];
		if (group->again)
			continue;
		groups += !group->private;
		anew += renumbered(group->gid, group->made);
	}
	const struct {
		const char *name;
		size_t value;
	} rows[] = { { "users", import->user_count },
		     { "groups", groups },
		     { "renumbered", anew } };
	int r = 0;
	for (size_t i = 0; r >= 0 && i < MTLS_COUNT(rows); i++) {
		(void)snprintf(text, sizeof(text), "%zu", rows[i].value);
		r = mtls_control_add(ret, rows[i].name, text);
	}
	return r;
}

int import_make(struct import *import, struct keeper *keeper, struct mtls_control_fields *ret,
		struct mtls_diag *diag)
{
	if (import->err < 0) {
		*diag = import->diag;
		return import->err;
	}
	int r = order(import, diag);
	if (r < 0)
		return r;
	find_private(import);
	r = make_groups(import, keeper->store, diag);
	for (size_t i = 0; r >= 0 && i < import->user_count; i++)
		r = make_user(import, keeper, &import->users[i], diag);
	if (r >= 0)
		r = make_members(import, keeper->store, diag);
	return r < 0 ? r : sum_up(import, ret);
}

/* ---------------------------------------------------------------------------------- telling */

static int tell(struct conn *conn, const char *kind, const char *name, uint32_t old, uint32_t made)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = mtls_msg_new(MTLS_MSG_CONTROL_ITEM);
	char old_text[16], made_text[16];

	if (!msg)
		return -ENOMEM;
	struct mtls_control_item *item = &msg->u.control_item;
	(void)snprintf(old_text, sizeof(old_text), "%u", old);
	(void)snprintf(made_text, sizeof(made_text), "%u", made);
	int r = mtls_msg_set_text(&item->kind, "renumbered");
	if (r >= 0)
		r = mtls_control_add(&item->fields, "kind", kind);
	if (r >= 0)
		r = mtls_control_add(&item->fields, "name", name);
	if (r >= 0)
		r = mtls_control_add(&item->fields, "old", old_text);
	if (r >= 0)
		r = mtls_control_add(&item->fields, "new", made_text);
	if (r >= 0)
		r = conn_item(conn, msg);
	return r < 0 ? r : 1;
}

int import_next_item(struct import *import, struct conn *conn)
{
	while (import->told_users < import->user_count) {
		const struct user *user = &import->users[import->told_users++];
		if (renumbered(user->uid, user->made))
			return tell(conn, "user", user->name, user->uid, user->made);
	}
	while (import->told_groups < import->group_count) {
		const struct group *group = &import->groups[import->told_groups++];
		if (!group->again && renumbered(group->gid, group->made))
			return tell(conn, "group", group->name, group->gid, group->made);
	}
	return 0;
}
