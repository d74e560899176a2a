/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses to listen on, and who may hold how many connections. */
#include <config.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "authd/address.h"
#include "authd/limits.h"
#include "lib/base/str.h"

static const struct origin_secret secret = { "not much of one" };

/* A row a worker. */
#define WORKERS 3

struct fixture {
	struct shmem shmem;
	struct limits *limits[WORKERS];
};

static const struct limits_config config = {
	.max_connections = 16,
	.reserved = 4,
	.max_unix = 7,
	.max_tcp = 5,
	.max_per_uid = 3,
	.max_per_address = 2,
};

static struct limits *attach(struct fixture *fixture, size_t slot)
{
	limits_free(fixture->limits[slot]);
	assert_int_equal(limits_new(&config, &fixture->shmem, slot, &fixture->limits[slot]), 0);
	return fixture->limits[slot];
}

static void set_up(struct fixture *fixture)
{
	*fixture = (struct fixture){ 0 };
	assert_int_equal(shmem_map(&fixture->shmem, WORKERS, limits_row_size()), 0);
	for (size_t slot = 0; slot < WORKERS; slot++)
		(void)attach(fixture, slot);
}

static void tear_down(struct fixture *fixture)
{
	for (size_t slot = 0; slot < WORKERS; slot++)
		limits_free(fixture->limits[slot]);
	shmem_unmap(&fixture->shmem);
}

static struct peer tcp_peer(const char *text)
{
	struct sockaddr_storage sa = { 0 };
	struct sockaddr_in *sin = (struct sockaddr_in *)&sa;
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)&sa;
	struct peer peer = { .transport = PEER_TCP, .uid = (uid_t)-1 };

	if (inet_pton(AF_INET, text, &sin->sin_addr) == 1)
		sa.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &sin6->sin6_addr) == 1)
		sa.ss_family = AF_INET6;
	else
		fail_msg("'%s' is no address", text);
	address_to_peer(&sa, &peer);
	assert_string_equal(peer.address, text);
	return peer;
}

static struct limits_place place_of(const struct peer *peer)
{
	const struct origin origin = origin_of_peer(&secret, peer);
	return limits_place_of(peer, &origin);
}

static struct limits_place of_uid(uid_t uid)
{
	const struct peer peer = { .transport = PEER_UNIX, .uid = uid };
	return place_of(&peer);
}

/* sudo, run by @uid. */
static struct limits_place of_invoker(uid_t uid)
{
	const struct peer peer = { .transport = PEER_UNIX, .uid = 0, .invoker = uid };
	return place_of(&peer);
}

static struct limits_place of_address(const char *text)
{
	const struct peer peer = tcp_peer(text);
	return place_of(&peer);
}

/* How many connections of @place are admitted, up to @tries; worker after worker has its turn. */
static unsigned int admitted(struct fixture *fixture, struct limits_place place, unsigned int tries,
			     enum limits_cause *ret_cause)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < tries; i++) {
		*ret_cause = limits_admit(fixture->limits[i % WORKERS], &place);
		if (*ret_cause != LIMITS_OK)
			break;
		count++;
	}
	return count;
}

static void peers_are_bounded(void **state)
{
	struct fixture fixture;
	const struct {
		const char *name;
		struct limits_place place;
		unsigned int want;
		enum limits_cause cause;
	} rows[] = {
		{ "a person", of_uid(1000), 3, LIMITS_OVER_UID },
		{ "the same through sudo", of_invoker(1000), 0, LIMITS_OVER_UID },
		{ "nobody known", of_uid((uid_t)-1), 3, LIMITS_OVER_UID },
		{ "the share of unix sockets", of_uid(1001), 1, LIMITS_OVER_SHARE },
		{ "IPv4", of_address("192.0.2.1"), 2, LIMITS_OVER_ADDRESS },
		{ "another IPv4", of_address("192.0.2.2"), 2, LIMITS_OVER_ADDRESS },
		{ "the share of TCP", of_address("2001:db8::1"), 1, LIMITS_OVER_SHARE },
		{ "all others, now", of_uid(1001), 0, LIMITS_OVER_SHARE },
		{ "sudo goes into half of the reserve", of_invoker(1002), 2, LIMITS_OVER_RESERVED },
		{ "root has the rest", of_uid(0), 2, LIMITS_OVER_TOTAL },
	};

	(void)state;
	set_up(&fixture);
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		enum limits_cause cause = LIMITS_OK;
		print_message("# %s\n", rows[i].name);
		assert_int_equal(admitted(&fixture, rows[i].place, 20, &cause), rows[i].want);
		assert_int_equal(cause, rows[i].cause);
	}
	assert_int_equal(limits_total(fixture.limits[0]), 16);
	tear_down(&fixture);
}

/* Whatever one kind of client does, the others find what is theirs. */
static void floods_leave_room(void **state)
{
	const struct {
		const char *name;
		enum limits_class flood;
		struct limits_place other;
		unsigned int want; /* at least so many of the other kind */
	} rows[] = {
		{ "of uids: TCP", LIMITS_UID, of_address("192.0.2.1"), 2 },
		{ "of addresses: a person", LIMITS_ADDRESS, of_uid(1000), 3 },
		{ "of uids: root", LIMITS_UID, of_uid(0), 4 },
		{ "of addresses: root", LIMITS_ADDRESS, of_uid(0), 4 },
		{ "of sudo: root", LIMITS_INVOKER, of_uid(0), 2 },
	};
	enum limits_cause cause;

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct fixture fixture;
		print_message("# %s\n", rows[i].name);
		set_up(&fixture);
		/* Everybody has another origin: no limit of one origin helps. */
		for (uint64_t key = 1; key < 40; key++) {
			const struct limits_place flood = { rows[i].flood, key << 32 | 1 };
			(void)admitted(&fixture, flood, 20, &cause);
		}
		assert_int_not_equal(cause, LIMITS_OK);
		assert_true(admitted(&fixture, rows[i].other, 20, &cause) >= rows[i].want);
		tear_down(&fixture);
	}
}

static void places_are_given_back(void **state)
{
	struct fixture fixture;
	const struct limits_place bob = of_uid(1000);
	enum limits_cause cause;

	(void)state;
	set_up(&fixture);
	assert_int_equal(admitted(&fixture, bob, 9, &cause), 3);
	limits_release(fixture.limits[1], &bob);
	assert_int_equal(admitted(&fixture, bob, 9, &cause), 1); /* by worker 0 */
	limits_count(fixture.limits[2], &bob);                   /* over the limit, but here */
	limits_release(fixture.limits[2], &bob);
	limits_release(fixture.limits[2], &bob);
	limits_release(fixture.limits[0], &bob);
	limits_release(fixture.limits[0], &bob);
	assert_int_equal(limits_total(fixture.limits[0]), 0);
	assert_int_equal(admitted(&fixture, bob, 9, &cause), 3);
	tear_down(&fixture);
}

/* A worker that was killed gives nothing back: the supervisor clears its row. */
static void a_dead_worker_holds_nothing(void **state)
{
	struct fixture fixture;
	const struct limits_place bob = of_uid(1000);
	enum limits_cause cause;

	(void)state;
	set_up(&fixture);
	for (int i = 0; i < 3; i++)
		assert_int_equal(limits_admit(fixture.limits[1], &bob), LIMITS_OK);
	assert_int_equal(limits_admit(fixture.limits[0], &bob), LIMITS_OVER_UID);
	shmem_clear(&fixture.shmem, 1);
	(void)attach(&fixture, 1);
	assert_int_equal(limits_total(fixture.limits[0]), 0);
	assert_int_equal(admitted(&fixture, bob, 9, &cause), 3);
	tear_down(&fixture);
}

/* As many origins as there can be connections, all at once, and again and again. */
static void many_origins_fit(void **state)
{
	struct fixture fixture;
	struct limits_config large = config;
	const unsigned int count = 60000;

	(void)state;
	large.max_connections = large.max_tcp = 65536;
	set_up(&fixture);
	limits_free(fixture.limits[0]);
	assert_int_equal(limits_new(&large, &fixture.shmem, 0, &fixture.limits[0]), 0);
	for (uint32_t round = 0; round < 3; round++) {
		struct peer peer = tcp_peer("192.0.2.1");
		for (int leave = 0; leave < 2; leave++) {
			for (uint32_t i = 0; i < count; i++) {
				uint32_t address = i + round * count;
				memcpy(peer.network + 12, &address, sizeof(address));
				struct limits_place place = place_of(&peer);
				if (leave)
					limits_release(fixture.limits[0], &place);
				else if (limits_admit(fixture.limits[0], &place) != LIMITS_OK)
					fail_msg("origin %u of round %u", i, round);
			}
			assert_int_equal(limits_total(fixture.limits[1]), leave ? 0 : count);
		}
	}
	tear_down(&fixture);
}

static void networks_are_one_peer(void **state)
{
	static const struct {
		const char *name, *first, *second;
		unsigned int want; /* of the second, when the first holds 2 */
	} rows[] = {
		{ "same /64", "2001:db8::1", "2001:db8::2", 0 },
		{ "other /64", "2001:db8::1", "2001:db8:0:1::1", 2 },
		{ "v4-mapped is v4", "192.0.2.1", "::ffff:192.0.2.1", 0 },
		{ "mapped ones differ", "::ffff:192.0.2.1", "::ffff:192.0.2.2", 2 },
	};
	enum limits_cause cause;

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct fixture fixture;
		print_message("# %s\n", rows[i].name);
		set_up(&fixture);
		assert_int_equal(admitted(&fixture, of_address(rows[i].first), 9, &cause), 2);
		assert_int_equal(admitted(&fixture, of_address(rows[i].second), 9, &cause),
				 rows[i].want);
		tear_down(&fixture);
	}
}

static void shares_come_from_settings(void **state)
{
	char unix_text[] = "unix:/run/x", tcp_text[] = "tcp:192.0.2.1";
	static const struct {
		const char *name;
		bool has_unix, has_tcp;
		uint32_t most, reserved, max_unix, max_tcp;
	} rows[] = {
		{ "both", true, true, 1024, 128, 538, 358 },
		{ "unix only", true, false, 1024, 128, 896, 358 },
		{ "TCP only", false, true, 1024, 128, 538, 896 },
		{ "the fewest", true, true, 8, 1, 5, 2 },
	};

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		char *listen[3] = { NULL };
		size_t n = 0;
		struct limits_config made;
		if (rows[i].has_unix)
			listen[n++] = unix_text;
		if (rows[i].has_tcp)
			listen[n++] = tcp_text;
		const struct mtls_settings_authd settings = { .listen = listen,
							      .max_connections = rows[i].most,
							      .tcp_share = 40 };
		print_message("# %s\n", rows[i].name);
		limits_config_make(&settings, &made);
		assert_int_equal(made.reserved, rows[i].reserved);
		assert_int_equal(made.max_unix, rows[i].max_unix);
		assert_int_equal(made.max_tcp, rows[i].max_tcp);
	}
}

static void causes_have_words(void **state)
{
	(void)state;
	for (int cause = LIMITS_OVER_TOTAL; cause <= LIMITS_OVER_ADDRESS; cause++) {
		assert_true(limits_cause_text(cause)[0]);
		assert_true(limits_counter(cause) >= COUNTER_LIMITED_TOTAL &&
			    limits_counter(cause) < COUNTER_LIMITED_PENALTY);
	}
}

static void addresses_are_numeric(void **state)
{
	static const struct {
		const char *text;
		int family; /* 0: refused */
		uint16_t port;
	} rows[] = {
		{ "unix:/run/mtls/authd.sock", AF_UNIX, 0 },
		{ "unix:run/mtls/authd.sock", 0, 0 },
		{ "unix:", 0, 0 },
		{ "tcp:127.0.0.1:7444", AF_INET, 7444 },
		{ "tcp:127.0.0.1", AF_INET, 7443 },
		{ "tcp:[::1]:1", AF_INET6, 1 },
		{ "tcp:[::1]", AF_INET6, 7443 },
		{ "tcp:[::1", 0, 0 },
		{ "tcp:[::1]x", 0, 0 },
		{ "tcp:[127.0.0.1]:1", 0, 0 },
		{ "tcp:::1:7443", 0, 0 },
		{ "tcp:localhost:7443", 0, 0 },
		{ "tcp:127.0.0.1:", 0, 0 },
		{ "tcp:127.0.0.1:0", 0, 0 },
		{ "tcp:127.0.0.1:65536", 0, 0 },
		{ "tcp:127.0.0.1:+1", 0, 0 },
		{ "tcp::7443", 0, 0 },
		{ "/run/mtls/authd.sock", 0, 0 },
		{ "", 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct address address;
		struct mtls_diag diag = { 0 };
		print_message("# '%s'\n", rows[i].text);
		int r = address_parse(rows[i].text, &address, &diag);
		assert_int_equal(r, rows[i].family ? 0 : MTLS_E_CONFIG);
		if (r < 0) {
			assert_true(diag.text[0]);
			continue;
		}
		assert_int_equal(address.sa.ss_family, rows[i].family);
		if (rows[i].family == AF_INET)
			assert_int_equal(ntohs(((struct sockaddr_in *)&address.sa)->sin_port),
					 rows[i].port);
		if (rows[i].family == AF_INET6)
			assert_int_equal(ntohs(((struct sockaddr_in6 *)&address.sa)->sin6_port),
					 rows[i].port);
	}
	char longest[200] = "unix:/";
	struct address address;
	memset(longest + 6, 'x', 150);
	assert_int_equal(address_parse(longest, &address, NULL), MTLS_E_CONFIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(peers_are_bounded),
		cmocka_unit_test(floods_leave_room),
		cmocka_unit_test(places_are_given_back),
		cmocka_unit_test(a_dead_worker_holds_nothing),
		cmocka_unit_test(many_origins_fit),
		cmocka_unit_test(networks_are_one_peer),
		cmocka_unit_test(shares_come_from_settings),
		cmocka_unit_test(causes_have_words),
		cmocka_unit_test(addresses_are_numeric),
	};
	return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
