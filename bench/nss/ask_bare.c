/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Contender: a bare cdb that was opened once; an answer is found and copied, nothing else. */
#include <config.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <cdb.h>

#include "bench/nss/ask.h"
#include "bench/nss/bare.h"
#include "bench/nss/people.h"

#define BUFFER 1024

static struct cdb bare;

static bool prepare(const char *service)
{
	(void)service;
	int fd = open(BARE_PATH, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && cdb_init(&bare, fd) == 0)
		return true;
	perror(BARE_PATH);
	return false;
}

static bool find(const char *key, unsigned int len, uint32_t uid)
{
	char buffer[BUFFER];
	uint32_t stored;
	struct cdb cdb = bare; /* cdb_find() writes to it, and threads would share it */
	if (cdb_find(&cdb, key, len) <= 0 || cdb_datalen(&cdb) > sizeof(buffer))
		return false;
	memcpy(buffer, cdb_getdata(&cdb), cdb_datalen(&cdb));
	memcpy(&stored, buffer, sizeof(stored));
	ask_sink += (unsigned int)buffer[5];
	return stored == uid;
}

static bool by_name(const char *name, uint32_t uid)
{
	char key[1 + PEOPLE_NAME_MAX] = { 'u' };
	memcpy(key + 1, name, PEOPLE_NAME_MAX - 1);
	return find(key, PEOPLE_NAME_MAX, uid);
}

static bool by_uid(const char *name, uint32_t uid)
{
	char key[1 + sizeof(uid)] = { 'U' };
	(void)name;
	memcpy(key + 1, &uid, sizeof(uid));
	return find(key, sizeof(key), uid);
}

static uint32_t enumerate(void)
{
	char buffer[BUFFER];
	unsigned int at = 0;
	uint32_t count = 0;
	struct cdb cdb = bare;
	cdb_seqinit(&at, &cdb);
	while (cdb_seqnext(&at, &cdb) > 0) {
		const char *key = cdb_getkey(&cdb);
		if (key[0] != 'u' || cdb_datalen(&cdb) > sizeof(buffer))
			continue;
		memcpy(buffer, cdb_getdata(&cdb), cdb_datalen(&cdb));
		ask_sink += (unsigned int)buffer[5];
		count++;
	}
	return count;
}

const struct contender contender_bare = {
	.name = "bare",
	.prepare = prepare,
	.by_name = by_name,
	.by_uid = by_uid,
	.groups = by_name, /* the gids stand in the same record */
	.enumerate = enumerate,
};
