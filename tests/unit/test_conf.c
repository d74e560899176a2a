/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/conf: grammar, types, arguments, files, dump. */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "lib/conf/conf.h"

enum colour { RED = 7, GREEN = 9 };

struct element {
	char *name;
	char **files;
	uint32_t size;
	bool host;
};

struct settings {
	bool flag;
	uint32_t number;
	uint32_t timeout_ms;
	char *text;
	char *path;
	enum colour colour;
	char **list;
	char **paths;
	char *must;
	uint32_t level; /* of the chosen section */
	struct element *elements;
	size_t element_count;
};

static bool not_bad(const char *value)
{
	return !mtls_streq(value, "bad");
}

static const struct mtls_conf_word colours[] = {
	{ "red", RED },
	{ "green", GREEN },
	{ NULL, 0 },
};
static const struct mtls_conf_word roles[] = { { "user", 0 }, { "host", 1 }, { NULL, 0 } };

#define F(name) offsetof(struct settings, name)
#define E(name) offsetof(struct element, name)

static const struct mtls_conf_item items[] = {
	{ .key = "flag", .type = MTLS_CONF_BOOL, .offset = F(flag), .def = "no" },
	{ .key = "number",
	  .type = MTLS_CONF_U32,
	  .offset = F(number),
	  .def = "5",
	  .min = 1,
	  .max = 64 },
	{ .key = "timeout",
	  .type = MTLS_CONF_DURATION,
	  .offset = F(timeout_ms),
	  .def = "2s",
	  .min = 10,
	  .max = 120000 },
	{ .key = "text",
	  .type = MTLS_CONF_STRING,
	  .offset = F(text),
	  .valid = not_bad,
	  .expected = "anything but bad" },
	{ .key = "path", .type = MTLS_CONF_PATH, .offset = F(path), .def = "/etc/x" },
	{ .key = "colour",
	  .type = MTLS_CONF_WORD,
	  .offset = F(colour),
	  .def = "red",
	  .words = colours },
	{ .key = "list", .type = MTLS_CONF_STRINGS, .offset = F(list), .def = "a,b" },
	{ .key = "paths", .type = MTLS_CONF_PATHS, .offset = F(paths) },
	{ .key = "must", .type = MTLS_CONF_STRING, .offset = F(must), .required = true },
};
static const struct mtls_conf_item chosen_items[] = {
	{ .key = "level",
	  .type = MTLS_CONF_U32,
	  .offset = F(level),
	  .def = "1",
	  .min = 0,
	  .max = 9 },
};
static const struct mtls_conf_item element_items[] = {
	{ .key = "files", .type = MTLS_CONF_PATHS, .offset = E(files), .required = true },
	{ .key = "size", .type = MTLS_CONF_U32, .offset = E(size), .def = "3", .min = 0, .max = 9 },
	{ .key = "role", .type = MTLS_CONF_BOOL, .offset = E(host), .def = "user", .words = roles },
};
static const struct mtls_conf_section sections[] = {
	{ .name = "service", .items = chosen_items, .item_count = MTLS_COUNT(chosen_items) },
	{ .name = "ca",
	  .items = element_items,
	  .item_count = MTLS_COUNT(element_items),
	  .element_size = sizeof(struct element),
	  .array_offset = F(elements),
	  .count_offset = F(element_count),
	  .title_offset = E(name) },
};
static const struct mtls_conf_table table = {
	.name = "test.conf",
	.size = sizeof(struct settings),
	.items = items,
	.item_count = MTLS_COUNT(items),
	.sections = sections,
	.section_count = MTLS_COUNT(sections),
};

static int parse_bytes(const void *data, size_t len, const char *title, struct settings *settings,
		       struct mtls_diag *diag)
{
	const struct mtls_conf_source source = {
		.name = "F", .data = data, .len = len, .title = title
	};
	memset(settings, 0, sizeof(*settings));
	return mtls_conf_parse_buffer(&table, &source, settings, diag);
}

static int parse(const char *text, struct settings *settings, struct mtls_diag *diag)
{
	return parse_bytes(text, strlen(text), "sudo", settings, diag);
}

static void defaults_and_every_type(void **state)
{
	struct settings s;
	struct mtls_diag diag = { 0 };

	(void)state;
	assert_int_equal(parse("must = x\n", &s, &diag), 0);
	assert_false(s.flag);
	assert_int_equal(s.number, 5);
	assert_int_equal(s.timeout_ms, 2000);
	assert_null(s.text);
	assert_string_equal(s.path, "/etc/x");
	assert_int_equal(s.colour, RED);
	assert_int_equal(mtls_strv_count(s.list), 2);
	assert_string_equal(s.list[1], "b");
	assert_null(s.paths);
	assert_int_equal(s.level, 1);
	assert_int_equal(s.element_count, 0);
	mtls_conf_release(&table, &s);

	assert_int_equal(parse("# everything\n"
			       "flag = yes  # a comment\n"
			       "number=64\n"
			       "timeout = 500ms\n"
			       "text = \"a \\\"b\\\" \\\\ # no comment, { } = ü\"\n"
			       "path = /var/lib\n"
			       "colour = green\n"
			       "list = { 'x\\y', \"it's\", z,\n\t'\\'', }\n"
			       "paths = /one\n"
			       "must = 'x'\n"
			       "service sudo { level = 4 }\n"
			       "service \"su\" { level = 5 }\n"
			       "ca one { files = { /a, \"/b c\" } role = host }\n"
			       "ca two { files = /c\n size = 9 }\n",
			       &s, &diag),
			 0);
	assert_true(s.flag);
	assert_int_equal(s.number, 64);
	assert_int_equal(s.timeout_ms, 500);
	assert_string_equal(s.text, "a \"b\" \\ # no comment, { } = ü");
	assert_string_equal(s.path, "/var/lib");
	assert_int_equal(s.colour, GREEN);
	assert_int_equal(mtls_strv_count(s.list), 4);
	assert_string_equal(s.list[0], "x\\y");
	assert_string_equal(s.list[1], "it's");
	assert_string_equal(s.list[3], "'");
	assert_int_equal(mtls_strv_count(s.paths), 1);
	assert_int_equal(s.level, 4);
	assert_int_equal(s.element_count, 2);
	assert_string_equal(s.elements[0].name, "one");
	assert_int_equal(mtls_strv_count(s.elements[0].files), 2);
	assert_string_equal(s.elements[0].files[1], "/b c");
	assert_true(s.elements[0].host);
	assert_int_equal(s.elements[0].size, 3);
	assert_int_equal(s.elements[1].size, 9);
	assert_false(s.elements[1].host);
	mtls_conf_release(&table, &s);
}

/* clang-format off */
static const struct {
	const char *name;
	const char *text;
	const char *want; /* in the message */
} bad_files[] = {
	{ "unknown key", "must = x\n\nnope = 1\n", "F:3: found 'nope', expected one of: flag number" },
	{ "unknown section", "nope x { }\n", "F:1: found 'nope', expected one of:" },
	{ "unknown key in a section", "service sudo {\n nope = 1 }", "F:2: found 'nope', expected one of: level" },
	{ "a key of another level", "service sudo { number = 1 }", "found 'number', expected one of: level" },
	{ "a section's key outside", "level = 1", "found 'level', expected one of:" },
	{ "key of another section by path", "ca x { files = /a }\nca|size = 1\n", "F:2: found '|'" },
	{ "quoted key", "\"must\" = x\n", "F:1: found '=', expected a key before it, without quotes" },
	{ "duplicate scalar", "must = x\nnumber = 1\nnumber = 2\n", "F:3: found 'number' again (first on line 2), expected it once" },
	{ "duplicate list", "list = { a, b }\nlist = { c }", "F:2: found 'list' again" },
	{ "duplicate scalar in a section", "ca x { files = /a size = 1\nsize = 1 }", "F:2: found 'size' again" },
	{ "duplicate title", "ca x { files = /a }\nca x { files = /b }\n", "found a second section 'x', expected each title once" },
	{ "duplicate title of another service", "service login { level = 1 }\nservice login { level = 2 }", "found a second section 'login'" },
	{ "bad bool", "flag = 1", "F:1: found '1' for 'flag', expected yes or no" },
	{ "bool in capitals", "flag = Yes", "found 'Yes' for 'flag'" },
	{ "number below", "number = 0", "F:1: found '0' for 'number', expected a number from 1 to 64" },
	{ "number above", "number = 65", "found '65' for 'number'" },
	{ "number far above", "number = 4294967297", "found '4294967297' for 'number'" },
	{ "number with zeros", "number = 010", "found '010' for 'number'" },
	{ "number in hex", "number = 0x10", "found '0x10' for 'number'" },
	{ "negative number", "number = -1", "found '-1' for 'number'" },
	{ "duration without unit", "timeout = 5", "F:1: found '5' for 'timeout', expected a time with its unit" },
	{ "duration of another unit", "timeout = 5h", "found '5h' for 'timeout'" },
	{ "duration above", "timeout = 3min", "found '3min' for 'timeout'" },
	{ "duration that overflows", "timeout = 4294967295min", "found '4294967295min' for 'timeout'" },
	{ "duration with many digits", "timeout = 000000000000000005s", "for 'timeout'" },
	{ "relative path", "path = etc/x", "F:1: found 'etc/x' for 'path', expected an absolute path" },
	{ "path with ..", "path = /etc/../x", "for 'path'" },
	{ "path that ends in ..", "path = /etc/..", "for 'path'" },
	{ "path with //", "path = \"/etc//x\"", "for 'path'" },
	{ "the root as path", "path = /", "for 'path'" },
	{ "second path of a list", "paths = { /a, b }", "found 'b' for 'paths'" },
	{ "word", "colour = blue", "F:1: found 'blue' for 'colour', expected red or green" },
	{ "bool with words", "ca x { files = /a role = yes }", "found 'yes' for 'role', expected user or host" },
	{ "own check", "text = bad", "F:1: found 'bad' for 'text', expected anything but bad" },
	{ "empty string", "text = \"\"", "found '' for 'text'" },
	{ "missing key", "number = 1\n", "F: found no 'must', expected 'must = ...'" },
	{ "missing key in a section", "must = x\nca x { }", "F: found no 'files' in section x" },
	{ "list for a scalar", "number = { 1, 2 }", "F:1: found '{', expected" },
	{ "empty list", "must = x\nlist = { # nothing\n }", "F:3: found an empty list, expected at least one value" },
	{ "empty list that would erase", "list = { a }\nlist = {}", "F:2: found an empty list" },
	{ "append", "list += { a }", "F:1: found '+'" },
	{ "other service is checked too", "must = x\nservice login { level = 77 }", "F:2: found '77' for 'level'" },
	{ "value of a variable", "must = ${HOME}", "F:1: found '${', expected no variable" },
	{ "variable in double quotes", "must = \"a${HOME}\"", "F:1: found '${'" },
	{ "variable behind an escape", "must = \"\\\\${HOME}\"", "F:1: found '${'" },
	{ "variable in single quotes", "must = '${HOME}'", "F:1: found '${'" },
	{ "variable as key", "${HOME} = x", "F:1: found '${'" },
	{ "variable as title", "service ${HOME} { }", "F:1: found '${'" },
	{ "include", "include(\"/etc/passwd\")", "F:1: found '('" },
	{ "include without parentheses", "include \"/etc/passwd\"", "found 'include', expected one of:" },
	{ "star without quotes", "must = tty*", "F:1: found '*', expected quotes" },
	{ "plus without quotes", "must = a+b", "F:1: found '+', expected quotes" },
	{ "carriage return", "must = x\r\n", "F:1: found a control character" },
	{ "escape in a comment", "must = x\n# \033[2J\n", "F:2: found a control character" },
	{ "bad UTF-8", "must = x\ntext = \"\xff\"", "F:2: found bytes that are not UTF-8" },
	{ "bad UTF-8 in a comment", "# \xc0\x80\nmust = x", "F:1: found bytes that are not UTF-8" },
	{ "C1 control", "must = \"\xc2\x9b\"", "for 'must'" },
	{ "letter without quotes", "must = \xc3\xbc", "F:1: found a letter outside ASCII, expected quotes" },
	{ "// comment", "must = x\n// c\n", "F:2: found '//', expected '#'" },
	{ "/* comment", "must = x /* c */", "found '*'" },
	{ "unterminated double quote", "must = \"x", "F:1: found the end of the line in a string" },
	{ "unterminated single quote", "must = 'x\n'", "F:1: found the end of the line in a string" },
	{ "backslash at the end", "must = \"x\\", "F:1: found a backslash" },
	{ "backslash at the end, single", "must = 'x\\", "F:1: found the end of the line" },
	{ "NUL by escape", "must = \"x\\x00y\"", "F:1: found a backslash" },
	{ "octal escape", "must = \"x\\000y\"", "F:1: found a backslash" },
	{ "newline by escape", "must = \"x\\ny\"", "F:1: found a backslash" },
	{ "continued line", "must = \"x\\\ny\"", "F:1: found a backslash" },
	{ "section never closed", "must = x\nservice sudo {\n level = 1\n", "F:2: found a '{' that is never closed" },
	{ "list never closed", "list = { a, b", "F:1: found a '{' that is never closed" },
	{ "brace too much", "must = x }", "F:1: found '}', expected a '{' before it" },
	{ "no equal sign", "must x\n", "F:1: found no '=' behind 'must'" },
	{ "no value", "number = = 1", "F:1: found '='" },
	{ "no value at the end", "must = x\nnumber =", "end of file" },
	{ "two values", "must = a b", "F:1: found 'b', expected one of:" },
	{ "two strings", "must = 'a' 'b'", "F:1: found 'b', expected one of:" },
	{ "no title", "service { level = 1 }", "F:1: found no title behind 'service'" },
	{ "bad title", "service \"a b\" { }\nmust = x", "found the title 'a b', expected 1 to 64" },
	{ "empty title", "service \"\" { }\nmust = x", "found the title ''" },
	{ "title of 65 bytes", "must = x\nservice aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa { }", "found the title" },
	{ "no brace", "service sudo = 1", "F:1: found no '{' behind the title of 'service'" },
	{ "section in a section", "service sudo { service su { } }", "found 'service', expected one of: level" },
	{ "lonely comma", "must = x\n, ", "F:2: found ','" },
	{ "lonely equal sign", "= x", "F:1: found '='" },
};
/* clang-format on */

static void bad_files_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(bad_files); i++) {
		struct settings s;
		struct mtls_diag diag = { 0 };
		int r = parse(bad_files[i].text, &s, &diag);
		if (r != MTLS_E_CONFIG || !strstr(diag.text, bad_files[i].want))
			fail_msg("%s: %d, '%s'", bad_files[i].name, r, diag.text);
		static const struct settings none;
		assert_memory_equal(&s, &none, sizeof(s));
		/* Nothing of a failure stays behind in the parser. */
		assert_int_equal(parse("must = x\n# \"\n", &s, &diag), 0);
		assert_string_equal(s.must, "x");
		mtls_conf_release(&table, &s);
	}
}

static void nul_bytes_are_refused(void **state)
{
	struct settings s;
	struct mtls_diag diag = { 0 };
	static const char text[] = "must = x\n\0number = 1\n";

	(void)state;
	assert_int_equal(parse_bytes(text, sizeof(text) - 1, NULL, &s, &diag), MTLS_E_CONFIG);
	assert_string_equal(diag.text, "F:2: found a control character, expected text");
}

/* Comments as long as libConfuse's buffer, and empty ones, made it write behind its buffer. */
static void comments_of_every_length(void **state)
{
	(void)state;
	for (size_t n = 0; n < 200; n++) {
		char text[256] = "#";
		memset(text + 1, 'x', n);
		(void)snprintf(text + 1 + n, sizeof(text) - 1 - n, "\nmust = y#\n#\n");
		struct settings s;
		assert_int_equal(parse(text, &s, NULL), 0);
		assert_string_equal(s.must, "y");
		mtls_conf_release(&table, &s);
	}
}

/* The environment must never reach the configuration of a setuid program. */
static void environment_is_not_read(void **state)
{
	static const char *const forms[] = {
		"must = ${MTLS_TEST}",       "must = \"${MTLS_TEST}\"",
		"must = '${MTLS_TEST}'",     "must = \"$\\\n{MTLS_TEST}\"",
		"must = \"${UNSET:-evil}\"", "must = $MTLS_TEST",
		"must = \"$MTLS_TEST\"",     "must = ~",
	};
	(void)state;
	assert_int_equal(setenv("MTLS_TEST", "evil", 1), 0);
	for (size_t i = 0; i < MTLS_COUNT(forms); i++) {
		struct settings s;
		if (parse(forms[i], &s, NULL) < 0)
			continue;
		assert_null(strstr(s.must, "evil"));
		mtls_conf_release(&table, &s);
	}
}

static void limits(void **state)
{
	struct settings s;
	struct mtls_diag diag = { 0 };
	_cleanup_free_ char *text = malloc(MTLS_CONF_FILE_MAX + 100);
	(void)state;
	assert_non_null(text);

	/* A value of the greatest length, and one more. */
	memset(text, 'a', MTLS_CONF_VALUE_MAX + 20);
	memcpy(text, "must = ", 7);
	text[7 + MTLS_CONF_VALUE_MAX] = '\0';
	assert_int_equal(parse(text, &s, &diag), 0);
	assert_int_equal(strlen(s.must), MTLS_CONF_VALUE_MAX);
	mtls_conf_release(&table, &s);
	text[7 + MTLS_CONF_VALUE_MAX] = 'a';
	text[8 + MTLS_CONF_VALUE_MAX] = '\0';
	assert_int_equal(parse(text, &s, &diag), MTLS_E_CONFIG);

	/* A list of the greatest length, and one more. */
	for (int n = MTLS_CONF_LIST_MAX; n <= MTLS_CONF_LIST_MAX + 1; n++) {
		size_t len = (size_t)sprintf(text, "must = x list = { a");
		for (int i = 1; i < n; i++)
			len += (size_t)sprintf(text + len, ", a");
		(void)sprintf(text + len, " }");
		int want = n > MTLS_CONF_LIST_MAX ? MTLS_E_CONFIG : 0;
		assert_int_equal(parse(text, &s, &diag), want);
		if (!want)
			mtls_conf_release(&table, &s);
	}

	/* Too many sections. */
	size_t len = (size_t)sprintf(text, "must = x\n");
	for (int i = 0; i < MTLS_CONF_TITLES_MAX; i++)
		len += (size_t)sprintf(text + len, "service s%d { }\n", i);
	assert_int_equal(parse(text, &s, &diag), 0);
	mtls_conf_release(&table, &s);
	(void)sprintf(text + len, "service more { }\n");
	assert_int_equal(parse(text, &s, &diag), MTLS_E_CONFIG);
	assert_non_null(strstr(diag.text, "257 sections 'service'"));

	/* A file of the greatest length, and one more. */
	memset(text, '\n', MTLS_CONF_FILE_MAX + 1);
	memcpy(text, "must = x", 8);
	assert_int_equal(parse_bytes(text, MTLS_CONF_FILE_MAX, NULL, &s, &diag), 0);
	mtls_conf_release(&table, &s);
	assert_int_equal(parse_bytes(text, MTLS_CONF_FILE_MAX + 1, NULL, &s, &diag), MTLS_E_CONFIG);
}

static void arguments(void **state)
{
	static const struct {
		const char *name;
		const char *args[4];
		int want;
		const char *message;
	} rows[] = {
		{ "none", { NULL }, 0, NULL },
		{ "one of each", { "number=7", "list=p,q,r", "level=8", "flag" }, 0, NULL },
		{ "unknown",
		  { "nope=1" },
		  MTLS_E_CONFIG,
		  "argument 'nope=1': found an unknown key" },
		{ "unknown without value",
		  { "use_first_pass" },
		  MTLS_E_CONFIG,
		  "argument 'use_first_pass'" },
		{ "prefix of a key", { "num=7" }, MTLS_E_CONFIG, "'num=7'" },
		{ "key of an element", { "size=7" }, MTLS_E_CONFIG, "'size=7'" },
		{ "empty", { "" }, MTLS_E_CONFIG, "argument ''" },
		{ "twice", { "number=7", "number=7" }, MTLS_E_CONFIG, "found 'number' again" },
		{ "no value", { "number" }, MTLS_E_CONFIG, "expected number=VALUE" },
		{ "bad value",
		  { "number=77" },
		  MTLS_E_CONFIG,
		  "argument 'number': found '77', expected a number from 1 to 64" },
		{ "empty list", { "list=" }, MTLS_E_CONFIG, "found an empty list" },
		{ "empty item", { "list=a,,b" }, MTLS_E_CONFIG, "argument 'list': found ''" },
		{ "control character", { "text=a\nb" }, MTLS_E_CONFIG, "argument 'text'" },
		{ "variable", { "text=${HOME}" }, MTLS_E_CONFIG, "argument 'text'" },
		{ "bad bool", { "flag=maybe" }, MTLS_E_CONFIG, "argument 'flag'" },
	};
	static const char text[] = "must = x\nnumber = 3\nservice sudo { level = 4 }\n";

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct settings s = { 0 };
		struct mtls_diag diag = { 0 };
		int argc = 0;
		while (argc < 4 && rows[i].args[argc])
			argc++;
		const struct mtls_conf_source source = {
			.name = "F",
			.data = (const uint8_t *)text,
			.len = sizeof(text) - 1,
			.title = "sudo",
			.argc = argc,
			.argv = argc ? rows[i].args : NULL,
		};
		int r = mtls_conf_parse_buffer(&table, &source, &s, &diag);
		if (r != rows[i].want || (rows[i].message && !strstr(diag.text, rows[i].message)))
			fail_msg("%s: %d, '%s'", rows[i].name, r, diag.text);
		if (i == 0)
			assert_int_equal(s.number * 100 + s.level, 304);
		if (i == 1) {
			assert_int_equal(s.number * 100 + s.level, 708);
			assert_int_equal(mtls_strv_count(s.list), 3);
			assert_true(s.flag);
		}
		mtls_conf_release(&table, &s);
	}
}

static void missing_file_means_defaults_and_arguments(void **state)
{
	static const char *const args[] = { "must=x" };
	const struct mtls_conf_source source = { .name = "F", .argc = 1, .argv = args };
	struct settings s = { 0 };

	(void)state;
	assert_int_equal(mtls_conf_parse_buffer(&table, &source, &s, NULL), 0);
	assert_int_equal(s.number, 5);
	mtls_conf_release(&table, &s);
}

static void dump_says_where_values_come_from(void **state)
{
	static const char text[] =
		"must = 'a \"b\\c'\nlist = { p,\n q }\nservice sudo {\n level = 4 }\n"
		"ca one { files = /a }\n";
	static const char *const args[] = { "number=7" };
	static const char want[] = "flag = \"no\" # default\n"
				   "number = \"7\" # argument\n"
				   "timeout = \"2s\" # default\n"
				   "# text is not set # default\n"
				   "path = \"/etc/x\" # default\n"
				   "colour = \"red\" # default\n"
				   "list = { \"p\", \"q\" } # F:2\n"
				   "# paths is not set # default\n"
				   "must = \"a \\\"b\\\\c\" # F:1\n"
				   "service sudo {\n\tlevel = \"4\" # F:5\n}\n"
				   "ca one {\n\tfiles = { \"/a\" } # F:6\n"
				   "\tsize = \"3\" # default\n\trole = \"user\" # default\n}\n";
	const struct mtls_conf_source source = {
		.name = "F",
		.data = (const uint8_t *)text,
		.len = sizeof(text) - 1,
		.title = "sudo",
		.argc = 1,
		.argv = args,
	};
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(4096);

	(void)state;
	assert_int_equal(mtls_conf_dump(&table, &source, &out, NULL), 0);
	assert_string_equal(mtls_buf_cstr(&out), want);

	/* What was dumped can be read again and is the same. */
	struct settings s = { 0 };
	assert_int_equal(parse(want, &s, NULL), 0);
	assert_string_equal(s.must, "a \"b\\c");
	assert_int_equal(s.level, 4);
	mtls_conf_release(&table, &s);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	(void)unlink(path);
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void files_must_be_roots(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("# only root can make files that are trusted\n");
		skip();
	}
	char folder[] = "/tmp/test_conf.XXXXXX";
	assert_non_null(mkdtemp(folder));
	char path[64], link[64];
	(void)snprintf(path, sizeof(path), "%s/c", folder);
	(void)snprintf(link, sizeof(link), "%s/l", folder);
	struct mtls_diag diag = { 0 };
	struct mtls_buf buf = MTLS_BUF(64);

	assert_int_equal(mtls_conf_read(path, true, &buf, &diag), 0);
	assert_int_equal(mtls_conf_read(path, false, &buf, &diag), -ENOENT);
	assert_non_null(strstr(diag.text, path));

	write_file(path, "must = x\n", 0644);
	assert_int_equal(mtls_conf_read(path, true, &buf, &diag), 1);
	assert_string_equal(mtls_buf_cstr(&buf), "must = x\n");

	assert_int_equal(chmod(path, 0664), 0);
	assert_int_equal(mtls_conf_read(path, false, &buf, &diag), MTLS_E_UNTRUSTED);
	assert_int_equal(chmod(path, 0646), 0);
	assert_int_equal(mtls_conf_read(path, true, &buf, &diag), MTLS_E_UNTRUSTED);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(chown(path, 1, 0), 0);
	assert_int_equal(mtls_conf_read(path, true, &buf, &diag), MTLS_E_UNTRUSTED);
	assert_int_equal(chown(path, 0, 0), 0);
	assert_int_equal(chmod(folder, 0777), 0);
	assert_int_equal(mtls_conf_read(path, true, &buf, &diag), MTLS_E_UNTRUSTED);
	assert_int_equal(chmod(folder, 0700), 0);
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(mtls_conf_read(link, true, &buf, &diag), -ELOOP);
	assert_int_equal(mtls_conf_read(folder, true, &buf, &diag), MTLS_E_UNTRUSTED);
	mtls_buf_reset(&buf);
	write_file(path, "0123456789012345678901234567890123456789012345678901234567890123456",
		   0644);
	assert_int_equal(mtls_conf_read(path, true, &buf, &diag), MTLS_E_LIMIT);

	mtls_buf_done(&buf);
	(void)unlink(link);
	(void)unlink(path);
	(void)rmdir(folder);
}

/* libConfuse must not talk on the host program's standard error. */
static void nothing_on_standard_error(void **state)
{
	char path[] = "/tmp/test_conf.XXXXXX";
	int fd = mkstemp(path);
	int kept = dup(STDERR_FILENO);

	(void)state;
	assert_true(fd >= 0 && kept >= 0);
	assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	for (size_t i = 0; i < MTLS_COUNT(bad_files); i++) {
		struct settings s;
		(void)parse(bad_files[i].text, &s, NULL);
		mtls_conf_release(&table, &s);
	}
	(void)fflush(stderr);
	assert_int_equal(dup2(kept, STDERR_FILENO), STDERR_FILENO);
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 0);
	(void)close(kept);
	(void)close(fd);
	(void)unlink(path);
}

static void *parse_often(void *arg)
{
	char text[128], want[16];
	bool good = true;

	(void)snprintf(want, sizeof(want), "x%d", *(const int *)arg);
	(void)snprintf(text, sizeof(text), "must = %s\nlist = { %s, %s }\n", want, want, want);
	for (int i = 0; i < 200; i++) {
		struct settings s;
		good = good && parse("must = \"", &s, NULL) == MTLS_E_CONFIG;
		good = good && parse(text, &s, NULL) == 0 && mtls_streq(s.must, want) &&
		       mtls_strv_count(s.list) == 2;
		mtls_conf_release(&table, &s);
	}
	return good ? arg : NULL;
}

static void threads_do_not_disturb_one_another(void **state)
{
	pthread_t threads[4];
	static const int numbers[4] = { 0, 1, 2, 3 };

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, parse_often,
						(void *)(uintptr_t)&numbers[i]),
				 0);
	for (int i = 0; i < 4; i++) {
		void *result = NULL;
		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_ptr_equal(result, &numbers[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_and_every_type),
		cmocka_unit_test(bad_files_are_refused),
		cmocka_unit_test(nul_bytes_are_refused),
		cmocka_unit_test(comments_of_every_length),
		cmocka_unit_test(environment_is_not_read),
		cmocka_unit_test(limits),
		cmocka_unit_test(arguments),
		cmocka_unit_test(missing_file_means_defaults_and_arguments),
		cmocka_unit_test(dump_says_where_values_come_from),
		cmocka_unit_test(files_must_be_roots),
		cmocka_unit_test(nothing_on_standard_error),
		cmocka_unit_test(threads_do_not_disturb_one_another),
	};
	return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
