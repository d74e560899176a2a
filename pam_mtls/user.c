/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Accounts as this machine knows them. Called in the host program, so only reentrant functions and
 * buffers with a limit.
 */
#include <config.h>

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/name/account.h"
#include "pam_mtls/user.h"

#define LOOKUP_BUF_MIN 2048
#define LOOKUP_BUF_MAX (1024 * 1024)
#define GROUPS_MAX     65536

/* "Not found" has many faces: getpwnam(3), ERRORS. */
static int lookup_error(int rc)
{
	switch (rc) {
	case 0:
	case ENOENT:
	case ESRCH:
	case EBADF:
	case EPERM:
		return MTLS_E_NOTFOUND;
	default:
		return -rc;
	}
}

static int copy_user(const struct passwd *pw, struct user **ret)
{
	_cleanup_(user_freep) struct user *user = calloc(1, sizeof(*user));
	if (!user)
		return -ENOMEM;
	user->uid = pw->pw_uid;
	user->gid = pw->pw_gid;
	user->name = strdup(pw->pw_name ? pw->pw_name : "");
	user->home = strdup(pw->pw_dir ? pw->pw_dir : "");
	if (!user->name || !user->home)
		return -ENOMEM;
	*ret = MTLS_TAKE(user);
	return 0;
}

/* @name NULL: by @uid. */
static int look_up(const char *name, uid_t uid, struct user **ret)
{
	for (size_t size = LOOKUP_BUF_MIN; size <= LOOKUP_BUF_MAX; size *= 2) {
		_cleanup_free_ char *buf = malloc(size);
		if (!buf)
			return -ENOMEM;
		struct passwd pw, *found = NULL;
		int rc = name ? getpwnam_r(name, &pw, buf, size, &found)
			      : getpwuid_r(uid, &pw, buf, size, &found);
		if (rc == ERANGE)
			continue;
		return rc == 0 && found ? copy_user(found, ret) : lookup_error(rc);
	}
	return -ERANGE;
}

int user_by_name(const char *name, struct user **ret)
{
	if (!mtls_account_name_valid(name, strlen(name)))
		return MTLS_E_NOTFOUND;
	return look_up(name, 0, ret);
}

int user_by_uid(uid_t uid, struct user **ret)
{
	return look_up(NULL, uid, ret);
}

void user_free(struct user *user)
{
	if (!user)
		return;
	free(user->name);
	free(user->home);
	free(user);
}

int user_groups(const struct user *user, gid_t **ret, size_t *ret_count)
{
	int count = 64;
	while (count <= GROUPS_MAX) {
		_cleanup_free_ gid_t *groups = calloc((size_t)count, sizeof(*groups));
		if (!groups)
			return -ENOMEM;
		int room = count;
		if (getgrouplist(user->name, user->gid, groups, &count) >= 0) {
			*ret = MTLS_TAKE(groups);
			*ret_count = (size_t)count;
			return 0;
		}
		if (count <= room)
			count = room * 2;
	}
	return -E2BIG;
}
