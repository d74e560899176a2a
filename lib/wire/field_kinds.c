/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kinds of fields: how each is checked, read, written and cleared. One row of operations a
 * kind; field.c walks the tables. Pure but for malloc.
 */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/wire/field.h"

_Static_assert(sizeof(enum mtls_reason) == sizeof(int) && sizeof(enum mtls_verdict) == sizeof(int),
	       "ENUM fields are read and written as int");

static const void *at(const void *base, size_t offset)
{
	return (const char *)base + offset;
}

static void *at_mutable(void *base, size_t offset)
{
	return (char *)base + offset;
}

static size_t count_of(const struct mtls_field *f, const void *base)
{
	return *(const size_t *)at(base, f->count_offset);
}

/* --- numbers --- */

static int read_u32(const struct mtls_field *f, const struct mtls_asn1 *a, const char *path,
		    void *base)
{
	int64_t number;
	int r = mtls_asn1_read_i64(a, path, &number);
	if (r < 0)
		return r;
	if (number < 0 || number > UINT32_MAX)
		return MTLS_E_SYNTAX;
	/* Absence has one encoding only. */
	if (f->optional && number == MTLS_TRIES_UNKNOWN)
		return MTLS_E_SYNTAX;
	*(uint32_t *)at_mutable(base, f->offset) = (uint32_t)number;
	return 0;
}

static int write_u32(const struct mtls_field *f, struct mtls_asn1 *a, const char *path,
		     const void *base)
{
	return mtls_asn1_write_i64(a, path, *(const uint32_t *)at(base, f->offset));
}

static bool absent_u32(const struct mtls_field *f, const void *base)
{
	return *(const uint32_t *)at(base, f->offset) == MTLS_TRIES_UNKNOWN;
}

static void set_absent_u32(const struct mtls_field *f, void *base)
{
	*(uint32_t *)at_mutable(base, f->offset) = MTLS_TRIES_UNKNOWN;
}

static int read_i64(const struct mtls_field *f, const struct mtls_asn1 *a, const char *path,
		    void *base)
{
	return mtls_asn1_read_i64(a, path, at_mutable(base, f->offset));
}

static int write_i64(const struct mtls_field *f, struct mtls_asn1 *a, const char *path,
		     const void *base)
{
	return mtls_asn1_write_i64(a, path, *(const int64_t *)at(base, f->offset));
}

static int check_enum(const struct mtls_field *f, const void *base)
{
	return f->known(*(const int *)at(base, f->offset)) ? 0 : MTLS_E_SYNTAX;
}

static int read_enum(const struct mtls_field *f, const struct mtls_asn1 *a, const char *path,
		     void *base)
{
	int64_t number;
	int r = mtls_asn1_read_i64(a, path, &number);
	if (r < 0)
		return r;
	if (number < 0 || number > INT32_MAX)
		return MTLS_E_SYNTAX;
	*(int *)at_mutable(base, f->offset) = (int)number;
	return 0;
}

static int write_enum(const struct mtls_field *f, struct mtls_asn1 *a, const char *path,
		      const void *base)
{
	return mtls_asn1_write_i64(a, path, *(const int *)at(base, f->offset));
}

static bool absent_enum(const struct mtls_field *f, const void *base)
{
	return *(const int *)at(base, f->offset) == 0;
}

static int read_bool(const struct mtls_field *f, const struct mtls_asn1 *a, const char *path,
		     void *base)
{
	return mtls_asn1_read_bool(a, path, at_mutable(base, f->offset));
}

static int write_bool(const struct mtls_field *f, struct mtls_asn1 *a, const char *path,
		      const void *base)
{
	return mtls_asn1_write_bool(a, path, *(const bool *)at(base, f->offset));
}

/* --- strings --- */

static int check_length(const struct mtls_field *f, size_t len)
{
	if (len > f->max)
		return MTLS_E_LIMIT;
	return len < f->min ? MTLS_E_SYNTAX : 0;
}

static int check_one_text(const struct mtls_field *f, const char *text)
{
	if (!text)
		return MTLS_E_SYNTAX;
	size_t len = strlen(text);
	int r = check_length(f, len);
	if (r < 0)
		return r;
	if (!mtls_utf8_valid((const uint8_t *)text, len) ||
	    mtls_has_control((const uint8_t *)text, len))
		return MTLS_E_SYNTAX;
	return f->alphabet && !f->alphabet(text, len) ? MTLS_E_SYNTAX : 0;
}

/* A NUL inside would make two texts of one; the rest is judged by check_one_text(). */
static int read_one_text(const struct mtls_field *f, const struct mtls_asn1 *a, const char *path,
			 char **ret_text)
{
	uint8_t *data;
	size_t len;
	int r = mtls_asn1_read_bytes(a, path, f->max, &data, &len);
	if (r < 0)
		return r;
	if (memchr(data, '\0', len)) {
		free(data);
		return MTLS_E_SYNTAX;
	}
	*ret_text = (char *)data;
	return 0;
}

static int check_text(const struct mtls_field *f, const void *base)
{
	return check_one_text(f, *(char *const *)at(base, f->offset));
}

static int read_text(const struct mtls_field *f, const struct mtls_asn1 *a, const char *path,
		     void *base)
{
	return read_one_text(f, a, path, at_mutable(base, f->offset));
}

static int write_text(const struct mtls_field *f, struct mtls_asn1 *a, const char *path,
		      const void *base)
{
	const char *text = *(char *const *)at(base, f->offset);
	return mtls_asn1_write_bytes(a, path, text, strlen(text));
}

static bool absent_text(const struct mtls_field *f, const void *base)
{
	const char *text = *(char *const *)at(base, f->offset);
	return !text || !*text;
}

static void clear_text(const struct mtls_field *f, void *base)
{
	char **text = at_mutable(base, f->offset);
	free(MTLS_TAKE(*text));
}

static int read_fixed(const struct mtls_field *f, const struct mtls_asn1 *a, const char *path,
		      void *base)
{
	_cleanup_free_ uint8_t *data = NULL;
	size_t len;
	int r = mtls_asn1_read_bytes(a, path, f->max, &data, &len);
	if (r < 0)
		return r;
	if (len != f->max)
		return MTLS_E_SYNTAX;
	memcpy(at_mutable(base, f->offset), data, len);
	return 0;
}

static int write_fixed(const struct mtls_field *f, struct mtls_asn1 *a, const char *path,
		       const void *base)
{
	return mtls_asn1_write_bytes(a, path, at(base, f->offset), f->max);
}

static int check_one_bytes(const struct mtls_field *f, const struct mtls_bytes *bytes)
{
	if (bytes->len && !bytes->data)
		return MTLS_E_SYNTAX;
	return check_length(f, bytes->len);
}

static void clear_one_bytes(struct mtls_bytes *bytes)
{
	if (bytes->data)
		explicit_bzero(bytes->data, bytes->len);
	free(bytes->data);
	*bytes = (struct mtls_bytes){ 0 };
}

static int check_bytes(const struct mtls_field *f, const void *base)
{
	return check_one_bytes(f, at(base, f->offset));
}

static int read_bytes(const struct mtls_field *f, const struct mtls_asn1 *a, const char *path,
		      void *base)
{
	struct mtls_bytes *bytes = at_mutable(base, f->offset);
	return mtls_asn1_read_bytes(a, path, f->max, &bytes->data, &bytes->len);
}

static int write_bytes(const struct mtls_field *f, struct mtls_asn1 *a, const char *path,
		       const void *base)
{
	const struct mtls_bytes *bytes = at(base, f->offset);
	return mtls_asn1_write_bytes(a, path, bytes->data, bytes->len);
}

static bool absent_bytes(const struct mtls_field *f, const void *base)
{
	return ((const struct mtls_bytes *)at(base, f->offset))->len == 0;
}

static void clear_bytes(const struct mtls_field *f, void *base)
{
	clear_one_bytes(at_mutable(base, f->offset));
}

/* As many zeros: mtls_msg_encode() puts the secret in their place. */
static int write_secret(const struct mtls_field *f, struct mtls_asn1 *a, const char *path,
			const void *base)
{
	static const uint8_t zeros[MTLS_SECRET_MAX];
	const struct mtls_bytes *bytes = at(base, f->offset);

	if (bytes->len > sizeof(zeros))
		return MTLS_E_LIMIT;
	return mtls_asn1_write_bytes(a, path, zeros, bytes->len);
}

/* --- lists --- */

static bool absent_list(const struct mtls_field *f, const void *base)
{
	return count_of(f, base) == 0;
}

/* An empty list is never sent: it is absent, or an error. */
static int check_count(const struct mtls_field *f, size_t count)
{
	if (count > f->list_max)
		return MTLS_E_LIMIT;
	return count == 0 ? MTLS_E_SYNTAX : 0;
}

static int read_count(const struct mtls_field *f, const struct mtls_asn1 *a, const char *path,
		      size_t *ret_count)
{
	int r = mtls_asn1_count(a, path, ret_count);
	return r < 0 ? r : check_count(f, *ret_count);
}

static int check_texts(const struct mtls_field *f, const void *base)
{
	char *const *texts = at(base, f->offset);
	size_t count = count_of(f, base);
	int r = check_count(f, count);

	for (size_t i = 0; r == 0 && i < count; i++)
		r = check_one_text(f, texts[i]);
	return r;
}

static int read_texts(const struct mtls_field *f, const struct mtls_asn1 *a, const char *path,
		      void *base)
{
	char **texts = at_mutable(base, f->offset);
	size_t *count = at_mutable(base, f->count_offset);
	char item[MTLS_FIELD_PATH + 16];
	size_t n;

	int r = read_count(f, a, path, &n);
	for (size_t i = 0; r == 0 && i < n; i++) {
		(void)snprintf(item, sizeof(item), "%s.?%zu", path, i + 1);
		r = read_one_text(f, a, item, &texts[i]);
		if (r == 0)
			*count = i + 1;
	}
	return r;
}

static int write_texts(const struct mtls_field *f, struct mtls_asn1 *a, const char *path,
		       const void *base)
{
	char *const *texts = at(base, f->offset);
	int r = 0;

	for (size_t i = 0; r == 0 && i < count_of(f, base); i++)
		r = mtls_asn1_append_bytes(a, path, texts[i], strlen(texts[i]));
	return r;
}

static void clear_texts(const struct mtls_field *f, void *base)
{
	char **texts = at_mutable(base, f->offset);

	/* All of them: a caller may have failed between a text and its count. */
	for (size_t i = 0; i < f->list_max; i++)
		free(MTLS_TAKE(texts[i]));
}

static int check_chain(const struct mtls_field *f, const void *base)
{
	const struct mtls_bytes *chain = at(base, f->offset);
	size_t count = count_of(f, base);
	int r = check_count(f, count);

	for (size_t i = 0; r == 0 && i < count; i++)
		r = check_one_bytes(f, &chain[i]);
	return r;
}

static int read_chain(const struct mtls_field *f, const struct mtls_asn1 *a, const char *path,
		      void *base)
{
	struct mtls_bytes *chain = at_mutable(base, f->offset);
	size_t *count = at_mutable(base, f->count_offset);
	char item[MTLS_FIELD_PATH + 16];
	size_t n;

	int r = read_count(f, a, path, &n);
	for (size_t i = 0; r == 0 && i < n; i++) {
		(void)snprintf(item, sizeof(item), "%s.?%zu", path, i + 1);
		r = mtls_asn1_read_bytes(a, item, f->max, &chain[i].data, &chain[i].len);
		if (r == 0)
			*count = i + 1;
	}
	return r;
}

static int write_chain(const struct mtls_field *f, struct mtls_asn1 *a, const char *path,
		       const void *base)
{
	const struct mtls_bytes *chain = at(base, f->offset);
	int r = 0;

	for (size_t i = 0; r == 0 && i < count_of(f, base); i++)
		r = mtls_asn1_append_bytes(a, path, chain[i].data, chain[i].len);
	return r;
}

static void clear_chain(const struct mtls_field *f, void *base)
{
	struct mtls_bytes *chain = at_mutable(base, f->offset);

	for (size_t i = 0; i < f->list_max; i++)
		clear_one_bytes(&chain[i]);
}

/* --- named values --- */

bool mtls_field_is_name(const char *text, size_t len)
{
	return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static const struct mtls_field pair_name = {
	.name = "name",
	.min = 1,
	.max = MTLS_CONTROL_NAME_MAX,
	.alphabet = mtls_field_is_name,
};

static const struct mtls_field pair_value = {
	.name = "value",
	.max = MTLS_CONTROL_VALUE_MAX,
};

static bool absent_pairs(const struct mtls_field *f, const void *base)
{
	return ((const struct mtls_control_fields *)at(base, f->offset))->count == 0;
}

static bool has_name_before(const struct mtls_control_fields *fields, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (mtls_streq(fields->field[i].name, fields->field[index].name))
			return true;
	return false;
}

static int check_pairs(const struct mtls_field *f, const void *base)
{
	const struct mtls_control_fields *fields = at(base, f->offset);
	int r = check_count(f, fields->count);

	for (size_t i = 0; r == 0 && i < fields->count; i++) {
		r = check_one_text(&pair_name, fields->field[i].name);
		if (r == 0)
			r = check_one_text(&pair_value, fields->field[i].value);
		if (r == 0 && has_name_before(fields, i))
			r = MTLS_E_SYNTAX;
	}
	return r;
}

static int read_pairs(const struct mtls_field *f, const struct mtls_asn1 *a, const char *path,
		      void *base)
{
	struct mtls_control_fields *fields = at_mutable(base, f->offset);
	char item[MTLS_FIELD_PATH + 16];
	size_t n;

	int r = read_count(f, a, path, &n);
	for (size_t i = 0; r == 0 && i < n; i++) {
		(void)snprintf(item, sizeof(item), "%s.?%zu.name", path, i + 1);
		r = read_one_text(&pair_name, a, item, &fields->field[i].name);
		(void)snprintf(item, sizeof(item), "%s.?%zu.value", path, i + 1);
		if (r == 0)
			r = read_one_text(&pair_value, a, item, &fields->field[i].value);
		if (r == 0)
			fields->count = i + 1;
	}
	return r;
}

static int write_pairs(const struct mtls_field *f, struct mtls_asn1 *a, const char *path,
		       const void *base)
{
	const struct mtls_control_fields *fields = at(base, f->offset);
	char name[MTLS_FIELD_PATH + 16], value[MTLS_FIELD_PATH + 16];
	int r = 0;

	(void)snprintf(name, sizeof(name), "%s.?LAST.name", path);
	(void)snprintf(value, sizeof(value), "%s.?LAST.value", path);
	for (size_t i = 0; r == 0 && i < fields->count; i++) {
		const struct mtls_control_field *pair = &fields->field[i];
		r = mtls_asn1_append(a, path);
		if (r == 0)
			r = mtls_asn1_write_bytes(a, name, pair->name, strlen(pair->name));
		if (r == 0)
			r = mtls_asn1_write_bytes(a, value, pair->value, strlen(pair->value));
	}
	return r;
}

static void clear_pairs(const struct mtls_field *f, void *base)
{
	struct mtls_control_fields *fields = at_mutable(base, f->offset);

	/* All of them: reading may have failed between a name and its count. */
	for (size_t i = 0; i < MTLS_CONTROL_FIELDS_MAX; i++) {
		free(MTLS_TAKE(fields->field[i].name));
		free(MTLS_TAKE(fields->field[i].value));
	}
	fields->count = 0;
}

/* --- groups, and what must not be there --- */

static bool absent_group(const struct mtls_field *f, const void *base)
{
	return !*(const bool *)at(base, f->count_offset);
}

static int check_group(const struct mtls_field *f, const void *base)
{
	return mtls_fields_check(f->name, f->sub, f->sub_count, base, NULL);
}

static int read_group(const struct mtls_field *f, const struct mtls_asn1 *a, const char *path,
		      void *base)
{
	*(bool *)at_mutable(base, f->count_offset) = true;
	return mtls_fields_read(f->name, a, path, f->sub, f->sub_count, base, NULL);
}

static int write_group(const struct mtls_field *f, struct mtls_asn1 *a, const char *path,
		       const void *base)
{
	return mtls_fields_write(a, path, f->sub, f->sub_count, base);
}

static void clear_group(const struct mtls_field *f, void *base)
{
	mtls_fields_clear(f->sub, f->sub_count, base);
}

static int refuse(const struct mtls_field *f, const struct mtls_asn1 *a, const char *path,
		  void *base)
{
	(void)f;
	(void)a;
	(void)path;
	(void)base;
	return MTLS_E_SYNTAX;
}

static bool always_absent(const struct mtls_field *f, const void *base)
{
	(void)f;
	(void)base;
	return true;
}

/* clang-format off */
const struct mtls_field_ops mtls_field_ops[MTLS_FIELD_KINDS] = {
	[MTLS_FIELD_U32] =    { NULL,        read_u32,   write_u32,   absent_u32,    NULL,        set_absent_u32 },
	[MTLS_FIELD_I64] =    { NULL,        read_i64,   write_i64,   NULL,          NULL,        NULL },
	[MTLS_FIELD_ENUM] =   { check_enum,  read_enum,  write_enum,  absent_enum,   NULL,        NULL },
	[MTLS_FIELD_BOOL] =   { NULL,        read_bool,  write_bool,  NULL,          NULL,        NULL },
	[MTLS_FIELD_TEXT] =   { check_text,  read_text,  write_text,  absent_text,   clear_text,  NULL },
	[MTLS_FIELD_FIXED] =  { NULL,        read_fixed, write_fixed, NULL,          NULL,        NULL },
	[MTLS_FIELD_BYTES] =  { check_bytes, read_bytes, write_bytes, absent_bytes,  clear_bytes, NULL },
	[MTLS_FIELD_SECRET] = { check_bytes, read_bytes, write_secret, absent_bytes, clear_bytes, NULL },
	[MTLS_FIELD_TEXTS] =  { check_texts, read_texts, write_texts, absent_list,   clear_texts, NULL },
	[MTLS_FIELD_CHAIN] =  { check_chain, read_chain, write_chain, absent_list,   clear_chain, NULL },
	[MTLS_FIELD_PAIRS] =  { check_pairs, read_pairs, write_pairs, absent_pairs,  clear_pairs, NULL },
	[MTLS_FIELD_GROUP] =  { check_group, read_group, write_group, absent_group,  clear_group, NULL },
	[MTLS_FIELD_UNUSED] = { NULL,        refuse,     NULL,        always_absent, NULL,        NULL },
};
/* clang-format on */
