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

#define MTLS_DN_TEXT_MAX 4096 /* bytes of a canonical DN */
#define MTLS_DN_RDN_MAX  32   /* RDNs in a name */
#define MTLS_DN_AVA_MAX  8    /* AVAs in an RDN */

struct mtls_ava {
	const char *oid;      /* dotted; borrowed */
	const uint8_t *value; /* string: UTF-8 bytes; else the DER of the value; borrowed */
	size_t len;
	bool string;
};

struct mtls_rdn {
	struct mtls_ava ava[MTLS_DN_AVA_MAX];
	size_t count;
};

/*
 * Appends the canonical form of @rdns, given in *encoding* order (least specific first, as DER has
 * them). Refuses with MTLS_E_SYNTAX: empty name, NUL, control characters, invalid UTF-8, malformed
 * OID; with MTLS_E_LIMIT what is over the limits above.
 */
int mtls_dn_format(const struct mtls_rdn *rdns, size_t count, struct mtls_buf *out);

/*
 * Parses RFC 4514 text as a person types it (spaces around separators, any case of attribute types,
 * hex pairs, quoted-free) and appends its canonical form. @diag names the column.
 * Idempotent: a canonical DN gives itself.
 */
int mtls_dn_canonical(const char *text, size_t len, struct mtls_buf *out, struct mtls_diag *diag);

#endif
