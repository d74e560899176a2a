/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/base: err, buf, str, clock, file. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/bootword.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

static void errors_have_texts(void **state)
{
	(void)state;
	assert_string_equal(mtls_strerror(MTLS_E_SYNTAX), "malformed data");
	assert_string_equal(mtls_strerror(-ENOENT), "No such file or directory");
	assert_string_equal(mtls_strerror(-99999), "error -99999");

	struct mtls_diag diag = { 0 };
	assert_int_equal(mtls_diag_set(&diag, MTLS_E_LIMIT, "a\nb%s", "\x1b[31m"), MTLS_E_LIMIT);
	assert_string_equal(diag.text, "a?b?[31m");
	assert_int_equal(mtls_diag_set(NULL, -EIO, "x"), -EIO);
	assert_string_equal(mtls_diag_text(NULL, -EIO), "Input/output error");
}

/* Characters of two, three and four bytes at every place around the limit. */
static void texts_are_cut_between_characters(void **state)
{
	static const char *const ends[] = { "\u00e4", "\u20ac", "\U0001f511" };
	char text[600];

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(ends); i++)
		for (size_t before = MTLS_DIAG_MAX - 6; before < MTLS_DIAG_MAX; before++) {
			struct mtls_diag diag = { 0 };
			memset(text, 'x', before);
			(void)snprintf(text + before, sizeof(text) - before, "%s!", ends[i]);
			(void)mtls_diag_set(&diag, 0, "%s", text);
			size_t len = strlen(diag.text);
			assert_true(mtls_utf8_valid((const uint8_t *)diag.text, len));
			assert_true(len == MTLS_DIAG_MAX - 1 || len == before ||
				    len == strlen(text));
		}
}

static void numbers_are_strict(void **state)
{
	static const struct {
		const char *text;
		int want;
		uint32_t value;
	} rows[] = {
		{ "0", 0, 0 },
		{ "4294967295", 0, UINT32_MAX },
		{ "4294967296", MTLS_E_LIMIT, 0 },
		{ "42949672950", MTLS_E_LIMIT, 0 },
		{ "-1", MTLS_E_SYNTAX, 0 },
		{ "+1", MTLS_E_SYNTAX, 0 },
		{ " 1", MTLS_E_SYNTAX, 0 },
		{ "1 ", MTLS_E_SYNTAX, 0 },
		{ "01", MTLS_E_SYNTAX, 0 },
		{ "0x1", MTLS_E_SYNTAX, 0 },
		{ "", MTLS_E_SYNTAX, 0 },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		uint32_t value = 0;
		print_message("# row '%s'\n", rows[i].text);
		assert_int_equal(mtls_parse_u32(rows[i].text, &value), rows[i].want);
		assert_int_equal(value, rows[i].value);
	}
	uint64_t big = 0;
	assert_int_equal(mtls_parse_u64("18446744073709551615", &big), 0);
	assert_true(big == UINT64_MAX);
	assert_int_equal(mtls_parse_u64("18446744073709551616", &big), MTLS_E_LIMIT);
}

static void utf8_and_controls(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		bool valid, control;
	} rows[] = {
		{ "Alice", 5, true, false },
		{ "J\xc3\xbcrgen", 7, true, false },
		{ "a\0b", 3, true, true },
		{ "a\nb", 3, true, true },
		{ "\x7f", 1, true, true },
		{ "\xc2\x85", 2, true, true },
		{ "\xc0\xaf", 2, false, false },
		{ "\xed\xa0\x80", 3, false, false },
		{ "\xf4\x90\x80\x80", 4, false, false },
		{ "\xe2\x82", 2, false, false },
		{ "\xff", 1, false, false },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		print_message("# row %zu\n", i);
		assert_int_equal(mtls_utf8_valid((const uint8_t *)rows[i].text, rows[i].len),
				 rows[i].valid);
		assert_int_equal(mtls_has_control((const uint8_t *)rows[i].text, rows[i].len),
				 rows[i].control);
	}
}

static void hex_both_ways(void **state)
{
	uint8_t out[4];
	char text[9];

	(void)state;
	assert_int_equal(mtls_hex_decode("00fFa1", 6, out, sizeof(out)), 3);
	assert_memory_equal(out, "\x00\xff\xa1", 3);
	mtls_hex_encode(out, 3, text);
	assert_string_equal(text, "00ffa1");
	assert_int_equal(mtls_hex_decode("0", 1, out, sizeof(out)), MTLS_E_SYNTAX);
	assert_int_equal(mtls_hex_decode("0g", 2, out, sizeof(out)), MTLS_E_SYNTAX);
	assert_int_equal(mtls_hex_decode("0011223344", 10, out, sizeof(out)), MTLS_E_LIMIT);
}

static void lists(void **state)
{
	const char *cursor = "a,,bc";
	size_t len;

	(void)state;
	assert_memory_equal(mtls_split_next(&cursor, ',', &len), "a", 1);
	assert_int_equal(len, 1);
	assert_non_null(mtls_split_next(&cursor, ',', &len));
	assert_int_equal(len, 0);
	assert_memory_equal(mtls_split_next(&cursor, ',', &len), "bc", 2);
	assert_null(mtls_split_next(&cursor, ',', &len));

	_cleanup_(mtls_strv_freep) char **list = NULL;
	assert_int_equal(mtls_strv_add(&list, "x"), 0);
	assert_int_equal(mtls_strv_add(&list, "y"), 0);
	assert_int_equal(mtls_strv_count(list), 2);
	assert_string_equal(list[1], "y");
	assert_null(list[2]);
}

static void buffers_are_bounded(void **state)
{
	(void)state;
	_cleanup_buf_ struct mtls_buf buf = MTLS_BUF(10);
	assert_int_equal(mtls_buf_append_str(&buf, "0123456789"), 0);
	assert_string_equal(mtls_buf_cstr(&buf), "0123456789");
	assert_int_equal(mtls_buf_append_byte(&buf, 'x'), MTLS_E_LIMIT);
	assert_int_equal(mtls_buf_append_str(&buf, ""), MTLS_E_LIMIT);
	assert_int_equal(buf.len, 10);
	mtls_buf_reset(&buf);
	assert_int_equal(mtls_buf_printf(&buf, "%d-%s", 42, "abc"), 0);
	mtls_buf_consume(&buf, 3);
	assert_string_equal(mtls_buf_cstr(&buf), "abc");
	uint8_t *data = NULL;
	size_t len = 0;
	assert_int_equal(mtls_buf_take(&buf, &data, &len), 0);
	assert_int_equal(len, 3);
	assert_string_equal((char *)data, "abc");
	assert_null(buf.data);
	free(data);
}

static void secrets_are_cleared(void **state)
{
	(void)state;
	struct mtls_buf buf = MTLS_BUF_SECRET(100);
	assert_int_equal(mtls_buf_append_str(&buf, "geheim"), 0);
	mtls_buf_consume(&buf, 2);
	assert_memory_equal(buf.data, "heim\0\0", 6);
	mtls_buf_reset(&buf);
	for (size_t i = 0; i < buf.cap; i++)
		assert_int_equal(buf.data[i], 0);
	mtls_buf_done(&buf);
}

static void deadlines(void **state)
{
	(void)state;
	assert_true(mtls_deadline_left_ms(mtls_deadline_in_ms(60000)) > 50000);
	assert_int_equal(mtls_deadline_left_ms(mtls_now_ms() - 5), 0);
	assert_int_equal(mtls_deadline_left_ms(INT64_MAX), INT_MAX);
	int pipes[2];
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(mtls_wait_fd(pipes[0], 1 /* POLLIN */, mtls_deadline_in_ms(1)),
			 -ETIMEDOUT);
	assert_int_equal(write(pipes[1], "x", 1), 1);
	assert_int_equal(mtls_wait_fd(pipes[0], 1, mtls_deadline_in_ms(1000)), 0);
	(void)close(pipes[0]);
	(void)close(pipes[1]);
}

struct folder {
	char path[64];
	char file[80];
};

static int make_folder(void **state)
{
	struct folder *f = calloc(1, sizeof(*f));
	if (!f)
		return -1;
	(void)strcpy(f->path, "test_base.XXXXXX");
	if (!mkdtemp(f->path))
		return -1;
	(void)snprintf(f->file, sizeof(f->file), "%s/file", f->path);
	*state = f;
	return 0;
}

static int remove_folder(void **state)
{
	struct folder *f = *state;
	(void)unlink(f->file);
	int r = rmdir(f->path); /* fails if a temporary file was left behind */
	free(f);
	return r;
}

static const struct mtls_file_mode mode_0640 = { .mode = 0640, .uid = (uid_t)-1, .gid = (gid_t)-1 };

static void files_are_replaced_whole(void **state)
{
	struct folder *f = *state;
	struct mtls_diag diag = { 0 };
	struct mtls_file_mode exclusive = mode_0640;
	exclusive.exclusive = true;

	assert_int_equal(mtls_file_replace(f->file, "one", 3, &exclusive, &diag), 0);
	assert_int_equal(mtls_file_replace(f->file, "two", 3, &exclusive, &diag), -EEXIST);
	assert_int_equal(mtls_file_replace(f->file, "three", 5, &mode_0640, &diag), 0);
	struct stat st;
	assert_int_equal(stat(f->file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);

	_cleanup_buf_ struct mtls_buf buf = MTLS_BUF(5);
	assert_int_equal(mtls_file_read(f->file, NULL, &buf, &diag), 0);
	assert_string_equal(mtls_buf_cstr(&buf), "three");
	_cleanup_buf_ struct mtls_buf small = MTLS_BUF(4);
	assert_int_equal(mtls_file_read(f->file, NULL, &small, &diag), MTLS_E_LIMIT);
	assert_non_null(strstr(diag.text, "longer than 4 bytes"));
	assert_int_equal(mtls_file_replace("/nonexistent/file", "x", 1, &mode_0640, &diag),
			 -ENOENT);
}

static void trust_is_checked(void **state)
{
	struct folder *f = *state;
	const struct mtls_file_trust trust = { .owner = getuid() };
	const struct mtls_file_trust secret = { .owner = getuid(),
						.secret = true,
						.secret_gid = 0 };
	struct mtls_diag diag = { 0 };

	assert_int_equal(chmod(f->path, 0755), 0);
	assert_int_equal(mtls_file_replace(f->file, "x", 1, &mode_0640, &diag), 0);
	static const struct {
		mode_t file, folder;
		int plain, secret;
	} rows[] = {
		{ 0600, 0755, 0, 0 },
		{ 0644, 0755, 0, MTLS_E_UNTRUSTED },
		{ 0664, 0755, MTLS_E_UNTRUSTED, MTLS_E_UNTRUSTED },
		{ 0602, 0755, MTLS_E_UNTRUSTED, MTLS_E_UNTRUSTED },
		{ 0600, 0777, MTLS_E_UNTRUSTED, MTLS_E_UNTRUSTED },
		{ 0600, 01777, MTLS_E_UNTRUSTED, MTLS_E_UNTRUSTED },
	};
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_close_ int a = -1;
		_cleanup_close_ int b = -1;
		print_message("# file %04o folder %04o\n", rows[i].file, rows[i].folder);
		assert_int_equal(chmod(f->file, rows[i].file), 0);
		assert_int_equal(chmod(f->path, rows[i].folder), 0);
		assert_int_equal(mtls_file_open_trusted(f->file, &trust, &a, &diag), rows[i].plain);
		assert_int_equal(mtls_file_open_trusted(f->file, &secret, &b, &diag),
				 rows[i].secret);
	}
	assert_int_equal(chmod(f->path, 0755), 0);
	_cleanup_close_ int fd = -1;
	assert_int_equal(mtls_file_open_trusted(f->path, &trust, &fd, &diag), MTLS_E_UNTRUSTED);
	assert_int_equal(unlink(f->file), 0);
	assert_int_equal(symlink("/etc/passwd", f->file), 0);
	assert_int_equal(mtls_file_open_trusted(f->file, &trust, &fd, &diag), -ELOOP);
	if (getuid() == 0) {
		assert_int_equal(unlink(f->file), 0);
		assert_int_equal(mtls_file_replace(f->file, "x", 1, &mode_0640, &diag), 0);
		assert_int_equal(chown(f->file, 12345, 0), 0);
		assert_int_equal(mtls_file_open_trusted(f->file, &trust, &fd, &diag),
				 MTLS_E_UNTRUSTED);
	}
}

static char logged[MTLS_LOG_MAX];

static void keep_line(void *ctx, enum mtls_log_level level, const char *line)
{
	(void)ctx;
	(void)level;
	(void)mtls_strcopy(logged, sizeof(logged), line);
}

static void log_lines_cannot_be_forged(void **state)
{
	(void)state;
	mtls_log_set_sink(keep_line, NULL);
	mtls_log_set_id("r1");
	mtls_log(MTLS_LOG_NOTICE, "user '%s'", "x\nroot logged in");
	assert_string_equal(logged, "[r1] user 'x?root logged in'");
	mtls_log(MTLS_LOG_DEBUG, "hidden");
	assert_string_equal(logged, "[r1] user 'x?root logged in'");
	mtls_log_set_id(NULL);
	mtls_log_set_sink(NULL, NULL);
}

static void kernel_word_is_exact(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool want;
	} rows[] = {
		{ "mtls=off", true },
		{ "root=/dev/sda1 ro mtls=off quiet\n", true },
		{ "quiet\tmtls=off\n", true },
		{ "  mtls=off  ", true },
		{ "", false },
		{ "\n", false },
		{ "mtls=offline", false },
		{ "xmtls=off", false },
		{ "mtls=of", false },
		{ "mtls=off,", false },
		{ "MTLS=OFF", false },
		{ "mtls=on", false },
		{ "init=\"/bin/x mtls=off y\"", false },
		{ "\"mtls=off\"", false },
		{ "a=\"b c\" mtls=off", true },
		{ "a=\"never closed mtls=off", false },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (mtls_bootword_in(rows[i].text, "mtls=off") != rows[i].want)
			fail_msg("'%s'", rows[i].text);
	assert_false(mtls_bootword_in("a b", ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_have_texts),
		cmocka_unit_test(texts_are_cut_between_characters),
		cmocka_unit_test(numbers_are_strict),
		cmocka_unit_test(utf8_and_controls),
		cmocka_unit_test(hex_both_ways),
		cmocka_unit_test(lists),
		cmocka_unit_test(buffers_are_bounded),
		cmocka_unit_test(secrets_are_cleared),
		cmocka_unit_test(deadlines),
		cmocka_unit_test_setup_teardown(files_are_replaced_whole, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(trust_is_checked, make_folder, remove_folder),
		cmocka_unit_test(log_lines_cannot_be_forged),
		cmocka_unit_test(kernel_word_is_exact),
	};
	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
