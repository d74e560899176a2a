/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store beside a model of it that is nothing but arrays: random operations, changes that are
 * rolled back, the store closed and opened again. Both say yes and no to the same, a walk shows
 * what the model holds, and no id is ever given to a second name or a second time.
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

#include <cmocka.h>

#include "tests/unit/store_help.h"

#define NAMES   40
#define KEYS    3
#define CHANGES 1500
#define IDS     1200 /* few enough to run out */
#define FOREIGN 1000
#define MIN     HELP_MIN
#define MAX     (HELP_MIN + IDS - 1)

/* Ids of the window, then the foreign ones 5000 to 5999. */
#define SLOTS (IDS + FOREIGN)

struct stone {
	bool there;
	int name;
	uint64_t time;
};

struct model {
	struct {
		bool there;
		uint32_t uid, gid;
		int home;
	} users[NAMES];
	struct {
		bool there, members[NAMES];
		uint32_t gid;
	} groups[NAMES];
	bool bound[KEYS][NAMES];
	struct stone stones[2][SLOTS];
	uint32_t next;
	uint64_t generation;
	bool changed;
};

struct run {
	char *folder;
	struct store *store;
	struct model now, before;
	unsigned int seed;
	uint64_t time;
	/* Which ids were ever given by an acknowledged change; survives everything. */
	bool given[SLOTS];
	uint32_t fresh[64]; /* given by the change under way */
	size_t fresh_count;
	unsigned int yes, no;
};

static const char *const keys[KEYS] = {
	"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	"spki-sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
	"subject:CN=Somebody",
};

static int pick(struct run *run, int below)
{
	return (int)((unsigned int)rand_r(&run->seed) % (unsigned int)below);
}

static const char *name_of(int i)
{
	static char names[NAMES][8];
	(void)snprintf(names[i], sizeof(names[i]), "n%02d", i);
	return names[i];
}

/* -1: an id that nobody may have. */
static int slot(uint32_t id)
{
	if (id >= MIN && id <= MAX)
		return (int)(id - MIN);
	return id >= 5000 && id < 5000 + FOREIGN ? (int)(id - 5000 + IDS) : -1;
}

static uint32_t id_at(int at)
{
	return at < IDS ? MIN + (uint32_t)at : 5000 + (uint32_t)at - IDS;
}

static bool is_free(const struct model *m, uint32_t id)
{
	for (int i = 0; i < NAMES; i++)
		if ((m->users[i].there && m->users[i].uid == id) ||
		    (m->groups[i].there && m->groups[i].gid == id))
			return false;
	int at = slot(id);
	return at >= 0 && !m->stones[0][at].there && !m->stones[1][at].there;
}

/* What the sequence gives next; 0: nothing is left. */
static uint32_t next_free(const struct model *m)
{
	for (uint32_t id = m->next > MAX ? MIN : m->next; id <= MAX; id++)
		if (is_free(m, id))
			return id;
	return 0;
}

/* An id that was asked for leaves the sequence alone unless it is the next one. */
static bool choose_id(struct model *m, uint32_t wanted, uint32_t *ret)
{
	uint32_t next = next_free(m);
	uint32_t id = wanted ? wanted : next;
	if (!id || !is_free(m, id))
		return false;
	if (id == next && id + 1 > m->next)
		m->next = id + 1;
	*ret = id;
	return true;
}

static bool is_bound(const struct model *m, int name)
{
	for (int i = 0; i < KEYS; i++)
		if (m->bound[i][name])
			return true;
	return false;
}

static bool group_with(const struct model *m, uint32_t gid)
{
	for (int i = 0; i < NAMES; i++)
		if (m->groups[i].there && m->groups[i].gid == gid)
			return true;
	return false;
}

static bool is_private(const struct model *m, int name)
{
	return m->users[name].there && m->users[name].uid == m->users[name].gid;
}

static void bury(struct model *m, int kind, uint32_t id, int name, uint64_t time)
{
	struct stone *stone = &m->stones[kind][slot(id)];
	assert_false(stone->there);
	*stone = (struct stone){ .there = true, .name = name, .time = time };
}

/* Both said the same; a new id is remembered. */
static void agree(struct run *run, const char *what, bool right, int r, uint32_t id,
		  uint32_t expected)
{
	if (right != (r == 0))
		fail_msg("%s: model %s, store %d '%s'", what, right ? "yes" : "no", r,
			 help_diag.text);
	*(right ? &run->yes : &run->no) += 1;
	if (!right || !expected)
		return;
	assert_int_equal(id, expected);
	assert_false(run->given[slot(id)]);
	assert_true(run->fresh_count < MTLS_COUNT(run->fresh));
	run->fresh[run->fresh_count++] = id;
}

static uint32_t some_id(struct run *run)
{
	switch (pick(run, 4)) {
	case 0:
		return id_at(pick(run, SLOTS));
	case 1:
		return 5000 + (uint32_t)pick(run, 1020);
	default:
		return 0;
	}
}

static void add_user(struct run *run, struct model *m)
{
	int n = pick(run, NAMES), of = pick(run, NAMES);
	uint32_t wanted = some_id(run), gid = 0, id = 0, got = 0;
	if (pick(run, 4) == 0 && m->groups[of].there)
		gid = m->groups[of].gid;
	bool own = gid && m->groups[n].there && m->groups[n].gid == gid;
	bool right = !m->users[n].there && (!m->groups[n].there || own) && !is_bound(m, n) &&
		     (!gid || gid == wanted || group_with(m, gid)) && choose_id(m, wanted, &id);
	const struct store_user_spec spec = {
		.name = name_of(n), .home = "/home/0", .shell = "/bin/sh", .uid = wanted, .gid = gid
	};
	int r = store_add_user(run->store, &spec, &got, WHY);
	agree(run, "add user", right, r, got, id);
	if (!right)
		return;
	m->users[n].there = m->changed = true;
	m->users[n].uid = id;
	m->users[n].gid = gid ? gid : id;
	m->users[n].home = 0;
}

static void change_user(struct run *run, struct model *m)
{
	int n = pick(run, NAMES), home = pick(run, 3);
	char text[16];
	(void)snprintf(text, sizeof(text), "/home/%d", home);
	const struct store_user_spec spec = { .name = name_of(n), .home = text };
	bool right = m->users[n].there;
	agree(run, "change user", right, store_change_user(run->store, &spec, WHY), 0, 0);
	if (right && m->users[n].home != home) {
		m->changed = true;
		m->users[n].home = home;
	}
}

static void remove_user(struct run *run, struct model *m)
{
	int n = pick(run, NAMES);
	uint32_t uid = 0;
	bool right = m->users[n].there;
	int r = store_remove_user(run->store, name_of(n), ++run->time, &uid, WHY);
	agree(run, "remove user", right, r, 0, 0);
	if (!right)
		return;
	assert_int_equal(uid, m->users[n].uid);
	bury(m, 0, uid, n, run->time);
	if (is_private(m, n))
		bury(m, 1, uid, n, run->time);
	m->users[n].there = false;
	m->changed = true;
	for (int i = 0; i < NAMES; i++)
		m->groups[i].members[n] = false;
	for (int i = 0; i < KEYS; i++)
		m->bound[i][n] = false;
}

static void add_group(struct run *run, struct model *m)
{
	int n = pick(run, NAMES);
	uint32_t wanted = some_id(run), id = 0, got = 0;
	bool right = !m->users[n].there && !m->groups[n].there && choose_id(m, wanted, &id);
	int r = store_add_group(run->store, name_of(n), wanted, &got, WHY);
	agree(run, "add group", right, r, got, id);
	if (!right)
		return;
	memset(&m->groups[n], 0, sizeof(m->groups[n]));
	m->groups[n].there = m->changed = true;
	m->groups[n].gid = id;
}

static void remove_group(struct run *run, struct model *m)
{
	int n = pick(run, NAMES);
	uint32_t gid = 0;
	bool right = m->groups[n].there;
	for (int i = 0; i < NAMES; i++)
		if (m->users[i].there && m->users[i].gid == m->groups[n].gid)
			right = false;
	int r = store_remove_group(run->store, name_of(n), ++run->time, &gid, WHY);
	agree(run, "remove group", right, r, 0, 0);
	if (!right)
		return;
	bury(m, 1, gid, n, run->time);
	m->groups[n].there = false;
	m->changed = true;
}

static void join(struct run *run, struct model *m)
{
	int g = pick(run, NAMES), n = pick(run, NAMES);
	bool right = m->groups[g].there && m->users[n].there;
	int r = store_add_member(run->store, name_of(g), name_of(n), WHY);
	agree(run, "join", right, r, 0, 0);
	if (!right || m->groups[g].members[n] || m->users[n].gid == m->groups[g].gid)
		return;
	m->groups[g].members[n] = m->changed = true;
}

static void leave(struct run *run, struct model *m)
{
	int g = pick(run, NAMES), n = pick(run, NAMES);
	bool right = m->groups[g].there && m->users[n].there && m->groups[g].members[n];
	int r = store_remove_member(run->store, name_of(g), name_of(n), WHY);
	agree(run, "leave", right, r, 0, 0);
	if (!right)
		return;
	m->groups[g].members[n] = false;
	m->changed = true;
}

static void bind_name(struct run *run, struct model *m)
{
	int k = pick(run, KEYS), n = pick(run, NAMES);
	bool right = !m->bound[k][n];
	agree(run, "bind", right, store_bind(run->store, keys[k], name_of(n), WHY), 0, 0);
	if (right)
		m->bound[k][n] = m->changed = true;
}

static void unbind_name(struct run *run, struct model *m)
{
	int k = pick(run, KEYS), n = pick(run, NAMES);
	bool right = m->bound[k][n];
	agree(run, "unbind", right, store_unbind(run->store, keys[k], name_of(n), WHY), 0, 0);
	if (!right)
		return;
	m->bound[k][n] = false;
	m->changed = true;
}

static void ask(struct run *run, struct model *m)
{
	int n = pick(run, NAMES);
	assert_int_equal(store_has_user(run->store, name_of(n)), m->users[n].there);
	assert_int_equal(store_has_group(run->store, name_of(n)),
			 m->groups[n].there || is_private(m, n));
}

static void (*const operations[])(struct run *run, struct model *m) = {
	add_user,    add_user,  add_user,    add_user, change_user, remove_user,
	remove_user, add_group, join,        join,     join,        remove_group,
	leave,       bind_name, unbind_name, ask,
};

static void put_stones(FILE *f, const struct model *m, int kind)
{
	/* By ascending id: foreign ones are below the window. */
	for (int i = 0; i < SLOTS; i++) {
		int at = i < FOREIGN ? IDS + i : i - FOREIGN;
		const struct stone *stone = &m->stones[kind][at];
		if (stone->there)
			(void)fprintf(f, "stone %c %" PRIu32 " %s %" PRIu64 "\n", kind ? 'g' : 'u',
				      id_at(at), name_of(stone->name), stone->time);
	}
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static void put_user(FILE *f, const struct model *m, int n)
{
	uint32_t gids[NAMES];
	size_t count = 0;
	(void)fprintf(f, "user %s %" PRIu32 ":%" PRIu32 " from 0  /home/%d /bin/sh", name_of(n),
		      m->users[n].uid, m->users[n].gid, m->users[n].home);
	for (int g = 0; g < NAMES; g++)
		if (m->groups[g].there && m->groups[g].members[n])
			gids[count++] = m->groups[g].gid;
	qsort(gids, count, sizeof(gids[0]), by_number);
	for (size_t i = 0; i < count; i++)
		(void)fprintf(f, " +%" PRIu32, gids[i]);
	(void)fputc('\n', f);
}

static void put_names(FILE *f, const bool names[NAMES])
{
	for (int n = 0; n < NAMES; n++)
		if (names[n])
			(void)fprintf(f, " %s", name_of(n));
	(void)fputc('\n', f);
}

static char *model_text(const struct model *m)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	assert_non_null(f);
	(void)fprintf(f, "begin %" PRIu64 " 0\nnext %" PRIu32 " %" PRIu32 "\n", m->generation,
		      m->next, m->next);
	put_stones(f, m, 0);
	put_stones(f, m, 1);
	for (int g = 0; g < NAMES; g++)
		if (m->groups[g].there)
			(void)fprintf(f, "group %s %" PRIu32 " from 0\n", name_of(g),
				      m->groups[g].gid);
	for (int n = 0; n < NAMES; n++)
		if (m->users[n].there)
			put_user(f, m, n);
	for (int g = 0; g < NAMES; g++)
		if (m->groups[g].there) {
			(void)fprintf(f, "members %" PRIu32, m->groups[g].gid);
			put_names(f, m->groups[g].members);
		}
	for (int k = 0; k < KEYS; k++) {
		static const bool none[NAMES];
		if (memcmp(m->bound[k], none, sizeof(none)) == 0)
			continue;
		(void)fprintf(f, "bind %s", keys[k]);
		put_names(f, m->bound[k]);
	}
	(void)fprintf(f, "end\n");
	(void)fclose(f);
	return text;
}

static void compare(struct run *run)
{
	char *right = model_text(&run->now), *text = help_text(run->store, false);
	assert_string_equal(text, right);
	free(right);
	free(text);
}

static void open_store(struct run *run)
{
	struct store_options options = help_options(help_path(run->folder, "store.db"));
	bool is_new;
	options.ids.window.max = MAX;
	OK(store_open(&options, &run->store, &is_new, WHY));
}

/* A change of a few operations, kept or taken back. */
static void change(struct run *run)
{
	run->before = run->now;
	run->now.changed = false;
	run->fresh_count = 0;
	OK(store_begin(run->store, WHY));
	for (int i = pick(run, 8); i >= 0; i--)
		operations[pick(run, MTLS_COUNT(operations))](run, &run->now);
	if (pick(run, 4) == 0) {
		store_rollback(run->store);
		run->now = run->before;
		return;
	}
	uint64_t generation;
	OK(store_commit(run->store, &generation, WHY));
	run->now.generation += run->now.changed;
	assert_int_equal(generation, run->now.generation);
	for (size_t i = 0; i < run->fresh_count; i++)
		run->given[slot(run->fresh[i])] = true;
}

static void agrees_with_the_model(void **state)
{
	(void)state;
	static struct run runs[3];
	for (size_t i = 0; i < MTLS_COUNT(runs); i++) {
		struct run *run = &runs[i];
		run->seed = 20 + (unsigned int)i;
		run->folder = help_folder();
		run->now.next = MIN;
		run->now.generation = 1;
		open_store(run);
		for (int c = 0; c < CHANGES; c++) {
			change(run);
			if (c % 10 == 0)
				compare(run);
			if (pick(run, 40) == 0) {
				store_close(run->store);
				run->store = NULL;
				open_store(run);
				compare(run);
			}
		}
		compare(run);
		store_close(run->store);
		help_remove(run->folder);
		/* Otherwise it showed little. */
		assert_true(run->yes > 1000);
		assert_true(run->no > 1000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
