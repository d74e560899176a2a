/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lib/verify: bounds, paths, policy, CRLs. Rows start from what passes and change one thing. Each
 * is asked three times: without a memo, with one that all rows before have filled, and once more.
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

#include "lib/verify/crl.h"
#include "lib/verify/memo.h"
#include "lib/verify/verify.h"
#include "lib/wire/msg.h"
#include "tests/unit/certgen.h"

#define B(text)  text, sizeof(text) - 1
#define LOGIN    .eku = { GNUTLS_KP_TLS_WWW_CLIENT }
#define SENT_MAX 12
#define HOUR     3600

static const struct mtls_verify_bounds usual = {
	.max_certs = 8, .max_depth = 4, .min_rsa_bits = 2048, .max_rsa_bits = 4096
};

static struct certgen *root, *host_root, *other_root, *middle, *leaf;
static struct mtls_memo *memo; /* of the whole run: anchors and CRLs of later rows differ */

static int make_certs(void **state)
{
	(void)state;
	assert_int_equal(mtls_memo_new(MTLS_MEMO_ENTRIES_MAX, 1, &memo), 0);
	root = certgen_new(&(struct certgen_options){ .dn = "CN=User Root", .ca = true }, NULL);
	host_root =
		certgen_new(&(struct certgen_options){ .dn = "CN=Host Root", .ca = true }, NULL);
	/* The same name, another key. */
	other_root =
		certgen_new(&(struct certgen_options){ .dn = "CN=User Root", .ca = true }, NULL);
	middle = certgen_new(&(struct certgen_options){ .dn = "CN=Middle", .ca = true }, root);
	leaf = certgen_new(&(struct certgen_options){ .dn = "CN=alice", LOGIN }, middle);
	return 0;
}

static int free_certs(void **state)
{
	(void)state;
	mtls_memo_free(memo);
	certgen_free(root);
	certgen_free(host_root);
	certgen_free(other_root);
	certgen_free(middle);
	certgen_free(leaf);
	return 0;
}

static int add(struct mtls_anchors *anchors, enum mtls_role role, const char *name,
	       const struct certgen *cert)
{
	gnutls_datum_t pem = certgen_pem(cert);
	int err = mtls_anchors_add_pem(anchors, role, name, pem.data, pem.size, NULL);
	gnutls_free(pem.data);
	return err;
}

static struct mtls_anchors *usual_anchors(void)
{
	struct mtls_anchors *anchors = NULL;
	assert_int_equal(mtls_anchors_new(&anchors), 0);
	assert_int_equal(add(anchors, MTLS_ROLE_USER, "corp", root), 1);
	assert_int_equal(add(anchors, MTLS_ROLE_HOST, "hosts", host_root), 1);
	return anchors;
}

static bool same_path(const struct mtls_path *a, const struct mtls_path *b)
{
	bool same = a->count == b->count && a->role == b->role && a->ca_name == b->ca_name;

	for (size_t i = 0; same && i < a->count; i++)
		same = memcmp(mtls_cert_sha256(a->certs[i]), mtls_cert_sha256(b->certs[i]), 32) ==
		       0;
	return same;
}

/* A chain as sent. */
struct sent {
	const uint8_t *der[SENT_MAX];
	size_t len[SENT_MAX], count;
};

/* The memo must change neither the answer nor the path; a path found is remembered. */
static void ask_again(const struct mtls_anchors *anchors, const struct mtls_verify_bounds *bounds,
		      const struct sent *sent, int want, bool known, struct mtls_path **path)
{
	_cleanup_(mtls_chain_freep) struct mtls_chain *chain = NULL;
	struct mtls_path *again = NULL;

	int got = mtls_chain_parse(bounds, sent->der, sent->len, sent->count, memo, &chain, NULL);
	if (got == 0)
		got = mtls_chain_path(anchors, chain, memo, &again, NULL);
	if (got != want)
		fail_msg("with a memo %d, without %d", got, want);
	if (got < 0)
		return;
	assert_true(same_path(again, *path));
	assert_true((again->remembered && again->quicker) || !known);
	mtls_memo_remember(memo, again);
	mtls_path_free(*path);
	*path = again;
}

/* @certs ends with NULL. */
static int find_path(const struct mtls_anchors *anchors, const struct mtls_verify_bounds *bounds,
		     struct certgen *const *certs, struct mtls_path **ret, struct mtls_diag *diag)
{
	struct sent sent = { .count = 0 };
	for (; certs[sent.count]; sent.count++) {
		sent.der[sent.count] = certs[sent.count]->der.data;
		sent.len[sent.count] = certs[sent.count]->der.size;
	}
	int err = mtls_verify_path(anchors, bounds, sent.der, sent.len, sent.count, ret, diag);
	ask_again(anchors, bounds, &sent, err, false, ret);
	ask_again(anchors, bounds, &sent, err, true, ret);
	return err;
}

static void anchors_are_checked(void **state)
{
	const struct {
		const char *name;
		struct certgen_options options;
		int want;
	} rows[] = {
		{ "a CA", { .dn = "CN=x", .ca = true }, 1 },
		{ "RSA", { .dn = "CN=x", .ca = true, .key = CERTGEN_RSA2048 }, 1 },
		{ "SHA-1 of its own", { .dn = "CN=x", .ca = true, .digest = GNUTLS_DIG_SHA1 }, 1 },
		{ "no CA", { .dn = "CN=x" }, MTLS_E_CERT },
		{ "version 1", { .dn = "CN=x", .version = 1 }, MTLS_E_CERT },
		{ "no keyCertSign",
		  { .dn = "CN=x", .ca = true, .ku = GNUTLS_KEY_CRL_SIGN },
		  MTLS_E_CERT },
		{ "short", { .dn = "CN=x", .ca = true, .key = CERTGEN_RSA1024 }, MTLS_E_CERT },
		{ "Ed448", { .dn = "CN=x", .ca = true, .key = CERTGEN_ED448 }, MTLS_E_CERT },
		{ "no name", { .dn = "", .ca = true }, MTLS_E_CERT },
		{ "NUL in the name", { .raw_cn = B("a\0b"), .ca = true }, MTLS_E_CERT },
		{ "name constraints",
		  { .dn = "CN=x", .ca = true, .ext = { { "2.5.29.30", B("\x30\x00"), false } } },
		  MTLS_E_CERT },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct mtls_anchors *anchors = NULL;
		struct certgen *made = certgen_new(&rows[i].options, NULL);
		assert_int_equal(mtls_anchors_new(&anchors), 0);
		int got = add(anchors, MTLS_ROLE_USER, "a", made);
		if (got != rows[i].want)
			fail_msg("row '%s': %d", rows[i].name, got);
		mtls_anchors_free(anchors);
		certgen_free(made);
	}
}

static void anchors_have_one_place(void **state)
{
	struct mtls_anchors *anchors = usual_anchors();
	struct certgen *renewed = certgen_new(
		&(struct certgen_options){ .dn = "CN=User Root", .ca = true, .same_key = root },
		NULL);
	size_t len = 0;
	(void)state;
	assert_int_equal(add(anchors, MTLS_ROLE_USER, "corp", root), 1); /* listed twice */
	assert_null(mtls_anchors_der(anchors, 2, &len));
	assert_int_equal(add(anchors, MTLS_ROLE_USER, "corp", other_root), 1);
	assert_int_equal(add(anchors, MTLS_ROLE_USER, "corp", renewed), 1);
	assert_int_equal(add(anchors, MTLS_ROLE_USER, "else", root), MTLS_E_EXISTS);
	assert_int_equal(add(anchors, MTLS_ROLE_HOST, "hosts", root), MTLS_E_EXISTS);
	assert_int_equal(add(anchors, MTLS_ROLE_HOST, "hosts", renewed), MTLS_E_EXISTS);
	assert_int_equal(add(anchors, MTLS_ROLE_HOST, "corp", middle), MTLS_E_EXISTS);
	assert_memory_equal(mtls_anchors_der(anchors, 0, &len), root->der.data, root->der.size);
	assert_int_equal(len, root->der.size);
	assert_non_null(mtls_anchors_der(anchors, 3, &len));
	assert_null(mtls_anchors_der(anchors, 4, &len));

	static const enum mtls_role roles[] = { MTLS_ROLE_USER, MTLS_ROLE_HOST, MTLS_ROLE_USER,
						MTLS_ROLE_USER };
	for (size_t i = 0; i < MTLS_COUNT(roles); i++) {
		enum mtls_role role = 99;
		assert_non_null(mtls_anchors_cert(anchors, i, &role));
		assert_int_equal(role, roles[i]);
	}
	assert_null(mtls_anchors_cert(anchors, MTLS_COUNT(roles), &(enum mtls_role){ 0 }));

	const uint8_t *text = (const uint8_t *)"-----BEGIN CERTIFICATE-----\nAAAA\n";
	assert_int_equal(mtls_anchors_add_pem(anchors, MTLS_ROLE_USER, "x", text, 30, NULL),
			 MTLS_E_SYNTAX);
	assert_int_equal(mtls_anchors_add_pem(anchors, MTLS_ROLE_USER, "x", text, 0, NULL),
			 MTLS_E_SYNTAX);
	assert_int_equal(mtls_anchors_set_crl_policy(anchors, "x", MTLS_VERIFY_CRL_REQUIRED),
			 MTLS_E_NOTFOUND);
	assert_int_equal(mtls_anchors_add_crl(anchors, "x", text, 30, NULL), MTLS_E_NOTFOUND);
	assert_int_equal(mtls_anchors_add_crl(anchors, "corp", text, 30, NULL), MTLS_E_SYNTAX);
	mtls_anchors_free(anchors);
	certgen_free(renewed);
}

/* A bundle of two; and one whose second certificate is damaged. */
static void files_are_taken_whole(void **state)
{
	struct mtls_anchors *anchors = NULL;
	gnutls_datum_t a = certgen_pem(root), b = certgen_pem(middle);
	char *both = calloc(1, a.size + b.size + 1);
	(void)state;
	memcpy(both, a.data, a.size);
	memcpy(both + a.size, b.data, b.size);
	assert_int_equal(mtls_anchors_new(&anchors), 0);
	assert_int_equal(mtls_anchors_add_pem(anchors, MTLS_ROLE_USER, "x", (uint8_t *)both,
					      a.size + b.size, NULL),
			 2);
	both[a.size + b.size / 2] = '!';
	assert_int_equal(mtls_anchors_add_pem(anchors, MTLS_ROLE_USER, "x", (uint8_t *)both,
					      a.size + b.size, NULL),
			 MTLS_E_SYNTAX);
	mtls_anchors_free(anchors);
	free(both);
	gnutls_free(a.data);
	gnutls_free(b.data);
}

static void paths_are_found(void **state)
{
	struct mtls_anchors *anchors = usual_anchors();
	struct certgen *direct =
		certgen_new(&(struct certgen_options){ .dn = "CN=direct", LOGIN }, root);
	struct certgen *host = certgen_new(&(struct certgen_options){ .dn = "CN=host" }, host_root);
	struct certgen *forged =
		certgen_new(&(struct certgen_options){ .dn = "CN=alice", LOGIN }, other_root);
	struct certgen *not_ca = certgen_new(&(struct certgen_options){ .dn = "CN=plain" }, root);
	struct certgen *by_plain =
		certgen_new(&(struct certgen_options){ .dn = "CN=deep", LOGIN }, not_ca);
	struct certgen *no_sign = certgen_new(
		&(struct certgen_options){
			.dn = "CN=no sign", .ca = true, .ku = GNUTLS_KEY_CRL_SIGN },
		root);
	struct certgen *by_no_sign =
		certgen_new(&(struct certgen_options){ .dn = "CN=deep", LOGIN }, no_sign);
	struct certgen *short_ca = certgen_new(
		&(struct certgen_options){ .dn = "CN=short", .ca = true, .path_len = 1 }, root);
	struct certgen *below =
		certgen_new(&(struct certgen_options){ .dn = "CN=below", .ca = true }, short_ca);
	struct certgen *too_deep =
		certgen_new(&(struct certgen_options){ .dn = "CN=deep", LOGIN }, below);
	struct certgen *self =
		certgen_new(&(struct certgen_options){ .dn = "CN=self", LOGIN }, NULL);
	struct certgen *sha1 = certgen_new(
		&(struct certgen_options){ .dn = "CN=sha1", LOGIN, .digest = GNUTLS_DIG_SHA1 },
		root);
	struct certgen *expired = certgen_new(
		&(struct certgen_options){
			.dn = "CN=old", LOGIN, .not_before = 1000, .not_after = 2000 },
		root);
	/* The middle CA's key and name, certified by the hosts' root too. */
	struct certgen *crossed = certgen_new(
		&(struct certgen_options){ .dn = "CN=Middle", .ca = true, .same_key = middle },
		host_root);
	struct certgen *critical = certgen_new(
		&(struct certgen_options){
			.dn = "CN=x", LOGIN, .ext = { { "1.2.3", B("\x05\x00"), true } } },
		root);
	struct {
		const char *name;
		struct certgen *sent[SENT_MAX];
		int want;
		size_t count;
		enum mtls_role role;
	} rows[] = {
		{ "direct", { direct }, 0, 2, MTLS_ROLE_USER },
		{ "host", { host }, 0, 2, MTLS_ROLE_HOST },
		{ "with its CA", { leaf, middle }, 0, 3, MTLS_ROLE_USER },
		{ "with the anchor too", { leaf, middle, root }, 0, 3, MTLS_ROLE_USER },
		{ "unsorted", { leaf, root, middle }, 0, 3, MTLS_ROLE_USER },
		{ "strangers and copies",
		  { leaf, host_root, other_root, middle, middle, leaf },
		  0,
		  3,
		  MTLS_ROLE_USER },
		{ "its CA is missing", { leaf }, MTLS_E_CERT, 0, 0 },
		{ "self-signed", { self }, MTLS_E_CERT, 0, 0 },
		{ "CA of the same name", { forged }, MTLS_E_CERT, 0, 0 },
		{ "and that CA too", { forged, other_root }, MTLS_E_CERT, 0, 0 },
		{ "issuer is no CA", { by_plain, not_ca }, MTLS_E_CERT, 0, 0 },
		{ "issuer may not sign", { by_no_sign, no_sign }, MTLS_E_CERT, 0, 0 },
		{ "path length", { too_deep, below, short_ca }, MTLS_E_CERT, 0, 0 },
		{ "path length does not count the last",
		  { below, short_ca },
		  0,
		  3,
		  MTLS_ROLE_USER },
		{ "SHA-1", { sha1 }, MTLS_E_CERT, 0, 0 },
		{ "unknown critical", { critical }, MTLS_E_CERT, 0, 0 },
		{ "expired is the policy's", { expired }, 0, 2, MTLS_ROLE_USER },
		{ "the anchor itself", { root }, MTLS_E_CERT, 0, 0 },
		{ "both roles", { leaf, middle, crossed }, MTLS_E_CERT, 0, 0 },
		{ "both roles, other order", { leaf, crossed, middle }, MTLS_E_CERT, 0, 0 },
		{ "one of the two", { leaf, crossed }, 0, 3, MTLS_ROLE_HOST },
		{ "nothing", { NULL }, MTLS_E_SYNTAX, 0, 0 },
		{ "nine",
		  { leaf, middle, root, root, root, root, root, root, root },
		  MTLS_E_LIMIT,
		  0,
		  0 },
	};
	/* A CA below a path length of zero, as a leaf: the same refusal, so nothing else is tested.
	 */
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct mtls_path *path = NULL;
		struct mtls_diag diag = { 0 };
		int got = find_path(anchors, &usual, rows[i].sent, &path, &diag);
		if (got != rows[i].want || (got == 0) != (path != NULL))
			fail_msg("row '%s': %d %s", rows[i].name, got, diag.text);
		if (path && (path->count != rows[i].count || path->role != rows[i].role))
			fail_msg("row '%s': %zu certificates", rows[i].name, path->count);
		if (path) {
			size_t len;
			assert_memory_equal(mtls_cert_der(path->certs[0], &len),
					    rows[i].sent[0]->der.data, rows[i].sent[0]->der.size);
			assert_string_equal(path->ca_name,
					    path->role == MTLS_ROLE_USER ? "corp" : "hosts");
		} else {
			assert_string_not_equal(diag.text, "");
		}
		mtls_path_free(path);
	}
	mtls_anchors_free(anchors);
	struct certgen *all[] = { direct,  host,       forged,   not_ca,  by_plain,
				  no_sign, by_no_sign, short_ca, below,   too_deep,
				  self,    sha1,       expired,  crossed, critical };
	for (size_t i = 0; i < MTLS_COUNT(all); i++)
		certgen_free(all[i]);
}

/* Two anchors of one name, with and without key identifiers, are both tried. */
static void a_rollover_works(void **state)
{
	struct mtls_anchors *anchors = usual_anchors();
	struct certgen *by_new =
		certgen_new(&(struct certgen_options){ .dn = "CN=new", LOGIN }, other_root);
	struct mtls_path *path = NULL;
	(void)state;
	assert_int_equal(
		find_path(anchors, &usual, (struct certgen *[]){ by_new, NULL }, &path, NULL),
		MTLS_E_CERT);
	assert_int_equal(add(anchors, MTLS_ROLE_USER, "corp", other_root), 1);
	assert_int_equal(
		find_path(anchors, &usual, (struct certgen *[]){ by_new, NULL }, &path, NULL), 0);
	mtls_path_free(path);
	path = NULL;
	assert_int_equal(
		find_path(anchors, &usual, (struct certgen *[]){ leaf, middle, NULL }, &path, NULL),
		0);
	mtls_path_free(path);
	mtls_anchors_free(anchors);
	certgen_free(by_new);
}

/* Seven CAs of one name that all could have issued one another: the search gives up early. */
static void mazes_are_left(void **state)
{
	struct mtls_anchors *anchors = usual_anchors();
	struct certgen *sent[9] = { NULL };
	struct mtls_path *path = NULL;
	(void)state;
	struct certgen *maze =
		certgen_new(&(struct certgen_options){ .dn = "CN=Maze", .ca = true }, NULL);
	sent[0] = certgen_new(&(struct certgen_options){ .dn = "CN=x", LOGIN }, maze);
	for (size_t i = 1; i < 8; i++)
		sent[i] = certgen_new(
			&(struct certgen_options){ .dn = "CN=Maze", .ca = true, .same_key = maze },
			maze);
	assert_int_equal(find_path(anchors, &usual, sent, &path, NULL), MTLS_E_LIMIT);

	/* All named like the anchor: each step would cost a signature. */
	for (size_t i = 0; i < 8; i++)
		certgen_free(sent[i]);
	sent[0] = certgen_new(&(struct certgen_options){ .dn = "CN=x", LOGIN }, other_root);
	for (size_t i = 1; i < 8; i++)
		sent[i] = certgen_new(&(struct certgen_options){ .dn = "CN=User Root",
								 .ca = true,
								 .same_key = other_root },
				      other_root);
	assert_int_equal(find_path(anchors, &usual, sent, &path, NULL), MTLS_E_LIMIT);
	for (size_t i = 0; i < 8; i++)
		certgen_free(sent[i]);
	certgen_free(maze);
	mtls_anchors_free(anchors);
}

static void bounds_need_no_signature(void **state)
{
	static const struct {
		const char *name;
		struct certgen_options options;
		struct mtls_verify_bounds bounds;
		int want;
	} rows[] = {
		{ "P-256", { 0 }, { 1, 1, 2048, 4096 }, 0 },
		{ "P-521", { .key = CERTGEN_P521 }, { 1, 1, 2048, 4096 }, 0 },
		{ "Ed25519", { .key = CERTGEN_ED25519 }, { 1, 1, 2048, 4096 }, 0 },
		{ "RSA", { .key = CERTGEN_RSA2048 }, { 1, 1, 2048, 4096 }, 0 },
		{ "RSA at the bound", { .key = CERTGEN_RSA3072 }, { 1, 1, 2048, 3072 }, 0 },
		{ "RSA too long", { .key = CERTGEN_RSA3072 }, { 1, 1, 2048, 3071 }, MTLS_E_LIMIT },
		{ "RSA too short", { .key = CERTGEN_RSA1024 }, { 1, 1, 1024, 4096 }, MTLS_E_CERT },
		{ "RSA below the site's minimum",
		  { .key = CERTGEN_RSA2048 },
		  { 1, 1, 3072, 4096 },
		  0 },
		{ "Ed448", { .key = CERTGEN_ED448 }, { 1, 1, 2048, 4096 }, MTLS_E_CERT },
		{ "DSA", { .key = CERTGEN_DSA2048 }, { 1, 1, 2048, 4096 }, MTLS_E_CERT },
		{ "none allowed", { 0 }, { 0, 1, 2048, 4096 }, MTLS_E_LIMIT },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct certgen *made = certgen_new(&rows[i].options, root);
		const uint8_t *der = made->der.data;
		const size_t len = made->der.size;
		int got = mtls_verify_bounds(&rows[i].bounds, &der, &len, 1, NULL);
		if (got != rows[i].want)
			fail_msg("row '%s': %d", rows[i].name, got);
		certgen_free(made);
	}
	/* Sizes are judged before the bytes are looked at. */
	static uint8_t big[MTLS_CERT_MAX + 1];
	const uint8_t *many[9];
	size_t lens[9];
	for (size_t i = 0; i < 9; i++) {
		many[i] = big;
		lens[i] = MTLS_CERT_MAX;
	}
	struct mtls_verify_bounds wide = usual;
	wide.max_certs = 100;
	assert_int_equal(mtls_verify_bounds(&wide, many, lens, 9, NULL), MTLS_E_LIMIT);
	assert_int_equal(mtls_verify_bounds(&wide, many, lens, 5, NULL), MTLS_E_LIMIT);
	assert_int_equal(mtls_verify_bounds(&wide, many, lens, 4, NULL), MTLS_E_SYNTAX);
	lens[0] = MTLS_CERT_MAX + 1;
	assert_int_equal(mtls_verify_bounds(&wide, many, lens, 1, NULL), MTLS_E_LIMIT);
	assert_int_equal(mtls_verify_bounds(&wide, many, lens, 0, NULL), MTLS_E_SYNTAX);
}

struct watched {
	char failed[256]; /* names of the checks that refuse, each with ';' behind */
	char skipped[256];
	enum mtls_reason first;
	size_t count;
};

static void watch(void *ctx, const char *name, enum mtls_reason reason, const char *detail)
{
	struct watched *w = ctx;
	char *list = detail ? w->failed : w->skipped;

	w->count++;
	if (detail && reason == MTLS_REASON_ALLOWED) {
		assert_string_equal(detail, "");
		return;
	}
	if (detail)
		assert_string_not_equal(detail, "");
	if (detail && w->first == MTLS_REASON_ALLOWED)
		w->first = reason;
	(void)snprintf(list + strlen(list), sizeof(w->failed) - strlen(list), "%s;", name);
}

static enum mtls_reason judge(const struct mtls_anchors *anchors,
			      const struct mtls_verify_bounds *bounds, struct certgen *const *sent,
			      int64_t now, struct mtls_diag *diag)
{
	struct mtls_path *path = NULL;
	int err = find_path(anchors, bounds, sent, &path, diag);
	if (err < 0)
		fail_msg("no path: %s", mtls_diag_text(diag, err));
	enum mtls_reason reason = mtls_verify_policy(anchors, bounds, path, now, diag);
	/* Who watches every check sees the verdict's reason first. */
	struct watched watched = { .first = MTLS_REASON_ALLOWED };
	mtls_verify_policy_watch(anchors, bounds, path, now, watch, &watched);
	assert_int_equal(watched.first, reason);
	assert_int_equal(watched.count, 9);
	assert_string_equal(watched.skipped, "");
	mtls_path_free(path);
	return reason;
}

static void policy_has_reasons(void **state)
{
	const time_t now = time(NULL);
	static const uint8_t long_serial[21] = { 1 };
	const struct {
		const char *name;
		struct certgen_options options;
		struct certgen **issuer;
		enum mtls_reason want;
	} rows[] = {
		{ "right", { LOGIN }, &root, MTLS_REASON_ALLOWED },
		{ "right, below", { LOGIN }, &middle, MTLS_REASON_ALLOWED },
		{ "smart card",
		  { .eku = { "1.3.6.1.4.1.311.20.2.2" } },
		  &root,
		  MTLS_REASON_ALLOWED },
		{ "no KU", { LOGIN, .ku = CERTGEN_NO_KU }, &root, MTLS_REASON_ALLOWED },
		{ "RSA", { LOGIN, .key = CERTGEN_RSA2048 }, &root, MTLS_REASON_ALLOWED },
		{ "Ed25519", { LOGIN, .key = CERTGEN_ED25519 }, &root, MTLS_REASON_ALLOWED },
		{ "host", { LOGIN }, &host_root, MTLS_REASON_CERT_ROLE },
		{ "expired",
		  { LOGIN, .not_before = now - 9 * HOUR, .not_after = now - 1 },
		  &root,
		  MTLS_REASON_CERT_EXPIRED },
		{ "ends now",
		  { LOGIN, .not_before = now - 9 * HOUR, .not_after = now },
		  &root,
		  MTLS_REASON_ALLOWED },
		{ "not yet", { LOGIN, .not_before = now + 1 }, &root, MTLS_REASON_CERT_NOT_YET },
		{ "starts now", { LOGIN, .not_before = now }, &root, MTLS_REASON_ALLOWED },
		{ "no EKU", { 0 }, &root, MTLS_REASON_EKU_MISSING },
		{ "server EKU",
		  { .eku = { GNUTLS_KP_TLS_WWW_SERVER } },
		  &root,
		  MTLS_REASON_EKU_WRONG },
		{ "any EKU", { .eku = { GNUTLS_KP_ANY } }, &root, MTLS_REASON_EKU_WRONG },
		{ "empty EKU",
		  { .ext = { { "2.5.29.37", B("\x30\x00"), false } } },
		  &root,
		  MTLS_REASON_EKU_WRONG },
		{ "KU encipherment",
		  { LOGIN, .ku = GNUTLS_KEY_KEY_ENCIPHERMENT },
		  &root,
		  MTLS_REASON_KU_WRONG },
		{ "KU cert sign",
		  { LOGIN, .ku = GNUTLS_KEY_DIGITAL_SIGNATURE | GNUTLS_KEY_KEY_CERT_SIGN },
		  &root,
		  MTLS_REASON_CERT_SHAPE },
		{ "a CA",
		  { LOGIN, .ca = true, .ku = GNUTLS_KEY_DIGITAL_SIGNATURE },
		  &root,
		  MTLS_REASON_CERT_SHAPE },
		{ "name constraints",
		  { LOGIN, .ext = { { "2.5.29.30", B("\x30\x00"), false } } },
		  &root,
		  MTLS_REASON_CERT_SHAPE },
		{ "long serial",
		  { LOGIN, .serial = long_serial, .serial_len = 21 },
		  &root,
		  MTLS_REASON_CERT_SHAPE },
		{ "negative serial",
		  { LOGIN, .serial = "\xff", .serial_len = 1 },
		  &root,
		  MTLS_REASON_CERT_SHAPE },
		{ "NUL", { LOGIN, .raw_cn = B("alice\0.evil") }, &root, MTLS_REASON_CERT_IDENTITY },
		{ "control", { LOGIN, .raw_cn = B("alice\n") }, &root, MTLS_REASON_CERT_IDENTITY },
		{ "SAN control",
		  { LOGIN, .ext = { { "2.5.29.17",
				      B("\x30\x04\x81\x02"
					"a\n"),
				      false } } },
		  &root,
		  MTLS_REASON_CERT_IDENTITY },
	};
	struct mtls_anchors *anchors = usual_anchors();
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct certgen *made = certgen_new(&rows[i].options, *rows[i].issuer);
		struct certgen *sent[] = { made, middle, NULL };
		struct mtls_diag diag = { 0 };
		enum mtls_reason got = judge(anchors, &usual, sent, now, &diag);
		if (got != rows[i].want)
			fail_msg("row '%s': %d, want %d: %s", rows[i].name, got, rows[i].want,
				 diag.text);
		if (got != MTLS_REASON_ALLOWED)
			assert_string_not_equal(diag.text, "");
		certgen_free(made);
	}
	mtls_anchors_free(anchors);
}

/* All that is wrong, not the first thing only; and what can be said of a leaf without a path. */
static void every_check_is_watched(void **state)
{
	const time_t now = time(NULL);
	const struct certgen_options options = { .dn = "CN=Late",
						 .ku = GNUTLS_KEY_KEY_AGREEMENT,
						 .not_before = 1000,
						 .not_after = now - 1 };
	struct mtls_anchors *anchors = usual_anchors();
	struct certgen *made = certgen_new(&options, root);
	struct certgen *sent[] = { made, NULL };
	struct watched watched = { .first = MTLS_REASON_ALLOWED };
	struct mtls_path *path = NULL, alone = { .count = 1 };

	(void)state;
	assert_int_equal(find_path(anchors, &usual, sent, &path, NULL), 0);
	mtls_verify_policy_watch(anchors, &usual, path, now, watch, &watched);
	assert_string_equal(watched.failed, "times;key usage;purpose;");
	assert_string_equal(watched.skipped, "");

	watched = (struct watched){ .first = MTLS_REASON_ALLOWED };
	alone.certs[0] = path->certs[0];
	mtls_verify_policy_watch(anchors, &usual, &alone, now, watch, &watched);
	assert_string_equal(watched.failed, "times;key usage;purpose;");
	assert_string_equal(watched.skipped, "role;depth;revocation;");
	mtls_path_free(path);
	certgen_free(made);
	mtls_anchors_free(anchors);
}

static void policy_looks_at_the_whole_path(void **state)
{
	const time_t now = time(NULL);
	const struct {
		const char *name;
		struct certgen_options ca;
		struct mtls_verify_bounds bounds;
		enum mtls_reason want;
	} rows[] = {
		{ "right", { .ca = true }, { 8, 4, 2048, 4096 }, MTLS_REASON_ALLOWED },
		{ "depth at the limit", { .ca = true }, { 8, 2, 2048, 4096 }, MTLS_REASON_ALLOWED },
		{ "depth", { .ca = true }, { 8, 1, 2048, 4096 }, MTLS_REASON_CHAIN_DEPTH },
		{ "CA expired",
		  { .ca = true, .not_before = 1000, .not_after = now - 1 },
		  { 8, 4, 2048, 4096 },
		  MTLS_REASON_CERT_EXPIRED },
		{ "CA not yet",
		  { .ca = true, .not_before = now + 9 },
		  { 8, 4, 2048, 4096 },
		  MTLS_REASON_CERT_NOT_YET },
		{ "CA for servers",
		  { .ca = true, .eku = { GNUTLS_KP_TLS_WWW_SERVER } },
		  { 8, 4, 2048, 4096 },
		  MTLS_REASON_EKU_WRONG },
		{ "CA for anything",
		  { .ca = true, .eku = { GNUTLS_KP_ANY } },
		  { 8, 4, 2048, 4096 },
		  MTLS_REASON_ALLOWED },
		{ "CA for clients",
		  { .ca = true, LOGIN },
		  { 8, 4, 2048, 4096 },
		  MTLS_REASON_ALLOWED },
		{ "CA with a short key",
		  { .ca = true, .key = CERTGEN_RSA2048 },
		  { 8, 4, 3072, 4096 },
		  MTLS_REASON_CERT_WEAK },
		{ "CA with constraints",
		  { .ca = true,
		    .ext = { { "2.5.29.30",
			       B("\x30\x0c\xa0\x0a\x30\x08\x82\x06"
				 "a.test"),
			       true } } },
		  { 8, 4, 2048, 4096 },
		  MTLS_REASON_CERT_SHAPE },
		{ "CA with NUL",
		  { .ca = true, .raw_cn = B("a\0b") },
		  { 8, 4, 2048, 4096 },
		  MTLS_REASON_CERT_IDENTITY },
	};
	struct mtls_anchors *anchors = usual_anchors();
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct certgen_options options = rows[i].ca;
		options.dn = "CN=Below";
		struct certgen *ca = certgen_new(&options, root);
		struct certgen *made = certgen_new(&(struct certgen_options){ LOGIN }, ca);
		struct certgen *sent[] = { made, ca, NULL };
		struct mtls_diag diag = { 0 };
		enum mtls_reason got = judge(anchors, &rows[i].bounds, sent, now, &diag);
		if (got != rows[i].want)
			fail_msg("row '%s': %d, want %d: %s", rows[i].name, got, rows[i].want,
				 diag.text);
		certgen_free(made);
		certgen_free(ca);
	}
	/* The anchor's own end counts too. */
	struct certgen *sent[] = { leaf, middle, NULL };
	struct mtls_diag diag = { 0 };
	assert_int_equal(judge(anchors, &usual, sent, now + 2 * 86400, &diag),
			 MTLS_REASON_CERT_EXPIRED);
	mtls_anchors_free(anchors);
}

struct crl_row {
	const char *name;
	enum mtls_verify_crl policy;
	struct {
		struct certgen **issuer;
		struct certgen **revoked;
		int64_t this_update, next_update; /* relative to now; 0: usual */
		gnutls_digest_algorithm_t digest;
	} crls[3];
	enum mtls_reason want;
};

static struct certgen *sibling;

static void check_crl_row(const struct crl_row *row, time_t now)
{
	struct mtls_anchors *anchors = usual_anchors();
	struct certgen *sent[] = { leaf, middle, NULL };
	struct mtls_diag diag = { 0 };

	assert_int_equal(mtls_anchors_set_crl_policy(anchors, "corp", row->policy), 0);
	for (size_t i = 0; i < 3 && row->crls[i].issuer; i++) {
		const struct certgen *revoked[] = { sibling, row->crls[i].revoked
								     ? *row->crls[i].revoked
								     : NULL };
		const int64_t from = row->crls[i].this_update, to = row->crls[i].next_update;
		const struct certgen_crl options = {
			.revoked = revoked,
			.revoked_count = row->crls[i].revoked ? 2 : 1,
			.this_update = from ? now + from : 0,
			.next_update = to ? now + to : 0,
			.digest = row->crls[i].digest,
		};
		gnutls_datum_t crl = certgen_crl(&options, *row->crls[i].issuer);
		assert_int_equal(mtls_anchors_add_crl(anchors, "corp", crl.data, crl.size, &diag),
				 0);
		gnutls_free(crl.data);
	}
	/* Twice: the second time the signer is remembered. */
	for (int i = 0; i < 2; i++) {
		enum mtls_reason got = judge(anchors, &usual, sent, now, &diag);
		if (got != row->want)
			fail_msg("row '%s': %d, want %d: %s", row->name, got, row->want, diag.text);
	}
	mtls_anchors_free(anchors);
}

static void crls_decide(void **state)
{
	const time_t now = time(NULL);
	struct certgen *stranger;
	sibling = certgen_new(&(struct certgen_options){ .dn = "CN=sibling" }, middle);
	stranger = certgen_new(&(struct certgen_options){ .dn = "CN=Middle", .ca = true },
			       root); /* another key */
	const enum mtls_verify_crl off = MTLS_VERIFY_CRL_OFF, present = MTLS_VERIFY_CRL_IF_PRESENT,
				   required = MTLS_VERIFY_CRL_REQUIRED;
	const struct crl_row rows[] = {
		{ "off", off, { { 0 } }, MTLS_REASON_ALLOWED },
		{ "off, revoked", off, { { &middle, &leaf, 0, 0, 0 } }, MTLS_REASON_ALLOWED },
		{ "none, if present", present, { { 0 } }, MTLS_REASON_ALLOWED },
		{ "none, required", required, { { 0 } }, MTLS_REASON_CRL_UNUSABLE },
		{ "only the CA's, required",
		  required,
		  { { &root, NULL, 0, 0, 0 } },
		  MTLS_REASON_CRL_UNUSABLE },
		{ "only the leaf's, required",
		  required,
		  { { &middle, NULL, 0, 0, 0 } },
		  MTLS_REASON_CRL_UNUSABLE },
		{ "good",
		  required,
		  { { &middle, NULL, 0, 0, 0 }, { &root, NULL, 0, 0, 0 } },
		  MTLS_REASON_ALLOWED },
		{ "revoked",
		  required,
		  { { &middle, &leaf, 0, 0, 0 }, { &root, NULL, 0, 0, 0 } },
		  MTLS_REASON_CERT_REVOKED },
		{ "revoked, if present",
		  present,
		  { { &middle, &leaf, 0, 0, 0 } },
		  MTLS_REASON_CERT_REVOKED },
		{ "CA revoked",
		  required,
		  { { &middle, NULL, 0, 0, 0 }, { &root, &middle, 0, 0, 0 } },
		  MTLS_REASON_CERT_REVOKED },
		{ "expired",
		  present,
		  { { &middle, NULL, -2 * HOUR, -1, 0 } },
		  MTLS_REASON_CRL_UNUSABLE },
		{ "ends now",
		  present,
		  { { &middle, NULL, -2 * HOUR, 0, 0 } },
		  MTLS_REASON_ALLOWED },
		{ "expired, revoked",
		  present,
		  { { &middle, &leaf, -2 * HOUR, -1, 0 } },
		  MTLS_REASON_CERT_REVOKED },
		{ "expired, and a newer one absolves",
		  present,
		  { { &middle, &leaf, -2 * HOUR, -1, 0 }, { &middle, NULL, 0, 0, 0 } },
		  MTLS_REASON_ALLOWED },
		{ "not yet", present, { { &middle, NULL, 60, 0, 0 } }, MTLS_REASON_CRL_UNUSABLE },
		{ "not yet, lists it, and a current one absolves",
		  present,
		  { { &middle, &leaf, 60, 0, 0 }, { &middle, NULL, 0, 0, 0 } },
		  MTLS_REASON_CRL_UNUSABLE },
		{ "not yet, and a current one absolves",
		  present,
		  { { &middle, NULL, 60, 0, 0 }, { &middle, NULL, 0, 0, 0 } },
		  MTLS_REASON_ALLOWED },
		{ "another key of that name",
		  present,
		  { { &stranger, NULL, 0, 0, 0 } },
		  MTLS_REASON_CRL_UNUSABLE },
		{ "another key's list does not revoke",
		  present,
		  { { &stranger, &leaf, 0, 0, 0 }, { &middle, NULL, 0, 0, 0 } },
		  MTLS_REASON_ALLOWED },
		{ "SHA-1",
		  present,
		  { { &middle, NULL, 0, 0, GNUTLS_DIG_SHA1 } },
		  MTLS_REASON_CRL_UNUSABLE },
		{ "two, the second revokes",
		  present,
		  { { &middle, NULL, 0, 0, 0 }, { &middle, &leaf, 0, 0, 0 } },
		  MTLS_REASON_CERT_REVOKED },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		check_crl_row(&rows[i], now);
	certgen_free(sibling);
	certgen_free(stranger);
}

static void crl_issuers_need_the_right(void **state)
{
	struct mtls_anchors *anchors = usual_anchors();
	struct certgen *ca = certgen_new(
		&(struct certgen_options){
			.dn = "CN=x", .ca = true, .ku = GNUTLS_KEY_KEY_CERT_SIGN },
		root);
	struct certgen *made = certgen_new(&(struct certgen_options){ LOGIN }, ca);
	struct certgen *sent[] = { made, ca, NULL };
	struct mtls_diag diag = { 0 };
	(void)state;
	gnutls_datum_t crl = certgen_crl(&(struct certgen_crl){ 0 }, ca);
	assert_int_equal(mtls_anchors_add_crl(anchors, "corp", crl.data, crl.size, NULL), 0);
	assert_int_equal(mtls_anchors_set_crl_policy(anchors, "corp", MTLS_VERIFY_CRL_IF_PRESENT),
			 0);
	assert_int_equal(judge(anchors, &usual, sent, time(NULL), &diag), MTLS_REASON_CRL_UNUSABLE);
	gnutls_free(crl.data);
	certgen_free(made);
	certgen_free(ca);
	mtls_anchors_free(anchors);
}

/* Without nextUpdate nobody knows when it stops being the whole truth. */
static void crls_say_until_when(void **state)
{
	struct mtls_anchors *anchors = usual_anchors();
	struct certgen *sent[] = { leaf, middle, NULL };
	struct mtls_diag diag = { 0 };
	(void)state;
	gnutls_datum_t crl = certgen_crl(&(struct certgen_crl){ .no_next_update = true }, middle);
	assert_int_equal(mtls_anchors_add_crl(anchors, "corp", crl.data, crl.size, NULL), 0);
	assert_int_equal(mtls_anchors_set_crl_policy(anchors, "corp", MTLS_VERIFY_CRL_IF_PRESENT),
			 0);
	assert_int_equal(judge(anchors, &usual, sent, time(NULL), &diag), MTLS_REASON_CRL_UNUSABLE);
	gnutls_free(crl.data);
	mtls_anchors_free(anchors);
}

/* A byte of the number's OID is changed: cRLNumber (2.5.29.20) becomes another extension. */
static void crl_extensions_are_understood(void **state)
{
	static const struct {
		const char *name;
		uint8_t n;
		enum mtls_crl_state want;
	} rows[] = {
		{ "cRLNumber", 20, MTLS_CRL_STATE_CURRENT },
		{ "deltaCRLIndicator", 27, MTLS_CRL_STATE_UNUSABLE },
		{ "issuingDistributionPoint", 28, MTLS_CRL_STATE_UNUSABLE },
	};
	gnutls_datum_t der = certgen_crl(&(struct certgen_crl){ 0 }, root);
	struct mtls_cert *issuer = NULL;
	(void)state;
	assert_int_equal(mtls_cert_from_der(root->der.data, root->der.size, &issuer, NULL), 0);
	uint8_t *at = memmem(der.data, der.size, "\x06\x03\x55\x1d\x14", 5);
	assert_non_null(at);
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct mtls_crl *crl = NULL;
		const char *why = "";
		at[4] = rows[i].n;
		assert_int_equal(mtls_crl_from_der(der.data, der.size, &crl, NULL), 0);
		assert_int_equal(mtls_crl_judge(crl, issuer, time(NULL), &why), rows[i].want);
		if (rows[i].want == MTLS_CRL_STATE_UNUSABLE)
			assert_string_equal(why, "it has an extension that is not implemented");
		mtls_crl_free(crl);
	}
	mtls_cert_free(issuer);
	gnutls_free(der.data);
}

static void crls_are_read_whole(void **state)
{
	const struct certgen *revoked[] = { leaf };
	gnutls_datum_t der = certgen_crl(
		&(struct certgen_crl){ .revoked = revoked, .revoked_count = 1 }, middle);
	uint8_t *copy = calloc(1, der.size + 1);
	struct mtls_crl *crl = NULL;
	(void)state;
	memcpy(copy, der.data, der.size);
	for (size_t len = 0; len < der.size; len++)
		assert_int_equal(mtls_crl_from_der(copy, len, &crl, NULL), MTLS_E_SYNTAX);
	assert_int_equal(mtls_crl_from_der(copy, der.size + 1, &crl, NULL), MTLS_E_SYNTAX);
	assert_int_equal(mtls_crl_from_der(copy, (size_t)MTLS_CRL_BYTES_MAX + 1, &crl, NULL),
			 MTLS_E_LIMIT);
	assert_null(crl);

	/* PEM, with text around it, twice. */
	gnutls_datum_t pem = { 0 };
	assert_int_equal(gnutls_pem_base64_encode2("X509 CRL", &der, &pem), 0);
	char *text = NULL;
	assert_true(asprintf(&text, "note\n%s\nmore\n%s", (char *)pem.data, (char *)pem.data) > 0);
	struct mtls_anchors *anchors = usual_anchors();
	struct certgen *sent[] = { leaf, middle, NULL };
	struct mtls_diag diag = { 0 };
	assert_int_equal(mtls_anchors_add_crl(anchors, "corp", (uint8_t *)text, strlen(text), NULL),
			 0);
	assert_int_equal(mtls_anchors_set_crl_policy(anchors, "corp", MTLS_VERIFY_CRL_IF_PRESENT),
			 0);
	assert_int_equal(judge(anchors, &usual, sent, time(NULL), &diag), MTLS_REASON_CERT_REVOKED);
	/* The second of them is damaged: nothing is silently skipped. */
	text[strlen(text) - strlen((char *)pem.data) / 2] = '!';
	assert_int_equal(mtls_anchors_add_crl(anchors, "corp", (uint8_t *)text, strlen(text), NULL),
			 MTLS_E_SYNTAX);
	mtls_anchors_free(anchors);
	free(text);
	gnutls_free(pem.data);
	gnutls_free(der.data);
	free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(anchors_are_checked),
		cmocka_unit_test(anchors_have_one_place),
		cmocka_unit_test(files_are_taken_whole),
		cmocka_unit_test(paths_are_found),
		cmocka_unit_test(a_rollover_works),
		cmocka_unit_test(mazes_are_left),
		cmocka_unit_test(bounds_need_no_signature),
		cmocka_unit_test(policy_has_reasons),
		cmocka_unit_test(every_check_is_watched),
		cmocka_unit_test(policy_looks_at_the_whole_path),
		cmocka_unit_test(crls_decide),
		cmocka_unit_test(crl_issuers_need_the_right),
		cmocka_unit_test(crls_say_until_when),
		cmocka_unit_test(crl_extensions_are_understood),
		cmocka_unit_test(crls_are_read_whole),
	};
	return cmocka_run_group_tests(tests, make_certs, free_certs);
}
