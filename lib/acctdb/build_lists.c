/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lists of names: the members of groups, and the accounts that a certificate key is bound to. Who
 * was dropped goes from both. A binding to a user that was dropped must not come to mean the local
 * account of the same name, which is why it is dropped with it; other names that are not ours are
 * other sources' accounts, and stay.
 */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "lib/acctdb/build_impl.h"

typedef bool keep_fn(const struct mtls_acctbuild *build, struct mtls_acct_str name);
typedef bool valid_fn(const char *name, size_t len);

/* What a list is of, for words and rules. */
struct listing {
	const char *what;
	struct mtls_acct_str name;
	valid_fn *valid;
	keep_fn *keep;
};

/*
 * Walks a list: each name valid and behind the one before it, as many as counted. What is kept of
 * it is @ret, in build->list.
 */
static int filter(struct mtls_acctbuild *build, const struct listing *listing,
		  const struct mtls_acct_names *names, struct mtls_acct_names *ret,
		  struct mtls_diag *diag)
{
	struct mtls_acct_str name, last = { "", 0 };
	uint32_t count = 0, kept = 0;
	size_t at = 0;

	mtls_buf_reset(&build->list);
	for (size_t start = at; mtls_acct_names_next(names, &at, &name); start = at) {
		if (!listing->valid(name.data, name.len) || mtls_acct_str_compare(last, name) >= 0)
			return mtls_acctbuild_refuse(
				listing->what, listing->name,
				"has a name that is malformed, out of order or there twice", diag);
		last = name;
		count++;
		if (!listing->keep(build, name))
			continue;
		(void)mtls_buf_append(&build->list, names->data + start, at - start);
		kept++;
	}
	if (count != names->count || at != names->len)
		return mtls_acctbuild_refuse(listing->what, listing->name,
					     "has another number of names than it says", diag);
	if (build->list.err)
		return mtls_diag_set(diag, build->list.err, "out of memory");
	*ret = (struct mtls_acct_names){ .count = kept,
					 .data = build->list.data,
					 .len = build->list.len };
	return 0;
}

static bool is_not_dropped(const struct mtls_acctbuild *build, struct mtls_acct_str name)
{
	return !mtls_namelist_has(&build->dropped_users, name);
}

/* A member may have a reserved name: its user was dropped for it. */
static bool member_valid(const char *name, size_t len)
{
	const struct mtls_acct_str text = { name, len };
	return mtls_acctbuild_grade(text) != MTLS_NAME_MALFORMED;
}

int mtls_acctbuild_members(struct mtls_acctbuild *build, const struct mtls_acct_item *item,
			   struct mtls_diag *diag)
{
	size_t at = build->group_at;
	if (at >= build->group_names.count || build->groups[at].gid != item->u.members.gid)
		return mtls_diag_set(diag, MTLS_E_DENIED,
				     "refused: members of gid %u, which is no group or not the "
				     "next one",
				     item->u.members.gid);
	const struct mtls_acctbuild_group *group = &build->groups[at];
	const struct listing listing = { .what = "group",
					 .name = mtls_namelist_get(&build->group_names, at),
					 .valid = member_valid,
					 .keep = is_not_dropped };
	struct mtls_acct_group record = { .gid = group->gid,
					  .source = group->source,
					  .name = listing.name };
	int r = filter(build, &listing, &item->u.members.names, &record.members, diag);
	if (r < 0)
		return r;
	build->group_at++;
	if (group->dropped)
		return 0;
	struct mtls_acct_str name;
	for (size_t i = 0; mtls_acct_names_next(&record.members, &i, &name);)
		build->said_by_groups += mtls_acct_membership(name, group->gid, build->secret);
	return mtls_acctbuild_put_group(build, &record, diag);
}

/* Other sources' accounts too; a reserved one only in as far as it is then dropped. */
static bool is_bindable(const struct mtls_acctbuild *build, struct mtls_acct_str name)
{
	return mtls_acct_bindable(name.data, name.len) && is_not_dropped(build, name);
}

/* Of a kind that is looked up, and written as lookups write it. */
static int check_key(struct mtls_acctbuild *build, struct mtls_acct_str key, struct mtls_diag *diag)
{
	struct mtls_buf *form = &build->value;
	enum mtls_key_kind kind;
	mtls_buf_reset(form);
	int r = mtls_key_parse(key.data, key.len, &kind, form, NULL);
	if (r == -ENOMEM)
		return mtls_diag_set(diag, r, "out of memory");
	if (r < 0 || form->len != key.len || memcmp(form->data, key.data, key.len) != 0)
		return mtls_acctbuild_refuse("binding", key, "is no canonical key", diag);
	if (!mtls_acctbuild_in_order(build, key))
		return mtls_acctbuild_refuse("binding", key, "is out of order or there twice",
					     diag);
	return 0;
}

int mtls_acctbuild_binding(struct mtls_acctbuild *build, const struct mtls_acct_item *item,
			   struct mtls_diag *diag)
{
	const struct listing listing = { .what = "binding",
					 .name = item->u.binding.key,
					 .valid = mtls_account_name_valid,
					 .keep = is_bindable };
	struct mtls_acct_names names;
	uint8_t key[MTLS_ACCT_BINDING_KEY_MAX];

	int r = check_key(build, listing.name, diag);
	if (r >= 0 && !item->u.binding.names.count)
		r = mtls_acctbuild_refuse("binding", listing.name, "binds nobody", diag);
	if (r >= 0)
		r = filter(build, &listing, &item->u.binding.names, &names, diag);
	if (r < 0)
		return r;
	if (!names.count)
		return 0;
	int len = mtls_acct_key_binding(listing.name.data, listing.name.len, key);
	mtls_buf_reset(&build->value);
	r = len < 0 ? len : mtls_acct_binding_encode(&names, &build->value);
	if (r == MTLS_E_LIMIT)
		return mtls_acctbuild_refuse("binding", listing.name, "is over a limit", diag);
	if (r < 0)
		return mtls_diag_set(diag, r, "out of memory");
	r = mtls_acctbuild_put(build, key, (size_t)len, diag);
	if (r >= 0)
		build->header.bindings++;
	return r;
}
