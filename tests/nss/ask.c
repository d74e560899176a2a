/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A getent(1) that is built like the library, so that one with sanitizers can be asked too. Prints
 * like getent, and groups whatever their name. Exit status 2: not found.
 *
 *	ask SERVICE passwd|group|initgroups KEY
 */
#include <config.h>

#include <ctype.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern int __nss_configure_lookup(const char *database, const char *order);

static int show_passwd(const char *key)
{
	struct passwd *pw = isdigit((unsigned char)*key) ? getpwuid((uid_t)strtoul(key, NULL, 10))
							 : getpwnam(key);
	if (!pw)
		return 2;
	(void)printf("%s:%s:%u:%u:%s:%s:%s\n", pw->pw_name, pw->pw_passwd, pw->pw_uid, pw->pw_gid,
		     pw->pw_gecos, pw->pw_dir, pw->pw_shell);
	return 0;
}

static int show_group(const char *key)
{
	struct group *gr = isdigit((unsigned char)*key) ? getgrgid((gid_t)strtoul(key, NULL, 10))
							: getgrnam(key);
	if (!gr)
		return 2;
	(void)printf("%s:%s:%u:", gr->gr_name, gr->gr_passwd, gr->gr_gid);
	for (char **member = gr->gr_mem; *member; member++)
		(void)printf("%s%s", member == gr->gr_mem ? "" : ",", *member);
	(void)putchar('\n');
	return 0;
}

static int show_groups_of(const char *user)
{
	gid_t gids[256];
	int count = 256;
	if (getgrouplist(user, 99, gids, &count) < 0)
		return 1;
	(void)printf("%s", user);
	for (int i = 1; i < count; i++)
		(void)printf(" %u", gids[i]);
	(void)putchar('\n');
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *database;
		int (*show)(const char *key);
	} rows[] = {
		{ "passwd", show_passwd },
		{ "group", show_group },
		{ "initgroups", show_groups_of },
	};
	for (size_t i = 0; argc == 4 && i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].database, argv[2]) != 0)
			continue;
		if (__nss_configure_lookup(argv[2], argv[1]) != 0)
			return 1;
		return rows[i].show(argv[3]);
	}
	return 1;
}
