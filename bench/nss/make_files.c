/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * passwd and group as files, as libnss-extrausers and `files` read them, with what others want
 * beside them. libnss-cache searches FILE.ixname and FILE.ixuid (.ixgid): rows of one length,
 * sorted as strings, each a key, NUL, the offset of its line in FILE, NULs, newline. libnss-db is
 * filled by makedb(1) from lines "KEY LINE" with the keys 0NUMBER, .NAME and =ID.
 */
#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bench/nss/make.h"
#include "bench/nss/people.h"
#include "lib/base/str.h"

#define INDEX_ROW 32 /* bytes, the newline included */
#define PATH      256

struct sink {
	FILE *lines;           /* NULL: there is only db */
	FILE *by_name, *by_id; /* of libnss-cache */
	FILE *db;              /* of makedb */
	uint32_t count;
	uint64_t offset;
};

static void index_row(FILE *out, const char *key, uint64_t offset)
{
	char row[INDEX_ROW] = { 0 };
	int len = snprintf(row, sizeof(row) - 1, "%s", key);
	(void)snprintf(row + len + 1, sizeof(row) - (size_t)len - 2, "%" PRIu64, offset);
	row[INDEX_ROW - 1] = '\n';
	(void)fwrite(row, sizeof(row), 1, out);
}

static void put(struct sink *sink, const char *name, uint32_t id, const char *line)
{
	char decimal[16];
	(void)snprintf(decimal, sizeof(decimal), "%" PRIu32, id);
	if (sink->lines) {
		(void)fprintf(sink->lines, "%s\n", line);
		index_row(sink->by_name, name, sink->offset);
		index_row(sink->by_id, decimal, sink->offset);
		sink->offset += strlen(line) + 1;
	}
	if (sink->db)
		(void)fprintf(sink->db, "0%" PRIu32 " %s\n.%s %s\n=%s %s\n", sink->count, line,
			      name, line, decimal, line);
	sink->count++;
}

static bool put_passwd(struct sink *sink, uint32_t people)
{
	char name[PEOPLE_NAME_MAX], home[PEOPLE_HOME_MAX], line[128];
	for (uint32_t i = 0; i < people; i++) {
		people_name(i, 'u', name);
		people_home(name, home);
		(void)snprintf(line, sizeof(line), "%s:x:%" PRIu32 ":%" PRIu32 ":%s:%s:%s", name,
			       people_uid(i), people_uid(i), PEOPLE_GECOS, home, PEOPLE_SHELL);
		put(sink, name, people_uid(i), line);
	}
	return true;
}

/* "w00000:x:GID:u000000,u000015,..."; freed by the caller. */
static char *team_line(uint32_t people, uint32_t team, const char *team_name)
{
	char *line = NULL, name[PEOPLE_NAME_MAX];
	size_t len = 0;
	const char *comma = "";
	uint32_t teams = people_teams(people);
	FILE *out = open_memstream(&line, &len);
	if (!out)
		return NULL;
	(void)fprintf(out, "%s:x:%" PRIu32 ":", team_name, people_team_gid(people, team));
	for (uint32_t i = people_first_member(team); i < people;
	     i = people_next_member(i, team, teams)) {
		people_name(i, 'u', name);
		(void)fprintf(out, "%s%s", comma, name);
		comma = ",";
	}
	return fclose(out) == 0 ? line : NULL;
}

static bool put_group(struct sink *sink, uint32_t people)
{
	char name[PEOPLE_NAME_MAX], line[64];
	for (uint32_t i = 0; i < people; i++) {
		people_name(i, 'u', name);
		(void)snprintf(line, sizeof(line), "%s:x:%" PRIu32 ":", name, people_uid(i));
		put(sink, name, people_uid(i), line);
	}
	for (uint32_t team = 0; team < people_teams(people); team++) {
		people_team_name(team, name);
		char *with_members = team_line(people, team, name);
		if (!with_members)
			return false;
		put(sink, name, people_team_gid(people, team), with_members);
		free(with_members);
	}
	return true;
}

static FILE *create(const char *folder, const char *base, const char *ending)
{
	char path[PATH];
	(void)snprintf(path, sizeof(path), "%s/%s%s", folder, base, ending);
	FILE *file = fopen(path, "we");
	if (!file)
		perror(path);
	return file;
}

static bool finish(FILE *file)
{
	bool ok = file && !ferror(file);
	if (file && fclose(file) != 0)
		ok = false;
	return ok;
}

static bool make_file(uint32_t people, const char *folder, const char *base, const char *id_ending,
		      bool (*fill)(struct sink *, uint32_t))
{
	struct sink sink = {
		.lines = create(folder, base, ""),
		.by_name = create(folder, base, ".ixname"),
		.by_id = create(folder, base, id_ending),
	};
	bool ok = sink.lines && sink.by_name && sink.by_id && fill(&sink, people);
	ok = finish(sink.lines) && ok; /* first: libnss-cache believes no index older than it */
	ok = finish(sink.by_name) && ok;
	return finish(sink.by_id) && ok;
}

bool make_files(uint32_t people, const char *folder)
{
	return make_file(people, folder, "passwd", ".ixuid", put_passwd) &&
	       make_file(people, folder, "group", ".ixgid", put_group);
}

bool make_db_text(uint32_t people, const char *which)
{
	struct sink sink = { .db = stdout };
	bool ok =
		strcmp(which, "passwd") == 0 ? put_passwd(&sink, people) : put_group(&sink, people);
	return ok && !ferror(stdout);
}
