/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * RFC 4514 text, as a person types it, to RDNs; mtls_dn_format() writes them. Pure. All texts and
 * values live in one scratch block, which is as long as the input: none grows by being decoded.
 */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "lib/name/dn.h"
#include "lib/name/dn_types.h"

/* Names that people and other tools write besides those of RFC 4514; canonical form has the OID. */
static const struct mtls_dn_type input_types[] = {
	{ "S", "2.5.4.8" },
	{ "SN", "2.5.4.4" },
	{ "SURNAME", "2.5.4.4" },
	{ "SERIALNUMBER", "2.5.4.5" },
	{ "TITLE", "2.5.4.12" },
	{ "DESCRIPTION", "2.5.4.13" },
	{ "POSTALCODE", "2.5.4.17" },
	{ "GN", "2.5.4.42" },
	{ "GIVENNAME", "2.5.4.42" },
	{ "INITIALS", "2.5.4.43" },
	{ "GENERATIONQUALIFIER", "2.5.4.44" },
	{ "DNQUALIFIER", "2.5.4.46" },
	{ "PSEUDONYM", "2.5.4.65" },
	{ "ORGANIZATIONIDENTIFIER", "2.5.4.97" },
	{ "E", "1.2.840.113549.1.9.1" },
	{ "EMAIL", "1.2.840.113549.1.9.1" },
	{ "EMAILADDRESS", "1.2.840.113549.1.9.1" },
	{ "USERID", "0.9.2342.19200300.100.1.1" },
};

struct parser {
	const char *text; /* borrowed */
	size_t len;
	size_t pos;
	uint8_t *scratch; /* borrowed; room for len + 1 bytes */
	size_t used;
	struct mtls_diag *diag; /* borrowed; may be NULL */
};

static int bad(const struct parser *p, size_t pos, const char *what)
{
	return mtls_diag_set(p->diag, MTLS_E_SYNTAX, "name: column %zu: %s", pos + 1, what);
}

static bool at_end(const struct parser *p)
{
	return p->pos >= p->len;
}

/* The next byte, NUL at the end (a NUL in the text was refused before). */
static char peek(const struct parser *p)
{
	return at_end(p) ? '\0' : p->text[p->pos];
}

static void skip_spaces(struct parser *p)
{
	while (peek(p) == ' ')
		p->pos++;
}

static const char *find_oid(const char *name, size_t len)
{
	const struct mtls_dn_type *type;

	for (size_t i = 0; (type = mtls_dn_type_at(i)); i++)
		if (strlen(type->name) == len && strncasecmp(type->name, name, len) == 0)
			return type->oid;
	for (size_t i = 0; i < MTLS_COUNT(input_types); i++)
		if (strlen(input_types[i].name) == len &&
		    strncasecmp(input_types[i].name, name, len) == 0)
			return input_types[i].oid;
	return NULL;
}

static bool is_type_byte(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '.' || c == '-';
}

/* A type's name or dotted OID (also with "OID." before it), spaces, '='. */
static int parse_type(struct parser *p, const char **ret_oid)
{
	skip_spaces(p);
	size_t start = p->pos;
	while (is_type_byte(peek(p)))
		p->pos++;
	const char *name = p->text + start;
	size_t len = p->pos - start;
	skip_spaces(p);
	if (len == 0 || peek(p) != '=')
		return bad(p, len ? p->pos : start, "expected TYPE=value");
	p->pos++;

	bool dotted = len > 4 && strncasecmp(name, "OID.", 4) == 0;
	if (dotted) {
		name += 4;
		len -= 4;
	}
	if (!dotted && (name[0] < '0' || name[0] > '9')) {
		*ret_oid = find_oid(name, len);
		return *ret_oid ? 0 : bad(p, start, "unknown attribute type; give its dotted OID");
	}
	/* The '=' just passed leaves room for the NUL. */
	char *oid = (char *)p->scratch + p->used;
	memcpy(oid, name, len);
	oid[len] = '\0';
	p->used += len + 1;
	if (!mtls_dn_oid_valid(oid))
		return bad(p, start, "malformed OID");
	*ret_oid = oid;
	return 0;
}

/* `#hex`: the DER of the value. */
static int parse_hex_value(struct parser *p, struct mtls_ava *ava)
{
	size_t start = ++p->pos;
	while (is_type_byte(peek(p)))
		p->pos++;
	int n = mtls_hex_decode(p->text + start, p->pos - start, p->scratch + p->used,
				p->len - p->used);
	if (n <= 0)
		return bad(p, start, "expected pairs of hexadecimal digits after #");
	ava->value = p->scratch + p->used;
	ava->len = (size_t)n;
	p->used += ava->len;
	return 0;
}

/* Behind a backslash: a special character, or two digits. */
static int parse_escape(struct parser *p, uint8_t *ret_byte)
{
	char c = peek(p);

	if (c && strchr(" \"#+,;<=>\\", c)) {
		*ret_byte = (uint8_t)c;
		p->pos++;
		return 0;
	}
	if (p->len - p->pos < 2 || mtls_hex_decode(p->text + p->pos, 2, ret_byte, 1) != 1)
		return bad(p, p->pos, "expected a special character or two digits after \\");
	p->pos += 2;
	return 0;
}

static int parse_string_value(struct parser *p, struct mtls_ava *ava)
{
	uint8_t *value = p->scratch + p->used;
	size_t len = 0, keep = 0; /* keep: up to the last byte that is not an unescaped space */

	for (; !at_end(p) && !strchr(",+", peek(p)); len++) {
		char c = peek(p);
		if (strchr("\"<>;", c))
			return bad(p, p->pos, "this character must be escaped with \\");
		p->pos++;
		if (c == '\\') {
			int r = parse_escape(p, &value[len]);
			if (r < 0)
				return r;
			keep = len + 1;
			continue;
		}
		value[len] = (uint8_t)c;
		if (c != ' ')
			keep = len + 1;
	}
	if (!mtls_utf8_valid(value, keep))
		return bad(p, p->pos, "the value before is not valid UTF-8");
	if (mtls_has_control(value, keep))
		return bad(p, p->pos, "the value before has a control character");
	ava->value = value;
	ava->len = keep;
	ava->string = true;
	p->used += keep;
	return 0;
}

static int parse_ava(struct parser *p, struct mtls_ava *ava)
{
	int r = parse_type(p, &ava->oid);
	if (r < 0)
		return r;
	skip_spaces(p);
	r = peek(p) == '#' ? parse_hex_value(p, ava) : parse_string_value(p, ava);
	if (r < 0)
		return r;
	skip_spaces(p);
	if (!at_end(p) && !strchr(",+", peek(p)))
		return bad(p, p->pos, "expected , or +");
	return 0;
}

static int parse_rdn(struct parser *p, struct mtls_rdn *rdn)
{
	for (;;) {
		if (rdn->count == MTLS_DN_AVA_MAX)
			return mtls_diag_set(p->diag, MTLS_E_LIMIT,
					     "name: more than %d values joined by +",
					     MTLS_DN_AVA_MAX);
		int r = parse_ava(p, &rdn->ava[rdn->count++]);
		if (r < 0 || peek(p) != '+')
			return r;
		p->pos++;
	}
}

/* Fills @rdns from its end, so that they come to stand in encoding order. */
static int parse_name(struct parser *p, struct mtls_rdn *rdns, size_t *ret_count)
{
	size_t count = 0;

	for (;;) {
		if (count == MTLS_DN_RDN_MAX)
			return mtls_diag_set(p->diag, MTLS_E_LIMIT, "name: more than %d parts",
					     MTLS_DN_RDN_MAX);
		count++;
		int r = parse_rdn(p, &rdns[MTLS_DN_RDN_MAX - count]);
		if (r < 0)
			return r;
		if (at_end(p))
			break;
		p->pos++; /* parse_ava() left it at ',' */
	}
	*ret_count = count;
	return 0;
}

int mtls_dn_canonical(const char *text, size_t len, struct mtls_buf *out, struct mtls_diag *diag)
{
	size_t count = 0;

	if (len > MTLS_DN_INPUT_MAX)
		return mtls_diag_set(diag, MTLS_E_LIMIT, "name: over %d bytes", MTLS_DN_INPUT_MAX);
	if (len == 0)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "name: empty");
	if (memchr(text, '\0', len))
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "name: has a NUL");

	_cleanup_free_ uint8_t *scratch = malloc(len + 1);
	_cleanup_free_ struct mtls_rdn *rdns = calloc(MTLS_DN_RDN_MAX, sizeof(*rdns));
	if (!scratch || !rdns)
		return -ENOMEM;
	struct parser p = { .text = text, .len = len, .scratch = scratch, .diag = diag };
	int r = parse_name(&p, rdns, &count);
	if (r < 0)
		return r;
	r = mtls_dn_format(rdns + MTLS_DN_RDN_MAX - count, count, out);
	if (r == MTLS_E_LIMIT)
		return mtls_diag_set(diag, r, "name: over %d bytes", MTLS_DN_TEXT_MAX);
	if (r == MTLS_E_SYNTAX)
		return mtls_diag_set(diag, r, "name: a #hex value is malformed");
	return r;
}
