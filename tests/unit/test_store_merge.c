/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * File sources beside the store: who wins, who loses and is told so, what leaves a tombstone, what
 * comes back. Each row is a new store with a few accounts of its own, then source files, one after
 * the other.
 */
#include <config.h>

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/store_help.h"

#define KEY_A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define KEY_B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define STEPS 4

/* One source file that is read, or (passwd NULL) goes away; then a merge. */
struct step {
	const char *source, *passwd, *group;
};

struct row {
	const char *what;
	struct step steps[STEPS];
	const char *right;     /* what the walk shows of sources and their tombstones */
	const char *conflicts; /* a line each */
};

#define TAIL                     ":*:/h:/s\n"
#define U(name, uid, gid)        name ":*:" uid ":" gid "::/h:/s\n"
#define G(name, gid, members)    name ":*:" gid ":" members "\n"
#define W(name, ids, from, more) "user " name " " ids " from " from "  /h /s" more "\n"

/* The store has alice 2000200001, bob 5001 (group crew 5100), a bound dora 5002, and carol 5050 is
 * removed. This machine has here 5007, and a group herd 5008. */
/* clang-format off */
static const struct row rows[] = {
	{ "users with private groups, in the order of names",
	  { { "corp", U("yan", "5501", "5501") U("xena", "5500", "5500"), "" } },
	  "source 1 corp\n" W("xena", "5500:5500", "1", "") W("yan", "5501:5501", "1", ""), "" },
	{ "groups, their members, a primary group",
	  { { "corp", U("xena", "5500", "5600") U("yan", "5501", "5501"),
	      G("devs", "5600", "yan,xena") G("ops", "5601", "xena,alice") } },
	  "source 1 corp\ngroup devs 5600 from 1\ngroup ops 5601 from 1\n"
	  W("alice", "2000200001:2000200001", "0", " +5601")
	  W("xena", "5500:5600", "1", " +5601") W("yan", "5501:5501", "1", " +5600")
	  "members 5600 yan\nmembers 5601 alice xena\n", "" },
	{ "the primary group is one of the store",
	  { { "corp", U("xena", "5500", "5100"), "" } },
	  "source 1 corp\n" W("xena", "5500:5100", "1", ""), "" },
	{ "or of nobody",
	  { { "corp", U("xena", "5500", "5101"), "" } }, "source 1 corp\n",
	  "corp:1: user 'xena': its primary group 5101 is neither of this source nor of the store\n" },
	{ "or of another source",
	  { { "acme", "", G("devs", "5600", "") }, { "corp", U("xena", "5500", "5600"), "" } },
	  "source 1 acme\nsource 2 corp\ngroup devs 5600 from 1\nmembers 5600\n",
	  "corp:1: user 'xena': its primary group 5600 is neither of this source nor of the store\n" },
	{ "a private group of another number",
	  { { "corp", U("xena", "5500", "5600"), G("xena", "5600", "") } },
	  "source 1 corp\ngroup xena 5600 from 1\n" W("xena", "5500:5600", "1", "")
	  "members 5600\n", "" },
	{ "a private group that is written out",
	  { { "corp", U("xena", "5500", "5500") U("yan", "5501", "5501"),
	      G("xena", "5500", "xena") G("yan", "5501", "xena") } },
	  "source 1 corp\n" W("xena", "5500:5500", "1", "") W("yan", "5501:5501", "1", ""),
	  "corp:2: group 'yan': it is the private group of the user of this name; 'xena' cannot be "
	  "a member\n" },
	{ "a group with the name of a private one",
	  { { "corp", U("xena", "5500", "5500"), G("xena", "5600", "") } },
	  "source 1 corp\n" W("xena", "5500:5500", "1", ""),
	  "corp:1: group 'xena': the name belongs to the source 'corp'\n" },
	{ "a group with the number of a private one",
	  { { "corp", U("xena", "5500", "5500"), G("devs", "5500", "") } },
	  "source 1 corp\n" W("xena", "5500:5500", "1", ""),
	  "corp:1: group 'devs': the gid 5500 is, or was, that of the group 'xena'\n" },
	{ "members that are nobody",
	  { { "corp", "", G("devs", "5600", "nemo,here,alice") } },
	  "source 1 corp\ngroup devs 5600 from 1\n"
	  W("alice", "2000200001:2000200001", "0", " +5600") "members 5600 alice\n",
	  "corp:1: group 'devs': there is no account 'here' that could be a member\n"
	  "corp:1: group 'devs': there is no account 'nemo' that could be a member\n" },
	{ "names of the store",
	  { { "corp", U("alice", "5500", "5500") U("xena", "5501", "5501"),
	      G("crew", "5600", "") G("bob", "5601", "") } },
	  "source 1 corp\n" W("xena", "5501:5501", "1", ""),
	  "corp:1: user 'alice': the name belongs to the store\n"
	  "corp:1: group 'crew': the name belongs to the store\n"
	  "corp:2: group 'bob': the name belongs to the store\n" },
	{ "the very account of the store",
	  { { "corp", U("alice", "2000200001", "2000200001"), "" } }, "source 1 corp\n",
	  "corp:1: user 'alice': the name belongs to the store\n" },
	{ "ids of the store",
	  { { "corp", U("xena", "5001", "5001"), G("devs", "5100", "") G("ops", "2000200001", "") } },
	  "source 1 corp\n",
	  "corp:1: user 'xena': the uid 5001 is, or was, that of 'bob'\n"
	  "corp:1: group 'devs': the gid 5100 is, or was, that of the group 'crew'\n"
	  "corp:2: group 'ops': the gid 2000200001 is, or was, that of the group 'alice'\n" },
	{ "ids that were the store's",
	  { { "corp", U("xena", "5050", "5050") U("carol", "5500", "5500"), G("devs", "5050", "") } },
	  "source 1 corp\n" W("carol", "5500:5500", "1", ""),
	  "corp:1: user 'xena': the uid 5050 is, or was, that of 'carol'\n"
	  "corp:1: group 'devs': the gid 5050 is, or was, that of the group 'carol'\n" },
	{ "an id that comes back to its name",
	  { { "corp", U("carol", "5050", "5050"), "" } },
	  "source 1 corp\n" W("carol", "5050:5050", "1", ""), "" },
	{ "ids and names that may not be",
	  { { "corp", U("xena", "6000", "6000") U("yan", "100", "100") U("zoe", "5500", "6001")
	      U("root", "5501", "5501") U("here", "5502", "5502") U("ada", "5007", "5007")
	      U("nginx", "5503", "5503"), G("herd", "5600", "") G("devs", "5008", "") } },
	  "source 1 corp\n",
	  "corp:1: user 'xena': the id 6000 is reserved, or outside of the window and the foreign "
	  "ranges of accountd.conf\n"
	  "corp:1: group 'herd': 'herd' is a local group of this machine (/etc/group)\n"
	  "corp:2: user 'yan': the id 100 is reserved, or outside of the window and the foreign "
	  "ranges of accountd.conf\n"
	  "corp:2: group 'devs': the id 5008 is held by this machine's own files (passwd, group, "
	  "subuid, subgid)\n"
	  "corp:3: user 'zoe': its primary group 6001 is neither of this source nor of the store\n"
	  "corp:4: user 'root': the name 'root' is reserved for the system\n"
	  "corp:5: user 'here': 'here' is a local account of this machine (/etc/passwd)\n"
	  "corp:6: user 'ada': the id 5007 is held by this machine's own files (passwd, group, "
	  "subuid, subgid)\n"
	  "corp:7: user 'nginx': the name 'nginx' is one that packages give to their daemons\n" },
	{ "ids that useradd may give away",
	  { { "corp", U("xena", "2000250005", "2000250005") U("yan", "2000250010", "2000250010"),
	      G("devs", "2000250005", "") } },
	  "source 1 corp\ngroup devs 2000250005 from 1\n"
	  W("yan", "2000250010:2000250010", "1", "") "members 2000250005\n",
	  "corp:1: user 'xena': useradd or groupadd may give the id 2000250005 to somebody else "
	  "(login.defs, sysusers.d); foreign_ids in accountd.conf can admit it\n" },
	{ "of two sources the first by name",
	  { { "corp", U("xena", "5500", "5500") U("yan", "5501", "5501"), "" },
	    { "acme", U("xena", "5510", "5510"), "" } },
	  "source 1 acme\nsource 2 corp\nstone u 5500 xena 101\nstone g 5500 xena 101\n"
	  W("xena", "5510:5510", "1", "") W("yan", "5501:5501", "2", ""),
	  "corp:1: user 'xena': the name belongs to the source 'acme'\n" },
	{ "and back when that one is gone",
	  { { "corp", U("xena", "5500", "5500"), "" }, { "acme", U("xena", "5510", "5510"), "" },
	    { "acme", NULL, NULL } },
	  "source 1 corp\nstone u 5510 xena 102\nstone g 5510 xena 102\n"
	  W("xena", "5500:5500", "1", ""), "" },
	{ "the same account in two sources moves over",
	  { { "corp", U("xena", "5500", "5500"), "" }, { "acme", U("xena", "5500", "5500"), "" } },
	  "source 1 acme\nsource 2 corp\n" W("xena", "5500:5500", "1", ""),
	  "corp:1: user 'xena': the name belongs to the source 'acme'\n" },
	{ "an id stays with who has it, even before an earlier source",
	  { { "corp", U("xena", "5500", "5500"), G("devs", "5600", "") },
	    { "acme", U("yan", "5500", "5500"), G("ops", "5600", "") } },
	  "source 1 acme\nsource 2 corp\ngroup devs 5600 from 2\n" W("xena", "5500:5500", "2", "")
	  "members 5600\n",
	  "acme:1: user 'yan': the uid 5500 is, or was, that of 'xena'\n"
	  "acme:1: group 'ops': the gid 5600 is, or was, that of the group 'devs'\n" },
	{ "and when that one is gone",
	  { { "corp", U("xena", "5500", "5500"), "" }, { "acme", U("yan", "5500", "5500"), "" },
	    { "corp", "", "" } },
	  "source 1 acme\nsource 2 corp\nstone u 5500 xena 102\nstone g 5500 xena 102\n",
	  "acme:1: user 'yan': the uid 5500 is, or was, that of 'xena'\n" },
	{ "vanished with groups and members, and one that stays",
	  { { "corp", U("xena", "5500", "5600") U("yan", "5501", "5501"),
	      G("devs", "5600", "yan") G("ops", "5601", "xena,yan") },
	    { "corp", U("yan", "5501", "5501"), G("ops", "5601", "yan") } },
	  "source 1 corp\nstone u 5500 xena 101\nstone g 5600 devs 101\ngroup ops 5601 from 1\n"
	  W("yan", "5501:5501", "1", " +5601") "members 5601 yan\n", "" },
	{ "come back, with all of it",
	  { { "corp", U("xena", "5500", "5600"), G("devs", "5600", "") G("ops", "5601", "xena") },
	    { "corp", "", "" },
	    { "corp", U("xena", "5500", "5600"), G("devs", "5600", "") G("ops", "5601", "xena") } },
	  "source 1 corp\ngroup devs 5600 from 1\ngroup ops 5601 from 1\n"
	  W("xena", "5500:5600", "1", " +5601") "members 5600\nmembers 5601 xena\n", "" },
	{ "a member with another uid",
	  { { "corp", U("xena", "5500", "5500"), G("ops", "5601", "alice,xena") },
	    { "corp", U("xena", "5510", "5510"), G("ops", "5601", "alice,xena") } },
	  "source 1 corp\nstone u 5500 xena 101\nstone g 5500 xena 101\ngroup ops 5601 from 1\n"
	  W("alice", "2000200001:2000200001", "0", " +5601") W("xena", "5510:5510", "1", " +5601")
	  "members 5601 alice xena\n", "" },
	{ "a group with another gid",
	  { { "corp", U("xena", "5500", "5500"), G("ops", "5601", "xena") },
	    { "corp", U("xena", "5500", "5500"), G("ops", "5602", "xena") } },
	  "source 1 corp\nstone g 5601 ops 101\ngroup ops 5602 from 1\n"
	  W("xena", "5500:5500", "1", " +5602") "members 5602 xena\n", "" },
	{ "gone as a whole",
	  { { "corp", U("xena", "5500", "5500"), G("ops", "5601", "xena") }, { "corp", NULL, NULL } },
	  "stone u 5500 xena 101\nstone g 5500 xena 101\nstone g 5601 ops 101\n", "" },
	{ "a source that never was",
	  { { "corp", NULL, NULL } }, "", "" },
	{ "another primary group: a private group ends",
	  { { "corp", U("xena", "5500", "5500"), "" },
	    { "corp", U("xena", "5500", "5100"), "" } },
	  "source 1 corp\nstone g 5500 xena 101\n" W("xena", "5500:5100", "1", ""), "" },
	{ "and begins again",
	  { { "corp", U("xena", "5500", "5500"), "" }, { "corp", U("xena", "5500", "5100"), "" },
	    { "corp", U("xena", "5500", "5500"), "" } },
	  "source 1 corp\n" W("xena", "5500:5500", "1", ""), "" },
	{ "a private group becomes a real one",
	  { { "corp", U("xena", "5500", "5500"), "" },
	    { "corp", U("xena", "5501", "5500"), G("xena", "5500", "") } },
	  "source 1 corp\nstone u 5500 xena 101\ngroup xena 5500 from 1\n"
	  W("xena", "5501:5500", "1", "") "members 5500\n", "" },
	{ "a renamed group keeps nothing",
	  { { "corp", "", G("devs", "5600", "alice") }, { "corp", "", G("ops", "5600", "alice") } },
	  "source 1 corp\nstone g 5600 devs 101\n",
	  "corp:1: group 'ops': the gid 5600 is, or was, that of the group 'devs'\n" },
	{ "somebody new with a name that is bound to the one before",
	  { { "corp", U("dora", "5502", "5502"), "" } },
	  "source 1 corp\n",
	  "corp:1: user 'dora': a certificate is still bound to the former 'dora' (uid 5002): mtlsctl "
	  "bind remove dora " KEY_A "\n" },
	{ "a source file with less, then with more",
	  { { "corp", U("xena", "5500", "5500"), "" },
	    { "corp", "xena:*:5500:5500:Xena:/srv:/s\n", "" } },
	  "source 1 corp\nuser xena 5500:5500 from 1 Xena /srv /s\n", "" },
};
/* clang-format on */

struct fixture {
	char *folder;
	struct store *store;
	struct mtls_local *local;
};

static uint64_t commit(struct store *store)
{
	uint64_t generation = 0;
	OK(store_commit(store, &generation, WHY));
	return generation;
}

static void set_source(struct store *store, const struct step *step)
{
	struct mtls_roster roster = { 0 };
	if (step->passwd) {
		OK(mtls_roster_passwd("p", (const uint8_t *)step->passwd, strlen(step->passwd),
				      &roster, WHY));
		OK(mtls_roster_group("g", (const uint8_t *)step->group, strlen(step->group),
				     &roster, WHY));
	}
	OK(store_set_source(store, step->source, step->passwd ? &roster : NULL, WHY));
	mtls_roster_done(&roster);
}

static void add_user(struct store *store, const char *name, uint32_t uid, uint32_t gid)
{
	const struct store_user_spec spec = {
		.name = name, .home = "/h", .shell = "/s", .uid = uid, .gid = gid
	};
	uint32_t got;
	OK(store_add_user(store, &spec, &got, WHY));
}

static void populate(struct store *store)
{
	const struct step former = { "first", U("dora", "5002", "5002"), "" };
	const struct step gone = { "first", NULL, NULL };
	uint32_t id;
	OK(store_begin(store, WHY));
	OK(store_add_group(store, "crew", 5100, &id, WHY));
	add_user(store, "alice", 0, 0);
	add_user(store, "bob", 5001, 5100);
	add_user(store, "carol", 5050, 0);
	OK(store_add_member(store, "crew", "alice", WHY));
	OK(store_remove_user(store, "carol", 1, &id, WHY));
	set_source(store, &former);
	OK(store_merge(store, 2, WHY));
	OK(store_bind(store, KEY_A, "dora", WHY));
	set_source(store, &gone);
	OK(store_merge(store, 3, WHY));
	assert_int_equal(commit(store), 2);
}

static int set_up(void **state)
{
	static const char passwd[] = "here:x:5007:100::/:/bin/sh\n", group[] = "herd:x:5008:\n";
	static const char login_defs[] = "SUB_UID_MIN 2000250000\nSUB_UID_MAX 2000250009\n";
	struct fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	f->folder = help_folder();
	help_write(help_path(f->folder, "passwd"), passwd, strlen(passwd));
	help_write(help_path(f->folder, "group"), group, strlen(group));
	help_write(help_path(f->folder, "login.defs"), login_defs, strlen(login_defs));
	OK(mtls_local_load(f->folder, &f->local, WHY));
	f->store = help_open(f->folder);
	store_set_local(f->store, f->local);
	populate(f->store);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	store_close(f->store);
	mtls_local_free(f->local);
	help_remove(f->folder);
	free(f);
	return 0;
}

/* Is the line what a store without sources has? */
static bool is_own(const char *line)
{
	static const char *const own[] = {
		"next ",
		"stone u 5050 ",
		"stone g 5050 ",
		"stone u 5002 ",
		"stone g 5002 ",
		"group crew 5100 from 0",
		"user bob 5001:5100 ",
		"user alice 2000200001:2000200001 from 0  /h /s +5100\n",
		"members 5100 alice",
		"bind ",
		"end",
	};
	for (size_t i = 0; i < MTLS_COUNT(own); i++)
		if (strncmp(line, own[i], strlen(own[i])) == 0)
			return true;
	return false;
}

static char *foreign_text(struct store *store)
{
	char *text = help_text(store, true), *to = text;
	for (char *line = text; *line;) {
		size_t len = (size_t)(strchr(line, '\n') + 1 - line);
		if (!is_own(line)) {
			memmove(to, line, len);
			to += len;
		}
		line += len;
	}
	*to = '\0';
	/* alice is in crew, whatever else. */
	for (char *at; (at = strstr(text, " +5100"));)
		memmove(at, at + 6, strlen(at + 6) + 1);
	return text;
}

static int put_conflict(void *ctx, const char *source, unsigned int line, const char *sentence)
{
	(void)fprintf(ctx, "%s:%u: %s\n", source, line, sentence);
	return 0;
}

static char *conflict_text(struct store *store)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	assert_non_null(f);
	OK(store_conflicts(store, put_conflict, f, WHY));
	(void)fclose(f);
	return text;
}

static void check(const struct row *row, struct store *store, const char *when)
{
	char *text = foreign_text(store), *conflicts = conflict_text(store);
	if (strcmp(text, row->right) != 0)
		fail_msg("%s, %s:\n%s", row->what, when, text);
	if (strcmp(conflicts, row->conflicts) != 0)
		fail_msg("%s, %s:\n%s", row->what, when, conflicts);
	free(text);
	free(conflicts);
}

static void run_row(struct fixture *f, const struct row *row)
{
	uint64_t generation = 0;
	for (unsigned int i = 0; i < STEPS && row->steps[i].source; i++) {
		OK(store_begin(f->store, WHY));
		set_source(f->store, &row->steps[i]);
		OK(store_merge(f->store, 100 + i, WHY));
		generation = commit(f->store);
	}
	check(row, f->store, "merged");
	/* Without news: nothing changes, nothing is published. */
	OK(store_begin(f->store, WHY));
	OK(store_merge(f->store, 500, WHY));
	assert_int_equal(commit(f->store), generation);
	for (unsigned int i = 0; i < STEPS && row->steps[i].source; i++) {
		if (i + 1 < STEPS && row->steps[i + 1].source)
			continue;
		OK(store_begin(f->store, WHY));
		set_source(f->store, &row->steps[i]);
		OK(store_merge(f->store, 500, WHY));
		assert_int_equal(commit(f->store), generation);
	}
	check(row, f->store, "merged again");
	store_close(f->store);
	f->store = help_open(f->folder);
	check(row, f->store, "opened again");
}

static void every_scenario(void **state)
{
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		void *own = NULL;
		(void)set_up(&own);
		run_row(own, &rows[i]);
		(void)tear_down(&own);
	}
}

struct refusal {
	const char *what;
	int (*call)(struct store *store, struct mtls_diag *diag);
	int want;
	const char *says;
};

static int name_of_source(struct store *store, struct mtls_diag *diag)
{
	const struct store_user_spec spec = { .name = "xena", .home = "/", .shell = "/s" };
	uint32_t uid;
	return store_add_user(store, &spec, &uid, diag);
}

static int primary_of_source(struct store *store, struct mtls_diag *diag)
{
	const struct store_user_spec spec = {
		.name = "zed", .home = "/", .shell = "/s", .gid = 5600
	};
	uint32_t uid;
	return store_add_user(store, &spec, &uid, diag);
}

static int change_of_source(struct store *store, struct mtls_diag *diag)
{
	const struct store_user_spec spec = { .name = "xena", .home = "/" };
	return store_change_user(store, &spec, diag);
}

static int remove_of_source(struct store *store, struct mtls_diag *diag)
{
	uint32_t uid;
	return store_remove_user(store, "xena", 1, &uid, diag);
}

static int group_of_source(struct store *store, struct mtls_diag *diag)
{
	uint32_t gid;
	return store_remove_group(store, "devs", 1, &gid, diag);
}

static int join_of_source(struct store *store, struct mtls_diag *diag)
{
	return store_add_member(store, "devs", "alice", diag);
}

static int join_by_source(struct store *store, struct mtls_diag *diag)
{
	return store_add_member(store, "crew", "xena", diag);
}

static int primary_needed(struct store *store, struct mtls_diag *diag)
{
	uint32_t gid;
	return store_remove_group(store, "base", 1, &gid, diag);
}

static int uid_of_source(struct store *store, struct mtls_diag *diag)
{
	uint32_t gid;
	return store_add_group(store, "club", 5500, &gid, diag);
}

static int named_store(struct store *store, struct mtls_diag *diag)
{
	const struct mtls_roster roster = { 0 };
	return store_set_source(store, "store", &roster, diag);
}

static int named_badly(struct store *store, struct mtls_diag *diag)
{
	const struct mtls_roster roster = { 0 };
	return store_set_source(store, "a b", &roster, diag);
}

static int without_home(struct store *store, struct mtls_diag *diag)
{
	static char name[] = "zed", shell[] = "/s";
	struct mtls_roster_user user = {
		.name = name, .shell = shell, .uid = 5700, .gid = 5700, .line = 3
	};
	const struct mtls_roster roster = { .users = &user, .user_count = 1 };
	return store_set_source(store, "corp", &roster, diag);
}

/* clang-format off */
static const struct refusal refusals[] = {
	{ "a name", name_of_source, MTLS_E_EXISTS, "from the source 'corp'" },
	{ "an id", uid_of_source, MTLS_E_DENIED, "in use" },
	{ "a primary group", primary_of_source, MTLS_E_DENIED, "comes from a source" },
	{ "a change", change_of_source, MTLS_E_DENIED, "change it there" },
	{ "a removal", remove_of_source, MTLS_E_DENIED, "the source 'corp'" },
	{ "a group's removal", group_of_source, MTLS_E_DENIED, "the source 'corp'" },
	{ "joining its group", join_of_source, MTLS_E_DENIED, "the source 'corp'" },
	{ "its user joining", join_by_source, MTLS_E_DENIED, "the source 'corp'" },
	{ "its user's primary group", primary_needed, MTLS_E_DENIED, "primary group of the account 'zora'" },
	{ "the store's own name", named_store, MTLS_E_SYNTAX, "not a name for a source" },
	{ "a bad name", named_badly, MTLS_E_SYNTAX, "not a name for a source" },
	{ "a user without a home", without_home, MTLS_E_SYNTAX, "corp:3: a user of a source needs" },
};
/* clang-format on */

static void sources_own_what_is_theirs(void **state)
{
	const struct step corp = { "corp", U("xena", "5500", "5600") U("zora", "5503", "5101"),
				   G("devs", "5600", "alice") };
	struct fixture *f = *state;
	uint32_t gid;
	OK(store_begin(f->store, WHY));
	OK(store_add_group(f->store, "base", 5101, &gid, WHY));
	set_source(f->store, &corp);
	OK(store_merge(f->store, 9, WHY));
	assert_int_equal(commit(f->store), 3);
	char *before = help_text(f->store, false);
	for (size_t i = 0; i < MTLS_COUNT(refusals); i++) {
		struct mtls_diag diag = { 0 };
		OK(store_begin(f->store, WHY));
		int r = refusals[i].call(f->store, &diag);
		if (r != refusals[i].want || !strstr(diag.text, refusals[i].says))
			fail_msg("%s: %d '%s'", refusals[i].what, r, diag.text);
		assert_int_equal(commit(f->store), 3);
	}
	char *after = help_text(f->store, false);
	assert_string_equal(after, before);
	free(before);
	free(after);
	/* The account of the store goes, and with it its membership of a source's group. */
	uint32_t uid;
	OK(store_begin(f->store, WHY));
	OK(store_remove_user(f->store, "alice", 10, &uid, WHY));
	OK(store_merge(f->store, 11, WHY));
	assert_int_equal(commit(f->store), 4);
	char *text = conflict_text(f->store);
	assert_non_null(strstr(text, "there is no account 'alice'"));
	free(text);
	free(help_text(f->store, true));
}

/* The names that the stream binds to KEY_B: "bind KEY a b\n", or "". */
static bool published(struct store *store, const char *names)
{
	char *text = help_text(store, true), *at = strstr(text, "bind " KEY_B);
	char *end = at ? strchr(at, '\n') : NULL;
	if (end)
		*end = '\0';
	bool same = strcmp(at ? at + strlen("bind " KEY_B) : "", names) == 0;
	if (!same)
		print_message("found '%s'\n", at ? at : "no binding");
	free(text);
	return same;
}

/*
 * A certificate is bound to a person. The account of a source may go and come back, and its binding
 * with it; who else has the name meanwhile, or later, is somebody else, even if it is an account of
 * this machine, which the store knows nothing about.
 */
static void bound_to_a_source_and_back(void **state)
{
	static const struct {
		struct step step;
		bool there;
		const char *names;
	} times[] = {
		{ { "corp", U("xena", "5500", "5500"), "" }, true, " xena" },
		{ { "corp", NULL, NULL }, false, "" },
		{ { "corp", U("xena", "5501", "5501"), "" }, false, "" },
		{ { "corp", U("xena", "5500", "5500"), "" }, true, " xena" },
		{ { "corp", U("xena", "5500", "5100"), "" }, true, " xena" },
	};
	struct fixture *f = *state;
	OK(store_begin(f->store, WHY));
	set_source(f->store, &times[0].step);
	OK(store_merge(f->store, 0, WHY));
	OK(store_bind(f->store, KEY_B, "xena", WHY));
	(void)commit(f->store);
	for (size_t i = 0; i < MTLS_COUNT(times); i++) {
		OK(store_begin(f->store, WHY));
		set_source(f->store, &times[i].step);
		OK(store_merge(f->store, i, WHY));
		(void)commit(f->store);
		assert_int_equal(store_has_user(f->store, "xena"), times[i].there);
		assert_true(published(f->store, times[i].names));
	}
}

/* The name of a source's account becomes one of this machine: another person's. */
static void bound_and_then_local(void **state)
{
	static const char passwd[] = "xena:x:1000:1000::/:/bin/sh\n";
	const struct step corp = { "corp", U("xena", "5500", "5500"), "" };
	struct fixture *f = *state;
	struct mtls_local *local = NULL;
	OK(store_begin(f->store, WHY));
	set_source(f->store, &corp);
	OK(store_merge(f->store, 1, WHY));
	OK(store_bind(f->store, KEY_B, "xena", WHY));
	(void)commit(f->store);
	help_write(help_path(f->folder, "passwd"), passwd, strlen(passwd));
	OK(mtls_local_load(f->folder, &local, WHY));
	store_set_local(f->store, local);
	OK(store_begin(f->store, WHY));
	OK(store_merge(f->store, 2, WHY));
	(void)commit(f->store);
	assert_false(store_has_user(f->store, "xena"));
	assert_true(published(f->store, ""));
	/* Unless that one is meant. */
	OK(store_begin(f->store, WHY));
	struct mtls_diag diag = { 0 };
	assert_int_equal(store_bind(f->store, KEY_B, "xena", &diag), MTLS_E_EXISTS);
	assert_non_null(strstr(diag.text, "another 'xena'"));
	OK(store_unbind(f->store, KEY_B, "xena", WHY));
	OK(store_bind(f->store, KEY_B, "xena", WHY));
	(void)commit(f->store);
	assert_true(published(f->store, " xena"));
	store_set_local(f->store, f->local);
	mtls_local_free(local);
}

/* Bound as somebody of this machine or of another service, who is gone: not the source's. */
static void bound_before_a_source(void **state)
{
	const struct step corp = { "corp", U("xena", "5500", "5500"), "" };
	struct fixture *f = *state;
	OK(store_begin(f->store, WHY));
	OK(store_bind(f->store, KEY_B, "xena", WHY));
	set_source(f->store, &corp);
	OK(store_merge(f->store, 1, WHY));
	assert_false(store_has_user(f->store, "xena"));
	(void)commit(f->store);
	assert_true(published(f->store, " xena"));
	char *text = conflict_text(f->store);
	assert_string_equal(text,
			    "corp:1: user 'xena': a certificate is bound to 'xena' as somebody "
			    "else's account: mtlsctl bind remove xena " KEY_B "\n");
	free(text);
	OK(store_begin(f->store, WHY));
	OK(store_unbind(f->store, KEY_B, "xena", WHY));
	OK(store_merge(f->store, 2, WHY));
	(void)commit(f->store);
	assert_true(store_has_user(f->store, "xena"));
	assert_true(published(f->store, ""));
}

static int count_source(void *ctx, const char *name, uint64_t users, uint64_t groups)
{
	(void)fprintf(ctx, "%s %d %d\n", name, (int)users, (int)groups);
	return 0;
}

static void sources_are_counted_and_limited(void **state)
{
	const struct step corp = { "corp", U("xena", "5500", "5500") U("root", "5501", "5501"),
				   G("devs", "5600", "xena") };
	struct fixture *f = *state;
	struct mtls_diag diag = { 0 };
	const struct mtls_roster none = { 0 };
	char *text = NULL;
	size_t len;
	OK(store_begin(f->store, WHY));
	set_source(f->store, &corp);
	OK(store_set_source(f->store, "acme", &none, WHY));
	OK(store_merge(f->store, 1, WHY));
	(void)commit(f->store);
	FILE *out = open_memstream(&text, &len);
	assert_non_null(out);
	OK(store_sources(f->store, count_source, out, WHY));
	(void)fclose(out);
	assert_string_equal(text, "acme 0 0\ncorp 1 1\n");
	free(text);
	OK(store_begin(f->store, WHY));
	for (int i = 2; i < MTLS_ACCTDB_SOURCES_MAX - 1; i++) {
		char name[16];
		(void)snprintf(name, sizeof(name), "s%02d", i);
		OK(store_set_source(f->store, name, &none, WHY));
	}
	assert_int_equal(store_set_source(f->store, "more", &none, &diag), MTLS_E_LIMIT);
	OK(store_merge(f->store, 2, WHY));
	(void)commit(f->store);
	free(help_text(f->store, true));
}

static void conflicts_have_a_limit(void **state)
{
	struct fixture *f = *state;
	struct mtls_buf text = MTLS_BUF(1 << 20);
	for (int i = 0; i < 1500; i++)
		OK(mtls_buf_printf(&text, "x%d:*:%d:100::/:/s\n", i, 10000 + i));
	const struct step corp = { "corp", mtls_buf_cstr(&text), "" };
	OK(store_begin(f->store, WHY));
	set_source(f->store, &corp);
	OK(store_merge(f->store, 1, WHY));
	(void)commit(f->store);
	char *conflicts = conflict_text(f->store);
	size_t lines = 0;
	for (const char *p = conflicts; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, 1001);
	assert_non_null(strstr(conflicts, "500 more entries lost"));
	free(conflicts);
	mtls_buf_done(&text);
}

/* Few names and few ids, so that all of them collide. */
static char *random_passwd(unsigned int *seed)
{
	struct mtls_buf text = MTLS_BUF(1 << 16);
	OK(mtls_buf_append_str(&text, "#\n"));
	for (int i = 0; i < 15; i++) {
		static const int gids[] = { 5600, 5601, 5602, 5500, 5501, 5100 };
		int uid = 5500 + rand_r(seed) % 15;
		int gid = rand_r(seed) % 2 ? uid : gids[(size_t)rand_r(seed) % MTLS_COUNT(gids)];
		if (rand_r(seed) % 2)
			OK(mtls_buf_printf(&text, "n%d:*:%d:%d::/h%d:/s\n", i, uid, gid,
					   rand_r(seed) % 2));
	}
	char *copy = strdup(mtls_buf_cstr(&text));
	mtls_buf_done(&text);
	return copy;
}

static char *random_group(unsigned int *seed)
{
	struct mtls_buf text = MTLS_BUF(1 << 16);
	OK(mtls_buf_append_str(&text, "#\n"));
	for (int i = 0; i < 15; i++) {
		int gid = (rand_r(seed) % 2 ? 5600 : 5500) + rand_r(seed) % 6;
		if (rand_r(seed) % 2)
			continue;
		OK(mtls_buf_printf(&text, "%c%d:*:%d:", i % 2 ? 'g' : 'n', i, gid));
		for (int n = 0, any = 0; n < 15; n++)
			if (rand_r(seed) % 4 == 0)
				OK(mtls_buf_printf(&text, "%sn%d", any++ ? "," : "", n));
		OK(mtls_buf_append_str(&text, "\n"));
	}
	char *copy = strdup(mtls_buf_cstr(&text));
	mtls_buf_done(&text);
	return copy;
}

/* To whom an id from 5000 on belongs, ever since; and whom KEY_A was bound to. */
struct owners {
	char names[2][1000][16];
	uint32_t bound[15]; /* by the number in the name: the uid, 0 where there was no account */
	int alive, published;
};

static void own(struct owners *owners, int group, unsigned int id, const char *name)
{
	if (id < 5000 || id > 5999)
		return;
	char *owner = owners->names[group][id - 5000];
	if (*owner && strcmp(owner, name) != 0)
		fail_msg("%s %u: was %s, is %s", group ? "gid" : "uid", id, owner, name);
	(void)snprintf(owner, 16, "%s", name);
}

static void check_owners(struct owners *owners, const char *text)
{
	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		char name[33], kind;
		unsigned int id, gid;
		if (sscanf(line, "user %32s %u:%u", name, &id, &gid) == 3) {
			own(owners, 0, id, name);
			if (id == gid)
				own(owners, 1, gid, name);
			owners->alive++;
		} else if (sscanf(line, "group %32s %u", name, &id) == 2) {
			own(owners, 1, id, name);
		} else if (sscanf(line, "stone %c %u %32s", &kind, &id, name) == 3) {
			own(owners, kind == 'g', id, name);
		}
	}
}

static uint32_t uid_of(struct store *store, const char *name)
{
	_cleanup_free_ char *home = NULL, *shell = NULL;
	uint32_t uid = 0, gid;
	(void)store_get_user(store, name, &uid, &gid, &home, &shell);
	return uid;
}

/* A certificate opens the account that it was bound to, or none. */
static void check_bound(struct owners *owners, struct store *store, const char *text)
{
	const char *at = strstr(text, "bind " KEY_A);
	char name[33];
	int len;
	for (at = at ? at + strlen("bind " KEY_A) : "";
	     sscanf(at, " %32[a-z0-9]%n", name, &len) == 1; at += len) {
		if (strcmp(name, "dora") == 0)
			fail_msg("dora is gone");
		uint32_t uid = uid_of(store, name), was = owners->bound[atoi(name + 1)];
		if (uid != was)
			fail_msg("%s: was bound as %u, is %u", name, was, uid);
		owners->published++;
	}
}

/* What the store's own people do meanwhile; most of it is refused. */
static void meddle(struct store *store, struct owners *owners, unsigned int *seed)
{
	char name[16];
	uint32_t id;
	struct mtls_diag diag = { 0 };
	int n = rand_r(seed) % 15;
	(void)snprintf(name, sizeof(name), "n%d", n);
	const struct store_user_spec spec = {
		.name = name, .home = "/h", .shell = "/s", .uid = 5500 + (uint32_t)rand_r(seed) % 20
	};
	int r = 0;
	switch (rand_r(seed) % 5) {
	case 0:
		r = store_add_user(store, &spec, &id, &diag);
		break;
	case 1:
		r = store_remove_user(store, name, 7, &id, &diag);
		break;
	case 2:
		r = store_bind(store, KEY_A, name, &diag);
		if (r >= 0)
			owners->bound[n] = uid_of(store, name);
		break;
	case 3:
		r = store_unbind(store, KEY_A, name, &diag);
		break;
	default:
		r = store_add_member(store, "crew", name, &diag);
	}
	/* Refused by a rule, with words; never by a table. */
	assert_true(r == 0 || (r < -999 && r != MTLS_E_BUG && diag.text[0]));
}

static void random_sources(void **state)
{
	static const char *const names[] = { "acme", "corp", "zeta" };
	struct fixture *f = *state;
	static struct owners owners;
	unsigned int seed = 5;
	for (int round = 0; round < 400; round++) {
		char *passwd = random_passwd(&seed), *group = random_group(&seed);
		const struct step step = { names[rand_r(&seed) % 3],
					   rand_r(&seed) % 8 ? passwd : NULL, group };
		OK(store_begin(f->store, WHY));
		meddle(f->store, &owners, &seed);
		set_source(f->store, &step);
		OK(store_merge(f->store, 10, WHY));
		uint64_t generation = commit(f->store);
		OK(store_begin(f->store, WHY));
		OK(store_merge(f->store, 11, WHY));
		assert_int_equal(commit(f->store), generation);
		char *text = help_text(f->store, true);
		check_owners(&owners, text);
		check_bound(&owners, f->store, text);
		free(text);
		free(passwd);
		free(group);
	}
	assert_true(owners.alive > 1000 && owners.published > 100);
}

/* Of our own: the machine may be busy. */
static double seconds(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* 100,000 entries: the bound is ten times what it takes. */
static void large_sources_take_seconds(void **state)
{
	struct fixture *f = *state;
	struct store_options options = help_options(help_path(f->folder, "large.db"));
	struct mtls_buf passwd = MTLS_BUF(64 << 20), group = MTLS_BUF(64 << 20);
	struct store *store;
	bool is_new;
	for (int i = 0; i < 100000; i++)
		OK(mtls_buf_printf(&passwd, "x%06d:*:%d:%d::/h:/s\n", i, 2001000000 + i,
				   2001000000 + i));
	for (int g = 0; g < 100; g++) {
		OK(mtls_buf_printf(&group, "g%d:*:%d:x%06d", g, 2002000000 + g, g));
		for (int i = 1; i < 1000; i++)
			OK(mtls_buf_printf(&group, ",x%06d", i * 100 + g));
		OK(mtls_buf_append_str(&group, "\n"));
	}
	options.ids.window.max = 2010000000;
	OK(store_open(&options, &store, &is_new, WHY));
	const struct step corp = { "corp", mtls_buf_cstr(&passwd), mtls_buf_cstr(&group) };
	static const char *const what[] = { "new", "the same", "others", "gone" };
	struct step others = corp;
	const struct step gone = { "corp", NULL, NULL };
	others.group = "";
	const struct step *const steps[] = { &corp, &corp, &others, &gone };
	for (int i = 0; i < 4; i++) {
		double start = seconds();
		OK(store_begin(store, WHY));
		set_source(store, steps[i]);
		double set = seconds();
		OK(store_merge(store, 1, WHY));
		double merged = seconds();
		(void)commit(store);
		print_message("# 100,000 users, %s: set %.2f s, merge %.2f s, commit %.2f s\n",
			      what[i], set - start, merged - set, seconds() - merged);
		assert_true(seconds() - start < 60);
	}
	store_close(store);
	mtls_buf_done(&passwd);
	mtls_buf_done(&group);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_scenario), TEST(sources_own_what_is_theirs),
		TEST(bound_to_a_source_and_back), TEST(bound_and_then_local),
		TEST(bound_before_a_source),      TEST(sources_are_counted_and_limited),
		TEST(conflicts_have_a_limit),     TEST(random_sources),
		TEST(large_sources_take_seconds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
