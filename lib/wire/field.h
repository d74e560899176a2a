/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Inside lib/wire: a message as a table of fields, and the one encoder and decoder that serve all
 * tables. Limits stand in the tables only; encoding and decoding apply the same check.
 */
#ifndef MTLS_WIRE_FIELD_H
#define MTLS_WIRE_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/wire/asn1.h"
#include "lib/wire/msg.h"

enum mtls_field_kind {
	MTLS_FIELD_U32,    /* uint32_t; optional: MTLS_TRIES_UNKNOWN is absent */
	MTLS_FIELD_I64,    /* int64_t */
	MTLS_FIELD_ENUM,   /* an enum; the numbers allowed by .known; optional: 0 is absent */
	MTLS_FIELD_BOOL,   /* bool */
	MTLS_FIELD_TEXT,   /* char *: UTF-8 without controls; optional: NULL or "" is absent */
	MTLS_FIELD_FIXED,  /* uint8_t[max] */
	MTLS_FIELD_BYTES,  /* struct mtls_bytes; optional: no bytes is absent */
	MTLS_FIELD_SECRET, /* struct mtls_bytes; the last of its message, see msg.c */
	MTLS_FIELD_TEXTS,  /* char *[list_max], .count_offset; optional: none is absent */
	MTLS_FIELD_CHAIN,  /* struct mtls_bytes[list_max], .count_offset */
	MTLS_FIELD_PAIRS,  /* struct mtls_control_fields; optional: none is absent */
	MTLS_FIELD_GROUP,  /* .sub, present if the bool at .count_offset is set */
	MTLS_FIELD_UNUSED, /* never present */
	MTLS_FIELD_KINDS,
};

struct mtls_field {
	const char *name; /* in mtls.asn */
	enum mtls_field_kind kind;
	bool optional;
	size_t offset;             /* of the member in its struct */
	size_t count_offset;       /* of the number of elements, or of the flag of a group */
	size_t min, max;           /* bytes of a string, or of each element of a list */
	size_t list_max;           /* elements of a list */
	bool (*known)(int number); /* ENUM */
	bool (*alphabet)(const char *, size_t); /* TEXT: a further condition; may be NULL */
	const struct mtls_field *sub;           /* GROUP: relative to the same struct */
	size_t sub_count;
};

/*
 * What can be done with a field of one kind (field_kinds.c).
 */
struct mtls_field_ops {
	/* 0, or MTLS_E_*: the content that the struct holds. NULL: any is good. */
	int (*check)(const struct mtls_field *f, const void *base);
	/* The field is there: take it. Overwrites, so the struct must be empty. */
	int (*read)(const struct mtls_field *f, const struct mtls_asn1 *a, const char *path,
		    void *base);
	int (*write)(const struct mtls_field *f, struct mtls_asn1 *a, const char *path,
		     const void *base);
	/* True if an optional field is absent in the struct. */
	bool (*absent)(const struct mtls_field *f, const void *base);
	void (*clear)(const struct mtls_field *f, void *base);      /* NULL: nothing is owned */
	void (*set_absent)(const struct mtls_field *f, void *base); /* NULL: all zero says it */
};

extern const struct mtls_field_ops mtls_field_ops[MTLS_FIELD_KINDS];

/* [a-z0-9-]: verbs, kinds of items, names of their fields. */
bool mtls_field_is_name(const char *text, size_t len);

#define MTLS_FIELD_PATH 64 /* bytes of a path such as "certificate.notAfter", with its NUL */

struct mtls_fields {
	const struct mtls_field *fields;
	size_t count;
	/* What one field cannot say alone; NULL: nothing. @message points to the union's member. */
	int (*check)(const void *message, struct mtls_diag *diag);
};

/* The table of @type, or NULL for an unknown or reserved number. */
const struct mtls_fields *mtls_fields_of(int type);

/* Each works on the struct at @base; @prefix is "" or the group's name. */
int mtls_fields_check(const char *type, const struct mtls_field *fields, size_t count,
		      const void *base, struct mtls_diag *diag);
int mtls_fields_read(const char *type, const struct mtls_asn1 *asn1, const char *prefix,
		     const struct mtls_field *fields, size_t count, void *base,
		     struct mtls_diag *diag);
int mtls_fields_write(struct mtls_asn1 *asn1, const char *prefix, const struct mtls_field *fields,
		      size_t count, const void *base);
void mtls_fields_clear(const struct mtls_field *fields, size_t count, void *base);

#endif
