/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Distinguished names in canonical form: RFC 4514 order (most specific first), attribute types
 * upper-case from a fixed table, else dotted OID; no spaces around separators; the AVAs of one RDN
 * sorted by bytes; values as UTF-8 bytes without folding; minimal escapes; `#hex` (lower case) for
 * what is not a string. One certificate subject has exactly one canonical form.
 */
#ifndef MTLS_NAME_DN_H
#define MTLS_NAME_DN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

#define MTLS_DN_TEXT_MAX  4096  /* bytes of a canonical DN */
#define MTLS_DN_RDN_MAX   32    /* RDNs in a name */
#define MTLS_DN_AVA_MAX   8     /* AVAs in an RDN */
#define MTLS_DN_OID_MAX   128   /* bytes of a dotted OID */
#define MTLS_DN_INPUT_MAX 16384 /* bytes of a DN as a person types it */

struct mtls_ava {
	const char *oid;      /* dotted; borrowed */
	const uint8_t *value; /* string: UTF-8 bytes; else the DER of the value; borrowed */
	size_t len;
	bool string; /* false is right for DER of any type, see mtls_dn_format() */
};

struct mtls_rdn {
	struct mtls_ava ava[MTLS_DN_AVA_MAX];
	size_t count;
};

/*
 * Appends the canonical form of @rdns, given in *encoding* order (least specific first, as DER has
 * them). A value given as DER is turned to UTF-8 here if it is of a string type: UTF8String,
 * PrintableString, NumericString, IA5String, VisibleString, TeletexString (these of ASCII only),
 * BMPString, UniversalString; any other type, and TeletexString that is not ASCII (its character
 * set is not dependable), gives `#hex`. So the form does not depend on which string type an issuer
 * chose, nor on who decoded it.
 *
 * Refuses with MTLS_E_SYNTAX: empty name, NUL, control characters, invalid UTF-8, malformed
 * OID, DER that is not one element of definite, minimal length; with MTLS_E_LIMIT what is over the
 * limits above. @out is unchanged then (but for its sticky error, if it was too small).
 */
int mtls_dn_format(const struct mtls_rdn *rdns, size_t count, struct mtls_buf *out);

/*
 * Parses RFC 4514 text as a person types it (spaces around separators, any case of attribute types,
 * further well-known type names, hex pairs; no quotes) and appends its canonical form. @diag names
 * the column. Idempotent: a canonical DN gives itself. Errors as mtls_dn_format().
 */
int mtls_dn_canonical(const char *text, size_t len, struct mtls_buf *out, struct mtls_diag *diag);

#endif
