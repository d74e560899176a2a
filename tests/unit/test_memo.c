/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The memo of verified chains: what belongs to its key, its bounds, and that no answer depends on
 * it. tests/unit/test_verify.c asks each of its rows with a memo as well.
 */
#include <config.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/verify/memo_impl.h"
#include "lib/verify/verify.h"
#include "lib/wire/msg.h"
#include "tests/unit/certgen.h"

#define LOGIN .eku = { GNUTLS_KP_TLS_WWW_CLIENT }
#define SENT  4

static const struct mtls_verify_bounds bounds = {
	.max_certs = 8, .max_depth = 4, .min_rsa_bits = 2048, .max_rsa_bits = 4096
};

/* Two roots of one name, a CA between that both have certified, and one leaf below each. */
static struct certgen *root, *twin, *other, *middle, *crossed, *leaf, *direct, *by_twin, *forged;

static struct certgen *make(const char *dn, bool ca, struct certgen *same_key,
			    struct certgen *issuer)
{
	return certgen_new(
		&(struct certgen_options){ .dn = dn, .ca = ca, .same_key = same_key, LOGIN },
		issuer);
}

static int make_certs(void **state)
{
	(void)state;
	root = make("CN=Root", true, NULL, NULL);
	twin = make("CN=Root", true, NULL, NULL);
	other = make("CN=Other", true, NULL, NULL);
	middle = make("CN=Middle", true, NULL, root);
	crossed = make("CN=Middle", true, middle, other);
	leaf = make("CN=alice", false, NULL, middle);
	direct = make("CN=bob", false, NULL, root);
	by_twin = make("CN=bob", false, NULL, twin);
	forged = make("CN=mallory", false, NULL, NULL);
	return 0;
}

static struct certgen **const all[] = { &root, &twin,   &other,   &middle, &crossed,
					&leaf, &direct, &by_twin, &forged };

static int free_certs(void **state)
{
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(all); i++)
		certgen_free(*all[i]);
	return 0;
}

static void add(struct mtls_anchors *anchors, enum mtls_role role, const char *name,
		const struct certgen *cert)
{
	gnutls_datum_t pem = certgen_pem(cert);
	assert_int_equal(mtls_anchors_add_pem(anchors, role, name, pem.data, pem.size, NULL), 1);
	gnutls_free(pem.data);
}

static struct mtls_anchors *anchors_of(enum mtls_role role, const struct certgen *cert)
{
	struct mtls_anchors *anchors = NULL;
	assert_int_equal(mtls_anchors_new(&anchors), 0);
	add(anchors, role, "first", cert);
	return anchors;
}

/* Asks for a path through @a and @b (or NULL); the path, or NULL. */
static struct mtls_path *ask(const struct mtls_anchors *anchors, struct mtls_memo *memo,
			     const struct certgen *a, const struct certgen *b)
{
	_cleanup_(mtls_chain_freep) struct mtls_chain *chain = NULL;
	const struct certgen *sent[] = { a, b };
	const uint8_t *der[2];
	size_t len[2];
	const size_t count = b ? 2 : 1;
	struct mtls_path *path = NULL;

	for (size_t i = 0; i < count; i++) {
		der[i] = sent[i]->der.data;
		len[i] = sent[i]->der.size;
	}
	assert_int_equal(mtls_chain_parse(&bounds, der, len, count, memo, &chain, NULL), 0);
	int err = mtls_chain_path(anchors, chain, memo, &path, NULL);
	assert_true(err == 0 || err == MTLS_E_CERT);
	return path;
}

/* Asks, and remembers. Whether it was remembered before. */
static bool meet(const struct mtls_anchors *anchors, struct mtls_memo *memo,
		 const struct certgen *a, const struct certgen *b)
{
	_cleanup_(mtls_path_freep) struct mtls_path *path = ask(anchors, memo, a, b);
	assert_non_null(path);
	mtls_memo_remember(memo, path);
	return path->remembered;
}

static void sizes_are_bounded(void **state)
{
	struct mtls_memo *memo = NULL;
	(void)state;
	assert_int_equal(mtls_memo_new(0, 1, &memo), -EINVAL);
	assert_int_equal(mtls_memo_new(MTLS_MEMO_ENTRIES_MAX + 1, 1, &memo), -EINVAL);
	assert_null(memo);
	assert_int_equal(mtls_memo_new(MTLS_MEMO_ENTRIES_MAX, 1, &memo), 0);
	mtls_memo_free(memo);
	mtls_memo_free(NULL);
}

/* Who was not met for longest goes first, and only a path that was found gets in. */
static void the_oldest_goes(void **state)
{
	_cleanup_(mtls_anchors_freep) struct mtls_anchors *anchors =
		anchors_of(MTLS_ROLE_USER, root);
	_cleanup_(mtls_memo_freep) struct mtls_memo *memo = NULL;
	struct certgen *third = make("CN=carol", false, NULL, root);
	(void)state;
	assert_int_equal(mtls_memo_new(2, 1, &memo), 0);
	assert_false(meet(anchors, memo, leaf, middle));
	assert_false(meet(anchors, memo, direct, NULL));
	assert_int_equal(mtls_memo_count(memo), 2);
	assert_true(meet(anchors, memo, leaf, middle));
	assert_false(meet(anchors, memo, third, NULL)); /* instead of direct */
	assert_int_equal(mtls_memo_count(memo), 2);
	assert_true(meet(anchors, memo, leaf, middle));
	assert_true(meet(anchors, memo, third, NULL));
	assert_false(meet(anchors, memo, direct, NULL)); /* instead of leaf */
	assert_false(meet(anchors, memo, leaf, middle)); /* instead of third */
	assert_true(meet(anchors, memo, direct, NULL));
	certgen_free(third);
}

static void one_place_serves_one(void **state)
{
	_cleanup_(mtls_anchors_freep) struct mtls_anchors *anchors =
		anchors_of(MTLS_ROLE_USER, root);
	_cleanup_(mtls_memo_freep) struct mtls_memo *memo = NULL;
	(void)state;
	assert_int_equal(mtls_memo_new(1, 1, &memo), 0);
	for (int i = 0; i < 3; i++) {
		assert_false(meet(anchors, memo, leaf, middle));
		assert_true(meet(anchors, memo, leaf, middle));
		assert_false(meet(anchors, memo, direct, NULL));
		assert_int_equal(mtls_memo_count(memo), 1);
	}
}

static void asking_is_not_remembering(void **state)
{
	_cleanup_(mtls_anchors_freep) struct mtls_anchors *anchors =
		anchors_of(MTLS_ROLE_USER, root);
	_cleanup_(mtls_memo_freep) struct mtls_memo *memo = NULL;
	(void)state;
	assert_int_equal(mtls_memo_new(8, 1, &memo), 0);
	for (int i = 0; i < 2; i++) {
		struct mtls_path *path = ask(anchors, memo, leaf, middle);
		assert_non_null(path);
		assert_false(path->remembered);
		mtls_path_free(path);
		assert_null(ask(anchors, memo, forged, NULL));
		assert_null(ask(anchors, memo, by_twin, NULL));
	}
	assert_int_equal(mtls_memo_count(memo), 0);
	mtls_memo_remember(NULL, NULL);
}

/* Known under one anchor is nothing under another of the same name. */
static void the_anchor_counts(void **state)
{
	_cleanup_(mtls_anchors_freep) struct mtls_anchors *right = anchors_of(MTLS_ROLE_USER, twin);
	_cleanup_(mtls_anchors_freep) struct mtls_anchors *wrong = anchors_of(MTLS_ROLE_USER, root);
	_cleanup_(mtls_anchors_freep) struct mtls_anchors *both = anchors_of(MTLS_ROLE_USER, root);
	_cleanup_(mtls_memo_freep) struct mtls_memo *memo = NULL;
	(void)state;
	add(both, MTLS_ROLE_USER, "second", twin);
	assert_int_equal(mtls_memo_new(8, 1, &memo), 0);
	assert_false(meet(right, memo, by_twin, NULL));
	assert_null(ask(wrong, memo, by_twin, NULL));
	for (int i = 0; i < 2; i++) {
		struct mtls_path *path = ask(both, memo, by_twin, NULL);
		assert_non_null(path);
		assert_string_equal(path->ca_name, "second");
		mtls_path_free(path);
	}
}

/* The same CA for persons there and for hosts here: nothing is carried over. */
static void the_role_counts(void **state)
{
	_cleanup_(mtls_anchors_freep) struct mtls_anchors *users = anchors_of(MTLS_ROLE_USER, root);
	_cleanup_(mtls_anchors_freep) struct mtls_anchors *hosts = anchors_of(MTLS_ROLE_HOST, root);
	_cleanup_(mtls_memo_freep) struct mtls_memo *memo = NULL;
	(void)state;
	assert_int_equal(mtls_memo_new(8, 1, &memo), 0);
	assert_false(meet(users, memo, direct, NULL));
	struct mtls_path *path = ask(hosts, memo, direct, NULL);
	assert_non_null(path);
	assert_false(path->remembered);
	assert_int_equal(path->role, MTLS_ROLE_HOST);
	mtls_path_free(path);
	assert_true(meet(users, memo, direct, NULL));
}

/* The same leaf through another certificate of its CA is another path. */
static void each_step_counts(void **state)
{
	_cleanup_(mtls_anchors_freep) struct mtls_anchors *anchors =
		anchors_of(MTLS_ROLE_USER, root);
	_cleanup_(mtls_anchors_freep) struct mtls_anchors *wider = anchors_of(MTLS_ROLE_USER, root);
	_cleanup_(mtls_memo_freep) struct mtls_memo *memo = NULL;
	struct certgen *renewed = make("CN=Middle", true, middle, root);
	struct certgen *false_middle = make("CN=Middle", true, middle, twin);
	(void)state;
	add(wider, MTLS_ROLE_USER, "second", other);
	assert_int_equal(mtls_memo_new(8, 1, &memo), 0);
	assert_false(meet(anchors, memo, leaf, middle));
	assert_false(meet(anchors, memo, leaf, renewed));
	assert_null(ask(anchors, memo, leaf, crossed));
	assert_null(ask(anchors, memo, leaf, false_middle));
	assert_false(meet(wider, memo, leaf, crossed));
	assert_null(ask(anchors, memo, leaf, crossed));
	assert_true(meet(wider, memo, leaf, crossed));
	assert_true(meet(wider, memo, leaf, middle));
	certgen_free(renewed);
	certgen_free(false_middle);
}

static void the_generation_counts(void **state)
{
	_cleanup_(mtls_anchors_freep) struct mtls_anchors *anchors =
		anchors_of(MTLS_ROLE_USER, root);
	uint8_t keys[2][32];
	(void)state;
	_cleanup_(mtls_path_freep) struct mtls_path *path = ask(anchors, NULL, direct, NULL);
	for (uint64_t i = 0; i < 2; i++) {
		_cleanup_(mtls_memo_freep) struct mtls_memo *memo = NULL;
		const struct mtls_cert *certs[] = { path->certs[0], path->certs[1] };
		assert_int_equal(mtls_memo_new(1, i << 56, &memo), 0);
		assert_true(mtls_memo_key(memo, path->role, certs, 2, keys[i]));
	}
	assert_memory_not_equal(keys[0], keys[1], sizeof(keys[0]));
}

/* A changed byte anywhere in a certificate that was remembered: the signature is checked, and bad.
 */
static void every_byte_counts(void **state)
{
	_cleanup_(mtls_anchors_freep) struct mtls_anchors *anchors =
		anchors_of(MTLS_ROLE_USER, root);
	_cleanup_(mtls_memo_freep) struct mtls_memo *memo = NULL;
	(void)state;
	assert_int_equal(mtls_memo_new(8, 1, &memo), 0);
	assert_false(meet(anchors, memo, direct, NULL));
	for (size_t i = 0; i < direct->der.size; i++) {
		_cleanup_(mtls_chain_freep) struct mtls_chain *chain = NULL;
		struct mtls_path *path = NULL;
		const uint8_t *der = direct->der.data;
		const size_t len = direct->der.size;
		direct->der.data[i] ^= 1;
		if (mtls_chain_parse(&bounds, &der, &len, 1, memo, &chain, NULL) == 0 &&
		    mtls_chain_path(anchors, chain, memo, &path, NULL) == 0)
			fail_msg("octet %zu changed, and it was accepted", i);
		direct->der.data[i] ^= 1;
	}
	assert_true(meet(anchors, memo, direct, NULL));
}

/* What is known of a certificate does not hold for its bounds: another configuration has others. */
static void bounds_are_looked_at_anew(void **state)
{
	struct certgen *rsa = certgen_new(
		&(struct certgen_options){ .dn = "CN=rsa", LOGIN, .key = CERTGEN_RSA3072 }, root);
	_cleanup_(mtls_anchors_freep) struct mtls_anchors *anchors =
		anchors_of(MTLS_ROLE_USER, root);
	_cleanup_(mtls_memo_freep) struct mtls_memo *memo = NULL;
	struct mtls_verify_bounds narrow = bounds;
	struct mtls_chain *chain = NULL;
	const uint8_t *der = rsa->der.data;
	const size_t len = rsa->der.size;
	(void)state;
	narrow.max_rsa_bits = 2048;
	assert_int_equal(mtls_memo_new(8, 1, &memo), 0);
	assert_false(meet(anchors, memo, rsa, NULL));
	assert_true(meet(anchors, memo, rsa, NULL));
	assert_int_equal(mtls_chain_parse(&narrow, &der, &len, 1, memo, &chain, NULL),
			 MTLS_E_LIMIT);
	narrow.max_certs = 0;
	assert_int_equal(mtls_chain_parse(&narrow, &der, &len, 1, memo, &chain, NULL),
			 MTLS_E_LIMIT);
	assert_null(chain);
	certgen_free(rsa);
}

/* A certificate is parsed once; one that is longer than others every time. */
static void certificates_are_parsed_once(void **state)
{
	static uint8_t padding[MTLS_MEMO_CERT_MAX];
	const struct certgen_options options = {
		.dn = "CN=long", LOGIN, .ext = { { "1.2.3", padding, sizeof(padding), false } }
	};
	struct certgen *rows[] = { certgen_new(&options, root), direct };
	_cleanup_(mtls_anchors_freep) struct mtls_anchors *anchors =
		anchors_of(MTLS_ROLE_USER, root);
	_cleanup_(mtls_memo_freep) struct mtls_memo *memo = NULL;
	(void)state;
	assert_int_equal(mtls_memo_new(8, 1, &memo), 0);
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		assert_null(mtls_memo_cert(memo, rows[i]->der.data, rows[i]->der.size));
		assert_false(meet(anchors, memo, rows[i], NULL));
		struct mtls_cert *cert = mtls_memo_cert(memo, rows[i]->der.data, rows[i]->der.size);
		assert_int_equal(cert != NULL, rows[i] == direct);
		assert_null(mtls_memo_cert(memo, rows[i]->der.data, rows[i]->der.size - 1));
		mtls_cert_free(cert);
		assert_true(meet(anchors, memo, rows[i], NULL));
	}
	certgen_free(rows[0]);
}

/* ------------------------------------------------------------ with and without: one answer */

static uint32_t seed;

static uint32_t some(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed % below;
}

/* Sets of anchors that disagree about each of the roots; the same memo serves them all. */
static struct mtls_anchors *make_set(uint32_t set)
{
	struct certgen *roots[] = { root, twin, other };
	static const char *const names[] = { "first", "second", "third" };
	struct mtls_anchors *anchors = NULL;

	assert_int_equal(mtls_anchors_new(&anchors), 0);
	for (size_t i = 0; i < MTLS_COUNT(roots); i++, set /= 3)
		if (set % 3)
			add(anchors, set % 3 == 1 ? MTLS_ROLE_USER : MTLS_ROLE_HOST, names[i],
			    roots[i]);
	return anchors;
}

static void compare(const struct mtls_anchors *anchors, struct mtls_memo *memo)
{
	_cleanup_(mtls_chain_freep) struct mtls_chain *chain = NULL, *plain = NULL;
	_cleanup_(mtls_path_freep) struct mtls_path *with = NULL, *without = NULL;
	const uint8_t *der[SENT];
	size_t len[SENT];
	const size_t count = 1 + some(SENT);

	for (size_t i = 0; i < count; i++) {
		const struct certgen *cert = *all[some(MTLS_COUNT(all))];
		der[i] = cert->der.data;
		len[i] = cert->der.size;
	}
	assert_int_equal(mtls_chain_parse(&bounds, der, len, count, NULL, &plain, NULL), 0);
	assert_int_equal(mtls_chain_parse(&bounds, der, len, count, memo, &chain, NULL), 0);
	int want = mtls_chain_path(anchors, plain, NULL, &without, NULL);
	int got = mtls_chain_path(anchors, chain, memo, &with, NULL);
	if (got != want)
		fail_msg("with a memo %d, without %d; seed %u", got, want, seed);
	if (got < 0)
		return;
	assert_int_equal(with->count, without->count);
	assert_int_equal(with->role, without->role);
	assert_ptr_equal(with->ca_name, without->ca_name);
	for (size_t i = 0; i < with->count; i++)
		assert_memory_equal(mtls_cert_sha256(with->certs[i]),
				    mtls_cert_sha256(without->certs[i]), 32);
	if (some(4))
		mtls_memo_remember(memo, with);
}

static void no_answer_depends_on_it(void **state)
{
	static const uint32_t sizes[] = { 1, 2, 3, 5, 64 };
	struct mtls_anchors *sets[27];
	(void)state;
	for (uint32_t i = 0; i < MTLS_COUNT(sets); i++)
		sets[i] = make_set(i);
	for (size_t i = 0; i < MTLS_COUNT(sizes); i++) {
		_cleanup_(mtls_memo_freep) struct mtls_memo *memo = NULL;
		seed = 2463534242U + (uint32_t)i;
		assert_int_equal(mtls_memo_new(sizes[i], 1, &memo), 0);
		for (int round = 0; round < 1500; round++)
			compare(sets[some(MTLS_COUNT(sets))], memo);
		assert_true(mtls_memo_count(memo) <= sizes[i]);
		assert_true(mtls_memo_count(memo) > 0);
	}
	for (size_t i = 0; i < MTLS_COUNT(sets); i++)
		mtls_anchors_free(sets[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_bounded),
		cmocka_unit_test(the_oldest_goes),
		cmocka_unit_test(one_place_serves_one),
		cmocka_unit_test(asking_is_not_remembering),
		cmocka_unit_test(the_anchor_counts),
		cmocka_unit_test(the_role_counts),
		cmocka_unit_test(each_step_counts),
		cmocka_unit_test(the_generation_counts),
		cmocka_unit_test(every_byte_counts),
		cmocka_unit_test(bounds_are_looked_at_anew),
		cmocka_unit_test(certificates_are_parsed_once),
		cmocka_unit_test(no_answer_depends_on_it),
	};
	return cmocka_run_group_tests(tests, make_certs, free_certs);
}
