/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mtlsctl check: the ways back. Rescue codes, and the kernel command line word. */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/bootword.h"
#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "lib/rescue/store.h"
#include "tools/ctl_check.h"

#define AREA     "rescue"
#define NEW      "mtlsctl rescue new"
#define FEW_LEFT 3

/* Without a service that asks for codes, they are nobody's way in, and their lack no fault. */
static enum check_severity at_least(const struct check *check, enum check_severity severity)
{
	return check->rescue_services ? severity : CHECK_NOTE;
}

static void check_users(struct check *check, const struct mtls_rescue_set *set)
{
	const char *users = set->users;
	char name[MTLS_RESCUE_USERS_MAX];
	size_t len;

	for (const char *part; (part = mtls_split_next(&users, ',', &len));) {
		memcpy(name, part, len);
		name[len] = '\0';
		if (!getpwnam(name))
			check_add(check, CHECK_WARNING, AREA, NEW " --user ACCOUNT",
				  "the rescue codes are for '%s', which is no account here", name);
	}
}

static void check_left(struct check *check, const struct mtls_rescue_set *set)
{
	size_t left = mtls_rescue_set_unused(set);

	if (left == 0)
		check_add(check, at_least(check, CHECK_ERROR), AREA, NEW,
			  "all %zu rescue codes are used", set->count);
	else if (left <= FEW_LEFT)
		check_add(check, at_least(check, CHECK_WARNING), AREA, NEW,
			  "%zu of %zu rescue codes left", left, set->count);
	else
		check_add(check, CHECK_OK, AREA, NULL, "%zu of %zu rescue codes left, for %s", left,
			  set->count, set->users);
	if (left && !check->rescue_services)
		check_add(check, CHECK_WARNING, AREA,
			  "see pam_mtls_rescue(8); or mtlsctl rescue remove",
			  "there are rescue codes, but no service in /etc/pam.d takes them");
}

static void check_codes(struct check *check)
{
	_cleanup_(mtls_rescue_set_freep) struct mtls_rescue_set *set = NULL;
	_cleanup_close_ int held = -1;
	struct mtls_diag diag = { 0 };
	char folder[PATH_MAX];

	(void)snprintf(folder, sizeof(folder), "%s/rescue", check->dir);
	int r = mtls_rescue_load(folder, &set, &diag);
	/* The module takes the lock: what is wrong with the folder is wrong there too. */
	if (r == 0)
		r = mtls_rescue_lock(folder, 0, &held, &diag);
	if (r == MTLS_E_BUSY)
		r = 0;
	if (r == -ENOENT)
		check_add(check, at_least(check, CHECK_ERROR), AREA, NEW,
			  "there are no rescue codes in '%s'", folder);
	else if (r == -EACCES)
		check_add(check, CHECK_NOTE, AREA, NULL,
			  "'%s' is root's: rescue codes were not looked at", folder);
	else if (r < 0)
		check_add(check, CHECK_ERROR, AREA, NEW ", which replaces them",
			  "no rescue code works: %s", mtls_diag_text(&diag, r));
	if (r < 0)
		return;
	check_left(check, set);
	check_users(check, set);
}

void check_ways_back(struct check *check)
{
	check_codes(check);
	if (mtls_bootword_off())
		check_add(check, CHECK_WARNING, "boot",
			  "restart without the word when certificate login works again",
			  "the kernel was started with %s: pam_mtls steps aside everywhere",
			  MTLS_BOOTWORD_OFF);
}
