/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changes of the set: who may get which name and id, what is removed with what. Every refusal says
 * why. One thread.
 */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/acctdb/set_impl.h"
#include "lib/base/str.h"
#include "lib/name/key.h"

static bool is_member(const struct mtls_acctset_user *user, uint32_t gid)
{
	for (size_t i = 0; i < user->gid_count; i++)
		if (user->gids[i] == gid)
			return true;
	return false;
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
	if (mtls_acctset_find_user(set, name))
		return mtls_diag_set(diag, MTLS_E_EXISTS, "an account '%s' exists already", name);
	if (mtls_acctset_find_group(set, name))
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
	if (mtls_acctset_has_uid(set, id) || mtls_acctset_has_gid(set, id))
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
	/* Another window since: from its start. What was given out is in use or has a tombstone. */
	if (next < set->window.min || next > set->window.max)
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
	r = mtls_acctset_plant_group(set, spec->name, user.name.len, id);
	if (r >= 0)
		r = mtls_acctset_plant_user(set, &user);
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
	r = mtls_acctset_plant_group(set, name, strlen(name), id);
	if (r < 0)
		return mtls_diag_set(diag, r, "%s", mtls_strerror(r));
	set->next = (struct mtls_acct_next){ .uid = id + 1, .gid = id + 1 };
	*ret_gid = id;
	return 0;
}

int mtls_acctset_add_member(struct mtls_acctset *set, const char *group_name, const char *user_name,
			    struct mtls_diag *diag)
{
	struct mtls_acctset_group *group = mtls_acctset_find_group(set, group_name);
	struct mtls_acctset_user *user = mtls_acctset_find_user(set, user_name);
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
	int r = mtls_acctset_join(group, user);
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

int mtls_acctset_remove_user(struct mtls_acctset *set, const char *name, uint64_t time,
			     struct mtls_diag *diag)
{
	struct mtls_acctset_user *user = mtls_acctset_find_user(set, name);
	if (!user)
		return mtls_diag_set(diag, MTLS_E_NOTFOUND, "there is no account '%s' of mtls",
				     name);
	size_t len = strlen(user->name);
	int r = mtls_acctset_plant_tombstone(set, false, user->uid, time, user->name, len);
	if (r >= 0)
		r = mtls_acctset_plant_tombstone(set, true, user->gid, time, user->name, len);
	if (r >= 0)
		r = unbind_all(set, user->name);
	if (r < 0)
		return mtls_diag_set(diag, r, "cannot remove '%s': %s", name, mtls_strerror(r));
	while (user->gid_count) {
		struct mtls_acctset_group *group = mtls_acctset_find_gid(set, user->gids[0]);
		if (!group)
			return mtls_diag_set(diag, MTLS_E_BUG, "a group of '%s' is missing", name);
		mtls_acctset_leave(group, user);
	}
	struct mtls_acctset_group *private = mtls_acctset_find_gid(set, user->gid);
	if (private)
		mtls_acctset_uproot_group(set, private);
	mtls_acctset_uproot_user(set, user);
	return 0;
}

int mtls_acctset_remove_group(struct mtls_acctset *set, const char *name, uint64_t time,
			      struct mtls_diag *diag)
{
	struct mtls_acctset_group *group = mtls_acctset_find_group(set, name);
	if (!group)
		return mtls_diag_set(diag, MTLS_E_NOTFOUND, "there is no group '%s' of mtls", name);
	if (mtls_acctset_group_is_private(set, group))
		return mtls_diag_set(diag, MTLS_E_DENIED,
				     "'%s' is the private group of the account '%s'", name, name);
	int r = mtls_acctset_plant_tombstone(set, true, group->gid, time, name, strlen(name));
	if (r < 0)
		return mtls_diag_set(diag, r, "cannot remove '%s': %s", name, mtls_strerror(r));
	while (group->member_count) {
		struct mtls_acctset_user *user = mtls_acctset_find_user(set, group->members[0]);
		if (!user)
			return mtls_diag_set(diag, MTLS_E_BUG, "a member of '%s' is missing", name);
		mtls_acctset_leave(group, user);
	}
	mtls_acctset_uproot_group(set, group);
	return 0;
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
	struct mtls_acctset_binding *binding = mtls_acctset_find_binding(set, key);
	if (!binding) {
		r = mtls_acctset_plant_binding(set, key, name);
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
	struct mtls_acctset_binding *binding = mtls_acctset_find_binding(set, key);
	size_t before = binding ? mtls_strv_count(binding->names) : 0;
	if (before)
		drop_name(binding->names, name);
	if (!before || mtls_strv_count(binding->names) == before)
		return mtls_diag_set(diag, MTLS_E_NOTFOUND, "'%s' is not bound to that key", name);
	if (before == 1)
		mtls_acctset_uproot_binding(set, binding);
	return 0;
}
