/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The program mtls-signer-agent, started as pam_mtls starts it and asked by its client library:
 * against an agent of our own, with real keys and bad manners.
 */
#include <config.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <gnutls/abstract.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "tests/unit/fake_agent.h"
#include "tests/unit/token_talk.h"

#define DAY       86400
#define STRANGER  54399
#define FILES_MAX 4
#define KEYS_MAX  4

static char home[80], certs[80], socket_path[80];
static struct certgen *ca, *sub, *alice, *newer, *expired, *future, *as_ca, *attested, *below;
static struct certgen *p384, *p521, *ed25519, *rsa, *nobody, *bad_name;

static void put(const char *folder, const char *name, const struct certgen *const *list,
		uid_t owner)
{
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(1 << 20);
	const struct mtls_file_mode mode = { .mode = 0644, .uid = owner, .gid = (gid_t)-1 };
	char path[256];

	for (; *list; list++) {
		gnutls_datum_t pem = certgen_pem(*list);
		assert_int_equal(mtls_buf_append(&out, pem.data, pem.size), 0);
		gnutls_free(pem.data);
	}
	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	assert_int_equal(mtls_file_replace(path, out.data, out.len, &mode, NULL), 0);
}

static void put_one(const char *folder, const char *name, const struct certgen *cert)
{
	const struct certgen *const list[] = { cert, NULL };
	put(folder, name, list, strcmp(folder, home) == 0 ? talk_person : geteuid());
}

static int empty_folders(void **state)
{
	char command[640];
	(void)state;
	(void)snprintf(command, sizeof(command),
		       "rm -rf %s %s %s; mkdir -m 0755 %s %s && chown %u %s", home, certs,
		       socket_path, home, certs, (unsigned int)talk_person, home);
	return system(command);
}

static void start_at(struct talk *talk, const char *path)
{
	const char *argv[] = {
		"mtls-signer-agent", "--source", "agent", "--socket", path, "--dir", home,
		"--certs",           certs,      NULL
	};
	talk_start(talk, argv);
}

/* The signer, after the list, and the agent behind it. */
static void start(struct talk *talk, struct fake_agent *agent)
{
	(void)unlink(socket_path);
	fake_agent_start(agent, talk_socket(socket_path, talk_person));
	start_at(talk, socket_path);
}

static void stop(struct talk *talk, struct fake_agent *agent)
{
	talk_stop(talk);
	fake_agent_stop(agent);
}

/* --- lists --- */

struct list_row {
	const char *name;
	enum fake_agent_manner manner;
	struct certgen *keys[KEYS_MAX]; /* in the agent */
	const char *others[KEYS_MAX];
	struct certgen *files[FILES_MAX]; /* one a file, in the person's folder */
	enum mtls_reason reason;
	size_t count;
	struct certgen *first; /* what is listed first */
	const char *detail;    /* a part of it; NULL: there is none */
};

static void check_row(const struct list_row *row)
{
	struct fake_agent agent = { .manner = row->manner, .others = row->others };
	struct talk talk;
	char name[16];

	(void)empty_folders(NULL);
	while (agent.key_count < KEYS_MAX && row->keys[agent.key_count]) {
		agent.keys[agent.key_count] = row->keys[agent.key_count];
		agent.key_count++;
	}
	for (size_t i = 0; i < FILES_MAX && row->files[i]; i++) {
		(void)snprintf(name, sizeof(name), "%zu.crt", i);
		put_one(home, name, row->files[i]);
	}
	start(&talk, &agent);
	if (talk.reason != row->reason ||
	    (row->reason == MTLS_REASON_ALLOWED ? talk_count(&talk) : 0) != row->count ||
	    (row->detail ? !strstr(talk.diag.text, row->detail) : talk.diag.text[0]))
		fail_msg("%s: %d, '%s'", row->name, (int)talk.reason, talk.diag.text);
	if (row->first) {
		const struct mtls_signer_credential *item = talk_item(&talk, 0);
		if (item->chain[0].len != row->first->der.size ||
		    memcmp(item->chain[0].data, row->first->der.data, item->chain[0].len) != 0)
			fail_msg("%s: another certificate: '%s'", row->name, item->label);
		assert_false(item->needs_secret);
		assert_string_equal(item->source, "agent");
	}
	stop(&talk, &agent);
	assert_int_equal(agent.connections, 1);
}

static void lists(void **state)
{
	const struct list_row rows[] = {
		/* clang-format off */
		{ "one", AGENT_HELPS, { alice }, { NULL }, { alice }, MTLS_REASON_ALLOWED, 1, alice, NULL },
		{ "several, in the agent's order", AGENT_HELPS, { ed25519, alice, p384, p521 }, { NULL }, { alice, p384, p521, ed25519 }, MTLS_REASON_ALLOWED, 4, ed25519, NULL },
		{ "twice in the agent", AGENT_HELPS, { alice, alice }, { NULL }, { alice }, MTLS_REASON_ALLOWED, 1, alice, NULL },
		{ "two certificates of a key: the newer", AGENT_HELPS, { alice }, { NULL }, { alice, newer }, MTLS_REASON_ALLOWED, 1, newer, NULL },
		{ "expired beside good", AGENT_HELPS, { alice }, { NULL }, { expired, alice }, MTLS_REASON_ALLOWED, 1, alice, NULL },
		{ "expired alone: the server says so", AGENT_HELPS, { alice }, { NULL }, { expired }, MTLS_REASON_ALLOWED, 1, expired, NULL },
		{ "an expired one of another key", AGENT_HELPS, { alice, ed25519 }, { NULL }, { expired, ed25519 }, MTLS_REASON_ALLOWED, 1, ed25519, NULL },
		{ "one of the future, and a good one of another key", AGENT_HELPS, { alice, ed25519 }, { NULL }, { future, ed25519 }, MTLS_REASON_ALLOWED, 1, ed25519, NULL },
		{ "of a CA", AGENT_HELPS, { alice }, { NULL }, { as_ca, alice }, MTLS_REASON_ALLOWED, 1, alice, NULL },
		{ "of a CA alone", AGENT_HELPS, { alice }, { NULL }, { as_ca }, MTLS_REASON_NO_CREDENTIAL, 0, NULL, "no certificate for the 1 usable key" },
		{ "attestation", AGENT_HELPS, { alice }, { NULL }, { attested, alice }, MTLS_REASON_ALLOWED, 1, alice, NULL },
		{ "attestation alone", AGENT_HELPS, { alice }, { NULL }, { attested }, MTLS_REASON_NO_CREDENTIAL, 0, NULL, "no certificate for the 1 usable key" },
		{ "a name that cannot be shown", AGENT_HELPS, { bad_name }, { NULL }, { bad_name }, MTLS_REASON_ALLOWED, 1, bad_name, NULL },
		{ "no certificate", AGENT_HELPS, { alice, ed25519 }, { NULL }, { nobody }, MTLS_REASON_NO_CREDENTIAL, 0, NULL, "no certificate for the 2 usable keys" },
		{ "beside others", AGENT_HELPS, { alice }, { "ssh-rsa", "sk-ssh-ed25519@openssh.com", "ssh-rsa" }, { alice }, MTLS_REASON_ALLOWED, 1, alice, "3 keys of the agent cannot be used for certificate login (RSA, FIDO)" },
		{ "others alone", AGENT_HELPS, { NULL }, { "ssh-rsa" }, { rsa }, MTLS_REASON_KEY_UNUSABLE, 0, NULL, "1 key of the agent cannot be used for certificate login (RSA)" },
		{ "damaged", AGENT_HELPS, { NULL }, { "ssh-ed25519" }, { alice }, MTLS_REASON_KEY_UNUSABLE, 0, NULL, "(damaged)" },
		{ "empty", AGENT_HELPS, { NULL }, { NULL }, { alice }, MTLS_REASON_NO_CREDENTIAL, 0, NULL, "the agent has no key" },
		{ "empty, of another make", AGENT_KNOWS_LITTLE, { NULL }, { NULL }, { alice }, MTLS_REASON_AGENT_REFUSED, 0, NULL, "shows no key" },
		{ "locked", AGENT_LOCKED, { alice }, { NULL }, { alice }, MTLS_REASON_AGENT_REFUSED, 0, NULL, "it is locked" },
		{ "does not say", AGENT_NO_LIST, { alice }, { NULL }, { alice }, MTLS_REASON_AGENT_REFUSED, 0, NULL, "does not say which keys it has" },
		{ "garbage", AGENT_GARBAGE, { alice }, { NULL }, { alice }, MTLS_REASON_AGENT_MISSING, 0, NULL, "not a list of an agent's keys" },
		{ "closes", AGENT_CLOSES, { alice }, { NULL }, { alice }, MTLS_REASON_AGENT_MISSING, 0, NULL, "closed" },
		{ "hangs", AGENT_HANGS, { alice }, { NULL }, { alice }, MTLS_REASON_AGENT_MISSING, 0, NULL, "imed out" },
		/* clang-format on */
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		check_row(&rows[i]);
}

static void says_who_it_is(void **state)
{
	struct fake_agent agent = { .keys = { below }, .key_count = 1 };
	const struct certgen *const chain[] = { below, sub, ca, NULL };
	struct talk talk;
	(void)state;
	put(home, "all.pem", chain, talk_person);
	start(&talk, &agent);
	const struct mtls_signer_credential *item = talk_item(&talk, 0);
	assert_string_equal(item->label, "below");
	assert_string_equal(item->issuer, "Issuing");
	assert_int_equal(item->not_after, gnutls_x509_crt_get_expiration_time(below->crt));
	assert_int_equal(item->key_type, MTLS_KEY_TYPE_ECDSA_P256);
	assert_int_equal(item->chain_count, 2);
	assert_int_equal(item->tries_left, MTLS_TRIES_UNKNOWN);
	/* The same again, without another question to the agent. */
	uint32_t id = item->id;
	talk_list(&talk);
	assert_int_equal(talk_count(&talk), 1);
	assert_int_equal(talk_item(&talk, 0)->id, id);
	enum mtls_presence presence = MTLS_PRESENCE_SECRET;
	assert_int_equal(talk_unlock(&talk, "word", &presence, &talk.tries), MTLS_REASON_ALLOWED);
	assert_int_equal(presence, MTLS_PRESENCE_NONE);
	stop(&talk, &agent);
	assert_int_equal(agent.lists, 1);

	(void)empty_folders(NULL);
	put_one(home, "a.crt", bad_name);
	agent = (struct fake_agent){ .keys = { bad_name }, .key_count = 1 };
	start(&talk, &agent);
	assert_string_equal(talk_item(&talk, 0)->label, "key"); /* the agent's comment */
	stop(&talk, &agent);
}

static bool status_has(pid_t pid, const char *line)
{
	char path[64], text[4096];

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	(void)fclose(file);
	return strstr(text, line) != NULL;
}

/* With an agent and without one: from the first list on nothing can be opened that is none of its.
 */
static void closes_the_door(void **state)
{
	struct fake_agent agent = { .keys = { alice }, .key_count = 1 };
	struct talk talk;
	(void)state;
	start(&talk, &agent);
	assert_true(status_has(talk.process.pid, "Seccomp:\t2\n"));
	stop(&talk, &agent);
	(void)unlink(socket_path);
	start_at(&talk, socket_path);
	assert_true(status_has(talk.process.pid, "Seccomp:\t2\n"));
	talk_stop(&talk);
}

static void finds_the_administrators(void **state)
{
	struct fake_agent agent = { .keys = { alice, ed25519 }, .key_count = 2 };
	char hex[65], name[80];
	uint8_t id[32];
	size_t size = sizeof(id);
	struct talk talk;
	(void)state;
	if (geteuid() != 0) {
		print_message("certs.d counts only if it is root's\n");
		skip();
	}
	assert_int_equal(gnutls_x509_crt_get_key_id(alice->crt, GNUTLS_KEYID_USE_SHA256, id, &size),
			 0);
	mtls_hex_encode(id, size, hex);
	(void)snprintf(name, sizeof(name), "%s.crt", hex);
	put_one(certs, name, newer);
	put_one(certs, "ed.pem", ed25519);
	put_one(home, "a.crt", alice);
	start(&talk, &agent);
	assert_int_equal(talk_count(&talk), 2);
	assert_string_equal(talk_item(&talk, 0)->label, "newer");
	assert_string_equal(talk_item(&talk, 1)->label, "ed25519");
	stop(&talk, &agent);
}

/* More keys with certificates than a list may have, the good one behind the others. */
static void keeps_the_good_one(void **state)
{
	struct fake_agent agent = { .key_count = FAKE_AGENT_KEYS };
	int64_t now = time(NULL);
	struct talk talk;
	char name[16];
	(void)state;
	for (size_t i = 0; i < FAKE_AGENT_KEYS; i++) {
		const struct certgen_options options = {
			.dn = "CN=old",
			.not_before = now - 500,
			.not_after = i + 1 < FAKE_AGENT_KEYS ? now - 100 : now + DAY,
		};
		agent.keys[i] = certgen_new(&options, ca);
		(void)snprintf(name, sizeof(name), "%02zu.crt", i);
		put_one(home, name, agent.keys[i]);
	}
	start(&talk, &agent);
	assert_int_equal(talk_count(&talk), 1);
	assert_int_equal(talk_item(&talk, 0)->not_after, now + DAY);
	stop(&talk, &agent);
	for (size_t i = 0; i < FAKE_AGENT_KEYS; i++)
		certgen_free((struct certgen *)(uintptr_t)agent.keys[i]);
}

/* --- signatures --- */

static const struct {
	enum mtls_sign_scheme scheme;
	gnutls_sign_algorithm_t algorithm;
} schemes[] = {
	{ MTLS_SIGN_ECDSA_P256_SHA256, GNUTLS_SIGN_ECDSA_SECP256R1_SHA256 },
	{ MTLS_SIGN_ECDSA_P384_SHA384, GNUTLS_SIGN_ECDSA_SECP384R1_SHA384 },
	{ MTLS_SIGN_ECDSA_P521_SHA512, GNUTLS_SIGN_ECDSA_SECP521R1_SHA512 },
	{ MTLS_SIGN_ED25519, GNUTLS_SIGN_EDDSA_ED25519 },
};

static bool verifies(const struct certgen *cert, size_t scheme, uint8_t *signature, size_t len)
{
	uint8_t content[TALK_CONTENT_LEN];
	const gnutls_datum_t data = { content, sizeof(content) },
			     made = { signature, (unsigned int)len };
	gnutls_pubkey_t key;

	talk_content("TLS 1.3, client CertificateVerify", content);
	assert_int_equal(gnutls_pubkey_init(&key), 0);
	assert_int_equal(gnutls_pubkey_import_x509(key, cert->crt, 0), 0);
	int r = gnutls_pubkey_verify_data2(key, schemes[scheme].algorithm, 0, &data, &made);
	gnutls_pubkey_deinit(key);
	return r >= 0;
}

static void signs(void **state)
{
	struct certgen *const keys[] = { alice, p384, p521, ed25519 };
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(keys); i++) {
		struct fake_agent agent = { .keys = { keys[i] }, .key_count = 1 };
		struct talk talk;
		uint8_t signature[512];
		put_one(home, "a.crt", keys[i]);
		start(&talk, &agent);
		/* Numbers of all lengths and with either first bit come up. */
		for (int round = 0; round < 40; round++) {
			size_t len = sizeof(signature);
			assert_int_equal(talk_sign(&talk, schemes[i].scheme, signature, &len),
					 MTLS_REASON_ALLOWED);
			assert_true(verifies(keys[i], i, signature, len));
		}
		for (size_t k = 0; k < MTLS_COUNT(schemes); k++) {
			size_t len = sizeof(signature);
			if (k != i)
				assert_int_equal(
					talk_sign(&talk, schemes[k].scheme, signature, &len),
					MTLS_REASON_KEY_UNUSABLE);
		}
		stop(&talk, &agent);
		assert_int_equal(agent.signatures, 40);
	}
}

static void signs_for_logins_only(void **state)
{
	static const char *const contexts[] = { "TLS 1.3, server CertificateVerify",
						"TLS 1.3, client CertificateVerifx" };
	struct fake_agent agent = { .keys = { alice }, .key_count = 1 };
	struct talk talk;
	uint8_t signature[512];
	size_t len = sizeof(signature);
	(void)state;
	put_one(home, "a.crt", alice);
	start(&talk, &agent);
	for (size_t i = 0; i < MTLS_COUNT(contexts); i++)
		assert_int_equal(talk_sign_text(&talk, MTLS_SIGN_ECDSA_P256_SHA256, contexts[i],
						signature, &len),
				 MTLS_REASON_BAD_REQUEST);
	assert_int_equal(signer_client_sign(talk.client, 7, MTLS_SIGN_ECDSA_P256_SHA256,
					    (const uint8_t *)"x", 1, signature, &len, 20000, NULL),
			 MTLS_REASON_NO_CREDENTIAL);
	stop(&talk, &agent);
	assert_int_equal(agent.signatures, 0);
}

static void refuses_to_sign(void **state)
{
	static const struct {
		enum fake_agent_manner manner;
		uint32_t timeout_ms;
		enum mtls_reason want;
	} rows[] = {
		{ AGENT_NO_SIGNATURE, TALK_TIMEOUT_MS, MTLS_REASON_AGENT_REFUSED },
		{ AGENT_CLOSES_AT_SIGNATURE, TALK_TIMEOUT_MS, MTLS_REASON_AGENT_MISSING },
		{ AGENT_GARBAGE_SIGNATURE, TALK_TIMEOUT_MS, MTLS_REASON_AGENT_MISSING },
		{ AGENT_HANGS_AT_SIGNATURE, 300, MTLS_REASON_SIGNER_TIMEOUT },
		{ AGENT_OTHER_SIGNATURE, TALK_TIMEOUT_MS, MTLS_REASON_ALLOWED }, /* the server's */
	};
	(void)state;
	put_one(home, "a.crt", alice);
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct fake_agent agent = { .manner = rows[i].manner,
					    .keys = { alice },
					    .key_count = 1 };
		struct talk talk;
		uint8_t signature[512];
		size_t len = sizeof(signature);
		start(&talk, &agent);
		talk_timeout_ms = rows[i].timeout_ms;
		enum mtls_reason reason =
			talk_sign(&talk, MTLS_SIGN_ECDSA_P256_SHA256, signature, &len);
		talk_timeout_ms = TALK_TIMEOUT_MS;
		if (reason != rows[i].want)
			fail_msg("manner %d: %d", (int)rows[i].manner, (int)reason);
		stop(&talk, &agent);
	}
}

/* --- the socket --- */

static void takes_own_sockets_only(void **state)
{
	struct fake_agent agent = { .keys = { alice }, .key_count = 1 };
	struct talk talk;
	(void)state;
	put_one(home, "a.crt", alice);
	start_at(&talk, socket_path);
	assert_int_equal(talk.reason, MTLS_REASON_AGENT_MISSING);
	assert_non_null(strstr(talk.diag.text, socket_path));
	talk_stop(&talk);
	start_at(&talk, "agent");
	assert_int_equal(talk.reason, MTLS_REASON_SIGNER_FAILED); /* the path has to be absolute */
	talk_stop(&talk);
	start_at(&talk, home);
	assert_int_equal(talk.reason, MTLS_REASON_SOCKET_UNTRUSTED);
	talk_stop(&talk);
	if (geteuid() != 0)
		return;
	fake_agent_start(&agent, talk_socket(socket_path, STRANGER));
	start_at(&talk, socket_path);
	assert_int_equal(talk.reason, MTLS_REASON_SOCKET_UNTRUSTED);
	stop(&talk, &agent);
	assert_int_equal(agent.connections, 0);
}

static int make_certificates(void **state)
{
	int64_t now = time(NULL);
	static const struct certgen_ext attestation = { "1.3.6.1.4.1.41482.3.7", "\x02\x01\x05", 3,
							false };
	const struct {
		struct certgen **ret;
		struct certgen_options options;
		bool of_alice;
	} rows[] = {
		{ &alice, { .dn = "CN=alice" }, false },
		{ &newer, { .dn = "CN=newer", .not_before = now - 60 }, true },
		{ &expired,
		  { .dn = "CN=expired", .not_before = now - 500, .not_after = now - 10 },
		  true },
		{ &future, { .dn = "CN=future", .not_before = now + 3600 }, true },
		{ &as_ca, { .dn = "CN=as-ca", .ca = true, .not_before = now - 50 }, true },
		{ &attested,
		  { .dn = "CN=att", .not_before = now - 50, .ext = { attestation } },
		  true },
		{ &p384, { .dn = "CN=p384", .key = CERTGEN_P384 }, false },
		{ &p521, { .dn = "CN=p521", .key = CERTGEN_P521 }, false },
		{ &ed25519, { .dn = "CN=ed25519", .key = CERTGEN_ED25519 }, false },
		{ &rsa, { .dn = "CN=rsa", .key = CERTGEN_RSA2048 }, false },
		{ &nobody, { .dn = "CN=nobody" }, false },
		{ &bad_name, { .raw_cn = "a\nb", .raw_cn_len = 3 }, false },
	};
	(void)state;
	ca = certgen_new(&(struct certgen_options){ .dn = "CN=Root", .ca = true }, NULL);
	sub = certgen_new(&(struct certgen_options){ .dn = "CN=Issuing", .ca = true }, ca);
	below = certgen_new(&(struct certgen_options){ .dn = "CN=below" }, sub);
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct certgen_options options = rows[i].options;
		options.same_key = rows[i].of_alice ? alice : NULL;
		*rows[i].ret = certgen_new(&options, ca);
	}
	return 0;
}

static int set_up(void **state)
{
	if (talk_set_up("mtls-signer-agent") < 0)
		return -1;
	(void)snprintf(home, sizeof(home), "%s/home", talk_base);
	(void)snprintf(certs, sizeof(certs), "%s/certs.d", talk_base);
	(void)snprintf(socket_path, sizeof(socket_path), "%s/agent", talk_base);
	return make_certificates(state);
}

static int tear_down(void **state)
{
	struct certgen *all[] = { alice,   newer, expired, future,   as_ca, attested, p384, p521,
				  ed25519, rsa,   nobody,  bad_name, below, sub,      ca };
	for (size_t i = 0; i < MTLS_COUNT(all); i++)
		certgen_free(all[i]);
	return talk_tear_down(state);
}

#define TEST(name) cmocka_unit_test_setup(name, empty_folders)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lists),
		TEST(says_who_it_is),
		TEST(closes_the_door),
		TEST(finds_the_administrators),
		TEST(keeps_the_good_one),
		TEST(signs),
		TEST(signs_for_logins_only),
		TEST(refuses_to_sign),
		TEST(takes_own_sockets_only),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
