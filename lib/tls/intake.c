/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A Certificate message before anything in it is decoded: libtasn1 needs time in the square of how
 * many elements stand side by side, 100 ms for a chain of 60 KiB, spent before anybody has proved
 * anything. This scan is linear, and stricter than the decoder. Pure; any thread.
 */
#include <config.h>

#include <stdbool.h>

#include "lib/tls/intake.h"
#include "lib/wire/msg.h"

#define CONSTRUCTED   0x20
#define HIGH_TAG      0x1f
#define LENGTH_OCTETS 4

struct input {
	const uint8_t *data;
	size_t len;
};

/* A big-endian number of @octets octets. */
static bool read_number(struct input *in, unsigned int octets, size_t *ret)
{
	size_t value = 0;

	if (in->len < octets)
		return false;
	for (unsigned int i = 0; i < octets; i++)
		value = value << 8 | in->data[i];
	in->data += octets;
	in->len -= octets;
	*ret = value;
	return true;
}

/* @octets octets of length, then as many as they say. */
static bool read_vector(struct input *in, unsigned int octets, struct input *ret)
{
	size_t len;

	if (!read_number(in, octets, &len) || len > in->len)
		return false;
	*ret = (struct input){ .data = in->data, .len = len };
	in->data += len;
	in->len -= len;
	return true;
}

/* Steps over one DER element, or into it if it is a constructed one. */
static bool step(struct input *in)
{
	size_t tag, len;

	if (!read_number(in, 1, &tag) || (tag & HIGH_TAG) == HIGH_TAG || !read_number(in, 1, &len))
		return false;
	if (len & 0x80) {
		const unsigned int octets = len & 0x7f;
		if (octets == 0 || octets > LENGTH_OCTETS || !read_number(in, octets, &len))
			return false;
	}
	if (len > in->len)
		return false;
	if (!(tag & CONSTRUCTED)) {
		in->data += len;
		in->len -= len;
	}
	return true;
}

static int check_certificate(struct input der)
{
	if (der.len > MTLS_CERT_MAX)
		return MTLS_E_LIMIT;
	for (unsigned int count = 0; der.len; count++) {
		if (count == MTLS_TLS_ELEMENTS_MAX)
			return MTLS_E_LIMIT;
		if (!step(&der))
			return MTLS_E_SYNTAX;
	}
	return 0;
}

int mtls_tls_certificate_message(const uint8_t *body, size_t len)
{
	struct input in = { .data = body, .len = len }, list, der, skipped;

	if (!read_vector(&in, 1, &skipped) || !read_vector(&in, 3, &list) || in.len)
		return MTLS_E_SYNTAX;
	for (unsigned int count = 0; list.len; count++) {
		if (count == MTLS_CHAIN_MAX)
			return MTLS_E_LIMIT;
		if (!read_vector(&list, 3, &der) || !read_vector(&list, 2, &skipped))
			return MTLS_E_SYNTAX;
		int err = check_certificate(der);
		if (err < 0)
			return err;
	}
	return 0;
}
