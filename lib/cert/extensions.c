/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The extensions of a certificate, by a table: what is in it is implemented, what is not and is
 * critical refuses the certificate later. certificatePolicies counts as implemented because every
 * policy is accepted: the constraints that could demand one are not in the table. Pure.
 */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "lib/cert/cert_impl.h"

#define KU_DIGITAL_SIGNATURE 0x80
#define KU_KEY_CERT_SIGN     0x04
#define KU_CRL_SIGN          0x02
#define EKU_MAX              64

static int read_key_usage(struct mtls_cert *cert, struct mtls_der value)
{
	struct mtls_der_element bits;

	if (mtls_der_expect(&value, MTLS_DER_BIT_STRING, &bits) < 0 || value.len ||
	    bits.body.len == 0 || bits.body.data[0] > 7)
		return MTLS_E_SYNTAX;
	const uint8_t first = bits.body.len > 1 ? bits.body.data[1] : 0;
	cert->flags |= MTLS_CERT_HAS_KU;
	if (first & KU_DIGITAL_SIGNATURE)
		cert->flags |= MTLS_CERT_KU_SIGN;
	if (first & KU_KEY_CERT_SIGN)
		cert->flags |= MTLS_CERT_KU_CERT_SIGN;
	if (first & KU_CRL_SIGN)
		cert->flags |= MTLS_CERT_KU_CRL_SIGN;
	return 0;
}

/* The path length is GnuTLS's business. */
static int read_basic_constraints(struct mtls_cert *cert, struct mtls_der value)
{
	struct mtls_der_element sequence, element;

	if (mtls_der_expect(&value, MTLS_DER_SEQUENCE, &sequence) < 0 || value.len)
		return MTLS_E_SYNTAX;
	if (mtls_der_peek(&sequence.body) == MTLS_DER_BOOLEAN) {
		if (mtls_der_next(&sequence.body, &element) < 0 || element.body.len != 1)
			return MTLS_E_SYNTAX;
		/* Some CAs write the default, FALSE; any other value than the two is refused. */
		if (element.body.data[0] == 0xff)
			cert->flags |= MTLS_CERT_IS_CA;
		else if (element.body.data[0] != 0)
			return MTLS_E_SYNTAX;
	}
	if (sequence.body.len && mtls_der_expect(&sequence.body, MTLS_DER_INTEGER, &element) < 0)
		return MTLS_E_SYNTAX;
	return sequence.body.len ? MTLS_E_SYNTAX : 0;
}

static const struct {
	const char *oid;
	size_t len;
	unsigned int flag;
} purposes[] = {
	{ "\x2b\x06\x01\x05\x05\x07\x03\x01", 8, MTLS_CERT_EKU_SERVER },
	{ "\x2b\x06\x01\x05\x05\x07\x03\x02", 8, MTLS_CERT_EKU_CLIENT },
	{ "\x2b\x06\x01\x04\x01\x82\x37\x14\x02\x02", 10, MTLS_CERT_EKU_SMARTCARD },
	{ "\x55\x1d\x25\x00", 4, MTLS_CERT_EKU_ANY },
};

static int read_ext_key_usage(struct mtls_cert *cert, struct mtls_der value)
{
	struct mtls_der_element sequence, oid;

	if (mtls_der_expect(&value, MTLS_DER_SEQUENCE, &sequence) < 0 || value.len)
		return MTLS_E_SYNTAX;
	cert->flags |= MTLS_CERT_HAS_EKU;
	for (size_t count = 0; sequence.body.len; count++) {
		if (count == EKU_MAX)
			return MTLS_E_LIMIT;
		if (mtls_der_expect(&sequence.body, MTLS_DER_OID, &oid) < 0)
			return MTLS_E_SYNTAX;
		for (size_t i = 0; i < MTLS_COUNT(purposes); i++)
			if (mtls_der_equal(&oid.body, purposes[i].oid, purposes[i].len))
				cert->flags |= purposes[i].flag;
	}
	return 0;
}

/* A malformed identity is a flag, so that the refusal can name it. */
static int read_alt_name(struct mtls_cert *cert, struct mtls_der value)
{
	int err = mtls_cert_check_san(&value);
	if (err == -ENOMEM)
		return err;
	if (err < 0)
		cert->flags |= MTLS_CERT_BAD_IDENTITY;
	return 0;
}

static int note_name_constraints(struct mtls_cert *cert, struct mtls_der value)
{
	(void)value;
	cert->flags |= MTLS_CERT_HAS_NAME_CONSTRAINTS;
	return 0;
}

static int accept_policies(struct mtls_cert *cert, struct mtls_der value)
{
	(void)cert;
	(void)value;
	return 0;
}

/* All are id-ce, 2.5.29.n. */
static const struct {
	uint8_t n;
	int (*read)(struct mtls_cert *cert, struct mtls_der value);
} implemented[] = {
	{ 15, read_key_usage },        { 17, read_alt_name },   { 19, read_basic_constraints },
	{ 30, note_name_constraints }, { 32, accept_policies }, { 37, read_ext_key_usage },
};

struct extension {
	struct mtls_der oid;
	struct mtls_der value;
	bool critical;
};

static int read_extension(struct mtls_der *in, struct extension *ret)
{
	struct mtls_der_element sequence, oid, element;

	if (mtls_der_expect(in, MTLS_DER_SEQUENCE, &sequence) < 0 ||
	    mtls_der_expect(&sequence.body, MTLS_DER_OID, &oid) < 0)
		return MTLS_E_SYNTAX;
	bool critical = false;
	if (mtls_der_peek(&sequence.body) == MTLS_DER_BOOLEAN) {
		if (mtls_der_next(&sequence.body, &element) < 0 || element.body.len != 1)
			return MTLS_E_SYNTAX;
		critical = element.body.data[0] != 0;
	}
	if (mtls_der_expect(&sequence.body, MTLS_DER_OCTET_STRING, &element) < 0 ||
	    sequence.body.len)
		return MTLS_E_SYNTAX;
	*ret = (struct extension){ .oid = oid.body, .value = element.body, .critical = critical };
	return 0;
}

static int apply_extension(struct mtls_cert *cert, const struct extension *extension)
{
	for (size_t i = 0; i < MTLS_COUNT(implemented); i++) {
		const uint8_t oid[] = { 0x55, 0x1d, implemented[i].n };
		if (mtls_der_equal(&extension->oid, oid, sizeof(oid)))
			return implemented[i].read(cert, extension->value);
	}
	if (extension->critical)
		cert->flags |= MTLS_CERT_UNKNOWN_CRITICAL;
	return 0;
}

int mtls_cert_read_extensions(struct mtls_cert *cert, struct mtls_diag *diag)
{
	struct mtls_der in = cert->extensions;
	struct mtls_der seen[MTLS_CERT_EXTENSIONS_MAX];
	struct extension extension;

	for (size_t count = 0; in.len; count++) {
		if (count == MTLS_CERT_EXTENSIONS_MAX)
			return mtls_diag_set(diag, MTLS_E_LIMIT, "too many extensions");
		if (read_extension(&in, &extension) < 0)
			return mtls_diag_set(diag, MTLS_E_SYNTAX, "malformed extension");
		for (size_t i = 0; i < count; i++)
			if (mtls_der_equal(&seen[i], extension.oid.data, extension.oid.len))
				return mtls_diag_set(diag, MTLS_E_SYNTAX,
						     "an extension comes twice");
		seen[count] = extension.oid;
		int err = apply_extension(cert, &extension);
		if (err < 0)
			return mtls_diag_set(diag, err, "malformed extension");
	}
	return 0;
}
