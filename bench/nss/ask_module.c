/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Contender: libnss_mtls called directly. The difference to glibc's functions is what glibc itself
 * costs, which no module can save.
 */
#include <config.h>

#include <dlfcn.h>
#include <nss.h>
#include <pwd.h>
#include <stdio.h>

#include "bench/nss/ask.h"
#include "bench/nss/people.h"

#define BUFFER 1024

static struct {
	enum nss_status (*pw_name)(const char *, struct passwd *, char *, size_t, int *);
	enum nss_status (*pw_uid)(uid_t, struct passwd *, char *, size_t, int *);
	enum nss_status (*groups)(const char *, gid_t, long *, long *, gid_t **, long, int *);
	enum nss_status (*set)(int);
	enum nss_status (*next)(struct passwd *, char *, size_t, int *);
	enum nss_status (*end)(void);
} module;

static bool prepare(const char *service)
{
	(void)service;
	const struct {
		const char *name;
		void *pointer;
	} symbols[] = {
		{ "_nss_mtls_getpwnam_r", &module.pw_name },
		{ "_nss_mtls_getpwuid_r", &module.pw_uid },
		{ "_nss_mtls_initgroups_dyn", &module.groups },
		{ "_nss_mtls_setpwent", &module.set },
		{ "_nss_mtls_getpwent_r", &module.next },
		{ "_nss_mtls_endpwent", &module.end },
	};
	void *so = dlopen("libnss_mtls.so.2", RTLD_NOW);
	for (size_t i = 0; so && i < sizeof(symbols) / sizeof(symbols[0]); i++)
		if (!(*(void **)symbols[i].pointer = dlsym(so, symbols[i].name)))
			so = NULL;
	if (!so)
		(void)fprintf(stderr, "ask: %s\n", dlerror());
	return so;
}

static bool by_name(const char *name, uint32_t uid)
{
	char buffer[BUFFER];
	struct passwd pw;
	int err;
	return module.pw_name(name, &pw, buffer, sizeof(buffer), &err) == NSS_STATUS_SUCCESS &&
	       pw.pw_uid == uid;
}

static bool by_uid(const char *name, uint32_t uid)
{
	char buffer[BUFFER];
	struct passwd pw;
	int err;
	return module.pw_uid(uid, &pw, buffer, sizeof(buffer), &err) == NSS_STATUS_SUCCESS &&
	       pw.pw_name[3] == name[3];
}

static bool groups(const char *name, uint32_t uid)
{
	static gid_t *gids;
	static long size;
	long start = 0;
	int err;
	return module.groups(name, uid, &start, &size, &gids, -1, &err) == NSS_STATUS_SUCCESS &&
	       start == PEOPLE_TEAMS;
}

static uint32_t enumerate(void)
{
	char buffer[BUFFER];
	struct passwd pw;
	uint32_t count = 0;
	int err;
	(void)module.set(0);
	while (module.next(&pw, buffer, sizeof(buffer), &err) == NSS_STATUS_SUCCESS)
		count++;
	(void)module.end();
	return count;
}

const struct contender contender_module = {
	.name = "module",
	.prepare = prepare,
	.by_name = by_name,
	.by_uid = by_uid,
	.groups = groups,
	.enumerate = enumerate,
};
