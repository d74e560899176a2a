/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Users and groups: what a correct store cannot send is refused, and ends the build; what this
 * machine does not admit is dropped, with a sentence and with all that hangs on it. A user's
 * private group is judged with the user, as readers make the one from the other.
 */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/acctdb/build_impl.h"

#define FIRST_GROUPS 64

static const char local_user[] =
	"this machine has a local user of that name; remove one of the two";
static const char local_group[] =
	"this machine has a local group of that name; remove one of the two";
static const char local_uid[] =
	"this machine's own files hold its uid (passwd, subuid, sysusers.d)";
static const char local_gid[] = "this machine's own files hold its gid (group, subgid, sysusers.d)";
static const char allocated_uid[] =
	"login.defs or sysusers.d lets tools hand out its uid; foreign_ids of accountd.conf can "
	"admit it";
static const char allocated_gid[] =
	"login.defs or sysusers.d lets tools hand out its gid; foreign_ids of accountd.conf can "
	"admit it";
static const char reserved_name[] = "the name is reserved";
static const char foreign_uid[] =
	"its uid is not admitted (id_min, id_max, foreign_ids of accountd.conf)";
static const char foreign_gid[] =
	"its gid is not admitted (id_min, id_max, foreign_ids of accountd.conf)";
static const char no_primary[] = "its primary group is not published either";

/* What mtls_local_*() take. */
struct text {
	char z[MTLS_OWNED_NAME_MAX + 1];
};

static struct text text_of(struct mtls_acct_str name)
{
	struct text text = { "" };
	memcpy(text.z, name.data, name.len < MTLS_OWNED_NAME_MAX ? name.len : MTLS_OWNED_NAME_MAX);
	return text;
}

enum mtls_name_grade mtls_acctbuild_grade(struct mtls_acct_str name)
{
	if (mtls_account_name_ownable(name.data, name.len))
		return MTLS_NAME_OWNABLE;
	if (name.len <= MTLS_OWNED_NAME_MAX && mtls_account_name_valid(name.data, name.len) &&
	    mtls_account_name_reserved(name.data, name.len))
		return MTLS_NAME_RESERVED;
	return MTLS_NAME_MALFORMED;
}

/* Name, order and source, which users and groups have in common. */
static int check_common(struct mtls_acctbuild *build, const char *what, struct mtls_acct_str name,
			uint8_t source, struct mtls_diag *diag)
{
	if (mtls_acctbuild_grade(name) == MTLS_NAME_MALFORMED)
		return mtls_acctbuild_refuse(what, name, "has a malformed name", diag);
	if (!mtls_acctbuild_in_order(build, name))
		return mtls_acctbuild_refuse(what, name, "is out of order or there twice", diag);
	if (source >= build->source_count)
		return mtls_acctbuild_refuse(what, name, "is of an unknown source", diag);
	return 0;
}

/* NULL: nothing on this machine stands against the group. */
static const char *why_drop_group(const struct mtls_acctbuild *build, struct mtls_acct_str name,
				  uint32_t gid)
{
	const struct mtls_local *local = build->options.local;
	if (mtls_acctbuild_grade(name) == MTLS_NAME_RESERVED)
		return reserved_name;
	if (!mtls_id_admitted(&build->options.ids, gid))
		return foreign_gid;
	if (local && mtls_local_has_group(local, text_of(name).z))
		return local_group;
	if (!mtls_local_refuses_gid(local, &build->options.ids, gid))
		return NULL;
	return mtls_local_has_gid(local, gid) ? local_gid : allocated_gid;
}

static int remember_group(struct mtls_acctbuild *build, const struct mtls_acct_group *group,
			  bool dropped)
{
	size_t count = build->group_names.count;
	if (count == build->group_room) {
		size_t room = count ? 2 * count : FIRST_GROUPS;
		struct mtls_acctbuild_group *groups =
			reallocarray(build->groups, room, sizeof(*groups));
		if (!groups)
			return -ENOMEM;
		build->groups = groups;
		build->group_room = room;
	}
	build->groups[count] = (struct mtls_acctbuild_group){ .gid = group->gid,
							      .source = group->source,
							      .dropped = dropped };
	int r = mtls_namelist_add(&build->group_names, group->name);
	if (r < 0 || group->gid > MTLS_IDSET_ID_MAX)
		return r;
	return mtls_idset_add(dropped ? &build->dropped_groups : &build->kept_groups, group->gid);
}

int mtls_acctbuild_group(struct mtls_acctbuild *build, const struct mtls_acct_item *item,
			 struct mtls_diag *diag)
{
	const struct mtls_acct_group *group = &item->u.group;
	int r = check_common(build, "group", group->name, group->source, diag);
	if (r >= 0)
		r = mtls_acctbuild_claim(&build->gids, &build->dead_gids, group->gid, "group",
					 group->name, diag);
	if (r < 0)
		return r;
	const char *why = why_drop_group(build, group->name, group->gid);
	if (why) {
		build->dropped++;
		mtls_acctbuild_report(build, "group '%.*s' (gid %u) is not published: %s",
				      (int)group->name.len, group->name.data, group->gid, why);
	}
	r = remember_group(build, group, why != NULL);
	if (r == MTLS_E_LIMIT)
		return mtls_diag_set(diag, MTLS_E_DENIED, "refused: more than %u groups",
				     MTLS_NAMELIST_MAX);
	return r < 0 ? mtls_diag_set(diag, r, "out of memory") : 0;
}

static bool is_private(const struct mtls_acct_user *user)
{
	return user->gid == user->uid;
}

/* Groups were all before the users, and both ascend: one walk through both compares them. */
static bool has_group_named(struct mtls_acctbuild *build, struct mtls_acct_str name)
{
	while (build->group_near < build->group_names.count) {
		int r = mtls_acct_str_compare(
			mtls_namelist_get(&build->group_names, build->group_near), name);
		if (r >= 0)
			return r == 0;
		build->group_near++;
	}
	return false;
}

/* The gid: that of the private group, or of a group in the stream. */
static int check_primary(struct mtls_acctbuild *build, const struct mtls_acct_user *user,
			 struct mtls_diag *diag)
{
	if (is_private(user)) {
		if (has_group_named(build, user->name))
			return mtls_acctbuild_refuse("user", user->name,
						     "has a private group that is there twice",
						     diag);
		return mtls_acctbuild_claim(&build->gids, &build->dead_gids, user->gid,
					    "private group", user->name, diag);
	}
	if (!mtls_idset_has(&build->kept_groups, user->gid) &&
	    !mtls_idset_has(&build->dropped_groups, user->gid) &&
	    mtls_id_admitted(&build->options.ids, user->gid))
		return mtls_acctbuild_refuse("user", user->name,
					     "has a primary group that does not exist", diag);
	return 0;
}

static int check_user(struct mtls_acctbuild *build, const struct mtls_acct_user *user,
		      struct mtls_diag *diag)
{
	int r = check_common(build, "user", user->name, user->source, diag);
	if (r < 0)
		return r;
	if (!mtls_account_gecos_valid(user->gecos.data, user->gecos.len))
		return mtls_acctbuild_refuse("user", user->name, "has a malformed full name", diag);
	if (!mtls_account_path_valid(user->home.data, user->home.len))
		return mtls_acctbuild_refuse("user", user->name, "has a malformed home", diag);
	if (!mtls_account_path_valid(user->shell.data, user->shell.len))
		return mtls_acctbuild_refuse("user", user->name, "has a malformed shell", diag);
	r = mtls_acctbuild_claim(&build->uids, &build->dead_uids, user->uid, "user", user->name,
				 diag);
	return r < 0 ? r : check_primary(build, user, diag);
}

static const char *why_drop_user(const struct mtls_acctbuild *build,
				 const struct mtls_acct_user *user)
{
	const struct mtls_local *local = build->options.local;
	if (mtls_acctbuild_grade(user->name) == MTLS_NAME_RESERVED)
		return reserved_name;
	if (!mtls_id_admitted(&build->options.ids, user->uid))
		return foreign_uid;
	if (local && mtls_local_has_user(local, text_of(user->name).z))
		return local_user;
	if (mtls_local_refuses_uid(local, &build->options.ids, user->uid))
		return mtls_local_has_uid(local, user->uid) ? local_uid : allocated_uid;
	if (is_private(user))
		return why_drop_group(build, user->name, user->gid);
	if (mtls_idset_has(&build->kept_groups, user->gid))
		return NULL;
	return mtls_idset_has(&build->dropped_groups, user->gid) ? no_primary : foreign_gid;
}

static int drop_user(struct mtls_acctbuild *build, const struct mtls_acct_user *user,
		     const char *why, struct mtls_diag *diag)
{
	int r = mtls_namelist_add(&build->dropped_users, user->name);
	if (r == MTLS_E_LIMIT)
		return mtls_diag_set(diag, MTLS_E_DENIED,
				     "refused: more than %u users that this machine does not admit",
				     MTLS_NAMELIST_MAX);
	if (r < 0)
		return mtls_diag_set(diag, r, "out of memory");
	build->dropped++;
	mtls_acctbuild_report(build, "user '%.*s' (uid %u, gid %u) is not published: %s",
			      (int)user->name.len, user->name.data, user->uid, user->gid, why);
	return 0;
}

/*
 * The groups of a user: each a supplementary group of the stream, ascending. Without those that
 * were dropped they are @ret_kept, and @ret_said is what they say of memberships.
 */
static int check_gids(struct mtls_acctbuild *build, const struct mtls_acct_user *user,
		      const struct mtls_acct_ids *gids, struct mtls_acct_ids *ret_kept,
		      uint64_t *ret_said, struct mtls_diag *diag)
{
	uint32_t last = 0;
	uint64_t said = 0;

	mtls_buf_reset(&build->list);
	for (uint32_t i = 0; i < gids->count; i++) {
		uint32_t gid = mtls_acct_ids_get(gids, i);
		if (gid <= last || gid == user->gid)
			return mtls_acctbuild_refuse("user", user->name,
						     "has groups out of order or twice", diag);
		last = gid;
		if (mtls_idset_has(&build->kept_groups, gid)) {
			(void)mtls_buf_append(&build->list, gids->data + 4 * (size_t)i, 4);
			said += mtls_acct_membership(user->name, gid, build->secret);
		} else if (gid <= MTLS_IDSET_ID_MAX &&
			   !mtls_idset_has(&build->dropped_groups, gid)) {
			return mtls_acctbuild_refuse("user", user->name,
						     "is in a group that does not exist", diag);
		}
	}
	if (build->list.err)
		return mtls_diag_set(diag, build->list.err, "out of memory");
	*ret_kept = (struct mtls_acct_ids){ .count = (uint32_t)(build->list.len / 4),
					    .data = build->list.data };
	*ret_said = said;
	return 0;
}

int mtls_acctbuild_user(struct mtls_acctbuild *build, const struct mtls_acct_item *item,
			struct mtls_diag *diag)
{
	const struct mtls_acct_user *user = &item->u.user.user;
	struct mtls_acct_ids kept;
	uint64_t said;
	int r = check_user(build, user, diag);
	if (r >= 0)
		r = check_gids(build, user, &item->u.user.gids, &kept, &said, diag);
	if (r < 0)
		return r;
	const char *why = why_drop_user(build, user);
	if (why)
		return drop_user(build, user, why, diag);
	build->said_by_users += said;
	return mtls_acctbuild_put_user(build, user, &kept, diag);
}
