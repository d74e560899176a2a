/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A certificate's bytes to the facts that a signer needs. Strict DER; no state. */
#include <config.h>

#include <errno.h>
#include <nettle/sha2.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/cert/names.h"
#include "lib/name/dn.h"
#include "signer/leaf.h"

enum {
	UTC_TIME = 0x17,
	GENERALIZED_TIME = 0x18,
};

void leaf_free(struct leaf *leaf)
{
	if (!leaf)
		return;
	free(leaf->der);
	free(leaf->subject);
	free(leaf->issuer);
	free(leaf);
}

void leaf_digest(const void *data, size_t len, uint8_t *out)
{
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, len, data);
	sha256_digest(&ctx, LEAF_KEY_ID_LEN, out);
}

/* --- times --- */

/* @count digits at the beginning of @in, which is advanced; -1: there are none. */
static int digits(struct mtls_der *in, size_t count)
{
	int value = 0;

	if (in->len < count)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (in->data[i] < '0' || in->data[i] > '9')
			return -1;
		value = 10 * value + (in->data[i] - '0');
	}
	in->data += count;
	in->len -= count;
	return value;
}

/* Days from 1970-01-01 in the Gregorian calendar. Not timegm(): that reads the time zone's file. */
static int64_t days_of(int year, int month, int day)
{
	/* Years that begin in March end with the leap day. */
	const int64_t y = month > 2 ? year : year - 1;
	const int64_t m = month > 2 ? month - 3 : month + 9;
	const int64_t leap_days = y / 4 - y / 100 + y / 400;

	return 365 * y + leap_days + (153 * m + 2) / 5 + day - 1 - 719468;
}

static int read_time(struct mtls_der *in, int64_t *ret)
{
	struct mtls_der_element time;

	if (mtls_der_next(in, &time) < 0 || (time.tag != UTC_TIME && time.tag != GENERALIZED_TIME))
		return MTLS_E_SYNTAX;
	int year = digits(&time.body, time.tag == UTC_TIME ? 2 : 4);
	if (time.tag == UTC_TIME && year >= 0)
		year += year < 50 ? 2000 : 1900;
	const int month = digits(&time.body, 2), day = digits(&time.body, 2);
	const int hour = digits(&time.body, 2), minute = digits(&time.body, 2);
	const int second = digits(&time.body, 2);
	if (year < 0 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || hour > 23 ||
	    minute < 0 || minute > 59 || second < 0 || second > 60 ||
	    !mtls_der_equal(&time.body, "Z", 1))
		return MTLS_E_SYNTAX;
	*ret = ((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
	return 0;
}

static int read_validity(struct leaf *leaf, struct mtls_der validity)
{
	if (read_time(&validity, &leaf->not_before) < 0 ||
	    read_time(&validity, &leaf->not_after) < 0 || validity.len)
		return MTLS_E_SYNTAX;
	return 0;
}

/* --- the key --- */

#define OID(bytes) bytes, sizeof(bytes) - 1

static const struct {
	const char *oid;
	size_t oid_len;
	const char *curve; /* NULL: none */
	size_t curve_len;
	enum mtls_key_type type;
} key_types[] = {
	{ OID("\x2a\x86\x48\xce\x3d\x02\x01"), OID("\x2a\x86\x48\xce\x3d\x03\x01\x07"),
	  MTLS_KEY_TYPE_ECDSA_P256 },
	{ OID("\x2a\x86\x48\xce\x3d\x02\x01"), OID("\x2b\x81\x04\x00\x22"),
	  MTLS_KEY_TYPE_ECDSA_P384 },
	{ OID("\x2a\x86\x48\xce\x3d\x02\x01"), OID("\x2b\x81\x04\x00\x23"),
	  MTLS_KEY_TYPE_ECDSA_P521 },
	{ OID("\x2b\x65\x70"), NULL, 0, MTLS_KEY_TYPE_ED25519 },
	{ OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"), NULL, 0, MTLS_KEY_TYPE_RSA },
};

static enum mtls_key_type type_of(const struct mtls_der *oid, struct mtls_der parameters)
{
	struct mtls_der_element curve = { .tag = 0 };

	(void)mtls_der_expect(&parameters, MTLS_DER_OID, &curve);
	for (size_t i = 0; i < MTLS_COUNT(key_types); i++)
		if (mtls_der_equal(oid, key_types[i].oid, key_types[i].oid_len) &&
		    (!key_types[i].curve ||
		     mtls_der_equal(&curve.body, key_types[i].curve, key_types[i].curve_len)))
			return key_types[i].type;
	return 0;
}

static int read_spki(struct leaf *leaf, const struct mtls_der_element *spki)
{
	struct mtls_der in = spki->body;
	struct mtls_der_element algorithm, oid, key;

	if (mtls_der_expect(&in, MTLS_DER_SEQUENCE, &algorithm) < 0 ||
	    mtls_der_expect(&algorithm.body, MTLS_DER_OID, &oid) < 0 ||
	    mtls_der_expect(&in, MTLS_DER_BIT_STRING, &key) < 0 || in.len || key.body.len == 0 ||
	    key.body.data[0] != 0) /* unused bits */
		return MTLS_E_SYNTAX;
	leaf->spki = spki->whole;
	leaf->public_key = (struct mtls_der){ key.body.data + 1, key.body.len - 1 };
	leaf->key_type = type_of(&oid.body, algorithm.body);
	leaf_digest(leaf->spki.data, leaf->spki.len, leaf->key_id);
	return 0;
}

/* --- extensions --- */

struct findings {
	bool yubico;   /* what only a YubiKey's attestation has */
	bool purposes; /* what one never has: extended key usage */
};

static int read_basic_constraints(struct leaf *leaf, struct mtls_der value)
{
	struct mtls_der_element sequence, ca;

	if (mtls_der_expect(&value, MTLS_DER_SEQUENCE, &sequence) < 0)
		return MTLS_E_SYNTAX;
	if (mtls_der_peek(&sequence.body) != MTLS_DER_BOOLEAN)
		return 0;
	if (mtls_der_next(&sequence.body, &ca) < 0 || ca.body.len != 1)
		return MTLS_E_SYNTAX;
	leaf->ca = ca.body.data[0] != 0;
	return 0;
}

static int read_subject_id(struct leaf *leaf, struct mtls_der value)
{
	struct mtls_der_element id;

	if (mtls_der_expect(&value, MTLS_DER_OCTET_STRING, &id) < 0)
		return MTLS_E_SYNTAX;
	leaf->subject_id = id.body;
	return 0;
}

static int read_authority_id(struct leaf *leaf, struct mtls_der value)
{
	struct mtls_der_element sequence, id;

	if (mtls_der_expect(&value, MTLS_DER_SEQUENCE, &sequence) < 0)
		return MTLS_E_SYNTAX;
	if (mtls_der_peek(&sequence.body) != MTLS_DER_CONTEXT(0))
		return 0;
	if (mtls_der_next(&sequence.body, &id) < 0)
		return MTLS_E_SYNTAX;
	leaf->authority_id = id.body;
	return 0;
}

/* id-ce, 2.5.29.n */
static const struct {
	uint8_t n;
	int (*read)(struct leaf *leaf, struct mtls_der value);
} extensions[] = {
	{ 14, read_subject_id },
	{ 19, read_basic_constraints },
	{ 35, read_authority_id },
};

static int apply_extension(struct leaf *leaf, const struct mtls_der *oid, struct mtls_der value,
			   struct findings *findings)
{
	static const char yubico[] =
		"\x2b\x06\x01\x04\x01\x82\xc4\x0a\x03"; /* 1.3.6.1.4.1.41482.3 */
	static const char purposes[] = "\x55\x1d\x25";

	if (oid->len > strlen(yubico) && memcmp(oid->data, yubico, strlen(yubico)) == 0)
		findings->yubico = true;
	if (mtls_der_equal(oid, purposes, strlen(purposes)))
		findings->purposes = true;
	for (size_t i = 0; i < MTLS_COUNT(extensions); i++) {
		const uint8_t id[] = { 0x55, 0x1d, extensions[i].n };
		if (mtls_der_equal(oid, id, sizeof(id)))
			return extensions[i].read(leaf, value);
	}
	return 0;
}

static int read_extension(struct leaf *leaf, struct mtls_der *in, struct findings *findings)
{
	struct mtls_der_element sequence, oid, critical, value;

	if (mtls_der_expect(in, MTLS_DER_SEQUENCE, &sequence) < 0 ||
	    mtls_der_expect(&sequence.body, MTLS_DER_OID, &oid) < 0)
		return MTLS_E_SYNTAX;
	if (mtls_der_peek(&sequence.body) == MTLS_DER_BOOLEAN &&
	    mtls_der_next(&sequence.body, &critical) < 0)
		return MTLS_E_SYNTAX;
	if (mtls_der_expect(&sequence.body, MTLS_DER_OCTET_STRING, &value) < 0 || sequence.body.len)
		return MTLS_E_SYNTAX;
	return apply_extension(leaf, &oid.body, value.body, findings);
}

static int read_extensions(struct leaf *leaf, struct mtls_der *tbs)
{
	struct findings findings = { .yubico = false };
	struct mtls_der list;

	if (mtls_der_extensions(tbs, &list) < 0)
		return MTLS_E_SYNTAX;
	for (size_t count = 0; list.len; count++)
		if (count == LEAF_EXTENSIONS_MAX || read_extension(leaf, &list, &findings) < 0)
			return MTLS_E_SYNTAX;
	/* A CA may copy what a key attested; then it also says what the certificate is for. */
	leaf->attestation = findings.yubico && !findings.purposes;
	return 0;
}

/* --- names --- */

/* At most LEAF_TEXT_MAX bytes of it, cut between characters. */
static char *cut_text(struct mtls_buf *text)
{
	size_t len = text->len < LEAF_TEXT_MAX ? text->len : LEAF_TEXT_MAX;

	while (len > 0 && len < text->len && (text->data[len] & 0xc0) == 0x80)
		len--;
	return text->len ? strndup((const char *)text->data, len) : strdup("");
}

/* lib/name lets neither control characters nor invalid UTF-8 pass. */
static int read_name(const struct mtls_der *name, char **ret)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(MTLS_DN_TEXT_MAX);
	int r = mtls_cert_common_name(name, &text);

	if (r >= 0 && text.len == 0)
		r = mtls_cert_format_name(name, &text);
	if (r == -ENOMEM)
		return r;
	if (r < 0) /* the server's refusal has the words for it */
		mtls_buf_reset(&text);
	*ret = cut_text(&text);
	return *ret ? 0 : -ENOMEM;
}

/* --- the whole --- */

static int slice(struct leaf *leaf)
{
	struct mtls_der in = { leaf->der, leaf->der_len };
	struct mtls_der_element whole, tbs, skipped, issuer, validity, subject, spki;

	if (mtls_der_expect(&in, MTLS_DER_SEQUENCE, &whole) < 0 || in.len ||
	    mtls_der_expect(&whole.body, MTLS_DER_SEQUENCE, &tbs) < 0 ||
	    mtls_der_expect(&whole.body, MTLS_DER_SEQUENCE, &skipped) < 0 ||
	    mtls_der_expect(&whole.body, MTLS_DER_BIT_STRING, &skipped) < 0 || whole.body.len)
		return MTLS_E_SYNTAX;
	if (mtls_der_peek(&tbs.body) == MTLS_DER_CONTEXT_CONSTRUCTED(0) &&
	    mtls_der_next(&tbs.body, &skipped) < 0) /* version */
		return MTLS_E_SYNTAX;
	if (mtls_der_expect(&tbs.body, MTLS_DER_INTEGER, &skipped) < 0 ||
	    mtls_der_expect(&tbs.body, MTLS_DER_SEQUENCE, &skipped) < 0 || /* signature */
	    mtls_der_expect(&tbs.body, MTLS_DER_SEQUENCE, &issuer) < 0 ||
	    mtls_der_expect(&tbs.body, MTLS_DER_SEQUENCE, &validity) < 0 ||
	    mtls_der_expect(&tbs.body, MTLS_DER_SEQUENCE, &subject) < 0 ||
	    mtls_der_expect(&tbs.body, MTLS_DER_SEQUENCE, &spki) < 0 ||
	    read_validity(leaf, validity.body) < 0 || read_spki(leaf, &spki) < 0)
		return MTLS_E_SYNTAX;
	leaf->raw_issuer = issuer.whole;
	leaf->raw_subject = subject.whole;
	return read_extensions(leaf, &tbs.body);
}

int leaf_from_der(const uint8_t *der, size_t len, struct leaf **ret, struct mtls_diag *diag)
{
	if (len > MTLS_CERT_MAX)
		return mtls_diag_set(diag, MTLS_E_LIMIT,
				     "a certificate cannot be read: it is longer than %d bytes",
				     MTLS_CERT_MAX);
	_cleanup_(leaf_freep) struct leaf *leaf = calloc(1, sizeof(*leaf));
	if (!leaf)
		return -ENOMEM;
	leaf->der = malloc(len ? len : 1);
	if (!leaf->der)
		return -ENOMEM;
	if (len)
		memcpy(leaf->der, der, len);
	leaf->der_len = len;
	int r = slice(leaf);
	if (r < 0)
		return mtls_diag_set(diag, r, "a certificate cannot be read: it is malformed");
	r = read_name(&leaf->raw_subject, &leaf->subject);
	if (r >= 0)
		r = read_name(&leaf->raw_issuer, &leaf->issuer);
	if (r < 0)
		return r;
	*ret = MTLS_TAKE(leaf);
	return 0;
}
