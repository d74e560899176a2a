/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The only user of libtasn1. Values of mtls.asn, to and from canonical DER: what can be decoded has
 * exactly one encoding, and that is what was decoded. Bounded: size by the caller, depth and number
 * of elements here, before libtasn1 sees a byte. Thread-safe for different values.
 */
#ifndef MTLS_WIRE_ASN1_H
#define MTLS_WIRE_ASN1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/cleanup.h"
#include "lib/base/err.h"

#define MTLS_ASN1_DEPTH_MAX    4   /* elements within elements */
#define MTLS_ASN1_ELEMENTS_MAX 128 /* elements in a value, at all depths */
#define MTLS_ASN1_HEADER_MAX   5   /* bytes of tag and length */

struct mtls_asn1;

struct mtls_asn1_header {
	uint8_t tag;       /* the identifier octet: class, constructed bit, number below 31 */
	size_t header_len; /* bytes of tag and length */
	size_t body_len;   /* bytes of the content */
};

/*
 * Reads tag and length at @data. Returns 1; 0 when more bytes are needed; MTLS_E_SYNTAX for a tag
 * number over 30, an indefinite or a non-minimal length; MTLS_E_LIMIT for a length of 16 MiB or
 * more.
 */
int mtls_asn1_header(const uint8_t *data, size_t len, struct mtls_asn1_header *ret_header);

/*
 * Decodes @der (all @len bytes) as @type of mtls.asn, e.g. "AuthRequest". Returns 0, -ENOMEM,
 * MTLS_E_LIMIT, or MTLS_E_SYNTAX for anything that is not canonical DER of the type.
 * What an INTEGER with a context tag holds is judged only when it is read.
 */
int mtls_asn1_decode(const char *type, const uint8_t *der, size_t len, struct mtls_asn1 **ret_value,
		     struct mtls_diag *diag);

/* An empty value of @type. Each field has to be written, or said to be absent. */
int mtls_asn1_new(const char *type, struct mtls_asn1 **ret_value);

/*
 * Encodes; @ret_der is malloc'ed and the caller's. 0, -ENOMEM, MTLS_E_BUG if a field was forgotten.
 */
int mtls_asn1_encode(const struct mtls_asn1 *value, uint8_t **ret_der, size_t *ret_len);

/* Frees; clears nothing, so a value must not hold a secret. NULL is fine. */
void mtls_asn1_free(struct mtls_asn1 *value);
MTLS_DEFINE_CLEANUP(struct mtls_asn1 *, mtls_asn1_free)

/* @path: names joined by '.', "?1" is the first element of a list. */
bool mtls_asn1_present(const struct mtls_asn1 *value, const char *path);

/* Number of elements of a list; 0 if it is absent. */
int mtls_asn1_count(const struct mtls_asn1 *value, const char *path, size_t *ret_count);

/* MTLS_E_SYNTAX for an INTEGER that is padded or empty, or that does not fit. */
int mtls_asn1_read_i64(const struct mtls_asn1 *value, const char *path, int64_t *ret_number);
int mtls_asn1_read_bool(const struct mtls_asn1 *value, const char *path, bool *ret_flag);

/* The content of a string; malloc'ed with an uncounted NUL behind it; MTLS_E_LIMIT over @max. */
int mtls_asn1_read_bytes(const struct mtls_asn1 *value, const char *path, size_t max,
			 uint8_t **ret_data, size_t *ret_len);

/* Write one field. 0, -ENOMEM, MTLS_E_BUG for a path that the type does not have. */
int mtls_asn1_write_i64(struct mtls_asn1 *value, const char *path, int64_t number);
int mtls_asn1_write_bool(struct mtls_asn1 *value, const char *path, bool flag);
int mtls_asn1_write_bytes(struct mtls_asn1 *value, const char *path, const void *data, size_t len);
int mtls_asn1_write_absent(struct mtls_asn1 *value, const char *path);

/* Appends an element to the list at @path; it is PATH.?LAST until the next. */
int mtls_asn1_append(struct mtls_asn1 *value, const char *path);
/* Likewise, and writes @data to it. */
int mtls_asn1_append_bytes(struct mtls_asn1 *value, const char *path, const void *data, size_t len);

#endif
