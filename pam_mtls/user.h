/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Accounts as this machine knows them: bounded, reentrant look-ups. */
#ifndef PAM_MTLS_USER_H
#define PAM_MTLS_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/base/cleanup.h"

/* Owned strings. */
struct user {
	char *name;
	char *home;
	uid_t uid;
	gid_t gid;
};

/*
 * @ret is set on success only. Returns 0, MTLS_E_NOTFOUND, or -errno when the look-up itself
 * failed (which is not the same as an account that does not exist). A name outside the grammar of
 * account names is MTLS_E_NOTFOUND without asking anybody.
 */
int user_by_name(const char *name, struct user **ret);
int user_by_uid(uid_t uid, struct user **ret);
void user_free(struct user *user);
MTLS_DEFINE_CLEANUP(struct user *, user_free)

/* The groups of @user, @user->gid among them; @ret is malloc'ed. 0 or -errno. */
int user_groups(const struct user *user, gid_t **ret, size_t *ret_count);

#endif
