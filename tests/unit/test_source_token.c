/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The program mtls-signer-token, started as pam_mtls starts it and asked by its client library:
 * against a module of our own that lies, hangs and dies (fake_module.c).
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
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "tests/unit/certgen.h"
#include "tests/unit/token_talk.h"

#define LOW    "flags 0x1040c\n"
#define FINAL  "flags 0x2040c\n"
#define LOCKED "flags 0x4040c\n"
#define PAD    "flags 0x50c\n"
#define FREE   "flags 0x408\n" /* no login */
#define ALICE  "cert %s/alice A\n"
#define KEY    "key p256 A\n"

static char folder[80];
static char says[128];   /* the module's file */
static char module[160]; /* a copy that the person may read */

static void write_file(const char *name, const void *data, size_t len)
{
	char path[256];
	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	const struct mtls_file_mode mode = { .mode = 0644, .uid = talk_person, .gid = (gid_t)-1 };
	assert_int_equal(mtls_file_replace(path, data, len, &mode, NULL), 0);
}

/* "%s" in it is the folder of the certificates. */
static void module_says(const char *text)
{
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(8192);

	for (const char *at; (at = strstr(text, "%s")) != NULL; text = at + 2) {
		(void)mtls_buf_append(&out, text, (size_t)(at - text));
		(void)mtls_buf_append_str(&out, folder);
	}
	(void)mtls_buf_append_str(&out, text);
	assert_int_equal(out.err, 0);
	write_file("says", out.len ? (const char *)out.data : "", out.len);
}

static void forget_log(void)
{
	char path[160];
	(void)snprintf(path, sizeof(path), "%s.log", says);
	(void)unlink(path);
}

/* The module's calls so far, one a line. Static. */
static const char *log_text(void)
{
	static char text[65536];
	char path[160];
	(void)snprintf(path, sizeof(path), "%s.log", says);
	FILE *file = fopen(path, "re");
	size_t len = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
	text[len] = '\0';
	if (file)
		(void)fclose(file);
	return text;
}

static size_t calls(const char *name)
{
	size_t count = 0, len = strlen(name);
	for (const char *at = log_text(); (at = strstr(at, name)) != NULL; at += len)
		count += at[len] == '\n' && (at == log_text() || at[-1] == '\n');
	return count;
}

static void start_with(struct talk *talk, const char *path, const char *uri)
{
	char env[192];
	(void)snprintf(env, sizeof(env), "FAKE_MODULE=%s", says);
	const char *argv[16] = {
		"mtls-signer-token", "--source", "pkcs11", "--module", path, "--env", env
	};
	if (uri) {
		argv[7] = "--uri";
		argv[8] = uri;
	}
	forget_log();
	talk_start(talk, argv);
}

static void start(struct talk *talk, const char *text)
{
	module_says(text);
	start_with(talk, module, NULL);
}

/* --- lists --- */

struct list_row {
	const char *name, *says;
	enum mtls_reason reason;
	size_t count;
	const char *label; /* of the first; NULL: not looked at */
	bool needs_secret;
	enum mtls_secret_kind kind;
	uint32_t tries;
	const char *detail; /* a part of it; NULL: none is wanted */
};

#define UNKNOWN MTLS_TRIES_UNKNOWN
#define PIN     true, MTLS_SECRET_PIN, UNKNOWN
#define NOTHING 0, NULL, false, MTLS_SECRET_PIN, UNKNOWN

/* clang-format off */
static const struct list_row list_rows[] = {
	{ "one", ALICE KEY, MTLS_REASON_ALLOWED, 1, "Alice", PIN, NULL },
	{ "no card", "slots 0\n", MTLS_REASON_NO_TOKEN, NOTHING, NULL },
	{ "not initialised", "flags 0x4\n", MTLS_REASON_NO_TOKEN, NOTHING, NULL },
	{ "low", LOW ALICE, MTLS_REASON_ALLOWED, 1, "Alice", true, MTLS_SECRET_PIN, 2, NULL },
	{ "final try", FINAL ALICE, MTLS_REASON_ALLOWED, 1, "Alice", true, MTLS_SECRET_PIN, 1, NULL },
	{ "locked", LOCKED ALICE, MTLS_REASON_ALLOWED, 1, "Alice", true, MTLS_SECRET_PIN, 0, NULL },
	{ "no PIN", "flags 0x404\n" ALICE, MTLS_REASON_ALLOWED, 1, "Alice", PIN, "no PIN is set" },
	{ "PIN to be changed", "flags 0x8040c\n" ALICE, MTLS_REASON_ALLOWED, 1, "Alice", PIN, "mtlsctl pin change" },
	{ "PIN pad", PAD ALICE, MTLS_REASON_ALLOWED, 1, "Alice", true, MTLS_SECRET_PIN_PAD, UNKNOWN, NULL },
	{ "no login", FREE ALICE KEY, MTLS_REASON_ALLOWED, 1, "Alice", false, MTLS_SECRET_PASSPHRASE, UNKNOWN, NULL },
	{ "no login, PIN per use", FREE "always yes\n" ALICE KEY, MTLS_REASON_ALLOWED, 1, "Alice", PIN, NULL },
	{ "no login, no key", FREE ALICE, MTLS_REASON_KEY_UNUSABLE, NOTHING, "no private key" },
	{ "nothing on it", "", MTLS_REASON_NO_CREDENTIAL, NOTHING, "no certificate for logging in" },
	{ "garbage", "cert %s/garbage A\n", MTLS_REASON_NO_CREDENTIAL, NOTHING, "fake card" },
	{ "garbage beside", "cert %s/garbage A\n" ALICE, MTLS_REASON_ALLOWED, 1, "Alice", PIN, "fake card" },
	{ "too long", "cert %s/long A\n", MTLS_REASON_NO_CREDENTIAL, NOTHING, "not all of its certificates" },
	{ "a CA's", "cert %s/ca A\n", MTLS_REASON_NO_CREDENTIAL, NOTHING, "no certificate for logging in" },
	{ "attestation first", "cert %s/attestation A\n" ALICE, MTLS_REASON_ALLOWED, 1, "Alice", PIN, NULL },
	{ "attestation last", ALICE "cert %s/attestation A\n", MTLS_REASON_ALLOWED, 1, "Alice", PIN, NULL },
	{ "expired alone", "cert %s/expired A\n", MTLS_REASON_ALLOWED, 1, "Expired", PIN, NULL },
	{ "expired of the key", "cert %s/old A\n" ALICE, MTLS_REASON_ALLOWED, 1, "Alice", PIN, NULL },
	{ "good before expired", ALICE "cert %s/old A\n", MTLS_REASON_ALLOWED, 1, "Alice", PIN, NULL },
	{ "expired of another key", "cert %s/expired E\n" ALICE, MTLS_REASON_ALLOWED, 1, "Alice", PIN, NULL },
	{ "twice", ALICE ALICE, MTLS_REASON_ALLOWED, 1, "Alice", PIN, NULL },
	{ "two keys", ALICE "cert %s/bob B\n", MTLS_REASON_ALLOWED, 2, "Alice", PIN, NULL },
	{ "the same card twice", "slots 2\n" ALICE, MTLS_REASON_ALLOWED, 1, "Alice", PIN, NULL },
	{ "the same key, one card locked", "slots 2\nflags-7 0x4040c\n" ALICE, MTLS_REASON_ALLOWED, 1, "Alice", PIN, NULL },
	{ "the same key, the other locked", "slots 2\nflags-8 0x4040c\n" ALICE, MTLS_REASON_ALLOWED, 1, "Alice", PIN, NULL },
	{ "10000 certificates", "certs 10000\n" ALICE, MTLS_REASON_ALLOWED, 1, "Alice", PIN, "not all of its certificates" },
	{ "unavailable lengths", "length 0xffffffffffffffff\n" ALICE, MTLS_REASON_NO_CREDENTIAL, NOTHING, "not all" },
	{ "lengths over the room", "length 70000\n" ALICE, MTLS_REASON_NO_CREDENTIAL, NOTHING, "not all" },
	{ "more than asked for", "found 1000000\n" ALICE, MTLS_REASON_MODULE_FAILED, NOTHING, "C_FindObjects: CKR_GENERAL_ERROR" },
	{ "slots without end", "slots 100000\n" ALICE, MTLS_REASON_MODULE_FAILED, NOTHING, "C_GetSlotList" },
	{ "does not start", "do C_Initialize 5\n" ALICE, MTLS_REASON_MODULE_FAILED, NOTHING, "C_Initialize: CKR_GENERAL_ERROR" },
	{ "no functions", "do C_GetFunctionList 6\n" ALICE, MTLS_REASON_MODULE_FAILED, NOTHING, "C_GetFunctionList" },
	{ "no session", "do C_OpenSession 0xb1\n" ALICE, MTLS_REASON_MODULE_FAILED, NOTHING, "CKR_SESSION_COUNT" },
	{ "pulled at once", "do C_OpenSession 0x32\n" ALICE, MTLS_REASON_TOKEN_GONE, NOTHING, "CKR_DEVICE_REMOVED" },
	{ "pulled while read", "do C_GetAttributeValue 0x32\n" ALICE, MTLS_REASON_TOKEN_GONE, NOTHING, "CKR_DEVICE_REMOVED" },
	{ "unknown error", "do C_FindObjectsInit 0x80000042\n" ALICE, MTLS_REASON_MODULE_FAILED, NOTHING, "error 0x80000042" },
	{ "crash", "do C_FindObjects crash\n" ALICE, MTLS_REASON_SIGNER_FAILED, NOTHING, "closed" },
	{ "noise", "do C_Initialize noise\n" ALICE, MTLS_REASON_ALLOWED, 1, "Alice", PIN, NULL },
};
/* clang-format on */

static void check_list(const struct list_row *row, const struct talk *talk)
{
	if (talk->reason != row->reason || talk_count(talk) != row->count)
		fail_msg("%s: %s, %zu, '%s'", row->name, mtls_reason_token(talk->reason),
			 talk_count(talk), talk->diag.text);
	if (row->detail ? !strstr(talk->diag.text, row->detail)
			: talk->reason == MTLS_REASON_ALLOWED && talk->diag.text[0])
		fail_msg("%s: '%s'", row->name, talk->diag.text);
	if (!row->count)
		return;
	const struct mtls_signer_credential *found = talk_item(talk, 0);
	if (strcmp(found->label, row->label) != 0 || found->needs_secret != row->needs_secret ||
	    found->secret_kind != row->kind || found->tries_left != row->tries ||
	    strcmp(found->source, "pkcs11") != 0 || strcmp(found->token, "fake card") != 0 ||
	    strcmp(found->issuer, "Example CA") != 0 || found->chain_count != 1)
		fail_msg("%s: %s, %d, %d, %u, %zu", row->name, found->label, found->needs_secret,
			 (int)found->secret_kind, found->tries_left, found->chain_count);
}

static void lists(void **state)
{
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(list_rows); i++) {
		struct talk talk;
		start(&talk, list_rows[i].says);
		check_list(&list_rows[i], &talk);
		assert_int_equal(calls("C_Login"), 0);
		talk_stop(&talk);
	}
}

static void modules_that_cannot_be_loaded(void **state)
{
	static const struct {
		const char *path, *detail;
	} rows[] = {
		{ "/nonexistent.so", "cannot open shared object" },
		{ "nonexistent.so", "not absolute" },
		{ "libc.so.6", "not absolute" },
		{ "/lib/x86_64-linux-gnu/libc.so.6", "no C_GetFunctionList" },
		{ "/etc/passwd", "" },
	};
	(void)state;
	module_says(ALICE KEY);
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct talk talk;
		start_with(&talk, rows[i].path, NULL);
		assert_int_equal(talk.reason, MTLS_REASON_MODULE_FAILED);
		if (!strstr(talk.diag.text, rows[i].detail) ||
		    !strstr(talk.diag.text, rows[i].path))
			fail_msg("%s: '%s'", rows[i].path, talk.diag.text);
		talk_stop(&talk);
	}
}

/* A broken one does not keep a good one from working. */
static void one_of_two_modules(void **state)
{
	struct talk talk;
	char env[192];
	(void)state;
	module_says(ALICE KEY);
	(void)snprintf(env, sizeof(env), "FAKE_MODULE=%s", says);
	const char *argv[] = { "mtls-signer-token",
			       "--source",
			       "pkcs11",
			       "--module",
			       "/nonexistent.so",
			       "--module",
			       module,
			       "--module",
			       module,
			       "--env",
			       env,
			       NULL };
	talk_start(&talk, argv);
	assert_int_equal(talk.reason, MTLS_REASON_ALLOWED);
	assert_int_equal(talk_count(&talk), 1);
	assert_non_null(strstr(talk.diag.text, "/nonexistent.so"));
	assert_non_null(strstr(talk.diag.text, "named twice"));
	talk_stop(&talk);
}

static void uris(void **state)
{
	static const struct {
		const char *uri;
		enum mtls_reason reason;
		const char *detail;
	} rows[] = {
		{ "pkcs11:", MTLS_REASON_ALLOWED, "" },
		{ "pkcs11:token=fake%20card", MTLS_REASON_ALLOWED, "" },
		{ "pkcs11:token=fake%20card;object=object;id=A", MTLS_REASON_ALLOWED, "" },
		{ "pkcs11:id=%41;type=cert", MTLS_REASON_ALLOWED, "" },
		{ "pkcs11:id=%41;type=private", MTLS_REASON_ALLOWED, "" },
		{ "pkcs11:model=model;manufacturer=tests;serial=7", MTLS_REASON_ALLOWED, "" },
		{ "pkcs11:slot-id=7", MTLS_REASON_ALLOWED, "" },
		{ "pkcs11:library-description=fake", MTLS_REASON_ALLOWED, "" },
		{ "pkcs11:slot-description=fake%20reader", MTLS_REASON_ALLOWED, "" },
		{ "pkcs11:token=other", MTLS_REASON_NO_TOKEN, "" },
		{ "pkcs11:slot-id=8", MTLS_REASON_NO_TOKEN, "" },
		{ "pkcs11:library-description=other", MTLS_REASON_NO_TOKEN, "" },
		{ "pkcs11:object=other", MTLS_REASON_NO_CREDENTIAL, "" },
		{ "pkcs11:id=B", MTLS_REASON_NO_CREDENTIAL, "" },
		{ "pkcs11:token=fake%20card?pin-value=1234", MTLS_REASON_SIGNER_FAILED, "'?'" },
		{ "pkcs11:?pin-source=/etc/passwd", MTLS_REASON_SIGNER_FAILED, "'?'" },
		{ "pkcs11:?module-path=/tmp/x.so", MTLS_REASON_SIGNER_FAILED, "'?'" },
		{ "pkcs11:?module-name=x", MTLS_REASON_SIGNER_FAILED, "'?'" },
		{ "pkcs11:?x-vendor=1", MTLS_REASON_SIGNER_FAILED, "'?'" },
		{ "pkcs11:pin-value=1234", MTLS_REASON_SIGNER_FAILED, "" },
		{ "pkcs11:pinfile=/etc/passwd", MTLS_REASON_SIGNER_FAILED, "" },
		{ "pkcs11:type=data", MTLS_REASON_SIGNER_FAILED, "type is" },
		{ "pkcs11:colour=red", MTLS_REASON_SIGNER_FAILED, "not known" },
		{ "pkcs11:id=%4", MTLS_REASON_SIGNER_FAILED, "RFC 7512" },
		{ "token=fake%20card", MTLS_REASON_SIGNER_FAILED, "RFC 7512" },
		{ "pkcs11:token=fake card", MTLS_REASON_SIGNER_FAILED, "RFC 7512" },
		{ "PKCS11:", MTLS_REASON_SIGNER_FAILED, "RFC 7512" },
	};
	(void)state;
	module_says(ALICE KEY);
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct talk talk;
		start_with(&talk, module, rows[i].uri);
		if (talk.reason != rows[i].reason || !strstr(talk.diag.text, rows[i].detail))
			fail_msg("%s: %s, '%s'", rows[i].uri, mtls_reason_token(talk.reason),
				 talk.diag.text);
		talk_stop(&talk);
	}
}

/* A card that comes later shows in the next list; one that stays keeps its number. */
static void is_looked_at_anew(void **state)
{
	struct talk talk;
	(void)state;
	start(&talk, "slots 0\n");
	assert_int_equal(talk.reason, MTLS_REASON_NO_TOKEN);
	module_says(ALICE KEY);
	talk_list(&talk);
	assert_int_equal(talk.reason, MTLS_REASON_ALLOWED);
	uint32_t id = talk_item(&talk, 0)->id;
	module_says("slots 2\n" ALICE "cert %s/bob B\n" KEY);
	talk_list(&talk);
	assert_int_equal(talk_count(&talk), 2);
	assert_int_equal(talk_item(&talk, 0)->id, id);
	assert_int_not_equal(talk_item(&talk, 1)->id, id);
	module_says("slots 0\n");
	talk_list(&talk);
	assert_int_equal(talk.reason, MTLS_REASON_NO_TOKEN);
	module_says(ALICE KEY);
	talk_list(&talk);
	assert_int_equal(talk_item(&talk, 0)->id, id);
	talk_stop(&talk);
}

/* --- where p11-kit's server may be --- */

static void forwarded_sockets(void **state)
{
	char own[128], others[128], link[160], file[128];
	const char *names[] = { own, others };
	(void)state;
	(void)snprintf(own, sizeof(own), "%s/own", folder);
	(void)snprintf(others, sizeof(others), "%s/others", folder);
	(void)snprintf(link, sizeof(link), "unix:path=%s/link", folder);
	(void)snprintf(file, sizeof(file), "unix:path=%s/alice", folder);
	for (size_t i = 0; i < (getuid() == 0 ? MTLS_COUNT(names) : 1); i++)
		(void)talk_socket(names[i], i == 0 ? talk_person : talk_person + 1);
	assert_int_equal(symlink(own, link + 10), 0);
	const struct {
		const char *address;
		enum mtls_reason reason;
		const char *detail;
	} rows[] = {
		{ others, MTLS_REASON_SOCKET_UNTRUSTED, "not unix:path" },
		{ "unix:path=relative", MTLS_REASON_SOCKET_UNTRUSTED, "not unix:path" },
		{ "unix:path=/a%2fb", MTLS_REASON_SOCKET_UNTRUSTED, "not unix:path" },
		{ "unix:path=/a;b", MTLS_REASON_SOCKET_UNTRUSTED, "not unix:path" },
		{ "unix:abstract=x", MTLS_REASON_SOCKET_UNTRUSTED, "not unix:path" },
		{ "vsock:cid=2", MTLS_REASON_SOCKET_UNTRUSTED, "not unix:path" },
		{ "exec:/bin/sh", MTLS_REASON_SOCKET_UNTRUSTED, "not unix:path" },
		{ "unix:path=/nonexistent", MTLS_REASON_NO_TOKEN, "No such file" },
		{ link, MTLS_REASON_SOCKET_UNTRUSTED, "not a socket" },
		{ file, MTLS_REASON_SOCKET_UNTRUSTED, "not a socket" },
	};
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct talk talk;
		const char *argv[] = { "mtls-signer-token", "--source", "p11-kit",
				       "--module",          module,     "--address",
				       rows[i].address,     NULL };
		forget_log();
		talk_start(&talk, argv);
		if (talk.reason != rows[i].reason || !strstr(talk.diag.text, rows[i].detail))
			fail_msg("%s: %s, '%s'", rows[i].address, mtls_reason_token(talk.reason),
				 talk.diag.text);
		talk_stop(&talk);
	}
	if (getuid() == 0) {
		char address[160];
		struct talk talk;
		(void)snprintf(address, sizeof(address), "unix:path=%s", others);
		const char *argv[] = {
			"mtls-signer-token", "--source", "p11-kit", "--module", module,
			"--address",         address,    NULL
		};
		talk_start(&talk, argv);
		assert_int_equal(talk.reason, MTLS_REASON_SOCKET_UNTRUSTED);
		assert_non_null(strstr(talk.diag.text, "another user's"));
		talk_stop(&talk);
	}
}

/*
 * The person's own by its inode, but somebody else listens: as after an exchange of the path. That
 * of a person's own server is the passing case.
 */
static void forwarded_socket_of_a_stranger(void **state)
{
	static const struct {
		const char *name;
		uid_t more;
		enum mtls_reason reason;
	} rows[] = {
		{ "own", 0, MTLS_REASON_NO_CREDENTIAL },
		{ "stranger", 1, MTLS_REASON_SOCKET_UNTRUSTED },
	};
	(void)state;
	if (getuid() != 0)
		skip();
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		char address[160];
		struct talk talk;
		(void)snprintf(address, sizeof(address), "unix:path=%s/%s-listens", folder,
			       rows[i].name);
		int fd = talk_socket(address + strlen("unix:path="), talk_person);
		/* Who calls listen(2) is whom the other end sees. */
		assert_int_equal(syscall(SYS_setresuid, -1, talk_person + rows[i].more, -1), 0);
		assert_int_equal(listen(fd, 8), 0);
		assert_int_equal(syscall(SYS_setresuid, -1, 0, -1), 0);
		const char *argv[] = {
			"mtls-signer-token", "--source", "p11-kit", "--module", module,
			"--address",         address,    NULL
		};
		talk_start(&talk, argv);
		if (talk.reason != rows[i].reason)
			fail_msg("%s: %s, '%s'", rows[i].name, mtls_reason_token(talk.reason),
				 talk.diag.text);
		if (rows[i].more)
			assert_non_null(strstr(talk.diag.text, "listens another user"));
		talk_stop(&talk);
		(void)close(fd);
	}
}

/* --- PINs --- */

struct pin_row {
	const char *name, *says, *pin;
	enum mtls_reason reason;
	enum mtls_presence presence;
	size_t logins, logouts; /* calls before the signer ends */
	const char *later;      /* what the module says from the unlocking on; NULL: the same */
};

/* clang-format off */
static const struct pin_row pin_rows[] = {
	{ "right", ALICE KEY, "1234", MTLS_REASON_ALLOWED, MTLS_PRESENCE_SECRET, 1, 0, NULL },
	{ "wrong", ALICE KEY, "1235", MTLS_REASON_PIN_WRONG, 0, 1, 0, NULL },
	{ "right one and more", ALICE KEY, "12345", MTLS_REASON_PIN_WRONG, 0, 1, 0, NULL },
	{ "low", LOW ALICE KEY, "1235", MTLS_REASON_PIN_WRONG, 0, 1, 0, NULL },
	{ "locked", LOCKED ALICE KEY, "1234", MTLS_REASON_PIN_LOCKED, 0, 0, 0, NULL },
	{ "locked now", "do C_Login 0xa4\n" ALICE KEY, "1234", MTLS_REASON_PIN_LOCKED, 0, 1, 0, NULL },
	{ "expired", "do C_Login 0xa3\n" ALICE KEY, "1234", MTLS_REASON_KEY_UNUSABLE, 0, 1, 0, NULL },
	{ "no PIN set", "do C_Login 0x102\n" ALICE KEY, "1234", MTLS_REASON_KEY_UNUSABLE, 0, 1, 0, NULL },
	{ "wrong length", "do C_Login 0xa2\n" ALICE KEY, "1234", MTLS_REASON_PIN_WRONG, 0, 1, 0, NULL },
	{ "cancelled", PAD "do C_Login 0x50\n" ALICE KEY, "", MTLS_REASON_SECRET_EMPTY, 0, 1, 0, NULL },
	{ "pulled", ALICE KEY, "1234", MTLS_REASON_TOKEN_GONE, 0, 1, 0, "slots 0\n" },
	{ "pulled, vaguely", "do C_Login 0x30\n" ALICE KEY, "1234", MTLS_REASON_TOKEN_GONE, 0, 1, 0, "do C_Login 0x30\ndo C_GetTokenInfo 0xe0\n" ALICE },
	{ "another card instead", "do C_Login 0x30\n" ALICE KEY, "1234", MTLS_REASON_TOKEN_GONE, 0, 1, 0, "do C_Login 0x30\nserial x\n" ALICE },
	{ "session gone", "do C_Login 0xb3\n" ALICE KEY, "1234", MTLS_REASON_TOKEN_GONE, 0, 1, 0, NULL },
	{ "fails", "do C_Login 5\n" ALICE KEY, "1234", MTLS_REASON_MODULE_FAILED, 0, 1, 0, NULL },
	{ "crash", "do C_Login crash\n" ALICE KEY, "1234", MTLS_REASON_SIGNER_FAILED, 0, 1, 0, NULL },
	{ "somebody logged in, right", "logged yes\n" ALICE KEY, "1234", MTLS_REASON_ALLOWED, MTLS_PRESENCE_SECRET, 2, 1, NULL },
	{ "somebody logged in, wrong", "logged yes\n" ALICE KEY, "1235", MTLS_REASON_PIN_WRONG, 0, 2, 1, NULL },
	{ "logged in for good", "logged yes\nstuck yes\n" ALICE KEY, "1234", MTLS_REASON_MODULE_FAILED, 0, 2, 1, NULL },
	{ "always 'already'", "do C_Login 0x100\n" ALICE KEY, "1234", MTLS_REASON_MODULE_FAILED, 0, 2, 1, NULL },
	{ "PIN pad", PAD ALICE KEY, "", MTLS_REASON_ALLOWED, MTLS_PRESENCE_PIN_PAD, 1, 0, NULL },
	{ "PIN pad, typed here", PAD ALICE KEY, "1234", MTLS_REASON_PIN_WRONG, 0, 0, 0, NULL },
	{ "no login, PIN or not", FREE ALICE KEY, "1234", MTLS_REASON_ALLOWED, MTLS_PRESENCE_NONE, 0, 0, NULL },
	{ "no key", ALICE, "1234", MTLS_REASON_KEY_UNUSABLE, 0, 1, 1, NULL },
	{ "another type of key", ALICE "key rsa A\n", "1234", MTLS_REASON_KEY_UNUSABLE, 0, 1, 1, NULL },
	{ "the only key", ALICE "key p256 Z\n", "1234", MTLS_REASON_ALLOWED, MTLS_PRESENCE_SECRET, 1, 0, NULL },
	{ "one of two keys", ALICE "key p256 Y\nkey p256 Z\n", "1234", MTLS_REASON_KEY_UNUSABLE, 0, 1, 1, NULL },
	{ "the one of two", ALICE "key p256 Z\n" KEY, "1234", MTLS_REASON_ALLOWED, MTLS_PRESENCE_SECRET, 1, 0, NULL },
};
/* clang-format on */

static void pins(void **state)
{
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(pin_rows); i++) {
		const struct pin_row *row = &pin_rows[i];
		enum mtls_presence presence = MTLS_PRESENCE_TOUCH;
		struct talk talk;
		start(&talk, row->says);
		assert_int_equal(talk.reason, MTLS_REASON_ALLOWED);
		uint32_t tries = talk_item(&talk, 0)->tries_left;
		if (row->later)
			module_says(row->later);
		enum mtls_reason reason = talk_unlock(&talk, row->pin, &presence, &talk.tries);
		if (reason != row->reason || presence != row->presence ||
		    calls("C_Login") != row->logins || calls("C_Logout") != row->logouts)
			fail_msg("%s: %s, %d, %zu, %zu", row->name, mtls_reason_token(reason),
				 (int)presence, calls("C_Login"), calls("C_Logout"));
		if (reason == MTLS_REASON_PIN_WRONG)
			assert_int_equal(talk.tries, tries);
		/* the log says what it was: for that the client asks for a list */
		if (reason == MTLS_REASON_KEY_UNUSABLE && !strstr(talk.diag.text, "'fake card': "))
			fail_msg("%s: '%s'", row->name, talk.diag.text);
		talk_stop(&talk);
	}
}

/* The number of tries that is told after a wrong one is the card's new one. */
static void tries_are_read_again(void **state)
{
	enum mtls_presence presence;
	struct talk talk;
	(void)state;
	start(&talk, LOW ALICE KEY);
	module_says(FINAL ALICE KEY);
	assert_int_equal(talk_unlock(&talk, "0000", &presence, &talk.tries), MTLS_REASON_PIN_WRONG);
	assert_int_equal(talk.tries, 1);
	talk_stop(&talk);
}

/* --- signatures --- */

struct sign_row {
	const char *name, *says, *cert;
	enum mtls_sign_scheme scheme;
	enum mtls_reason reason;
	size_t len;        /* of the signature */
	const char *noted; /* a line of the module's log */
	const char *later; /* what the module says from the signing on */
	bool locked;       /* without unlocking */
};

#define P256 MTLS_SIGN_ECDSA_P256_SHA256
#define ED   MTLS_SIGN_ED25519
#define PSS  MTLS_SIGN_RSA_PSS_RSAE_SHA256

/* clang-format off */
static const struct sign_row sign_rows[] = {
	{ "P-256", KEY, "alice", P256, MTLS_REASON_ALLOWED, 70, "mechanism 0x1041 of 32 bytes", NULL, false },
	{ "P-256, only with its hash", "bare no\n" KEY, "alice", P256, MTLS_REASON_ALLOWED, 70, "mechanism 0x1044 of 130 bytes", NULL, false },
	{ "Ed25519", "key ed25519 A\n", "ed", ED, MTLS_REASON_ALLOWED, 64, "mechanism 0x1057 of 130 bytes", NULL, false },
	{ "RSA", "key rsa A\nsignature 256\n", "rsa", PSS, MTLS_REASON_ALLOWED, 256, "mechanism 0xd of 32 bytes", NULL, false },
	{ "RSA, only with its hash", "bare no\nkey rsa A\nsignature 256\n", "rsa", PSS, MTLS_REASON_ALLOWED, 256, "mechanism 0x43 of 130 bytes", NULL, false },
	{ "not unlocked", KEY, "alice", P256, MTLS_REASON_SECRET_EMPTY, 0, NULL, NULL, true },
	{ "another scheme", KEY, "alice", ED, MTLS_REASON_KEY_UNUSABLE, 0, NULL, NULL, false },
	{ "no mechanism", "do C_SignInit 0x70\n" KEY, "alice", P256, MTLS_REASON_KEY_UNUSABLE, 0, NULL, NULL, false },
	{ "not for signing", "do C_SignInit 0x68\n" KEY, "alice", P256, MTLS_REASON_KEY_UNUSABLE, 0, NULL, NULL, false },
	{ "pulled", KEY, "alice", P256, MTLS_REASON_TOKEN_GONE, 0, NULL, "slots 0\n", false },
	{ "pulled within", KEY, "alice", P256, MTLS_REASON_TOKEN_GONE, 0, NULL, "do C_Sign 0x32\n" KEY, false },
	{ "logged out by others", "do C_Sign 0x101\n" KEY, "alice", P256, MTLS_REASON_SECRET_EMPTY, 0, NULL, NULL, false },
	{ "refused on the card", "do C_Sign 0x200\n" KEY, "alice", P256, MTLS_REASON_SECRET_EMPTY, 0, NULL, NULL, false },
	{ "fails", "do C_Sign 5\n" KEY, "alice", P256, MTLS_REASON_MODULE_FAILED, 0, NULL, NULL, false },
	{ "crash", "do C_Sign crash\n" KEY, "alice", P256, MTLS_REASON_SIGNER_FAILED, 0, NULL, NULL, false },
	{ "too short", "signature 63\n" KEY, "alice", P256, MTLS_REASON_MODULE_FAILED, 0, NULL, NULL, false },
	{ "empty", "signature 0\n" KEY, "alice", P256, MTLS_REASON_MODULE_FAILED, 0, NULL, NULL, false },
	{ "over the room", "signature 5000\n" KEY, "alice", P256, MTLS_REASON_MODULE_FAILED, 0, NULL, NULL, false },
	{ "over the room, RSA", "signature 5000\nkey rsa A\n", "rsa", PSS, MTLS_REASON_MODULE_FAILED, 0, NULL, NULL, false },
	{ "without end", "signature 0xffffffffffffffff\nkey rsa A\n", "rsa", PSS, MTLS_REASON_MODULE_FAILED, 0, NULL, NULL, false },
};
/* clang-format on */

static void signs(void **state)
{
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(sign_rows); i++) {
		const struct sign_row *row = &sign_rows[i];
		enum mtls_presence presence;
		uint8_t signature[MTLS_SIGNATURE_MAX];
		size_t len = sizeof(signature);
		struct talk talk;
		char text[512];
		(void)snprintf(text, sizeof(text), "cert %s/%s A\n%s", folder, row->cert,
			       row->says);
		start(&talk, text);
		assert_int_equal(talk.reason, MTLS_REASON_ALLOWED);
		if (!row->locked)
			assert_int_equal(talk_unlock(&talk, "1234", &presence, &talk.tries),
					 MTLS_REASON_ALLOWED);
		if (row->later)
			module_says(row->later);
		enum mtls_reason reason = talk_sign(&talk, row->scheme, signature, &len);
		if (reason != row->reason || (!reason && len != row->len) ||
		    (row->noted && !calls(row->noted)))
			fail_msg("%s: %s, %zu, %s", row->name, mtls_reason_token(reason), len,
				 log_text());
		talk_stop(&talk);
	}
}

/* Nothing but the client's side of a handshake. */
static void signs_client_contents_only(void **state)
{
	enum mtls_presence presence;
	uint8_t signature[MTLS_SIGNATURE_MAX];
	size_t len = sizeof(signature);
	struct talk talk;
	(void)state;
	start(&talk, ALICE KEY);
	assert_int_equal(talk_unlock(&talk, "1234", &presence, &talk.tries), MTLS_REASON_ALLOWED);
	assert_int_equal(
		talk_sign_text(&talk, P256, "TLS 1.3, server CertificateVerify", signature, &len),
		MTLS_REASON_BAD_REQUEST);
	assert_int_equal(calls("C_SignInit"), 0);
	assert_int_equal(talk_sign(&talk, P256, signature, &len), MTLS_REASON_ALLOWED);
	talk_stop(&talk);
}

/* The PIN serves one signature, within which the card gets it a second time. */
static void pin_per_use(void **state)
{
	static const struct {
		const char *says, *pin, *noted;
	} rows[] = {
		{ "always yes\n" ALICE KEY, "1234", "PIN given" },
		{ "always yes\n" PAD ALICE KEY, "", "PIN pad" },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		enum mtls_presence presence;
		uint8_t signature[MTLS_SIGNATURE_MAX];
		size_t len = sizeof(signature);
		struct talk talk;
		start(&talk, rows[i].says);
		assert_int_equal(talk_unlock(&talk, rows[i].pin, &presence, &talk.tries),
				 MTLS_REASON_ALLOWED);
		assert_int_equal(calls("C_Login"), 1);
		assert_int_equal(talk_sign(&talk, P256, signature, &len), MTLS_REASON_ALLOWED);
		assert_int_equal(calls(rows[i].noted), 2);
		len = sizeof(signature);
		assert_int_equal(talk_sign(&talk, P256, signature, &len), MTLS_REASON_SECRET_EMPTY);
		assert_int_equal(calls(rows[i].noted), 2);
		talk_stop(&talk);
	}
}

/* --- modules that do not come back, or try to get out --- */

static void hangs(void **state)
{
	static const char *const names[] = { "C_GetFunctionList",  "C_Initialize",  "C_GetSlotList",
					     "C_GetTokenInfo",     "C_OpenSession", "C_FindObjects",
					     "C_GetAttributeValue" };
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(names); i++) {
		char text[512];
		struct talk talk;
		(void)snprintf(text, sizeof(text), "do %s hang\n" ALICE KEY, names[i], folder);
		module_says(text);
		talk_timeout_ms = 200;
		start_with(&talk, module, NULL);
		talk_timeout_ms = TALK_TIMEOUT_MS;
		if (talk.reason != MTLS_REASON_SIGNER_TIMEOUT)
			fail_msg("%s: %s", names[i], mtls_reason_token(talk.reason));
		talk_stop(&talk);
	}
}

static void hangs_later(void **state)
{
	enum mtls_presence presence;
	uint8_t signature[MTLS_SIGNATURE_MAX];
	size_t len = sizeof(signature);
	struct talk talk;
	(void)state;
	start(&talk, "do C_Sign hang\n" ALICE KEY);
	assert_int_equal(talk_unlock(&talk, "1234", &presence, &talk.tries), MTLS_REASON_ALLOWED);
	talk_timeout_ms = 200;
	assert_int_equal(talk_sign(&talk, P256, signature, &len), MTLS_REASON_SIGNER_TIMEOUT);
	talk_stop(&talk);
	start(&talk, "do C_Finalize hang\ndo C_Login hang\n" ALICE KEY);
	talk_timeout_ms = TALK_TIMEOUT_MS;
	talk_list(&talk);
	talk_timeout_ms = 200;
	assert_int_equal(talk_unlock(&talk, "1234", &presence, &talk.tries),
			 MTLS_REASON_SIGNER_TIMEOUT);
	talk_timeout_ms = TALK_TIMEOUT_MS;
	talk_stop(&talk);
}

static void cannot_fork(void **state)
{
	struct talk talk;
	(void)state;
	start(&talk, "do C_Initialize fork\n" ALICE KEY);
	assert_int_equal(talk.reason, MTLS_REASON_ALLOWED);
	assert_int_equal(calls("fork refused"), 1);
	assert_int_equal(calls("fork worked"), 0);
	talk_stop(&talk);
}

/* It ends at once, and says why to nobody. */
static void wrong_command_lines(void **state)
{
	static const char *const rows[][8] = {
		{ "mtls-signer-token" },
		{ "mtls-signer-token", "--source", "pkcs11" },
		{ "mtls-signer-token", "--source", "file", "--dir", "/tmp" },
		{ "mtls-signer-token", "--source", "p11-kit", "--module", "/x.so" },
		{ "mtls-signer-token", "--source", "pkcs11", "--module", "/x.so", "--env", "x" },
		{ "mtls-signer-token", "--source", "pkcs11", "--module", "/x.so", "--env", "=" },
		{ "mtls-signer-token", "--source", "pkcs11", "--module", "" },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct talk talk;
		talk_start(&talk, rows[i]);
		if (talk.reason != MTLS_REASON_SIGNER_FAILED ||
		    !strstr(talk.diag.text, "closed the connection"))
			fail_msg("row %zu: %s", i, talk.diag.text);
		talk_stop(&talk);
	}
}

static void cannot_get_out(void **state)
{
	struct talk talk;
	(void)state;
	start(&talk, "do C_Initialize out\n" ALICE KEY);
	assert_int_equal(talk.reason, MTLS_REASON_ALLOWED);
	assert_int_equal(calls("did not get out"), 1);
	if (strstr(log_text(), "escaped") || strstr(log_text(), "refused"))
		fail_msg("%s", log_text());
	talk_stop(&talk);
}

/* --- --- */

static int copy_module(void)
{
	_cleanup_buf_ struct mtls_buf buf = MTLS_BUF(64 << 20);
	const struct mtls_file_mode mode = { .mode = 0644, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	char path[4096];
	(void)snprintf(path, sizeof(path), "%s/tests/unit/.libs/fake_module.so",
		       getenv("top_builddir") ? getenv("top_builddir") : ".");
	(void)snprintf(module, sizeof(module), "%s/fake_module.so", talk_base);
	return mtls_file_read(path, NULL, &buf, NULL) < 0
		       ? -1
		       : mtls_file_replace(module, buf.data, buf.len, &mode, NULL);
}

static struct certgen *write_cert(const char *name, const struct certgen_options *options,
				  struct certgen *issuer)
{
	struct certgen *cert = certgen_new(options, issuer);
	write_file(name, cert->der.data, cert->der.size);
	return cert;
}

static int set_up(void **state)
{
	static const uint8_t version[] = { 5, 4, 3 };
	(void)state;
	if (talk_set_up("mtls-signer-token") < 0)
		return -1;
	(void)snprintf(folder, sizeof(folder), "%s/card", talk_base);
	(void)snprintf(says, sizeof(says), "%s/says", folder);
	if (mkdir(folder, 0755) < 0 || chown(folder, talk_person, (gid_t)-1) < 0 ||
	    copy_module() < 0)
		return -1;
	struct certgen *ca = write_cert(
		"ca", &(struct certgen_options){ .dn = "CN=Example CA", .ca = true }, NULL);
	struct certgen *alice =
		write_cert("alice", &(struct certgen_options){ .dn = "CN=Alice" }, ca);
	certgen_free(write_cert(
		"old",
		&(struct certgen_options){
			.dn = "CN=Alice", .same_key = alice, .not_before = 1, .not_after = 2 },
		ca));
	certgen_free(write_cert(
		"attestation",
		&(struct certgen_options){
			.dn = "CN=YubiKey PIV Attestation 9a",
			.same_key = alice,
			.ext = { { "1.3.6.1.4.1.41482.3.3", version, sizeof(version), false } } },
		ca));
	certgen_free(write_cert("bob", &(struct certgen_options){ .dn = "CN=Bob" }, ca));
	certgen_free(write_cert(
		"ed", &(struct certgen_options){ .dn = "CN=Ed", .key = CERTGEN_ED25519 }, ca));
	certgen_free(write_cert(
		"rsa", &(struct certgen_options){ .dn = "CN=Rsa", .key = CERTGEN_RSA2048 }, ca));
	certgen_free(write_cert(
		"expired",
		&(struct certgen_options){ .dn = "CN=Expired", .not_before = 1, .not_after = 2 },
		ca));
	certgen_free(alice);
	certgen_free(ca);
	static const uint8_t nothing[20000];
	write_file("garbage", "\x30\x82\x01\x00garbage", 11);
	write_file("long", nothing, sizeof(nothing));
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists),
		cmocka_unit_test(modules_that_cannot_be_loaded),
		cmocka_unit_test(one_of_two_modules),
		cmocka_unit_test(uris),
		cmocka_unit_test(is_looked_at_anew),
		cmocka_unit_test(forwarded_sockets),
		cmocka_unit_test(forwarded_socket_of_a_stranger),
		cmocka_unit_test(pins),
		cmocka_unit_test(tries_are_read_again),
		cmocka_unit_test(signs),
		cmocka_unit_test(signs_client_contents_only),
		cmocka_unit_test(pin_per_use),
		cmocka_unit_test(hangs),
		cmocka_unit_test(hangs_later),
		cmocka_unit_test(cannot_fork),
		cmocka_unit_test(cannot_get_out),
		cmocka_unit_test(wrong_command_lines),
	};
	return cmocka_run_group_tests(tests, set_up, talk_tear_down);
}
