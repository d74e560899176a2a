/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Typed certificate keys: one canonical text for each, so that equal keys are equal bytes. Pure. */
#include <config.h>

#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "lib/name/dn.h"
#include "lib/name/key.h"

#define DIGEST_LEN 32
#define SERIAL_MAX 20 /* RFC 5280 section 4.1.2.2 */
#define INPUT_MAX  (MTLS_DN_INPUT_MAX + 256)

typedef int parse_value(const char *value, size_t len, struct mtls_buf *out,
			struct mtls_diag *diag);

static parse_value parse_digest, parse_issuer_serial, parse_subject, parse_opaque;

static const struct {
	const char *name;
	parse_value *parse;
	bool supported; /* mtls-authd asks for keys of this kind */
} kinds[MTLS_KEY_KINDS] = {
	[MTLS_KEY_SHA256] = { "sha256", parse_digest, true },
	[MTLS_KEY_SPKI_SHA256] = { "spki-sha256", parse_digest, true },
	[MTLS_KEY_ISSUER_SERIAL] = { "issuer-serial", parse_issuer_serial, true },
	[MTLS_KEY_SUBJECT] = { "subject", parse_subject, true },
	[MTLS_KEY_SKI] = { "ski", parse_opaque, false },
	[MTLS_KEY_SID] = { "sid", parse_opaque, false },
	[MTLS_KEY_UPN] = { "upn", parse_opaque, false },
	[MTLS_KEY_KPN] = { "kpn", parse_opaque, false },
	[MTLS_KEY_MAIL] = { "mail", parse_opaque, false },
	[MTLS_KEY_URI] = { "uri", parse_opaque, false },
	[MTLS_KEY_ALTSEC] = { "altsec", parse_opaque, false },
};

const char *mtls_key_kind_name(enum mtls_key_kind kind)
{
	return (unsigned int)kind < MTLS_KEY_KINDS ? kinds[kind].name : NULL;
}

bool mtls_key_kind_supported(enum mtls_key_kind kind)
{
	return (unsigned int)kind < MTLS_KEY_KINDS && kinds[kind].supported;
}

static int append_hex(const uint8_t *data, size_t len, struct mtls_buf *out)
{
	char pair[3];

	for (size_t i = 0; i < len; i++) {
		mtls_hex_encode(data + i, 1, pair);
		(void)mtls_buf_append(out, pair, 2);
	}
	return out->err;
}

/*
 * Octets in hexadecimal, as tools print them: both cases, maybe a colon between octets. Returns
 * their number (at most @size) or MTLS_E_SYNTAX.
 */
static int parse_octets(const char *text, size_t len, uint8_t *out, size_t size)
{
	size_t count = 0;

	for (size_t i = 0; i < len; i += 2) {
		if (i > 0 && text[i] == ':')
			i++;
		if (len - i < 2 || count == size ||
		    mtls_hex_decode(text + i, 2, out + count, 1) != 1)
			return MTLS_E_SYNTAX;
		count++;
	}
	return (int)count;
}

static int parse_digest(const char *value, size_t len, struct mtls_buf *out, struct mtls_diag *diag)
{
	uint8_t digest[DIGEST_LEN];

	if (parse_octets(value, len, digest, sizeof(digest)) != DIGEST_LEN)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "key: expected %d hexadecimal digits",
				     2 * DIGEST_LEN);
	return append_hex(digest, sizeof(digest), out);
}

static int append_serial(const uint8_t *serial, size_t len, struct mtls_buf *out)
{
	while (len > 0 && serial[0] == 0) {
		serial++;
		len--;
	}
	if (len == 0 || len > SERIAL_MAX)
		return MTLS_E_SYNTAX;
	return append_hex(serial, len, out);
}

static int parse_issuer_serial(const char *value, size_t len, struct mtls_buf *out,
			       struct mtls_diag *diag)
{
	uint8_t serial[SERIAL_MAX + 1]; /* tools print the zero octet that DER puts before */

	/* The serial may hold colons and the name too; the type of its first part cannot. */
	const char *equals = memchr(value, '=', len);
	const char *colon = equals ? memrchr(value, ':', (size_t)(equals - value)) : NULL;
	if (!colon)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "key: expected issuer-serial:HEX:NAME");
	size_t serial_len = (size_t)(colon - value);
	int n = parse_octets(value, serial_len, serial, sizeof(serial));
	if (n <= 0 || append_serial(serial, (size_t)n, out) < 0)
		return mtls_diag_set(diag, MTLS_E_SYNTAX,
				     "key: expected a serial number of 1 to %d octets in "
				     "hexadecimal",
				     SERIAL_MAX);
	int r = mtls_buf_append_byte(out, ':');
	if (r < 0)
		return r;
	return mtls_dn_canonical(colon + 1, len - serial_len - 1, out, diag);
}

static int parse_subject(const char *value, size_t len, struct mtls_buf *out,
			 struct mtls_diag *diag)
{
	return mtls_dn_canonical(value, len, out, diag);
}

/* What a certificate says, to the byte: nothing is known here that could be brought to one form. */
static int parse_opaque(const char *value, size_t len, struct mtls_buf *out, struct mtls_diag *diag)
{
	const uint8_t *bytes = (const uint8_t *)value;

	if (!len || !mtls_utf8_valid(bytes, len) || mtls_has_control(bytes, len))
		return mtls_diag_set(diag, MTLS_E_SYNTAX,
				     "key: expected a value in UTF-8 without control characters");
	return mtls_buf_append(out, value, len);
}

static int find_kind(const char *name, size_t len)
{
	for (int i = 0; i < MTLS_KEY_KINDS; i++)
		if (strlen(kinds[i].name) == len && memcmp(kinds[i].name, name, len) == 0)
			return i;
	return -1;
}

static int begin(enum mtls_key_kind kind, struct mtls_buf *text)
{
	(void)mtls_buf_append_str(text, kinds[kind].name);
	return mtls_buf_append_byte(text, ':');
}

int mtls_key_parse(const char *text, size_t len, enum mtls_key_kind *ret_kind, struct mtls_buf *out,
		   struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf key = MTLS_BUF(MTLS_KEY_MAX);

	if (len > INPUT_MAX)
		return mtls_diag_set(diag, MTLS_E_LIMIT, "key: over %d bytes", INPUT_MAX);
	const char *colon = memchr(text, ':', len);
	int kind = colon ? find_kind(text, (size_t)(colon - text)) : -1;
	if (kind < 0)
		return mtls_diag_set(diag, MTLS_E_SYNTAX,
				     "key: expected sha256:, spki-sha256:, issuer-serial:, "
				     "subject:, ski:, sid:, upn:, kpn:, mail:, uri: or altsec:");
	int r = begin((enum mtls_key_kind)kind, &key);
	if (r < 0)
		return r;
	r = kinds[kind].parse(colon + 1, len - (size_t)(colon + 1 - text), &key, diag);
	if (r < 0)
		return r;
	r = mtls_buf_append(out, key.data, key.len);
	if (r == 0)
		*ret_kind = (enum mtls_key_kind)kind;
	return r;
}

int mtls_key_format_digest(enum mtls_key_kind kind, const uint8_t digest[32], struct mtls_buf *out)
{
	if (kind != MTLS_KEY_SHA256 && kind != MTLS_KEY_SPKI_SHA256)
		return MTLS_E_BUG;
	_cleanup_buf_ struct mtls_buf key = MTLS_BUF(MTLS_KEY_MAX);
	int r = begin(kind, &key);
	if (r == 0)
		r = append_hex(digest, DIGEST_LEN, &key);
	return r < 0 ? r : mtls_buf_append(out, key.data, key.len);
}

int mtls_key_format_issuer_serial(const uint8_t *serial, size_t serial_len, const char *issuer_dn,
				  struct mtls_buf *out)
{
	_cleanup_buf_ struct mtls_buf key = MTLS_BUF(MTLS_KEY_MAX);
	int r = begin(MTLS_KEY_ISSUER_SERIAL, &key);
	if (r == 0)
		r = append_serial(serial, serial_len, &key);
	if (r == 0)
		r = mtls_buf_append_byte(&key, ':');
	if (r == 0)
		r = mtls_dn_canonical(issuer_dn, strlen(issuer_dn), &key, NULL);
	return r < 0 ? r : mtls_buf_append(out, key.data, key.len);
}

int mtls_key_format_subject(const char *subject_dn, struct mtls_buf *out)
{
	_cleanup_buf_ struct mtls_buf key = MTLS_BUF(MTLS_KEY_MAX);
	int r = begin(MTLS_KEY_SUBJECT, &key);
	if (r == 0)
		r = mtls_dn_canonical(subject_dn, strlen(subject_dn), &key, NULL);
	return r < 0 ? r : mtls_buf_append(out, key.data, key.len);
}
