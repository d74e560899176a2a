/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One full message of each type, and surgery on DER that does not use the code under test. */
#ifndef MTLS_TESTS_WIRE_SAMPLES_H
#define MTLS_TESTS_WIRE_SAMPLES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/wire/msg.h"

static inline void set_text(char **field, const char *text)
{
	assert_int_equal(mtls_msg_set_text(field, text), 0);
}

static inline void set_bytes(struct mtls_bytes *field, const void *data, size_t len)
{
	assert_int_equal(mtls_msg_set_bytes(field, data, len), 0);
}

static inline struct mtls_msg *new_message(enum mtls_msg_type type)
{
	struct mtls_msg *msg = mtls_msg_new(type);
	assert_non_null(msg);
	return msg;
}

static inline void fill_nonce(uint8_t nonce[MTLS_NONCE_LEN])
{
	for (size_t i = 0; i < MTLS_NONCE_LEN; i++)
		nonce[i] = (uint8_t)i;
}

static inline struct mtls_msg *sample_request(void)
{
	struct mtls_msg *msg = new_message(MTLS_MSG_AUTH_REQUEST);
	struct mtls_auth_request *m = &msg->u.auth_request;
	m->version = MTLS_PROTOCOL_VERSION;
	set_text(&m->service, "sudo");
	set_text(&m->account, "alice");
	m->uid = 1000;
	set_text(&m->tty, "tty1");
	set_text(&m->remote_host, "192.0.2.1");
	set_text(&m->remote_user, "bob");
	set_text(&m->host_name, "host.example.org");
	set_text(&m->target, "bastion");
	fill_nonce(m->nonce);
	return msg;
}

static inline struct mtls_msg *sample_reply(enum mtls_verdict verdict)
{
	struct mtls_msg *msg = new_message(MTLS_MSG_AUTH_REPLY);
	struct mtls_auth_reply *m = &msg->u.auth_reply;
	m->version = MTLS_PROTOCOL_VERSION;
	fill_nonce(m->nonce);
	m->verdict = verdict;
	m->reason = verdict == MTLS_VERDICT_ALLOWED  ? MTLS_REASON_ALLOWED
		    : verdict == MTLS_VERDICT_CHOOSE ? MTLS_REASON_CHOOSE
						     : MTLS_REASON_UNMAPPED;
	set_text(&m->audit_id, "a-1");
	set_text(&m->text, "J\xc3\xbcrgen");
	if (verdict == MTLS_VERDICT_ALLOWED) {
		m->has_account = true;
		set_text(&m->account, "alice");
		m->uid = 2000200001;
		m->gid = 2000200001;
	}
	if (verdict == MTLS_VERDICT_CHOOSE) {
		set_text(&m->candidates[m->candidate_count++], "alice");
		set_text(&m->candidates[m->candidate_count++], "bob");
	}
	m->has_cert = true;
	set_text(&m->cert.subject, "CN=Alice");
	set_text(&m->cert.issuer, "CN=CA");
	set_text(&m->cert.serial, "0a");
	memset(m->cert.sha256, 0x5a, sizeof(m->cert.sha256));
	m->cert.not_after = 4102444800;
	set_text(&m->rule, "subject");
	return msg;
}

static inline struct mtls_msg *sample_credential(void)
{
	struct mtls_msg *msg = new_message(MTLS_MSG_SIGNER_CREDENTIAL);
	struct mtls_signer_credential *m = &msg->u.signer_credential;
	m->id = 7;
	set_text(&m->source, "file");
	set_text(&m->label, "Alice");
	set_text(&m->issuer, "CA");
	m->not_after = 4102444800;
	m->key_type = MTLS_KEY_TYPE_ECDSA_P256;
	m->needs_secret = true;
	m->tries_left = 3;
	set_bytes(&m->chain[m->chain_count++], "\x30\x01\x00", 3);
	set_bytes(&m->chain[m->chain_count++], "\x30\x00", 2);
	return msg;
}

/* The second value is empty, as a gecos may be. */
static inline void add_fields(struct mtls_control_fields *fields)
{
	assert_int_equal(mtls_control_add(fields, "name", "j\xc3\xbcrgen"), 0);
	assert_int_equal(mtls_control_add(fields, "gecos", ""), 0);
	assert_int_equal(mtls_control_add(fields, "uid-2", "2000200001"), 0);
}

/* Every optional field is there. */
static inline struct mtls_msg *sample(enum mtls_msg_type type)
{
	struct mtls_msg *msg;

	switch (type) {
	case MTLS_MSG_AUTH_REQUEST:
		return sample_request();
	case MTLS_MSG_AUTH_REPLY:
		return sample_reply(MTLS_VERDICT_ALLOWED);
	case MTLS_MSG_SIGNER_CREDENTIAL:
		return sample_credential();
	case MTLS_MSG_AUTH_CHOICE:
		msg = new_message(type);
		fill_nonce(msg->u.auth_choice.nonce);
		set_text(&msg->u.auth_choice.account, "alice");
		return msg;
	case MTLS_MSG_SIGNER_LIST:
		msg = new_message(type);
		msg->u.signer_list.version = MTLS_PROTOCOL_VERSION;
		return msg;
	case MTLS_MSG_SIGNER_END:
		msg = new_message(type);
		msg->u.signer_end.reason = MTLS_REASON_KEY_UNUSABLE;
		set_text(&msg->u.signer_end.detail, "alice.p12: damaged");
		return msg;
	case MTLS_MSG_SIGNER_UNLOCK:
		msg = new_message(type);
		msg->u.signer_unlock.id = 7;
		set_bytes(&msg->u.signer_unlock.secret, "s3cret\0\xff", 8);
		return msg;
	case MTLS_MSG_SIGNER_UNLOCKED:
		msg = new_message(type);
		msg->u.signer_unlocked.reason = MTLS_REASON_SECRET_WRONG;
		msg->u.signer_unlocked.presence = MTLS_PRESENCE_SECRET;
		msg->u.signer_unlocked.tries_left = 2;
		return msg;
	case MTLS_MSG_SIGNER_SIGN:
		msg = new_message(type);
		msg->u.signer_sign.id = 7;
		msg->u.signer_sign.scheme = MTLS_SIGN_ECDSA_P256_SHA256;
		set_bytes(&msg->u.signer_sign.content, "    TLS 1.3", 11);
		return msg;
	case MTLS_MSG_SIGNER_SIGNATURE:
		msg = new_message(type);
		msg->u.signer_signature.reason = MTLS_REASON_ALLOWED;
		set_bytes(&msg->u.signer_signature.signature, "\x30\x06\x02\x01\x01\x02\x01\x01",
			  8);
		return msg;
	case MTLS_MSG_SIGNER_QUIT:
		return new_message(type);
	case MTLS_MSG_CONTROL_REQUEST:
		msg = new_message(type);
		msg->u.control_request.version = 1;
		set_text(&msg->u.control_request.verb, "user-add");
		add_fields(&msg->u.control_request.fields);
		return msg;
	case MTLS_MSG_CONTROL_ITEM:
		msg = new_message(type);
		set_text(&msg->u.control_item.kind, "user");
		add_fields(&msg->u.control_item.fields);
		return msg;
	case MTLS_MSG_CONTROL_END:
		msg = new_message(type);
		msg->u.control_end.code = MTLS_CONTROL_UNPUBLISHED;
		set_text(&msg->u.control_end.text, "No space left");
		add_fields(&msg->u.control_end.fields);
		return msg;
	}
	fail_msg("no sample of type %d", (int)type);
	return NULL;
}

static const enum mtls_msg_type sample_types[] = {
#define MTLS_SAMPLE_TYPE(name, number, text, max) MTLS_MSG_##name,
	MTLS_MSG_TYPES(MTLS_SAMPLE_TYPE)
#undef MTLS_SAMPLE_TYPE
};

static inline void der_append_header(struct mtls_buf *out, uint8_t tag, size_t len)
{
	(void)mtls_buf_append_byte(out, tag);
	if (len >= 0x10000) {
		(void)mtls_buf_append_byte(out, 0x83);
		(void)mtls_buf_append_byte(out, (uint8_t)(len >> 16));
		(void)mtls_buf_append_byte(out, (uint8_t)(len >> 8));
	} else if (len >= 0x100) {
		(void)mtls_buf_append_byte(out, 0x82);
		(void)mtls_buf_append_byte(out, (uint8_t)(len >> 8));
	} else if (len >= 0x80) {
		(void)mtls_buf_append_byte(out, 0x81);
	}
	(void)mtls_buf_append_byte(out, (uint8_t)len);
	assert_int_equal(out->err, 0);
}

/* Reads the header of good DER. */
static inline size_t der_header(const uint8_t *der, size_t *ret_body)
{
	size_t header = 2, body = der[1];
	if (der[1] & 0x80) {
		body = 0;
		for (int i = 0; i < (der[1] & 0x7f); i++)
			body = body << 8 | der[header++];
	}
	*ret_body = body;
	return header;
}

/*
 * Copies @der with the content of leaf (primitive element) number *@leaf replaced, all lengths
 * made right.
 */
static inline void der_replace(const uint8_t *der, size_t len, int *leaf, const void *content,
			       size_t content_len, struct mtls_buf *out)
{
	while (len > 0) {
		size_t body, header = der_header(der, &body);
		if (der[0] & 0x20) {
			_cleanup_buf_ struct mtls_buf inner = MTLS_BUF(1 << 20);
			der_replace(der + header, body, leaf, content, content_len, &inner);
			der_append_header(out, der[0], inner.len);
			assert_int_equal(mtls_buf_append(out, inner.data, inner.len), 0);
		} else {
			bool here = (*leaf)-- == 0;
			der_append_header(out, der[0], here ? content_len : body);
			assert_int_equal(mtls_buf_append(out, here ? content : der + header,
							 here ? content_len : body),
					 0);
		}
		der += header + body;
		len -= header + body;
	}
}

#endif
