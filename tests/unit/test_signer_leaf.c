/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Certificates as a signer without GnuTLS reads them. The judge is lib/cert, which the server
 * decides with: both must say the same of every certificate.
 */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/cert/cert.h"
#include "signer/leaf.h"
#include "signer/pem.h"
#include "tests/unit/keyfiles.h"

#define YUBICO_SERIAL "1.3.6.1.4.1.41482.3.7"
#define NOW           INT64_C(1800000000)

static struct leaf *leaf_of(const struct certgen *cert)
{
	struct leaf *leaf = NULL;
	assert_int_equal(leaf_from_der(cert->der.data, cert->der.size, &leaf, NULL), 0);
	assert_non_null(leaf);
	return leaf;
}

/* --- one certificate --- */

static void agrees(const char *row, const struct certgen *made)
{
	_cleanup_(leaf_freep) struct leaf *leaf = leaf_of(made);
	_cleanup_(mtls_cert_freep) struct mtls_cert *cert = NULL;

	assert_int_equal(mtls_cert_from_der(made->der.data, made->der.size, &cert, NULL), 0);
	if (memcmp(leaf->key_id, mtls_cert_spki_sha256(cert), LEAF_KEY_ID_LEN) != 0 ||
	    leaf->not_before != mtls_cert_not_before(cert) ||
	    leaf->not_after != mtls_cert_not_after(cert) ||
	    leaf->ca != ((mtls_cert_flags(cert) & MTLS_CERT_IS_CA) != 0) ||
	    strncmp(leaf->subject, mtls_cert_label(cert), strlen(leaf->subject)) != 0 ||
	    leaf->der_len != made->der.size)
		fail_msg("%s: '%s', %lld-%lld", row, leaf->subject, (long long)leaf->not_before,
			 (long long)leaf->not_after);
}

static void reads_what_the_server_reads(void **state)
{
	static const struct {
		const char *name;
		struct certgen_options options;
		enum mtls_key_type type;
		bool usable;
		const char *subject, *issuer;
	} rows[] = {
		{ "P-256", { .dn = "CN=alice" }, MTLS_KEY_TYPE_ECDSA_P256, true, "alice", "Root" },
		{ "P-384",
		  { .key = CERTGEN_P384 },
		  MTLS_KEY_TYPE_ECDSA_P384,
		  true,
		  "leaf",
		  "Root" },
		{ "P-521",
		  { .key = CERTGEN_P521 },
		  MTLS_KEY_TYPE_ECDSA_P521,
		  true,
		  "leaf",
		  "Root" },
		{ "Ed25519",
		  { .key = CERTGEN_ED25519 },
		  MTLS_KEY_TYPE_ED25519,
		  true,
		  "leaf",
		  "Root" },
		{ "RSA", { .key = CERTGEN_RSA2048 }, MTLS_KEY_TYPE_RSA, true, "leaf", "Root" },
		{ "Ed448", { .key = CERTGEN_ED448 }, 0, false, "leaf", "Root" },
		{ "most specific name",
		  { .dn = "CN=alice,OU=people,O=Example" },
		  MTLS_KEY_TYPE_ECDSA_P256,
		  true,
		  "alice",
		  "Root" },
		{ "no CN",
		  { .dn = "OU=people,O=Example" },
		  MTLS_KEY_TYPE_ECDSA_P256,
		  true,
		  "OU=people,O=Example",
		  "Root" },
		{ "no name", { .dn = "" }, MTLS_KEY_TYPE_ECDSA_P256, true, "", "Root" },
		{ "control character in it",
		  { .raw_cn = "a\nb", .raw_cn_len = 3 },
		  MTLS_KEY_TYPE_ECDSA_P256,
		  true,
		  "",
		  "Root" },
		{ "UTF-8",
		  { .dn = "CN=J\xc3\xbcrgen" },
		  MTLS_KEY_TYPE_ECDSA_P256,
		  true,
		  "J\xc3\xbcrgen",
		  "Root" },
		{ "a CA",
		  { .dn = "CN=sub", .ca = true },
		  MTLS_KEY_TYPE_ECDSA_P256,
		  false,
		  "sub",
		  "Root" },
		{ "version 1", { .version = 1 }, MTLS_KEY_TYPE_ECDSA_P256, true, "leaf", "Root" },
		{ "purposes",
		  { .eku = { "1.3.6.1.5.5.7.3.2" } },
		  MTLS_KEY_TYPE_ECDSA_P256,
		  true,
		  "leaf",
		  "Root" },
		{ "attestation",
		  { .ext = { { YUBICO_SERIAL, "\x02\x01\x05", 3, false } } },
		  MTLS_KEY_TYPE_ECDSA_P256,
		  false,
		  "leaf",
		  "Root" },
		{ "attested facts in a certificate with a purpose",
		  { .eku = { "1.3.6.1.5.5.7.3.2" },
		    .ext = { { YUBICO_SERIAL, "\x02\x01\x05", 3, false } } },
		  MTLS_KEY_TYPE_ECDSA_P256,
		  true,
		  "leaf",
		  "Root" },
		{ "another extension of that vendor",
		  { .ext = { { "1.3.6.1.4.1.41482.30.7", "\x02\x01\x05", 3, false } } },
		  MTLS_KEY_TYPE_ECDSA_P256,
		  true,
		  "leaf",
		  "Root" },
		{ "leap day, and behind 2050",
		  { .not_before = 951782400, .not_after = 4107542399 },
		  MTLS_KEY_TYPE_ECDSA_P256,
		  true,
		  "leaf",
		  "Root" },
	};
	struct certgen *root = *state;

	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct certgen *made = certgen_new(&rows[i].options, root);
		_cleanup_(leaf_freep) struct leaf *leaf = leaf_of(made);
		if (leaf->key_type != rows[i].type || leaf_usable(leaf) != rows[i].usable ||
		    strcmp(leaf->subject, rows[i].subject) != 0 ||
		    strcmp(leaf->issuer, rows[i].issuer) != 0)
			fail_msg("%s: type %d, usable %d, '%s', '%s'", rows[i].name,
				 (int)leaf->key_type, leaf_usable(leaf), leaf->subject,
				 leaf->issuer);
		agrees(rows[i].name, made);
		certgen_free(made);
	}
}

static void cuts_long_names(void **state)
{
	char dn[600] = "CN=";
	struct certgen_options options = { .dn = dn };

	for (size_t i = 0; i < 140; i++) /* GnuTLS takes no longer ones here */
		(void)strcat(dn, i == 0 ? "x" : "\xc3\xbc");
	struct certgen *made = certgen_new(&options, *state);
	_cleanup_(leaf_freep) struct leaf *leaf = leaf_of(made);
	assert_int_equal(strlen(leaf->subject), LEAF_TEXT_MAX - 1); /* not inside of a character */
	assert_memory_equal(leaf->subject, dn + 3, LEAF_TEXT_MAX - 1);
	certgen_free(made);
}

/* Every prefix, and every byte changed: read or refused, never anything beyond. */
static void survives_damage(void **state)
{
	struct certgen *made = certgen_new(&(struct certgen_options){ .dn = "CN=a" }, *state);
	const size_t len = made->der.size;

	for (size_t i = 0; i < len; i++) {
		struct leaf *leaf = NULL;
		_cleanup_free_ uint8_t *copy = malloc(len);
		assert_non_null(copy);
		memcpy(copy, made->der.data, len);
		struct mtls_diag diag = { 0 };
		assert_int_equal(leaf_from_der(copy, i, &leaf, &diag), MTLS_E_SYNTAX);
		assert_non_null(strstr(diag.text, "a certificate cannot be read"));
		for (unsigned int bit = 0; bit < 8; bit++) {
			copy[i] = made->der.data[i] ^ (uint8_t)(1U << bit);
			if (leaf_from_der(copy, len, &leaf, NULL) == 0)
				leaf_free(leaf);
		}
	}
	uint8_t *longer = calloc(1, MTLS_CERT_MAX + 1);
	assert_non_null(longer);
	memcpy(longer, made->der.data, len);
	struct leaf *leaf = NULL;
	assert_int_equal(leaf_from_der(longer, len + 1, &leaf, NULL), MTLS_E_SYNTAX);
	assert_int_equal(leaf_from_der(longer, MTLS_CERT_MAX + 1, &leaf, NULL), MTLS_E_LIMIT);
	assert_null(leaf);
	free(longer);
	certgen_free(made);
}

/* --- files --- */

static void reads_files(void **state)
{
	static const char in_rubbish[] = "Subject: alice\n\n";
	struct certgen *root = *state;
	struct certgen *alice = certgen_new(&(struct certgen_options){ .dn = "CN=a" }, root);
	const char *const texts[] = {
		"",
		"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----",
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
		"-----BEGIN CERTIFICATE-----\nAAAA\n",
		"-----BEGIN RABBIT-----\n-----END RABBIT-----\n",
		"rubbish"
	};
	const int want[] = { MTLS_E_SYNTAX, MTLS_E_SYNTAX, MTLS_E_SYNTAX, MTLS_E_SYNTAX, 0,
			     MTLS_E_SYNTAX };

	for (size_t i = 0; i < MTLS_COUNT(texts); i++) {
		_cleanup_(leaf_list_done) struct leaf_list list = { .count = 0 };
		int r = leaf_list_read((const uint8_t *)texts[i], strlen(texts[i]), &list, NULL);
		if (r != want[i] || list.count)
			fail_msg("'%s': %d, %zu", texts[i], r, list.count);
	}
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(1 << 20);
	_cleanup_(leaf_list_done) struct leaf_list list = { .count = 0 };
	(void)mtls_buf_append_str(&text, in_rubbish);
	keyfile_cert(&text, alice);
	keyfile_cert(&text, root);
	assert_int_equal(leaf_list_read(text.data, text.len, &list, NULL), 0);
	assert_int_equal(list.count, 2);
	assert_string_equal(list.leaf[0]->subject, "a");
	assert_string_equal(list.leaf[1]->subject, "Root");
	assert_true(leaf_is_public(text.data, text.len));
	leaf_list_done(&list);
	assert_int_equal(leaf_list_read(alice->der.data, alice->der.size, &list, NULL), 0);
	assert_int_equal(list.count, 1);
	assert_true(leaf_is_public(alice->der.data, alice->der.size));
	keyfile_plain(&text, alice);
	assert_false(leaf_is_public(text.data, text.len));
	assert_false(leaf_is_public((const uint8_t *)"rubbish", 7));
	certgen_free(alice);
}

static void reads_so_many_certificates(void **state)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(1 << 20);
	_cleanup_(leaf_list_done) struct leaf_list list = { .count = 0 };

	for (size_t i = 0; i < LEAF_LIST_MAX; i++)
		keyfile_cert(&text, *state);
	assert_int_equal(leaf_list_read(text.data, text.len, &list, NULL), 0);
	assert_int_equal(list.count, LEAF_LIST_MAX);
	leaf_list_done(&list);
	keyfile_cert(&text, *state);
	assert_int_equal(leaf_list_read(text.data, text.len, &list, NULL), MTLS_E_LIMIT);
	assert_int_equal(list.count, 0);
}

static void sees_keys_inside_of_blocks(void **state)
{
	static const char hidden[] =
		"-----BEGIN CERTIFICATE-----\n-----BEGIN EC PRIVATE KEY-----\n"
		"AAAA\n-----END EC PRIVATE KEY-----\n-----END CERTIFICATE-----";
	struct pem_block block;
	size_t pos = 0;
	(void)state;
	assert_false(leaf_is_public((const uint8_t *)hidden, strlen(hidden)));
	assert_true(pem_next((const uint8_t *)hidden, strlen(hidden), &pos, &block));
	assert_true(pem_label_is(&block, "CERTIFICATE"));
	assert_int_equal(block.whole_len, strlen(hidden));
	assert_true(pem_next((const uint8_t *)hidden, strlen(hidden), &pos, &block));
	assert_true(pem_label_is_key(&block));
	assert_int_equal(block.body_len, strlen("\nAAAA\n"));
	assert_false(pem_next((const uint8_t *)hidden, strlen(hidden), &pos, &block));
}

/* --- which one, and whose --- */

static void prefers(void **state)
{
	const struct leaf good = { .not_before = NOW - 100, .not_after = NOW + 100 },
			  newer = { .not_before = NOW - 50, .not_after = NOW + 20 },
			  old = { .not_before = NOW - 200, .not_after = NOW - 100 },
			  later = { .not_before = NOW - 300, .not_after = NOW - 50 },
			  future = { .not_before = NOW + 100, .not_after = NOW + 1000 };
	(void)state;
	assert_true(leaf_better(&newer, &good, NOW));
	assert_false(leaf_better(&good, &newer, NOW));
	assert_true(leaf_better(&good, &old, NOW));
	assert_true(leaf_better(&good, &future, NOW));
	assert_false(leaf_better(&future, &good, NOW));
	assert_true(leaf_better(&later, &old, NOW));
	assert_false(leaf_better(&good, &good, NOW));
}

#define GIVEN 6

static void builds_chains(void **state)
{
	struct certgen *root = *state;
	struct certgen_options mid = { .dn = "CN=Mid", .ca = true };
	struct certgen *mid1 = certgen_new(&mid, root), *mid2 = certgen_new(&mid, root);
	struct certgen *low =
		certgen_new(&(struct certgen_options){ .dn = "CN=Low", .ca = true }, mid2);
	struct certgen *leaf = certgen_new(&(struct certgen_options){ .dn = "CN=a" }, low);
	struct certgen *const made[GIVEN] = { root, mid1, leaf, mid2, low, leaf };
	struct leaf *given[GIVEN];
	struct mtls_bytes chain[MTLS_CHAIN_MAX];

	for (size_t i = 0; i < GIVEN; i++)
		given[i] = leaf_of(made[i]);
	const struct leaf *const *all = (const struct leaf *const *)given;
	size_t count = leaf_chain(given[2], all, GIVEN, chain);
	/* Of the two of one name the one whose key it is; the root is not sent. */
	assert_int_equal(count, 3);
	assert_ptr_equal(chain[0].data, given[2]->der);
	assert_ptr_equal(chain[1].data, given[4]->der);
	assert_true(chain[2].data == given[3]->der || !given[4]->authority_id.len);
	assert_int_equal(leaf_chain(given[2], all, 0, chain), 1);
	/* A loop of names ends. */
	given[3]->raw_issuer = given[4]->raw_subject;
	given[3]->authority_id.len = 0;
	assert_int_equal(leaf_chain(given[2], all + 2, 4, chain), 3);
	assert_true(leaf_same(given[2], given[5]));
	assert_false(leaf_same(given[2], given[4]));
	for (size_t i = 0; i < GIVEN; i++)
		leaf_free(given[i]);
	for (size_t i = 1; i < GIVEN - 1; i++)
		certgen_free(made[i]);
}

static int set_up(void **state)
{
	*state = certgen_new(&(struct certgen_options){ .dn = "CN=Root", .ca = true }, NULL);
	return *state ? 0 : -1;
}

static int tear_down(void **state)
{
	certgen_free(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_the_server_reads),
		cmocka_unit_test(cuts_long_names),
		cmocka_unit_test(survives_damage),
		cmocka_unit_test(reads_files),
		cmocka_unit_test(reads_so_many_certificates),
		cmocka_unit_test(sees_keys_inside_of_blocks),
		cmocka_unit_test(prefers),
		cmocka_unit_test(builds_chains),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
