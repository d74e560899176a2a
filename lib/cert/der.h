/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads DER elements one after the other, without a schema: just enough for the parts of a
 * certificate whose exact bytes matter (names, serial, public key, extensions). Pure; bounds are
 * the slice's.
 */
#ifndef MTLS_CERT_DER_H
#define MTLS_CERT_DER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

enum mtls_der_tag {
	MTLS_DER_BOOLEAN = 0x01,
	MTLS_DER_INTEGER = 0x02,
	MTLS_DER_BIT_STRING = 0x03,
	MTLS_DER_OCTET_STRING = 0x04,
	MTLS_DER_OID = 0x06,
	MTLS_DER_UTF8 = 0x0c,
	MTLS_DER_PRINTABLE = 0x13,
	MTLS_DER_IA5 = 0x16,
	MTLS_DER_SEQUENCE = 0x30,
	MTLS_DER_SET = 0x31,
};
#define MTLS_DER_CONTEXT(n)             (0x80 | (n)) /* [n] IMPLICIT, primitive */
#define MTLS_DER_CONTEXT_CONSTRUCTED(n) (0xa0 | (n)) /* [n] EXPLICIT, or IMPLICIT of a SEQUENCE */

/* Bytes not read yet; borrowed. */
struct mtls_der {
	const uint8_t *data;
	size_t len;
};

struct mtls_der_element {
	uint8_t tag;          /* the identifier octet */
	struct mtls_der body; /* the contents octets */
	struct mtls_der whole;
};

/*
 * The next element of @in, which is advanced past it. Refuses with MTLS_E_SYNTAX what is not DER:
 * tags above 30, indefinite or non-minimal lengths, an element that reaches past the end.
 */
int mtls_der_next(struct mtls_der *in, struct mtls_der_element *ret);

/* The same, and the identifier octet must be @tag. */
int mtls_der_expect(struct mtls_der *in, uint8_t tag, struct mtls_der_element *ret);

/* The next identifier octet, 0 at the end. */
uint8_t mtls_der_peek(const struct mtls_der *in);

/* True if the contents octets of @oid are these of @len. */
bool mtls_der_equal(const struct mtls_der *der, const void *data, size_t len);

/*
 * The extensions of a certificate: @tbs stands behind subjectPublicKeyInfo and is read to its end
 * (RFC 5280 section 4.1). *@ret: the contents of the SEQUENCE of them, empty where there are none.
 * 0 or MTLS_E_SYNTAX.
 */
int mtls_der_extensions(struct mtls_der *tbs, struct mtls_der *ret);

/*
 * Contents octets of an OBJECT IDENTIFIER as dotted text. Returns 0, MTLS_E_SYNTAX (empty, padded,
 * cut off) or MTLS_E_LIMIT (an arc of more than 32 bits, or @size too small).
 */
int mtls_der_oid_text(const struct mtls_der *oid, char *out, size_t size);

#endif
