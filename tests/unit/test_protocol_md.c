/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PROTOCOL.md says what the code does: its examples, tables and vectors are replayed. */
#include <config.h>

#include <stdio.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/control/accounts.h"
#include "lib/name/dn.h"
#include "lib/name/key.h"
#include "tests/unit/wire_dump.h"
#include "tests/unit/wire_samples.h"

#define PAGE_MAX (1 << 20)

static char *page; /* the whole file */

static int load_page(void **state)
{
	_cleanup_buf_ struct mtls_buf buf = MTLS_BUF(PAGE_MAX);
	const char *srcdir = getenv("top_srcdir");
	char path[4096];
	size_t len;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/PROTOCOL.md", srcdir ? srcdir : ".");
	if (mtls_file_read(path, NULL, &buf, NULL) < 0)
		return -1;
	return mtls_buf_take(&buf, (uint8_t **)&page, &len);
}

static int free_page(void **state)
{
	(void)state;
	free(page);
	return 0;
}

/* A copy of the next line, or NULL at the end (then nothing has to be freed). */
static char *next_line(const char **cursor)
{
	size_t len;
	const char *line = mtls_split_next(cursor, '\n', &len);
	return line ? strndup(line, len) : NULL;
}

/* What stands behind @prefix, or NULL. */
static const char *behind(const char *line, const char *prefix)
{
	size_t n = strlen(prefix);
	return strncmp(line, prefix, n) == 0 ? line + n : NULL;
}

/* Where the section begins that has @heading as its whole line. */
static const char *find_section(const char *heading)
{
	char needle[128];
	(void)snprintf(needle, sizeof(needle), "\n%s\n", heading);
	const char *at = strstr(page, needle);
	if (!at)
		fail_msg("PROTOCOL.md has no line '%s'", heading);
	return at + strlen(needle);
}

/* Checks that @want is a line between @section and the next heading. */
static void assert_row(const char *section, const char *want)
{
	for (const char *cursor = section; cursor;) {
		_cleanup_free_ char *line = next_line(&cursor);
		if (strcmp(line, want) == 0)
			return;
		if (line[0] == '#')
			break;
	}
	fail_msg("PROTOCOL.md lacks: %s", want);
}

/* Likewise, for a row that goes on. */
static void assert_row_begins(const char *section, const char *want)
{
	for (const char *cursor = section; cursor;) {
		_cleanup_free_ char *line = next_line(&cursor);
		if (behind(line, want))
			return;
		if (line[0] == '#')
			break;
	}
	fail_msg("PROTOCOL.md lacks a row that begins: %s", want);
}

/* Rows of the first table in @section, without its two head lines. */
static unsigned int count_rows(const char *section)
{
	unsigned int rows = 0;
	for (const char *cursor = section; cursor;) {
		_cleanup_free_ char *line = next_line(&cursor);
		if (line[0] == '#' || (rows && line[0] != '|'))
			break;
		rows += line[0] == '|';
	}
	assert_true(rows > 2);
	return rows - 2;
}

static void types_are_those_of_the_code(void **state)
{
	/* clang-format off */
	static const struct { int type; const char *name; int max; const char *state; } rows[] = {
#define MTLS_TEST_ROW(name, number, text, max) { (number), text, max, "in use" },
#define MTLS_TEST_ROW_RESERVED(name, number, text, max) { (number), text, max, "reserved" },
		MTLS_MSG_TYPES(MTLS_TEST_ROW)
		MTLS_MSG_TYPES_RESERVED(MTLS_TEST_ROW_RESERVED)
	};
	/* clang-format on */
	const char *section = find_section("## 3 Message types");
	char want[256];
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		(void)snprintf(want, sizeof(want), "| %d | %s | %d | %s |", rows[i].type,
			       rows[i].name, rows[i].max, rows[i].state);
		assert_row(section, want);
	}
	assert_int_equal(count_rows(section), MTLS_COUNT(rows));
}

static void reasons_are_those_of_the_code(void **state)
{
	const char *section = find_section("## 7 Reasons");
	char want[1024];
	unsigned int i = 0;
	(void)state;
	for (int reason; (reason = mtls_reason_at(i)) >= 0; i++) {
		(void)snprintf(want, sizeof(want), "| %d | `%s` | %s | %s |", reason,
			       mtls_reason_token(reason), mtls_reason_text(reason),
			       mtls_reason_advice(reason));
		assert_row(section, want);
	}
	assert_int_equal(count_rows(section), i);
}

static const char *const kind_names[MTLS_FIELD_KINDS] = {
	[MTLS_FIELD_U32] = "number",          [MTLS_FIELD_I64] = "time",
	[MTLS_FIELD_ENUM] = "code",           [MTLS_FIELD_BOOL] = "flag",
	[MTLS_FIELD_TEXT] = "text",           [MTLS_FIELD_FIXED] = "bytes",
	[MTLS_FIELD_BYTES] = "bytes",         [MTLS_FIELD_SECRET] = "bytes",
	[MTLS_FIELD_TEXTS] = "list of text",  [MTLS_FIELD_CHAIN] = "list of bytes",
	[MTLS_FIELD_PAIRS] = "list of pairs", [MTLS_FIELD_GROUP] = "group",
};

/* The numbers that a code field takes, or where they stand. */
static void describe_codes(const struct mtls_field *f, struct mtls_buf *out)
{
	if (f->known(MTLS_REASON_UNMAPPED)) {
		(void)mtls_buf_append_str(out, " section 7");
		return;
	}
	for (int number = 0; number < 0x10000; number++)
		if (f->known(number))
			(void)mtls_buf_printf(out, " %d", number);
}

static void describe_range(const struct mtls_field *f, struct mtls_buf *out)
{
	switch (f->kind) {
	case MTLS_FIELD_ENUM:
		describe_codes(f, out);
		break;
	case MTLS_FIELD_FIXED:
		(void)mtls_buf_printf(out, " %zu", f->max);
		break;
	case MTLS_FIELD_PAIRS:
		(void)mtls_buf_printf(out, " 1-%zu", f->list_max);
		break;
	case MTLS_FIELD_TEXTS:
	case MTLS_FIELD_CHAIN:
		(void)mtls_buf_printf(out, " 1-%zu of", f->list_max);
		__attribute__((fallthrough));
	case MTLS_FIELD_TEXT:
	case MTLS_FIELD_BYTES:
	case MTLS_FIELD_SECRET:
		(void)mtls_buf_printf(out, " %zu-%zu", f->min, f->max);
		break;
	default:
		break;
	}
}

/* Every field has its row. Context tags are counted from 0, as mtls.asn has them. */
static unsigned int check_fields(const char *section, const struct mtls_field *fields, size_t count,
				 const char *prefix)
{
	unsigned int rows = 0, tag = 0;

	for (size_t i = 0; i < count; i++) {
		const struct mtls_field *f = &fields[i];
		_cleanup_buf_ struct mtls_buf row = MTLS_BUF(1024);
		char name[64];
		if (f->kind == MTLS_FIELD_UNUSED)
			continue;
		(void)snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix ? "." : "", f->name);
		(void)mtls_buf_printf(&row, "| `%s` | ", name);
		if (f->optional)
			(void)mtls_buf_printf(&row, "[%u] ", tag++);
		(void)mtls_buf_printf(&row, "%s |", kind_names[f->kind]);
		describe_range(f, &row);
		(void)mtls_buf_append_str(&row, " |");
		assert_row_begins(section, mtls_buf_cstr(&row));
		rows++;
		if (f->kind == MTLS_FIELD_GROUP)
			rows += check_fields(section, f->sub, f->sub_count, name);
	}
	return rows;
}

static void fields_are_those_of_the_code(void **state)
{
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(sample_types); i++) {
		int type = (int)sample_types[i];
		const struct mtls_fields *table = mtls_fields_of(type);
		char heading[128];
		(void)snprintf(heading, sizeof(heading), "### %s \xc2\xb7 type %d",
			       mtls_msg_type_name(type), type);
		print_message("# row %s\n", heading);
		const char *section = find_section(heading);
		unsigned int rows = check_fields(section, table->fields, table->count, "");
		assert_int_equal(rows ? count_rows(section) : 0, rows);
	}
}

/* Appends the bytes of a line of hexadecimal digits and spaces. */
static void append_hex_line(const char *line, struct mtls_buf *out)
{
	uint8_t byte;
	char pair[2];
	size_t n = 0;

	for (; *line; line++) {
		if (*line == ' ')
			continue;
		pair[n++] = *line;
		if (n < 2)
			continue;
		n = 0;
		assert_int_equal(mtls_hex_decode(pair, 2, &byte, 1), 1);
		assert_int_equal(mtls_buf_append_byte(out, byte), 0);
	}
	assert_int_equal(n, 0);
}

/* From behind "```example" to its end; returns the type of the message. */
static int replay_example(const char **cursor)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(PAGE_MAX);
	_cleanup_buf_ struct mtls_buf der = MTLS_BUF(PAGE_MAX);
	_cleanup_buf_ struct mtls_buf dump = MTLS_BUF(PAGE_MAX);
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = NULL;
	struct mtls_diag diag = { 0 };
	bool hex = false;

	for (char *line; (line = next_line(cursor)); free(line)) {
		if (behind(line, "```")) {
			free(line);
			break;
		}
		if (!*line)
			hex = true;
		else if (hex)
			append_hex_line(line, &der);
		else
			(void)mtls_buf_printf(&text, "%s\n", line);
	}
	if (mtls_msg_decode(der.data, der.len, &msg, &diag) < 0)
		fail_msg("%s\n%s", diag.text, mtls_buf_cstr(&text));
	dump_message(msg, &dump);
	assert_string_equal(mtls_buf_cstr(&dump), mtls_buf_cstr(&text));

	uint8_t *again = NULL;
	size_t again_len = 0;
	assert_int_equal(mtls_msg_encode(msg, &again, &again_len, NULL), 0);
	assert_int_equal(again_len, der.len);
	assert_memory_equal(again, der.data, der.len);
	free(again);
	return (int)msg->type;
}

static void examples_are_exact(void **state)
{
	uint64_t seen = 0;
	(void)state;
	for (const char *cursor = page; cursor;) {
		_cleanup_free_ char *line = next_line(&cursor);
		if (strcmp(line, "```example") == 0)
			seen |= UINT64_C(1) << replay_example(&cursor);
	}
	for (size_t i = 0; i < MTLS_COUNT(sample_types); i++)
		if (!(seen >> (int)sample_types[i] & 1))
			fail_msg("no example of %s", mtls_msg_type_name((int)sample_types[i]));
}

/* --- names and keys --- */

/* Dotted text of an OID whose arcs are small enough for the vectors. */
static void oid_text(const uint8_t *der, size_t len, char *out, size_t size)
{
	size_t n = (size_t)snprintf(out, size, "%d.%d", der[0] / 40, der[0] % 40);
	unsigned int arc = 0;

	for (size_t i = 1; i < len; i++) {
		arc = arc << 7 | (der[i] & 0x7f);
		if (der[i] & 0x80)
			continue;
		n += (size_t)snprintf(out + n, size - n, ".%u", arc);
		arc = 0;
	}
}

/* A Name: SEQUENCE OF SET OF SEQUENCE { OID, value }, of good DER but for the values. */
static int format_name(const uint8_t *der, struct mtls_buf *out)
{
	static struct mtls_rdn rdns[4];
	static char oids[16][32];
	size_t count = 0, oid_count = 0, left, set_left, ava_len, oid_len;

	memset(rdns, 0, sizeof(rdns));
	der += der_header(der, &left);
	while (left > 0) {
		size_t header = der_header(der, &set_left);
		left -= header + set_left;
		for (der += header; set_left > 0;) {
			header = der_header(der, &ava_len);
			const uint8_t *oid = der + header;
			const uint8_t *oid_body = oid + der_header(oid, &oid_len);
			oid_text(oid_body, oid_len, oids[oid_count], sizeof(oids[0]));
			rdns[count].ava[rdns[count].count++] = (struct mtls_ava){
				.oid = oids[oid_count++],
				.value = oid_body + oid_len,
				.len = (size_t)(der + header + ava_len - oid_body) - oid_len,
			};
			der += header + ava_len;
			set_left -= header + ava_len;
		}
		count++;
	}
	return mtls_dn_format(rdns, count, out);
}

static int compute_name(const char *text, struct mtls_buf *out)
{
	return mtls_dn_canonical(text, strlen(text), out, NULL);
}

static int compute_name_of_der(const char *hex, struct mtls_buf *out)
{
	_cleanup_buf_ struct mtls_buf der = MTLS_BUF(4096);
	append_hex_line(hex, &der);
	return format_name(der.data, out);
}

static int compute_key(const char *text, struct mtls_buf *out)
{
	enum mtls_key_kind kind;
	return mtls_key_parse(text, strlen(text), &kind, out, NULL);
}

typedef int compute(const char *text, struct mtls_buf *out);

/* From behind the fence to its end; returns the number of vectors. */
static unsigned int replay_vectors(const char **cursor, compute *of_text, compute *of_der)
{
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(MTLS_KEY_MAX);
	unsigned int count = 0;
	int r = 0;

	for (;;) {
		_cleanup_free_ char *line = next_line(cursor);
		const char *text;
		if (!line || behind(line, "```"))
			return count;
		print_message("# row %s\n", line);
		if ((text = behind(line, "in  "))) {
			mtls_buf_reset(&out);
			r = of_text(text, &out);
		} else if ((text = behind(line, "der "))) {
			mtls_buf_reset(&out);
			r = of_der(text, &out);
		} else if ((text = behind(line, "out "))) {
			assert_int_equal(r, 0);
			assert_string_equal(mtls_buf_cstr(&out), text);
			count++;
		} else {
			text = behind(line, "refused");
			assert_non_null(text);
			if (*text) {
				mtls_buf_reset(&out);
				r = of_text(text + 1, &out);
			}
			assert_true(r == MTLS_E_SYNTAX || r == MTLS_E_UNSUPPORTED);
			assert_int_equal(out.len, 0);
			count++;
		}
	}
}

static void vectors_hold(void **state)
{
	unsigned int names = 0, keys = 0;
	(void)state;
	for (const char *cursor = page; cursor;) {
		_cleanup_free_ char *line = next_line(&cursor);
		if (strcmp(line, "```names") == 0)
			names += replay_vectors(&cursor, compute_name, compute_name_of_der);
		if (strcmp(line, "```keys") == 0)
			keys += replay_vectors(&cursor, compute_key, NULL);
	}
	assert_true(names >= 30);
	assert_true(keys >= 10);
}

static void kinds_of_keys_are_those_of_the_code(void **state)
{
	const char *section = find_section("## 9 Certificate keys");
	(void)state;
	for (int kind = 0; kind < MTLS_KEY_KINDS; kind++) {
		char name[64];
		(void)snprintf(name, sizeof(name), "`%s`",
			       mtls_key_kind_name((enum mtls_key_kind)kind));
		print_message("# row %s\n", name);
		assert_non_null(strstr(section, name));
	}
}

/* Numbers that the prose gives. */
static void limits_are_those_of_the_code(void **state)
{
	/* clang-format off */
	static const struct { int number; const char *text; } rows[] = {
		{ MTLS_CHAIN_MAX, "certificates (%d), their size" },
		{ MTLS_CERT_MAX, "their size (%d bytes each" },
		{ MTLS_CHAIN_BYTES_MAX, "most %d bytes together" },
		{ MTLS_CREDENTIALS_MAX, "0 to %d of them" },
		{ MTLS_ASN1_ELEMENTS_MAX, "at most %d elements in a message" },
		{ MTLS_ASN1_DEPTH_MAX, "nested at most %d deep" },
		{ MTLS_DN_TEXT_MAX, "Limits: %d bytes" },
		{ MTLS_DN_RDN_MAX, "%d RDNs" },
		{ MTLS_DN_AVA_MAX, "%d values in an RDN" },
		{ MTLS_DN_OID_MAX, "%d bytes of an OID" },
		{ MTLS_DN_INPUT_MAX, "at most %d bytes" },
		{ MTLS_PROTOCOL_VERSION, "`version` is %d." },
		{ MTLS_CONTROL_FIELDS_MAX, "at most %d SEQUENCEs of two" },
		{ MTLS_CONTROL_NAME_MAX, "1 to %d bytes, none there twice" },
		{ MTLS_CONTROL_VALUE_MAX, "texts of 0 to %d bytes" },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		char text[128];
		const char *at = strstr(rows[i].text, "%d");
		(void)snprintf(text, sizeof(text), "%.*s%d%s", (int)(at - rows[i].text),
			       rows[i].text, rows[i].number, at + 2);
		print_message("# row %s\n", text);
		assert_non_null(strstr(page, text));
	}
	assert_non_null(strstr(page, "**ALPN** `" MTLS_ALPN "`"));
}

/* Every verb has its row, every code too. */
static void control_is_that_of_the_code(void **state)
{
	static const char *const verbs[] = {
		MTLS_ACCT_VERB_STATUS,      MTLS_ACCT_VERB_USER_ADD,    MTLS_ACCT_VERB_USER_CHANGE,
		MTLS_ACCT_VERB_USER_REMOVE, MTLS_ACCT_VERB_GROUP_ADD,   MTLS_ACCT_VERB_GROUP_REMOVE,
		MTLS_ACCT_VERB_BIND_ADD,    MTLS_ACCT_VERB_BIND_REMOVE, MTLS_ACCT_VERB_BIND_LIST,
		MTLS_ACCT_VERB_IMPORT,      MTLS_ACCT_VERB_PUBLISH,
	};
	const char *section = find_section("### Verbs");
	char want[64];
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(verbs); i++) {
		(void)snprintf(want, sizeof(want), "| `%s` |", verbs[i]);
		assert_row_begins(section, want);
	}
	assert_int_equal(count_rows(section), MTLS_COUNT(verbs));
	section = find_section("## 11 Control");
	for (int code = MTLS_CONTROL_OK; code <= MTLS_CONTROL_UNPUBLISHED; code++) {
		(void)snprintf(want, sizeof(want), "| %d | ", code);
		assert_row_begins(section, want);
	}
	assert_int_equal(count_rows(section), MTLS_CONTROL_UNPUBLISHED + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_are_those_of_the_code),
		cmocka_unit_test(reasons_are_those_of_the_code),
		cmocka_unit_test(fields_are_those_of_the_code),
		cmocka_unit_test(examples_are_exact),
		cmocka_unit_test(vectors_hold),
		cmocka_unit_test(kinds_of_keys_are_those_of_the_code),
		cmocka_unit_test(limits_are_those_of_the_code),
		cmocka_unit_test(control_is_that_of_the_code),
	};
	return cmocka_run_group_tests(tests, load_page, free_page);
}
