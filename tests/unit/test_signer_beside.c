/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The source `file` with keys in one file and their certificates in another: in the person's folder
 * or in the administrator's. In this process, without the program around it.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "signer/beside.h"
#include "signer/source.h"
#include "tests/unit/keyfiles.h"

#define SECRET    "correct horse"
#define FILES_MAX 6

static char base[] = "/tmp/mtls_beside.XXXXXX";
static struct certgen *ca, *sub, *alice, *newer, *expired, *older, *future, *below, *other;

enum content {
	KEY_PLAIN = 1,
	KEY_LOCKED,
	PEM_LOCKED,         /* with the certificate alice */
	PEM_LOCKED_EXPIRED, /* with the certificate expired */
	PEM_PLAIN,
	P12,
	P12_EXPIRED,
	CERT_ALICE,
	CERT_NEWER,
	CERT_EXPIRED,
	CERT_OLDER, /* expired before */
	CERT_FUTURE,
	CERT_BELOW, /* with its issuer, which the CA has issued */
	CERT_OTHER,
	CERT_DER,
	CERT_SEVERAL, /* expired, newer, alice */
	KEY_AND_CERT,
	KEY_OTHER,
	GARBAGE,
};

static void build_key(enum content content, struct mtls_buf *out)
{
	const struct keyfile_p12 p12 = {
		.cert = content == P12_EXPIRED ? expired : alice,
		.secret = SECRET,
	};

	if (content == PEM_LOCKED || content == PEM_PLAIN || content == KEY_AND_CERT)
		keyfile_cert(out, alice);
	if (content == PEM_LOCKED_EXPIRED)
		keyfile_cert(out, expired);
	if (content == KEY_LOCKED || content == PEM_LOCKED || content == PEM_LOCKED_EXPIRED)
		keyfile_encrypted(out, alice, SECRET);
	if (content == KEY_PLAIN || content == PEM_PLAIN || content == KEY_AND_CERT)
		keyfile_plain(out, alice);
	if (content == KEY_OTHER)
		keyfile_plain(out, other);
	if (content == P12 || content == P12_EXPIRED)
		keyfile_pkcs12(out, &p12);
}

static void build(enum content content, struct mtls_buf *out)
{
	struct certgen *const certs[] = {
		[CERT_ALICE] = alice, [CERT_NEWER] = newer,     [CERT_EXPIRED] = expired,
		[CERT_OLDER] = older, [CERT_FUTURE] = future,   [CERT_BELOW] = below,
		[CERT_OTHER] = other, [CERT_SEVERAL] = expired,
	};

	build_key(content, out);
	if (content < MTLS_COUNT(certs) && certs[content])
		keyfile_cert(out, certs[content]);
	if (content == CERT_BELOW)
		keyfile_cert(out, sub);
	if (content == CERT_SEVERAL) {
		keyfile_cert(out, newer);
		keyfile_cert(out, alice);
	}
	if (content == CERT_DER)
		(void)mtls_buf_append(out, alice->der.data, alice->der.size);
	if (content == GARBAGE)
		(void)mtls_buf_append_str(out, "-----BEGIN CERTIFICATE-----\n!\n");
}

static const char *at(const char *name)
{
	static char path[4096];
	(void)snprintf(path, sizeof(path), "%s/%s", base, name);
	return path;
}

static void put(const char *name, enum content content, mode_t mode)
{
	_cleanup_buf_ struct mtls_buf buf = MTLS_BUF(1 << 20);
	const struct mtls_file_mode how = { .mode = mode, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	build(content, &buf);
	assert_int_equal(mtls_file_replace(at(name), buf.data, buf.len, &how, NULL), 0);
}

static int empty_folders(void **state)
{
	char command[256];
	(void)state;
	(void)snprintf(
		command, sizeof(command),
		"cd %s && rm -rf home certs.d && mkdir -m 0700 home && mkdir -m 0755 certs.d",
		base);
	return system(command);
}

/* "certs.d/DIGEST.crt" stands for the name by alice's key. */
static const char *file_name(const char *name)
{
	static char out[128];
	uint8_t id[LEAF_KEY_ID_LEN];
	size_t size = sizeof(id);
	char hex[2 * LEAF_KEY_ID_LEN + 1];

	if (!strstr(name, "DIGEST"))
		return name;
	assert_int_equal(gnutls_x509_crt_get_key_id(alice->crt, GNUTLS_KEYID_USE_SHA256, id, &size),
			 0);
	mtls_hex_encode(id, size, hex);
	(void)snprintf(out, sizeof(out), "certs.d/%s.crt", hex);
	return out;
}

/* --- a source, and what it lists --- */

struct listed {
	void *source;
	size_t count;
	char labels[4][64];
	uint8_t leaf[MTLS_CERT_MAX];
	size_t leaf_len; /* of the first one */
	size_t chain;
	bool needs_secret;
	uint32_t id;
	enum mtls_reason reason;
	struct mtls_buf detail;
};

static int take(void *ctx, const struct mtls_signer_credential *credential)
{
	struct listed *listed = ctx;

	assert_true(listed->count < MTLS_COUNT(listed->labels));
	(void)snprintf(listed->labels[listed->count], sizeof(listed->labels[0]), "%s",
		       credential->label);
	if (listed->count++ > 0)
		return 0;
	listed->id = credential->id;
	listed->needs_secret = credential->needs_secret;
	listed->chain = credential->chain_count;
	listed->leaf_len = 0;
	if (credential->chain_count) {
		listed->leaf_len = credential->chain[0].len;
		memcpy(listed->leaf, credential->chain[0].data, listed->leaf_len);
	}
	return 0;
}

static void list(struct listed *listed)
{
	listed->count = 0;
	mtls_buf_done(&listed->detail);
	mtls_buf_init(&listed->detail, SOURCE_DETAIL_MAX, false);
	assert_int_equal(source_file_ops.list(listed->source, take, listed, &listed->reason,
					      &listed->detail),
			 0);
	assert_int_equal(mtls_buf_append(&listed->detail, "", 1), 0);
}

static void open_source(struct listed *listed)
{
	static char home[64], certs[64];
	struct source_args args = {
		.owner = geteuid(),
		.group = getegid(),
		.now = time(NULL),
		.certs = certs,
		.certs_owner = geteuid(),
	};

	(void)snprintf(home, sizeof(home), "%s/home", base);
	(void)snprintf(certs, sizeof(certs), "%s/certs.d", base);
	args.paths[args.path_count++] = (struct source_path){ .path = home, .folder = true };
	assert_int_equal(source_file_ops.open(&args, &listed->source, NULL), 0);
	list(listed);
}

static void close_source(struct listed *listed)
{
	source_file_ops.close(listed->source);
	mtls_buf_done(&listed->detail);
}

static enum mtls_reason unlock(struct listed *listed)
{
	uint8_t secret[] = SECRET;
	const struct mtls_signer_unlock message = {
		.id = listed->id,
		.secret = { .data = secret, .len = sizeof(secret) - 1 },
	};
	struct mtls_signer_unlocked answer;

	source_file_ops.unlock(listed->source, &message, &answer);
	return answer.reason;
}

static void check_leaf(const char *row, const struct listed *listed, const struct certgen *want)
{
	if (listed->leaf_len != want->der.size ||
	    memcmp(listed->leaf, want->der.data, want->der.size) != 0)
		fail_msg("%s: another certificate (of %zu), '%s', '%s'", row, listed->count,
			 listed->labels[0], (const char *)listed->detail.data);
}

struct file {
	const char *name;
	enum content content;
};

static void make_files(const struct file *files)
{
	for (size_t i = 0; i < FILES_MAX && files[i].name; i++) {
		bool secret = files[i].content < CERT_ALICE || files[i].content > CERT_SEVERAL;
		put(file_name(files[i].name), files[i].content, secret ? 0600 : 0644);
	}
}

static void matches_by_key(void **state)
{
	const struct {
		const char *name;
		struct file files[FILES_MAX];
		const struct certgen *shown; /* before the secret; NULL: hidden */
		bool locked;
		const struct certgen *used; /* with the key open */
		size_t chain;
	} rows[] = {
		/* clang-format off */
		{ "plain key, certificate in the folder", { { "home/a.pem", KEY_PLAIN }, { "home/b.crt", CERT_ALICE } }, alice, false, alice, 1 },
		{ "plain key *.key of another name", { { "home/a.key", KEY_PLAIN }, { "home/b.crt", CERT_ALICE } }, alice, false, alice, 1 },
		{ "plain key, certificate in certs.d", { { "home/a.key", KEY_PLAIN }, { "certs.d/alice.crt", CERT_ALICE } }, alice, false, alice, 1 },
		{ "the same by digest", { { "home/a.key", KEY_PLAIN }, { "certs.d/DIGEST", CERT_ALICE } }, alice, false, alice, 1 },
		{ "in DER", { { "home/a.key", KEY_PLAIN }, { "certs.d/alice.cer", CERT_DER } }, alice, false, alice, 1 },
		{ "encrypted key alone: known with the secret only", { { "home/a.key", KEY_LOCKED }, { "certs.d/alice.crt", CERT_ALICE } }, NULL, true, alice, 1 },
		{ "encrypted key alone, by digest", { { "home/a.pem", KEY_LOCKED }, { "certs.d/DIGEST", CERT_ALICE } }, NULL, true, alice, 1 },
		{ "encrypted key, its own certificate, a newer one in certs.d", { { "home/a.pem", PEM_LOCKED }, { "certs.d/DIGEST", CERT_NEWER } }, newer, true, newer, 1 },
		{ "its own is the newer one", { { "home/a.pem", PEM_LOCKED }, { "certs.d/x.crt", CERT_EXPIRED } }, alice, true, alice, 1 },
		{ "encrypted key with an expired certificate, a good one beside", { { "home/a.pem", PEM_LOCKED_EXPIRED }, { "home/b.crt", CERT_ALICE } }, alice, true, alice, 1 },
		{ "PKCS#12 with a newer certificate beside", { { "home/a.p12", P12 }, { "home/b.crt", CERT_NEWER } }, NULL, true, newer, 1 },
		{ "PKCS#12 with an expired certificate, a good one in certs.d", { { "home/a.p12", P12_EXPIRED }, { "certs.d/DIGEST", CERT_ALICE } }, NULL, true, alice, 1 },
		{ "several: the newest that is valid", { { "home/a.key", KEY_PLAIN }, { "certs.d/1.crt", CERT_ALICE }, { "certs.d/2.crt", CERT_NEWER }, { "certs.d/3.crt", CERT_FUTURE }, { "certs.d/4.crt", CERT_EXPIRED } }, newer, false, newer, 1 },
		{ "several in one file", { { "home/a.key", KEY_PLAIN }, { "certs.d/1.crt", CERT_SEVERAL } }, newer, false, newer, 1 },
		{ "an expired one if there is no other, the last to end", { { "home/a.key", KEY_PLAIN }, { "certs.d/1.crt", CERT_OLDER }, { "certs.d/2.crt", CERT_EXPIRED } }, expired, false, expired, 1 },
		{ "with its issuer from the same file", { { "home/a.key", KEY_PLAIN }, { "certs.d/1.crt", CERT_BELOW } }, below, false, below, 2 },
		{ "others' certificates are passed over", { { "home/a.key", KEY_PLAIN }, { "certs.d/1.crt", CERT_OTHER }, { "certs.d/2.crt", CERT_ALICE } }, alice, false, alice, 1 },
		{ "a pair of one name, with a newer one beside", { { "home/a.crt", CERT_ALICE }, { "home/a.key", KEY_LOCKED }, { "home/b.crt", CERT_NEWER } }, newer, true, newer, 1 },
		{ "a key whose namesake is another's, with its own beside", { { "home/a.crt", CERT_OTHER }, { "home/a.key", KEY_PLAIN }, { "home/b.crt", CERT_ALICE } }, alice, false, alice, 1 },
		/* clang-format on */
	};
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct listed listed = { 0 };
		assert_int_equal(empty_folders(state), 0);
		make_files(rows[i].files);
		open_source(&listed);
		if (listed.reason != MTLS_REASON_ALLOWED || listed.count != 1 ||
		    listed.needs_secret != rows[i].locked ||
		    (listed.chain == 0) != (rows[i].shown == NULL))
			fail_msg("%s: %d, %zu listed, '%s', '%s'", rows[i].name, (int)listed.reason,
				 listed.count, listed.labels[0], (const char *)listed.detail.data);
		if (rows[i].shown)
			check_leaf(rows[i].name, &listed, rows[i].shown);
		enum mtls_reason reason = unlock(&listed);
		if (reason != MTLS_REASON_ALLOWED)
			fail_msg("%s: unlock: %d", rows[i].name, (int)reason);
		list(&listed);
		check_leaf(rows[i].name, &listed, rows[i].used);
		assert_int_equal(listed.chain, rows[i].chain);
		close_source(&listed);
	}
}

static void refuses(void **state)
{
	const struct {
		const char *name;
		struct file files[FILES_MAX];
		size_t listed;
		enum mtls_reason want;   /* of the list */
		enum mtls_reason unlock; /* where something is listed */
		const char *text;        /* in the detail; "": nothing is said */
	} rows[] = {
		{ "certificate without a key",
		  { { "home/a.crt", CERT_ALICE } },
		  0,
		  MTLS_REASON_NO_CREDENTIAL,
		  0,
		  "no private key in it, and none" },
		{ "certificate without a key, beside a good credential",
		  { { "home/a.crt", CERT_OTHER }, { "home/b.pem", PEM_PLAIN } },
		  1,
		  MTLS_REASON_ALLOWED,
		  MTLS_REASON_ALLOWED,
		  "a.crt': no private key in it" },
		{ "in certs.d nobody wonders",
		  { { "certs.d/a.crt", CERT_OTHER }, { "home/b.pem", PEM_PLAIN } },
		  1,
		  MTLS_REASON_ALLOWED,
		  MTLS_REASON_ALLOWED,
		  "" },
		{ "certs.d alone makes no credential",
		  { { "certs.d/a.crt", CERT_ALICE } },
		  0,
		  MTLS_REASON_NO_CREDENTIAL,
		  0,
		  "no *.pem" },
		{ "plain key, another's certificate",
		  { { "home/a.key", KEY_PLAIN }, { "certs.d/a.crt", CERT_OTHER } },
		  0,
		  MTLS_REASON_KEY_UNUSABLE,
		  0,
		  "no certificate in it, and none for its key" },
		{ "encrypted key, another's certificate: seen with the secret",
		  { { "home/a.key", KEY_LOCKED }, { "certs.d/a.crt", CERT_OTHER } },
		  1,
		  MTLS_REASON_ALLOWED,
		  MTLS_REASON_KEY_UNUSABLE,
		  "" },
		{ "encrypted key, no certificate anywhere",
		  { { "home/a.key", KEY_LOCKED } },
		  0,
		  MTLS_REASON_KEY_UNUSABLE,
		  0,
		  "no certificate in it, and none for its key" },
		{ "a private key in certs.d",
		  { { "home/a.key", KEY_PLAIN }, { "certs.d/a.pem", KEY_AND_CERT } },
		  0,
		  MTLS_REASON_KEY_UNUSABLE,
		  0,
		  "certs.d/a.pem': it holds a private key" },
		{ "rubbish in certs.d",
		  { { "home/a.pem", PEM_PLAIN }, { "certs.d/a.crt", GARBAGE } },
		  1,
		  MTLS_REASON_ALLOWED,
		  MTLS_REASON_ALLOWED,
		  "certs.d/a.crt': a certificate" },
		{ "rubbish under the key's digest",
		  { { "home/a.pem", PEM_PLAIN }, { "certs.d/DIGEST", GARBAGE } },
		  1,
		  MTLS_REASON_ALLOWED,
		  MTLS_REASON_ALLOWED,
		  "a certificate cannot be read" },
	};
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct listed listed = { 0 };
		assert_int_equal(empty_folders(state), 0);
		make_files(rows[i].files);
		open_source(&listed);
		const char *detail = (const char *)listed.detail.data;
		if (listed.reason != rows[i].want || listed.count != rows[i].listed ||
		    !strstr(detail, rows[i].text) || (!rows[i].text[0] && detail[0]))
			fail_msg("%s: %d, %zu listed, '%s'", rows[i].name, (int)listed.reason,
				 listed.count, detail);
		enum mtls_reason reason = listed.count ? unlock(&listed) : 0;
		if (reason != rows[i].unlock)
			fail_msg("%s: unlock: %d", rows[i].name, (int)reason);
		close_source(&listed);
	}
}

/* --- owner, mode, number --- */

static void link_away(const char *path)
{
	char target[128];
	(void)snprintf(target, sizeof(target), "%s.away", path);
	assert_int_equal(rename(path, target), 0);
	assert_int_equal(symlink(target, path), 0);
}

static void writable(const char *path)
{
	assert_int_equal(chmod(path, 0664), 0);
}

static void folder_writable(const char *path)
{
	(void)path;
	assert_int_equal(chmod(at("certs.d"), 0777), 0);
}

static void strangers(const char *path)
{
	if (geteuid() == 0)
		assert_int_equal(chown(path, 54399, (gid_t)-1), 0);
	else
		assert_int_equal(chmod(path, 0666), 0);
}

static void fifo(const char *path)
{
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
}

static void believes_the_administrator_only(void **state)
{
	static const struct {
		const char *name;
		void (*spoil)(const char *path);
	} rows[] = {
		{ "symbolic link", link_away },
		{ "writable by the group", writable },
		{ "folder for all", folder_writable },
		{ "another's", strangers },
		{ "FIFO", fifo },
	};
	static const char *const names[] = { "certs.d/alice.crt", "certs.d/DIGEST" };
	for (size_t i = 0; i < MTLS_COUNT(rows) * MTLS_COUNT(names); i++) {
		const char *name = names[i % MTLS_COUNT(names)];
		size_t row = i / MTLS_COUNT(names);
		struct listed listed = { 0 };
		assert_int_equal(empty_folders(state), 0);
		put("home/a.key", KEY_PLAIN, 0600);
		put(file_name(name), CERT_ALICE, 0644);
		_cleanup_free_ char *path = strdup(at(file_name(name)));
		assert_non_null(path);
		rows[row].spoil(path);
		open_source(&listed);
		if (listed.count || listed.reason != MTLS_REASON_KEY_UNUSABLE ||
		    !strstr((const char *)listed.detail.data, "certs.d/"))
			fail_msg("%s, %s: %zu listed, '%s'", rows[row].name, name, listed.count,
				 (const char *)listed.detail.data);
		close_source(&listed);
	}
}

static void reads_so_many_files(void **state)
{
	char name[32];
	struct listed listed = { 0 };
	(void)state;
	put("home/a.key", KEY_PLAIN, 0600);
	for (int i = 0; i <= BESIDE_NAMED_MAX; i++) {
		(void)snprintf(name, sizeof(name), "certs.d/%03d.crt", i);
		put(name, i == BESIDE_NAMED_MAX ? CERT_NEWER : CERT_ALICE, 0644);
	}
	open_source(&listed);
	assert_non_null(strstr((const char *)listed.detail.data, "more than 64 files"));
	check_leaf("the 65th is not read", &listed, alice);
	close_source(&listed);

	/* One that is named by its key does not count among them. */
	put(file_name("certs.d/DIGEST"), CERT_NEWER, 0644);
	listed = (struct listed){ 0 };
	open_source(&listed);
	check_leaf("by digest", &listed, newer);
	close_source(&listed);
}

/* What was listed is what is used, whatever the administrator does meanwhile. */
static void stays_as_listed(void **state)
{
	struct listed listed = { 0 };
	(void)state;
	put("home/a.pem", PEM_LOCKED, 0600);
	open_source(&listed);
	put(file_name("certs.d/DIGEST"), CERT_NEWER, 0644);
	assert_int_equal(unlock(&listed), MTLS_REASON_ALLOWED);
	list(&listed);
	check_leaf("after an unlock", &listed, alice);
	close_source(&listed);
}

static void two_keys_two_certificates(void **state)
{
	struct listed listed = { 0 };
	(void)state;
	put("home/a.key", KEY_PLAIN, 0600);
	put("home/b.key", KEY_OTHER, 0600);
	put("certs.d/1.crt", CERT_OTHER, 0644);
	put("certs.d/2.crt", CERT_ALICE, 0644);
	open_source(&listed);
	assert_int_equal(listed.count, 2);
	assert_string_equal(listed.labels[0], "alice");
	assert_string_equal(listed.labels[1], "other");
	close_source(&listed);
}

static int set_up(void **state)
{
	int64_t now = time(NULL);
	struct certgen_options root = { .dn = "CN=Root", .ca = true };
	struct certgen_options issuing = { .dn = "CN=Issuing", .ca = true };
	struct certgen_options o[] = {
		{ .dn = "CN=alice" },
		{ .dn = "CN=newer", .not_before = now - 60 },
		{ .dn = "CN=expired", .not_before = now - 500, .not_after = now - 10 },
		{ .dn = "CN=older", .not_before = now - 900, .not_after = now - 600 },
		{ .dn = "CN=future", .not_before = now + 3600, .not_after = now + 7200 },
		{ .dn = "CN=below", .not_before = now - 30 },
		{ .dn = "CN=other" },
	};
	struct certgen **certs[] = { &alice, &newer, &expired, &older, &future, &below, &other };
	(void)state;
	if (!mkdtemp(base) || chmod(base, 0755) < 0)
		return -1;
	ca = certgen_new(&root, NULL);
	sub = certgen_new(&issuing, ca);
	for (size_t i = 0; i < MTLS_COUNT(o); i++) {
		o[i].same_key = i && i + 1 < MTLS_COUNT(o) ? alice : NULL;
		*certs[i] = certgen_new(&o[i], certs[i] == &below ? sub : ca);
	}
	return 0;
}

static int tear_down(void **state)
{
	struct certgen *all[] = { ca, sub, alice, newer, expired, older, future, below, other };
	char command[64];
	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf %s", base);
	int r = system(command);
	for (size_t i = 0; i < MTLS_COUNT(all); i++)
		certgen_free(all[i]);
	return r;
}

#define TEST(name) cmocka_unit_test_setup(name, empty_folders)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(matches_by_key),
		TEST(refuses),
		TEST(believes_the_administrator_only),
		TEST(reads_so_many_files),
		TEST(stays_as_listed),
		TEST(two_keys_two_certificates),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
