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

#define OK(call)                                                                                   \
	do {                                                                                       \
		struct mtls_diag diag_ = { 0 };                                                    \
		struct mtls_diag *diag = &diag_;                                                   \
		int r_ = (call);                                                                   \
		if (r_ != 0)                                                                       \
			fail_msg("%s: %s", #call, mtls_diag_text(diag, r_));                       \
	} while (0)

struct fixture {
	char *folder;
	struct store *store;
	struct mtls_local *local;
};

static const char passwd[] = "root:x:0:0::/root:/bin/sh\nhere:x:2000200007:2000200007::/:/bin/sh\n"
			     "far:x:5007:100::/:/bin/sh\n";
static const char group[] = "root:x:0:\nherd:x:2000200009:\n";
static const char subuid[] = "here:2000200011:3\n";

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	f->folder = help_folder();
	help_write(help_path(f->folder, "passwd"), passwd, strlen(passwd));
	help_write(help_path(f->folder, "group"), group, strlen(group));
	help_write(help_path(f->folder, "subuid"), subuid, strlen(subuid));
	OK(mtls_local_load(f->folder, &f->local, diag));
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
	OK(store_commit(store, &generation, diag));
	return generation;
}

static uint32_t add_user(struct store *store, const char *name, uint32_t uid, uint32_t gid)
{
	const struct store_user_spec spec = {
		.name = name, .home = "/home/x", .shell = "/bin/sh", .uid = uid, .gid = gid
	};
	uint32_t got = 0;
	OK(store_add_user(store, &spec, &got, diag));
	return got;
}

static uint32_t add_group(struct store *store, const char *name, uint32_t gid)
{
	uint32_t got = 0;
	OK(store_add_group(store, name, gid, &got, diag));
	return got;
}

/* alice, bob with the primary group team, team, crew with both, a removed carol and a removed
 * group gone; bindings. */
static void populate(struct store *store)
{
	uint32_t id;
	OK(store_begin(store, diag));
	assert_int_equal(add_user(store, "alice", 0, 0), HELP_MIN);
	assert_int_equal(add_group(store, "team", 5100), 5100);
	assert_int_equal(add_user(store, "bob", 5001, 5100), 5001);
	assert_int_equal(add_group(store, "crew", 0), HELP_MIN + 1);
	assert_int_equal(add_user(store, "carol", 0, 0), HELP_MIN + 2);
	assert_int_equal(add_group(store, "gone", 0), HELP_MIN + 3);
	OK(store_add_member(store, "crew", "bob", diag));
	OK(store_add_member(store, "crew", "alice", diag));
	OK(store_add_member(store, "team", "alice", diag));
	OK(store_add_member(store, "crew", "carol", diag));
	OK(store_add_member(store, "team", "bob", diag)); /* its primary group: is in already */
	OK(store_bind(store, KEY_B, "carol", diag));
	OK(store_bind(store, KEY_B, "bob", diag));
	OK(store_bind(store, KEY_B, "alice", diag));
	OK(store_bind(store, KEY_A, "here", diag));
	OK(store_bind(store, KEY_A, "carol", diag));
	OK(store_remove_user(store, "carol", 77, &id, diag));
	assert_int_equal(id, HELP_MIN + 2);
	OK(store_remove_group(store, "gone", 78, &id, diag));
	assert_int_equal(commit(store), 1);
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
	assert_memory_equal(text, "begin 1 0\n", 10);
	assert_string_equal(text + 10, populated);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(walks_in_order, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
