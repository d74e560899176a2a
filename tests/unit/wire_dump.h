/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A message as lines `field = value`, the way PROTOCOL.md writes its examples. */
#ifndef MTLS_TESTS_WIRE_DUMP_H
#define MTLS_TESTS_WIRE_DUMP_H

#include <inttypes.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/wire/field.h"

static inline const void *dump_at(const void *base, size_t offset)
{
	return (const char *)base + offset;
}

static inline void dump_hex(struct mtls_buf *out, const uint8_t *data, size_t len)
{
	char pair[3];
	for (size_t i = 0; i < len; i++) {
		mtls_hex_encode(data + i, 1, pair);
		(void)mtls_buf_append_str(out, pair);
	}
	(void)mtls_buf_append_byte(out, '\n');
}

static inline void dump_fields(const struct mtls_fields *table, const char *prefix,
			       const void *base, struct mtls_buf *out);

static inline void dump_list(const struct mtls_field *f, const char *name, const void *base,
			     struct mtls_buf *out)
{
	size_t count = *(const size_t *)dump_at(base, f->count_offset);
	char *const *texts = dump_at(base, f->offset);
	const struct mtls_bytes *chain = dump_at(base, f->offset);

	for (size_t i = 0; i < count; i++) {
		(void)mtls_buf_printf(out, "%s[%zu] = ", name, i);
		if (f->kind == MTLS_FIELD_TEXTS)
			(void)mtls_buf_printf(out, "%s\n", texts[i]);
		else
			dump_hex(out, chain[i].data, chain[i].len);
	}
}

/* `fields.NAME = VALUE`; as with a text, no space at the end of a line. */
static inline void dump_pairs(const struct mtls_field *f, const char *name, const void *base,
			      struct mtls_buf *out)
{
	const struct mtls_control_fields *fields = dump_at(base, f->offset);

	for (size_t i = 0; i < fields->count; i++)
		(void)mtls_buf_printf(out, "%s.%s =%s%s\n", name, fields->field[i].name,
				      *fields->field[i].value ? " " : "", fields->field[i].value);
}

static inline void dump_value(const struct mtls_field *f, const char *name, const void *base,
			      struct mtls_buf *out)
{
	const void *at = dump_at(base, f->offset);
	const struct mtls_bytes *bytes = at;

	(void)mtls_buf_printf(out, "%s = ", name);
	switch (f->kind) {
	case MTLS_FIELD_U32:
		(void)mtls_buf_printf(out, "%" PRIu32 "\n", *(const uint32_t *)at);
		break;
	case MTLS_FIELD_I64:
		(void)mtls_buf_printf(out, "%" PRId64 "\n", *(const int64_t *)at);
		break;
	case MTLS_FIELD_ENUM:
		(void)mtls_buf_printf(out, "%d\n", *(const int *)at);
		break;
	case MTLS_FIELD_BOOL:
		(void)mtls_buf_printf(out, "%s\n", *(const bool *)at ? "true" : "false");
		break;
	case MTLS_FIELD_TEXT:
		/* No space at the end of a line. */
		if (!**(char *const *)at)
			out->len--;
		(void)mtls_buf_printf(out, "%s\n", *(char *const *)at);
		break;
	case MTLS_FIELD_FIXED:
		dump_hex(out, at, f->max);
		break;
	default:
		dump_hex(out, bytes->data, bytes->len);
		break;
	}
}

static inline bool dump_absent(const struct mtls_field *f, const void *base)
{
	const void *at = dump_at(base, f->offset);

	if (f->kind == MTLS_FIELD_UNUSED)
		return true;
	if (!f->optional)
		return false;
	switch (f->kind) {
	case MTLS_FIELD_U32:
		return *(const uint32_t *)at == MTLS_TRIES_UNKNOWN;
	case MTLS_FIELD_ENUM:
		return *(const int *)at == 0;
	case MTLS_FIELD_TEXT:
		return !*(char *const *)at;
	case MTLS_FIELD_BYTES:
		return ((const struct mtls_bytes *)at)->len == 0;
	case MTLS_FIELD_GROUP:
		return !*(const bool *)dump_at(base, f->count_offset);
	default:
		return false;
	}
}

static inline void dump_fields(const struct mtls_fields *table, const char *prefix,
			       const void *base, struct mtls_buf *out)
{
	char name[64];

	for (size_t i = 0; i < table->count; i++) {
		const struct mtls_field *f = &table->fields[i];
		if (dump_absent(f, base))
			continue;
		(void)snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix ? "." : "", f->name);
		if (f->kind == MTLS_FIELD_GROUP) {
			const struct mtls_fields sub = { f->sub, f->sub_count, NULL };
			dump_fields(&sub, name, base, out);
		} else if (f->kind == MTLS_FIELD_TEXTS || f->kind == MTLS_FIELD_CHAIN) {
			dump_list(f, name, base, out);
		} else if (f->kind == MTLS_FIELD_PAIRS) {
			dump_pairs(f, name, base, out);
		} else {
			dump_value(f, name, base, out);
		}
	}
}

/* The type's name, then a line for each field that is there. */
static inline void dump_message(const struct mtls_msg *msg, struct mtls_buf *out)
{
	(void)mtls_buf_printf(out, "%s\n", mtls_msg_type_name((int)msg->type));
	dump_fields(mtls_fields_of((int)msg->type), "", &msg->u, out);
}

#endif
