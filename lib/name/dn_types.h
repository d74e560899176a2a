/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attribute types of names: shared by the writer (dn.c) and the parser (dn_parse.c). */
#ifndef MTLS_NAME_DN_TYPES_H
#define MTLS_NAME_DN_TYPES_H

#include <stdbool.h>
#include <stddef.h>

struct mtls_dn_type {
	const char *name; /* upper-case */
	const char *oid;  /* dotted */
};

/* The types that canonical form writes by name; NULL behind the last. */
const struct mtls_dn_type *mtls_dn_type_at(size_t index);

/* Dotted decimal, at most MTLS_DN_OID_MAX bytes, one text for each OID. */
bool mtls_dn_oid_valid(const char *oid);

#endif
