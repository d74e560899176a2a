/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names in a certificate: Name to its canonical form, and the values of a subjectAltName. Read from
 * the exact bytes: lib/name judges tag and contents of each value, so two certificates with
 * different values never get the same text. Pure.
 */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "lib/cert/names.h"
#include "lib/name/dn.h"

#define OID_COMMON_NAME "2.5.4.3"

/* RDNs that borrow the values' DER, and the texts of their attribute types. */
struct name {
	struct mtls_rdn rdns[MTLS_DN_RDN_MAX];
	char oids[MTLS_DN_RDN_MAX][MTLS_DN_AVA_MAX][MTLS_DN_OID_MAX + 1];
	size_t count;
};

static int read_ava(struct mtls_der *in, struct mtls_ava *ava, char *oid_text)
{
	struct mtls_der_element sequence, oid, value;

	int err = mtls_der_expect(in, MTLS_DER_SEQUENCE, &sequence);
	if (err == 0)
		err = mtls_der_expect(&sequence.body, MTLS_DER_OID, &oid);
	if (err == 0)
		err = mtls_der_next(&sequence.body, &value);
	if (err == 0 && sequence.body.len)
		err = MTLS_E_SYNTAX;
	if (err == 0)
		err = mtls_der_oid_text(&oid.body, oid_text, MTLS_DN_OID_MAX + 1);
	if (err < 0)
		return err;
	*ava = (struct mtls_ava){ .oid = oid_text,
				  .value = value.whole.data,
				  .len = value.whole.len };
	return 0;
}

static int read_rdn(struct mtls_der *in, struct name *name)
{
	struct mtls_der_element set;

	if (name->count == MTLS_DN_RDN_MAX)
		return MTLS_E_LIMIT;
	int err = mtls_der_expect(in, MTLS_DER_SET, &set);
	if (err < 0)
		return err;
	struct mtls_rdn *rdn = &name->rdns[name->count];
	while (set.body.len) {
		if (rdn->count == MTLS_DN_AVA_MAX)
			return MTLS_E_LIMIT;
		err = read_ava(&set.body, &rdn->ava[rdn->count],
			       name->oids[name->count][rdn->count]);
		if (err < 0)
			return err;
		rdn->count++;
	}
	name->count++;
	return rdn->count ? 0 : MTLS_E_SYNTAX;
}

/* @ret_name: malloc'ed on success. */
static int read_name(const struct mtls_der *der, struct name **ret_name)
{
	_cleanup_free_ struct name *name = calloc(1, sizeof(*name));
	struct mtls_der in = *der;
	struct mtls_der_element sequence;

	if (!name)
		return -ENOMEM;
	int err = mtls_der_expect(&in, MTLS_DER_SEQUENCE, &sequence);
	if (err < 0 || in.len)
		return MTLS_E_SYNTAX;
	while (sequence.body.len) {
		err = read_rdn(&sequence.body, name);
		if (err < 0)
			return err;
	}
	*ret_name = MTLS_TAKE(name);
	return 0;
}

int mtls_cert_format_name(const struct mtls_der *name, struct mtls_buf *out)
{
	_cleanup_free_ struct name *parsed = NULL;

	int err = read_name(name, &parsed);
	if (err < 0)
		return err;
	return parsed->count ? mtls_dn_format(parsed->rdns, parsed->count, out) : 0;
}

/* The canonical form puts a backslash before some characters and writes no hex pairs. */
static int append_unescaped(const char *text, struct mtls_buf *out)
{
	for (const char *c = text; *c; c++) {
		if (*c == '\\' && c[1])
			c++;
		(void)mtls_buf_append_byte(out, (uint8_t)*c);
	}
	return out->err;
}

int mtls_cert_common_name(const struct mtls_der *name, struct mtls_buf *out)
{
	_cleanup_free_ struct name *parsed = NULL;
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(MTLS_DN_TEXT_MAX);

	int err = read_name(name, &parsed);
	if (err < 0)
		return err;
	for (size_t i = parsed->count; i-- > 0;) {
		const struct mtls_rdn *rdn = &parsed->rdns[i];
		for (size_t k = 0; k < rdn->count; k++) {
			if (strcmp(rdn->ava[k].oid, OID_COMMON_NAME) != 0)
				continue;
			const struct mtls_rdn one = { .ava = { rdn->ava[k] }, .count = 1 };
			err = mtls_dn_format(&one, 1, &text);
			if (err < 0)
				return err;
			const char *value = mtls_buf_cstr(&text);
			return value ? append_unescaped(value + strlen("CN="), out) : -ENOMEM;
		}
	}
	return 0;
}

/* dNSName, rfc822Name, URI: IA5String, which is ASCII. */
static int check_ia5(const struct mtls_der *value)
{
	if (value->len == 0 || mtls_has_control(value->data, value->len))
		return MTLS_E_SYNTAX;
	for (size_t i = 0; i < value->len; i++)
		if (value->data[i] >= 0x80)
			return MTLS_E_SYNTAX;
	return 0;
}

static int check_address(const struct mtls_der *value)
{
	return value->len == 4 || value->len == 16 ? 0 : MTLS_E_SYNTAX;
}

static int check_directory_name(const struct mtls_der *value)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(MTLS_DN_TEXT_MAX);
	return mtls_cert_format_name(value, &text);
}

/* An otherName that is one text (a user principal name, say) must be a clean one. */
static int check_other_name(const struct mtls_der *value)
{
	struct mtls_der in = *value;
	struct mtls_der_element oid, wrapped, inner;

	if (mtls_der_expect(&in, MTLS_DER_OID, &oid) < 0 ||
	    mtls_der_expect(&in, MTLS_DER_CONTEXT_CONSTRUCTED(0), &wrapped) < 0 || in.len ||
	    mtls_der_next(&wrapped.body, &inner) < 0 || wrapped.body.len)
		return MTLS_E_SYNTAX;
	if (inner.tag == MTLS_DER_IA5 || inner.tag == MTLS_DER_PRINTABLE)
		return check_ia5(&inner.body);
	if (inner.tag != MTLS_DER_UTF8)
		return 0;
	if (inner.body.len == 0 || !mtls_utf8_valid(inner.body.data, inner.body.len) ||
	    mtls_has_control(inner.body.data, inner.body.len))
		return MTLS_E_SYNTAX;
	return 0;
}

static int check_nothing(const struct mtls_der *value)
{
	(void)value;
	return 0;
}

static const struct {
	uint8_t tag;
	int (*check)(const struct mtls_der *value);
} general_names[] = {
	{ MTLS_DER_CONTEXT_CONSTRUCTED(0), check_other_name },
	{ MTLS_DER_CONTEXT(1), check_ia5 },                 /* rfc822Name */
	{ MTLS_DER_CONTEXT(2), check_ia5 },                 /* dNSName */
	{ MTLS_DER_CONTEXT_CONSTRUCTED(3), check_nothing }, /* x400Address: nobody maps it */
	{ MTLS_DER_CONTEXT_CONSTRUCTED(4), check_directory_name },
	{ MTLS_DER_CONTEXT_CONSTRUCTED(5), check_nothing }, /* ediPartyName: nobody maps it */
	{ MTLS_DER_CONTEXT(6), check_ia5 },                 /* URI */
	{ MTLS_DER_CONTEXT(7), check_address },
	{ MTLS_DER_CONTEXT(8), check_nothing }, /* registeredID */
};

static int check_general_name(const struct mtls_der_element *name)
{
	for (size_t i = 0; i < MTLS_COUNT(general_names); i++)
		if (general_names[i].tag == name->tag)
			return general_names[i].check(&name->body);
	return MTLS_E_SYNTAX;
}

int mtls_cert_check_san(const struct mtls_der *value)
{
	struct mtls_der in = *value;
	struct mtls_der_element sequence, name;

	if (mtls_der_expect(&in, MTLS_DER_SEQUENCE, &sequence) < 0 || in.len || !sequence.body.len)
		return MTLS_E_SYNTAX;
	for (size_t count = 0; sequence.body.len; count++) {
		if (count == MTLS_CERT_SAN_MAX)
			return MTLS_E_LIMIT;
		int err = mtls_der_next(&sequence.body, &name);
		if (err == 0)
			err = check_general_name(&name);
		if (err < 0)
			return err;
	}
	return 0;
}
