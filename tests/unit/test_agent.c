/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/agent: what agents say, and what people who play agents say. */
#include <config.h>

#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/agent/agent_impl.h"
#include "tests/unit/agent_bytes.h"

#define PATIENT_MS 20000 /* never reached */
#define SHORT_MS   50    /* reached where nothing comes */
#define STRANGER   54399

static const uint8_t point[133] = { 0x04, 0x11, 0x22, 0x33 };

/* --- a list of keys --- */

static int read_list(const struct mtls_buf *answer, struct mtls_agent_keys *ret)
{
	struct mtls_diag diag = { 0 };
	uint8_t *copy = malloc(answer->len ? answer->len : 1);

	assert_non_null(copy);
	memcpy(copy, answer->data, answer->len);
	int r = agent_read_keys(copy, answer->len, ret, &diag);
	if (r < 0) {
		free(copy);
		assert_true(diag.text[0]);
	}
	return r;
}

static void begin_list(struct mtls_buf *out, uint32_t count)
{
	assert_int_equal(mtls_buf_append_byte(out, AGENT_IDENTITIES_ANSWER), 0);
	agent_put_u32(out, count);
}

static void takes_what_tls_takes(void **state)
{
	static const struct {
		const char *name, *curve;
		size_t point_len;
		enum mtls_key_type type; /* 0: none */
		enum mtls_agent_other other;
	} rows[] = {
		{ "ecdsa-sha2-nistp256", "nistp256", 65, MTLS_KEY_TYPE_ECDSA_P256, 0 },
		{ "ecdsa-sha2-nistp384", "nistp384", 97, MTLS_KEY_TYPE_ECDSA_P384, 0 },
		{ "ecdsa-sha2-nistp521", "nistp521", 133, MTLS_KEY_TYPE_ECDSA_P521, 0 },
		{ "ssh-ed25519", NULL, 32, MTLS_KEY_TYPE_ED25519, 0 },
		{ "ecdsa-sha2-nistp256", "nistp384", 65, 0, MTLS_AGENT_DAMAGED },
		{ "ecdsa-sha2-nistp256", "nistp256", 64, 0, MTLS_AGENT_DAMAGED },
		{ "ecdsa-sha2-nistp256", NULL, 65, 0, MTLS_AGENT_DAMAGED },
		{ "ssh-ed25519", NULL, 31, 0, MTLS_AGENT_DAMAGED },
		{ "ssh-ed25519", NULL, 33, 0, MTLS_AGENT_DAMAGED },
		{ "ssh-ed25519", "nistp256", 32, 0, MTLS_AGENT_DAMAGED },
		{ "ssh-rsa", NULL, 3, 0, MTLS_AGENT_RSA },
		{ "rsa-sha2-512", NULL, 3, 0, MTLS_AGENT_RSA },
		{ "ssh-dss", NULL, 3, 0, MTLS_AGENT_DSA },
		{ "sk-ssh-ed25519@openssh.com", NULL, 32, 0, MTLS_AGENT_FIDO },
		{ "sk-ecdsa-sha2-nistp256@openssh.com", "nistp256", 65, 0, MTLS_AGENT_FIDO },
		{ "ssh-ed25519-cert-v01@openssh.com", NULL, 32, 0, MTLS_AGENT_SSH_CERT },
		{ "sk-ssh-ed25519-cert-v01@openssh.com", NULL, 32, 0, MTLS_AGENT_SSH_CERT },
		{ "ssh-ed448", NULL, 57, 0, MTLS_AGENT_UNKNOWN },
		{ "", NULL, 0, 0, MTLS_AGENT_UNKNOWN },
		{ "ssh-ed2551", NULL, 32, 0, MTLS_AGENT_UNKNOWN },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_(mtls_agent_keys_done) struct mtls_agent_keys keys = { .count = 0 };
		_cleanup_buf_ struct mtls_buf answer = MTLS_BUF(1 << 20);
		begin_list(&answer, 1);
		agent_put_blob(&answer, rows[i].name, rows[i].curve, point, rows[i].point_len);
		agent_put_text(&answer, "a comment");
		if (read_list(&answer, &keys) != 0 || keys.count != (rows[i].type != 0))
			fail_msg("%s, %zu: %zu", rows[i].name, rows[i].point_len, keys.count);
		if (!rows[i].type) {
			if (keys.other[rows[i].other] != 1)
				fail_msg("%s, %zu: counted elsewhere", rows[i].name,
					 rows[i].point_len);
			continue;
		}
		uint8_t spki[MTLS_AGENT_SPKI_MAX];
		char comment[MTLS_AGENT_COMMENT_MAX + 1];
		size_t len = mtls_agent_key_spki(&keys.key[0], spki);
		assert_int_equal(keys.key[0].type, rows[i].type);
		assert_memory_equal(spki + len - rows[i].point_len, point, rows[i].point_len);
		assert_int_equal(spki[0], 0x30);
		assert_int_equal(spki[1] == 0x81 ? spki[2] + 3 : spki[1] + 2, len);
		mtls_agent_key_comment(&keys.key[0], comment);
		assert_string_equal(comment, "a comment");
	}
}

static void refuses_compressed_points(void **state)
{
	const uint8_t compressed[65] = { 0x02, 0x11 };
	_cleanup_(mtls_agent_keys_done) struct mtls_agent_keys keys = { .count = 0 };
	_cleanup_buf_ struct mtls_buf answer = MTLS_BUF(1 << 20);
	(void)state;
	begin_list(&answer, 1);
	agent_put_blob(&answer, "ecdsa-sha2-nistp256", "nistp256", compressed, sizeof(compressed));
	agent_put_text(&answer, "");
	assert_int_equal(read_list(&answer, &keys), 0);
	assert_int_equal(keys.count, 0);
	assert_int_equal(keys.other[MTLS_AGENT_DAMAGED], 1);
}

/* @count keys, each third of which is RSA. */
static void build_list(struct mtls_buf *answer, uint32_t said, size_t count)
{
	begin_list(answer, said);
	for (size_t i = 0; i < count; i++) {
		uint8_t own[32] = { (uint8_t)i, (uint8_t)(i >> 8) };
		agent_put_blob(answer, i % 3 == 2 ? "ssh-rsa" : "ssh-ed25519", NULL, own,
			       sizeof(own));
		agent_put_text(answer, "c");
	}
}

static void counts(void **state)
{
	static const struct {
		uint32_t said;
		size_t there;
		int want;
		size_t usable, rsa;
	} rows[] = {
		{ 0, 0, 0, 0, 0 },
		{ 1, 1, 0, 1, 0 },
		{ 300, 300, 0, 200, 100 },
		{ 1024, 1024, 0, 683, 341 },
		{ 1025, 1025, 0, 683, 341 },
		{ 3000, 3000, 0, 683, 341 },
		{ 2, 1, MTLS_E_PROTOCOL, 0, 0 },
		{ 0xffffffff, 1, MTLS_E_PROTOCOL, 0, 0 },
		{ 1, 2, MTLS_E_PROTOCOL, 0, 0 },
		{ 0, 1, MTLS_E_PROTOCOL, 0, 0 },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_(mtls_agent_keys_done) struct mtls_agent_keys keys = { .count = 0 };
		_cleanup_buf_ struct mtls_buf answer = MTLS_BUF(1 << 20);
		build_list(&answer, rows[i].said, rows[i].there);
		int r = read_list(&answer, &keys);
		if (r != rows[i].want || keys.count != rows[i].usable ||
		    keys.other[MTLS_AGENT_RSA] != rows[i].rsa ||
		    (r == 0 && keys.total != rows[i].said))
			fail_msg("%u said, %zu there: %d, %zu usable", rows[i].said, rows[i].there,
				 r, keys.count);
	}
}

static void survives_any_cut(void **state)
{
	_cleanup_buf_ struct mtls_buf answer = MTLS_BUF(1 << 20);
	(void)state;
	build_list(&answer, 4, 4);
	const size_t len = answer.len;
	for (answer.len = 0; answer.len < len; answer.len++) {
		struct mtls_agent_keys keys = { .count = 0 };
		assert_int_equal(read_list(&answer, &keys), MTLS_E_PROTOCOL);
		assert_null(keys.key);
	}
}

static void says_what_is_left_out(void **state)
{
	static const struct {
		size_t other[MTLS_AGENT_OTHERS];
		const char *want;
	} rows[] = {
		{ { 0 }, "" },
		{ { [MTLS_AGENT_RSA] = 1 },
		  "1 key of the agent cannot be used for certificate login (RSA)" },
		{ { [MTLS_AGENT_RSA] = 2, [MTLS_AGENT_FIDO] = 1 },
		  "3 keys of the agent cannot be used for certificate login (RSA, FIDO)" },
		{ { 1, 1, 1, 1, 1, 1000 },
		  "1005 keys of the agent cannot be used for certificate login (RSA, FIDO, DSA, "
		  "SSH certificates, unknown kinds, damaged)" },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct mtls_agent_keys keys = { .count = 0 };
		char words[MTLS_AGENT_WORDS_MAX];
		memcpy(keys.other, rows[i].other, sizeof(keys.other));
		mtls_agent_words(&keys, words);
		assert_string_equal(words, rows[i].want);
	}
}

static void comments_are_text(void **state)
{
	char out[MTLS_AGENT_COMMENT_MAX + 1], long_one[300];
	struct mtls_agent_key key = { .comment = (const uint8_t *)"a\n\x1b[1m\0z\xff",
				      .comment_len = 9 };
	(void)state;
	mtls_agent_key_comment(&key, out);
	assert_string_equal(out, "a??[1m?z?");
	memset(long_one, 'x', sizeof(long_one));
	key = (struct mtls_agent_key){ .comment = (uint8_t *)long_one, .comment_len = 300 };
	mtls_agent_key_comment(&key, out);
	assert_int_equal(strlen(out), MTLS_AGENT_COMMENT_MAX);
}

/* --- signatures --- */

#define B(text) text, sizeof(text) - 1

static void sign_answer(struct mtls_buf *out, const char *name, const struct mtls_buf *blob)
{
	_cleanup_buf_ struct mtls_buf signature = MTLS_BUF(1 << 20);

	agent_put_text(&signature, name);
	agent_put_string(&signature, blob->data, blob->len);
	assert_int_equal(mtls_buf_append_byte(out, AGENT_SIGN_RESPONSE), 0);
	agent_put_string(out, signature.data, signature.len);
}

static void numbers_become_der(void **state)
{
#define N32                                                                                        \
	"\x7f"                                                                                     \
	"1234567890123456789012345678901"
#define H32                                                                                        \
	"\xff"                                                                                     \
	"1234567890123456789012345678901"
	static const struct {
		const char *name;
		const char *r;
		size_t r_len;
		const char *s;
		size_t s_len;
		const char *want; /* NULL: refused */
		size_t want_len;
	} rows[] = {
		{ "small", B("\x01"), B("\x02"), B("\x30\x06\x02\x01\x01\x02\x01\x02") },
		{ "full", B(N32), B(N32), B("\x30\x44\x02\x20" N32 "\x02\x20" N32) },
		{ "high bit", B("\0" H32), B("\0" H32),
		  B("\x30\x46\x02\x21\0" H32 "\x02\x21\0" H32) },
		{ "short with high bit", B("\0\x80"), B("\x01"),
		  B("\x30\x07\x02\x02\0\x80\x02\x01\x01") },
		{ "leading zeros", B("\0\0\0\x01"), B("\0\0" N32),
		  B("\x30\x25\x02\x01\x01\x02\x20" N32) },
		{ "r is 0", B("\0"), B("\x01"), NULL, 0 },
		{ "s is 0", B("\x01"), B("\0\0"), NULL, 0 },
		{ "r is empty", B(""), B("\x01"), NULL, 0 },
		{ "r is negative", B(H32), B("\x01"), NULL, 0 },
		{ "s is negative", B("\x01"), B("\x80"), NULL, 0 },
		{ "r is too long", B("\x01" N32), B("\x01"), NULL, 0 },
		{ "s is too long", B("\x01"), B("\0\x01" H32), NULL, 0 },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_buf_ struct mtls_buf blob = MTLS_BUF(1 << 20), answer = MTLS_BUF(1 << 20);
		uint8_t out[MTLS_AGENT_SIGNATURE_MAX];
		size_t len = 0;
		agent_put_string(&blob, rows[i].r, rows[i].r_len);
		agent_put_string(&blob, rows[i].s, rows[i].s_len);
		sign_answer(&answer, "ecdsa-sha2-nistp256", &blob);
		int r = agent_read_signature(MTLS_KEY_TYPE_ECDSA_P256, answer.data, answer.len, out,
					     &len, NULL);
		if (r != (rows[i].want ? 0 : MTLS_E_PROTOCOL) || len != rows[i].want_len ||
		    (r == 0 && memcmp(out, rows[i].want, len) != 0))
			fail_msg("%s: %d, %zu bytes", rows[i].name, r, len);
	}
}

static void long_signatures_fit(void **state)
{
	static const uint8_t number[67] = { 0, 0xff };
	_cleanup_buf_ struct mtls_buf blob = MTLS_BUF(1 << 20), answer = MTLS_BUF(1 << 20);
	uint8_t out[MTLS_AGENT_SIGNATURE_MAX];
	size_t len;
	(void)state;
	agent_put_string(&blob, number, sizeof(number));
	agent_put_string(&blob, number, sizeof(number));
	sign_answer(&answer, "ecdsa-sha2-nistp521", &blob);
	assert_int_equal(agent_read_signature(MTLS_KEY_TYPE_ECDSA_P521, answer.data, answer.len,
					      out, &len, NULL),
			 0);
	assert_int_equal(len, 3 + 2 * 69);
	assert_memory_equal(out, "\x30\x81\x8a\x02\x43\x00\xff", 7);
}

static void refuses_other_signatures(void **state)
{
	const uint8_t bytes[65] = { 0 };
	static const struct {
		const char *name;
		size_t len;
		bool more;
		int want;
	} rows[] = {
		{ "ssh-ed25519", 64, false, 0 },
		{ "ssh-ed25519", 63, false, MTLS_E_PROTOCOL },
		{ "ssh-ed25519", 65, false, MTLS_E_PROTOCOL },
		{ "ssh-ed25519", 64, true, MTLS_E_PROTOCOL },
		{ "ssh-rsa", 64, false, MTLS_E_PROTOCOL },
		{ "sk-ssh-ed25519@openssh.com", 64, false, MTLS_E_PROTOCOL },
	};
	uint8_t out[MTLS_AGENT_SIGNATURE_MAX];
	size_t len;
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		const struct mtls_buf blob = { .data = (uint8_t *)(uintptr_t)bytes,
					       .len = rows[i].len };
		_cleanup_buf_ struct mtls_buf answer = MTLS_BUF(1 << 20);
		sign_answer(&answer, rows[i].name, &blob);
		if (rows[i].more)
			agent_put_u32(&answer, 0);
		int r = agent_read_signature(MTLS_KEY_TYPE_ED25519, answer.data, answer.len, out,
					     &len, NULL);
		if (r != rows[i].want)
			fail_msg("%s, %zu: %d", rows[i].name, rows[i].len, r);
		for (size_t cut = 0; cut < answer.len && r == 0; cut++)
			assert_int_equal(agent_read_signature(MTLS_KEY_TYPE_ED25519, answer.data,
							      cut, out, &len, NULL),
					 MTLS_E_PROTOCOL);
	}
	assert_int_equal(agent_read_signature(MTLS_KEY_TYPE_ED25519, (const uint8_t *)"\x05", 1,
					      out, &len, NULL),
			 MTLS_E_DENIED);
	assert_int_equal(agent_read_signature(MTLS_KEY_TYPE_ED25519, (const uint8_t *)"\x06", 1,
					      out, &len, NULL),
			 MTLS_E_PROTOCOL);
}

/* --- the conversation --- */

enum manner { ANSWERS, SLOWLY, IN_PIECES, CLOSES, CLOSES_INSIDE, MUTE, WITHOUT_END, TWICE };

struct player {
	int fd;
	enum manner manner;
	const struct mtls_buf *answer; /* with its length in front */
	uint8_t asked[2048];
	size_t asked_len;
};

static void give(int fd, const uint8_t *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
		if (n <= 0)
			return;
		data += n;
		len -= (size_t)n;
	}
}

static void *play(void *arg)
{
	struct player *player = arg;
	const struct mtls_buf *answer = player->answer;

	ssize_t n = recv(player->fd, player->asked, sizeof(player->asked), 0);
	player->asked_len = n > 0 ? (size_t)n : 0;
	if (player->manner == MUTE) /* until the client goes */
		while (recv(player->fd, (uint8_t[1]){ 0 }, 1, 0) > 0)
			;
	if (player->manner == ANSWERS || player->manner == TWICE)
		give(player->fd, answer->data, answer->len);
	if (player->manner == TWICE)
		give(player->fd, answer->data, answer->len);
	if (player->manner == IN_PIECES)
		for (size_t i = 0; i < answer->len; i++)
			give(player->fd, answer->data + i, 1);
	if (player->manner == CLOSES_INSIDE)
		give(player->fd, answer->data, answer->len - 1);
	if (player->manner == WITHOUT_END) {
		static const uint8_t header[] = { 0, 3, 0, 0, AGENT_IDENTITIES_ANSWER };
		give(player->fd, header, sizeof(header));
		while (send(player->fd, "x", 1, MSG_NOSIGNAL) == 1)
			(void)usleep(100);
	}
	(void)close(player->fd);
	return NULL;
}

static struct mtls_agent *start(struct player *player, pthread_t *thread)
{
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	player->fd = fds[1];
	assert_int_equal(pthread_create(thread, NULL, play, player), 0);
	struct mtls_agent *agent = mtls_agent_new(fds[0]);
	assert_non_null(agent);
	return agent;
}

static void with_length(struct mtls_buf *out, const struct mtls_buf *body)
{
	agent_put_string(out, body->data, body->len);
}

static void lists_or_says_why_not(void **state)
{
	static const struct {
		const char *name;
		enum manner manner;
		uint32_t ms;
		int want;
	} rows[] = {
		{ "whole", ANSWERS, PATIENT_MS, 0 },
		{ "byte by byte", IN_PIECES, PATIENT_MS, 0 },
		{ "closes", CLOSES, PATIENT_MS, MTLS_E_CLOSED },
		{ "closes inside", CLOSES_INSIDE, PATIENT_MS, MTLS_E_CLOSED },
		{ "mute", MUTE, SHORT_MS, -ETIMEDOUT },
		{ "without end", WITHOUT_END, SHORT_MS, -ETIMEDOUT },
		{ "two answers", TWICE, PATIENT_MS, MTLS_E_PROTOCOL },
	};
	_cleanup_buf_ struct mtls_buf body = MTLS_BUF(1 << 20), answer = MTLS_BUF(1 << 20);
	(void)state;
	build_list(&body, 300, 300);
	with_length(&answer, &body);
	for (size_t n = 0; n < 2 * MTLS_COUNT(rows); n++) {
		const size_t i = n / 2;
		struct player player = { .manner = rows[i].manner, .answer = &answer };
		_cleanup_(mtls_agent_keys_done) struct mtls_agent_keys keys = { .count = 0 };
		pthread_t thread;
		struct mtls_diag diag = { 0 };
		struct mtls_agent *agent = start(&player, &thread);
		if (n % 2) /* the same, asked ahead */
			assert_int_equal(
				mtls_agent_ask_ahead(agent, mtls_deadline_in_ms(rows[i].ms)), 0);
		int r = mtls_agent_list(agent, mtls_deadline_in_ms(rows[i].ms), &keys, &diag);
		int again =
			r < 0 ? mtls_agent_list(agent, mtls_deadline_in_ms(PATIENT_MS), &keys, NULL)
			      : MTLS_E_CLOSED;
		mtls_agent_free(agent);
		(void)pthread_join(thread, NULL);
		if (r != rows[i].want && !(rows[i].manner == TWICE && r == 0))
			fail_msg("%s: %d %s", rows[i].name, r, diag.text);
		if (r < 0 && (again != MTLS_E_CLOSED || keys.count || !diag.text[0]))
			fail_msg("%s: it is asked again", rows[i].name);
		assert_int_equal(player.asked_len, 5);
		assert_memory_equal(player.asked, "\0\0\0\1\x0b", 5);
	}
}

static void answers_have_a_size(void **state)
{
	static const struct {
		uint32_t len;
		int want;
	} rows[] = {
		{ 0, MTLS_E_PROTOCOL },
		{ MTLS_AGENT_MESSAGE_MAX, 0 },
		{ MTLS_AGENT_MESSAGE_MAX + 1, MTLS_E_LIMIT },
		{ 0xffffffff, MTLS_E_LIMIT },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_buf_ struct mtls_buf answer = MTLS_BUF(1 << 20);
		struct player player = { .manner = ANSWERS, .answer = &answer };
		struct mtls_agent_keys keys = { .count = 0 };
		pthread_t thread;
		agent_put_u32(&answer, rows[i].len);
		if (rows[i].want == 0) { /* one key with a long comment */
			begin_list(&answer, 1);
			agent_put_blob(&answer, "ssh-ed25519", NULL, point, 32);
			size_t rest = 4 + MTLS_AGENT_MESSAGE_MAX - answer.len - 4;
			_cleanup_free_ uint8_t *comment = calloc(1, rest);
			agent_put_string(&answer, comment, rest);
		}
		struct mtls_agent *agent = start(&player, &thread);
		int r = mtls_agent_list(agent, mtls_deadline_in_ms(PATIENT_MS), &keys, NULL);
		if (r != rows[i].want)
			fail_msg("%u: %d", rows[i].len, r);
		mtls_agent_free(agent);
		(void)pthread_join(thread, NULL);
		mtls_agent_keys_done(&keys);
	}
}

static void signs(void **state)
{
	static const uint8_t zeros[64];
	const struct mtls_buf blob = { .data = (uint8_t *)(uintptr_t)zeros, .len = 64 };
	_cleanup_buf_ struct mtls_buf body = MTLS_BUF(1 << 20), good = MTLS_BUF(1 << 20),
				      no = MTLS_BUF(1 << 20), key_blob = MTLS_BUF(1 << 20);
	uint8_t out[MTLS_AGENT_SIGNATURE_MAX];
	size_t len = 0;
	(void)state;
	sign_answer(&body, "ssh-ed25519", &blob);
	with_length(&good, &body);
	agent_put_string(&no, "\x05", 1);
	agent_put_blob(&key_blob, "ssh-ed25519", NULL, point, 32);
	const struct mtls_agent_key key = { .type = MTLS_KEY_TYPE_ED25519,
					    .blob = key_blob.data + 4,
					    .blob_len = key_blob.len - 4 };
	for (int refuses = 0; refuses < 2; refuses++) {
		struct player player = { .manner = ANSWERS, .answer = refuses ? &no : &good };
		pthread_t thread;
		struct mtls_agent *agent = start(&player, &thread);
		assert_int_equal(mtls_agent_sign(agent, &key, "data", 4,
						 mtls_deadline_in_ms(PATIENT_MS), out, &len, NULL),
				 refuses ? MTLS_E_DENIED : 0);
		mtls_agent_free(agent);
		(void)pthread_join(thread, NULL);
		assert_int_equal(len, 64);
		assert_int_equal(player.asked_len, 4 + 1 + key_blob.len + 4 + 4 + 4);
		assert_int_equal(player.asked[4], AGENT_SIGN_REQUEST);
		assert_memory_equal(player.asked + 5, key_blob.data, key_blob.len);
		assert_memory_equal(player.asked + 5 + key_blob.len, "\0\0\0\4data\0\0\0\0", 12);
	}
	struct mtls_agent *agent = mtls_agent_new(dup(0));
	assert_int_equal(mtls_agent_sign(agent, &key, zeros, MTLS_AGENT_DATA_MAX + 1,
					 mtls_deadline_in_ms(PATIENT_MS), out, &len, NULL),
			 MTLS_E_LIMIT);
	mtls_agent_free(agent);
}

/* --- the socket --- */

static char base[] = "/tmp/mtls_agent.XXXXXX";

static const char *at(const char *name)
{
	static char path[100];
	(void)snprintf(path, sizeof(path), "%s/%s", base, name);
	return path;
}

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	assert_true(strlen(path) < sizeof(address.sun_path));
	memcpy(address.sun_path, path, strlen(path));
	return address;
}

static int listen_at(const char *path, int backlog)
{
	const struct sockaddr_un address = address_of(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)unlink(path);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    (backlog >= 0 && listen(fd, backlog) < 0))
		abort();
	return fd;
}

static int try_connect(const char *path, uid_t owner, uint32_t ms)
{
	struct mtls_agent *agent = NULL;
	struct mtls_diag diag = { 0 };
	int r = mtls_agent_connect(path, owner, mtls_deadline_in_ms(ms), &agent, &diag);

	assert_true((r == 0) == (agent != NULL));
	assert_true(r == 0 || diag.text[0]);
	mtls_agent_free(agent);
	return r;
}

static void connects_to_own_sockets_only(void **state)
{
	char long_path[200] = "/";
	(void)state;
	int fd = listen_at(at("good"), 4), dead = listen_at(at("dead"), -1);
	_cleanup_free_ char *link = strdup(at("link"));
	assert_non_null(link);
	assert_int_equal(symlink(at("good"), link), 0);
	FILE *file = fopen(at("file"), "w");
	assert_non_null(file);
	(void)fclose(file);
	(void)memset(long_path + 1, 'x', 150);
	const struct {
		const char *path;
		uid_t owner;
		int want;
	} rows[] = {
		{ "good", geteuid(), 0 },
		{ "good", STRANGER, MTLS_E_UNTRUSTED },
		{ "dead", geteuid(), -ECONNREFUSED },
		{ "none", geteuid(), -ENOENT },
		{ "none/none", geteuid(), -ENOENT },
		{ "file", geteuid(), MTLS_E_UNTRUSTED },
		{ "link", geteuid(), MTLS_E_UNTRUSTED },
		{ ".", geteuid(), MTLS_E_UNTRUSTED },
	};
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		int r = try_connect(at(rows[i].path), rows[i].owner, PATIENT_MS);
		if (r != rows[i].want)
			fail_msg("%s: %d", rows[i].path, r);
	}
	assert_int_equal(try_connect(long_path, geteuid(), PATIENT_MS), MTLS_E_LIMIT);
	assert_int_equal(try_connect("", geteuid(), PATIENT_MS), -ENOENT);
	(void)close(fd);
	(void)close(dead);
}

/* Somebody who accepts nobody, with a full queue. */
static void waits_no_longer_than_told(void **state)
{
	int clients[4];
	(void)state;
	int fd = listen_at(at("full"), 0);
	const struct sockaddr_un address = address_of(at("full"));
	for (size_t i = 0; i < MTLS_COUNT(clients); i++) {
		clients[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(clients[i], (const struct sockaddr *)&address, sizeof(address));
	}
	assert_int_equal(try_connect(at("full"), geteuid(), SHORT_MS), -ETIMEDOUT);
	assert_int_equal(try_connect(at("full"), geteuid(), 0), -ETIMEDOUT);
	for (size_t i = 0; i < MTLS_COUNT(clients); i++)
		(void)close(clients[i]);
	(void)close(fd);
}

/* A path of the right owner, at which somebody else listens: it was exchanged. */
static void looks_who_listens(void **state)
{
	int ready[2];
	(void)state;
	if (geteuid() != 0) {
		print_message("only root can listen as somebody else\n");
		skip();
	}
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(chmod(base, 0777), 0);
	pid_t pid = fork();
	if (pid == 0) {
		(void)close(ready[0]);
		if (setgroups(0, NULL) < 0 || setresuid(STRANGER, STRANGER, STRANGER) < 0)
			_exit(1);
		(void)listen_at(at("theirs"), 4);
		if (write(ready[1], "x", 1) == 1)
			(void)pause();
		_exit(0);
	}
	(void)close(ready[1]);
	char byte;
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(try_connect(at("theirs"), STRANGER, PATIENT_MS), 0);
	assert_int_equal(chown(at("theirs"), STRANGER + 1, (gid_t)-1), 0);
	int r = try_connect(at("theirs"), STRANGER + 1, PATIENT_MS);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	(void)close(ready[0]);
	assert_int_equal(r, MTLS_E_UNTRUSTED);
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(base) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[64];
	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf %s", base);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_what_tls_takes),
		cmocka_unit_test(refuses_compressed_points),
		cmocka_unit_test(counts),
		cmocka_unit_test(survives_any_cut),
		cmocka_unit_test(says_what_is_left_out),
		cmocka_unit_test(comments_are_text),
		cmocka_unit_test(numbers_become_der),
		cmocka_unit_test(long_signatures_fit),
		cmocka_unit_test(refuses_other_signatures),
		cmocka_unit_test(lists_or_says_why_not),
		cmocka_unit_test(answers_have_a_size),
		cmocka_unit_test(signs),
		cmocka_unit_test(connects_to_own_sockets_only),
		cmocka_unit_test(waits_no_longer_than_told),
		cmocka_unit_test(looks_who_listens),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
