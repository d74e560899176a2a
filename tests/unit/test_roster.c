/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/roster: readers of passwd, group, CSV; writers; entries that are there twice. */
#include <config.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/str.h"
#include "lib/roster/roster.h"

#define A32  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEAD "name,uid,gid,gecos,home,shell,groups\n"

typedef int read_fn(const char *file, const uint8_t *text, size_t len, struct mtls_roster *roster,
		    struct mtls_diag *diag);

/* A text with its length: it may hold NUL. */
#define T(text) text, sizeof(text) - 1

struct row {
	const char *row, *text;
	size_t len;
	const char *want; /* what the writer makes of it, or the message */
};

static void write_all(const struct mtls_roster *roster, read_fn *syntax, struct mtls_buf *out)
{
	for (size_t i = 0; i < roster->user_count; i++)
		if (syntax == mtls_roster_csv)
			(void)mtls_roster_write_csv(&roster->users[i], out);
		else
			(void)mtls_roster_write_passwd(&roster->users[i], out);
	for (size_t i = 0; i < roster->group_count; i++)
		(void)mtls_roster_write_group(&roster->groups[i], out);
}

static void run(read_fn *syntax, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		_cleanup_buf_ struct mtls_buf out = MTLS_BUF(1 << 20);
		struct mtls_roster roster = { 0 };
		struct mtls_diag diag = { 0 };
		/* Its exact size, so that a read past its end is seen by ASan. */
		uint8_t *exact = malloc(rows[i].len ? rows[i].len : 1);
		assert_non_null(exact);
		memcpy(exact, rows[i].text, rows[i].len);

		print_message("# row '%s'\n", rows[i].row);
		int r = syntax("f", exact, rows[i].len, &roster, &diag);
		free(exact);
		write_all(&roster, syntax, &out);
		if (r == 0)
			assert_string_equal(mtls_buf_cstr(&out), rows[i].want);
		else
			assert_string_equal(diag.text, rows[i].want);
		assert_int_equal(r, strncmp(rows[i].want, "f:", 2) == 0 ? MTLS_E_SYNTAX : 0);
		mtls_roster_done(&roster);
	}
}

#define NAME_WANT                                                                                  \
	"expected a letter a-z or '_', then letters a-z, digits, '_', '-', at most 32 bytes in "   \
	"all"
#define ID_WANT "expected a plain decimal number from 0 to 4294967294"
#define PATH_WANT                                                                                  \
	"expected an absolute path of at most 255 bytes without '..', '//' and control characters"
#define USER(name) name ":x:2000:2000::/home/a:/bin/sh\n"

static void passwd_lines(void **state)
{
	/* clang-format off */
	static const struct row rows[] = {
		{ "one user", T("a:x:2000:2001:A, B:/home/a:/bin/sh\n"), "a:*:2000:2001:A, B:/home/a:/bin/sh\n" },
		{ "nothing", T(""), "" },
		{ "comments and empty lines", T("# a\n\n" USER("a") "\n#"  "\n"), "a:*:2000:2000::/home/a:/bin/sh\n" },
		{ "reserved name", T("root:x:0:0:root:/root:/bin/sh\n"), "root:*:0:0:root:/root:/bin/sh\n" },
		{ "reserved pattern", T(USER("_apt")), "_apt:*:2000:2000::/home/a:/bin/sh\n" },
		{ "reserved, upper case", T(USER("Debian-exim")), "Debian-exim:*:2000:2000::/home/a:/bin/sh\n" },
		{ "longest name", T(USER(A32)), A32 ":*:2000:2000::/home/a:/bin/sh\n" },
		{ "largest id", T("a:x:4294967294:0::/:/\n"), "a:*:4294967294:0::/:/\n" },
		{ "UTF-8 gecos", T("a:x:1:1:J\xc3\xbcrgen:/:/\n"), "a:*:1:1:J\xc3\xbcrgen:/:/\n" },
		{ "no newline at the end", T("a:x:1:1::/:/bin/sh"), "f:1: found no newline at the end of the last line, expected one: without it the file may be cut off" },
		{ "comment without newline", T("#"), "f:1: found no newline at the end of the last line, expected one: without it the file may be cut off" },
		{ "CR LF", T("#\r\n"), "f:1: found a carriage return, expected lines that end in a line feed only (see dos2unix)" },
		{ "NUL", T(USER("a") "b:x:1:1:\0:/:/\n"), "f:2: found a NUL byte, expected text" },
		{ "NIS", T("+::::::\n"), "f:1: found the NIS line '+::::::', expected accounts only: nothing is asked of NIS" },
		{ "NIS, minus", T("-bob\n"), "f:1: found the NIS line '-bob', expected accounts only: nothing is asked of NIS" },
		{ "six fields", T("a:x:1:1::/\n"), "f:1: found fewer fields in 'a:x:1:1::/', expected seven: name:password:uid:gid:gecos:home:shell" },
		{ "eight fields", T("a:x:1:1::/:/:\n"), "f:1: found more fields in 'a:x:1:1::/:/:', expected seven: name:password:uid:gid:gecos:home:shell" },
		{ "blank line", T(" \n"), "f:1: found fewer fields in ' ', expected seven: name:password:uid:gid:gecos:home:shell" },
		{ "empty name", T(USER("")), "f:1: found the name '', " NAME_WANT },
		{ "name of 33 bytes", T(USER("a" A32)), "f:1: found the name 'a" A32 "', " NAME_WANT },
		{ "upper case", T(USER("Bob")), "f:1: found the name 'Bob', " NAME_WANT },
		{ "dot", T(USER("a.b")), "f:1: found the name 'a.b', " NAME_WANT },
		{ "UTF-8 name", T(USER("\xc3\xbc")), "f:1: found the name '\\xc3\\xbc', " NAME_WANT },
		{ "reserved pattern with an escape", T(USER("systemd-\x1b[1m")), "f:1: found the name 'systemd-\\x1b[1m', " NAME_WANT },
		{ "byte order mark", T("\xef\xbb\xbf" USER("a")), "f:1: found the name '\\xef\\xbb\\xbf" "a', " NAME_WANT },
		{ "the long is cut", T(USER(A32 A32)), "f:1: found the name '" A32 "aaaaaaaaaaaaaaaa...', " NAME_WANT },
		{ "empty uid", T("a:x::1::/:/\n"), "f:1: found the uid '', " ID_WANT },
		{ "negative uid", T("a:x:-1:1::/:/\n"), "f:1: found the uid '-1', " ID_WANT },
		{ "uid with a zero", T("a:x:01:1::/:/\n"), "f:1: found the uid '01', " ID_WANT },
		{ "uid (uid_t)-1", T("a:x:4294967295:1::/:/\n"), "f:1: found the uid '4294967295', " ID_WANT },
		{ "uid over 32 bits", T("a:x:4294967296:1::/:/\n"), "f:1: found the uid '4294967296', " ID_WANT },
		{ "uid of 11 digits", T("a:x:10000000000:1::/:/\n"), "f:1: found the uid '10000000000', " ID_WANT },
		{ "hexadecimal gid", T("a:x:1:0x1::/:/\n"), "f:1: found the gid '0x1', " ID_WANT },
		{ "gid (gid_t)-1", T("a:x:1:4294967295::/:/\n"), "f:1: found the gid '4294967295', " ID_WANT },
		{ "control in gecos", T("a:x:1:1:\t:/:/\n"), "f:1: found the gecos field '\\x09', expected at most 255 bytes of UTF-8 without ':' and control characters" },
		{ "Latin-1 gecos", T("a:x:1:1:\xfc:/:/\n"), "f:1: found the gecos field '\\xfc', expected at most 255 bytes of UTF-8 without ':' and control characters" },
		{ "relative home", T("a:x:1:1::a:/\n"), "f:1: found the home 'a', " PATH_WANT },
		{ "home with ..", T("a:x:1:1::/a/../b:/\n"), "f:1: found the home '/a/../b', " PATH_WANT },
		{ "empty shell", T("a:x:1:1::/:\n"), "f:1: found the shell '', " PATH_WANT },
	};
	/* clang-format on */
	(void)state;
	run(mtls_roster_passwd, rows, MTLS_COUNT(rows));
}

static void group_lines(void **state)
{
	/* clang-format off */
	static const struct row rows[] = {
		{ "no member", T("g:x:2000:\n"), "g:*:2000:\n" },
		{ "members in their order", T("g::2000:b,a,_c\n"), "g:*:2000:b,a,_c\n" },
		{ "reserved member", T("g::2000:root\n"), "g:*:2000:root\n" },
		{ "prefix of one another", T("g::2000:aa,a,aaa\n"), "g:*:2000:aa,a,aaa\n" },
		{ "three fields", T("g:x:2000\n"), "f:1: found fewer fields in 'g:x:2000', expected four: name:password:gid:member,member" },
		{ "five fields", T("g:x:2000:a:b\n"), "f:1: found more fields in 'g:x:2000:a:b', expected four: name:password:gid:member,member" },
		{ "empty member", T("g:x:2000:a,,b\n"), "f:1: found the member '', " NAME_WANT },
		{ "comma at the end", T("g:x:2000:a,\n"), "f:1: found the member '', " NAME_WANT },
		{ "comma alone", T("g:x:2000:,\n"), "f:1: found the member '', " NAME_WANT },
		{ "blank before a member", T("g:x:2000:a, b\n"), "f:1: found the member ' b', " NAME_WANT },
		{ "member twice", T("g:x:2000:a,b,c,a\n"), "f:1: found the member 'a', expected it once, not twice" },
		{ "bad name", T("G:x:2000:\n"), "f:1: found the name 'G', " NAME_WANT },
		{ "bad gid", T("g:x:+1:\n"), "f:1: found the gid '+1', " ID_WANT },
		{ "second line", T("g:x:1:\nh:x:a:\n"), "f:2: found the gid 'a', " ID_WANT },
		{ "NIS", T("+\n"), "f:1: found the NIS line '+', expected accounts only: nothing is asked of NIS" },
		{ "cut off", T("g:x:2000:al"), "f:1: found no newline at the end of the last line, expected one: without it the file may be cut off" },
	};
	/* clang-format on */
	(void)state;
	run(mtls_roster_group, rows, MTLS_COUNT(rows));
}

#define COLUMNS "columns out of name, uid, gid, gecos, home, shell, groups"

static void csv_lines(void **state)
{
	/* clang-format off */
	static const struct row rows[] = {
		{ "all columns", T(HEAD "a,1,2,A,/h,/s,x;y\n"), "a,1,2,A,/h,/s,x;y\r\n" },
		{ "no newline at the end", T(HEAD "a,1,2,A,/h,/s,x"), "a,1,2,A,/h,/s,x\r\n" },
		{ "CR LF", T("name,uid\r\na,1\r\n\r\nb,2"), "a,1,,,,,\r\nb,2,,,,,\r\n" },
		{ "header only", T("name"), "" },
		{ "other order", T("uid,name\n1,a\n"), "a,1,,,,,\r\n" },
		{ "name alone", T("name\na\nb\n"), "a,,,,,,\r\nb,,,,,,\r\n" },
		{ "empty fields", T(HEAD "a,,,,,,\n"), "a,,,,,,\r\n" },
		{ "comments", T("# of the staff office\n" HEAD "#x\na,,,,,,\n"), "a,,,,,,\r\n" },
		{ "byte order mark", T("\xef\xbb\xbf" "name\na\n"), "a,,,,,,\r\n" },
		{ "quoted", T("\"name\",\"gecos\"\n\"a\",\"A, \"\"B\"\"\"\n"), "a,,,\"A, \"\"B\"\"\",,,\r\n" },
		{ "quoted empty", T("name,gecos\na,\"\"\n"), "a,,,,,,\r\n" },
		{ "groups by blanks", T("name,groups\na, x  y; z \n"), "a,,,,,,x;y;z\r\n" },
		{ "no header", T(""), "f:1: found nothing, expected a header line with " COLUMNS },
		{ "mark alone", T("\xef\xbb\xbf"), "f:1: found nothing, expected a header line with " COLUMNS },
		{ "no column name", T("uid,gid\n1,2\n"), "f:1: found no column 'name', expected " COLUMNS },
		{ "unknown column", T("name,mail\n"), "f:1: found the column 'mail', expected " COLUMNS },
		{ "upper case column", T("Name\n"), "f:1: found the column 'Name', expected " COLUMNS },
		{ "empty column", T("name,\n"), "f:1: found the column '', expected " COLUMNS },
		{ "column twice", T("name,uid,name\n"), "f:1: found the column 'name', expected it once, not twice" },
		{ "semicolons", T("name;uid\na;1\n"), "f:1: found ';' between the columns, expected ',' (spreadsheets: save as CSV with commas)" },
		{ "tabs", T("name\tuid\n"), "f:1: found tabs between the columns, expected ',' (spreadsheets: save as CSV with commas)" },
		{ "UTF-16", T("\xff\xfen\0a\0"), "f:1: found UTF-16, expected UTF-8 (spreadsheets: save as CSV UTF-8)" },
		{ "UTF-16, big", T("\xfe\xff\0n\0a"), "f:1: found UTF-16, expected UTF-8 (spreadsheets: save as CSV UTF-8)" },
		{ "spreadsheet's first line", T("sep=,\nname\n"), "f:1: found the column 'sep=', expected " COLUMNS },
		{ "too few fields", T("name,uid\na\n"), "f:2: found 1 fields, expected 2 as in the header" },
		{ "too many fields", T("name,uid\na,1,\n"), "f:2: found 3 fields, expected 2 as in the header" },
		{ "quote in a plain field", T("name\na\"b\n"), "f:2: found a quote inside of the field 'a\"b', expected the whole field in quotes, and that quote written twice" },
		{ "text behind a quote", T("name\n\"a\"b\n"), "f:2: found text behind a closing quote: 'b', expected ',' or the line's end (a quote inside of quotes is written twice)" },
		{ "line break in quotes", T("name,gecos\na,\"A\nB\"\n"), "f:2: found a quote that is not closed on its line, expected '\"' at the field's end: fields have no line breaks here" },
		{ "quote at the end", T("name\n\""), "f:2: found a quote that is not closed on its line, expected '\"' at the field's end: fields have no line breaks here" },
		{ "escaped quote at the end", T("name\n\"a\"\""), "f:2: found a quote that is not closed on its line, expected '\"' at the field's end: fields have no line breaks here" },
		{ "CR inside", T("name\na\rb\n"), "f:2: found a carriage return, expected lines that end in a line feed only (see dos2unix)" },
		{ "NUL", T("name\na\0\n"), "f:2: found a NUL byte, expected text" },
		{ "no name", T("name,uid\n,1\n"), "f:2: found the name '', " NAME_WANT },
		{ "bad uid", T("name,uid\na,1.0\n"), "f:2: found the uid '1.0', " ID_WANT },
		{ "bad gid", T("name,gid\na,1E5\n"), "f:2: found the gid '1E5', " ID_WANT },
		{ "bad home", T("name,home\na,h\n"), "f:2: found the home 'h', " PATH_WANT },
		{ "bad group", T("name,groups\na,x;Y\n"), "f:2: found the group 'Y', " NAME_WANT },
		{ "group twice", T("name,groups\na,x;y;x\n"), "f:2: found the group 'x', expected it once, not twice" },
	};
	/* clang-format on */
	(void)state;
	run(mtls_roster_csv, rows, MTLS_COUNT(rows));
}

static void hashes_are_counted(void **state)
{
	/* clang-format off */
	static const struct { const char *password; size_t count; } rows[] = {
		{ "", 0 }, { "x", 0 }, { "*", 0 }, { "!", 0 }, { "!!", 0 }, { "*LK*", 0 }, { "NP", 0 },
		{ "$6$salt$hash", 1 }, { "!$6$salt$hash", 1 }, { "xx", 1 }, { "X", 1 }, { "ab01234567890", 1 },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct mtls_roster roster = { 0 };
		char text[128];
		int len = snprintf(text, sizeof(text), "a:%s:1:1::/:/\n", rows[i].password);

		print_message("# row '%s'\n", rows[i].password);
		assert_int_equal(
			mtls_roster_passwd("f", (uint8_t *)text, (size_t)len, &roster, NULL), 0);
		assert_int_equal(roster.hashes_dropped, rows[i].count);
		len = snprintf(text, sizeof(text), "a:%s:1:\n", rows[i].password);
		assert_int_equal(
			mtls_roster_group("f", (uint8_t *)text, (size_t)len, &roster, NULL), 0);
		assert_int_equal(roster.hashes_dropped, 2 * rows[i].count);
		mtls_roster_done(&roster);
	}
}

static void twice_is_refused(void **state)
{
	/* clang-format off */
	static const struct { const char *row; read_fn *syntax; const char *text, *want; } rows[] = {
		{ "all different", mtls_roster_passwd, "b:x:2:7::/:/\na:x:1:7::/:/\nc:x:3:7::/:/\n", "" },
		{ "user", mtls_roster_passwd, "a:x:1:1::/:/\nb:x:2:2::/:/\n\na:x:3:1::/:/\n", "f:4: found the user 'a' of line 1 again, expected it once" },
		{ "uid", mtls_roster_passwd, "a:x:1:1::/:/\nb:x:9:2::/:/\nc:x:9:1::/:/\n", "f:3: found the uid 9 of line 2 again, expected it once" },
		{ "the first of several", mtls_roster_passwd, "b:x:1:1::/:/\na:x:2:1::/:/\na:x:3:1::/:/\nb:x:4:1::/:/\nb:x:5:1::/:/\n", "f:3: found the user 'a' of line 2 again, expected it once" },
		{ "group", mtls_roster_group, "g:x:1:\nh:x:2:\ng:x:3:\n", "f:3: found the group 'g' of line 1 again, expected it once" },
		{ "gid", mtls_roster_group, "g:x:1:\nh:x:1:\n", "f:2: found the gid 1 of line 1 again, expected it once" },
		{ "CSV without ids", mtls_roster_csv, "name\na\nb\n", "" },
		{ "CSV user", mtls_roster_csv, "name\na\nb\nb\n", "f:4: found the user 'b' of line 3 again, expected it once" },
		{ "CSV uid", mtls_roster_csv, "name,uid\na,\nb,7\nc,7\n", "f:4: found the uid 7 of line 3 again, expected it once" },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct mtls_roster roster = { 0 };
		struct mtls_diag diag = { 0 };
		const uint8_t *text = (const uint8_t *)rows[i].text;

		print_message("# row '%s'\n", rows[i].row);
		assert_int_equal(rows[i].syntax("f", text, strlen(rows[i].text), &roster, NULL), 0);
		int r = mtls_roster_check("f", &roster, &diag);
		assert_int_equal(r, *rows[i].want ? MTLS_E_EXISTS : 0);
		assert_string_equal(diag.text, rows[i].want);
		mtls_roster_done(&roster);
	}
}

/* Entries of the same name, uid or gid as user and as group are nobody's fault. */
static void users_and_groups_are_apart(void **state)
{
	static const char users[] = "a:x:1:1::/:/\n", groups[] = "a:x:1:\n";
	struct mtls_roster roster = { 0 };

	(void)state;
	assert_int_equal(
		mtls_roster_passwd("f", (const uint8_t *)users, strlen(users), &roster, NULL), 0);
	assert_int_equal(
		mtls_roster_group("f", (const uint8_t *)groups, strlen(groups), &roster, NULL), 0);
	assert_int_equal(mtls_roster_check("f", &roster, NULL), 0);
	assert_int_equal(roster.users[0].line, 1);
	assert_null(roster.users[0].groups);
	assert_int_equal(roster.groups[0].member_count, 0);
	assert_non_null(roster.groups[0].members);
	assert_null(roster.groups[0].members[0]);
	mtls_roster_done(&roster);
	assert_int_equal(mtls_roster_check("f", &roster, NULL), 0);
}

static void a_line_has_a_limit(void **state)
{
	static const struct {
		const char *row;
		size_t len;
		int want;
	} rows[] = {
		{ "the longest line", MTLS_ROSTER_LINE_MAX, 0 },
		{ "a byte more", MTLS_ROSTER_LINE_MAX + 1, MTLS_E_LIMIT },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct mtls_roster roster = { 0 };
		struct mtls_diag diag = { 0 };
		char *text = test_malloc(rows[i].len + 1);

		print_message("# row '%s'\n", rows[i].row);
		memset(text, '#', rows[i].len);
		text[rows[i].len] = '\n';
		assert_int_equal(
			mtls_roster_passwd("f", (uint8_t *)text, rows[i].len + 1, &roster, &diag),
			rows[i].want);
		assert_int_equal(mtls_roster_csv("f", (uint8_t *)text, rows[i].len, &roster, &diag),
				 rows[i].want ? rows[i].want : MTLS_E_SYNTAX);
		test_free(text);
		mtls_roster_done(&roster);
	}
}

/* 65,536 members, and the last one again: found, and not by comparing each with each. */
static void a_large_group(void **state)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(MTLS_ROSTER_LINE_MAX);
	_cleanup_buf_ struct mtls_buf again = MTLS_BUF(MTLS_ROSTER_LINE_MAX);
	struct mtls_roster roster = { 0 };
	struct mtls_diag diag = { 0 };

	(void)state;
	(void)mtls_buf_append_str(&text, "g:*:2000:");
	for (int i = 0; i < 65536; i++)
		(void)mtls_buf_printf(&text, "%su%d", i ? "," : "", i);
	assert_int_equal(mtls_buf_append_byte(&text, '\n'), 0);
	assert_int_equal(mtls_roster_group("f", text.data, text.len, &roster, NULL), 0);
	assert_int_equal(roster.groups[0].member_count, 65536);
	assert_int_equal(mtls_roster_write_group(&roster.groups[0], &again), 0);
	assert_int_equal(again.len, text.len);
	assert_memory_equal(again.data, text.data, text.len);
	mtls_roster_done(&roster);

	text.len--;
	assert_int_equal(mtls_buf_append_str(&text, ",u65535\n"), 0);
	assert_int_equal(mtls_roster_group("f", text.data, text.len, &roster, &diag),
			 MTLS_E_SYNTAX);
	assert_string_equal(diag.text,
			    "f:1: found the member 'u65535', expected it once, not twice");
	mtls_roster_done(&roster);
}

static void entries_from_elsewhere(void **state)
{
	char a[] = "a", bad[] = "A", g[] = "g", none[] = "", home[] = "/h", shell[] = "/s";
	char x[] = "x", y[] = "y", *twice[] = { x, x, NULL }, *two[] = { x, y, NULL };
	/* clang-format off */
	const struct { const char *row; struct mtls_roster_user user; const char *want; } users[] = {
		{ "name alone", { .name = a, .uid = MTLS_ROSTER_NO_ID, .gid = MTLS_ROSTER_NO_ID }, "a,,,,,,\r\n" },
		{ "all", { .name = a, .gecos = bad, .home = home, .shell = shell, .groups = two, .uid = 1, .gid = 2 }, "a,1,2,A,/h,/s,x;y\r\n" },
		{ "no name", { .uid = 1, .line = 7 }, "import:7: found the name, " NAME_WANT },
		{ "bad name", { .name = bad, .line = 7 }, "import:7: found the name 'A', " NAME_WANT },
		{ "bad home", { .name = a, .home = none, .line = 7 }, "import:7: found the home '', " PATH_WANT },
		{ "group twice", { .name = a, .groups = twice, .line = 7 }, "import:7: found the group 'x', expected it once, not twice" },
	};
	const struct { const char *row; struct mtls_roster_group group; const char *want; } groups[] = {
		{ "no members", { .name = g, .gid = 1 }, "g:*:1:\n" },
		{ "members", { .name = g, .gid = 1, .members = two }, "g:*:1:x,y\n" },
		{ "member twice", { .name = g, .gid = 1, .members = twice, .line = 7 }, "import:7: found the member 'x', expected it once, not twice" },
		{ "bad name", { .name = none, .line = 7 }, "import:7: found the name '', " NAME_WANT },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(users) + MTLS_COUNT(groups); i++) {
		_cleanup_buf_ struct mtls_buf out = MTLS_BUF(4096);
		struct mtls_roster roster = { 0 };
		struct mtls_diag diag = { 0 };
		size_t j = i - MTLS_COUNT(users);
		bool user = i < MTLS_COUNT(users);

		print_message("# row '%s'\n", user ? users[i].row : groups[j].row);
		int r = user ? mtls_roster_add_user("import", &users[i].user, &roster, &diag)
			     : mtls_roster_add_group("import", &groups[j].group, &roster, &diag);
		write_all(&roster, mtls_roster_csv, &out);
		assert_string_equal(r ? diag.text : mtls_buf_cstr(&out),
				    user ? users[i].want : groups[j].want);
		assert_int_equal(r, diag.text[0] ? MTLS_E_SYNTAX : 0);
		mtls_roster_done(&roster);
	}
}

/* What a syntax cannot express is an error, not a line that says something else. */
static void writers_refuse(void **state)
{
	char a[] = "a", path[] = "/";
	/* clang-format off */
	const struct { const char *row; struct mtls_roster_user user; int want; } rows[] = {
		{ "whole", { .name = a, .home = path, .shell = path, .uid = 1, .gid = 1 }, 0 },
		{ "no uid", { .name = a, .home = path, .shell = path, .uid = MTLS_ROSTER_NO_ID, .gid = 1 }, MTLS_E_SYNTAX },
		{ "no gid", { .name = a, .home = path, .shell = path, .uid = 1, .gid = MTLS_ROSTER_NO_ID }, MTLS_E_SYNTAX },
		{ "no home", { .name = a, .shell = path, .uid = 1, .gid = 1 }, MTLS_E_SYNTAX },
		{ "no shell", { .name = a, .home = path, .uid = 1, .gid = 1 }, MTLS_E_SYNTAX },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_buf_ struct mtls_buf out = MTLS_BUF(4096);

		print_message("# row '%s'\n", rows[i].row);
		assert_int_equal(mtls_roster_write_passwd(&rows[i].user, &out), rows[i].want);
		assert_int_equal(out.len == 0, rows[i].want != 0);
	}
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(40), full = MTLS_BUF(4);
	const struct mtls_roster_group group = { .name = a, .gid = MTLS_ROSTER_NO_ID };
	assert_int_equal(mtls_roster_write_group(&group, &out), MTLS_E_SYNTAX);
	assert_int_equal(mtls_roster_write_csv_header(&out), 0);
	assert_string_equal(mtls_buf_cstr(&out), "name,uid,gid,gecos,home,shell,groups\r\n");
	assert_int_equal(mtls_roster_write_csv(&rows[0].user, &full), MTLS_E_LIMIT);
	assert_int_equal(mtls_roster_write_csv_header(&full), MTLS_E_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passwd_lines),
		cmocka_unit_test(group_lines),
		cmocka_unit_test(csv_lines),
		cmocka_unit_test(hashes_are_counted),
		cmocka_unit_test(twice_is_refused),
		cmocka_unit_test(users_and_groups_are_apart),
		cmocka_unit_test(a_line_has_a_limit),
		cmocka_unit_test(a_large_group),
		cmocka_unit_test(entries_from_elsewhere),
		cmocka_unit_test(writers_refuse),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
