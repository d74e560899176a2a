/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The transaction: every way to a verdict. Each refusal starts from the case that is allowed and
 * changes one thing.
 */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "authd/request.h"
#include "lib/base/str.h"
#include "tests/unit/certgen.h"

#define ALICE 2000200001U

/* A CA and one certificate of it, as the verifier gives them. */
struct world {
	struct mtls_anchors *anchors;
	struct mtls_path *path;
};

static struct mtls_lookup_answer answer;

static int make_world(void **state)
{
	struct certgen_options ca_options = { .dn = "CN=Test CA", .ca = true };
	struct certgen_options options = { .dn = "CN=Alice,O=Example",
					   .eku = { GNUTLS_KP_TLS_WWW_CLIENT } };
	const struct mtls_verify_bounds bounds = { 8, 4, 2048, 4096 };
	struct world *w = calloc(1, sizeof(*w));
	struct certgen *ca = certgen_new(&ca_options, NULL);
	struct certgen *leaf = certgen_new(&options, ca);
	gnutls_datum_t pem = certgen_pem(ca);
	const uint8_t *der = leaf->der.data;
	size_t len = leaf->der.size;

	assert_int_equal(mtls_anchors_new(&w->anchors), 0);
	assert_int_equal(
		mtls_anchors_add_pem(w->anchors, MTLS_ROLE_USER, "test", pem.data, pem.size, NULL),
		1);
	assert_int_equal(mtls_verify_path(w->anchors, &bounds, &der, &len, 1, &w->path, NULL), 0);
	gnutls_free(pem.data);
	certgen_free(leaf);
	certgen_free(ca);
	*state = w;
	return 0;
}

static int free_world(void **state)
{
	struct world *w = *state;

	mtls_path_free(w->path);
	mtls_anchors_free(w->anchors);
	free(w);
	return 0;
}

static struct mtls_msg *new_request(const char *account)
{
	struct mtls_msg *msg = mtls_msg_new(MTLS_MSG_AUTH_REQUEST);
	struct mtls_auth_request *request = &msg->u.auth_request;

	request->version = MTLS_PROTOCOL_VERSION;
	assert_int_equal(mtls_msg_set_text(&request->service, "sudo"), 0);
	assert_int_equal(mtls_msg_set_text(&request->account, account), 0);
	memset(request->nonce, 7, sizeof(request->nonce));
	return msg;
}

static struct mtls_msg *new_choice(const char *account, uint8_t nonce)
{
	struct mtls_msg *msg = mtls_msg_new(MTLS_MSG_AUTH_CHOICE);

	assert_int_equal(mtls_msg_set_text(&msg->u.auth_choice.account, account), 0);
	memset(msg->u.auth_choice.nonce, nonce, MTLS_NONCE_LEN);
	return msg;
}

static const struct mtls_lookup_answer *named(enum mtls_lookup_status status, const char *first,
					      const char *second)
{
	memset(&answer, 0, sizeof(answer));
	answer.status = status;
	if (first)
		assert_true(mtls_lookup_answer_add(&answer, 0, first));
	if (second)
		assert_true(mtls_lookup_answer_add(&answer, 1, second));
	return &answer;
}

static const struct mtls_lookup_answer *account(enum mtls_lookup_status status, const char *name,
						uint32_t uid)
{
	(void)named(status, name, NULL);
	answer.uid = uid;
	answer.gid = 100;
	return &answer;
}

/* One transaction with everything that can differ. */
struct play {
	const char *name;
	struct peer peer;
	enum mtls_role role;
	uint32_t version; /* 0: ours */
	int64_t later;    /* seconds from now */
	const char *asked;
	enum mtls_lookup_status map_status;
	const char *mapped;
	enum mtls_lookup_status account_status;
	const char *account;
	uint32_t uid;
	enum mtls_reason want;
};

#define ROOT                                                                                       \
	{                                                                                          \
		.transport = PEER_UNIX, .uid = 0                                                   \
	}
#define PERSON                                                                                     \
	{                                                                                          \
		.transport = PEER_UNIX, .uid = ALICE                                               \
	}
#define STRANGER                                                                                   \
	{                                                                                          \
		.transport = PEER_UNIX, .uid = 1234                                                \
	}
#define REMOTE                                                                                     \
	{                                                                                          \
		.transport = PEER_TCP, .uid = (uid_t)-1                                            \
	}

/* clang-format off */
static const struct play plays[] = {
	{ "allowed", ROOT, 0, 0, 0, "alice", 0, "alice", 0, "alice", ALICE, MTLS_REASON_ALLOWED },
	{ "allowed, none asked", ROOT, 0, 0, 0, NULL, 0, "alice", 0, "alice", ALICE, MTLS_REASON_ALLOWED },
	{ "own account, unprivileged", PERSON, 0, 0, 0, "alice", 0, "alice", 0, "alice", ALICE, MTLS_REASON_ALLOWED },
	{ "by TCP", REMOTE, 0, 0, 0, "alice", 0, "alice", 0, "alice", ALICE, MTLS_REASON_ALLOWED },
	{ "lowest uid", ROOT, 0, 0, 0, "alice", 0, "alice", 0, "alice", 1000, MTLS_REASON_ALLOWED },
	{ "another's account, unprivileged", STRANGER, 0, 0, 0, "alice", 0, "alice", 0, "alice", ALICE, MTLS_REASON_ACCOUNT_PEER },
	{ "another version", ROOT, 0, 2, 0, "alice", 0, "alice", 0, "alice", ALICE, MTLS_REASON_VERSION },
	{ "host certificate", ROOT, MTLS_ROLE_HOST, 0, 0, "alice", 0, "alice", 0, "alice", ALICE, MTLS_REASON_CERT_ROLE },
	{ "host certificate by TCP", REMOTE, MTLS_ROLE_HOST, 0, 0, "alice", 0, "alice", 0, "alice", ALICE, MTLS_REASON_ROLE },
	{ "expired", ROOT, 0, 0, 90000, "alice", 0, "alice", 0, "alice", ALICE, MTLS_REASON_CERT_EXPIRED },
	{ "not yet valid", ROOT, 0, 0, -90000, "alice", 0, "alice", 0, "alice", ALICE, MTLS_REASON_CERT_NOT_YET },
	{ "unmapped", ROOT, 0, 0, 0, "alice", MTLS_LOOKUP_NOTFOUND, NULL, 0, "alice", ALICE, MTLS_REASON_UNMAPPED },
	{ "mapped to another", ROOT, 0, 0, 0, "bob", 0, "alice", 0, "alice", ALICE, MTLS_REASON_MAPPED_OTHER },
	{ "mapping hangs", ROOT, 0, 0, 0, "alice", MTLS_LOOKUP_TIMEOUT, NULL, 0, "alice", ALICE, MTLS_REASON_LOOKUP_TIMEOUT },
	{ "mapping fails", ROOT, 0, 0, 0, "alice", MTLS_LOOKUP_FAILED, NULL, 0, "alice", ALICE, MTLS_REASON_LOOKUP_FAILED },
	{ "mapping has no turn", ROOT, 0, 0, 0, "alice", MTLS_LOOKUP_BUSY, NULL, 0, "alice", ALICE, MTLS_REASON_BUSY },
	{ "mapping says a bad name", ROOT, 0, 0, 0, "a b", 0, "a b", 0, "alice", ALICE, MTLS_REASON_LOOKUP_FAILED },
	{ "account unknown", ROOT, 0, 0, 0, "alice", 0, "alice", MTLS_LOOKUP_NOTFOUND, NULL, 0, MTLS_REASON_ACCOUNT_UNKNOWN },
	{ "account lookup hangs", ROOT, 0, 0, 0, "alice", 0, "alice", MTLS_LOOKUP_TIMEOUT, NULL, 0, MTLS_REASON_LOOKUP_TIMEOUT },
	{ "account lookup fails", ROOT, 0, 0, 0, "alice", 0, "alice", MTLS_LOOKUP_FAILED, NULL, 0, MTLS_REASON_LOOKUP_FAILED },
	{ "account lookup has no turn", ROOT, 0, 0, 0, "alice", 0, "alice", MTLS_LOOKUP_BUSY, NULL, 0, MTLS_REASON_BUSY },
	{ "account with another name", ROOT, 0, 0, 0, "alice", 0, "alice", 0, "Alice", ALICE, MTLS_REASON_ACCOUNT_UNKNOWN },
	{ "uid 0", ROOT, 0, 0, 0, "alice", 0, "alice", 0, "alice", 0, MTLS_REASON_ACCOUNT_REFUSED },
	{ "uid below min_uid", ROOT, 0, 0, 0, "alice", 0, "alice", 0, "alice", 999, MTLS_REASON_ACCOUNT_REFUSED },
	{ "uid -1", ROOT, 0, 0, 0, "alice", 0, "alice", 0, "alice", UINT32_MAX, MTLS_REASON_ACCOUNT_REFUSED },
};
/* clang-format on */

/* Plays until there is a verdict. */
static void run(struct request *request, const struct play *play)
{
	static struct mtls_lookup_query query;
	struct mtls_msg *msg = new_request(play->asked);

	if (play->version)
		msg->u.auth_request.version = play->version;
	if (request_begin(request, msg, (int64_t)time(NULL) + play->later) != REQUEST_LOOKUP)
		return;
	assert_int_equal(request->lookup_kind, MTLS_LOOKUP_X509);
	request_query(request, &query);
	assert_int_equal(query.count, 4);
	if (request_answer(request, named(play->map_status, play->mapped, NULL)) != REQUEST_LOOKUP)
		return;
	assert_int_equal(request->lookup_kind, MTLS_LOOKUP_ACCOUNTS);
	request_query(request, &query);
	assert_int_equal(query.count, 1);
	assert_string_equal(mtls_lookup_query_key(&query, 0), "alice");
	assert_int_equal(
		request_answer(request, account(play->account_status, play->account, play->uid)),
		REQUEST_REPLY);
}

static void check_reply(const struct request *request, enum mtls_reason want)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = NULL;
	_cleanup_(mtls_msg_freep) struct mtls_msg *again = NULL;
	_cleanup_free_ uint8_t *der = NULL;
	uint8_t nonce[MTLS_NONCE_LEN];
	size_t len = 0;

	memset(nonce, 7, sizeof(nonce));
	assert_int_equal(request_reply(request, &msg), 0);
	assert_int_equal(mtls_msg_encode(msg, &der, &len, NULL), 0);
	assert_int_equal(mtls_msg_decode(der, len, &again, NULL), 0);
	const struct mtls_auth_reply *reply = &again->u.auth_reply;
	bool allowed = want == MTLS_REASON_ALLOWED;
	assert_int_equal(reply->verdict, allowed ? MTLS_VERDICT_ALLOWED : MTLS_VERDICT_DENIED);
	assert_int_equal(reply->reason, want);
	assert_memory_equal(reply->nonce, nonce, sizeof(nonce));
	assert_string_equal(reply->audit_id, "a1");
	assert_int_equal(reply->has_account, allowed);
	assert_string_equal(reply->cert.subject, "CN=Alice,O=Example");
	if (allowed) {
		assert_string_equal(reply->account, "alice");
		assert_int_equal(reply->uid, request->uid);
		assert_int_equal(reply->gid, 100);
		assert_string_equal(reply->rule, "sha256");
	}
}

static void verdicts(void **state)
{
	const struct world *w = *state;

	for (size_t i = 0; i < MTLS_COUNT(plays); i++) {
		const struct request_env env = { .anchors = w->anchors,
						 .bounds = { 8, 4, 2048, 4096 },
						 .min_uid = 1000 };
		struct request request;
		print_message("# %s\n", plays[i].name);
		w->path->role = plays[i].role;
		request_init(&request, &env, &plays[i].peer, w->path, "a1");
		assert_int_equal(request.verdict, MTLS_VERDICT_DENIED);
		run(&request, &plays[i]);
		assert_int_equal(request.state, REQUEST_DONE);
		assert_int_equal(request.reason, plays[i].want);
		check_reply(&request, plays[i].want);
		request_done(&request);
	}
	w->path->role = MTLS_ROLE_USER;
}

static enum mtls_reason shut(void *ctx, const struct mtls_auth_request *request,
			     struct mtls_diag *detail)
{
	unsigned int *asked = ctx;

	(*asked)++;
	assert_string_equal(request->account, "alice");
	(void)mtls_diag_set(detail, 0, "for another 7 s");
	return MTLS_REASON_PENALTY;
}

/* The gate is asked once, before the certificate is judged, and its word is the verdict. */
static void the_gate_comes_first(void **state)
{
	const struct world *w = *state;
	const struct request_env env = { .anchors = w->anchors, .bounds = { 8, 4, 2048, 4096 } };
	const struct play *expired = &plays[9];
	struct request request;
	unsigned int asked = 0;

	assert_int_equal(expired->want, MTLS_REASON_CERT_EXPIRED);
	request_init(&request, &env, &expired->peer, w->path, "a1");
	request.gate = (struct request_gate){ .judge = shut, .ctx = &asked };
	run(&request, expired);
	assert_int_equal(asked, 1);
	assert_int_equal(request.state, REQUEST_DONE);
	assert_string_equal(request.detail.text, "for another 7 s");
	check_reply(&request, MTLS_REASON_PENALTY);
	request_done(&request);
}

/* A setting must not open what no binding may name. */
static void root_is_refused_whatever_min_uid_says(void **state)
{
	const struct world *w = *state;
	const struct request_env env = { .anchors = w->anchors, .bounds = { 8, 4, 2048, 4096 } };
	const struct play play = { "uid 0",
				   ROOT,
				   0,
				   0,
				   0,
				   "alice",
				   MTLS_LOOKUP_FOUND,
				   "alice",
				   MTLS_LOOKUP_FOUND,
				   "alice",
				   0,
				   MTLS_REASON_ACCOUNT_REFUSED };
	struct request request;

	request_init(&request, &env, &play.peer, w->path, "a1");
	run(&request, &play);
	assert_int_equal(request.reason, MTLS_REASON_ACCOUNT_REFUSED);
	assert_int_equal(request.verdict, MTLS_VERDICT_DENIED);
	request_done(&request);
}

static void choices(void **state)
{
	static const struct {
		const char *name, *choice;
		uint8_t nonce;
		bool wrong_type;
		enum mtls_reason want;
	} rows[] = {
		{ "one of them", "bob", 7, false, MTLS_REASON_ALLOWED },
		{ "the other", "alice", 7, false, MTLS_REASON_ALLOWED },
		{ "none of them", "root", 7, false, MTLS_REASON_BAD_CHOICE },
		{ "nothing", "", 7, false, MTLS_REASON_BAD_CHOICE },
		{ "another nonce", "bob", 8, false, MTLS_REASON_BAD_REQUEST },
		{ "a second request", "bob", 7, true, MTLS_REASON_BAD_REQUEST },
	};
	const struct world *w = *state;
	const struct request_env env = { .anchors = w->anchors,
					 .bounds = { 8, 4, 2048, 4096 },
					 .min_uid = 1000 };
	const struct peer peer = ROOT;

	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_(mtls_msg_freep) struct mtls_msg *offer = NULL;
		_cleanup_(mtls_msg_freep) struct mtls_msg *choice =
			rows[i].wrong_type ? new_request("bob")
					   : new_choice(rows[i].choice, rows[i].nonce);
		struct request request;
		print_message("# %s\n", rows[i].name);
		request_init(&request, &env, &peer, w->path, "a1");
		assert_int_equal(request_begin(&request, new_request(NULL), (int64_t)time(NULL)),
				 REQUEST_LOOKUP);
		assert_int_equal(request_answer(&request, named(MTLS_LOOKUP_FOUND, "bob", "alice")),
				 REQUEST_OFFER);
		assert_int_equal(request_reply(&request, &offer), 0);
		assert_int_equal(offer->u.auth_reply.verdict, MTLS_VERDICT_CHOOSE);
		assert_int_equal(offer->u.auth_reply.candidate_count, 2);
		assert_string_equal(offer->u.auth_reply.candidates[0], "alice");
		if (request_choice(&request, choice) == REQUEST_LOOKUP)
			assert_int_equal(request_answer(&request, account(MTLS_LOOKUP_FOUND,
									  rows[i].choice, 1000)),
					 REQUEST_REPLY);
		assert_int_equal(request.reason, rows[i].want);
		assert_int_equal(request.verdict == MTLS_VERDICT_ALLOWED,
				 rows[i].want == MTLS_REASON_ALLOWED);
		request_done(&request);
	}
}

/* Anything out of turn ends as refused, never as allowed. */
static void out_of_turn(void **state)
{
	const struct world *w = *state;
	const struct request_env env = { .anchors = w->anchors,
					 .bounds = { 8, 4, 2048, 4096 },
					 .min_uid = 1000 };
	const struct peer peer = ROOT;
	_cleanup_(mtls_msg_freep) struct mtls_msg *choice = new_choice("alice", 7);
	struct request request;

	request_init(&request, &env, &peer, w->path, "a1");
	assert_int_equal(request_answer(&request, account(MTLS_LOOKUP_FOUND, "alice", ALICE)),
			 REQUEST_REPLY);
	assert_int_equal(request.verdict, MTLS_VERDICT_DENIED);
	assert_int_equal(request.reason, MTLS_REASON_INTERNAL);
	request_done(&request);

	request_init(&request, &env, &peer, w->path, "a1");
	assert_int_equal(request_begin(&request, new_request("alice"), (int64_t)time(NULL)),
			 REQUEST_LOOKUP);
	assert_int_equal(request_choice(&request, choice), REQUEST_REPLY);
	assert_int_equal(request.verdict, MTLS_VERDICT_DENIED);
	/* The late answer of the first question changes nothing. */
	(void)request_answer(&request, named(MTLS_LOOKUP_FOUND, "alice", NULL));
	assert_int_equal(request.verdict, MTLS_VERDICT_DENIED);
	assert_int_equal(request_begin(&request, new_request("alice"), (int64_t)time(NULL)),
			 REQUEST_REPLY);
	assert_int_equal(request.verdict, MTLS_VERDICT_DENIED);
	(void)request_deny(&request, MTLS_REASON_ALLOWED, NULL);
	assert_int_equal(request.reason, MTLS_REASON_INTERNAL);
	request_done(&request);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts),
		cmocka_unit_test(the_gate_comes_first),
		cmocka_unit_test(root_is_refused_whatever_min_uid_says),
		cmocka_unit_test(choices),
		cmocka_unit_test(out_of_turn),
	};
	return cmocka_run_group_tests_name("request", tests, make_world, free_world);
}
