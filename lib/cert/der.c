/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A strict reader of DER elements. Pure, no state; every read is checked against the slice. */
#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/cert/der.h"

#define HIGH_TAG      0x1f
#define LENGTH_OCTETS 4 /* 4 GiB: above every limit of ours */

/* The length octets at @in, which is advanced. */
static int read_length(struct mtls_der *in, size_t *ret)
{
	if (in->len == 0)
		return MTLS_E_SYNTAX;
	const uint8_t first = in->data[0];
	in->data++;
	in->len--;
	if (first < 0x80) {
		*ret = first;
		return 0;
	}
	const size_t octets = first & 0x7f;
	if (octets == 0 || octets > LENGTH_OCTETS || octets > in->len || in->data[0] == 0)
		return MTLS_E_SYNTAX;
	size_t value = 0;
	for (size_t i = 0; i < octets; i++)
		value = value << 8 | in->data[i];
	if (value < 0x80)
		return MTLS_E_SYNTAX;
	in->data += octets;
	in->len -= octets;
	*ret = value;
	return 0;
}

int mtls_der_next(struct mtls_der *in, struct mtls_der_element *ret)
{
	struct mtls_der rest = *in;
	size_t len;

	if (rest.len == 0 || (rest.data[0] & HIGH_TAG) == HIGH_TAG)
		return MTLS_E_SYNTAX;
	const uint8_t tag = rest.data[0];
	rest.data++;
	rest.len--;
	int err = read_length(&rest, &len);
	if (err < 0)
		return err;
	if (len > rest.len)
		return MTLS_E_SYNTAX;
	*ret = (struct mtls_der_element){
		.tag = tag,
		.body = { .data = rest.data, .len = len },
		.whole = { .data = in->data, .len = (size_t)(rest.data - in->data) + len },
	};
	in->data = rest.data + len;
	in->len = rest.len - len;
	return 0;
}

int mtls_der_expect(struct mtls_der *in, uint8_t tag, struct mtls_der_element *ret)
{
	if (mtls_der_peek(in) != tag)
		return MTLS_E_SYNTAX;
	return mtls_der_next(in, ret);
}

uint8_t mtls_der_peek(const struct mtls_der *in)
{
	return in->len ? in->data[0] : 0;
}

bool mtls_der_equal(const struct mtls_der *der, const void *data, size_t len)
{
	return der->len == len && (len == 0 || memcmp(der->data, data, len) == 0);
}

/* One base-128 number; @pos is advanced. */
static int read_arc(const struct mtls_der *oid, size_t *pos, uint32_t *ret)
{
	uint64_t value = 0;

	if (oid->data[*pos] == 0x80)
		return MTLS_E_SYNTAX; /* padded */
	while (*pos < oid->len) {
		const uint8_t byte = oid->data[(*pos)++];
		value = value << 7 | (byte & 0x7f);
		if (value > UINT32_MAX)
			return MTLS_E_LIMIT;
		if (!(byte & 0x80)) {
			*ret = (uint32_t)value;
			return 0;
		}
	}
	return MTLS_E_SYNTAX; /* cut off */
}

int mtls_der_oid_text(const struct mtls_der *oid, char *out, size_t size)
{
	size_t pos = 0, used = 0;

	if (oid->len == 0)
		return MTLS_E_SYNTAX;
	while (pos < oid->len) {
		const bool first = pos == 0;
		uint32_t arc;
		int err = read_arc(oid, &pos, &arc);
		if (err < 0)
			return err;
		int n;
		if (first) {
			const uint32_t root = arc < 80 ? arc / 40 : 2;
			n = snprintf(out, size, "%" PRIu32 ".%" PRIu32, root, arc - 40 * root);
		} else {
			n = snprintf(out + used, size - used, ".%" PRIu32, arc);
		}
		if (n < 0 || (size_t)n >= size - used)
			return MTLS_E_LIMIT;
		used += (size_t)n;
	}
	return 0;
}

int mtls_der_extensions(struct mtls_der *tbs, struct mtls_der *ret)
{
	struct mtls_der_element element, sequence;

	/* The two unique identifiers of old. */
	for (uint8_t n = 1; n <= 2; n++)
		if (mtls_der_peek(tbs) == MTLS_DER_CONTEXT(n) && mtls_der_next(tbs, &element) < 0)
			return MTLS_E_SYNTAX;
	*ret = (struct mtls_der){ .len = 0 };
	if (tbs->len == 0)
		return 0;
	/* [3] EXPLICIT */
	if (mtls_der_expect(tbs, MTLS_DER_CONTEXT_CONSTRUCTED(3), &element) < 0 || tbs->len ||
	    mtls_der_expect(&element.body, MTLS_DER_SEQUENCE, &sequence) < 0 || element.body.len)
		return MTLS_E_SYNTAX;
	*ret = sequence.body;
	return 0;
}
