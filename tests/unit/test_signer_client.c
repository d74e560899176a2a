/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * signer/client against a signer that says what the row wants: the answers lie in the socket before
 * the question is asked, and what the client sent is looked at afterwards.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/wire/frame.h"
#include "signer/client.h"

#define TIMEOUT_MS 2000
#define SHORT_MS   60

struct fixture {
	struct signer_client *client;
	int signer; /* the other end; -1: closed */
};

static void open_fixture(struct fixture *f)
{
	int fds[2];
	const int size = 4 << 20; /* so that a whole list can lie in it */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
	f->client = signer_client_new(fds[0]);
	assert_non_null(f->client);
	f->signer = fds[1];
}

static void close_fixture(struct fixture *f)
{
	signer_client_free(f->client);
	if (f->signer >= 0)
		(void)close(f->signer);
}

static void say_bytes(struct fixture *f, const void *data, size_t len)
{
	assert_int_equal(send(f->signer, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void say(struct fixture *f, struct mtls_msg *msg)
{
	_cleanup_free_ uint8_t *der = NULL;
	size_t len = 0;
	assert_int_equal(mtls_msg_encode(msg, &der, &len, NULL), 0);
	say_bytes(f, der, len);
	mtls_msg_free(msg);
}

static struct mtls_msg *new_msg(enum mtls_msg_type type)
{
	struct mtls_msg *msg = mtls_msg_new(type);
	assert_non_null(msg);
	return msg;
}

/* @certs certificates of @cert_len bytes; 0: a hidden chain. */
static struct mtls_msg *credential(uint32_t id, size_t certs, size_t cert_len)
{
	static const uint8_t bytes[MTLS_CERT_MAX] = { 0x30 };
	struct mtls_msg *msg = new_msg(MTLS_MSG_SIGNER_CREDENTIAL);
	struct mtls_signer_credential *u = &msg->u.signer_credential;
	u->id = id;
	u->needs_secret = true;
	u->tries_left = MTLS_TRIES_UNKNOWN;
	u->key_type = certs ? MTLS_KEY_TYPE_ED25519 : MTLS_KEY_TYPE_HIDDEN;
	assert_int_equal(mtls_msg_set_text(&u->source, "file"), 0);
	assert_int_equal(mtls_msg_set_text(&u->label, certs ? "Alice" : "alice.p12"), 0);
	assert_int_equal(mtls_msg_set_text(&u->issuer, certs ? "CA" : ""), 0);
	for (u->chain_count = 0; u->chain_count < certs; u->chain_count++)
		assert_int_equal(mtls_msg_set_bytes(&u->chain[u->chain_count], bytes, cert_len), 0);
	return msg;
}

static struct mtls_msg *end(enum mtls_reason reason, const char *detail)
{
	struct mtls_msg *msg = new_msg(MTLS_MSG_SIGNER_END);
	msg->u.signer_end.reason = reason;
	assert_int_equal(mtls_msg_set_text(&msg->u.signer_end.detail, detail), 0);
	return msg;
}

static struct mtls_msg *unlocked(enum mtls_reason reason, enum mtls_presence presence,
				 uint32_t tries)
{
	struct mtls_msg *msg = new_msg(MTLS_MSG_SIGNER_UNLOCKED);
	msg->u.signer_unlocked.reason = reason;
	msg->u.signer_unlocked.presence = presence;
	msg->u.signer_unlocked.tries_left = tries;
	return msg;
}

static struct mtls_msg *signature(enum mtls_reason reason, size_t len)
{
	static const uint8_t bytes[MTLS_SIGNATURE_MAX] = { 0x5a };
	struct mtls_msg *msg = new_msg(MTLS_MSG_SIGNER_SIGNATURE);
	msg->u.signer_signature.reason = reason;
	if (len)
		assert_int_equal(mtls_msg_set_bytes(&msg->u.signer_signature.signature, bytes, len),
				 0);
	return msg;
}

/* The next message that the client sent; the caller frees it. */
static struct mtls_msg *heard(struct fixture *f)
{
	struct mtls_frame frame;
	struct mtls_msg *msg = NULL;
	uint8_t byte;
	mtls_frame_init(&frame, false);
	mtls_frame_expect(&frame, MTLS_EXPECT(SIGNER_LIST) | MTLS_EXPECT(SIGNER_UNLOCK) |
					  MTLS_EXPECT(SIGNER_SIGN) | MTLS_EXPECT(SIGNER_QUIT));
	while (mtls_frame_next(&frame, &msg, NULL) == 0) {
		if (mtls_wait_fd(f->signer, POLLIN, mtls_deadline_in_ms(TIMEOUT_MS)) < 0 ||
		    recv(f->signer, &byte, 1, 0) != 1)
			break;
		assert_int_equal(mtls_frame_push(&frame, &byte, 1), 0);
	}
	mtls_frame_done(&frame);
	assert_non_null(msg);
	return msg;
}

static enum mtls_reason list(struct fixture *f, struct mtls_diag *diag)
{
	return signer_client_list(f->client, TIMEOUT_MS, diag);
}

static void lists(void **state)
{
	struct fixture f;
	struct mtls_diag diag = { 0 };
	(void)state;
	open_fixture(&f);
	say(&f, credential(3, 2, 100));
	say(&f, credential(1, 0, 0));
	say(&f, end(MTLS_REASON_ALLOWED, "'x.pem': it is empty"));
	assert_int_equal(list(&f, &diag), MTLS_REASON_ALLOWED);
	assert_string_equal(diag.text, "'x.pem': it is empty");
	assert_int_equal(signer_client_count(f.client), 2);
	assert_int_equal(signer_client_credential(f.client, 0)->id, 3);
	assert_int_equal(signer_client_credential(f.client, 0)->chain_count, 2);
	assert_int_equal(signer_client_credential(f.client, 1)->chain_count, 0);
	assert_null(signer_client_credential(f.client, 2));
	_cleanup_(mtls_msg_freep) struct mtls_msg *request = heard(&f);
	assert_int_equal(request->type, MTLS_MSG_SIGNER_LIST);
	assert_int_equal(request->u.signer_list.version, MTLS_PROTOCOL_VERSION);
	close_fixture(&f);
}

static void empty_list_is_fine(void **state)
{
	struct fixture f;
	struct mtls_diag diag = { .text = "old" };
	(void)state;
	open_fixture(&f);
	say(&f, end(MTLS_REASON_ALLOWED, NULL));
	assert_int_equal(list(&f, &diag), MTLS_REASON_ALLOWED);
	assert_string_equal(diag.text, "");
	assert_int_equal(signer_client_count(f.client), 0);
	close_fixture(&f);
}

/* The reasons of an end mark: those of a signer pass, others do not. */
static void list_reasons(void **state)
{
	static const struct {
		enum mtls_reason said, want;
	} rows[] = {
		{ MTLS_REASON_NO_CREDENTIAL, MTLS_REASON_NO_CREDENTIAL },
		{ MTLS_REASON_KEY_UNUSABLE, MTLS_REASON_KEY_UNUSABLE },
		{ MTLS_REASON_SIGNER_FAILED, MTLS_REASON_SIGNER_FAILED },
		{ MTLS_REASON_NO_TOKEN, MTLS_REASON_NO_TOKEN },
		{ MTLS_REASON_TOKEN_GONE, MTLS_REASON_TOKEN_GONE },
		{ MTLS_REASON_PIN_WRONG, MTLS_REASON_PIN_WRONG },
		{ MTLS_REASON_PIN_LOCKED, MTLS_REASON_PIN_LOCKED },
		{ MTLS_REASON_READER_REFUSED, MTLS_REASON_READER_REFUSED },
		{ MTLS_REASON_MODULE_FAILED, MTLS_REASON_MODULE_FAILED },
		{ MTLS_REASON_AGENT_MISSING, MTLS_REASON_AGENT_MISSING },
		{ MTLS_REASON_AGENT_REFUSED, MTLS_REASON_AGENT_REFUSED },
		{ MTLS_REASON_SOCKET_UNTRUSTED, MTLS_REASON_SOCKET_UNTRUSTED },
		{ MTLS_REASON_CERT_REVOKED, MTLS_REASON_SIGNER_FAILED },
		{ MTLS_REASON_CHOOSE, MTLS_REASON_SIGNER_FAILED },
		{ MTLS_REASON_ROOT, MTLS_REASON_SIGNER_FAILED },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct fixture f;
		struct mtls_diag diag = { 0 };
		open_fixture(&f);
		say(&f, credential(1, 1, 10));
		say(&f, end(rows[i].said, "detail"));
		assert_int_equal(list(&f, &diag), rows[i].want);
		assert_true(diag.text[0]);
		assert_int_equal(signer_client_count(f.client), 0);
		close_fixture(&f);
	}
}

static void nothing(struct fixture *f)
{
	(void)f;
}

static void dies(struct fixture *f)
{
	(void)close(f->signer);
	f->signer = -1;
}

static void dies_in_a_message(struct fixture *f)
{
	say_bytes(f, "\x71\x30\x02", 3);
	dies(f);
}

static void dies_between(struct fixture *f)
{
	say(f, credential(1, 1, 10));
	dies(f);
}

static void stops_in_a_message(struct fixture *f)
{
	say_bytes(f, "\x71\x30\x02", 3);
}

static void garbage(struct fixture *f)
{
	say_bytes(f, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
}

static void zeros(struct fixture *f)
{
	static const uint8_t bytes[100];
	say_bytes(f, bytes, sizeof(bytes));
}

static void wrong_type(struct fixture *f)
{
	say(f, signature(MTLS_REASON_ALLOWED, 64));
}

static void over_length(struct fixture *f)
{
	say_bytes(f, "\x71\x84\x7f\xff\xff\xff", 6);
}

static void credentials_33(struct fixture *f)
{
	for (uint32_t i = 0; i < 33; i++)
		say(f, credential(i, 1, 10));
	say(f, end(MTLS_REASON_ALLOWED, NULL));
}

static void same_id_twice(struct fixture *f)
{
	say(f, credential(5, 1, 10));
	say(f, credential(5, 1, 10));
	say(f, end(MTLS_REASON_ALLOWED, NULL));
}

static void not_canonical(struct fixture *f)
{
	say_bytes(f, "\x72\x04\x02\x02\x00\x00", 6);
}

static void broken_signers(void **state)
{
	static const struct {
		const char *name;
		void (*act)(struct fixture *f);
		enum mtls_reason want;
	} rows[] = {
		{ "hangs", nothing, MTLS_REASON_SIGNER_TIMEOUT },
		{ "hangs in a message", stops_in_a_message, MTLS_REASON_SIGNER_TIMEOUT },
		{ "dead", dies, MTLS_REASON_SIGNER_FAILED },
		{ "dies in a message", dies_in_a_message, MTLS_REASON_SIGNER_FAILED },
		{ "dies between messages", dies_between, MTLS_REASON_SIGNER_FAILED },
		{ "garbage", garbage, MTLS_REASON_SIGNER_FAILED },
		{ "zeros", zeros, MTLS_REASON_SIGNER_FAILED },
		{ "another type", wrong_type, MTLS_REASON_SIGNER_FAILED },
		{ "2 GiB announced", over_length, MTLS_REASON_SIGNER_FAILED },
		{ "33 credentials", credentials_33, MTLS_REASON_SIGNER_FAILED },
		{ "an id twice", same_id_twice, MTLS_REASON_SIGNER_FAILED },
		{ "not canonical", not_canonical, MTLS_REASON_SIGNER_FAILED },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct fixture f;
		struct mtls_diag diag = { 0 };
		bool timeout = rows[i].want == MTLS_REASON_SIGNER_TIMEOUT;
		open_fixture(&f);
		rows[i].act(&f);
		int64_t begin = mtls_now_ms();
		enum mtls_reason reason =
			signer_client_list(f.client, timeout ? SHORT_MS : TIMEOUT_MS, &diag);
		int64_t took = mtls_now_ms() - begin;
		if (reason != rows[i].want || !strstr(diag.text, "mtls-signer: list: "))
			fail_msg("%s: %d, '%s'", rows[i].name, (int)reason, diag.text);
		assert_true(timeout ? took >= SHORT_MS && took < 1500 : took < TIMEOUT_MS);
		assert_int_equal(signer_client_count(f.client), 0);
		/* After a surprise nothing is asked or believed any more. */
		if (f.signer >= 0) {
			say(&f, end(MTLS_REASON_ALLOWED, NULL));
			assert_int_equal(list(&f, NULL), MTLS_REASON_SIGNER_FAILED);
		}
		close_fixture(&f);
	}
}

/* A byte every few milliseconds must not prolong the deadline. */
static void slow_drip_ends_at_the_deadline(void **state)
{
	struct fixture f;
	(void)state;
	open_fixture(&f);
	(void)fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		static const uint8_t header[] = { 0x71, 0x83, 0x01, 0x00, 0x00 };
		signer_client_free(f.client);
		for (size_t i = 0; i < 400; i++) {
			uint8_t byte = i < sizeof(header) ? header[i] : 0;
			if (send(f.signer, &byte, 1, MSG_NOSIGNAL) != 1)
				_exit(0);
			(void)usleep(5000);
		}
		_exit(0);
	}
	int64_t begin = mtls_now_ms();
	assert_int_equal(signer_client_list(f.client, 150, NULL), MTLS_REASON_SIGNER_TIMEOUT);
	assert_true(mtls_now_ms() - begin < 1200);
	close_fixture(&f);
}

static void listed(struct fixture *f, struct mtls_msg *first)
{
	open_fixture(f);
	say(f, first);
	say(f, end(MTLS_REASON_ALLOWED, NULL));
	assert_int_equal(list(f, NULL), MTLS_REASON_ALLOWED);
	mtls_msg_free(heard(f));
}

static const uint8_t secret[] = "secret";

static enum mtls_reason unlock(struct fixture *f, uint32_t id, size_t len,
			       enum mtls_presence *presence, uint32_t *tries,
			       struct mtls_diag *diag)
{
	return signer_client_unlock(f->client, id, secret, len, TIMEOUT_MS, presence, tries, diag);
}

static void unlocks(void **state)
{
	static const struct {
		const char *name;
		enum mtls_reason said;
		enum mtls_presence said_presence;
		enum mtls_reason want;
		enum mtls_presence want_presence;
	} rows[] = {
		{ "secret", MTLS_REASON_ALLOWED, MTLS_PRESENCE_SECRET, MTLS_REASON_ALLOWED,
		  MTLS_PRESENCE_SECRET },
		{ "nothing proved", MTLS_REASON_ALLOWED, MTLS_PRESENCE_NONE, MTLS_REASON_ALLOWED,
		  MTLS_PRESENCE_NONE },
		{ "wrong", MTLS_REASON_SECRET_WRONG, MTLS_PRESENCE_SECRET, MTLS_REASON_SECRET_WRONG,
		  MTLS_PRESENCE_NONE },
		{ "foreign reason", MTLS_REASON_EKU_WRONG, MTLS_PRESENCE_SECRET,
		  MTLS_REASON_SIGNER_FAILED, MTLS_PRESENCE_NONE },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct fixture f;
		struct mtls_diag diag = { 0 };
		enum mtls_presence presence = MTLS_PRESENCE_TOUCH;
		uint32_t tries = 0;
		listed(&f, credential(4, 1, 10));
		say(&f, unlocked(rows[i].said, rows[i].said_presence, 2));
		enum mtls_reason reason =
			unlock(&f, 4, sizeof(secret) - 1, &presence, &tries, &diag);
		if (reason != rows[i].want || presence != rows[i].want_presence)
			fail_msg("%s: %d, presence %d", rows[i].name, (int)reason, (int)presence);
		assert_int_equal(tries, 2);
		_cleanup_(mtls_msg_freep) struct mtls_msg *request = heard(&f);
		assert_int_equal(request->type, MTLS_MSG_SIGNER_UNLOCK);
		assert_int_equal(request->u.signer_unlock.id, 4);
		assert_int_equal(request->u.signer_unlock.secret.len, 6);
		assert_memory_equal(request->u.signer_unlock.secret.data, "secret", 6);
		close_fixture(&f);
	}
}

/* These are answered here; the signer is not asked. */
static void unlock_needs_sense(void **state)
{
	static const uint8_t longer[MTLS_SECRET_MAX + 1] = { 'x' };
	struct fixture f;
	enum mtls_presence presence;
	uint32_t tries;
	(void)state;
	listed(&f, credential(4, 1, 10));
	assert_int_equal(unlock(&f, 5, 3, &presence, &tries, NULL), MTLS_REASON_NO_CREDENTIAL);
	assert_int_equal(unlock(&f, 4, 0, &presence, &tries, NULL), MTLS_REASON_SECRET_EMPTY);
	assert_int_equal(signer_client_unlock(f.client, 4, longer, sizeof(longer), TIMEOUT_MS,
					      &presence, &tries, NULL),
			 MTLS_REASON_SECRET_WRONG);
	char byte;
	assert_int_equal(recv(f.signer, &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
	close_fixture(&f);
}

/* Another process answers an unlock, then, when it is asked, a list. */
static pid_t answer_both(struct fixture *f, struct mtls_msg *first, void (*act)(struct fixture *f))
{
	(void)fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid > 0) {
		mtls_msg_free(first);
		return pid;
	}
	struct mtls_msg *request = heard(f);
	if (request->type != MTLS_MSG_SIGNER_UNLOCK)
		_exit(1);
	mtls_msg_free(request);
	say(f, first);
	request = heard(f);
	if (request->type != MTLS_MSG_SIGNER_LIST)
		_exit(2);
	mtls_msg_free(request);
	act(f);
	_exit(0);
}

static void end_answers(struct fixture *f, pid_t pid)
{
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close_fixture(f);
}

static void now_shown(struct fixture *f)
{
	say(f, credential(9, 1, 20));
	say(f, credential(4, 2, 30));
	say(f, end(MTLS_REASON_ALLOWED, NULL));
}

static void hidden_chain_is_completed(void **state)
{
	struct fixture f;
	enum mtls_presence presence;
	uint32_t tries;
	(void)state;
	listed(&f, credential(4, 0, 0));
	const struct mtls_signer_credential *held = signer_client_credential(f.client, 0);
	pid_t pid = answer_both(
		&f, unlocked(MTLS_REASON_ALLOWED, MTLS_PRESENCE_SECRET, MTLS_TRIES_UNKNOWN),
		now_shown);
	assert_int_equal(unlock(&f, 4, 6, &presence, &tries, NULL), MTLS_REASON_ALLOWED);
	assert_int_equal(presence, MTLS_PRESENCE_SECRET);
	/* The pointer that the caller holds is good, and nothing else was taken over. */
	assert_ptr_equal(held, signer_client_credential(f.client, 0));
	assert_int_equal(held->chain_count, 2);
	assert_int_equal(held->chain[0].len, 30);
	assert_string_equal(held->label, "Alice");
	assert_int_equal(signer_client_count(f.client), 1);
	end_answers(&f, pid);
}

static void still_hidden(struct fixture *f)
{
	say(f, credential(4, 0, 0));
	say(f, end(MTLS_REASON_ALLOWED, NULL));
}

static void vanished(struct fixture *f)
{
	say(f, credential(5, 1, 10));
	say(f, end(MTLS_REASON_ALLOWED, NULL));
}

static void hidden_chain_must_appear(void **state)
{
	static const struct {
		const char *name, *text;
		void (*act)(struct fixture *f);
	} rows[] = {
		{ "still hidden", "no certificate after unlocking", still_hidden },
		{ "vanished", "no certificate after unlocking", vanished },
		{ "dies", "list after unlock", dies },
		{ "garbage", "list after unlock", garbage },
		{ "too many", "over the bounds", credentials_33 },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct fixture f;
		enum mtls_presence presence;
		uint32_t tries;
		struct mtls_diag diag = { 0 };
		listed(&f, credential(4, 0, 0));
		pid_t pid = answer_both(&f, unlocked(MTLS_REASON_ALLOWED, MTLS_PRESENCE_SECRET, 1),
					rows[i].act);
		(void)close(f.signer);
		f.signer = -1;
		enum mtls_reason reason = unlock(&f, 4, 6, &presence, &tries, &diag);
		if (reason != MTLS_REASON_SIGNER_FAILED || presence != MTLS_PRESENCE_NONE ||
		    !strstr(diag.text, rows[i].text))
			fail_msg("%s: %d, presence %d, '%s'", rows[i].name, (int)reason,
				 (int)presence, diag.text);
		end_answers(&f, pid);
	}
}

static void says_damaged(struct fixture *f)
{
	say(f, end(MTLS_REASON_KEY_UNUSABLE, "'alice.p12': damaged"));
}

static void unusable_key_is_named(void **state)
{
	struct fixture f;
	struct mtls_diag diag = { 0 };
	enum mtls_presence presence;
	uint32_t tries;
	(void)state;
	listed(&f, credential(4, 0, 0));
	pid_t pid = answer_both(
		&f, unlocked(MTLS_REASON_KEY_UNUSABLE, MTLS_PRESENCE_NONE, MTLS_TRIES_UNKNOWN),
		says_damaged);
	assert_int_equal(unlock(&f, 4, 6, &presence, &tries, &diag), MTLS_REASON_KEY_UNUSABLE);
	assert_string_equal(diag.text, "'alice.p12': damaged");
	end_answers(&f, pid);
}

static void signs(void **state)
{
	static const struct {
		const char *name;
		enum mtls_reason said;
		size_t said_len, room;
		enum mtls_reason want;
	} rows[] = {
		{ "signature", MTLS_REASON_ALLOWED, 64, 64, MTLS_REASON_ALLOWED },
		{ "largest", MTLS_REASON_ALLOWED, 2048, 2048, MTLS_REASON_ALLOWED },
		{ "more than there is room", MTLS_REASON_ALLOWED, 65, 64,
		  MTLS_REASON_SIGNER_FAILED },
		{ "refused content", MTLS_REASON_BAD_REQUEST, 0, 64, MTLS_REASON_BAD_REQUEST },
		{ "locked", MTLS_REASON_SECRET_EMPTY, 0, 64, MTLS_REASON_SECRET_EMPTY },
		{ "foreign reason", MTLS_REASON_NONCE, 0, 64, MTLS_REASON_SIGNER_FAILED },
	};
	static const uint8_t content[] = "content";
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct fixture f;
		uint8_t sig[MTLS_SIGNATURE_MAX] = { 0 };
		size_t len = rows[i].room;
		listed(&f, credential(4, 1, 10));
		say(&f, signature(rows[i].said, rows[i].said_len));
		enum mtls_reason reason =
			signer_client_sign(f.client, 4, MTLS_SIGN_ED25519, content, sizeof(content),
					   sig, &len, TIMEOUT_MS, NULL);
		if (reason != rows[i].want)
			fail_msg("%s: %d", rows[i].name, (int)reason);
		bool allowed = reason == MTLS_REASON_ALLOWED;
		assert_int_equal(len, allowed ? rows[i].said_len : rows[i].room);
		assert_int_equal(sig[0], allowed ? 0x5a : 0);
		_cleanup_(mtls_msg_freep) struct mtls_msg *request = heard(&f);
		assert_int_equal(request->type, MTLS_MSG_SIGNER_SIGN);
		assert_int_equal(request->u.signer_sign.scheme, MTLS_SIGN_ED25519);
		assert_int_equal(request->u.signer_sign.content.len, sizeof(content));
		close_fixture(&f);
	}
}

/* An answer before the question belongs to no question. */
static void unasked_answers_are_not_taken(void **state)
{
	static const uint8_t content[] = "content";
	struct fixture f;
	struct mtls_diag diag = { 0 };
	uint8_t sig[MTLS_SIGNATURE_MAX];
	size_t len = sizeof(sig);
	(void)state;
	open_fixture(&f);
	say(&f, credential(4, 1, 10));
	say(&f, end(MTLS_REASON_ALLOWED, NULL));
	say(&f, signature(MTLS_REASON_ALLOWED, 64));
	assert_int_equal(list(&f, NULL), MTLS_REASON_ALLOWED);
	assert_int_equal(signer_client_sign(f.client, 4, MTLS_SIGN_ED25519, content,
					    sizeof(content), sig, &len, TIMEOUT_MS, &diag),
			 MTLS_REASON_SIGNER_FAILED);
	assert_non_null(strstr(diag.text, "without being asked"));
	close_fixture(&f);
}

/* A key that is slow: the fixture answers when the person was told, or not at all. */
struct slow {
	struct fixture *f;
	int told;
	bool answers;
};

static void touch(void *ctx)
{
	struct slow *slow = ctx;
	slow->told++;
	if (slow->answers)
		say(slow->f, signature(MTLS_REASON_ALLOWED, 64));
}

static void the_person_is_told_to_touch_the_key(void **state)
{
	static const struct {
		const char *name;
		bool at_once, when_told;
		uint32_t notice_ms, timeout_ms;
		enum mtls_reason want;
		int told;
	} rows[] = {
		{ "at once", true, false, 0, TIMEOUT_MS, MTLS_REASON_ALLOWED, 0 },
		{ "when touched", false, true, 1, TIMEOUT_MS, MTLS_REASON_ALLOWED, 1 },
		{ "never touched", false, false, 1, SHORT_MS, MTLS_REASON_SIGNER_TIMEOUT, 1 },
		{ "hangs for less", false, false, TIMEOUT_MS, SHORT_MS, MTLS_REASON_SIGNER_TIMEOUT,
		  0 },
	};
	static const uint8_t content[] = "content";
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct fixture f;
		uint8_t sig[MTLS_SIGNATURE_MAX];
		size_t len = sizeof(sig);
		listed(&f, credential(4, 1, 10));
		if (rows[i].at_once)
			say(&f, signature(MTLS_REASON_ALLOWED, 64));
		struct slow slow = { .f = &f, .answers = rows[i].when_told };
		signer_client_notice(f.client, rows[i].notice_ms, touch, &slow);
		enum mtls_reason reason =
			signer_client_sign(f.client, 4, MTLS_SIGN_ED25519, content, sizeof(content),
					   sig, &len, rows[i].timeout_ms, NULL);
		if (reason != rows[i].want || slow.told != rows[i].told)
			fail_msg("%s: %d, told %d times", rows[i].name, (int)reason, slow.told);
		close_fixture(&f);
	}
}

static void quits_at_the_end(void **state)
{
	struct fixture f;
	char byte;
	(void)state;
	listed(&f, credential(4, 1, 10));
	signer_client_free(f.client);
	_cleanup_(mtls_msg_freep) struct mtls_msg *request = heard(&f);
	assert_int_equal(request->type, MTLS_MSG_SIGNER_QUIT);
	assert_int_equal(recv(f.signer, &byte, 1, 0), 0);
	(void)close(f.signer);
	signer_client_free(NULL);
}

/* The key ends before the client does, and nothing can be asked of it any more. */
static void quits_before_the_end(void **state)
{
	static const uint8_t content[] = "content";
	uint8_t sig[64];
	size_t len = sizeof(sig);
	struct fixture f;
	char byte;
	(void)state;
	listed(&f, credential(4, 1, 10));
	signer_client_quit(f.client);
	_cleanup_(mtls_msg_freep) struct mtls_msg *request = heard(&f);
	assert_int_equal(request->type, MTLS_MSG_SIGNER_QUIT);
	assert_int_equal(recv(f.signer, &byte, 1, 0), 0);
	assert_int_equal(signer_client_count(f.client), 1);
	assert_non_null(signer_client_credential(f.client, 0));
	assert_int_equal(signer_client_sign(f.client, 4, MTLS_SIGN_ED25519, content,
					    sizeof(content), sig, &len, 1000, NULL),
			 MTLS_REASON_SIGNER_FAILED);
	close_fixture(&f);
}

/* A signer that does not read: the request must not block beyond the deadline either. */
static void full_socket_is_a_timeout(void **state)
{
	struct fixture f;
	int fds[2];
	static const uint8_t bytes[4096];
	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
	while (send(fds[0], bytes, sizeof(bytes), MSG_NOSIGNAL) > 0)
		;
	while (send(fds[0], bytes, 1, MSG_NOSIGNAL) > 0)
		;
	f.client = signer_client_new(fds[0]);
	f.signer = fds[1];
	assert_int_equal(signer_client_list(f.client, SHORT_MS, NULL), MTLS_REASON_SIGNER_TIMEOUT);
	close_fixture(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists),
		cmocka_unit_test(empty_list_is_fine),
		cmocka_unit_test(list_reasons),
		cmocka_unit_test(broken_signers),
		cmocka_unit_test(slow_drip_ends_at_the_deadline),
		cmocka_unit_test(unlocks),
		cmocka_unit_test(unlock_needs_sense),
		cmocka_unit_test(hidden_chain_is_completed),
		cmocka_unit_test(hidden_chain_must_appear),
		cmocka_unit_test(unusable_key_is_named),
		cmocka_unit_test(signs),
		cmocka_unit_test(unasked_answers_are_not_taken),
		cmocka_unit_test(the_person_is_told_to_touch_the_key),
		cmocka_unit_test(quits_at_the_end),
		cmocka_unit_test(quits_before_the_end),
		cmocka_unit_test(full_socket_is_a_timeout),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
