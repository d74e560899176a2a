/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Canonical distinguished names. mtls_dn_format() is the only place that writes one; text typed by
 * a person is parsed to the same RDNs (dn_parse.c) and written by the same function. Pure.
 */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/name/dn.h"
#include "lib/name/dn_types.h"

/* The table of RFC 4514 section 3: the only types with a name in canonical form. */
static const struct mtls_dn_type canonical_types[] = {
	{ "CN", "2.5.4.3" },
	{ "L", "2.5.4.7" },
	{ "ST", "2.5.4.8" },
	{ "O", "2.5.4.10" },
	{ "OU", "2.5.4.11" },
	{ "C", "2.5.4.6" },
	{ "STREET", "2.5.4.9" },
	{ "DC", "0.9.2342.19200300.100.1.25" },
	{ "UID", "0.9.2342.19200300.100.1.1" },
};

const struct mtls_dn_type *mtls_dn_type_at(size_t index)
{
	return index < MTLS_COUNT(canonical_types) ? &canonical_types[index] : NULL;
}

bool mtls_dn_oid_valid(const char *oid)
{
	size_t len = strnlen(oid, MTLS_DN_OID_MAX + 1), arcs = 0, arc_len;

	if (len > MTLS_DN_OID_MAX)
		return false;
	for (const char *cursor = oid, *arc; (arc = mtls_split_next(&cursor, '.', &arc_len));) {
		if (arc_len == 0 || strspn(arc, "0123456789") < arc_len ||
		    (arc[0] == '0' && arc_len > 1))
			return false;
		if (arcs == 0 && (arc_len > 1 || arc[0] > '2'))
			return false;
		/* Below the arcs 0 and 1 there are 40 numbers: one encoding, one text. */
		if (arcs == 1 && oid[0] < '2' && (arc_len > 2 || (arc_len == 2 && arc[0] > '3')))
			return false;
		arcs++;
	}
	return arcs >= 2;
}

/* The content of @der, which must be exactly one element with low tag and minimal length. */
static int der_content(const uint8_t *der, size_t len, size_t *ret_offset)
{
	size_t body, header = 2;

	if (len < 2 || (der[0] & 0x1f) == 0x1f)
		return MTLS_E_SYNTAX;
	if (der[1] < 0x80) {
		body = der[1];
	} else if (der[1] == 0x81 && len >= 3 && der[2] >= 0x80) {
		body = der[2];
		header = 3;
	} else if (der[1] == 0x82 && len >= 4 && der[2] != 0) {
		body = (size_t)der[2] << 8 | der[3];
		header = 4;
	} else {
		return MTLS_E_SYNTAX;
	}
	if (body != len - header)
		return MTLS_E_SYNTAX;
	*ret_offset = header;
	return 0;
}

static int append_code_point(uint32_t code, struct mtls_buf *out)
{
	uint8_t utf8[4];
	size_t n = 0;

	if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return MTLS_E_SYNTAX;
	if (code < 0x80) {
		utf8[n++] = (uint8_t)code;
	} else if (code < 0x800) {
		utf8[n++] = (uint8_t)(0xc0 | code >> 6);
	} else if (code < 0x10000) {
		utf8[n++] = (uint8_t)(0xe0 | code >> 12);
		utf8[n++] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
	} else {
		utf8[n++] = (uint8_t)(0xf0 | code >> 18);
		utf8[n++] = (uint8_t)(0x80 | (code >> 12 & 0x3f));
		utf8[n++] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
	}
	if (code >= 0x80)
		utf8[n++] = (uint8_t)(0x80 | (code & 0x3f));
	return mtls_buf_append(out, utf8, n);
}

/* BMPString (@width 2) and UniversalString (4): big-endian code points, no surrogates. */
static int wide_to_utf8(const uint8_t *data, size_t len, size_t width, struct mtls_buf *out)
{
	if (len % width)
		return MTLS_E_SYNTAX;
	for (size_t i = 0; i < len; i += width) {
		uint32_t code = 0;
		for (size_t k = 0; k < width; k++)
			code = code << 8 | data[i + k];
		int r = append_code_point(code, out);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_ascii(const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] >= 0x80)
			return false;
	return true;
}

enum string_form { FORM_UTF8 = 0, FORM_ASCII, FORM_ASCII_OR_HEX, FORM_UCS2, FORM_UCS4 };

/* clang-format off */
static const struct { uint8_t tag; enum string_form form; } string_types[] = {
	{ 0x0c, FORM_UTF8 },         /* UTF8String */
	{ 0x12, FORM_ASCII },        /* NumericString */
	{ 0x13, FORM_ASCII },        /* PrintableString */
	{ 0x14, FORM_ASCII_OR_HEX }, /* TeletexString */
	{ 0x16, FORM_ASCII },        /* IA5String */
	{ 0x1a, FORM_ASCII },        /* VisibleString */
	{ 0x1c, FORM_UCS4 },         /* UniversalString */
	{ 0x1e, FORM_UCS2 },         /* BMPString */
};
/* clang-format on */

/*
 * Turns the DER of a value to UTF-8 in @utf8. Returns 1 if it is of a string type, 0 if it has to
 * be written as #hex, MTLS_E_SYNTAX if it is malformed.
 */
static int der_to_utf8(const uint8_t *der, size_t len, struct mtls_buf *utf8)
{
	size_t header;
	int r = der_content(der, len, &header);
	if (r < 0)
		return r;
	const uint8_t *body = der + header;
	size_t body_len = len - header;

	for (size_t i = 0; i < MTLS_COUNT(string_types); i++) {
		if (string_types[i].tag != der[0])
			continue;
		enum string_form form = string_types[i].form;
		if (form == FORM_UCS2 || form == FORM_UCS4) {
			r = wide_to_utf8(body, body_len, form == FORM_UCS2 ? 2 : 4, utf8);
			return r < 0 ? r : 1;
		}
		if (form != FORM_UTF8 && !is_ascii(body, body_len))
			return form == FORM_ASCII ? MTLS_E_SYNTAX : 0;
		r = mtls_buf_append(utf8, body, body_len);
		return r < 0 ? r : 1;
	}
	return 0;
}

/* Escapes what RFC 4514 section 2.4 demands and nothing else. */
static int append_escaped(const uint8_t *value, size_t len, struct mtls_buf *out)
{
	if (!mtls_utf8_valid(value, len) || mtls_has_control(value, len))
		return MTLS_E_SYNTAX;
	for (size_t i = 0; i < len; i++) {
		bool edge_space = value[i] == ' ' && (i == 0 || i == len - 1);
		bool first_hash = value[i] == '#' && i == 0;
		/* No NUL comes here, so strchr() cannot match the terminator. */
		if (edge_space || first_hash || strchr("\"+,;<>\\", value[i]))
			(void)mtls_buf_append_byte(out, '\\');
		(void)mtls_buf_append_byte(out, value[i]);
	}
	return out->err;
}

static int append_hex(const uint8_t *der, size_t len, struct mtls_buf *out)
{
	char pair[3];

	(void)mtls_buf_append_byte(out, '#');
	for (size_t i = 0; i < len; i++) {
		mtls_hex_encode(der + i, 1, pair);
		(void)mtls_buf_append(out, pair, 2);
	}
	return out->err;
}

static int append_value(const struct mtls_ava *ava, struct mtls_buf *out)
{
	if (ava->string)
		return append_escaped(ava->value, ava->len, out);

	/* At most 3 bytes of UTF-8 for 2 of BMPString. */
	_cleanup_buf_ struct mtls_buf utf8 = MTLS_BUF(2 * MTLS_DN_TEXT_MAX);
	if (ava->len > MTLS_DN_TEXT_MAX)
		return MTLS_E_LIMIT;
	int r = der_to_utf8(ava->value, ava->len, &utf8);
	if (r < 0)
		return r;
	if (r == 1)
		return append_escaped(utf8.data, utf8.len, out);
	return append_hex(ava->value, ava->len, out);
}

static int append_ava(const struct mtls_ava *ava, struct mtls_buf *out)
{
	const char *type = ava->oid;

	if (!type || !mtls_dn_oid_valid(type))
		return MTLS_E_SYNTAX;
	for (size_t i = 0; i < MTLS_COUNT(canonical_types); i++)
		if (strcmp(canonical_types[i].oid, type) == 0)
			type = canonical_types[i].name;
	(void)mtls_buf_append_str(out, type);
	(void)mtls_buf_append_byte(out, '=');
	return out->err ? out->err : append_value(ava, out);
}

struct piece {
	const uint8_t *data;
	size_t offset, len;
};

static int compare_pieces(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;
	int r = memcmp(x->data, y->data, x->len < y->len ? x->len : y->len);

	return r ? r : (x->len > y->len) - (x->len < y->len);
}

/* The AVAs of one RDN, sorted by the bytes that they are written with. */
static int append_rdn(const struct mtls_rdn *rdn, struct mtls_buf *out)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(MTLS_DN_TEXT_MAX);
	struct piece pieces[MTLS_DN_AVA_MAX];

	if (rdn->count == 0)
		return MTLS_E_SYNTAX;
	if (rdn->count > MTLS_DN_AVA_MAX)
		return MTLS_E_LIMIT;
	for (size_t i = 0; i < rdn->count; i++) {
		pieces[i].offset = text.len;
		int r = append_ava(&rdn->ava[i], &text);
		if (r < 0)
			return r;
		pieces[i].len = text.len - pieces[i].offset;
	}
	/* Only now does the text stay where it is. */
	for (size_t i = 0; i < rdn->count; i++)
		pieces[i].data = text.data + pieces[i].offset;
	qsort(pieces, rdn->count, sizeof(pieces[0]), compare_pieces);
	for (size_t i = 0; i < rdn->count; i++) {
		if (i > 0)
			(void)mtls_buf_append_byte(out, '+');
		(void)mtls_buf_append(out, pieces[i].data, pieces[i].len);
	}
	return out->err;
}

int mtls_dn_format(const struct mtls_rdn *rdns, size_t count, struct mtls_buf *out)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(MTLS_DN_TEXT_MAX);

	if (count == 0)
		return MTLS_E_SYNTAX;
	if (count > MTLS_DN_RDN_MAX)
		return MTLS_E_LIMIT;
	for (size_t i = count; i-- > 0;) {
		int r = append_rdn(&rdns[i], &text);
		if (r == 0 && i > 0)
			r = mtls_buf_append_byte(&text, ',');
		if (r < 0)
			return r;
	}
	return mtls_buf_append(out, text.data, text.len);
}
