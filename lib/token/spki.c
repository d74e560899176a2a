/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From what a token says of a key to DER: SubjectPublicKeyInfo (RFC 5280, 5480, 8410), signatures.
 * Pure; everything comes from outside.
 */
#include <config.h>

#include <string.h>

#include "lib/token/token_impl.h"

#define TAG_INTEGER      0x02
#define TAG_BIT_STRING   0x03
#define TAG_OCTET_STRING 0x04
#define TAG_SEQUENCE     0x30

/* clang-format off */
static const uint8_t p256[] = { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
static const uint8_t p384[] = { 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22 };
static const uint8_t p521[] = { 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23 };
static const uint8_t ed25519[] = { 0x06, 0x03, 0x2b, 0x65, 0x70 };
/* PrintableString "edwards25519", as PKCS#11 3.0 has it beside the OID */
static const uint8_t ed25519_name[] = { 0x13, 0x0c, 'e', 'd', 'w', 'a', 'r', 'd', 's',
					'2', '5', '5', '1', '9' };
/* GNU's OID for it, 1.3.6.1.4.1.11591.15.1, which older modules write */
static const uint8_t ed25519_gnu[] = { 0x06, 0x09, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f,
				       0x01 };
static const uint8_t ec_public_key[] = { 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01 };
static const uint8_t rsa_encryption[] = { 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01,
					  0x01, 0x05, 0x00 };

static const struct curve {
	const uint8_t *params;
	size_t len;
	enum mtls_key_type type;
	size_t point; /* bytes of a public key, uncompressed */
} curves[] = {
	{ p256,         sizeof(p256),         MTLS_KEY_TYPE_ECDSA_P256, 65 },
	{ p384,         sizeof(p384),         MTLS_KEY_TYPE_ECDSA_P384, 97 },
	{ p521,         sizeof(p521),         MTLS_KEY_TYPE_ECDSA_P521, 133 },
	{ ed25519,      sizeof(ed25519),      MTLS_KEY_TYPE_ED25519,    32 },
	{ ed25519_name, sizeof(ed25519_name), MTLS_KEY_TYPE_ED25519,    32 },
	{ ed25519_gnu,  sizeof(ed25519_gnu),  MTLS_KEY_TYPE_ED25519,    32 },
};
/* clang-format on */

static const struct curve *find_curve(const uint8_t *params, size_t len)
{
	for (size_t i = 0; i < MTLS_COUNT(curves); i++)
		if (curves[i].len == len && memcmp(curves[i].params, params, len) == 0)
			return &curves[i];
	return NULL;
}

enum mtls_key_type token_curve(const uint8_t *params, size_t len)
{
	const struct curve *curve = find_curve(params, len);
	return curve ? curve->type : MTLS_KEY_TYPE_HIDDEN;
}

/* Lengths up to 65535. */
static size_t header_len(size_t len)
{
	return len < 0x80 ? 2 : len < 0x100 ? 3 : 4;
}

static void put_header(struct mtls_buf *out, uint8_t tag, size_t len)
{
	(void)mtls_buf_append_byte(out, tag);
	if (len >= 0x100) {
		(void)mtls_buf_append_byte(out, 0x82);
		(void)mtls_buf_append_byte(out, (uint8_t)(len >> 8));
	} else if (len >= 0x80) {
		(void)mtls_buf_append_byte(out, 0x81);
	}
	(void)mtls_buf_append_byte(out, (uint8_t)len);
}

static size_t tlv_len(size_t len)
{
	return header_len(len) + len;
}

/* An unsigned number, big-endian, of any padding; 0: it is none. */
static size_t strip(const uint8_t **number, size_t len)
{
	while (len > 0 && **number == 0) {
		(*number)++;
		len--;
	}
	return len;
}

static size_t integer_len(const uint8_t *number, size_t len)
{
	return len + (number[0] >> 7);
}

static void put_integer(struct mtls_buf *out, const uint8_t *number, size_t len)
{
	put_header(out, TAG_INTEGER, integer_len(number, len));
	if (number[0] & 0x80)
		(void)mtls_buf_append_byte(out, 0);
	(void)mtls_buf_append(out, number, len);
}

/* The bits of the key: @len bytes, after the number of unused bits. */
static void put_bit_string(struct mtls_buf *out, size_t len)
{
	put_header(out, TAG_BIT_STRING, len + 1);
	(void)mtls_buf_append_byte(out, 0);
}

/* A point is an OCTET STRING, by other modules a BIT STRING or bare. */
static const uint8_t *bare_point(const struct token_public *key, size_t want)
{
	const uint8_t *der = key->point;
	size_t len = key->point_len;

	if (len == want)
		return der;
	if (len > want && len - want == header_len(want) && der[0] == TAG_OCTET_STRING &&
	    der[header_len(want) - 1] == want)
		return der + header_len(want);
	if (len > want + 1 && len - want - 1 == header_len(want + 1) && der[0] == TAG_BIT_STRING &&
	    der[header_len(want + 1) - 1] == want + 1 && der[header_len(want + 1)] == 0)
		return der + header_len(want + 1) + 1;
	return NULL;
}

static int put_ec(const struct token_public *key, struct mtls_buf *out,
		  enum mtls_key_type *ret_type)
{
	const struct curve *curve = find_curve(key->params, key->params_len);
	if (!curve || (curve->type == MTLS_KEY_TYPE_ED25519) != (key->type == CKK_EC_EDWARDS))
		return MTLS_E_UNSUPPORTED;
	const uint8_t *point = bare_point(key, curve->point);
	if (!point || (key->type == CKK_EC && point[0] != 0x04))
		return MTLS_E_SYNTAX;
	bool edwards = key->type == CKK_EC_EDWARDS;
	const uint8_t *oid = edwards ? ed25519 : curve->params;
	size_t oid_len = edwards ? sizeof(ed25519) : curve->len;
	size_t algorithm = oid_len + (edwards ? 0 : sizeof(ec_public_key));

	put_header(out, TAG_SEQUENCE, tlv_len(algorithm) + tlv_len(curve->point + 1));
	put_header(out, TAG_SEQUENCE, algorithm);
	if (!edwards)
		(void)mtls_buf_append(out, ec_public_key, sizeof(ec_public_key));
	(void)mtls_buf_append(out, oid, oid_len);
	put_bit_string(out, curve->point);
	*ret_type = curve->type;
	return mtls_buf_append(out, point, curve->point);
}

static int put_rsa(const struct token_public *key, struct mtls_buf *out,
		   enum mtls_key_type *ret_type)
{
	const uint8_t *n = key->modulus, *e = key->exponent;
	size_t n_len = strip(&n, key->modulus_len), e_len = strip(&e, key->exponent_len);
	if (n_len == 0 || e_len == 0)
		return MTLS_E_SYNTAX;
	if (n_len > MTLS_TOKEN_SPKI_MAX)
		return MTLS_E_LIMIT;
	size_t numbers = tlv_len(integer_len(n, n_len)) + tlv_len(integer_len(e, e_len));
	size_t bits = tlv_len(numbers);

	put_header(out, TAG_SEQUENCE, tlv_len(sizeof(rsa_encryption)) + tlv_len(bits + 1));
	put_header(out, TAG_SEQUENCE, sizeof(rsa_encryption));
	(void)mtls_buf_append(out, rsa_encryption, sizeof(rsa_encryption));
	put_bit_string(out, bits);
	put_header(out, TAG_SEQUENCE, numbers);
	put_integer(out, n, n_len);
	put_integer(out, e, e_len);
	*ret_type = MTLS_KEY_TYPE_RSA;
	return out->err;
}

int token_spki(const struct token_public *key, struct mtls_buf *out, enum mtls_key_type *ret_type)
{
	if (key->type == CKK_RSA)
		return put_rsa(key, out, ret_type);
	if (key->type == CKK_EC || key->type == CKK_EC_EDWARDS)
		return put_ec(key, out, ret_type);
	return MTLS_E_UNSUPPORTED;
}

int token_ecdsa_der(const uint8_t *raw, size_t len, struct mtls_buf *out)
{
	const uint8_t *r = raw, *s = raw + len / 2;
	if (len == 0 || len % 2)
		return MTLS_E_SYNTAX;
	size_t r_len = strip(&r, len / 2), s_len = strip(&s, len / 2);
	if (r_len == 0 || s_len == 0)
		return MTLS_E_SYNTAX;
	put_header(out, TAG_SEQUENCE,
		   tlv_len(integer_len(r, r_len)) + tlv_len(integer_len(s, s_len)));
	put_integer(out, r, r_len);
	put_integer(out, s, s_len);
	return out->err;
}
