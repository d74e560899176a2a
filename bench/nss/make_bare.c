/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The records of bare.h. What this takes is the floor under a publish. */
#include <config.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cdb.h>

#include "bench/nss/bare.h"
#include "bench/nss/make.h"
#include "bench/nss/people.h"

#define TEAM_MAX (PEOPLE_MAX / 16 * 2 * PEOPLE_NAME_MAX) /* bytes of a team's record */

static bool add_ids(struct cdb_make *cdb, char kind, uint32_t id, const char *value, size_t len)
{
	char key[1 + sizeof(id)] = { kind };
	memcpy(key + 1, &id, sizeof(id));
	return cdb_make_add(cdb, key, sizeof(key), value, (unsigned int)len) == 0;
}

static bool add_name(struct cdb_make *cdb, char kind, const char *name, const char *value,
		     size_t len)
{
	char key[1 + PEOPLE_NAME_MAX] = { kind };
	size_t name_len = strlen(name);
	memcpy(key + 1, name, name_len);
	return cdb_make_add(cdb, key, (unsigned int)name_len + 1, value, (unsigned int)len) == 0;
}

/* "NAME:GECOS:HOME:SHELL" without its NUL; the end. */
static char *put_line(char *at, const char *name)
{
	static const char gecos[] = ":" PEOPLE_GECOS ":", shell[] = ":" PEOPLE_SHELL;
	char home[PEOPLE_HOME_MAX];
	people_home(name, home);
	at = mempcpy(at, name, PEOPLE_NAME_MAX - 1);
	at = mempcpy(at, gecos, sizeof(gecos) - 1);
	at = mempcpy(at, home, sizeof(home) - 1);
	return mempcpy(at, shell, sizeof(shell) - 1);
}

static bool add_user(struct cdb_make *cdb, uint32_t people, uint32_t i)
{
	char name[PEOPLE_NAME_MAX], value[128];
	uint32_t teams = people_teams(people), uid = people_uid(i);
	uint32_t gids[] = { people_team_gid(people, i % teams),
			    people_team_gid(people, (i + 1) % teams) };
	people_name(i, 'u', name);
	char *body = mempcpy(value, &uid, sizeof(uid));
	char *end = put_line(mempcpy(body, gids, sizeof(gids)), name);
	if (!add_name(cdb, 'u', name, value, (size_t)(end - value)))
		return false;
	end = put_line(body, name);
	return add_ids(cdb, 'U', uid, value, (size_t)(end - value));
}

static bool add_team(struct cdb_make *cdb, uint32_t people, uint32_t team, char *value)
{
	char name[PEOPLE_NAME_MAX];
	uint32_t gid = people_team_gid(people, team), teams = people_teams(people);
	size_t len = sizeof(gid);
	memcpy(value, &gid, sizeof(gid));
	for (uint32_t i = people_first_member(team); i < people;
	     i = people_next_member(i, team, teams)) {
		people_name(i, 'u', value + len);
		len += PEOPLE_NAME_MAX;
	}
	people_team_name(team, name);
	return add_name(cdb, 'g', name, value, len) && add_ids(cdb, 'G', gid, value, len);
}

static bool fill(struct cdb_make *cdb, uint32_t people, char *team)
{
	for (uint32_t i = 0; i < people; i++)
		if (!add_user(cdb, people, i))
			return false;
	for (uint32_t i = 0; i < people_teams(people); i++)
		if (!add_team(cdb, people, i, team))
			return false;
	return cdb_make_finish(cdb) == 0;
}

bool make_bare(uint32_t people, const char *path)
{
	struct cdb_make cdb;
	char *team = malloc(TEAM_MAX);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	bool ok = team && fd >= 0 && cdb_make_start(&cdb, fd) == 0 && fill(&cdb, people, team) &&
		  fsync(fd) == 0;
	if (!ok)
		perror(path);
	if (fd >= 0 && close(fd) < 0)
		ok = false;
	free(team);
	return ok;
}
