/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is looked up next: turns of origins, root's programs first, the end of patience. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "authd/lookup_queue.h"
#include "lib/base/cleanup.h"

#define TURNS_MAX (4 * LOOKUP_QUEUE_MAX)

struct fixture {
	struct lookup_queue queue;
	struct lookup_turn turns[TURNS_MAX];
	size_t used;
};

static struct fixture fixture;

/* Adds a question of @origin: a letter, in upper case one of a program of root. */
static struct lookup_turn *add(char origin, struct lookup_turn **ret_dropped)
{
	struct lookup_turn *turn = &fixture.turns[fixture.used++];

	assert_true(fixture.used <= TURNS_MAX);
	*turn = (struct lookup_turn){
		.line = origin >= 'A' && origin <= 'Z' ? LOOKUP_LINE_ROOT : LOOKUP_LINE_OTHERS,
		.origin = (uint64_t)origin,
		.deadline = 1000,
	};
	lookup_queue_add(&fixture.queue, turn, ret_dropped);
	return turn;
}

static void add_all(const char *origins)
{
	for (; *origins; origins++) {
		struct lookup_turn *dropped = NULL;
		assert_true(add(*origins, &dropped)->queued);
		assert_null(dropped);
	}
}

/* Takes the next @count; "" where nobody waits. */
static const char *take(size_t count)
{
	static char order[64];
	size_t n = 0;

	assert_true(count < sizeof(order));
	for (; n < count; n++) {
		struct lookup_turn *turn = lookup_queue_take(&fixture.queue);
		if (!turn)
			break;
		assert_false(turn->queued);
		order[n] = (char)turn->origin;
	}
	order[n] = '\0';
	return order;
}

static void origins_take_turns(void **state)
{
	static const struct {
		const char *name, *asked, *want;
	} rows[] = {
		{ "nobody", "", "" },
		{ "one", "a", "a" },
		{ "in the order of asking", "abc", "abc" },
		{ "one asks often", "aaaaab", "abaaaa" },
		{ "two ask often", "aaabbbc", "abcabab" },
		{ "root goes first", "abAB", "ABab" },
		{ "but not for ever", "abAAAAAAAAAA", "AAAAaAAAAbAA" },
		{ "root's hosts take turns, too", "AAAAB", "ABAAA" },
	};

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		print_message("# %s\n", rows[i].name);
		memset(&fixture, 0, sizeof(fixture));
		add_all(rows[i].asked);
		assert_string_equal(take(40), rows[i].want);
	}
}

/* Who comes while a flood is being served waits for one of it at most. */
static void late_comers_do_not_wait_for_a_flood(void **state)
{
	(void)state;
	memset(&fixture, 0, sizeof(fixture));
	add_all("aaaaaaaaaaaaaaaaaaaa");
	assert_string_equal(take(5), "aaaaa");
	add_all("aab");
	assert_string_equal(take(3), "baa");
	add_all("bcaab");
	assert_string_equal(take(5), "bcaba");
	add_all("R");
	assert_string_equal(take(1), "R");
}

static void a_line_is_bounded(void **state)
{
	struct lookup_turn *dropped = NULL;
	struct lookup_turn *last = NULL;

	(void)state;
	memset(&fixture, 0, sizeof(fixture));
	for (int i = 0; i < LOOKUP_QUEUE_MAX; i++) {
		last = add('A', &dropped);
		assert_null(dropped);
	}
	/* One more of the same goes itself; another origin takes the place of the last. */
	struct lookup_turn *more = add('A', &dropped);
	assert_ptr_equal(dropped, more);
	assert_false(more->queued);
	struct lookup_turn *other = add('B', &dropped);
	assert_ptr_equal(dropped, last);
	assert_true(other->queued && !last->queued);
	/* The other line has room of its own. */
	assert_true(add('c', &dropped)->queued);
	assert_null(dropped);
	assert_string_equal(take(2), "AB");
	assert_int_equal(fixture.queue.count[LOOKUP_LINE_ROOT], LOOKUP_QUEUE_MAX - 2);
	assert_int_equal(fixture.queue.count[LOOKUP_LINE_OTHERS], 1);
}

static void who_gives_up_is_taken_out(void **state)
{
	struct lookup_turn *dropped;

	(void)state;
	memset(&fixture, 0, sizeof(fixture));
	add_all("ab");
	struct lookup_turn *gone = add('c', &dropped);
	add_all("d");
	lookup_queue_remove(&fixture.queue, gone);
	lookup_queue_remove(&fixture.queue, gone); /* again: nothing */
	assert_false(gone->queued);
	assert_int_equal(fixture.queue.count[LOOKUP_LINE_OTHERS], 3);
	assert_string_equal(take(9), "abd");
	assert_int_equal(fixture.queue.count[LOOKUP_LINE_OTHERS], 0);
}

static void deadlines_pass(void **state)
{
	(void)state;
	memset(&fixture, 0, sizeof(fixture));
	assert_true(lookup_queue_deadline(&fixture.queue) == INT64_MAX);
	add_all("abC");
	fixture.turns[1].deadline = 500;
	assert_true(lookup_queue_deadline(&fixture.queue) == 500);
	assert_null(lookup_queue_expire(&fixture.queue, 499));
	assert_ptr_equal(lookup_queue_expire(&fixture.queue, 500), &fixture.turns[1]);
	assert_null(lookup_queue_expire(&fixture.queue, 999));
	assert_true(lookup_queue_deadline(&fixture.queue) == 1000);
	assert_non_null(lookup_queue_expire(&fixture.queue, 1000));
	assert_non_null(lookup_queue_expire(&fixture.queue, 1000));
	assert_null(lookup_queue_expire(&fixture.queue, 1000));
	assert_string_equal(take(1), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(origins_take_turns),
		cmocka_unit_test(late_comers_do_not_wait_for_a_flood),
		cmocka_unit_test(a_line_is_bounded),
		cmocka_unit_test(who_gives_up_is_taken_out),
		cmocka_unit_test(deadlines_pass),
	};
	return cmocka_run_group_tests_name("lookup_queue", tests, NULL, NULL);
}
