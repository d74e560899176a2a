/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Origins, the table of numbers behind limits and penalties, and who has to wait how long. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "authd/penalties.h"
#include "authd/tally.h"
#include "lib/base/str.h"
#include "lib/settings/authd.h"

#define WORKERS 2
#define START   INT64_C(1000000) /* a clock that has been running */

static const struct origin_secret secret = { "not much of one" };

static const struct penalties_config config = {
	.failure_ms = 5000,
	.grace_ms = 15000,
	.max_ms = 60000,
};

struct fixture {
	struct shmem shmem;
	struct penalties *penalties[WORKERS];
};

static void set_up(struct fixture *fixture, const struct penalties_config *with)
{
	*fixture = (struct fixture){ 0 };
	assert_int_equal(shmem_map(&fixture->shmem, WORKERS, penalties_row_size()), 0);
	for (size_t slot = 0; slot < WORKERS; slot++)
		assert_int_equal(
			penalties_new(with, &fixture->shmem, slot, &fixture->penalties[slot]), 0);
}

static void tear_down(struct fixture *fixture)
{
	for (size_t slot = 0; slot < WORKERS; slot++)
		penalties_free(fixture->penalties[slot]);
	shmem_unmap(&fixture->shmem);
}

static struct origin bob(void)
{
	return origin_of_uid(&secret, 1000);
}

/* @count failures of @origin within a second, seen by one worker after the other. */
static void fail_often(struct fixture *fixture, struct origin origin, int count, int64_t now)
{
	for (int i = 0; i < count; i++)
		(void)penalties_add(fixture->penalties[i % WORKERS], &origin, now + i % 1000);
}

static void failures_add_up_and_melt(void **state)
{
	static const struct {
		const char *name;
		int failures;
		int64_t later, want; /* milliseconds */
	} rows[] = {
		{ "none", 0, 0, 0 },
		{ "mistyped twice", 2, 0, 0 },
		{ "three at once", 3, 2, 0 },
		{ "four at once", 4, 3, 4997 },
		{ "and a little later", 4, 4000, 1000 },
		{ "and when it has melted", 4, 5000, 0 },
		{ "a thousand", 1000, 999, 45000 },
		{ "a thousand, half a minute later", 1000, 30999, 15000 },
		{ "a thousand, a minute later", 1000, 60999, 0 },
	};

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct fixture fixture;
		const struct origin origin = bob();
		print_message("# %s\n", rows[i].name);
		set_up(&fixture, &config);
		fail_often(&fixture, origin, rows[i].failures, START);
		for (size_t slot = 0; slot < WORKERS; slot++)
			assert_int_equal(penalties_wait(fixture.penalties[slot], &origin,
							START + rows[i].later),
					 rows[i].want);
		tear_down(&fixture);
	}
}

/* A steady pace is one failure in five seconds, for ever. */
static void who_goes_on_is_held_to_a_pace(void **state)
{
	struct fixture fixture;
	const struct origin origin = bob();
	int tried = 0;

	(void)state;
	set_up(&fixture, &config);
	for (int64_t now = START; now < START + 600000; now += 100) {
		if (penalties_wait(fixture.penalties[0], &origin, now))
			continue;
		tried++;
		(void)penalties_add(fixture.penalties[1], &origin, now);
	}
	assert_in_range(tried, 600 / 5, 600 / 5 + 4);
	tear_down(&fixture);
}

static void others_do_not_wait(void **state)
{
	const struct peer host = { .transport = PEER_UNIX, .uid = 0 };
	struct mtls_auth_request from = { .uid = 0 };
	char text[] = "198.51.100.7", other[] = "198.51.100.8";
	struct fixture fixture;

	(void)state;
	set_up(&fixture, &config);
	from.remote_host = text;
	const struct origin failing = origin_of_request(&secret, &host, &from);
	from.remote_host = other;
	const struct origin good = origin_of_request(&secret, &host, &from);
	from.remote_host = NULL;
	const struct origin local = origin_of_request(&secret, &host, &from);
	fail_often(&fixture, failing, 1000, START);
	assert_true(penalties_wait(fixture.penalties[0], &failing, START + 999) > 0);
	assert_int_equal(penalties_wait(fixture.penalties[0], &good, START + 999), 0);
	assert_int_equal(penalties_wait(fixture.penalties[0], &local, START + 999), 0);
	/* Nothing is ever held against root itself. */
	fail_often(&fixture, local, 1000, START);
	assert_false(penalties_add(fixture.penalties[0], &local, START));
	assert_int_equal(penalties_wait(fixture.penalties[0], &local, START), 0);
	tear_down(&fixture);
}

static void they_can_be_switched_off(void **state)
{
	const struct penalties_config off = { .failure_ms = 0, .grace_ms = 0, .max_ms = 60000 };
	struct fixture fixture;
	const struct origin origin = bob();

	(void)state;
	set_up(&fixture, &off);
	fail_often(&fixture, origin, 1000, START);
	assert_int_equal(penalties_wait(fixture.penalties[0], &origin, START), 0);
	assert_false(penalties_add(fixture.penalties[0], &origin, START));
	tear_down(&fixture);
}

/* The table has an end; who has most to answer for stays in it. */
static void memory_is_bounded(void **state)
{
	struct fixture fixture;
	const struct origin origin = bob();
	unsigned int remembered = 0;

	(void)state;
	set_up(&fixture, &config);
	fail_often(&fixture, origin, 1000, START);
	for (uid_t uid = 2000; uid < 202000; uid++) {
		const struct origin once = origin_of_uid(&secret, uid);
		assert_true(penalties_add(fixture.penalties[0], &once, START + 1000));
	}
	assert_true(penalties_wait(fixture.penalties[0], &origin, START + 1000) > 0);
	/* Strangers that come next are remembered, too: those that failed long ago make room. */
	for (uid_t uid = 1; uid < 1000; uid++) {
		const struct origin late = origin_of_uid(&secret, uid);
		for (int i = 0; i < 4; i++)
			(void)penalties_add(fixture.penalties[0], &late, START + 10000);
		remembered += penalties_wait(fixture.penalties[0], &late, START + 10000) > 0;
	}
	assert_int_equal(remembered, 999);
	tear_down(&fixture);
}

/* A row is written by a worker that may have been broken into. */
static void nonsense_in_a_row_is_bounded(void **state)
{
	struct fixture fixture;
	const struct origin origin = bob();

	(void)state;
	set_up(&fixture, &config);
	memset(shmem_row(&fixture.shmem, 1), 0xff, penalties_row_size());
	struct tally tally = { .entries = shmem_row(&fixture.shmem, 1), .count = 4096 };
	assert_true(tally_set(&tally, origin.key, START + 100000, UINT64_MAX));
	assert_int_equal(penalties_wait(fixture.penalties[0], &origin, START), 45000);
	assert_true(penalties_add(fixture.penalties[0], &origin, START));
	tear_down(&fixture);
}

/* A row outlives its worker: what nobody ever forgives must not be held against anybody. */
static void what_never_ends_does_not_count(void **state)
{
	static const uint64_t values[] = { UINT64_MAX, INT64_MAX,
					   START + MTLS_AUTHD_PENALTY_MAX_MS + 1 };
	struct fixture fixture;
	const struct origin origin = bob();

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(values); i++) {
		set_up(&fixture, &config);
		memset(shmem_row(&fixture.shmem, 1), 0xff, penalties_row_size());
		struct tally tally = { .entries = shmem_row(&fixture.shmem, 1), .count = 4096 };
		assert_true(tally_set(&tally, origin.key, values[i], UINT64_MAX));
		assert_int_equal(penalties_wait(fixture.penalties[0], &origin, START), 0);
		/* The next worker in that row can keep what it sees. */
		for (int failures = 0; failures < 4; failures++)
			assert_true(penalties_add(fixture.penalties[1], &origin, START));
		assert_int_equal(penalties_wait(fixture.penalties[0], &origin, START), 5000);
		tear_down(&fixture);
	}
}

static void origins_are_told_apart(void **state)
{
	const struct peer root = { .transport = PEER_UNIX, .uid = 0 };
	const struct peer sudo = { .transport = PEER_UNIX, .uid = 0, .invoker = 1000 };
	const struct peer person = { .transport = PEER_UNIX, .uid = 1000 };
	const struct peer tcp = { .transport = PEER_TCP, .uid = (uid_t)-1, .network = { 1, 2 } };
	static const struct {
		const char *name;
		enum { ROOT, SUDO, PERSON, TCP } peer;
		uint32_t uid;
		const char *remote;
		enum origin_kind want;
		const char *same; /* a remote host with the same origin; NULL: none */
	} rows[] = {
		{ "root, locally", ROOT, 0, NULL, ORIGIN_ROOT, NULL },
		{ "root, empty", ROOT, 0, "", ORIGIN_ROOT, NULL },
		{ "sshd", ROOT, 0, "192.0.2.1", ORIGIN_REMOTE, "192.0.2.1" },
		{ "sshd, a name", ROOT, 0, "Host.Example", ORIGIN_REMOTE, "host.example" },
		{ "sshd, one /64", ROOT, 0, "2001:db8::1", ORIGIN_REMOTE, "2001:DB8::ffff" },
		{ "sshd, with a zone", ROOT, 0, "fe80::1%eth0", ORIGIN_REMOTE, "fe80::2" },
		{ "sudo, which names a host", SUDO, 1000, "localhost", ORIGIN_UID, NULL },
		{ "sudo that did not say so before", ROOT, 1000, NULL, ORIGIN_UID, NULL },
		{ "a person that claims a host", PERSON, 0, "192.0.2.1", ORIGIN_UID, NULL },
		{ "TCP that claims a host", TCP, 0, "192.0.2.1", ORIGIN_ADDRESS, NULL },
	};
	const struct peer *const peers[] = { &root, &sudo, &person, &tcp };

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		char remote[64] = "", same[64] = "";
		print_message("# %s\n", rows[i].name);
		(void)mtls_strcopy(remote, sizeof(remote), rows[i].remote ? rows[i].remote : "");
		(void)mtls_strcopy(same, sizeof(same), rows[i].same ? rows[i].same : "");
		struct mtls_auth_request request = { .uid = rows[i].uid,
						     .remote_host =
							     rows[i].remote ? remote : NULL };
		struct origin origin = origin_of_request(&secret, peers[rows[i].peer], &request);
		assert_int_equal(origin.kind, rows[i].want);
		assert_int_equal(origin.key == 0, origin.kind == ORIGIN_ROOT);
		if (rows[i].want == ORIGIN_UID)
			assert_true(origin.key == bob().key);
		if (!rows[i].same)
			continue;
		request.remote_host = same;
		struct origin again = origin_of_request(&secret, peers[rows[i].peer], &request);
		assert_true(origin.key == again.key);
		same[strlen(same) - 1] ^= 1;
		if (!strchr(same, ':')) {
			again = origin_of_request(&secret, peers[rows[i].peer], &request);
			assert_true(origin.key != again.key);
		}
	}
	assert_int_equal(origin_of_peer(&secret, &root).kind, ORIGIN_ROOT);
	assert_int_equal(origin_of_peer(&secret, &sudo).kind, ORIGIN_UID);
	/* Another secret, other keys. */
	const struct origin_secret other = { "another" };
	assert_true(origin_of_uid(&other, 1000).key != bob().key);
}

static void a_long_name_is_no_other(void **state)
{
	static char name[9000];
	const struct peer root = { .transport = PEER_UNIX, .uid = 0 };
	struct mtls_auth_request request = { .remote_host = name };

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	assert_int_equal(origin_of_request(&secret, &root, &request).kind, ORIGIN_REMOTE);
}

static void our_faults_are_nobodys(void **state)
{
	static const struct {
		enum mtls_reason reason;
		bool want;
	} rows[] = {
		{ MTLS_REASON_ALLOWED, false },       { MTLS_REASON_CHOOSE, false },
		{ MTLS_REASON_CERT_EXPIRED, true },   { MTLS_REASON_CERT_REVOKED, true },
		{ MTLS_REASON_CRL_UNUSABLE, false },  { MTLS_REASON_UNMAPPED, true },
		{ MTLS_REASON_MAPPED_OTHER, true },   { MTLS_REASON_ROLE, true },
		{ MTLS_REASON_BAD_REQUEST, true },    { MTLS_REASON_LOOKUP_TIMEOUT, false },
		{ MTLS_REASON_LOOKUP_FAILED, false }, { MTLS_REASON_BUSY, false },
		{ MTLS_REASON_INTERNAL, false },      { MTLS_REASON_CHOICE_TIMEOUT, false },
		{ MTLS_REASON_PENALTY, false },       { MTLS_REASON_TIMEOUT, true },
		{ MTLS_REASON_HANDSHAKE, true },      { MTLS_REASON_ISSUER_UNTRUSTED, true },
		{ MTLS_REASON_BAD_SIGNATURE, true },
	};

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		print_message("# %s\n", mtls_reason_token(rows[i].reason));
		assert_int_equal(penalties_counts(rows[i].reason), rows[i].want);
	}
}

static void the_table_keeps_keys_apart(void **state)
{
	static struct tally_entry entries[64];
	struct tally tally = { .entries = entries, .count = 64 };
	const uint64_t base = UINT64_C(0xabcd00000000);

	(void)state;
	/* All begin at one place: the window is what there is. */
	for (uint64_t i = 0; i < TALLY_WINDOW; i++)
		assert_true(tally_set(&tally, base + (i << 16), i + 1, 0));
	assert_false(tally_set(&tally, base + (UINT64_C(99) << 16), 1, 0));
	for (uint64_t i = 0; i < TALLY_WINDOW; i++)
		assert_true(tally_get(&tally, base + (i << 16)) == i + 1);
	assert_true(tally_get(&tally, base + (UINT64_C(99) << 16)) == 0);
	assert_true(tally_least(&tally, base) == 1);
	/* One that is worth no more than @stale gives its place. */
	assert_true(tally_set(&tally, base + (UINT64_C(99) << 16), 7, 1));
	assert_true(tally_get(&tally, base + (UINT64_C(99) << 16)) == 7);
	assert_true(tally_get(&tally, base) == 0);
	/* Zero is nothing; the key may come again. */
	assert_true(tally_set(&tally, base + (UINT64_C(5) << 16), 0, 0));
	assert_true(tally_set(&tally, base, 3, 0));
	assert_true(tally_get(&tally, base) == 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failures_add_up_and_melt),
		cmocka_unit_test(who_goes_on_is_held_to_a_pace),
		cmocka_unit_test(others_do_not_wait),
		cmocka_unit_test(they_can_be_switched_off),
		cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(nonsense_in_a_row_is_bounded),
		cmocka_unit_test(what_never_ends_does_not_count),
		cmocka_unit_test(origins_are_told_apart),
		cmocka_unit_test(a_long_name_is_no_other),
		cmocka_unit_test(our_faults_are_nobodys),
		cmocka_unit_test(the_table_keeps_keys_apart),
	};
	return cmocka_run_group_tests_name("penalties", tests, NULL, NULL);
}
