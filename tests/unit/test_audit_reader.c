/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading audit records back: lines in both directions against a plain model, the record's members,
 * what is wanted, files that rotate.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/audit/lines.h"
#include "lib/audit/reader.h"
#include "lib/base/str.h"

#define BLOCK (64 * 1024)

/* ---------------------------------------------------------------------------------- lines */

static int file_of(const char *data, size_t len)
{
	char name[] = "/tmp/mtls-lines.XXXXXX";
	int fd = mkstemp(name);

	assert_true(fd >= 0);
	assert_int_equal(unlink(name), 0);
	assert_int_equal(write(fd, data, len), (ssize_t)len);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

struct expected {
	size_t offset, len;
};

/* The model: every line of @data that has an end. */
static size_t split(const char *data, size_t len, struct expected *out, size_t max)
{
	size_t count = 0, start = 0;

	for (size_t i = 0; i < len; i++) {
		if (data[i] != '\n')
			continue;
		assert_true(count < max);
		out[count++] = (struct expected){ start, i - start };
		start = i + 1;
	}
	return count;
}

static void compare(const char *data, size_t len, bool backwards)
{
	static struct expected want[4096];
	_cleanup_(mtls_audit_lines_freep) struct mtls_audit_lines *lines = NULL;
	const size_t count = split(data, len, want, MTLS_COUNT(want));
	int fd = file_of(data, len);

	assert_int_equal(mtls_audit_lines_new(fd, backwards, &lines), 0);
	for (size_t i = 0; i <= count; i++) {
		const char *line = NULL;
		size_t line_len = 0;
		uint64_t offset = 0;
		int r = mtls_audit_lines_next(lines, &line, &line_len, &offset);
		if (i == count) {
			assert_int_equal(r, 0);
			break;
		}
		const struct expected *w = &want[backwards ? count - 1 - i : i];
		assert_int_equal(r, w->len > MTLS_AUDIT_LINE_MAX ? MTLS_E_LIMIT : 1);
		assert_int_equal(offset, w->offset);
		if (r < 0)
			continue;
		assert_int_equal(line_len, w->len);
		assert_memory_equal(line, data + w->offset, w->len);
	}
	const size_t whole = count ? want[count - 1].offset + want[count - 1].len + 1 : 0;
	if (backwards) {
		assert_int_equal(mtls_audit_lines_tail(lines), whole);
	} else {
		size_t rest_len;
		const char *rest = mtls_audit_lines_rest(lines, &rest_len);
		assert_int_equal(rest_len, len - whole);
		assert_int_equal(rest == NULL, rest_len == 0);
		assert_int_equal(mtls_audit_lines_offset(lines), len);
	}
	(void)close(fd);
}

static void lines_are_those_of_the_model(void **state)
{
	static const size_t sizes[] = { 0,
					1,
					2,
					BLOCK - 1,
					BLOCK,
					BLOCK + 1,
					MTLS_AUDIT_LINE_MAX - 1,
					MTLS_AUDIT_LINE_MAX,
					MTLS_AUDIT_LINE_MAX + 1,
					MTLS_AUDIT_LINE_MAX + BLOCK,
					3 * MTLS_AUDIT_LINE_MAX };
	const size_t room = 7 * MTLS_AUDIT_LINE_MAX;
	char *data = malloc(room);

	(void)state;
	assert_non_null(data);
	/* Every size beside every other, with a half line at the end and without. */
	for (size_t i = 0; i < MTLS_COUNT(sizes); i++) {
		for (size_t k = 0; k < MTLS_COUNT(sizes); k++) {
			size_t len = 0;
			memset(data, 'x', room);
			len += sizes[i];
			data[len++] = '\n';
			len += sizes[k];
			data[len++] = '\n';
			data[len++] = 'y';
			data[len++] = '\n';
			for (size_t half = 0; half < 2; half++) {
				compare(data, len + half * 10, false);
				compare(data, len + half * 10, true);
			}
		}
	}
	compare(data, 0, false);
	compare(data, 0, true);
	memset(data, '\n', 1000);
	compare(data, 1000, false);
	compare(data, 1000, true);
	free(data);
}

static void many_random_lines(void **state)
{
	char *data = malloc(1 << 20);
	unsigned int seed = 4;

	(void)state;
	assert_non_null(data);
	for (int round = 0; round < 20; round++) {
		size_t len = 0;
		while (len < (1 << 20) - 2000) {
			const size_t n = (size_t)rand_r(&seed) % 1500;
			memset(data + len, 'a' + round, n);
			len += n;
			data[len++] = '\n';
		}
		compare(data, len - (round % 2 ? 1 : 0), false);
		compare(data, len - (round % 2 ? 1 : 0), true);
	}
	free(data);
}

/* What is written while it is read comes whole, whatever the pieces. */
static void lines_grow(void **state)
{
	_cleanup_(mtls_audit_lines_freep) struct mtls_audit_lines *lines = NULL;
	const char *line = NULL;
	size_t len = 0;
	uint64_t offset = 0;
	int pipes[2];

	(void)state;
	assert_int_equal(pipe2(pipes, O_NONBLOCK), 0);
	assert_int_equal(mtls_audit_lines_new(pipes[0], false, &lines), 0);
	assert_int_equal(mtls_audit_lines_next(lines, &line, &len, &offset), 0);
	assert_int_equal(write(pipes[1], "ab", 2), 2);
	assert_int_equal(mtls_audit_lines_next(lines, &line, &len, &offset), 0);
	assert_int_equal(write(pipes[1], "c\nd", 3), 3);
	assert_int_equal(mtls_audit_lines_next(lines, &line, &len, &offset), 1);
	assert_int_equal(len, 3);
	assert_memory_equal(line, "abc", 3);
	assert_int_equal(mtls_audit_lines_next(lines, &line, &len, &offset), 0);
	assert_int_equal(mtls_audit_lines_new(pipes[0], true, &lines), -ESPIPE);
	(void)close(pipes[0]);
	(void)close(pipes[1]);
}

/* --------------------------------------------------------------------------------- records */

#define CORE                                                                                       \
	"\"time\":\"2026-11-30T13:00:00.000001Z\",\"audit_id\":\"0a1b\",\"verdict\":\"denied\","   \
	"\"reason\":\"unmapped\""

static void members_are_strict(void **state)
{
	static const struct {
		const char *name, *line;
		int want;
		const char *says;
	} rows[] = {
		{ "the least", "{" CORE "}", 0, NULL },
		{ "unknown members", "{" CORE ",\"new\":[{}],\"verified2\":1}", 0, NULL },
		{ "spaces around", " {" CORE "} ", 0, NULL },
		{ "nothing", "", MTLS_E_SYNTAX, "no JSON" },
		{ "half", "{" CORE, MTLS_E_SYNTAX, "no JSON" },
		{ "two", "{" CORE "}{" CORE "}", MTLS_E_SYNTAX, "no JSON" },
		{ "a list", "[]", MTLS_E_SYNTAX, "no JSON object" },
		{ "twice the same member", "{" CORE ",\"reason\":\"allowed\"}", MTLS_E_SYNTAX,
		  "no JSON" },
		{ "no time", "{\"audit_id\":\"0a\",\"verdict\":\"denied\",\"reason\":\"unmapped\"}",
		  MTLS_E_SYNTAX, "'time'" },
		{ "a time in words",
		  "{\"time\":\"today\",\"audit_id\":\"0a\",\"verdict\":\"denied\",\"reason\":"
		  "\"x\"}",
		  MTLS_E_SYNTAX, "'time'" },
		{ "no id",
		  "{\"time\":\"2026-11-30T13:00:00.000001Z\",\"verdict\":\"denied\",\"reason\":"
		  "\"x\"}",
		  MTLS_E_SYNTAX, "'audit_id'" },
		{ "an id with other characters",
		  "{\"time\":\"2026-11-30T13:00:00.000001Z\",\"audit_id\":\"../x\",\"verdict\":"
		  "\"denied\",\"reason\":\"x\"}",
		  MTLS_E_SYNTAX, "'audit_id'" },
		{ "another verdict",
		  "{\"time\":\"2026-11-30T13:00:00.000001Z\",\"audit_id\":\"0a\",\"verdict\":"
		  "\"perhaps\",\"reason\":\"x\"}",
		  MTLS_E_SYNTAX, "'verdict'" },
		{ "no reason",
		  "{\"time\":\"2026-11-30T13:00:00.000001Z\",\"audit_id\":\"0a\",\"verdict\":"
		  "\"denied\"}",
		  MTLS_E_SYNTAX, "'reason'" },
		{ "a part that is a text", "{" CORE ",\"verified\":\"yes\"}", MTLS_E_SYNTAX,
		  "'verified'" },
		{ "verified, but nothing in it", "{" CORE ",\"verified\":{}}", MTLS_E_SYNTAX,
		  "'verified.subject'" },
		{ "null for a text", "{" CORE ",\"detail\":null}", MTLS_E_SYNTAX, "'detail'" },
		{ "a number for a text", "{" CORE ",\"leaf\":7}", MTLS_E_SYNTAX, "'leaf'" },
		{ "a text for a number", "{" CORE ",\"peer\":{\"uid\":\"0\"}}", MTLS_E_SYNTAX,
		  "'peer.uid'" },
		{ "a fraction for a number", "{" CORE ",\"peer\":{\"uid\":0.5}}", MTLS_E_SYNTAX,
		  "'peer.uid'" },
		{ "keys that are no texts", "{" CORE ",\"keys\":[1]}", MTLS_E_SYNTAX, "'keys'" },
		{ "bindings that are texts", "{" CORE ",\"bindings\":[\"a\"]}", MTLS_E_SYNTAX,
		  "'bindings'" },
		{ "invalid UTF-8", "{" CORE ",\"detail\":\"\xff\"}", MTLS_E_SYNTAX, "no JSON" },
		{ "a control character as it is", "{" CORE ",\"detail\":\"\x1b\"}", MTLS_E_SYNTAX,
		  "no JSON" },
		{ "a NUL written out", "{" CORE ",\"detail\":\"\\u0000\"}", MTLS_E_SYNTAX,
		  "no JSON" },
	};

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_(mtls_audit_record_freep) struct mtls_audit_record *record = NULL;
		struct mtls_diag diag = { 0 };
		int r = mtls_audit_parse(rows[i].line, strlen(rows[i].line), &record, &diag);
		if (r != rows[i].want || (rows[i].says && !strstr(diag.text, rows[i].says)))
			fail_msg("row '%s': %d, %s", rows[i].name, r, diag.text);
		assert_int_equal(record != NULL, r == 0);
	}
}

static void deep_and_long_lines_are_refused(void **state)
{
	_cleanup_(mtls_audit_record_freep) struct mtls_audit_record *record = NULL;
	char *line = malloc(MTLS_AUDIT_LINE_MAX + 2);

	(void)state;
	assert_non_null(line);
	memset(line, '[', MTLS_AUDIT_LINE_MAX + 1);
	assert_int_equal(mtls_audit_parse(line, MTLS_AUDIT_LINE_MAX, &record, NULL), MTLS_E_SYNTAX);
	assert_int_equal(mtls_audit_parse(line, MTLS_AUDIT_LINE_MAX + 1, &record, NULL),
			 MTLS_E_LIMIT);
	free(line);
}

static const char whole[] =
	"{" CORE ",\"detail\":\"d\",\"verified\":{\"subject\":\"CN=a\",\"issuer\":\"CN=ca\","
	"\"serial\":\"01\",\"sha256\":\"ff\",\"role\":\"user\",\"ca\":\"corp\"},\"claimed\":{"
	"\"service\":\"unprivileged:i3lock\",\"account\":\"bob\",\"tty\":\"tty1\"},\"peer\":{"
	"\"transport\":\"unix\",\"uid\":1000,\"pid\":7},\"account\":{\"name\":\"alice\"},"
	"\"rule\":\"subject\",\"keys\":[\"subject:CN=a\"],\"bindings\":[],\"leaf\":\"bGVhZg==\"}";

static void members_are_where_they_belong(void **state)
{
	_cleanup_(mtls_audit_record_freep) struct mtls_audit_record *record = NULL;

	(void)state;
	assert_int_equal(mtls_audit_parse(whole, strlen(whole), &record, NULL), 0);
	assert_int_equal(record->time_us, INT64_C(1796043600000001));
	assert_false(record->allowed);
	assert_true(record->proven);
	assert_string_equal(record->verified.subject, "CN=a");
	assert_string_equal(record->verified.ca, "corp");
	assert_true(record->asked);
	assert_false(record->request.reported);
	assert_string_equal(record->request.service, "unprivileged:i3lock");
	assert_string_equal(record->request.account, "bob");
	assert_null(record->request.remote_host);
	assert_int_equal(record->peer.uid, 1000);
	assert_int_equal(record->peer.port, -1);
	assert_string_equal(record->account, "alice");
	assert_int_equal(record->account_uid, -1);
	assert_string_equal(record->leaf, "bGVhZg==");
	assert_int_equal(json_array_size(record->keys), 1);
	assert_non_null(record->bindings);
	assert_null(record->chain);
}

static void what_is_wanted(void **state)
{
	const int64_t at = INT64_C(1796043600000001);
	const struct {
		const char *name;
		struct mtls_audit_filter filter;
		bool want;
	} rows[] = {
		{ "any", MTLS_AUDIT_FILTER_ANY, true },
		{ "since then", { .since_us = at, .until_us = INT64_MAX }, true },
		{ "since later", { .since_us = at + 1, .until_us = INT64_MAX }, false },
		{ "until then", { .until_us = at }, true },
		{ "until earlier", { .until_us = at - 1 }, false },
		{ "account found", { .until_us = INT64_MAX, .user = "alice" }, true },
		{ "account asked for", { .until_us = INT64_MAX, .user = "bob" }, true },
		{ "another account", { .until_us = INT64_MAX, .user = "carol" }, false },
		{ "service", { .until_us = INT64_MAX, .service = "i3lock" }, true },
		{ "service as recorded",
		  { .until_us = INT64_MAX, .service = "unprivileged:i3lock" },
		  true },
		{ "another service", { .until_us = INT64_MAX, .service = "sudo" }, false },
		{ "reason", { .until_us = INT64_MAX, .reason = "unmapped" }, true },
		{ "another reason", { .until_us = INT64_MAX, .reason = "cert-expired" }, false },
		{ "id", { .until_us = INT64_MAX, .id = "0a1b" }, true },
		{ "another id", { .until_us = INT64_MAX, .id = "0a1" }, false },
		{ "denied", { .until_us = INT64_MAX, .denied = true }, true },
	};
	_cleanup_(mtls_audit_record_freep) struct mtls_audit_record *record = NULL;

	(void)state;
	assert_int_equal(mtls_audit_parse(whole, strlen(whole), &record, NULL), 0);
	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		if (mtls_audit_matches(record, &rows[i].filter) != rows[i].want)
			fail_msg("row '%s'", rows[i].name);
	record->allowed = true;
	assert_false(mtls_audit_matches(record, &rows[MTLS_COUNT(rows) - 1].filter));
}

/* ----------------------------------------------------------------------------------- files */

static char folder[] = "/tmp/mtls-audit-reader.XXXXXX";
static char path[128];

static int make_folder(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/audit.json", folder);
	return 0;
}

static int remove_folder(void **state)
{
	char command[160];
	(void)state;
	(void)snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

/* Appends records with these ids, "!" for a line that is none, "~" for half a record. */
static void append(const char *suffix, const char *ids)
{
	char name[160];
	(void)snprintf(name, sizeof(name), "%s%s", path, suffix);
	int fd = open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	FILE *file = fdopen(fd, "a");

	assert_non_null(file);
	for (; *ids; ids++) {
		if (*ids == '!')
			(void)fprintf(file, "nonsense\n");
		else if (*ids == '~')
			(void)fprintf(file, "{\"time\":");
		else
			(void)fprintf(
				file,
				"{\"time\":\"2026-11-30T13:00:00.000001Z\",\"audit_id\":\"%c\","
				"\"verdict\":\"denied\",\"reason\":\"unmapped\"}\n",
				*ids);
	}
	assert_int_equal(fclose(file), 0);
}

/* The ids that come up to the end, "!" for each line that is no record. */
static void read_all(struct mtls_audit_reader *reader, char *out)
{
	for (;;) {
		_cleanup_(mtls_audit_record_freep) struct mtls_audit_record *record = NULL;
		struct mtls_diag diag = { 0 };
		int r = mtls_audit_reader_next(reader, &record, &diag);
		if (r == 0)
			break;
		if (r < 0) {
			assert_int_equal(r, MTLS_E_SYNTAX);
			assert_non_null(strstr(diag.text, path));
			assert_non_null(strstr(diag.text, "at byte"));
		}
		*out++ = r < 0 ? '!' : record->id[0];
	}
	*out = '\0';
}

static void files_are_one_sequence(void **state)
{
	_cleanup_(mtls_audit_reader_freep) struct mtls_audit_reader *forwards = NULL, *back = NULL;
	char got[64];

	(void)state;
	append(".2", "12~");
	append(".1", "3!4");
	append("", "56~");
	append(".4", "9"); /* behind a gap */
	assert_int_equal(mtls_audit_reader_open(path, geteuid(), false, &forwards, NULL), 0);
	read_all(forwards, got);
	assert_string_equal(got, "123!456");
	read_all(forwards, got);
	assert_string_equal(got, "");
	assert_int_equal(mtls_audit_reader_open(path, geteuid(), true, &back, NULL), 0);
	read_all(back, got);
	assert_string_equal(got, "654!321");
	assert_false(mtls_audit_reader_compressed(path));
	append(".2.gz", "");
	assert_true(mtls_audit_reader_compressed(path));
}

static void a_last_line_without_end_counts(void **state)
{
	_cleanup_(mtls_audit_reader_freep) struct mtls_audit_reader *reader = NULL;
	char got[64];

	(void)state;
	int fd = file_of(whole, strlen(whole));
	assert_int_equal(mtls_audit_reader_take(fd, path, false, &reader, NULL), 0);
	read_all(reader, got);
	assert_string_equal(got, "0");
	read_all(reader, got);
	assert_string_equal(got, "");
}

/* Goes on behind what was read back, through a half line, a new file and a cut. */
static void following(void **state)
{
	_cleanup_(mtls_audit_reader_freep) struct mtls_audit_reader *reader = NULL;
	char got[64], away[160];

	(void)state;
	assert_int_equal(unlink(path), 0);
	append("", "ab~");
	assert_int_equal(mtls_audit_reader_open(path, geteuid(), true, &reader, NULL), 0);
	read_all(reader, got);
	assert_int_equal(strncmp(got, "ba", 2), 0);
	assert_int_equal(mtls_audit_reader_turn(reader), 0);
	read_all(reader, got);
	assert_string_equal(got, "");
	append("", "!c"); /* the half line becomes a broken one */
	read_all(reader, got);
	assert_string_equal(got, "!c");
	assert_int_equal(mtls_audit_reader_follow(reader, path, geteuid(), NULL), 0);

	(void)snprintf(away, sizeof(away), "%s.away", path);
	assert_int_equal(rename(path, away), 0);
	assert_int_equal(mtls_audit_reader_follow(reader, path, geteuid(), NULL), 0);
	append("", "de");
	assert_int_equal(mtls_audit_reader_follow(reader, path, geteuid(), NULL), 1);
	read_all(reader, got);
	assert_string_equal(got, "de");

	assert_int_equal(truncate(path, 0), 0);
	append("", "f");
	assert_int_equal(mtls_audit_reader_follow(reader, path, geteuid(), NULL), 1);
	read_all(reader, got);
	assert_string_equal(got, "f");
}

static void others_files_are_refused(void **state)
{
	_cleanup_(mtls_audit_reader_freep) struct mtls_audit_reader *reader = NULL;
	struct mtls_diag diag = { 0 };

	(void)state;
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(mtls_audit_reader_open(path, geteuid(), true, &reader, &diag),
			 MTLS_E_UNTRUSTED);
	assert_non_null(strstr(diag.text, path));
	assert_int_equal(chmod(path, 0600), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 12345, 0), 0);
		assert_int_equal(mtls_audit_reader_open(path, 12344, true, &reader, &diag),
				 MTLS_E_UNTRUSTED);
		assert_int_equal(chown(path, 0, 0), 0);
	}
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mtls_audit_reader_open(path, geteuid(), true, &reader, &diag), -ENOENT);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(mtls_audit_reader_open(path, geteuid(), true, &reader, &diag), -ELOOP);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(mtls_audit_reader_open(path, geteuid(), true, &reader, &diag),
			 MTLS_E_UNTRUSTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_those_of_the_model),
		cmocka_unit_test(many_random_lines),
		cmocka_unit_test(lines_grow),
		cmocka_unit_test(members_are_strict),
		cmocka_unit_test(deep_and_long_lines_are_refused),
		cmocka_unit_test(members_are_where_they_belong),
		cmocka_unit_test(what_is_wanted),
		cmocka_unit_test(files_are_one_sequence),
		cmocka_unit_test(a_last_line_without_end_counts),
		cmocka_unit_test(following),
		cmocka_unit_test(others_files_are_refused),
	};
	return cmocka_run_group_tests_name("audit_reader", tests, make_folder, remove_folder);
}
