/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The snapshot, by the code with which the publisher makes it, fed from memory: what a publish
 * costs without the store, the pipe and their processes.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench/nss/make.h"
#include "bench/nss/people.h"
#include "lib/acctdb/build.h"
#include "lib/acctdb/place.h"
#include "lib/base/buf.h"

#define LOCK_TIMEOUT_MS 1000
#define LIST_MAX        MTLS_ACCTDB_VALUE_MAX

struct feed {
	struct mtls_acctbuild *build;
	struct mtls_diag *diag;
	uint32_t people, teams;
	uint64_t items;
};

static struct mtls_acct_str str_of(const char *text)
{
	return (struct mtls_acct_str){ text, strlen(text) };
}

static int add(struct feed *feed, const struct mtls_acct_item *item)
{
	feed->items++;
	return mtls_acctbuild_add(feed->build, item, feed->diag);
}

static int add_teams(struct feed *feed)
{
	char name[PEOPLE_NAME_MAX];
	int r = 0;
	for (uint32_t team = 0; r >= 0 && team < feed->teams; team++) {
		people_team_name(team, name);
		const struct mtls_acct_item item = {
			.kind = MTLS_ACCT_ITEM_GROUP,
			.u.group = { .gid = people_team_gid(feed->people, team),
				     .name = str_of(name) },
		};
		r = add(feed, &item);
	}
	return r;
}

static int add_user(struct feed *feed, uint32_t i, struct mtls_buf *gids)
{
	char name[PEOPLE_NAME_MAX], home[PEOPLE_HOME_MAX];
	uint32_t a = i % feed->teams, b = (i + 1) % feed->teams, uid = people_uid(i);
	people_name(i, 'u', name);
	people_home(name, home);
	mtls_buf_reset(gids);
	int r = mtls_acct_ids_pack(people_team_gid(feed->people, a < b ? a : b), gids);
	if (r >= 0)
		r = mtls_acct_ids_pack(people_team_gid(feed->people, a < b ? b : a), gids);
	if (r < 0)
		return r;
	const struct mtls_acct_item item = {
		.kind = MTLS_ACCT_ITEM_USER,
		.u.user = { .user = { .uid = uid,
				      .gid = uid,
				      .name = str_of(name),
				      .gecos = str_of(PEOPLE_GECOS),
				      .home = str_of(home),
				      .shell = str_of(PEOPLE_SHELL) },
			    .gids = { PEOPLE_TEAMS, gids->data } },
	};
	return add(feed, &item);
}

static int add_members(struct feed *feed, uint32_t team, struct mtls_buf *names)
{
	char name[PEOPLE_NAME_MAX];
	uint32_t count = 0;
	int r = 0;
	mtls_buf_reset(names);
	for (uint32_t i = people_first_member(team); r >= 0 && i < feed->people;
	     i = people_next_member(i, team, feed->teams)) {
		people_name(i, 'u', name);
		r = mtls_acct_names_pack(name, names);
		count++;
	}
	if (r < 0)
		return r;
	const struct mtls_acct_item item = {
		.kind = MTLS_ACCT_ITEM_MEMBERS,
		.u.members = { people_team_gid(feed->people, team),
			       { count, names->data, names->len } },
	};
	return add(feed, &item);
}

static int add_lists(struct feed *feed)
{
	_cleanup_buf_ struct mtls_buf list;
	int r = 0;
	mtls_buf_init(&list, LIST_MAX, false);
	for (uint32_t i = 0; r >= 0 && i < feed->people; i++)
		r = add_user(feed, i, &list);
	for (uint32_t team = 0; r >= 0 && team < feed->teams; team++)
		r = add_members(feed, team, &list);
	return r;
}

static int add_all(struct feed *feed)
{
	const struct mtls_acct_item begin = { .kind = MTLS_ACCT_ITEM_BEGIN,
					      .u.begin.generation = 1 };
	const uint32_t next = people_team_gid(feed->people, feed->teams);
	const struct mtls_acct_item ids = { .kind = MTLS_ACCT_ITEM_NEXT, .u.next = { next, next } };
	int r = add(feed, &begin);
	if (r >= 0)
		r = add(feed, &ids);
	if (r >= 0)
		r = add_teams(feed);
	if (r >= 0)
		r = add_lists(feed);
	if (r < 0)
		return r;
	const struct mtls_acct_item end = { .kind = MTLS_ACCT_ITEM_END,
					    .u.end.items = feed->items + 1 };
	return add(feed, &end);
}

static int build(uint32_t people, int fd, struct mtls_diag *diag)
{
	const struct mtls_acctbuild_options options = {
		.ids.window = { MTLS_ID_WINDOW_MIN, MTLS_ID_WINDOW_MAX },
		.created = (uint64_t)time(NULL),
		.fd = fd,
	};
	struct feed feed = { .diag = diag, .people = people, .teams = people_teams(people) };
	struct mtls_acct_header header;
	_cleanup_(mtls_acctbuild_freep) struct mtls_acctbuild *builder = NULL;
	int r = mtls_acctbuild_new(&options, &builder, diag);
	if (r < 0)
		return r;
	feed.build = builder;
	r = add_all(&feed);
	if (r >= 0)
		r = mtls_acctbuild_finish(builder, &header, diag);
	if (r >= 0 && header.users != people)
		r = mtls_diag_set(diag, MTLS_E_CORRUPT, "%u of %u users", header.users, people);
	return r;
}

static int publish(uint32_t people, const char *path, struct mtls_diag *diag)
{
	_cleanup_(mtls_acctplace_closep) struct mtls_acctplace *place = NULL;
	int fd;
	int r = mtls_acctplace_open(path, 0, LOCK_TIMEOUT_MS, &place, diag);
	if (r >= 0)
		r = mtls_acctplace_begin(place, &fd, diag);
	if (r >= 0)
		r = build(people, fd, diag);
	return r < 0 ? r : mtls_acctplace_publish(place, diag);
}

bool make_snapshot(uint32_t people, const char *path)
{
	struct mtls_diag diag = { "" };
	int r = publish(people, path, &diag);
	if (r < 0)
		(void)fprintf(stderr, "make: %s\n", mtls_diag_text(&diag, r));
	return r >= 0;
}
