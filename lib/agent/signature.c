/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An agent's signature to one of TLS 1.3: two numbers of SSH become DER. Pure. That the signature
 * is good is not looked at here: the server does.
 */
#include <config.h>

#include <string.h>

#include "lib/agent/agent_impl.h"

#define NUMBER_MAX 66 /* bytes: P-521 */

static int malformed(struct mtls_diag *diag)
{
	return mtls_diag_set(diag, MTLS_E_PROTOCOL, "the agent's signature is malformed");
}

/* A positive number of at most @max bytes, without leading zeros. */
static bool read_number(struct agent_in *in, size_t max, struct agent_in *ret)
{
	struct agent_in number;

	if (!agent_in_string(in, &number) || number.len == 0 || number.data[0] & 0x80)
		return false;
	while (number.len && number.data[0] == 0) {
		number.data++;
		number.len--;
	}
	*ret = number;
	return number.len > 0 && number.len <= max;
}

/* DER INTEGER at @out; returns its length, at most 3 + NUMBER_MAX. */
static size_t put_integer(const struct agent_in *number, uint8_t *out)
{
	const size_t padding = number->data[0] & 0x80 ? 1 : 0;

	out[0] = 0x02;
	out[1] = (uint8_t)(number->len + padding);
	out[2] = 0;
	memcpy(out + 2 + padding, number->data, number->len);
	return 2 + padding + number->len;
}

static int convert_numbers(struct agent_in blob, size_t number_len,
			   uint8_t ret[MTLS_AGENT_SIGNATURE_MAX], size_t *ret_len)
{
	uint8_t body[2 * (3 + NUMBER_MAX)];
	struct agent_in r, s;

	if (!read_number(&blob, number_len, &r) || !read_number(&blob, number_len, &s) || blob.len)
		return MTLS_E_PROTOCOL;
	size_t len = put_integer(&r, body);
	len += put_integer(&s, body + len);
	size_t head = 0;
	ret[head++] = 0x30;
	if (len >= 0x80)
		ret[head++] = 0x81;
	ret[head++] = (uint8_t)len;
	memcpy(ret + head, body, len);
	*ret_len = head + len;
	return 0;
}

int agent_read_signature(enum mtls_key_type type, const uint8_t *answer, size_t len,
			 uint8_t ret[MTLS_AGENT_SIGNATURE_MAX], size_t *ret_len,
			 struct mtls_diag *diag)
{
	const struct agent_kind *kind = agent_kind_of(type);
	struct agent_in in, signature, name, blob;

	if (len == 1 && answer[0] == AGENT_FAILURE)
		return mtls_diag_set(diag, MTLS_E_DENIED, "the agent refuses to sign");
	if (!kind || len < 1 || answer[0] != AGENT_SIGN_RESPONSE)
		return malformed(diag);
	in = (struct agent_in){ answer + 1, len - 1 };
	if (!agent_in_string(&in, &signature) || in.len || !agent_in_string(&signature, &name) ||
	    !agent_in_is(&name, kind->name) || !agent_in_string(&signature, &blob) || signature.len)
		return malformed(diag);
	if (kind->number_len)
		return convert_numbers(blob, kind->number_len, ret, ret_len) < 0 ? malformed(diag)
										 : 0;
	if (blob.len != 64)
		return malformed(diag);
	memcpy(ret, blob.data, blob.len);
	*ret_len = blob.len;
	return 0;
}
