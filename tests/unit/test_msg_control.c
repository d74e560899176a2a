/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lib/wire/msg: the control messages, whose content is a list of pairs. The cases are made as DER
 * by hand, and where a struct can say the same, encoded too: what is refused is never sent.
 */
#include <config.h>

#include <stdio.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "tests/unit/wire_samples.h"

#define LONG_MAX_TEXT (MTLS_CONTROL_VALUE_MAX + 1)

static int decode(const struct mtls_buf *der, struct mtls_msg **ret_msg)
{
	struct mtls_diag diag = { 0 };
	int r = mtls_msg_decode(der->data, der->len, ret_msg, &diag);
	assert_int_equal(r < 0, diag.text[0] != '\0');
	return r;
}

/* 0 only if the same bytes come out again. */
static int decode_result(const struct mtls_buf *der)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = NULL;
	_cleanup_free_ uint8_t *again = NULL;
	size_t len = 0;

	int r = decode(der, &msg);
	if (r < 0)
		return r;
	assert_int_equal(mtls_msg_encode(msg, &again, &len, NULL), 0);
	assert_int_equal(len, der->len);
	assert_memory_equal(again, der->data, len);
	return 0;
}

static int encode_result(const struct mtls_msg *msg)
{
	_cleanup_free_ uint8_t *der = NULL;
	struct mtls_diag diag = { 0 };
	size_t len = 0;

	int r = mtls_msg_encode(msg, &der, &len, &diag);
	assert_int_equal(r < 0, diag.text[0] != '\0');
	return r;
}

static void append_element(struct mtls_buf *out, uint8_t tag, const void *data, size_t len)
{
	der_append_header(out, tag, len);
	assert_int_equal(mtls_buf_append(out, data, len), 0);
}

/* A ControlItem of kind "user", its list of pairs (with the tag) being @list. */
static void wrap_item(const struct mtls_buf *list, struct mtls_buf *out)
{
	_cleanup_buf_ struct mtls_buf body = MTLS_BUF(1 << 20);
	append_element(&body, 0x0c, "user", 4);
	assert_int_equal(mtls_buf_append(&body, list->data, list->len), 0);
	append_element(out, 0x60 + MTLS_MSG_CONTROL_ITEM, body.data, body.len);
}

static void append_pair(struct mtls_buf *out, const char *name, size_t name_len, const char *value,
			size_t value_len)
{
	_cleanup_buf_ struct mtls_buf pair = MTLS_BUF(1 << 16);
	append_element(&pair, 0x0c, name, name_len);
	append_element(&pair, 0x0c, value, value_len);
	append_element(out, 0x30, pair.data, pair.len);
}

/* One pair, from the wire and from a struct. Texts with a NUL exist on the wire only. */
static void check_pair(const char *name, size_t name_len, const char *value, size_t value_len,
		       int want)
{
	_cleanup_buf_ struct mtls_buf pairs = MTLS_BUF(1 << 16);
	_cleanup_buf_ struct mtls_buf list = MTLS_BUF(1 << 16);
	_cleanup_buf_ struct mtls_buf der = MTLS_BUF(1 << 16);
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = new_message(MTLS_MSG_CONTROL_ITEM);

	append_pair(&pairs, name, name_len, value, value_len);
	append_element(&list, 0xa0, pairs.data, pairs.len);
	wrap_item(&list, &der);
	assert_int_equal(decode_result(&der), want);
	if (memchr(name, '\0', name_len) || memchr(value, '\0', value_len))
		return;
	_cleanup_free_ char *name_text = strndup(name, name_len);
	_cleanup_free_ char *value_text = strndup(value, value_len);
	set_text(&msg->u.control_item.kind, "user");
	assert_int_equal(mtls_control_add(&msg->u.control_item.fields, name_text, value_text), 0);
	assert_int_equal(encode_result(msg), want);
}

static void pairs_have_limits(void **state)
{
	static char text[LONG_MAX_TEXT + 1];
	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	for (size_t n = 0; n <= MTLS_CONTROL_NAME_MAX + 1; n++)
		check_pair(text, n, "x", 1,
			   n == 0                      ? MTLS_E_SYNTAX
			   : n > MTLS_CONTROL_NAME_MAX ? MTLS_E_LIMIT
						       : 0);
	check_pair("name", 4, "", 0, 0);
	check_pair("name", 4, text, MTLS_CONTROL_VALUE_MAX - 1, 0);
	check_pair("name", 4, text, MTLS_CONTROL_VALUE_MAX, 0);
	check_pair("name", 4, text, MTLS_CONTROL_VALUE_MAX + 1, MTLS_E_LIMIT);
}

#define TEXT(text) text, sizeof(text) - 1

static void pairs_are_clean(void **state)
{
	/* clang-format off */
	static const struct { const char *name; size_t name_len; const char *value; size_t value_len; int want; } rows[] = {
		{ TEXT("next-uid"), TEXT("2000200001"), 0 },
		{ TEXT("0"), TEXT("a b,c=d"), 0 },
		{ TEXT("name"), TEXT("J\xc3\xbcrgen"), 0 },
		{ TEXT("Name"), TEXT("x"), MTLS_E_SYNTAX },
		{ TEXT("a_b"), TEXT("x"), MTLS_E_SYNTAX },
		{ TEXT("a b"), TEXT("x"), MTLS_E_SYNTAX },
		{ TEXT("a\0"), TEXT("x"), MTLS_E_SYNTAX },
		{ TEXT("\xc3\xbc"), TEXT("x"), MTLS_E_SYNTAX },
		{ TEXT("name"), TEXT("a\nb"), MTLS_E_SYNTAX },
		{ TEXT("name"), TEXT("a\0"), MTLS_E_SYNTAX },
		{ TEXT("name"), TEXT("\0"), MTLS_E_SYNTAX },
		{ TEXT("name"), TEXT("\x1b[0m"), MTLS_E_SYNTAX },
		{ TEXT("name"), TEXT("a\xc2\x9b"), MTLS_E_SYNTAX },
		{ TEXT("name"), TEXT("J\xfcrgen"), MTLS_E_SYNTAX },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		print_message("# row %zu\n", i);
		check_pair(rows[i].name, rows[i].name_len, rows[i].value, rows[i].value_len,
			   rows[i].want);
	}
}

static void lists_have_a_maximum(void **state)
{
	(void)state;
	for (size_t count = 1; count <= MTLS_CONTROL_FIELDS_MAX + 2; count++) {
		_cleanup_buf_ struct mtls_buf pairs = MTLS_BUF(1 << 16);
		_cleanup_buf_ struct mtls_buf list = MTLS_BUF(1 << 16);
		_cleanup_buf_ struct mtls_buf der = MTLS_BUF(1 << 16);
		for (size_t i = 0; i < count; i++) {
			char name = (char)('a' + i);
			append_pair(&pairs, &name, 1, "", 0);
		}
		append_element(&list, 0xa0, pairs.data, pairs.len);
		wrap_item(&list, &der);
		print_message("# row %zu\n", count);
		assert_int_equal(decode_result(&der),
				 count > MTLS_CONTROL_FIELDS_MAX ? MTLS_E_LIMIT : 0);
	}
	/* Each value may have its maximum, all of them together may not. */
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = new_message(MTLS_MSG_CONTROL_ITEM);
	static char value[MTLS_CONTROL_VALUE_MAX + 1];
	memset(value, 'v', sizeof(value) - 1);
	set_text(&msg->u.control_item.kind, "group");
	for (char name[] = "a"; name[0] < 'a' + 14; name[0]++)
		assert_int_equal(mtls_control_add(&msg->u.control_item.fields, name, value), 0);
	assert_int_equal(encode_result(msg), 0);
	assert_int_equal(mtls_control_add(&msg->u.control_item.fields, "z", value), 0);
	assert_int_equal(encode_result(msg), MTLS_E_LIMIT);
}

/* What only bytes can say: each is refused, next to the same done right. */
static void lists_have_one_form(void **state)
{
	/* clang-format off */
	static const struct { const char *name, *list; size_t len; int want; } rows[] = {
		{ "no list", TEXT(""), 0 },
		{ "empty list", TEXT("\xa0\x00"), MTLS_E_SYNTAX },
		{ "one pair", TEXT("\xa0\x08\x30\x06\x0c\x01" "a\x0c\x01" "b"), 0 },
		{ "value empty", TEXT("\xa0\x07\x30\x05\x0c\x01" "a\x0c\x00"), 0 },
		{ "name empty", TEXT("\xa0\x07\x30\x05\x0c\x00\x0c\x01" "b"), MTLS_E_SYNTAX },
		{ "two pairs", TEXT("\xa0\x10\x30\x06\x0c\x01" "a\x0c\x01" "b\x30\x06\x0c\x01" "c\x0c\x01" "b"), 0 },
		{ "unsorted", TEXT("\xa0\x10\x30\x06\x0c\x01" "c\x0c\x01" "b\x30\x06\x0c\x01" "a\x0c\x01" "b"), 0 },
		{ "a name twice", TEXT("\xa0\x10\x30\x06\x0c\x01" "a\x0c\x01" "b\x30\x06\x0c\x01" "a\x0c\x01" "c"), MTLS_E_SYNTAX },
		{ "a pair twice", TEXT("\xa0\x10\x30\x06\x0c\x01" "a\x0c\x01" "b\x30\x06\x0c\x01" "a\x0c\x01" "b"), MTLS_E_SYNTAX },
		{ "no value", TEXT("\xa0\x05\x30\x03\x0c\x01" "a"), MTLS_E_SYNTAX },
		{ "empty pair", TEXT("\xa0\x02\x30\x00"), MTLS_E_SYNTAX },
		{ "three texts", TEXT("\xa0\x0b\x30\x09\x0c\x01" "a\x0c\x01" "b\x0c\x01" "c"), MTLS_E_SYNTAX },
		{ "bare texts", TEXT("\xa0\x06\x0c\x01" "a\x0c\x01" "b"), MTLS_E_SYNTAX },
		{ "OCTET STRING", TEXT("\xa0\x08\x30\x06\x0c\x01" "a\x04\x01" "b"), MTLS_E_SYNTAX },
		{ "SET", TEXT("\xa0\x08\x31\x06\x0c\x01" "a\x0c\x01" "b"), MTLS_E_SYNTAX },
		{ "other tag", TEXT("\xa1\x08\x30\x06\x0c\x01" "a\x0c\x01" "b"), MTLS_E_SYNTAX },
		{ "no tag", TEXT("\x30\x08\x30\x06\x0c\x01" "a\x0c\x01" "b"), MTLS_E_SYNTAX },
		{ "primitive", TEXT("\x80\x08\x30\x06\x0c\x01" "a\x0c\x01" "b"), MTLS_E_SYNTAX },
		{ "twice", TEXT("\xa0\x08\x30\x06\x0c\x01" "a\x0c\x01" "b\xa0\x08\x30\x06\x0c\x01" "c\x0c\x01" "b"), MTLS_E_SYNTAX },
		{ "long length", TEXT("\xa0\x81\x08\x30\x06\x0c\x01" "a\x0c\x01" "b"), MTLS_E_SYNTAX },
		{ "deep", TEXT("\xa0\x0c\x30\x0a\x0c\x01" "a\x2c\x05\x2c\x03\x0c\x01" "b"), MTLS_E_LIMIT },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_buf_ struct mtls_buf list = MTLS_BUF(256);
		_cleanup_buf_ struct mtls_buf der = MTLS_BUF(256);
		print_message("# row %s\n", rows[i].name);
		assert_int_equal(mtls_buf_append(&list, rows[i].list, rows[i].len), 0);
		wrap_item(&list, &der);
		assert_int_equal(decode_result(&der), rows[i].want);
	}
}

/* Verb, kind, code, text, version. */
static void other_fields_have_limits(void **state)
{
	static char text[1026];
	/* clang-format off */
	static const struct { const char *name; enum mtls_msg_type type; int leaf; const char *data; size_t len; int want; } rows[] = {
		{ "verb", MTLS_MSG_CONTROL_REQUEST, 1, TEXT("group-add"), 0 },
		{ "verb: capital", MTLS_MSG_CONTROL_REQUEST, 1, TEXT("Status"), MTLS_E_SYNTAX },
		{ "verb: empty", MTLS_MSG_CONTROL_REQUEST, 1, TEXT(""), MTLS_E_SYNTAX },
		{ "verb: 32", MTLS_MSG_CONTROL_REQUEST, 1, text, 32, 0 },
		{ "verb: 33", MTLS_MSG_CONTROL_REQUEST, 1, text, 33, MTLS_E_LIMIT },
		{ "kind: space", MTLS_MSG_CONTROL_ITEM, 0, TEXT("a b"), MTLS_E_SYNTAX },
		{ "kind: 32", MTLS_MSG_CONTROL_ITEM, 0, text, 32, 0 },
		{ "kind: 33", MTLS_MSG_CONTROL_ITEM, 0, text, 33, MTLS_E_LIMIT },
		{ "version: 2", MTLS_MSG_CONTROL_REQUEST, 0, TEXT("\x02"), 0 },
		{ "version: -1", MTLS_MSG_CONTROL_REQUEST, 0, TEXT("\xff"), MTLS_E_SYNTAX },
		{ "code: 0", MTLS_MSG_CONTROL_END, 0, TEXT("\0"), 0 },
		{ "code: 7", MTLS_MSG_CONTROL_END, 0, TEXT("\x07"), 0 },
		{ "code: 8", MTLS_MSG_CONTROL_END, 0, TEXT("\x08"), MTLS_E_SYNTAX },
		{ "code: -1", MTLS_MSG_CONTROL_END, 0, TEXT("\xff"), MTLS_E_SYNTAX },
		{ "code: 2^32", MTLS_MSG_CONTROL_END, 0, TEXT("\x01\0\0\0\0"), MTLS_E_SYNTAX },
		{ "text: empty", MTLS_MSG_CONTROL_END, 1, TEXT(""), MTLS_E_SYNTAX },
		{ "text: newline", MTLS_MSG_CONTROL_END, 1, TEXT("a\n"), MTLS_E_SYNTAX },
		{ "text: 1024", MTLS_MSG_CONTROL_END, 1, text, 1024, 0 },
		{ "text: 1025", MTLS_MSG_CONTROL_END, 1, text, 1025, MTLS_E_LIMIT },
	};
	/* clang-format on */
	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_(mtls_msg_freep) struct mtls_msg *msg = sample(rows[i].type);
		_cleanup_buf_ struct mtls_buf changed = MTLS_BUF(1 << 16);
		_cleanup_free_ uint8_t *der = NULL;
		size_t len = 0;
		int leaf = rows[i].leaf;
		print_message("# row %s\n", rows[i].name);
		assert_int_equal(mtls_msg_encode(msg, &der, &len, NULL), 0);
		der_replace(der, len, &leaf, rows[i].data, rows[i].len, &changed);
		assert_true(leaf < 0);
		assert_int_equal(decode_result(&changed), rows[i].want);
	}
}

static void pairs_are_added_and_found(void **state)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = sample(MTLS_MSG_CONTROL_REQUEST);
	struct mtls_control_fields *fields = &msg->u.control_request.fields;
	(void)state;
	assert_string_equal(mtls_control_get(fields, "name"), "j\xc3\xbcrgen");
	assert_string_equal(mtls_control_get(fields, "gecos"), "");
	assert_null(mtls_control_get(fields, "nam"));
	assert_null(mtls_control_get(fields, "name2"));
	assert_int_equal(mtls_control_add(fields, "name", "bob"), MTLS_E_EXISTS);
	assert_string_equal(mtls_control_get(fields, "name"), "j\xc3\xbcrgen");
	for (char name[] = "a"; fields->count < MTLS_CONTROL_FIELDS_MAX; name[0]++)
		assert_int_equal(mtls_control_add(fields, name, ""), 0);
	assert_int_equal(mtls_control_add(fields, "z", ""), MTLS_E_LIMIT);
	assert_int_equal(encode_result(msg), 0);
}

/* A struct that a caller filled by hand, past mtls_control_add(). */
static void what_is_malformed_is_not_sent(void **state)
{
	(void)state;
	_cleanup_(mtls_msg_freep) struct mtls_msg *twice = sample(MTLS_MSG_CONTROL_END);
	set_text(&twice->u.control_end.fields.field[2].name, "name");
	assert_int_equal(encode_result(twice), MTLS_E_SYNTAX);
	_cleanup_(mtls_msg_freep) struct mtls_msg *null = sample(MTLS_MSG_CONTROL_END);
	set_text(&null->u.control_end.fields.field[1].value, NULL);
	assert_int_equal(encode_result(null), MTLS_E_SYNTAX);
	_cleanup_(mtls_msg_freep) struct mtls_msg *many = sample(MTLS_MSG_CONTROL_END);
	many->u.control_end.fields.count = MTLS_CONTROL_FIELDS_MAX + 1;
	assert_int_equal(encode_result(many), MTLS_E_LIMIT);
	_cleanup_(mtls_msg_freep) struct mtls_msg *code = sample(MTLS_MSG_CONTROL_END);
	*(int *)&code->u.control_end.code = MTLS_CONTROL_UNPUBLISHED + 1;
	assert_int_equal(encode_result(code), MTLS_E_SYNTAX);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(pairs_have_limits),
	cmocka_unit_test(pairs_are_clean),
	cmocka_unit_test(lists_have_a_maximum),
	cmocka_unit_test(lists_have_one_form),
	cmocka_unit_test(other_fields_have_limits),
	cmocka_unit_test(pairs_are_added_and_found),
	cmocka_unit_test(what_is_malformed_is_not_sent),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
