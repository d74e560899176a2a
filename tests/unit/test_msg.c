/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/wire/msg: every message, every field, every limit, both ways. */
#include <config.h>

#include <pthread.h>
#include <stdio.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "tests/unit/wire_samples.h"

#define AT(member) offsetof(struct mtls_msg, u.member)

static void encode(const struct mtls_msg *msg, struct mtls_buf *out)
{
	uint8_t *der = NULL;
	size_t len = 0;
	struct mtls_diag diag = { 0 };

	int r = mtls_msg_encode(msg, &der, &len, &diag);
	if (r < 0)
		print_message("# %s\n", diag.text);
	assert_int_equal(r, 0);
	assert_int_equal(mtls_buf_append(out, der, len), 0);
	free(der);
}

static int encode_result(const struct mtls_msg *msg)
{
	uint8_t *der = NULL;
	size_t len = 0;
	struct mtls_diag diag = { 0 };

	int r = mtls_msg_encode(msg, &der, &len, &diag);
	if (r < 0) {
		assert_null(der);
		assert_true(diag.text[0] != '\0');
	}
	free(der);
	return r;
}

/* Decodes a copy that is exactly as long as the message, so that ASan sees a read behind it. */
static int decode(const uint8_t *der, size_t len, struct mtls_msg **ret_msg)
{
	struct mtls_diag diag = { 0 };
	uint8_t *copy = malloc(len ? len : 1);
	assert_non_null(copy);
	if (len)
		memcpy(copy, der, len);
	*ret_msg = NULL;
	int r = mtls_msg_decode(copy, len, ret_msg, &diag);
	if (r < 0) {
		assert_null(*ret_msg);
		assert_true(diag.text[0] != '\0');
	}
	free(copy);
	return r;
}

static int decode_result(const uint8_t *der, size_t len)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = NULL;
	return decode(der, len, &msg);
}

/* What decodes must give the same bytes again. */
static int decode_checked(const uint8_t *der, size_t len)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = NULL;
	_cleanup_buf_ struct mtls_buf again = MTLS_BUF(MTLS_MSG_MAX);

	int r = decode(der, len, &msg);
	if (r < 0)
		return r;
	encode(msg, &again);
	assert_int_equal(again.len, len);
	assert_memory_equal(again.data, der, len);
	return 0;
}

static void encode_sample(enum mtls_msg_type type, struct mtls_buf *out)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = sample(type);
	encode(msg, out);
}

static void every_type_goes_round(void **state)
{
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(sample_types); i++) {
		_cleanup_buf_ struct mtls_buf der = MTLS_BUF(MTLS_MSG_MAX);
		_cleanup_(mtls_msg_freep) struct mtls_msg *msg = NULL;
		print_message("# row %s\n", mtls_msg_type_name((int)sample_types[i]));
		encode_sample(sample_types[i], &der);
		assert_int_equal(der.data[0], 0x60 + (int)sample_types[i]);
		assert_int_equal(decode_checked(der.data, der.len), 0);
		assert_int_equal(decode(der.data, der.len, &msg), 0);
		assert_int_equal(msg->type, sample_types[i]);
	}
}

static void requests_keep_their_fields(void **state)
{
	(void)state;
	_cleanup_buf_ struct mtls_buf der = MTLS_BUF(MTLS_MSG_MAX);
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = NULL;
	encode_sample(MTLS_MSG_AUTH_REQUEST, &der);
	assert_int_equal(decode(der.data, der.len, &msg), 0);
	const struct mtls_auth_request *m = &msg->u.auth_request;
	assert_int_equal(m->version, 1);
	assert_string_equal(m->service, "sudo");
	assert_string_equal(m->account, "alice");
	assert_int_equal(m->uid, 1000);
	assert_string_equal(m->tty, "tty1");
	assert_string_equal(m->remote_host, "192.0.2.1");
	assert_string_equal(m->remote_user, "bob");
	assert_string_equal(m->host_name, "host.example.org");
	assert_string_equal(m->target, "bastion");
	assert_int_equal(m->nonce[31], 31);
}

static void replies_keep_their_fields(void **state)
{
	(void)state;
	for (int verdict = MTLS_VERDICT_DENIED; verdict <= MTLS_VERDICT_CHOOSE; verdict++) {
		_cleanup_buf_ struct mtls_buf der = MTLS_BUF(MTLS_MSG_MAX);
		_cleanup_(mtls_msg_freep) struct mtls_msg *want = NULL;
		_cleanup_(mtls_msg_freep) struct mtls_msg *msg = NULL;
		print_message("# row %d\n", verdict);
		want = sample_reply((enum mtls_verdict)verdict);
		encode(want, &der);
		assert_int_equal(decode_checked(der.data, der.len), 0);
		assert_int_equal(decode(der.data, der.len, &msg), 0);
		const struct mtls_auth_reply *m = &msg->u.auth_reply, *w = &want->u.auth_reply;
		assert_int_equal(m->verdict, w->verdict);
		assert_int_equal(m->reason, w->reason);
		assert_memory_equal(m->nonce, w->nonce, MTLS_NONCE_LEN);
		assert_string_equal(m->text, w->text);
		assert_int_equal(m->has_account, w->has_account);
		if (w->has_account)
			assert_string_equal(m->account, "alice");
		assert_int_equal(m->uid, w->uid);
		assert_int_equal(m->gid, w->gid);
		assert_int_equal(m->candidate_count, w->candidate_count);
		for (size_t i = 0; i < w->candidate_count; i++)
			assert_string_equal(m->candidates[i], w->candidates[i]);
		assert_true(m->has_cert);
		assert_string_equal(m->cert.subject, "CN=Alice");
		assert_string_equal(m->cert.issuer, "CN=CA");
		assert_string_equal(m->cert.serial, "0a");
		assert_int_equal(m->cert.sha256[31], 0x5a);
		assert_true(m->cert.not_after == 4102444800);
		assert_string_equal(m->rule, "subject");
		assert_string_equal(m->audit_id, "a-1");
	}
}

static void signer_messages_keep_their_fields(void **state)
{
	(void)state;
	_cleanup_buf_ struct mtls_buf der = MTLS_BUF(MTLS_MSG_MAX);
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = NULL;
	encode_sample(MTLS_MSG_SIGNER_CREDENTIAL, &der);
	assert_int_equal(decode(der.data, der.len, &msg), 0);
	const struct mtls_signer_credential *m = &msg->u.signer_credential;
	assert_int_equal(m->id, 7);
	assert_string_equal(m->source, "file");
	assert_string_equal(m->label, "Alice");
	assert_string_equal(m->issuer, "CA");
	assert_true(m->not_after == 4102444800);
	assert_int_equal(m->key_type, MTLS_KEY_TYPE_ECDSA_P256);
	assert_true(m->needs_secret);
	assert_int_equal(m->tries_left, 3);
	assert_int_equal(m->chain_count, 2);
	assert_int_equal(m->chain[0].len, 3);
	assert_memory_equal(m->chain[0].data, "\x30\x01\x00", 3);
	assert_int_equal(m->chain[1].len, 2);

	_cleanup_buf_ struct mtls_buf unlock = MTLS_BUF(MTLS_MSG_MAX);
	_cleanup_(mtls_msg_freep) struct mtls_msg *secret = NULL;
	encode_sample(MTLS_MSG_SIGNER_UNLOCK, &unlock);
	assert_int_equal(decode(unlock.data, unlock.len, &secret), 0);
	assert_int_equal(secret->u.signer_unlock.secret.len, 8);
	assert_memory_equal(secret->u.signer_unlock.secret.data, "s3cret\0\xff", 9);
}

/* --- texts --- */

/* clang-format off */
static const struct text_row {
	enum mtls_msg_type type; const char *name; size_t offset; int leaf; size_t min, max; bool optional;
} text_rows[] = {
	{ MTLS_MSG_AUTH_REQUEST, "service",    AT(auth_request.service), 1, 1, 64, false },
	{ MTLS_MSG_AUTH_REQUEST, "account",    AT(auth_request.account), 4, 1, 256, true },
	{ MTLS_MSG_AUTH_REQUEST, "tty",        AT(auth_request.tty), 5, 1, 64, true },
	{ MTLS_MSG_AUTH_REQUEST, "remoteHost", AT(auth_request.remote_host), 6, 1, 255, true },
	{ MTLS_MSG_AUTH_REQUEST, "remoteUser", AT(auth_request.remote_user), 7, 1, 256, true },
	{ MTLS_MSG_AUTH_REQUEST, "hostName",   AT(auth_request.host_name), 8, 1, 255, true },
	{ MTLS_MSG_AUTH_REQUEST, "target",     AT(auth_request.target), 9, 1, 255, true },
	{ MTLS_MSG_AUTH_REPLY, "auditId",      AT(auth_reply.audit_id), 4, 1, 64, false },
	{ MTLS_MSG_AUTH_REPLY, "text",         AT(auth_reply.text), 5, 1, 512, true },
	{ MTLS_MSG_AUTH_REPLY, "account.name", AT(auth_reply.account), 6, 1, 256, false },
	{ MTLS_MSG_AUTH_REPLY, "subject",      AT(auth_reply.cert.subject), 9, 0, 4096, false },
	{ MTLS_MSG_AUTH_REPLY, "issuer",       AT(auth_reply.cert.issuer), 10, 0, 4096, false },
	{ MTLS_MSG_AUTH_REPLY, "rule",         AT(auth_reply.rule), 14, 1, 128, true },
	{ MTLS_MSG_AUTH_CHOICE, "account",     AT(auth_choice.account), 1, 1, 256, false },
	{ MTLS_MSG_SIGNER_CREDENTIAL, "source", AT(signer_credential.source), 1, 1, 32, false },
	{ MTLS_MSG_SIGNER_CREDENTIAL, "label", AT(signer_credential.label), 2, 0, 256, false },
	{ MTLS_MSG_SIGNER_CREDENTIAL, "issuer", AT(signer_credential.issuer), 3, 0, 256, false },
	{ MTLS_MSG_SIGNER_END, "detail",       AT(signer_end.detail), 1, 1, 512, true },
};
/* clang-format on */

static char **text_of(struct mtls_msg *msg, const struct text_row *row)
{
	return (char **)((char *)msg + row->offset);
}

/* Decodes the sample of @row's type with the text's bytes replaced. */
static int decode_with(enum mtls_msg_type type, int leaf, const void *content, size_t len)
{
	_cleanup_buf_ struct mtls_buf good = MTLS_BUF(MTLS_MSG_MAX);
	_cleanup_buf_ struct mtls_buf changed = MTLS_BUF(1 << 20);

	encode_sample(type, &good);
	der_replace(good.data, good.len, &leaf, content, len, &changed);
	assert_true(leaf < 0);
	return decode_checked(changed.data, changed.len);
}

static void texts_have_limits(void **state)
{
	static char text[5000];
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(text_rows); i++) {
		const struct text_row *row = &text_rows[i];
		for (size_t n = row->max - 1; n <= row->max + 1; n++) {
			_cleanup_(mtls_msg_freep) struct mtls_msg *msg = sample(row->type);
			int want = n > row->max ? MTLS_E_LIMIT : 0;
			print_message("# row %s %zu\n", row->name, n);
			memset(text, 'a', sizeof(text));
			assert_int_equal(decode_with(row->type, row->leaf, text, n), want);
			text[n] = '\0';
			set_text(text_of(msg, row), text);
			assert_int_equal(encode_result(msg), want);
		}
	}
}

static void texts_may_be_absent_or_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(text_rows); i++) {
		const struct text_row *row = &text_rows[i];
		print_message("# row %s\n", row->name);
		for (int empty = 0; empty <= 1; empty++) {
			_cleanup_(mtls_msg_freep) struct mtls_msg *msg = sample(row->type);
			_cleanup_(mtls_msg_freep) struct mtls_msg *back = NULL;
			_cleanup_buf_ struct mtls_buf der = MTLS_BUF(MTLS_MSG_MAX);
			set_text(text_of(msg, row), empty ? "" : NULL);
			if (!row->optional) {
				bool allowed = empty && row->min == 0;
				assert_int_equal(encode_result(msg), allowed ? 0 : MTLS_E_SYNTAX);
				continue;
			}
			encode(msg, &der);
			assert_int_equal(decode_checked(der.data, der.len), 0);
			assert_int_equal(decode(der.data, der.len, &back), 0);
			assert_null(*text_of(back, row));
		}
		assert_int_equal(decode_with(row->type, row->leaf, "", 0),
				 row->min == 0 ? 0 : MTLS_E_SYNTAX);
	}
}

static void texts_are_clean(void **state)
{
	/* clang-format off */
	static const struct { const char *name, *text; size_t len; } bad[] = {
		{ "NUL alone", "\0", 1 },
		{ "NUL inside", "a\0b", 3 },
		{ "NUL at the end", "a\0", 2 },
		{ "newline", "a\nb", 3 },
		{ "carriage return", "a\r", 2 },
		{ "tab", "a\tb", 3 },
		{ "escape", "\x1b[0m", 4 },
		{ "DEL", "a\x7f", 2 },
		{ "C1 control", "a\xc2\x9b", 3 },
		{ "Latin-1", "J\xfcrgen", 6 },
		{ "cut UTF-8", "a\xc3", 2 },
		{ "overlong UTF-8", "a\xc0\xaf", 3 },
		{ "surrogate", "\xed\xa0\x80", 3 },
		{ "beyond Unicode", "\xf4\x90\x80\x80", 4 },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(text_rows); i++) {
		const struct text_row *row = &text_rows[i];
		for (size_t k = 0; k < MTLS_COUNT(bad); k++) {
			print_message("# row %s, %s\n", row->name, bad[k].name);
			assert_int_equal(decode_with(row->type, row->leaf, bad[k].text, bad[k].len),
					 MTLS_E_SYNTAX);
			if (memchr(bad[k].text, '\0', bad[k].len))
				continue;
			_cleanup_(mtls_msg_freep) struct mtls_msg *msg = sample(row->type);
			set_text(text_of(msg, row), bad[k].text);
			assert_int_equal(encode_result(msg), MTLS_E_SYNTAX);
		}
		assert_int_equal(decode_with(row->type, row->leaf, "\xc3\xbc\xe2\x82\xac", 5), 0);
	}
}

/* The serial number is hexadecimal on top of being a text. */
static void serials_are_hexadecimal(void **state)
{
	static const struct {
		const char *text;
		int want;
	} rows[] = {
		{ "", 0 },
		{ "0a", 0 },
		{ "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", 0 },
		{ "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef00",
		  MTLS_E_LIMIT },
		{ "a", MTLS_E_SYNTAX },
		{ "0A", MTLS_E_SYNTAX },
		{ "0x", MTLS_E_SYNTAX },
		{ "-1", MTLS_E_SYNTAX },
		{ "0a:0b0", MTLS_E_SYNTAX },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_(mtls_msg_freep) struct mtls_msg *msg = sample(MTLS_MSG_AUTH_REPLY);
		print_message("# row '%s'\n", rows[i].text);
		set_text(&msg->u.auth_reply.cert.serial, rows[i].text);
		assert_int_equal(encode_result(msg), rows[i].want);
		assert_int_equal(
			decode_with(MTLS_MSG_AUTH_REPLY, 11, rows[i].text, strlen(rows[i].text)),
			rows[i].want);
	}
}

/* --- bytes --- */

static void bytes_have_limits(void **state)
{
	/* clang-format off */
	static const struct { enum mtls_msg_type type; const char *name; size_t offset; int leaf; size_t min, max; } rows[] = {
		{ MTLS_MSG_SIGNER_UNLOCK, "secret", AT(signer_unlock.secret), 1, 0, MTLS_SECRET_MAX },
		{ MTLS_MSG_SIGNER_SIGN, "content", AT(signer_sign.content), 2, 1, MTLS_SIGN_CONTENT_MAX },
		{ MTLS_MSG_SIGNER_SIGNATURE, "signature", AT(signer_signature.signature), 1, 1, MTLS_SIGNATURE_MAX },
		{ MTLS_MSG_SIGNER_CREDENTIAL, "chain", AT(signer_credential.chain), 8, 1, MTLS_CERT_MAX },
	};
	/* clang-format on */
	static uint8_t bytes[MTLS_CERT_MAX + 1];
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		const size_t lengths[] = { 0, 1, rows[i].max - 1, rows[i].max, rows[i].max + 1 };
		for (size_t k = 0; k < MTLS_COUNT(lengths); k++) {
			_cleanup_(mtls_msg_freep) struct mtls_msg *msg = sample(rows[i].type);
			size_t n = lengths[k];
			int want = n > rows[i].max   ? MTLS_E_LIMIT
				   : n < rows[i].min ? MTLS_E_SYNTAX
						     : 0;
			print_message("# row %s %zu\n", rows[i].name, n);
			set_bytes((void *)((char *)msg + rows[i].offset), bytes, n);
			assert_int_equal(encode_result(msg), want);
			assert_int_equal(decode_with(rows[i].type, rows[i].leaf, bytes, n), want);
		}
		_cleanup_(mtls_msg_freep) struct mtls_msg *msg = sample(rows[i].type);
		struct mtls_bytes *field = (void *)((char *)msg + rows[i].offset);
		free(field->data);
		*field = (struct mtls_bytes){ NULL, 1 };
		assert_int_equal(encode_result(msg), MTLS_E_SYNTAX);
		field->len = 0;
	}
}

static void fixed_lengths_are_exact(void **state)
{
	static const struct {
		enum mtls_msg_type type;
		const char *name;
		int leaf;
		size_t len;
	} rows[] = {
		{ MTLS_MSG_AUTH_REQUEST, "nonce", 3, 32 },
		{ MTLS_MSG_AUTH_REPLY, "nonce", 1, 32 },
		{ MTLS_MSG_AUTH_CHOICE, "nonce", 0, 32 },
		{ MTLS_MSG_AUTH_REPLY, "sha256", 12, 32 },
	};
	static const uint8_t bytes[64];
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		print_message("# row %s\n", rows[i].name);
		assert_int_equal(decode_with(rows[i].type, rows[i].leaf, bytes, 0), MTLS_E_SYNTAX);
		assert_int_equal(decode_with(rows[i].type, rows[i].leaf, bytes, rows[i].len - 1),
				 MTLS_E_SYNTAX);
		assert_int_equal(decode_with(rows[i].type, rows[i].leaf, bytes, rows[i].len), 0);
		assert_int_equal(decode_with(rows[i].type, rows[i].leaf, bytes, rows[i].len + 1),
				 MTLS_E_LIMIT);
	}
}

/* --- numbers --- */

#define NUMBER(bytes) bytes, sizeof(bytes) - 1

static void numbers_of_32_bits(void **state)
{
	/* clang-format off */
	static const struct { enum mtls_msg_type type; const char *name; int leaf; bool optional; } fields[] = {
		{ MTLS_MSG_AUTH_REQUEST, "version", 0, false },
		{ MTLS_MSG_AUTH_REQUEST, "uid", 2, false },
		{ MTLS_MSG_AUTH_REPLY, "version", 0, false },
		{ MTLS_MSG_AUTH_REPLY, "uid", 7, false },
		{ MTLS_MSG_AUTH_REPLY, "gid", 8, false },
		{ MTLS_MSG_SIGNER_LIST, "version", 0, false },
		{ MTLS_MSG_SIGNER_CREDENTIAL, "id", 0, false },
		{ MTLS_MSG_SIGNER_CREDENTIAL, "triesLeft", 9, true },
		{ MTLS_MSG_SIGNER_UNLOCK, "id", 0, false },
		{ MTLS_MSG_SIGNER_UNLOCKED, "triesLeft", 2, true },
		{ MTLS_MSG_SIGNER_SIGN, "id", 0, false },
	};
	static const struct { const char *name, *bytes; size_t len; int want; } rows[] = {
		{ "0", NUMBER("\0"), 0 },
		{ "127", NUMBER("\x7f"), 0 },
		{ "128", NUMBER("\0\x80"), 0 },
		{ "2^31", NUMBER("\0\x80\0\0\0"), 0 },
		{ "2^32 - 2", NUMBER("\0\xff\xff\xff\xfe"), 0 },
		{ "2^32 - 1", NUMBER("\0\xff\xff\xff\xff"), 1 /* refused where it means absent */ },
		{ "2^32", NUMBER("\x01\0\0\0\0"), MTLS_E_SYNTAX },
		{ "2^32 + 1", NUMBER("\x01\0\0\0\x01"), MTLS_E_SYNTAX },
		{ "2^63 - 1", NUMBER("\x7f\xff\xff\xff\xff\xff\xff\xff"), MTLS_E_SYNTAX },
		{ "2^64 + 1", NUMBER("\x01\0\0\0\0\0\0\0\x01"), MTLS_E_SYNTAX },
		{ "-1", NUMBER("\xff"), MTLS_E_SYNTAX },
		{ "-2^31", NUMBER("\x80\0\0\0"), MTLS_E_SYNTAX },
		{ "empty", NUMBER(""), MTLS_E_SYNTAX },
		{ "padded 1", NUMBER("\0\x01"), MTLS_E_SYNTAX },
		{ "padded 0", NUMBER("\0\0"), MTLS_E_SYNTAX },
		{ "padded -1", NUMBER("\xff\xff"), MTLS_E_SYNTAX },
		{ "padded 2^31", NUMBER("\0\0\x80\0\0\0"), MTLS_E_SYNTAX },
		{ "padded to 9 octets", NUMBER("\0\0\0\0\0\0\0\0\x01"), MTLS_E_SYNTAX },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(fields); i++) {
		for (size_t k = 0; k < MTLS_COUNT(rows); k++) {
			int want = rows[k].want;
			if (want == 1)
				want = fields[i].optional ? MTLS_E_SYNTAX : 0;
			print_message("# row %s = %s\n", fields[i].name, rows[k].name);
			assert_int_equal(decode_with(fields[i].type, fields[i].leaf, rows[k].bytes,
						     rows[k].len),
					 want);
		}
	}
}

static void times_of_64_bits(void **state)
{
	/* clang-format off */
	static const struct { const char *bytes; size_t len; int64_t value; int want; } rows[] = {
		{ NUMBER("\0"), 0, 0 },
		{ NUMBER("\xff"), -1, 0 },
		{ NUMBER("\x80\0\0\0"), INT32_MIN, 0 },
		{ NUMBER("\x7f\xff\xff\xff\xff\xff\xff\xff"), INT64_MAX, 0 },
		{ NUMBER("\x80\0\0\0\0\0\0\0"), INT64_MIN, 0 },
		{ NUMBER("\0\x80\0\0\0\0\0\0\0"), 0, MTLS_E_SYNTAX },
		{ NUMBER("\xff\x7f\xff\xff\xff\xff\xff\xff\xff"), 0, MTLS_E_SYNTAX },
		{ NUMBER("\0\x7f"), 0, MTLS_E_SYNTAX },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		print_message("# row %zu\n", i);
		assert_int_equal(decode_with(MTLS_MSG_AUTH_REPLY, 13, rows[i].bytes, rows[i].len),
				 rows[i].want);
		assert_int_equal(
			decode_with(MTLS_MSG_SIGNER_CREDENTIAL, 4, rows[i].bytes, rows[i].len),
			rows[i].want);
		if (rows[i].want < 0)
			continue;
		_cleanup_(mtls_msg_freep) struct mtls_msg *msg = sample(MTLS_MSG_AUTH_REPLY);
		_cleanup_(mtls_msg_freep) struct mtls_msg *back = NULL;
		_cleanup_buf_ struct mtls_buf der = MTLS_BUF(MTLS_MSG_MAX);
		msg->u.auth_reply.cert.not_after = rows[i].value;
		encode(msg, &der);
		assert_int_equal(decode(der.data, der.len, &back), 0);
		assert_true(back->u.auth_reply.cert.not_after == rows[i].value);
	}
}

static void enumerations_are_closed(void **state)
{
	/* clang-format off */
	static const struct { enum mtls_msg_type type; const char *name; int leaf; const char *bytes; size_t len; int want; } rows[] = {
		{ MTLS_MSG_AUTH_REPLY, "verdict: unknown", 2, NUMBER("\x03"), MTLS_E_SYNTAX },
		{ MTLS_MSG_AUTH_REPLY, "verdict: negative", 2, NUMBER("\xff"), MTLS_E_SYNTAX },
		{ MTLS_MSG_AUTH_REPLY, "verdict: 2^32 + 1", 2, NUMBER("\x01\0\0\0\x01"), MTLS_E_SYNTAX },
		{ MTLS_MSG_AUTH_REPLY, "verdict: 2^31", 2, NUMBER("\0\x80\0\0\0"), MTLS_E_SYNTAX },
		{ MTLS_MSG_AUTH_REPLY, "reason: unknown", 3, NUMBER("\x02"), MTLS_E_SYNTAX },
		{ MTLS_MSG_AUTH_REPLY, "reason: negative", 3, NUMBER("\xff"), MTLS_E_SYNTAX },
		{ MTLS_MSG_AUTH_REPLY, "reason: 2^32", 3, NUMBER("\x01\0\0\0\0"), MTLS_E_SYNTAX },
		{ MTLS_MSG_SIGNER_END, "reason: known", 0, NUMBER("\x78"), 0 },
		{ MTLS_MSG_SIGNER_END, "reason: unknown", 0, NUMBER("\x6f"), MTLS_E_SYNTAX },
		{ MTLS_MSG_SIGNER_CREDENTIAL, "key type: 0", 5, NUMBER("\0"), MTLS_E_SYNTAX },
		{ MTLS_MSG_SIGNER_CREDENTIAL, "key type: 1", 5, NUMBER("\x01"), 0 },
		{ MTLS_MSG_SIGNER_CREDENTIAL, "key type: 5", 5, NUMBER("\x05"), 0 },
		{ MTLS_MSG_SIGNER_CREDENTIAL, "key type: 6", 5, NUMBER("\x06"), MTLS_E_SYNTAX },
		{ MTLS_MSG_SIGNER_CREDENTIAL, "needs secret: false", 6, NUMBER("\0"), 0 },
		{ MTLS_MSG_SIGNER_CREDENTIAL, "needs secret: true", 6, NUMBER("\xff"), 0 },
		{ MTLS_MSG_SIGNER_CREDENTIAL, "needs secret: 1", 6, NUMBER("\x01"), MTLS_E_SYNTAX },
		{ MTLS_MSG_SIGNER_CREDENTIAL, "needs secret: empty", 6, NUMBER(""), MTLS_E_SYNTAX },
		{ MTLS_MSG_SIGNER_CREDENTIAL, "needs secret: long", 6, NUMBER("\xff\xff"), MTLS_E_SYNTAX },
		{ MTLS_MSG_SIGNER_UNLOCKED, "presence: 3", 1, NUMBER("\x03"), 0 },
		{ MTLS_MSG_SIGNER_UNLOCKED, "presence: 4", 1, NUMBER("\x04"), MTLS_E_SYNTAX },
		{ MTLS_MSG_SIGNER_SIGN, "scheme: Ed25519", 1, NUMBER("\x08\x07"), 0 },
		{ MTLS_MSG_SIGNER_SIGN, "scheme: RSA PSS SHA-512", 1, NUMBER("\x08\x06"), 0 },
		{ MTLS_MSG_SIGNER_SIGN, "scheme: RSA PKCS#1", 1, NUMBER("\x04\x01"), MTLS_E_SYNTAX },
		{ MTLS_MSG_SIGNER_SIGN, "scheme: Ed448", 1, NUMBER("\x08\x08"), MTLS_E_SYNTAX },
		{ MTLS_MSG_SIGNER_SIGN, "scheme: 0", 1, NUMBER("\0"), MTLS_E_SYNTAX },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		print_message("# row %s\n", rows[i].name);
		assert_int_equal(
			decode_with(rows[i].type, rows[i].leaf, rows[i].bytes, rows[i].len),
			rows[i].want);
	}
}

static void unknown_numbers_are_not_sent(void **state)
{
	(void)state;
	_cleanup_(mtls_msg_freep) struct mtls_msg *reply = sample(MTLS_MSG_AUTH_REPLY);
	*(int *)&reply->u.auth_reply.verdict = 3;
	assert_int_equal(encode_result(reply), MTLS_E_SYNTAX);
	_cleanup_(mtls_msg_freep) struct mtls_msg *sign = sample(MTLS_MSG_SIGNER_SIGN);
	*(int *)&sign->u.signer_sign.scheme = 0x0401;
	assert_int_equal(encode_result(sign), MTLS_E_SYNTAX);
	_cleanup_(mtls_msg_freep) struct mtls_msg *end = sample(MTLS_MSG_SIGNER_END);
	*(int *)&end->u.signer_end.reason = 2;
	assert_int_equal(encode_result(end), MTLS_E_SYNTAX);
	struct mtls_msg odd = { .type = (enum mtls_msg_type)4 };
	assert_int_equal(encode_result(&odd), MTLS_E_SYNTAX);
	odd.type = (enum mtls_msg_type) - 1;
	assert_int_equal(encode_result(&odd), MTLS_E_SYNTAX);
}

static void unknown_tries_are_absent(void **state)
{
	(void)state;
	_cleanup_buf_ struct mtls_buf der = MTLS_BUF(MTLS_MSG_MAX);
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = sample(MTLS_MSG_SIGNER_UNLOCKED);
	_cleanup_(mtls_msg_freep) struct mtls_msg *back = NULL;
	msg->u.signer_unlocked.tries_left = MTLS_TRIES_UNKNOWN;
	encode(msg, &der);
	assert_int_equal(der.len, 2 + 3 + 3 + 0);
	assert_int_equal(decode(der.data, der.len, &back), 0);
	assert_int_equal(back->u.signer_unlocked.tries_left, MTLS_TRIES_UNKNOWN);
}

/* --- what fields say together --- */

static void verdicts_are_consistent(void **state)
{
	/* clang-format off */
	static const struct { const char *name; int verdict, reason; bool account; size_t candidates; int want; } rows[] = {
		{ "allowed",                    MTLS_VERDICT_ALLOWED, MTLS_REASON_ALLOWED, true, 0, 0 },
		{ "allowed, no account",        MTLS_VERDICT_ALLOWED, MTLS_REASON_ALLOWED, false, 0, MTLS_E_SYNTAX },
		{ "allowed, other reason",      MTLS_VERDICT_ALLOWED, MTLS_REASON_UNMAPPED, true, 0, MTLS_E_SYNTAX },
		{ "allowed, candidates",        MTLS_VERDICT_ALLOWED, MTLS_REASON_ALLOWED, true, 2, MTLS_E_SYNTAX },
		{ "choose of 2",                MTLS_VERDICT_CHOOSE, MTLS_REASON_CHOOSE, false, 2, 0 },
		{ "choose of 31",               MTLS_VERDICT_CHOOSE, MTLS_REASON_CHOOSE, false, 31, 0 },
		{ "choose of 32",               MTLS_VERDICT_CHOOSE, MTLS_REASON_CHOOSE, false, 32, 0 },
		{ "choose of 1",                MTLS_VERDICT_CHOOSE, MTLS_REASON_CHOOSE, false, 1, MTLS_E_SYNTAX },
		{ "choose of none",             MTLS_VERDICT_CHOOSE, MTLS_REASON_CHOOSE, false, 0, MTLS_E_SYNTAX },
		{ "choose with account",        MTLS_VERDICT_CHOOSE, MTLS_REASON_CHOOSE, true, 2, MTLS_E_SYNTAX },
		{ "choose, other reason",       MTLS_VERDICT_CHOOSE, MTLS_REASON_ALLOWED, false, 2, MTLS_E_SYNTAX },
		{ "denied",                     MTLS_VERDICT_DENIED, MTLS_REASON_UNMAPPED, false, 0, 0 },
		{ "denied, account known",      MTLS_VERDICT_DENIED, MTLS_REASON_CERT_EXPIRED, true, 0, 0 },
		{ "denied, reason allowed",     MTLS_VERDICT_DENIED, MTLS_REASON_ALLOWED, false, 0, MTLS_E_SYNTAX },
		{ "denied, reason choose",      MTLS_VERDICT_DENIED, MTLS_REASON_CHOOSE, false, 0, MTLS_E_SYNTAX },
		{ "denied, candidates",         MTLS_VERDICT_DENIED, MTLS_REASON_UNMAPPED, false, 2, MTLS_E_SYNTAX },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_(mtls_msg_freep) struct mtls_msg *msg = sample_reply(MTLS_VERDICT_DENIED);
		struct mtls_auth_reply *m = &msg->u.auth_reply;
		print_message("# row %s\n", rows[i].name);
		m->verdict = (enum mtls_verdict)rows[i].verdict;
		m->reason = (enum mtls_reason)rows[i].reason;
		m->has_account = rows[i].account;
		if (rows[i].account)
			set_text(&m->account, "alice");
		for (; m->candidate_count < rows[i].candidates; m->candidate_count++)
			set_text(&m->candidates[m->candidate_count], "bob");
		assert_int_equal(encode_result(msg), rows[i].want);
	}
	/* From the wire: an allowed verdict that names another reason, and none that is a verdict.
	 */
	assert_int_equal(decode_with(MTLS_MSG_AUTH_REPLY, 3, "\x28", 1), MTLS_E_SYNTAX);
	assert_int_equal(decode_with(MTLS_MSG_AUTH_REPLY, 2, "\0", 1), MTLS_E_SYNTAX);
	assert_int_equal(decode_with(MTLS_MSG_AUTH_REPLY, 2, "\x02", 1), MTLS_E_SYNTAX);
}

static void signatures_come_with_success_only(void **state)
{
	(void)state;
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = sample(MTLS_MSG_SIGNER_SIGNATURE);
	msg->u.signer_signature.reason = MTLS_REASON_SIGNER_FAILED;
	assert_int_equal(encode_result(msg), MTLS_E_SYNTAX);
	assert_int_equal(decode_with(MTLS_MSG_SIGNER_SIGNATURE, 0, "\x7c", 1), MTLS_E_SYNTAX);
	set_bytes(&msg->u.signer_signature.signature, "", 0);
	assert_int_equal(encode_result(msg), 0);
	msg->u.signer_signature.reason = MTLS_REASON_ALLOWED;
	assert_int_equal(encode_result(msg), MTLS_E_SYNTAX);
}

/* A card's key: what is asked for, and which card it lies in; absence has one encoding. */
static void kinds_of_secrets(void **state)
{
	static const struct {
		const char *name;
		int kind;
		bool needs_secret;
		const char *token;
		int want;
	} rows[] = {
		{ "a passphrase", MTLS_SECRET_PASSPHRASE, true, NULL, 0 },
		{ "a PIN", MTLS_SECRET_PIN, true, "Card of Alice", 0 },
		{ "a PIN pad", MTLS_SECRET_PIN_PAD, true, "Card of Alice", 0 },
		{ "a kind without need", MTLS_SECRET_PIN, false, "Card of Alice", MTLS_E_SYNTAX },
		{ "no such kind", MTLS_SECRET_PIN_PAD + 1, true, NULL, MTLS_E_SYNTAX },
		{ "a token without a PIN", MTLS_SECRET_PASSPHRASE, false, "T", 0 },
		{ "an odd label", MTLS_SECRET_PIN, true, "T\x1b[2J", MTLS_E_SYNTAX },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_(mtls_msg_freep) struct mtls_msg *msg = sample(MTLS_MSG_SIGNER_CREDENTIAL);
		_cleanup_(mtls_msg_freep) struct mtls_msg *again = NULL;
		_cleanup_free_ uint8_t *der = NULL;
		size_t len = 0;
		print_message("# row %s\n", rows[i].name);
		msg->u.signer_credential.secret_kind = (enum mtls_secret_kind)rows[i].kind;
		msg->u.signer_credential.needs_secret = rows[i].needs_secret;
		set_text(&msg->u.signer_credential.token, rows[i].token);
		assert_int_equal(mtls_msg_encode(msg, &der, &len, NULL), rows[i].want);
		if (rows[i].want < 0)
			continue;
		assert_int_equal(decode(der, len, &again), 0);
		assert_int_equal(again->u.signer_credential.secret_kind, rows[i].kind);
		assert_int_equal(!again->u.signer_credential.token, !rows[i].token);
		if (rows[i].token)
			assert_string_equal(again->u.signer_credential.token, rows[i].token);
	}
}

/* What is hidden until a secret was given. */
static void chains_may_be_hidden(void **state)
{
	static const struct {
		const char *name;
		size_t count;
		enum mtls_key_type type;
		bool needs_secret;
		int want;
	} rows[] = {
		{ "hidden", 0, MTLS_KEY_TYPE_HIDDEN, true, 0 },
		{ "hidden, no secret needed", 0, MTLS_KEY_TYPE_HIDDEN, false, MTLS_E_SYNTAX },
		{ "no chain, but a type", 0, MTLS_KEY_TYPE_ED25519, true, MTLS_E_SYNTAX },
		{ "chain, but no type", 1, MTLS_KEY_TYPE_HIDDEN, true, MTLS_E_SYNTAX },
		{ "chain and type", 1, MTLS_KEY_TYPE_ED25519, true, 0 },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_(mtls_msg_freep) struct mtls_msg *msg = sample(MTLS_MSG_SIGNER_CREDENTIAL);
		struct mtls_signer_credential *m = &msg->u.signer_credential;
		size_t had = m->chain_count;
		print_message("# row %s\n", rows[i].name);
		m->chain_count = rows[i].count;
		m->key_type = rows[i].type;
		m->needs_secret = rows[i].needs_secret;
		assert_int_equal(encode_result(msg), rows[i].want);
		m->chain_count = had;
	}
}

static int encode_chain(size_t count, size_t each)
{
	static const uint8_t bytes[MTLS_CERT_MAX];
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = sample(MTLS_MSG_SIGNER_CREDENTIAL);
	struct mtls_signer_credential *m = &msg->u.signer_credential;
	for (m->chain_count = 0; m->chain_count < count && m->chain_count < MTLS_CHAIN_MAX;)
		set_bytes(&m->chain[m->chain_count++], bytes, each);
	m->chain_count = count;
	return encode_result(msg);
}

static void chains_have_limits(void **state)
{
	(void)state;
	assert_int_equal(encode_chain(0, 100), MTLS_E_SYNTAX);
	assert_int_equal(encode_chain(1, 100), 0);
	assert_int_equal(encode_chain(7, 100), 0);
	assert_int_equal(encode_chain(8, 100), 0);
	assert_int_equal(encode_chain(9, 100), MTLS_E_LIMIT);
	assert_int_equal(encode_chain(4, 16384), 0);
	assert_int_equal(encode_chain(8, 8192), 0);
	assert_int_equal(encode_chain(8, 8193), MTLS_E_LIMIT);
}

/* Lists as the encoder would never make them. */
static void lists_from_the_wire_have_limits(void **state)
{
	static const struct {
		const char *name;
		uint8_t list_tag, item_tag;
		size_t count;
		int want;
	} rows[] = {
		{ "candidates: 31", 0xa2, 0x0c, 31, 0 },
		{ "candidates: 32", 0xa2, 0x0c, 32, 0 },
		{ "candidates: 33", 0xa2, 0x0c, 33, MTLS_E_LIMIT },
		{ "candidates: none", 0xa2, 0x0c, 0, MTLS_E_SYNTAX },
		{ "candidates: one", 0xa2, 0x0c, 1, MTLS_E_SYNTAX },
		{ "candidates: 2000", 0xa2, 0x0c, 2000, MTLS_E_LIMIT },
		{ "candidates: OCTET STRINGs", 0xa2, 0x04, 2, MTLS_E_SYNTAX },
		{ "candidates: wrong tag", 0xa3, 0x0c, 2, MTLS_E_SYNTAX },
		{ "candidates: primitive list", 0x82, 0x0c, 2, MTLS_E_SYNTAX },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_buf_ struct mtls_buf list = MTLS_BUF(MTLS_MSG_MAX);
		_cleanup_buf_ struct mtls_buf body = MTLS_BUF(MTLS_MSG_MAX);
		_cleanup_buf_ struct mtls_buf der = MTLS_BUF(MTLS_MSG_MAX);
		print_message("# row %s\n", rows[i].name);
		for (size_t k = 0; k < rows[i].count; k++) {
			der_append_header(&list, rows[i].item_tag, 3);
			assert_int_equal(mtls_buf_append(&list, "bob", 3), 0);
		}
		(void)mtls_buf_append(&body, "\x02\x01\x01\x04\x20", 5);
		for (int k = 0; k < 32; k++)
			(void)mtls_buf_append_byte(&body, 0);
		(void)mtls_buf_append(&body,
				      "\x02\x01\x02\x02\x01\x01\x0c\x01"
				      "a",
				      9);
		der_append_header(&body, rows[i].list_tag, list.len);
		assert_int_equal(mtls_buf_append(&body, list.data, list.len), 0);
		der_append_header(&der, 0x62, body.len);
		assert_int_equal(mtls_buf_append(&der, body.data, body.len), 0);
		assert_int_equal(decode_checked(der.data, der.len), rows[i].want);
	}
}

/* --- DER --- */

static void der_is_canonical(void **state)
{
	/* clang-format off */
	static const struct { const char *name, *der; size_t len; int want; } rows[] = {
		{ "SignerList", NUMBER("\x70\x03\x02\x01\x01"), 0 },
		{ "SignerQuit", NUMBER("\x77\x00"), 0 },
		{ "empty input", NUMBER(""), MTLS_E_SYNTAX },
		{ "tag only", NUMBER("\x70"), MTLS_E_SYNTAX },
		{ "trailing byte", NUMBER("\x70\x03\x02\x01\x01\x00"), MTLS_E_SYNTAX },
		{ "two messages", NUMBER("\x77\x00\x77\x00"), MTLS_E_SYNTAX },
		{ "trailing element inside", NUMBER("\x70\x06\x02\x01\x01\x02\x01\x01"), MTLS_E_SYNTAX },
		{ "long form of a short length", NUMBER("\x70\x81\x03\x02\x01\x01"), MTLS_E_SYNTAX },
		{ "length with a zero octet", NUMBER("\x70\x82\x00\x03\x02\x01\x01"), MTLS_E_SYNTAX },
		{ "inner long form", NUMBER("\x70\x04\x02\x81\x01\x01"), MTLS_E_SYNTAX },
		{ "indefinite length", NUMBER("\x70\x80\x02\x01\x01\x00\x00"), MTLS_E_SYNTAX },
		{ "length of 5 octets", NUMBER("\x70\x85\x01\x01\x01\x01\x01"), MTLS_E_LIMIT },
		{ "length octet 0xff", NUMBER("\x70\xff\x01"), MTLS_E_LIMIT },
		{ "over the maximum by header", NUMBER("\x70\x82\x01\x00"), MTLS_E_LIMIT },
		{ "padded INTEGER", NUMBER("\x70\x04\x02\x02\x00\x01"), MTLS_E_SYNTAX },
		{ "empty INTEGER", NUMBER("\x70\x02\x02\x00"), MTLS_E_SYNTAX },
		{ "field missing", NUMBER("\x70\x00"), MTLS_E_SYNTAX },
		{ "field of another type", NUMBER("\x70\x03\x04\x01\x01"), MTLS_E_SYNTAX },
		{ "context tag instead", NUMBER("\x70\x03\x80\x01\x01"), MTLS_E_SYNTAX },
		{ "constructed INTEGER", NUMBER("\x70\x05\x22\x03\x02\x01\x01"), MTLS_E_SYNTAX },
		{ "inner length too long", NUMBER("\x70\x03\x02\x02\x01"), MTLS_E_SYNTAX },
		{ "primitive message", NUMBER("\x50\x03\x02\x01\x01"), MTLS_E_SYNTAX },
		{ "SEQUENCE", NUMBER("\x30\x03\x02\x01\x01"), MTLS_E_SYNTAX },
		{ "context class", NUMBER("\xb0\x03\x02\x01\x01"), MTLS_E_SYNTAX },
		{ "private class", NUMBER("\xf0\x03\x02\x01\x01"), MTLS_E_SYNTAX },
		{ "type 0", NUMBER("\x60\x03\x02\x01\x01"), MTLS_E_SYNTAX },
		{ "reserved type 4", NUMBER("\x64\x03\x02\x01\x01"), MTLS_E_SYNTAX },
		{ "reserved type 14", NUMBER("\x6e\x03\x02\x01\x01"), MTLS_E_SYNTAX },
		{ "unknown type 15", NUMBER("\x6f\x03\x02\x01\x01"), MTLS_E_SYNTAX },
		{ "unknown type 27", NUMBER("\x7b\x03\x02\x01\x01"), MTLS_E_SYNTAX },
		{ "unknown type 30", NUMBER("\x7e\x03\x02\x01\x01"), MTLS_E_SYNTAX },
		{ "high tag number", NUMBER("\x7f\x10\x03\x02\x01\x01"), MTLS_E_SYNTAX },
		{ "quit with its unused field", NUMBER("\x77\x02\x80\x00"), MTLS_E_SYNTAX },
		{ "quit with something else", NUMBER("\x77\x03\x02\x01\x01"), MTLS_E_SYNTAX },
		{ "unlock", NUMBER("\x73\x06\x02\x01\x01\x04\x01s"), 0 },
		{ "unlock: fields swapped", NUMBER("\x73\x06\x04\x01s\x02\x01\x01"), MTLS_E_SYNTAX },
		{ "unlock: constructed secret", NUMBER("\x73\x08\x02\x01\x01\x24\x03\x04\x01s"), MTLS_E_SYNTAX },
		{ "end, optional field", NUMBER("\x72\x06\x02\x01\x00\x80\x01x"), 0 },
		{ "end, optional field twice", NUMBER("\x72\x09\x02\x01\x00\x80\x01x\x80\x01x"), MTLS_E_SYNTAX },
		{ "end, optional field before", NUMBER("\x72\x06\x80\x01x\x02\x01\x00"), MTLS_E_SYNTAX },
		{ "end, unknown context tag", NUMBER("\x72\x06\x02\x01\x00\x81\x01x"), MTLS_E_SYNTAX },
		{ "end, constructed text", NUMBER("\x72\x08\x02\x01\x00\xa0\x03\x0c\x01x"), MTLS_E_SYNTAX },
		{ "end, text with its universal tag", NUMBER("\x72\x06\x02\x01\x00\x0c\x01x"), MTLS_E_SYNTAX },
		{ "deep", NUMBER("\x72\x0a\x30\x08\x30\x06\x30\x04\x30\x02\x30\x00"), MTLS_E_LIMIT },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		print_message("# row %s\n", rows[i].name);
		assert_int_equal(decode_checked((const uint8_t *)rows[i].der, rows[i].len),
				 rows[i].want);
	}
}

static void messages_have_a_maximum(void **state)
{
	static uint8_t big[MTLS_MSG_MAX + 2];
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(sample_types); i++) {
		size_t max = mtls_msg_type_max((int)sample_types[i]);
		_cleanup_buf_ struct mtls_buf der = MTLS_BUF(MTLS_MSG_MAX + 16);
		print_message("# row %s\n", mtls_msg_type_name((int)sample_types[i]));
		/* One byte over, by its own header and by the bytes that came. */
		size_t body = max + 1 - (max > 0x10003 ? 5 : max >= 0x104 ? 4 : 2);
		der_append_header(&der, (uint8_t)(0x60 + (int)sample_types[i]), body);
		assert_int_equal(mtls_buf_append(&der, big, body), 0);
		assert_int_equal(der.len, max + 1);
		assert_int_equal(decode_result(der.data, der.len), MTLS_E_LIMIT);
		assert_int_equal(decode_result(der.data, 5), MTLS_E_SYNTAX);
	}
	/* A reply can be over its maximum though each field is within its own. */
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = sample_reply(MTLS_VERDICT_CHOOSE);
	struct mtls_auth_reply *m = &msg->u.auth_reply;
	memset(big, 'a', 4096);
	big[4096] = '\0';
	set_text(&m->cert.subject, (char *)big);
	set_text(&m->cert.issuer, (char *)big);
	assert_int_equal(encode_result(msg), 0);
	big[256] = '\0';
	for (m->candidate_count = 0; m->candidate_count < MTLS_CANDIDATES_MAX;)
		set_text(&m->candidates[m->candidate_count++], (char *)big);
	assert_int_equal(encode_result(msg), MTLS_E_LIMIT);
}

static void truncated_messages_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(sample_types); i++) {
		_cleanup_buf_ struct mtls_buf der = MTLS_BUF(MTLS_MSG_MAX);
		print_message("# row %s\n", mtls_msg_type_name((int)sample_types[i]));
		encode_sample(sample_types[i], &der);
		for (size_t len = 0; len < der.len; len++)
			assert_int_equal(decode_result(der.data, len), MTLS_E_SYNTAX);
		assert_int_equal(mtls_buf_append_byte(&der, 0), 0);
		assert_int_equal(decode_result(der.data, der.len), MTLS_E_SYNTAX);
	}
}

/* Every byte to every value: refused, or another message that encodes to just these bytes. */
static void changed_messages_are_refused_or_exact(void **state)
{
	(void)state;
	size_t refused = 0, accepted = 0;
	for (size_t i = 0; i < MTLS_COUNT(sample_types); i++) {
		_cleanup_buf_ struct mtls_buf der = MTLS_BUF(MTLS_MSG_MAX);
		encode_sample(sample_types[i], &der);
		for (size_t at = 0; at < der.len; at++) {
			uint8_t was = der.data[at];
			for (int value = 0; value < 256; value++) {
				der.data[at] = (uint8_t)value;
				if (decode_checked(der.data, der.len) < 0)
					refused++;
				else
					accepted++;
			}
			der.data[at] = was;
		}
	}
	print_message("# %zu refused, %zu accepted\n", refused, accepted);
	assert_true(refused > 0 && accepted > 0);
}

static void *decode_many(void *ctx)
{
	const struct mtls_buf *der = ctx;
	for (int i = 0; i < 100; i++) {
		_cleanup_(mtls_msg_freep) struct mtls_msg *msg = NULL;
		if (mtls_msg_decode(der->data, der->len, &msg, NULL) < 0)
			return ctx;
	}
	return NULL;
}

/* The definitions are built by whoever is first; here all are. */
static void threads_decode_at_once(void **state)
{
	pthread_t threads[8];
	_cleanup_buf_ struct mtls_buf der = MTLS_BUF(MTLS_MSG_MAX);
	(void)state;
	assert_int_equal(mtls_buf_append(&der, "\x70\x03\x02\x01\x01", 5), 0);
	for (size_t i = 0; i < MTLS_COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, decode_many, &der), 0);
	for (size_t i = 0; i < MTLS_COUNT(threads); i++) {
		void *failed;
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
}

static void types_have_names_and_maxima(void **state)
{
	(void)state;
	assert_string_equal(mtls_msg_type_name(1), "AuthRequest");
	assert_int_equal(mtls_msg_type_max(1), 8192);
	assert_string_equal(mtls_msg_type_name(4), "AccountQuery");
	assert_int_equal(mtls_msg_type_max(4), 0);
	assert_null(mtls_msg_type_name(0));
	assert_null(mtls_msg_type_name(15));
	assert_int_equal(mtls_msg_type_max(31), 0);
	assert_int_equal(mtls_msg_type_max(-1), 0);
	assert_null(mtls_msg_new((enum mtls_msg_type)4));
	mtls_msg_free(NULL);
}

static void setters_replace(void **state)
{
	(void)state;
	char *text = NULL;
	struct mtls_bytes bytes = { 0 };
	set_text(&text, "a");
	set_text(&text, "b");
	assert_string_equal(text, "b");
	set_text(&text, NULL);
	assert_null(text);
	set_bytes(&bytes, "ab", 2);
	set_bytes(&bytes, "c", 1);
	assert_int_equal(bytes.len, 1);
	assert_memory_equal(bytes.data, "c", 2);
	free(bytes.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_decode_at_once), /* first: nothing is built yet */
		cmocka_unit_test(every_type_goes_round),
		cmocka_unit_test(requests_keep_their_fields),
		cmocka_unit_test(replies_keep_their_fields),
		cmocka_unit_test(signer_messages_keep_their_fields),
		cmocka_unit_test(texts_have_limits),
		cmocka_unit_test(texts_may_be_absent_or_not),
		cmocka_unit_test(texts_are_clean),
		cmocka_unit_test(serials_are_hexadecimal),
		cmocka_unit_test(bytes_have_limits),
		cmocka_unit_test(fixed_lengths_are_exact),
		cmocka_unit_test(numbers_of_32_bits),
		cmocka_unit_test(times_of_64_bits),
		cmocka_unit_test(enumerations_are_closed),
		cmocka_unit_test(unknown_numbers_are_not_sent),
		cmocka_unit_test(unknown_tries_are_absent),
		cmocka_unit_test(verdicts_are_consistent),
		cmocka_unit_test(signatures_come_with_success_only),
		cmocka_unit_test(kinds_of_secrets),
		cmocka_unit_test(chains_may_be_hidden),
		cmocka_unit_test(chains_have_limits),
		cmocka_unit_test(lists_from_the_wire_have_limits),
		cmocka_unit_test(der_is_canonical),
		cmocka_unit_test(messages_have_a_maximum),
		cmocka_unit_test(truncated_messages_are_refused),
		cmocka_unit_test(changed_messages_are_refused_or_exact),
		cmocka_unit_test(types_have_names_and_maxima),
		cmocka_unit_test(setters_replace),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
