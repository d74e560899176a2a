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

static struct peer unix_peer(uid_t uid)
{
	return (struct peer){ .transport = PEER_UNIX, .uid = uid };
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

/* How many connections of @peer are admitted, up to @tries. */
static unsigned int admitted(struct limits *limits, const struct peer *peer, unsigned int tries)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < tries; i++)
		count += limits_admit(limits, peer);
	return count;
}

static const struct limits_config config = {
	.max_connections = 16, .reserved = 4, .max_per_uid = 3, .max_per_address = 2
};

static void peers_are_bounded(void **state)
{
	static const struct {
		const char *name;
		uid_t uid;
		const char *address;
		unsigned int want;
	} rows[] = {
		{ "a person", 1000, NULL, 3 },          { "another person", 1001, NULL, 3 },
		{ "nobody known", (uid_t)-1, NULL, 3 }, { "IPv4", 0, "192.0.2.1", 2 },
		{ "another IPv4", 0, "192.0.2.2", 1 }, /* the reserve is reached */
		{ "root, the rest", 0, NULL, 4 },
	};
	_cleanup_(limits_freep) struct limits *limits = NULL;

	(void)state;
	assert_int_equal(limits_new(&config, &limits), 0);
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct peer peer =
			rows[i].address ? tcp_peer(rows[i].address) : unix_peer(rows[i].uid);
		print_message("# %s\n", rows[i].name);
		assert_int_equal(admitted(limits, &peer, 20), rows[i].want);
	}
	assert_int_equal(limits_total(limits), 16);
}

static void places_are_given_back(void **state)
{
	_cleanup_(limits_freep) struct limits *limits = NULL;
	struct peer bob = unix_peer(1000);

	(void)state;
	assert_int_equal(limits_new(&config, &limits), 0);
	assert_int_equal(admitted(limits, &bob, 5), 3);
	limits_release(limits, &bob);
	assert_int_equal(admitted(limits, &bob, 5), 1);
	for (int i = 0; i < 3; i++)
		limits_release(limits, &bob);
	assert_int_equal(limits_total(limits), 0);
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

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_(limits_freep) struct limits *limits = NULL;
		struct peer first = tcp_peer(rows[i].first);
		struct peer second = tcp_peer(rows[i].second);
		print_message("# %s\n", rows[i].name);
		assert_int_equal(limits_new(&config, &limits), 0);
		assert_int_equal(admitted(limits, &first, 9), 2);
		assert_int_equal(admitted(limits, &second, 9), rows[i].want);
	}
}

static void the_reserve_is_never_nothing(void **state)
{
	(void)state;
	assert_int_equal(limits_reserve(8), 1);
	assert_int_equal(limits_reserve(1), 1);
	assert_int_equal(limits_reserve(1024), 128);
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
		cmocka_unit_test(places_are_given_back),
		cmocka_unit_test(networks_are_one_peer),
		cmocka_unit_test(the_reserve_is_never_nothing),
		cmocka_unit_test(addresses_are_numeric),
	};
	return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
