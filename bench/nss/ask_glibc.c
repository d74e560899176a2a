/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Contender: the functions that programs call. With a service named, glibc does not look whether
 * nsswitch.conf changed, as it else does by a stat(2) for each lookup. That costs as much as some
 * of the services, is the same for all of them, and would hide their differences.
 */
#include <config.h>

#include <grp.h>
#include <pwd.h>
#include <stddef.h>

#include "bench/nss/ask.h"
#include "bench/nss/people.h"

#define BUFFER 1024
#define GIDS   64

extern int __nss_configure_lookup(const char *database, const char *order);

static bool prepare(const char *service)
{
	return !service || (__nss_configure_lookup("passwd", service) == 0 &&
			    __nss_configure_lookup("group", service) == 0);
}

static bool by_name(const char *name, uint32_t uid)
{
	char buffer[BUFFER];
	struct passwd pw, *found = NULL;
	return getpwnam_r(name, &pw, buffer, sizeof(buffer), &found) == 0 && found &&
	       pw.pw_uid == uid;
}

static bool by_uid(const char *name, uint32_t uid)
{
	char buffer[BUFFER];
	struct passwd pw, *found = NULL;
	return getpwuid_r(uid, &pw, buffer, sizeof(buffer), &found) == 0 && found &&
	       pw.pw_name[3] == name[3];
}

static bool groups(const char *name, uint32_t uid)
{
	gid_t gids[GIDS];
	int count = GIDS;
	return getgrouplist(name, uid, gids, &count) == PEOPLE_GROUPS;
}

static uint32_t enumerate(void)
{
	char buffer[BUFFER];
	struct passwd pw, *found;
	uint32_t count = 0;
	setpwent();
	while (getpwent_r(&pw, buffer, sizeof(buffer), &found) == 0)
		count++;
	endpwent();
	return count;
}

const struct contender contender_glibc = {
	.name = "glibc",
	.prepare = prepare,
	.by_name = by_name,
	.by_uid = by_uid,
	.groups = groups,
	.enumerate = enumerate,
};
