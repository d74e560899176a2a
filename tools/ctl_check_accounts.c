/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mtlsctl check: what the snapshot holds against what else this machine holds. A local account that
 * came later, a range of subordinate ids, a name that nobody has any more: no lookup notices them.
 */
#include <config.h>

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "lib/acctdb/set.h"
#include "lib/base/str.h"
#include "tools/ctl_check.h"

#define FIRST_HUMAN_UID 1000
#define REMOVE_ONE      "remove one of the two: mtlsctl account remove, or userdel"
#define REMOVE_BINDING  "mtlsctl bind list NAME, then mtlsctl bind remove NAME KEY"

struct comparison {
	struct check *check;
	const struct mtls_acctset *set;
	const struct mtls_local *local;
};

static int compare_user(void *ctx, const struct mtls_acctset_user *user)
{
	const struct comparison *c = ctx;

	if (mtls_local_has_user(c->local, user->name))
		check_add(c->check, CHECK_ERROR, "accounts", REMOVE_ONE,
			  "'%s' is an account of pam-mtls and of /etc/passwd", user->name);
	if (mtls_local_has_uid(c->local, user->uid))
		check_add(c->check, CHECK_ERROR, "accounts", REMOVE_ONE,
			  "the uid %u of '%s' is held by this machine's files too (passwd, subuid)",
			  (unsigned int)user->uid, user->name);
	return 0;
}

static int compare_group(void *ctx, const struct mtls_acctset_group *group)
{
	const struct comparison *c = ctx;

	if (mtls_local_has_group(c->local, group->name))
		check_add(c->check, CHECK_ERROR, "accounts", REMOVE_ONE,
			  "'%s' is a group of pam-mtls and of /etc/group", group->name);
	if (mtls_local_has_gid(c->local, group->gid))
		check_add(c->check, CHECK_ERROR, "accounts", REMOVE_ONE,
			  "the gid %u of '%s' is held by this machine's files too (group, subgid)",
			  (unsigned int)group->gid, group->name);
	return 0;
}

/* A binding to another source's account holds the name only, whoever has it by now. */
static void compare_name(const struct comparison *c, const char *name)
{
	if (mtls_acctset_user(c->set, name))
		return;
	errno = 0;
	const struct passwd *pw = getpwnam(name);
	if (pw && pw->pw_uid < FIRST_HUMAN_UID)
		check_add(c->check, CHECK_ERROR, "bindings", REMOVE_BINDING,
			  "a certificate is bound to '%s', which is root or a system account "
			  "(uid %u)",
			  name, (unsigned int)pw->pw_uid);
	else if (!pw)
		check_add(
			c->check, CHECK_WARNING, "bindings", REMOVE_BINDING,
			"a certificate is bound to '%s', whom no source of accounts knows: whoever "
			"gets that name gets the binding",
			name);
}

static int compare_binding(void *ctx, const struct mtls_acctset_binding *binding)
{
	for (char **name = binding->names; *name; name++)
		compare_name(ctx, *name);
	return 0;
}

void check_accounts(struct check *check, const struct mtls_acctdb *db)
{
	static const struct mtls_acctset_walk walk = { .user = compare_user,
						       .group = compare_group,
						       .binding = compare_binding };
	_cleanup_(mtls_acctset_freep) struct mtls_acctset *set = NULL;
	_cleanup_(mtls_local_freep) struct mtls_local *local = NULL;
	struct mtls_diag diag = { 0 };

	int r = mtls_local_load("/etc", &local, &diag);
	if (r >= 0)
		r = mtls_acctset_load(db, &db->header.ids.window, local, &set, &diag);
	if (r < 0) {
		check_add(check, CHECK_ERROR, "accounts",
			  "restore it from a backup, or make accounts and bindings again", "%s",
			  mtls_diag_text(&diag, r));
		return;
	}
	struct comparison c = { .check = check, .set = set, .local = local };
	(void)mtls_acctset_walk(set, &walk, &c);
}
