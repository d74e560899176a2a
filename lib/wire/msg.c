/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages: which type it is, how large it may be, then the table of its fields (fields.c) through
 * the one encoder and decoder (field.c). No state, any thread.
 *
 * libtasn1 leaves copies of what it encodes in freed memory, and encoding is part of decoding here
 * (asn1.c). So it never sees a secret: that is the last field of its message, and libtasn1 gets as
 * many zeros, before which everything else has been decided.
 */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/wire/field.h"
#include "lib/wire/msg.h"

#define TAG_MESSAGE 0x60 /* APPLICATION, constructed; the type is the number below */

static const struct {
	int type;
	const char *name;
	size_t max; /* 0: reserved */
} types[] = {
#define MTLS_MSG_ROW(name, number, text, limit)          { (number), text, limit },
#define MTLS_MSG_ROW_RESERVED(name, number, text, limit) { (number), text, 0 },
	MTLS_MSG_TYPES(MTLS_MSG_ROW) MTLS_MSG_TYPES_RESERVED(MTLS_MSG_ROW_RESERVED)
#undef MTLS_MSG_ROW
#undef MTLS_MSG_ROW_RESERVED
};

const char *mtls_msg_type_name(int type)
{
	for (size_t i = 0; i < MTLS_COUNT(types); i++)
		if (types[i].type == type)
			return types[i].name;
	return NULL;
}

size_t mtls_msg_type_max(int type)
{
	for (size_t i = 0; i < MTLS_COUNT(types); i++)
		if (types[i].type == type)
			return types[i].max;
	return 0;
}

struct mtls_msg *mtls_msg_new(enum mtls_msg_type type)
{
	if (!mtls_fields_of((int)type))
		return NULL;
	struct mtls_msg *msg = calloc(1, sizeof(*msg));
	if (msg)
		msg->type = type;
	return msg;
}

void mtls_msg_free(struct mtls_msg *msg)
{
	if (!msg)
		return;
	const struct mtls_fields *table = mtls_fields_of((int)msg->type);
	if (table)
		mtls_fields_clear(table->fields, table->count, &msg->u);
	free(msg);
}

static int check(const struct mtls_fields *table, const char *name, const struct mtls_msg *msg,
		 struct mtls_diag *diag)
{
	int r = mtls_fields_check(name, table->fields, table->count, &msg->u, diag);
	if (r == 0 && table->check)
		r = table->check(&msg->u, diag);
	return r;
}

/* The field that libtasn1 must not see, NULL for most messages. */
static const struct mtls_field *secret_field(const struct mtls_fields *table)
{
	const struct mtls_field *last = &table->fields[table->count - 1];
	return last->kind == MTLS_FIELD_SECRET ? last : NULL;
}

static const struct mtls_bytes *secret_of(const struct mtls_field *field,
					  const struct mtls_msg *msg)
{
	return (const void *)((const char *)&msg->u + field->offset);
}

/*
 * A copy of @der with zeros instead of the content of the message's last element. NULL when memory
 * is short. What is malformed stays as it is; decoding will see it.
 */
static uint8_t *hide_last_element(const uint8_t *der, size_t len)
{
	struct mtls_asn1_header h;
	size_t keep = 0;

	/* First the header of the message itself, then one element after the other. */
	if (mtls_asn1_header(der, len, &h) == 1)
		keep = h.header_len;
	while (keep < len && mtls_asn1_header(der + keep, len - keep, &h) == 1 &&
	       h.body_len < len - keep - h.header_len)
		keep += h.header_len + h.body_len;
	if (keep < len && mtls_asn1_header(der + keep, len - keep, &h) == 1)
		keep += h.header_len;

	uint8_t *hidden = calloc(1, len);
	if (hidden)
		memcpy(hidden, der, keep);
	return hidden;
}

int mtls_msg_encode(const struct mtls_msg *msg, uint8_t **ret_der, size_t *ret_len,
		    struct mtls_diag *diag)
{
	_cleanup_(mtls_asn1_freep) struct mtls_asn1 *asn1 = NULL;
	const struct mtls_fields *table = mtls_fields_of((int)msg->type);
	uint8_t *der = NULL;
	size_t len = 0;

	if (!table)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "unknown message type %d",
				     (int)msg->type);
	const char *name = mtls_msg_type_name((int)msg->type);
	int r = check(table, name, msg, diag);
	if (r < 0)
		return r;
	r = mtls_asn1_new(name, &asn1);
	if (r == 0)
		r = mtls_fields_write(asn1, "", table->fields, table->count, &msg->u);
	if (r == 0)
		r = mtls_asn1_encode(asn1, &der, &len);
	if (r < 0)
		return mtls_diag_set(diag, r, "%s: cannot be encoded", name);
	size_t max = mtls_msg_type_max((int)msg->type);
	if (len > max) {
		free(der);
		return mtls_diag_set(diag, MTLS_E_LIMIT, "%s: over %zu bytes", name, max);
	}
	const struct mtls_field *field = secret_field(table);
	if (field) {
		const struct mtls_bytes *secret = secret_of(field, msg);
		if (secret->len)
			memcpy(der + len - secret->len, secret->data, secret->len);
	}
	*ret_der = der;
	*ret_len = len;
	return 0;
}

/* Type and size, from the first bytes: before anything is allocated for the message. */
static int judge_header(const uint8_t *der, size_t len, int *ret_type, struct mtls_diag *diag)
{
	struct mtls_asn1_header h;

	int r = mtls_asn1_header(der, len, &h);
	if (r <= 0)
		return mtls_diag_set(diag, r < 0 ? r : MTLS_E_SYNTAX, "malformed message header");
	int type = h.tag - TAG_MESSAGE;
	size_t max = mtls_msg_type_max(type);
	if (max == 0)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "unknown message type: tag 0x%02x",
				     h.tag);
	if (len > max || h.body_len > max)
		return mtls_diag_set(diag, MTLS_E_LIMIT, "%s: over %zu bytes",
				     mtls_msg_type_name(type), max);
	if (h.header_len + h.body_len != len)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "%s: %zu bytes, but its header says %zu",
				     mtls_msg_type_name(type), len, h.header_len + h.body_len);
	*ret_type = type;
	return 0;
}

int mtls_msg_decode(const uint8_t *der, size_t len, struct mtls_msg **ret_msg,
		    struct mtls_diag *diag)
{
	_cleanup_(mtls_asn1_freep) struct mtls_asn1 *asn1 = NULL;
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = NULL;
	int type = 0;

	int r = judge_header(der, len, &type, diag);
	if (r < 0)
		return r;
	const struct mtls_fields *table = mtls_fields_of(type);
	const char *name = mtls_msg_type_name(type);
	const struct mtls_field *field = secret_field(table);
	_cleanup_free_ uint8_t *hidden = field ? hide_last_element(der, len) : NULL;
	if (field && !hidden)
		return -ENOMEM;
	r = mtls_asn1_decode(name, field ? hidden : der, len, &asn1, diag);
	if (r < 0)
		return r;
	msg = mtls_msg_new((enum mtls_msg_type)type);
	if (!msg)
		return -ENOMEM;
	r = mtls_fields_read(name, asn1, "", table->fields, table->count, &msg->u, diag);
	if (r == 0)
		r = check(table, name, msg, diag);
	if (r < 0)
		return r;
	if (field) {
		const struct mtls_bytes *secret = secret_of(field, msg);
		if (secret->len)
			memcpy(secret->data, der + len - secret->len, secret->len);
	}
	*ret_msg = MTLS_TAKE(msg);
	return 0;
}

int mtls_msg_set_text(char **field, const char *text)
{
	char *copy = NULL;

	if (text) {
		copy = strdup(text);
		if (!copy)
			return -ENOMEM;
	}
	free(*field);
	*field = copy;
	return 0;
}

int mtls_msg_set_bytes(struct mtls_bytes *field, const void *data, size_t len)
{
	uint8_t *copy = malloc(len + 1);

	if (!copy)
		return -ENOMEM;
	if (len)
		memcpy(copy, data, len);
	copy[len] = '\0';
	if (field->data)
		explicit_bzero(field->data, field->len);
	free(field->data);
	*field = (struct mtls_bytes){ copy, len };
	return 0;
}

const char *mtls_control_get(const struct mtls_control_fields *fields, const char *name)
{
	for (size_t i = 0; i < fields->count; i++)
		if (mtls_streq(fields->field[i].name, name))
			return fields->field[i].value;
	return NULL;
}

int mtls_control_add(struct mtls_control_fields *fields, const char *name, const char *value)
{
	struct mtls_control_field pair = { 0 };

	if (fields->count == MTLS_CONTROL_FIELDS_MAX)
		return MTLS_E_LIMIT;
	if (mtls_control_get(fields, name))
		return MTLS_E_EXISTS;
	int r = mtls_msg_set_text(&pair.name, name);
	if (r == 0)
		r = mtls_msg_set_text(&pair.value, value);
	if (r < 0) {
		free(pair.name);
		return r;
	}
	fields->field[fields->count++] = pair;
	return 0;
}
