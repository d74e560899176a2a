/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The program mtls-signer, started as pam_mtls starts it and asked by its client library: files of
 * every kind and condition, unlocking, signing, its end, its sandbox. As root it runs under another
 * user, as it would.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>
#include <gnutls/abstract.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "signer/client.h"
#include "signer/sandbox.h"
#include "signer/start.h"
#include "tests/unit/keyfiles.h"

#define SECRET     "correct horse"
#define TIMEOUT_MS 20000
#define PERSON     54321
#define STRANGER   54399

static char base[] = "/tmp/mtls_signer.XXXXXX";
static char program[64];
static char folder[64]; /* the person's; emptied before each test */
static uid_t person;
static struct certgen *ca, *alice, *other, *expired;

/* --- a person's folder --- */

static char *path_of(const char *name)
{
	static char path[4096];
	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void put(const char *name, const void *data, size_t len, mode_t mode)
{
	const char *path = path_of(name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(mtls_fd_write_all(fd, data, len), 0);
	assert_int_equal(fchown(fd, person, (gid_t)-1), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(close(fd), 0);
}

enum content {
	PLAIN,
	ENCRYPTED,
	PKCS12,
	PKCS12_OPEN,
	PKCS12_MAC_ONLY,
	CERT,
	KEY,
	FOREIGN,
	EXPIRED,
	GARBAGE,
	EMPTY,
	MISPLACED,
};

static void build(enum content content, struct mtls_buf *out)
{
	struct keyfile_p12 p12 = { .cert = alice, .issuer = ca, .secret = SECRET };

	if (content == MISPLACED)
		keyfile_cert(out, ca);
	if (content == PLAIN || content == ENCRYPTED || content == CERT || content == FOREIGN ||
	    content == MISPLACED)
		keyfile_cert(out, alice);
	if (content == PLAIN)
		keyfile_plain(out, alice);
	if (content == ENCRYPTED || content == KEY || content == MISPLACED)
		keyfile_encrypted(out, alice, SECRET);
	if (content == FOREIGN)
		keyfile_plain(out, other);
	if (content == EXPIRED) {
		keyfile_cert(out, expired);
		keyfile_plain(out, expired);
	}
	if (content == GARBAGE)
		(void)mtls_buf_append_str(out, "-----BEGIN CERTIFICATE-----\n!\n");
	if (content == PKCS12_OPEN)
		p12.secret = "";
	p12.clear_key = p12.clear_certs = content == PKCS12_MAC_ONLY;
	if (content == PKCS12 || content == PKCS12_OPEN || content == PKCS12_MAC_ONLY)
		keyfile_pkcs12(out, &p12);
}

static void put_key(const char *name, enum content content, mode_t mode)
{
	_cleanup_buf_ struct mtls_buf buf = MTLS_BUF(1 << 20);
	build(content, &buf);
	put(name, buf.data ? buf.data : (const uint8_t *)"", buf.len, mode);
}

static int empty_folder(void **state)
{
	(void)state;
	char command[256];
	(void)snprintf(command, sizeof(command), "find %s -mindepth 1 -delete && chmod 700 %s",
		       folder, folder);
	return system(command);
}

/* --- a conversation --- */

struct talk {
	struct signer_process process;
	struct signer_client *client;
	enum mtls_reason reason; /* of the list */
	struct mtls_diag diag;
};

static void start_with(struct talk *talk, const char *const *argv)
{
	*talk = (struct talk){ .process = SIGNER_PROCESS_NONE };
	const struct signer_start start = {
		.program = program,
		.identity = { .uid = person, .gid = person == getuid() ? getgid() : PERSON },
		.argv = argv,
	};
	if (signer_start(&start, &talk->process, &talk->diag) < 0)
		fail_msg("%s", talk->diag.text);
	talk->client = signer_client_new(talk->process.fd);
	assert_non_null(talk->client);
	talk->process.fd = -1;
	talk->reason = signer_client_list(talk->client, TIMEOUT_MS, &talk->diag);
}

static void start(struct talk *talk)
{
	const char *const argv[] = { "mtls-signer", "--source", "file", "--dir", folder, NULL };
	start_with(talk, argv);
}

static void stop(struct talk *talk)
{
	signer_client_free(talk->client);
	signer_stop(&talk->process);
}

static size_t count(const struct talk *talk)
{
	return signer_client_count(talk->client);
}

static const struct mtls_signer_credential *item(const struct talk *talk, size_t index)
{
	const struct mtls_signer_credential *found = signer_client_credential(talk->client, index);
	assert_non_null(found);
	return found;
}

static enum mtls_reason unlock(struct talk *talk, const char *secret, size_t len,
			       enum mtls_presence *presence)
{
	uint32_t tries;
	return signer_client_unlock(talk->client, item(talk, 0)->id, (const uint8_t *)secret, len,
				    TIMEOUT_MS, presence, &tries, &talk->diag);
}

static enum mtls_reason sign_text(struct talk *talk, uint32_t id, const char *context, uint8_t *sig,
				  size_t *sig_len)
{
	uint8_t content[64 + 33 + 1 + 32];
	memset(content, ' ', 64);
	memcpy(content + 64, context, 33);
	memset(content + 97, 0, 33);
	return signer_client_sign(talk->client, id, MTLS_SIGN_ECDSA_P256_SHA256, content,
				  sizeof(content), sig, sig_len, TIMEOUT_MS, &talk->diag);
}

#define CLIENT_CONTEXT "TLS 1.3, client CertificateVerify"
#define SERVER_CONTEXT "TLS 1.3, server CertificateVerify"

static enum mtls_reason sign(struct talk *talk, uint32_t id)
{
	uint8_t sig[MTLS_SIGNATURE_MAX];
	size_t len = sizeof(sig);
	return sign_text(talk, id, CLIENT_CONTEXT, sig, &len);
}

/* --- lists --- */

static void lists_each_form(void **state)
{
	static const struct {
		const char *name;
		enum content content;
		bool needs_secret;
		size_t chain;
		const char *label;
	} rows[] = {
		{ "a.pem", PLAIN, false, 1, "Alice" },
		{ "a.pem", ENCRYPTED, true, 1, "Alice" },
		{ "a.p12", PKCS12, true, 0, "a.p12" },
		{ "a.pfx", PKCS12, true, 0, "a.pfx" },
		{ "a.p12", PKCS12_OPEN, false, 1, "Alice" },
		{ "a.pem", EXPIRED, false, 1, "Expired" },
	};
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct talk talk;
		assert_int_equal(empty_folder(state), 0);
		put_key(rows[i].name, rows[i].content, 0600);
		start(&talk);
		if (talk.reason != MTLS_REASON_ALLOWED || count(&talk) != 1)
			fail_msg("row %zu: %d, %zu credentials, '%s'", i, (int)talk.reason,
				 count(&talk), talk.diag.text);
		const struct mtls_signer_credential *found = item(&talk, 0);
		assert_string_equal(found->label, rows[i].label);
		assert_string_equal(found->source, "file");
		assert_int_equal(found->needs_secret, rows[i].needs_secret);
		assert_int_equal(found->chain_count, rows[i].chain);
		assert_int_equal(found->tries_left, MTLS_TRIES_UNKNOWN);
		if (rows[i].chain && rows[i].content != EXPIRED)
			assert_memory_equal(found->chain[0].data, alice->der.data, alice->der.size);
		stop(&talk);
	}
}

static void link_to_key(void)
{
	char target[256];
	assert_int_equal(mkdir(path_of("elsewhere"), 0755), 0);
	put_key("elsewhere/real.pem", PLAIN, 0600);
	(void)snprintf(target, sizeof(target), "%s/elsewhere/real.pem", folder);
	assert_int_equal(symlink(target, path_of("a.pem")), 0);
}

static void fifo(void)
{
	assert_int_equal(mkfifo(path_of("a.pem"), 0600), 0);
	assert_int_equal(chown(path_of("a.pem"), person, (gid_t)-1), 0);
}

static void subfolder(void)
{
	assert_int_equal(mkdir(path_of("a.pem"), 0755), 0);
}

static void plain_0640(void)
{
	put_key("a.pem", PLAIN, 0640);
}

static void plain_0604(void)
{
	put_key("a.pem", PLAIN, 0604);
}

static void pkcs12_0644(void)
{
	put_key("a.p12", PKCS12, 0644);
}

static void key_beside_0644(void)
{
	put_key("a.crt", CERT, 0644);
	put_key("a.key", KEY, 0644);
}

static void group_writable(void)
{
	put_key("a.pem", PLAIN, 0620);
}

static void folder_writable(void)
{
	put_key("a.pem", PLAIN, 0600);
	assert_int_equal(chmod(folder, 0777), 0);
}

static void too_long(void)
{
	_cleanup_free_ char *text = malloc(129 * 1024);
	assert_non_null(text);
	memset(text, 'x', 129 * 1024);
	put("a.pem", text, 129 * 1024, 0600);
}

static void empty(void)
{
	put_key("a.pem", EMPTY, 0600);
}

static void garbage(void)
{
	put_key("a.pem", GARBAGE, 0600);
}

static void foreign_key(void)
{
	put_key("a.pem", FOREIGN, 0600);
}

static void only_cert(void)
{
	put_key("a.pem", CERT, 0644);
}

static void only_key(void)
{
	put_key("a.pem", KEY, 0600);
}

static void not_a_key_file(void)
{
	put_key("a.txt", PLAIN, 0600);
	put_key(".a.pem", PLAIN, 0600);
	put_key("pem", PLAIN, 0600);
}

static void strangers_file(void)
{
	put_key("a.pem", PLAIN, 0644);
	if (getuid() == 0)
		assert_int_equal(chown(path_of("a.pem"), STRANGER, (gid_t)-1), 0);
}

static void skips_what_it_must_not_use(void **state)
{
	static const struct {
		const char *name;
		void (*make)(void);
		enum mtls_reason want;
		const char *text; /* in the detail, beside the path */
	} rows[] = {
		{ "symbolic link", link_to_key, MTLS_REASON_KEY_UNUSABLE, "symbolic link" },
		{ "FIFO", fifo, MTLS_REASON_KEY_UNUSABLE, "not a regular file" },
		{ "folder", subfolder, MTLS_REASON_KEY_UNUSABLE, "not a regular file" },
		{ "key, group-readable", plain_0640, MTLS_REASON_KEY_UNUSABLE, "others can read" },
		{ "key, world-readable", plain_0604, MTLS_REASON_KEY_UNUSABLE, "others can read" },
		{ "PKCS#12, world-readable", pkcs12_0644, MTLS_REASON_KEY_UNUSABLE,
		  "others can read" },
		{ "key beside, world-readable", key_beside_0644, MTLS_REASON_KEY_UNUSABLE,
		  "others can read" },
		{ "group-writable", group_writable, MTLS_REASON_KEY_UNUSABLE, "writable by group" },
		{ "folder writable by all", folder_writable, MTLS_REASON_KEY_UNUSABLE,
		  "others could replace" },
		{ "129 KiB", too_long, MTLS_REASON_KEY_UNUSABLE, "longer than 131072 bytes" },
		{ "empty", empty, MTLS_REASON_KEY_UNUSABLE, "empty" },
		{ "garbage", garbage, MTLS_REASON_KEY_UNUSABLE, "a certificate cannot be read" },
		{ "another key", foreign_key, MTLS_REASON_KEY_UNUSABLE,
		  "belongs to the private key" },
		{ "no key", only_cert, MTLS_REASON_NO_CREDENTIAL, "no private key in it" },
		{ "no certificate", only_key, MTLS_REASON_KEY_UNUSABLE, "no certificate in it" },
		{ "other names", not_a_key_file, MTLS_REASON_NO_CREDENTIAL, "no *.pem" },
		{ "nothing", NULL, MTLS_REASON_NO_CREDENTIAL, "no *.pem" },
	};
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct talk talk;
		assert_int_equal(empty_folder(state), 0);
		if (rows[i].make)
			rows[i].make();
		start(&talk);
		if (talk.reason != rows[i].want || !strstr(talk.diag.text, rows[i].text) ||
		    !strstr(talk.diag.text, folder))
			fail_msg("%s: %d, '%s'", rows[i].name, (int)talk.reason, talk.diag.text);
		stop(&talk);
	}
}

static void strangers_file_is_refused(void **state)
{
	struct talk talk;
	(void)state;
	if (getuid() != 0) {
		print_message("# skipped: giving files away needs root\n");
		skip();
	}
	strangers_file();
	start(&talk);
	assert_int_equal(talk.reason, MTLS_REASON_KEY_UNUSABLE);
	assert_non_null(strstr(talk.diag.text, "is owned by uid 54399"));
	stop(&talk);
}

/* Root's file for a system user: readable for its group only. */
static void roots_file_for_our_group(void **state)
{
	(void)state;
	if (getuid() != 0) {
		print_message("# skipped: giving files away needs root\n");
		skip();
	}
	static const struct {
		gid_t gid;
		enum mtls_reason want;
	} rows[] = {
		{ PERSON, MTLS_REASON_ALLOWED },
		{ STRANGER, MTLS_REASON_KEY_UNUSABLE },
	};
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct talk talk;
		put_key("a.pem", PLAIN, 0640);
		assert_int_equal(chown(path_of("a.pem"), 0, rows[i].gid), 0);
		start(&talk);
		assert_int_equal(talk.reason, rows[i].want);
		stop(&talk);
	}
}

static void missing_folder(void **state)
{
	struct talk talk;
	(void)state;
	const char *const argv[] = { "mtls-signer", "--source",          "file",
				     "--dir",       "/nonexistent/mtls", NULL };
	start_with(&talk, argv);
	assert_int_equal(talk.reason, MTLS_REASON_NO_CREDENTIAL);
	assert_non_null(strstr(talk.diag.text, "/nonexistent/mtls"));
	stop(&talk);
}

static void files_by_name(void **state)
{
	char path[256];
	struct talk talk;
	(void)state;
	put_key("any name", PLAIN, 0600);
	(void)snprintf(path, sizeof(path), "%s/any name", folder);
	const char *const argv[] = { "mtls-signer", "--source", "file",         "--file",
				     path,          "--file",   "/nonexistent", NULL };
	start_with(&talk, argv);
	assert_int_equal(talk.reason, MTLS_REASON_ALLOWED);
	assert_int_equal(count(&talk), 1);
	assert_non_null(strstr(talk.diag.text, "/nonexistent"));
	stop(&talk);
}

static void at_most_32_files(void **state)
{
	struct talk talk;
	char name[32];
	(void)state;
	for (int i = 0; i < 33; i++) {
		(void)snprintf(name, sizeof(name), "%02d.pem", i);
		put_key(name, PLAIN, 0600);
	}
	start(&talk);
	assert_int_equal(talk.reason, MTLS_REASON_ALLOWED);
	assert_int_equal(count(&talk), 32);
	assert_non_null(strstr(talk.diag.text, "more than 32 files"));
	assert_int_equal(sign(&talk, item(&talk, 31)->id), MTLS_REASON_ALLOWED);
	stop(&talk);
}

static void expired_come_last(void **state)
{
	struct talk talk;
	(void)state;
	put_key("1.pem", EXPIRED, 0600);
	put_key("2.pem", GARBAGE, 0600);
	put_key("3.pem", PLAIN, 0600);
	put_key("4.p12", PKCS12, 0600);
	start(&talk);
	assert_int_equal(talk.reason, MTLS_REASON_ALLOWED);
	assert_int_equal(count(&talk), 3);
	assert_string_equal(item(&talk, 0)->label, "Alice");
	assert_string_equal(item(&talk, 1)->label, "4.p12");
	assert_string_equal(item(&talk, 2)->label, "Expired");
	assert_non_null(strstr(talk.diag.text, "2.pem"));
	stop(&talk);
}

/* --- secrets and signatures --- */

static void check_signature(struct talk *talk)
{
	uint8_t sig[MTLS_SIGNATURE_MAX], content[130];
	size_t len = sizeof(sig);
	gnutls_pubkey_t key;
	assert_int_equal(sign_text(talk, item(talk, 0)->id, CLIENT_CONTEXT, sig, &len),
			 MTLS_REASON_ALLOWED);
	memset(content, ' ', 64);
	memcpy(content + 64, CLIENT_CONTEXT, 33);
	memset(content + 97, 0, 33);
	const gnutls_datum_t data = { content, sizeof(content) };
	const gnutls_datum_t signature = { sig, (unsigned int)len };
	assert_int_equal(gnutls_pubkey_init(&key), 0);
	assert_int_equal(gnutls_pubkey_import_x509(key, alice->crt, 0), 0);
	assert_true(gnutls_pubkey_verify_data2(key, GNUTLS_SIGN_ECDSA_SECP256R1_SHA256, 0, &data,
					       &signature) >= 0);
	gnutls_pubkey_deinit(key);
}

static void secrets_prove_what_they_open(void **state)
{
	static const struct {
		const char *what;
		const char *name;
		enum content content;
		const char *secret;
		size_t len;
		enum mtls_reason want;
		enum mtls_presence presence;
	} rows[] = {
		{ "right", "a.pem", ENCRYPTED, SECRET, 13, MTLS_REASON_ALLOWED,
		  MTLS_PRESENCE_SECRET },
		{ "wrong", "a.pem", ENCRYPTED, "wrong", 5, MTLS_REASON_SECRET_WRONG, 0 },
		{ "NUL behind", "a.pem", ENCRYPTED, SECRET "\0x", 15, MTLS_REASON_SECRET_WRONG, 0 },
		{ "right", "a.p12", PKCS12, SECRET, 13, MTLS_REASON_ALLOWED, MTLS_PRESENCE_SECRET },
		{ "wrong", "a.p12", PKCS12, "wrong", 5, MTLS_REASON_SECRET_WRONG, 0 },
		{ "unprotected, any word", "a.pem", PLAIN, "anything", 8, MTLS_REASON_ALLOWED,
		  MTLS_PRESENCE_NONE },
		{ "empty passphrase, any word", "a.p12", PKCS12_OPEN, "anything", 8,
		  MTLS_REASON_ALLOWED, MTLS_PRESENCE_NONE },
		{ "empty passphrase, NUL", "a.p12", PKCS12_OPEN, "\0", 1, MTLS_REASON_ALLOWED,
		  MTLS_PRESENCE_NONE },
		{ "only the check protected", "a.p12", PKCS12_MAC_ONLY, SECRET, 13,
		  MTLS_REASON_ALLOWED, MTLS_PRESENCE_NONE },
	};
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct talk talk;
		enum mtls_presence presence = MTLS_PRESENCE_TOUCH;
		assert_int_equal(empty_folder(state), 0);
		put_key(rows[i].name, rows[i].content, 0600);
		start(&talk);
		assert_int_equal(talk.reason, MTLS_REASON_ALLOWED);
		bool locked = item(&talk, 0)->needs_secret;
		assert_int_equal(sign(&talk, item(&talk, 0)->id),
				 locked ? MTLS_REASON_SECRET_EMPTY : MTLS_REASON_ALLOWED);
		enum mtls_reason reason = unlock(&talk, rows[i].secret, rows[i].len, &presence);
		if (reason != rows[i].want || presence != rows[i].presence)
			fail_msg("%s, %s: %d, presence %d", rows[i].name, rows[i].what, (int)reason,
				 (int)presence);
		if (reason == MTLS_REASON_ALLOWED) {
			assert_int_equal(item(&talk, 0)->chain_count, 1);
			assert_memory_equal(item(&talk, 0)->chain[0].data, alice->der.data,
					    alice->der.size);
			check_signature(&talk);
		} else {
			assert_int_equal(sign(&talk, item(&talk, 0)->id), MTLS_REASON_SECRET_EMPTY);
		}
		stop(&talk);
	}
}

static void second_try_counts(void **state)
{
	struct talk talk;
	enum mtls_presence presence;
	(void)state;
	put_key("a.p12", PKCS12, 0600);
	start(&talk);
	assert_int_equal(unlock(&talk, "no", 2, &presence), MTLS_REASON_SECRET_WRONG);
	assert_int_equal(unlock(&talk, SECRET, 13, &presence), MTLS_REASON_ALLOWED);
	assert_int_equal(presence, MTLS_PRESENCE_SECRET);
	check_signature(&talk);
	stop(&talk);
}

static void key_beside_its_certificate(void **state)
{
	struct talk talk;
	enum mtls_presence presence;
	(void)state;
	put_key("a.crt", CERT, 0644);
	put_key("a.key", KEY, 0600);
	start(&talk);
	assert_int_equal(count(&talk), 1);
	assert_true(item(&talk, 0)->needs_secret);
	assert_int_equal(unlock(&talk, SECRET, 13, &presence), MTLS_REASON_ALLOWED);
	assert_int_equal(presence, MTLS_PRESENCE_SECRET);
	check_signature(&talk);
	stop(&talk);
}

/* The list said "first certificate"; the key says another: the client has the wrong chain. */
static void misplaced_leaf_is_named(void **state)
{
	struct talk talk;
	enum mtls_presence presence;
	(void)state;
	put_key("a.pem", MISPLACED, 0600);
	start(&talk);
	assert_int_equal(unlock(&talk, SECRET, 13, &presence), MTLS_REASON_KEY_UNUSABLE);
	assert_non_null(strstr(talk.diag.text, "a.pem"));
	assert_non_null(strstr(talk.diag.text, "first certificate"));
	stop(&talk);
}

static void signs_client_contents_only(void **state)
{
	struct talk talk;
	uint8_t sig[MTLS_SIGNATURE_MAX];
	size_t len = sizeof(sig);
	(void)state;
	put_key("a.pem", PLAIN, 0600);
	start(&talk);
	uint32_t id = item(&talk, 0)->id;
	assert_int_equal(sign_text(&talk, id, SERVER_CONTEXT, sig, &len), MTLS_REASON_BAD_REQUEST);
	assert_int_equal(signer_client_sign(talk.client, id, MTLS_SIGN_ECDSA_P256_SHA256,
					    (const uint8_t *)"text", 4, sig, &len, TIMEOUT_MS,
					    NULL),
			 MTLS_REASON_BAD_REQUEST);
	assert_int_equal(sign(&talk, id + 1), MTLS_REASON_NO_CREDENTIAL);
	assert_int_equal(sign(&talk, 0), MTLS_REASON_NO_CREDENTIAL);
	assert_int_equal(sign(&talk, UINT32_MAX), MTLS_REASON_NO_CREDENTIAL);
	check_signature(&talk);
	stop(&talk);
}

/* --- its end, its surroundings --- */

/* A signer with a bare socket; the bytes are sent. */
static struct signer_process start_bare(const char *const *argv, const void *data, size_t len)
{
	struct signer_process process = SIGNER_PROCESS_NONE;
	struct mtls_diag diag = { 0 };
	const struct signer_start start = {
		.program = program,
		.identity = { .uid = person, .gid = person == getuid() ? getgid() : PERSON },
		.argv = argv,
	};
	if (signer_start(&start, &process, &diag) < 0)
		fail_msg("%s", diag.text);
	assert_int_equal(send(process.fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
	return process;
}

static void ends_by_itself(void **state)
{
	/* clang-format off */
	static const struct {
		const char *name, *bytes;
		size_t len;
		bool shut;
		int status; /* of waitpid: exit 0, exit 1, SIGALRM */
	} rows[] = {
		{ "end of the stream", "", 0, true, 0 },
		{ "quit", "\x77\x00", 2, false, 0 },
		{ "end within a message", "\x70\x03\x02", 3, true, 0x100 },
		{ "garbage", "GET / HTTP/1.1\r\n", 16, false, 0x100 },
		{ "an answer instead of a question", "\x72\x03\x02\x01\x00", 5, false, 0x100 },
		{ "reserved type", "\x64\x00", 2, false, 0x100 },
		{ "too long", "\x70\x82\x10\x00", 4, false, 0x100 },
		{ "lifetime", "", 0, false, SIGALRM },
	};
	/* clang-format on */
	const char *const argv[] = { "mtls-signer", "--source",   "file", "--dir",
				     folder,        "--lifetime", "1",    NULL };
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		int status = -1;
		struct signer_process process = start_bare(argv, rows[i].bytes, rows[i].len);
		if (rows[i].shut)
			assert_int_equal(shutdown(process.fd, SHUT_WR), 0);
		assert_int_equal(waitpid(process.pid, &status, 0), process.pid);
		if (status != rows[i].status)
			fail_msg("%s: status 0x%x", rows[i].name, (unsigned int)status);
		signer_stop(&process);
	}
}

/* The text behind "Key:" of /proc/PID/status. */
static bool status_has(pid_t pid, const char *line)
{
	char path[64], text[256];
	bool found = false;
	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(text, sizeof(text), f))
		found |= strncmp(text, line, strlen(line)) == 0;
	(void)fclose(f);
	return found;
}

static void is_shut_in(void **state)
{
	struct talk talk;
	char path[64];
	struct stat st;
	(void)state;
	put_key("a.pem", PLAIN, 0600);
	start(&talk);
	assert_int_equal(talk.reason, MTLS_REASON_ALLOWED);
	assert_true(status_has(talk.process.pid, "Seccomp:\t2"));
	assert_true(status_has(talk.process.pid, "NoNewPrivs:\t1"));
	/* Not dumpable: its files in /proc are root's, so the person's programs cannot look in. */
	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)talk.process.pid);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 0);
	stop(&talk);
}

static long try_exec(void)
{
	static char *const argv[] = { NULL };
	return execve("/bin/true", argv, argv);
}

static long try_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static long try_fork(void)
{
	return fork();
}

static long try_create(void)
{
	return open(path_of("new"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

static long try_write(void)
{
	return open("/dev/null", O_WRONLY | O_CLOEXEC);
}

static long try_read_write(void)
{
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

/* Linux empties a file even if it is opened for reading. */
static long try_truncate(void)
{
	return open(path_of("nothing"), O_RDONLY | O_TRUNC | O_CLOEXEC);
}

static long try_remove_attribute(void)
{
	return removexattr("/nonexistent", "user.test");
}

static long try_chmod_anew(void)
{
	return syscall(452, AT_FDCWD, "/nonexistent", 0777, 0); /* fchmodat2 */
}

static long try_scheduler_of_others(void)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	return sched_setaffinity(getppid(), sizeof(set), &set);
}

static long try_unlink(void)
{
	return unlink(path_of("nothing"));
}

static long try_chmod(void)
{
	return chmod("/nonexistent", 0777);
}

static long try_ptrace(void)
{
	return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static long try_kill(void)
{
	return kill(getppid(), 0);
}

static long try_thread_kill(void)
{
	return syscall(SYS_tgkill, getppid(), getppid(), 0);
}

static long try_limits_of_others(void)
{
	struct rlimit limit;
	return prlimit(getppid(), RLIMIT_CPU, NULL, &limit);
}

static long try_openat(void)
{
	return openat(AT_FDCWD, path_of("nothing"), O_CREAT | O_RDONLY | O_CLOEXEC, 0600);
}

static long try_make_code(void)
{
	static char page[2 * 4096];
	char *aligned = page + 4096 - (uintptr_t)page % 4096;
	return mprotect(aligned, 4096, PROT_READ | PROT_EXEC);
}

static long try_peek(void)
{
	return process_vm_readv(getppid(), NULL, 0, NULL, 0, 0);
}

static long try_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
			       MAP_FAILED
		       ? -1
		       : 0;
}

static long try_uring(void)
{
	return syscall(SYS_io_uring_setup, 1, NULL);
}

static long may_read(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static long may_map(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
			       MAP_FAILED
		       ? -1
		       : 0;
}

static long may_signal_itself(void)
{
	return kill(getpid(), 0);
}

static long may_get_random(void)
{
	char bytes[8];
	return getrandom(bytes, sizeof(bytes), 0);
}

static long is_dumpable(void)
{
	return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : -2;
}

static void sandbox_refuses(void **state)
{
	static const struct {
		const char *name;
		long (*call)(void);
		bool allowed;
	} rows[] = {
		{ "execve", try_exec, false },
		{ "socket", try_socket, false },
		{ "fork", try_fork, false },
		{ "open to create", try_create, false },
		{ "open to write", try_write, false },
		{ "open to read and write", try_read_write, false },
		{ "open to empty", try_truncate, false },
		{ "removexattr", try_remove_attribute, false },
		{ "fchmodat2", try_chmod_anew, false },
		{ "the processor of another", try_scheduler_of_others, false },
		{ "unlink", try_unlink, false },
		{ "chmod", try_chmod, false },
		{ "ptrace", try_ptrace, false },
		{ "kill", try_kill, false },
		{ "tgkill", try_thread_kill, false },
		{ "prlimit of another", try_limits_of_others, false },
		{ "openat to create", try_openat, false },
		{ "memory made executable", try_make_code, false },
		{ "process_vm_readv", try_peek, false },
		{ "executable memory", try_code, false },
		{ "io_uring_setup", try_uring, false },
		{ "open to read", may_read, true },
		{ "memory", may_map, true },
		{ "a signal to itself", may_signal_itself, true },
		{ "getrandom", may_get_random, true },
		{ "not dumpable", is_dumpable, true },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		int status;
		(void)fflush(NULL);
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			if (sandbox_enter(SANDBOX_FILES, NULL) < 0)
				_exit(2);
			errno = 0;
			long r = rows[i].call();
			bool refused = r == -1 && errno == EPERM;
			_exit(refused != rows[i].allowed && (refused || r >= 0) ? 0 : 1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (status != 0)
			fail_msg("%s: status 0x%x", rows[i].name, (unsigned int)status);
	}
}

/* The numbers of x86's other ABI mean other calls: a list of what is refused must not meet them. */
static void sandbox_ends_foreign_calls(void **state)
{
	(void)state;
#if defined(__x86_64__) && !defined(__ILP32__)
	int status;
	(void)fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (sandbox_enter(SANDBOX_FILES, NULL) < 0)
			_exit(2);
		(void)syscall(0x40000000L | SYS_getpid);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
#else
	skip();
#endif
}

static int run_command(const char *const *argv, uid_t uid, char *out, size_t size)
{
	int fds[2], status;
	assert_int_equal(pipe(fds), 0);
	(void)fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)dup2(fds[1], 1);
		(void)dup2(fds[1], 2);
		(void)close(fds[0]);
		if (uid != getuid() && setresuid(uid, uid, uid) < 0)
			_exit(99);
		(void)execv(program, (char *const *)(uintptr_t)argv);
		_exit(98);
	}
	(void)close(fds[1]);
	size_t len = 0;
	for (ssize_t n; (n = read(fds[0], out + len, size - 1 - len)) > 0;)
		len += (size_t)n;
	out[len] = '\0';
	(void)close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void command_line(void **state)
{
	static const struct {
		const char *argv[8];
		int status;
		const char *text;
	} rows[] = {
		{ { "mtls-signer", "--help" }, 0, "Usage: mtls-signer" },
		{ { "mtls-signer", "--version" }, 0, PACKAGE_VERSION },
		{ { "mtls-signer" }, 0x200, "--source" },
		{ { "mtls-signer", "--source", "card", "--dir", "/" },
		  0x200,
		  "unknown source card" },
		{ { "mtls-signer", "--source", "file" }, 0x200, "--dir" },
		{ { "mtls-signer", "--source", "file", "--dir", "" }, 0x200, "empty path" },
		{ { "mtls-signer", "--source", "file", "--dir", "/", "x" }, 0x200, "unexpected" },
		{ { "mtls-signer", "--source", "file", "--dir", "/", "--lifetime", "0" },
		  0x200,
		  "1-600" },
		{ { "mtls-signer", "--source", "file", "--dir", "/", "--lifetime", "601" },
		  0x200,
		  "1-600" },
		{ { "mtls-signer", "--frob" }, 0x200, "frob" },
		{ { "mtls-signer", "--source", "file", "--dir", "/" }, 0x100, "no socket" },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		char out[4096];
		int status = run_command(rows[i].argv, person, out, sizeof(out));
		if (status != rows[i].status || !strstr(out, rows[i].text))
			fail_msg("row %zu: status 0x%x, '%s'", i, (unsigned int)status, out);
	}
}

static void never_as_root(void **state)
{
	static const char *const argv[] = { "mtls-signer", "--source", "file", "--dir", "/", NULL };
	char out[4096];
	(void)state;
	if (getuid() != 0) {
		print_message("# skipped: needs root\n");
		skip();
	}
	assert_int_equal(run_command(argv, 0, out, sizeof(out)), 0x100);
	assert_non_null(strstr(out, "never runs as root"));
}

/* --- set-up --- */

static int copy_program(void)
{
	char path[4096];
	const char *builddir = getenv("top_builddir");
	_cleanup_buf_ struct mtls_buf buf = MTLS_BUF(64 << 20);
	(void)snprintf(path, sizeof(path), "%s/mtls-signer", builddir ? builddir : ".");
	(void)snprintf(program, sizeof(program), "%s/mtls-signer", base);
	/* As it is installed: may be run by all and read by none. */
	struct mtls_file_mode mode = { .mode = 0711, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	if (mtls_file_read(path, NULL, &buf, NULL) < 0)
		return -1;
	return mtls_file_replace(program, buf.data, buf.len, &mode, NULL);
}

static int set_up(void **state)
{
	struct certgen_options ca_options = { .dn = "CN=Example CA", .ca = true };
	struct certgen_options leaf = { .dn = "CN=Alice" };
	struct certgen_options stranger = { .dn = "CN=Other" };
	struct certgen_options old = { .dn = "CN=Expired", .not_before = 1, .not_after = 2 };
	(void)state;
	person = getuid() ? getuid() : PERSON;
	if (!mkdtemp(base) || chmod(base, 0755) < 0 || copy_program() < 0)
		return -1;
	(void)snprintf(folder, sizeof(folder), "%s/keys", base);
	if (mkdir(folder, 0700) < 0 || chown(folder, person, (gid_t)-1) < 0)
		return -1;
	ca = certgen_new(&ca_options, NULL);
	alice = certgen_new(&leaf, ca);
	other = certgen_new(&stranger, ca);
	expired = certgen_new(&old, ca);
	return 0;
}

static int tear_down(void **state)
{
	(void)empty_folder(state);
	(void)rmdir(folder);
	(void)unlink(program);
	(void)rmdir(base);
	certgen_free(alice);
	certgen_free(other);
	certgen_free(expired);
	certgen_free(ca);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup(name, empty_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lists_each_form),
		TEST(skips_what_it_must_not_use),
		TEST(strangers_file_is_refused),
		TEST(roots_file_for_our_group),
		TEST(missing_folder),
		TEST(files_by_name),
		TEST(at_most_32_files),
		TEST(expired_come_last),
		TEST(secrets_prove_what_they_open),
		TEST(second_try_counts),
		TEST(key_beside_its_certificate),
		TEST(misplaced_leaf_is_named),
		TEST(signs_client_contents_only),
		TEST(ends_by_itself),
		TEST(is_shut_in),
		TEST(sandbox_refuses),
		TEST(sandbox_ends_foreign_calls),
		TEST(command_line),
		TEST(never_as_root),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
