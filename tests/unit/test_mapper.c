/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a certificate's keys to accounts. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/str.h"
#include "lib/mapping/mapper.h"
#include "tests/unit/certgen.h"

static struct mtls_lookup_answer answer;

struct named {
	uint32_t key;
	const char *name;
};

static void load(const struct named *names, size_t count)
{
	memset(&answer, 0, sizeof(answer));
	answer.status = MTLS_LOOKUP_FOUND;
	for (size_t i = 0; i < count && names[i].name; i++)
		assert_true(mtls_lookup_answer_add(&answer, names[i].key, names[i].name));
}

static struct mtls_cert *make_cert(const char *dn)
{
	struct certgen_options options = { .dn = dn };
	struct certgen *made = certgen_new(&options, NULL);
	struct mtls_cert *cert = NULL;

	assert_int_equal(mtls_cert_from_der(made->der.data, made->der.size, &cert, NULL), 0);
	certgen_free(made);
	return cert;
}

static void certificates_have_four_keys(void **state)
{
	_cleanup_(mtls_cert_freep) struct mtls_cert *cert = make_cert("CN=Alice,O=Example");
	struct mtls_mapper mapper = { 0 };
	char hex[65];

	(void)state;
	assert_int_equal(mtls_mapper_keys(&mapper, cert), 0);
	assert_int_equal(mapper.key_count, 4);
	mtls_hex_encode(mtls_cert_sha256(cert), 32, hex);
	assert_string_equal(mapper.keys[0] + strlen("sha256:"), hex);
	mtls_hex_encode(mtls_cert_spki_sha256(cert), 32, hex);
	assert_string_equal(mapper.keys[1] + strlen("spki-sha256:"), hex);
	assert_int_equal(strncmp(mapper.keys[2], "issuer-serial:", 14), 0);
	assert_string_equal(mapper.keys[3], "subject:CN=Alice,O=Example");
	static struct mtls_lookup_query query;
	mtls_mapper_query(&mapper, &query);
	assert_int_equal(query.count, 4);
	assert_string_equal(mtls_lookup_query_key(&query, 3), mapper.keys[3]);
	mtls_mapper_done(&mapper);
	mtls_mapper_done(&mapper);
}

/* A certificate without a subject must not match a binding of an empty one. */
static void empty_names_give_no_key(void **state)
{
	_cleanup_(mtls_cert_freep) struct mtls_cert *cert = make_cert("");
	struct mtls_mapper mapper = { 0 };

	(void)state;
	assert_int_equal(mtls_mapper_keys(&mapper, cert), 0);
	assert_int_equal(mapper.key_count, 2);
	mtls_mapper_done(&mapper);
}

static void decides(void **state)
{
	static const struct {
		const char *name;
		struct named names[5];
		const char *asked;
		enum mtls_reason want;
		const char *account;
		enum mtls_key_kind kind;
	} rows[] = {
		{ "nobody", { { 0, NULL } }, "alice", MTLS_REASON_UNMAPPED, NULL, 0 },
		{ "nobody, none asked", { { 0, NULL } }, NULL, MTLS_REASON_UNMAPPED, NULL, 0 },
		{ "one, asked",
		  { { 3, "alice" } },
		  "alice",
		  MTLS_REASON_ALLOWED,
		  "alice",
		  MTLS_KEY_SUBJECT },
		{ "one, none asked",
		  { { 1, "alice" } },
		  NULL,
		  MTLS_REASON_ALLOWED,
		  "alice",
		  MTLS_KEY_SPKI_SHA256 },
		{ "one, empty asked",
		  { { 1, "alice" } },
		  "",
		  MTLS_REASON_ALLOWED,
		  "alice",
		  MTLS_KEY_SPKI_SHA256 },
		{ "another", { { 3, "alice" } }, "bob", MTLS_REASON_MAPPED_OTHER, NULL, 0 },
		{ "case counts", { { 3, "alice" } }, "Alice", MTLS_REASON_MAPPED_OTHER, NULL, 0 },
		{ "prefix", { { 3, "alice" } }, "alic", MTLS_REASON_MAPPED_OTHER, NULL, 0 },
		{ "two, none asked",
		  { { 0, "alice" }, { 3, "bob" } },
		  NULL,
		  MTLS_REASON_CHOOSE,
		  NULL,
		  0 },
		{ "two, second asked",
		  { { 0, "alice" }, { 3, "bob" } },
		  "bob",
		  MTLS_REASON_ALLOWED,
		  "bob",
		  MTLS_KEY_SUBJECT },
		{ "twice the same, strongest key counts",
		  { { 3, "alice" }, { 0, "alice" }, { 2, "alice" } },
		  NULL,
		  MTLS_REASON_ALLOWED,
		  "alice",
		  MTLS_KEY_SHA256 },
	};

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_(mtls_cert_freep) struct mtls_cert *cert = make_cert("CN=Alice");
		const struct mtls_mapper_name *name = NULL;
		struct mtls_mapper mapper = { 0 };
		print_message("# %s\n", rows[i].name);
		assert_int_equal(mtls_mapper_keys(&mapper, cert), 0);
		load(rows[i].names, MTLS_COUNT(rows[i].names));
		assert_int_equal(mtls_mapper_add(&mapper, &answer), 0);
		assert_int_equal(mtls_mapper_decide(&mapper, rows[i].asked, &name), rows[i].want);
		if (rows[i].account) {
			assert_string_equal(name->text, rows[i].account);
			assert_int_equal(name->kind, rows[i].kind);
		} else {
			assert_null(name);
		}
		mtls_mapper_done(&mapper);
	}
}

static void names_are_sorted(void **state)
{
	static const struct named names[] = {
		{ 0, "zoe" }, { 1, "alice" }, { 2, "mallory" }, { 3, "bob" }
	};
	_cleanup_(mtls_cert_freep) struct mtls_cert *cert = make_cert("CN=Alice");
	struct mtls_mapper mapper = { 0 };

	(void)state;
	assert_int_equal(mtls_mapper_keys(&mapper, cert), 0);
	assert_false(mapper.answered);
	load(names, 4);
	assert_true(mtls_lookup_answer_add(&answer, 2, "bob"));
	assert_int_equal(mtls_mapper_add(&mapper, &answer), 0);
	assert_true(mapper.answered);
	assert_string_equal(mapper.names[0].text, "alice");
	assert_int_equal(mapper.names[0].keys, 1 << 1);
	assert_int_equal(mapper.names[1].keys, 1 << 2 | 1 << 3); /* bob, by two of them */
	assert_string_equal(mapper.names[3].text, "zoe");
	assert_int_equal(mapper.name_count, 4);
	assert_int_equal(mtls_mapper_add(&mapper, &answer), MTLS_E_CORRUPT); /* only one answer */
	mtls_mapper_done(&mapper);
}

static void bad_answers_give_nothing(void **state)
{
	static const struct {
		const char *name;
		struct named names[3];
	} rows[] = {
		{ "a name outside the grammar", { { 0, "alice" }, { 0, "../etc" } } },
		{ "a name with a space", { { 0, "alice smith" } } },
		{ "a key that was not asked", { { 0, "alice" }, { 2, "bob" } } },
	};

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_(mtls_cert_freep) struct mtls_cert *cert = make_cert("");
		struct mtls_mapper mapper = { 0 };
		print_message("# %s\n", rows[i].name);
		assert_int_equal(mtls_mapper_keys(&mapper, cert), 0);
		load(rows[i].names, MTLS_COUNT(rows[i].names));
		assert_int_equal(mtls_mapper_add(&mapper, &answer), MTLS_E_CORRUPT);
		assert_int_equal(mapper.name_count, 0);
		mtls_mapper_done(&mapper);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificates_have_four_keys),
		cmocka_unit_test(empty_names_give_no_key),
		cmocka_unit_test(decides),
		cmocka_unit_test(names_are_sorted),
		cmocka_unit_test(bad_answers_give_nothing),
	};
	return cmocka_run_group_tests_name("mapper", tests, NULL, NULL);
}
