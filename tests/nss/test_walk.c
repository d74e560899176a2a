/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lists: of one moment, shared by threads, left to themselves by children, past what is damaged,
 * and what an abandoned one costs.
 */
#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "nss_mtls/walk.h"
#include "tests/nss/fixture.h"

#define MANY    2000
#define THREADS 8

static void many(struct people *people, void *ctx)
{
	char name[32];
	for (int i = 0; i < *(int *)ctx; i++) {
		(void)snprintf(name, sizeof(name), "many-%04d", i);
		fixture_add(people, name, "/home/m");
	}
}

static int setup(void **state)
{
	struct fixture *fix = fixture_new();
	fixture_populate(fix);
	*state = fix;
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

/* The next user's name in @room, or NULL. */
static const char *next_name(struct fixture *fix, struct nss_walk *walk, char room[512])
{
	struct passwd pw;
	int err = 0;
	const struct nss_out out = { room, 512, &err };
	enum nss_status status = nss_passwd_next(&fix->db, walk, &pw, &out);
	if (status == NSS_STATUS_SUCCESS)
		return pw.pw_name;
	assert_int_equal(status, NSS_STATUS_NOTFOUND);
	assert_int_equal(err, ENOENT);
	return NULL;
}

static int rest(struct fixture *fix, struct nss_walk *walk)
{
	char room[512];
	int count = 0;
	while (next_name(fix, walk, room))
		count++;
	return count;
}

static int snapshots_mapped(void)
{
	char line[1024];
	int count = 0;
	FILE *f = fopen("/proc/self/maps", "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		count += strstr(line, "/accounts.cdb") != NULL;
	(void)fclose(f);
	return count;
}

/* A lookup: moves the process on to the newest snapshot. */
static bool knows(struct fixture *fix, const char *name)
{
	char room[512];
	struct passwd pw;
	int err;
	const struct nss_out out = { room, sizeof(room), &err };
	return nss_passwd_by_name(&fix->db, name, &pw, &out) == NSS_STATUS_SUCCESS;
}

static void one_moment(void **state)
{
	struct fixture *fix = *state;
	struct nss_walk walk = { 0 }, late = { 0 };
	char room[512];
	int three = 3;
	assert_non_null(next_name(fix, &walk, room));
	fixture_change(fix, many, &three);
	assert_true(knows(fix, "many-0002"));
	/* the first goes on in its own time, another one starts in the new one */
	assert_int_equal(rest(fix, &late), 5);
	assert_int_equal(rest(fix, &walk), 1);
	assert_int_equal(rest(fix, &walk), 0);
	nss_walk_reset(&fix->db, &walk);
	assert_int_equal(rest(fix, &walk), 5);
	nss_walk_reset(&fix->db, &walk);
	nss_walk_reset(&fix->db, &walk);
	nss_walk_reset(&fix->db, &late);
	assert_int_equal(snapshots_mapped(), 1);
}

static void abandoned(void **state)
{
	struct fixture *fix = *state;
	struct nss_walk walk = { 0 };
	char room[512];
	struct mtls_buf file = MTLS_BUF(1 << 20);
	fixture_read(fix, &file);
	assert_non_null(next_name(fix, &walk, room));
	for (int i = 0; i < 100; i++) {
		fixture_replace(fix, file.data, file.len);
		assert_true(knows(fix, "alice"));
		assert_int_equal(snapshots_mapped(), 2);
	}
	/* at its end it lets go by itself; begun and given up, by the reset */
	assert_int_equal(rest(fix, &walk), 1);
	assert_int_equal(snapshots_mapped(), 1);
	nss_walk_reset(&fix->db, &walk);
	assert_non_null(next_name(fix, &walk, room));
	fixture_replace(fix, file.data, file.len);
	assert_true(knows(fix, "alice"));
	assert_int_equal(snapshots_mapped(), 2);
	nss_walk_reset(&fix->db, &walk);
	assert_int_equal(snapshots_mapped(), 1);
	mtls_buf_done(&file);
}

struct puller {
	struct fixture *fix;
	struct nss_walk *walk;
	_Atomic int *seen; /* MANY of them */
	int others;
};

static void *pull(void *arg)
{
	struct puller *p = arg;
	char room[512];
	for (;;) {
		struct passwd pw;
		int err = 0, n;
		const struct nss_out out = { room, sizeof(room), &err };
		if (nss_passwd_next(&p->fix->db, p->walk, &pw, &out) != NSS_STATUS_SUCCESS)
			return NULL;
		if (sscanf(pw.pw_name, "many-%d", &n) == 1 && n >= 0 && n < MANY)
			atomic_fetch_add(&p->seen[n], 1);
		else
			p->others++;
	}
}

/* Each entry goes to one of the threads that walk at once. */
static void threads_share(void **state)
{
	struct fixture *fix = *state;
	static _Atomic int seen[MANY];
	struct nss_walk walk = { 0 };
	pthread_t threads[THREADS];
	struct puller pullers[THREADS];
	int count = MANY, others = 0;
	fixture_change(fix, many, &count);
	for (int i = 0; i < THREADS; i++) {
		pullers[i] = (struct puller){ fix, &walk, seen, 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, pull, &pullers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		others += pullers[i].others;
	}
	for (int i = 0; i < MANY; i++)
		assert_int_equal(seen[i], 1);
	assert_int_equal(others, 2);
	nss_walk_reset(&fix->db, &walk);
	assert_int_equal(snapshots_mapped(), 1);
}

/* A child goes on from the same place; neither moves the other. */
static void children_go_their_own_way(void **state)
{
	struct fixture *fix = *state;
	struct nss_walk walk = { 0 };
	char room[512];
	int count = 50, status = 1;
	fixture_change(fix, many, &count);
	for (int i = 0; i < 10; i++)
		assert_non_null(next_name(fix, &walk, room));
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		bool ok = rest(fix, &walk) == 42;
		nss_walk_reset(&fix->db, &walk);
		_exit(ok && rest(fix, &walk) == 52 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(rest(fix, &walk), 42);
}

/* A damaged record costs one entry, a damaged length all behind it; no lookup depends on either. */
static void past_damage(void **state)
{
	struct fixture *fix = *state;
	struct mtls_buf file = MTLS_BUF(1 << 20);
	struct nss_walk walk = { 0 };
	int count = 20;
	size_t len;
	fixture_change(fix, many, &count);
	fixture_read(fix, &file);
	uint8_t *first = fixture_find(file.data, file.len, "umany-0003", 10, &len);
	uint8_t *second = fixture_find(file.data, file.len, "umany-0007", 10, &len);
	assert_true(first && second);
	first[1] ^= 4;
	second[len - 1] ^= 1;
	fixture_replace(fix, file.data, file.len);
	assert_int_equal(rest(fix, &walk), 20);
	nss_walk_reset(&fix->db, &walk);
	assert_false(knows(fix, "many-0003"));

	/* the record that is first in the file: all others are behind */
	uint8_t *lengths = file.data + 2048;
	memcpy(lengths, "\xff\xff\xff\xff", 4);
	fixture_replace(fix, file.data, file.len);
	assert_int_equal(rest(fix, &walk), 0);
	assert_true(knows(fix, "many-0019"));
	nss_walk_reset(&fix->db, &walk);
	mtls_buf_done(&file);
}

static void nothing_to_list(void **state)
{
	struct fixture *fix = *state;
	struct nss_walk walk = { 0 };
	char room[512];
	struct passwd pw;
	struct group gr;
	struct spwd sp;
	int err = 0;
	const struct nss_out out = { room, sizeof(room), &err };
	fix->people->no_enumeration = true;
	fixture_publish(fix);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(nss_passwd_next(&fix->db, &walk, &pw, &out), NSS_STATUS_NOTFOUND);
		assert_int_equal(nss_group_next(&fix->db, &walk, &gr, &out), NSS_STATUS_NOTFOUND);
		assert_int_equal(nss_shadow_next(&fix->db, &walk, &sp, &out), NSS_STATUS_NOTFOUND);
		assert_int_equal(err, ENOENT);
	}
	assert_true(knows(fix, "alice"));
	/* allowed again: without a reset too, since nothing was begun */
	fix->people->no_enumeration = false;
	fixture_publish(fix);
	assert_int_equal(rest(fix, &walk), 2);
	nss_walk_reset(&fix->db, &walk);

	/* no file, or one that is not believed */
	fixture_replace(fix, "short", 5);
	err = 0;
	assert_int_equal(nss_passwd_next(&fix->db, &walk, &pw, &out), NSS_STATUS_UNAVAIL);
	assert_int_equal(err, EIO);
	nss_db_close(&fix->db);
	assert_int_equal(unlink(fix->path), 0);
	assert_int_equal(nss_group_next(&fix->db, &walk, &gr, &out), NSS_STATUS_UNAVAIL);
	assert_int_equal(err, ENOENT);
}

/* The file may go away under a list that has begun. */
static void goes_on_without_the_file(void **state)
{
	struct fixture *fix = *state;
	struct nss_walk walk = { 0 };
	char room[512];
	assert_non_null(next_name(fix, &walk, room));
	assert_int_equal(unlink(fix->path), 0);
	assert_int_equal(rest(fix, &walk), 1);
}

struct doomed {
	struct fixture *fix;
	_Atomic bool answered;
};

/* A cancellation is pending: what is one of its points ends the thread there. */
static void *ask_while_cancelled(void *arg)
{
	struct doomed *doomed = arg;
	char room[512];
	struct passwd pw;
	int err = 0;
	const struct nss_out out = { room, sizeof(room), &err };
	if (pthread_cancel(pthread_self()) != 0)
		return arg;
	if (nss_passwd_by_name(&doomed->fix->db, "alice", &pw, &out) == NSS_STATUS_SUCCESS)
		doomed->answered = true;
	/* An end by cancellation would leave AddressSanitizer with the stack of a living thread. */
	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	return NULL;
}

/* open(2) and close(2) would end it, with a descriptor, a mapping and pins that nobody gives back.
 */
static void a_cancelled_thread_leaves_nothing(void **state)
{
	struct fixture *fix = *state;
	struct mtls_buf file = MTLS_BUF(1 << 20);
	struct nss_gen *gen;
	const struct mtls_acctdb *db;
	fixture_read(fix, &file);
	for (int i = 0; i < 20; i++) {
		struct doomed doomed = { .fix = fix };
		pthread_t thread;
		void *end = NULL;
		fixture_replace(fix, file.data, file.len);
		assert_int_equal(pthread_create(&thread, NULL, ask_while_cancelled, &doomed), 0);
		assert_int_equal(pthread_join(thread, &end), 0);
		assert_null(end); /* or PTHREAD_CANCELED */
		assert_true(doomed.answered);
		assert_int_equal(nss_db_pin(&fix->db, &gen, &db), 0);
		assert_true(nss_db_number(gen) <= 2);
		nss_db_unpin(gen);
	}
	mtls_buf_done(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_moment, setup, teardown),
		cmocka_unit_test_setup_teardown(abandoned, setup, teardown),
		cmocka_unit_test_setup_teardown(threads_share, setup, teardown),
		cmocka_unit_test_setup_teardown(children_go_their_own_way, setup, teardown),
		cmocka_unit_test_setup_teardown(past_damage, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_to_list, setup, teardown),
		cmocka_unit_test_setup_teardown(goes_on_without_the_file, setup, teardown),
		cmocka_unit_test_setup_teardown(a_cancelled_thread_leaves_nothing, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
