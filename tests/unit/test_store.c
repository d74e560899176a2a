/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store: what is refused and in which words, what a change leaves behind, what a walk shows.
 */
#include <config.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/store_help.h"

#define KEY_A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define KEY_B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

struct fixture {
	char *folder;
	struct store *store;
	struct mtls_local *local;
};

static const char passwd[] = "root:x:0:0::/root:/bin/sh\nhere:x:2000200007:2000200007::/:/bin/sh\n"
			     "far:x:5007:100::/:/bin/sh\n";
static const char group[] = "root:x:0:\nherd:x:2000200009:\n";
static const char subuid[] = "here:2000200011:3\n";

static const char login_defs[] = "UID_MAX 5999\nSUB_UID_MIN 2000299990\nSUB_UID_MAX 2000299999\n";

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	f->folder = help_folder();
	help_write(help_path(f->folder, "passwd"), passwd, strlen(passwd));
	help_write(help_path(f->folder, "group"), group, strlen(group));
	help_write(help_path(f->folder, "subuid"), subuid, strlen(subuid));
	help_write(help_path(f->folder, "login.defs"), login_defs, strlen(login_defs));
	OK(mtls_local_load(f->folder, &f->local, WHY));
	f->store = help_open(f->folder);
	store_set_local(f->store, f->local);
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

static uint64_t commit(struct store *store)
{
	uint64_t generation = 0;
	OK(store_commit(store, &generation, WHY));
	return generation;
}

static uint32_t add_user(struct store *store, const char *name, uint32_t uid, uint32_t gid)
{
	const struct store_user_spec spec = {
		.name = name, .home = "/home/x", .shell = "/bin/sh", .uid = uid, .gid = gid
	};
	uint32_t got = 0;
	OK(store_add_user(store, &spec, &got, WHY));
	return got;
}

static uint32_t add_group(struct store *store, const char *name, uint32_t gid)
{
	uint32_t got = 0;
	OK(store_add_group(store, name, gid, &got, WHY));
	return got;
}

/* alice, bob with the primary group team, team, crew with both, a removed carol and a removed
 * group gone; bindings. */
static void populate(struct store *store)
{
	uint32_t id;
	OK(store_begin(store, WHY));
	assert_int_equal(add_user(store, "alice", 0, 0), HELP_MIN);
	assert_int_equal(add_group(store, "team", 5100), 5100);
	assert_int_equal(add_user(store, "bob", 5001, 5100), 5001);
	assert_int_equal(add_group(store, "crew", 0), HELP_MIN + 1);
	assert_int_equal(add_user(store, "carol", 0, 0), HELP_MIN + 2);
	assert_int_equal(add_group(store, "gone", 0), HELP_MIN + 3);
	OK(store_add_member(store, "crew", "bob", WHY));
	OK(store_add_member(store, "crew", "alice", WHY));
	OK(store_add_member(store, "team", "alice", WHY));
	OK(store_add_member(store, "crew", "carol", WHY));
	OK(store_add_member(store, "team", "bob", WHY)); /* its primary group: is in already */
	OK(store_bind(store, KEY_B, "carol", WHY));
	OK(store_bind(store, KEY_B, "bob", WHY));
	OK(store_bind(store, KEY_B, "alice", WHY));
	OK(store_bind(store, KEY_A, "here", WHY));
	OK(store_bind(store, KEY_A, "carol", WHY));
	OK(store_remove_user(store, "carol", 77, &id, WHY));
	assert_int_equal(id, HELP_MIN + 2);
	OK(store_remove_group(store, "gone", 78, &id, WHY));
	assert_int_equal(commit(store), 2);
}

static const char populated[] = "next 2000200005 2000200005\n"
				"stone u 2000200003 carol 77\n"
				"stone g 2000200003 carol 77\n"
				"stone g 2000200004 gone 78\n"
				"group crew 2000200002 from 0\n"
				"group team 5100 from 0\n"
				"user alice 2000200001:2000200001 from 0  /home/x /bin/sh +5100 "
				"+2000200002\n"
				"user bob 5001:5100 from 0  /home/x /bin/sh +2000200002\n"
				"members 2000200002 alice bob\n"
				"members 5100 alice\n"
				"bind " KEY_A " here\n"
				"bind " KEY_B " alice bob\n"
				"end\n";

static void walks_in_order(void **state)
{
	struct fixture *f = *state;
	populate(f->store);
	char *text = help_text(f->store, true);
	assert_string_equal(text, populated);
	free(text);
	store_close(f->store);
	f->store = help_open(f->folder);
	text = help_text(f->store, false);
	assert_memory_equal(text, "begin 2 0\n", 10);
	assert_string_equal(text + 10, populated);
	free(text);
}

/* One operation on the populated store, and what becomes of it. */
struct row {
	const char *what;
	int (*call)(struct store *store, const struct row *row, struct mtls_diag *diag);
	const char *a, *b;
	uint32_t id, gid;
	int want;
	const char *says; /* in the sentence */
};

static int user_add(struct store *store, const struct row *row, struct mtls_diag *diag)
{
	uint32_t uid;
	const struct store_user_spec spec = { .name = row->a,
					      .home = row->b ? row->b : "/home/x",
					      .shell = "/bin/sh",
					      .uid = row->id,
					      .gid = row->gid };
	return store_add_user(store, &spec, &uid, diag);
}

static int user_gecos(struct store *store, const struct row *row, struct mtls_diag *diag)
{
	uint32_t uid;
	const struct store_user_spec spec = {
		.name = row->a, .gecos = row->b, .home = "/home/x", .shell = "/bin/sh"
	};
	return store_add_user(store, &spec, &uid, diag);
}

static int user_shell(struct store *store, const struct row *row, struct mtls_diag *diag)
{
	uint32_t uid;
	const struct store_user_spec spec = { .name = row->a, .home = "/home/x", .shell = row->b };
	return store_add_user(store, &spec, &uid, diag);
}

static int user_change(struct store *store, const struct row *row, struct mtls_diag *diag)
{
	const struct store_user_spec spec = {
		.name = row->a, .home = row->b, .uid = row->id, .gid = row->gid
	};
	return store_change_user(store, &spec, diag);
}

static int user_remove(struct store *store, const struct row *row, struct mtls_diag *diag)
{
	uint32_t uid;
	return store_remove_user(store, row->a, 1, &uid, diag);
}

static int group_add(struct store *store, const struct row *row, struct mtls_diag *diag)
{
	uint32_t gid;
	return store_add_group(store, row->a, row->id, &gid, diag);
}

static int group_remove(struct store *store, const struct row *row, struct mtls_diag *diag)
{
	uint32_t gid;
	return store_remove_group(store, row->a, 1, &gid, diag);
}

static int join(struct store *store, const struct row *row, struct mtls_diag *diag)
{
	return store_add_member(store, row->a, row->b, diag);
}

static int leave(struct store *store, const struct row *row, struct mtls_diag *diag)
{
	return store_remove_member(store, row->a, row->b, diag);
}

static int bind_key(struct store *store, const struct row *row, struct mtls_diag *diag)
{
	return store_bind(store, row->a, row->b, diag);
}

static int unbind_key(struct store *store, const struct row *row, struct mtls_diag *diag)
{
	return store_unbind(store, row->a, row->b, diag);
}

#define LONG_32 "a2345678901234567890123456789012"

/* clang-format off */
static const struct row rows[] = {
	{ "a new user", user_add, "dora", NULL, 0, 0, 0, NULL },
	{ "of the longest name", user_add, LONG_32, NULL, 0, 0, 0, NULL },
	{ "a longer one", user_add, LONG_32 "3", NULL, 0, 0, MTLS_E_SYNTAX, "at most 32" },
	{ "capital letters", user_add, "Dora", NULL, 0, 0, MTLS_E_SYNTAX, "small letters" },
	{ "an empty name", user_add, "", NULL, 0, 0, MTLS_E_SYNTAX, "not a name" },
	{ "root", user_add, "root", NULL, 0, 0, MTLS_E_DENIED, "reserved" },
	{ "a daemon's name", user_add, "nginx", NULL, 0, 0, MTLS_E_DENIED, "packages" },
	{ "a name of a user", user_add, "alice", NULL, 0, 0, MTLS_E_EXISTS, "account 'alice' exists" },
	{ "a name of a group", user_add, "crew", NULL, 0, 0, MTLS_E_EXISTS, "group 'crew' exists" },
	{ "a local user", user_add, "far", NULL, 0, 0, MTLS_E_EXISTS, "/etc/passwd" },
	{ "a local group", user_add, "herd", NULL, 0, 0, MTLS_E_EXISTS, "/etc/group" },
	{ "the name of a removed user", user_add, "carol", NULL, 0, 0, 0, NULL },
	{ "its id", user_add, "dora", NULL, HELP_MIN + 2, 0, MTLS_E_DENIED, "never given out again" },
	{ "its id and name", user_add, "carol", NULL, HELP_MIN + 2, 0, MTLS_E_DENIED, "never" },
	{ "a removed group's id", user_add, "dora", NULL, HELP_MIN + 3, 0, MTLS_E_DENIED, "never" },
	{ "an id of the window", user_add, "dora", NULL, HELP_MIN + 50, 0, 0, NULL },
	{ "a foreign id", user_add, "dora", NULL, 5999, 0, 0, NULL },
	{ "an id that adduser may give", user_add, "dora", NULL, HELP_MAX - 5, 0, MTLS_E_DENIED, "foreign_ids" },
	{ "an id behind it", user_add, "dora", NULL, 6000, 0, MTLS_E_DENIED, "outside" },
	{ "a system id", user_add, "dora", NULL, 100, 0, MTLS_E_DENIED, "reserved" },
	{ "an id behind the window", user_add, "dora", NULL, HELP_MAX + 1, 0, MTLS_E_DENIED, "outside" },
	{ "a user's id", user_add, "dora", NULL, 5001, 0, MTLS_E_DENIED, "in use" },
	{ "a group's id", user_add, "dora", NULL, 5100, 0, MTLS_E_DENIED, "in use" },
	{ "a local user's id", user_add, "dora", NULL, 5007, 0, MTLS_E_DENIED, "own files" },
	{ "a local group's id", user_add, "dora", NULL, HELP_MIN + 8, 0, MTLS_E_DENIED, "own files" },
	{ "a subordinate id", user_add, "dora", NULL, HELP_MIN + 12, 0, MTLS_E_DENIED, "own files" },
	{ "a primary group", user_add, "dora", NULL, 0, 5100, 0, NULL },
	{ "that is not there", user_add, "dora", NULL, 0, 5101, MTLS_E_NOTFOUND, "no group with the gid" },
	{ "another's private one", user_add, "dora", NULL, 0, HELP_MIN, MTLS_E_NOTFOUND, "no group" },
	{ "its own name as group", user_add, "crew", NULL, 0, HELP_MIN + 1, 0, NULL },
	{ "another's group's name", user_add, "crew", NULL, 0, 5100, MTLS_E_EXISTS, "group 'crew'" },
	{ "another home", user_add, "dora", "/home/dora", 0, 0, 0, NULL },
	{ "a relative home", user_add, "dora", "home", 0, 0, MTLS_E_SYNTAX, "not a home" },
	{ "a home with ..", user_add, "dora", "/a/../b", 0, 0, MTLS_E_SYNTAX, "not a home" },
	{ "gecos", user_gecos, "dora", "Dora, Room 1", 0, 0, 0, NULL },
	{ "gecos with a colon", user_gecos, "dora", "a:b", 0, 0, MTLS_E_SYNTAX, "gecos" },
	{ "gecos with a line", user_gecos, "dora", "a\nb", 0, 0, MTLS_E_SYNTAX, "gecos" },
	{ "a relative shell", user_shell, "dora", "sh", 0, 0, MTLS_E_SYNTAX, "not a shell" },
	{ "no shell", user_shell, "dora", NULL, 0, 0, MTLS_E_SYNTAX, "needs a name, a home" },
	{ "another home", user_change, "alice", "/srv/alice", 0, 0, 0, NULL },
	{ "a bad one", user_change, "alice", "x", 0, 0, MTLS_E_SYNTAX, "not a home" },
	{ "the same ids", user_change, "bob", NULL, 5001, 5100, 0, NULL },
	{ "another uid", user_change, "bob", NULL, 5002, 0, MTLS_E_DENIED, "cannot change" },
	{ "another gid", user_change, "bob", NULL, 0, 5001, MTLS_E_DENIED, "cannot change" },
	{ "of nobody", user_change, "nemo", NULL, 0, 0, MTLS_E_NOTFOUND, "no account 'nemo'" },
	{ "removing", user_remove, "bob", NULL, 0, 0, 0, NULL },
	{ "removing nobody", user_remove, "carol", NULL, 0, 0, MTLS_E_NOTFOUND, "no account 'carol'" },
	{ "removing a local user", user_remove, "here", NULL, 0, 0, MTLS_E_NOTFOUND, "of mtls" },
	{ "a new group", group_add, "club", NULL, 0, 0, 0, NULL },
	{ "of a foreign id", group_add, "club", NULL, 5200, 0, 0, NULL },
	{ "of a uid", group_add, "club", NULL, 5001, 0, MTLS_E_DENIED, "in use" },
	{ "of a removed id", group_add, "gone", NULL, HELP_MIN + 3, 0, MTLS_E_DENIED, "never" },
	{ "of a user's name", group_add, "bob", NULL, 0, 0, MTLS_E_EXISTS, "account 'bob'" },
	{ "of a daemon's name", group_add, "docker", NULL, 0, 0, MTLS_E_DENIED, "the name" },
	{ "a removed group's name", group_add, "gone", NULL, 0, 0, 0, NULL },
	{ "removing a group", group_remove, "crew", NULL, 0, 0, 0, NULL },
	{ "a private group", group_remove, "alice", NULL, 0, 0, MTLS_E_DENIED, "private group" },
	{ "a primary group", group_remove, "team", NULL, 0, 0, MTLS_E_DENIED, "primary group of the account 'bob'" },
	{ "no group", group_remove, "bob", NULL, 0, 0, MTLS_E_NOTFOUND, "no group 'bob'" },
	{ "joining twice", join, "crew", "alice", 0, 0, 0, NULL },
	{ "joining no group", join, "nemo", "alice", 0, 0, MTLS_E_NOTFOUND, "no group" },
	{ "joining a private group", join, "alice", "bob", 0, 0, MTLS_E_DENIED, "private group" },
	{ "a local user joining", join, "crew", "here", 0, 0, MTLS_E_NOTFOUND, "no account 'here'" },
	{ "leaving", leave, "crew", "alice", 0, 0, 0, NULL },
	{ "leaving what one is not in", leave, "team", "bob", 0, 0, MTLS_E_NOTFOUND, "not a member" },
	{ "binding", bind_key, KEY_A, "alice", 0, 0, 0, NULL },
	{ "binding an account elsewhere", bind_key, KEY_A, "jane.doe@example.org", 0, 0, 0, NULL },
	{ "binding twice", bind_key, KEY_A, "here", 0, 0, MTLS_E_EXISTS, "already" },
	{ "binding root", bind_key, KEY_A, "root", 0, 0, MTLS_E_DENIED, "reserved" },
	{ "binding nothing", bind_key, KEY_A, "", 0, 0, MTLS_E_DENIED, "not a name" },
	{ "no key", bind_key, "alice", "alice", 0, 0, MTLS_E_SYNTAX, "" },
	{ "not canonical", bind_key, "subject:cn=Alice", "alice", 0, 0, MTLS_E_SYNTAX, "canonical" },
	{ "unbinding", unbind_key, KEY_A, "here", 0, 0, 0, NULL },
	{ "unbinding what is not", unbind_key, KEY_A, "alice", 0, 0, MTLS_E_NOTFOUND, "not bound" },
};
/* clang-format on */

/* Each row on the same store; what it did is rolled back, and a refusal did nothing. */
static void every_operation(void **state)
{
	struct fixture *f = *state;
	populate(f->store);
	char *before = help_text(f->store, false);
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct mtls_diag diag = { 0 };
		OK(store_begin(f->store, WHY));
		int r = rows[i].call(f->store, &rows[i], &diag);
		if (r != rows[i].want || (r < 0 && !strstr(diag.text, rows[i].says)))
			fail_msg("%s: %d '%s'", rows[i].what, r, diag.text);
		if (r < 0)
			assert_int_equal(commit(f->store), 2);
		store_rollback(f->store);
		char *after = help_text(f->store, false);
		if (strcmp(after, before) != 0)
			fail_msg("%s: %s", rows[i].what, after);
		free(after);
	}
	free(before);
}

/* Each row that is right, for good: the store says so after it was opened again. */
static void every_success_lasts(void **state)
{
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		if (rows[i].want)
			continue;
		void *own = NULL;
		(void)set_up(&own);
		struct fixture *f = own;
		populate(f->store);
		OK(store_begin(f->store, WHY));
		OK(rows[i].call(f->store, &rows[i], WHY));
		uint64_t generation = commit(f->store);
		assert_true(generation == 2 || generation == 3);
		char *text = help_text(f->store, true);
		/* The generation tells whether there is something to publish. */
		if ((generation == 3) != (strcmp(text, populated) != 0))
			fail_msg("%s: generation %d", rows[i].what, (int)generation);
		store_close(f->store);
		f->store = help_open(f->folder);
		char *again = help_text(f->store, true);
		assert_string_equal(again, text);
		free(text);
		free(again);
		(void)tear_down(&own);
	}
}

static void bound_names_are_not_inherited(void **state)
{
	struct fixture *f = *state;
	const struct store_user_spec spec = { .name = "eve", .home = "/", .shell = "/bin/sh" };
	struct mtls_diag diag = { 0 };
	uint32_t uid;
	OK(store_begin(f->store, WHY));
	OK(store_bind(f->store, KEY_A, "eve", WHY));
	assert_int_equal(store_add_user(f->store, &spec, &uid, &diag), MTLS_E_EXISTS);
	assert_non_null(strstr(diag.text, "mtlsctl bind remove eve " KEY_A));
	OK(store_unbind(f->store, KEY_A, "eve", WHY));
	OK(store_add_user(f->store, &spec, &uid, WHY));
	store_rollback(f->store);
}

static int list_binding(void *ctx, const char *key, uint32_t owner, bool holds)
{
	char *text = ctx;
	(void)snprintf(text + strlen(text), 256 - strlen(text), "%.10s %u %s;", key, owner,
		       holds ? "yes" : "no");
	return 0;
}

static int stop_binding(void *ctx, const char *key, uint32_t owner, bool holds)
{
	(void)ctx, (void)key, (void)owner, (void)holds;
	return MTLS_E_LIMIT;
}

/* Those of one name, in the order of keys, with whose they are. */
static void bindings_are_listed(void **state)
{
	struct fixture *f = *state;
	struct mtls_diag diag = { 0 };
	char text[256] = "";
	OK(store_begin(f->store, WHY));
	(void)add_user(f->store, "dora", 5001, 0);
	OK(store_bind(f->store, KEY_B, "dora", WHY));
	OK(store_bind(f->store, KEY_A, "dora", WHY));
	OK(store_bind(f->store, KEY_A, "elsewhere", WHY));
	OK(store_bindings_of(f->store, "dora", list_binding, text, WHY));
	assert_string_equal(text, "sha256:aaa 5001 yes;sha256:bbb 5001 yes;");
	text[0] = '\0';
	OK(store_bindings_of(f->store, "elsewhere", list_binding, text, WHY));
	assert_string_equal(text, "sha256:aaa 0 yes;");
	text[0] = '\0';
	OK(store_bindings_of(f->store, "nobody", list_binding, text, WHY));
	assert_string_equal(text, "");
	assert_int_equal(store_bindings_of(f->store, "dora", stop_binding, NULL, &diag),
			 MTLS_E_LIMIT);
	store_rollback(f->store);
}

static void limits_hold(void **state)
{
	struct fixture *f = *state;
	struct mtls_diag diag = { 0 };
	char name[64];
	OK(store_begin(f->store, WHY));
	for (int i = 0; i < MTLS_ACCTDB_NAMES_MAX; i++) {
		(void)snprintf(name, sizeof(name), "n%d", i);
		OK(store_bind(f->store, KEY_A, name, WHY));
	}
	assert_int_equal(store_bind(f->store, KEY_A, "more", &diag), MTLS_E_LIMIT);
	uint32_t id;
	(void)add_user(f->store, "joiner", 0, 0);
	for (int i = 0; i < MTLS_ACCTDB_GROUPS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "g%d", i);
		OK(store_add_group(f->store, name, 0, &id, WHY));
		OK(store_add_member(f->store, name, "joiner", WHY));
	}
	OK(store_add_group(f->store, "more", 0, &id, WHY));
	assert_int_equal(store_add_member(f->store, "more", "joiner", &diag), MTLS_E_LIMIT);
	assert_non_null(strstr(diag.text, "4096 groups"));
	OK(store_remove_member(f->store, "g7", "joiner", WHY));
	OK(store_add_member(f->store, "more", "joiner", WHY));
	assert_int_equal(commit(f->store), 2);
	char *text = help_text(f->store, true);
	free(text);
}

static void groups_are_full(void **state)
{
	struct fixture *f = *state;
	struct mtls_diag diag = { 0 };
	uint32_t id;
	OK(store_begin(f->store, WHY));
	(void)add_group(f->store, "crowd", 0);
	for (int i = 0; i <= MTLS_ACCTDB_MEMBERS_MAX; i++) {
		char name[16];
		(void)snprintf(name, sizeof(name), "u%d", i);
		(void)add_user(f->store, name, 0, 0);
		int r = store_add_member(f->store, "crowd", name, &diag);
		assert_int_equal(r, i < MTLS_ACCTDB_MEMBERS_MAX ? 0 : MTLS_E_LIMIT);
	}
	OK(store_remove_user(f->store, "u5", 1, &id, WHY));
	OK(store_add_member(f->store, "crowd", "u65536", WHY));
	assert_int_equal(store_add_member(f->store, "crowd", "u5", &diag), MTLS_E_NOTFOUND);
	assert_int_equal(commit(f->store), 2);
	char *text = help_text(f->store, true);
	free(text);
}

static void window_moves(void **state)
{
	struct fixture *f = *state;
	struct mtls_diag diag = { 0 };
	const struct store_user_spec spec = { .name = "late", .home = "/", .shell = "/bin/sh" };
	struct store_options options = help_options(help_path(f->folder, "store.db"));
	uint32_t uid;
	bool is_new = true;
	populate(f->store);
	store_close(f->store);
	f->store = NULL;
	/* Three ids, all of them alive or buried by now but the fourth. */
	options.ids.window = (struct mtls_id_window){ HELP_MIN, HELP_MIN + 4 };
	OK(store_open(&options, &f->store, &is_new, WHY));
	assert_false(is_new);
	OK(store_begin(f->store, WHY));
	assert_int_equal(add_user(f->store, "last", 0, 0), HELP_MIN + 4);
	assert_int_equal(store_add_user(f->store, &spec, &uid, &diag), MTLS_E_LIMIT);
	assert_non_null(strstr(diag.text, "widen id_min and id_max"));
	assert_int_equal(commit(f->store), 3);
	store_close(f->store);
	f->store = NULL;
	/* A lower one: used from its start, and the stored next ids do not fall. */
	options.ids.window = (struct mtls_id_window){ HELP_MIN - 100000, HELP_MIN - 99000 };
	OK(store_open(&options, &f->store, &is_new, WHY));
	OK(store_begin(f->store, WHY));
	assert_int_equal(add_user(f->store, "low", 0, 0), HELP_MIN - 100000);
	assert_int_equal(add_user(f->store, "lower", 0, 0), HELP_MIN - 99999);
	assert_int_equal(commit(f->store), 4);
	struct store_counts counts;
	OK(store_counts(f->store, &counts, WHY));
	assert_int_equal(counts.next.uid, HELP_MIN + 5);
	assert_int_equal(counts.users, 5);
	assert_int_equal(counts.groups, 2);
	assert_int_equal(counts.bindings, 2);
	assert_int_equal(counts.tombstones, 3);
	assert_int_equal(counts.generation, 4);
}

static void use_login_defs(struct fixture *f, const char *text)
{
	help_write(help_path(f->folder, "login.defs"), text, strlen(text));
	store_set_local(f->store, NULL);
	mtls_local_free(MTLS_TAKE(f->local));
	OK(mtls_local_load(f->folder, &f->local, WHY));
	store_set_local(f->store, f->local);
}

/* What useradd may hand out any day is nobody's here, but for the foreign ranges. */
static void login_defs_are_in_the_way(void **state)
{
	struct fixture *f = *state;
	const struct store_user_spec wanted = {
		.name = "eve", .home = "/home/x", .shell = "/bin/sh", .uid = HELP_MIN + 30
	};
	const struct store_user_spec any = { .name = "eve", .home = "/home/x", .shell = "/bin/sh" };
	struct mtls_diag diag = { 0 };
	uint32_t uid = 0;

	use_login_defs(f, "SUB_UID_MAX 2000200050\nSUB_GID_MAX 2000200060\n");
	OK(store_begin(f->store, WHY));
	assert_int_equal(store_add_user(f->store, &wanted, &uid, &diag), MTLS_E_DENIED);
	assert_non_null(strstr(diag.text, "login.defs"));
	assert_int_equal(add_user(f->store, "fay", 5500, 0), 5500);
	assert_int_equal(add_user(f->store, "alice", 0, 0), 2000200061);
	assert_int_equal(add_group(f->store, "crew", 0), 2000200062);
	(void)commit(f->store);
	/* A window of 100,000 ids that is all in the way is no long search, and no endless one. */
	use_login_defs(f, "SUB_UID_MAX 4294967295\n");
	OK(store_begin(f->store, WHY));
	assert_int_equal(store_add_user(f->store, &any, &uid, &diag), MTLS_E_LIMIT);
	assert_non_null(strstr(diag.text, "login.defs"));
	use_login_defs(f, "");
	assert_int_equal(add_user(f->store, "eve", 0, 0), 2000200063);
	(void)commit(f->store);
}

static void questions(void **state)
{
	struct fixture *f = *state;
	uint32_t uid = 0, gid = 0;
	char *home, *shell;
	populate(f->store);
	assert_true(store_has_user(f->store, "alice"));
	assert_false(store_has_user(f->store, "carol"));
	assert_true(store_has_group(f->store, "alice"));
	assert_true(store_has_group(f->store, "crew"));
	assert_false(store_has_group(f->store, "bob"));
	assert_true(store_former_user(f->store, "carol", &uid));
	assert_int_equal(uid, HELP_MIN + 2);
	assert_false(store_former_user(f->store, "alice", &uid));
	assert_false(store_former_user(f->store, "gone", &uid));
	assert_int_equal(store_get_user(f->store, "bob", &uid, &gid, &home, &shell), 0);
	assert_int_equal(uid, 5001);
	assert_int_equal(gid, 5100);
	assert_string_equal(home, "/home/x");
	assert_string_equal(shell, "/bin/sh");
	free(home);
	free(shell);
	assert_int_equal(store_get_user(f->store, "carol", &uid, &gid, &home, &shell),
			 MTLS_E_NOTFOUND);
	/* Of two who had the name, the last. */
	OK(store_begin(f->store, WHY));
	uint32_t second = add_user(f->store, "carol", 0, 0), removed;
	OK(store_remove_user(f->store, "carol", 99, &removed, WHY));
	assert_true(store_former_user(f->store, "carol", &uid));
	assert_int_equal(uid, second);
	store_rollback(f->store);
}

/* A walk shows the moment that it began in. */
static void walk_is_one_moment(void **state)
{
	struct fixture *f = *state;
	struct store_walk *walk;
	struct mtls_acct_item item;
	struct mtls_diag diag = { 0 };
	int r, users = 0;
	uint32_t uid;
	populate(f->store);
	OK(store_walk_new(f->store, &walk, WHY));
	OK(store_begin(f->store, WHY));
	OK(store_remove_user(f->store, "alice", 1, &uid, WHY));
	(void)add_user(f->store, "zoe", 0, 0);
	assert_int_equal(commit(f->store), 3);
	while ((r = store_walk_next(walk, &item, &diag)) > 0)
		if (item.kind == MTLS_ACCT_ITEM_USER) {
			assert_memory_equal(item.u.user.user.name.data, users ? "bob" : "alice", 3);
			users++;
		}
	assert_int_equal(r, 0);
	assert_int_equal(users, 2);
	store_walk_free(walk);
}

static void changes_need_a_beginning(void **state)
{
	struct fixture *f = *state;
	struct mtls_diag diag = { 0 };
	uint64_t generation;
	assert_int_equal(store_bind(f->store, KEY_A, "x", &diag), MTLS_E_BUG);
	assert_int_equal(store_commit(f->store, &generation, &diag), MTLS_E_BUG);
	OK(store_begin(f->store, WHY));
	assert_int_equal(store_begin(f->store, &diag), MTLS_E_BUG);
	/* Nothing was changed: nothing to publish. */
	assert_int_equal(commit(f->store), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(walks_in_order),
		TEST(every_operation),
		cmocka_unit_test(every_success_lasts),
		TEST(bound_names_are_not_inherited),
		TEST(bindings_are_listed),
		TEST(limits_hold),
		TEST(groups_are_full),
		TEST(window_moves),
		TEST(login_defs_are_in_the_way),
		TEST(questions),
		TEST(walk_is_one_moment),
		TEST(changes_need_a_beginning),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
