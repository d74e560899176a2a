/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The accounts that every contender holds: users u000000, u000001, ... with a private group each,
 * and teams w00000, ...; user i is a member of the teams i and i + 1, modulo their number. So both
 * names and ids ascend when the users are followed by the teams.
 */
#ifndef BENCH_NSS_PEOPLE_H
#define BENCH_NSS_PEOPLE_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/name/id.h"

#define PEOPLE_MAX      1000000 /* six digits */
#define PEOPLE_NAME_MAX 8       /* with its NUL */
#define PEOPLE_HOME_MAX (6 + PEOPLE_NAME_MAX)
#define PEOPLE_TEAMS    2 /* of one user */
#define PEOPLE_GROUPS   3 /* of one user, with the private one */
#define PEOPLE_GECOS    "A Person"
#define PEOPLE_SHELL    "/bin/bash"

/* About a thousand members a team, and sixteen teams at least. */
static inline uint32_t people_teams(uint32_t people)
{
	return people < 8000 ? 16 : people / 500;
}

static inline uint32_t people_uid(uint32_t i)
{
	return MTLS_ID_WINDOW_MIN + i;
}

static inline uint32_t people_team_gid(uint32_t people, uint32_t team)
{
	return MTLS_ID_WINDOW_MIN + people + team;
}

/* Members of a team in ascending order: begin with the first, go on while below @people. */
static inline uint32_t people_first_member(uint32_t team)
{
	return team ? team - 1 : 0;
}

static inline uint32_t people_next_member(uint32_t i, uint32_t team, uint32_t teams)
{
	return i % teams == team ? i + teams - 1 : i + 1;
}

/* Cheaper than snprintf(3), because the loop that measures calls it. */
static inline void people_name(uint32_t i, char first, char out[PEOPLE_NAME_MAX])
{
	out[0] = first;
	for (int digit = PEOPLE_NAME_MAX - 2; digit > 0; digit--, i /= 10)
		out[digit] = (char)('0' + i % 10);
	out[PEOPLE_NAME_MAX - 1] = '\0';
}

static inline void people_team_name(uint32_t team, char out[PEOPLE_NAME_MAX])
{
	(void)snprintf(out, PEOPLE_NAME_MAX, "w%05u", team % 100000);
}

static inline void people_home(const char *name, char out[PEOPLE_HOME_MAX])
{
	memcpy(out, "/home/", 6);
	memcpy(out + 6, name, PEOPLE_NAME_MAX);
}

#endif
