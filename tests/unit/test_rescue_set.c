/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/rescue/set, store: the file is read exactly, or refused; and replaced whole, or not at all.
 */
#include <config.h>

#include <errno.h>
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

#include "lib/base/file.h"
#include "lib/rescue/store.h"

#define HEAD "mtls-rescue 1\nmade 1796083200\nusers root,bob\nsetting $6$salt$\n"
#define ONE  "code 1 - $6$salt$one\n"
#define TWO  "code 2 1796169600 $6$salt$two\n"

static int parse(const char *text, struct mtls_rescue_set **ret, struct mtls_diag *diag)
{
	return mtls_rescue_set_parse((const uint8_t *)text, strlen(text), ret, diag);
}

static void file_is_read_and_written(void **state)
{
	(void)state;
	static const char text[] = HEAD ONE TWO "end 2\n";
	struct mtls_rescue_set *set = NULL;
	assert_int_equal(parse(text, &set, NULL), 0);
	assert_int_equal(set->made_at, 1796083200);
	assert_int_equal(set->count, 2);
	assert_false(set->entry[0].used);
	assert_true(set->entry[1].used);
	assert_int_equal(set->entry[1].used_at, 1796169600);
	assert_int_equal(mtls_rescue_set_unused(set), 1);
	assert_true(mtls_rescue_set_has_user(set, "root"));
	assert_true(mtls_rescue_set_has_user(set, "bob"));
	assert_false(mtls_rescue_set_has_user(set, "bo"));
	assert_false(mtls_rescue_set_has_user(set, "root,bob"));
	assert_false(mtls_rescue_set_has_user(set, ""));
	const struct mtls_rescue_hash two = { "$6$salt$two" }, none = { "$6$salt$tw" };
	assert_int_equal(mtls_rescue_set_find(set, &two), 1);
	assert_int_equal(mtls_rescue_set_find(set, &none), -1);
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(MTLS_RESCUE_FILE_MAX);
	assert_int_equal(mtls_rescue_set_format(set, &out), 0);
	assert_string_equal(mtls_buf_cstr(&out), text);
	mtls_rescue_set_free(set);
}

static void everything_else_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		int want;
	} rows[] = {
		{ "empty", "", MTLS_E_CORRUPT },
		{ "another file", "root:x:0:0\n", MTLS_E_CORRUPT },
		{ "later version", "mtls-rescue 2\n", MTLS_E_VERSION },
		{ "no codes", HEAD "end 0\n", MTLS_E_CORRUPT },
		{ "cut before the end", HEAD ONE, MTLS_E_CORRUPT },
		{ "cut in the end", HEAD ONE "end 1", MTLS_E_CORRUPT },
		{ "a code missing", HEAD ONE "end 2\n", MTLS_E_CORRUPT },
		{ "a code too many", HEAD ONE TWO "end 1\n", MTLS_E_CORRUPT },
		{ "numbers not in order", HEAD TWO ONE "end 2\n", MTLS_E_CORRUPT },
		{ "a code twice", HEAD ONE ONE "end 2\n", MTLS_E_CORRUPT },
		{ "something behind", HEAD ONE "end 1\n\n", MTLS_E_CORRUPT },
		{ "two spaces", HEAD "code  1 - $6$salt$one\nend 1\n", MTLS_E_CORRUPT },
		{ "space at the end", HEAD "code 1 - $6$salt$one \nend 1\n", MTLS_E_CORRUPT },
		{ "no state", HEAD "code 1 $6$salt$one\nend 1\n", MTLS_E_CORRUPT },
		{ "strange state", HEAD "code 1 used $6$salt$one\nend 1\n", MTLS_E_CORRUPT },
		{ "negative time", HEAD "code 1 -5 $6$salt$one\nend 1\n", MTLS_E_CORRUPT },
		{ "plain code", HEAD "code 1 - 0000\nend 1\n", MTLS_E_CORRUPT },
		{ "weak hash", HEAD "code 1 - $1$salt$one\nend 1\n", MTLS_E_CORRUPT },
		{ "hash with a colon", HEAD "code 1 - $6$sa:lt$one\nend 1\n", MTLS_E_CORRUPT },
		{ "nobody", "mtls-rescue 1\nmade 1\nusers \nsetting $6$s$\n", MTLS_E_CORRUPT },
		{ "empty name", "mtls-rescue 1\nmade 1\nusers root,\nsetting $6$s$\n",
		  MTLS_E_CORRUPT },
		{ "a name twice", "mtls-rescue 1\nmade 1\nusers bob,bob\nsetting $6$s$\n",
		  MTLS_E_CORRUPT },
		{ "no name", "mtls-rescue 1\nmade 1\nusers a/b\nsetting $6$s$\n", MTLS_E_CORRUPT },
		{ "no time", "mtls-rescue 1\nmade today\nusers root\nsetting $6$s$\n",
		  MTLS_E_CORRUPT },
		{ "order", "mtls-rescue 1\nusers root\nmade 1\nsetting $6$s$\n", MTLS_E_CORRUPT },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mtls_rescue_set *set = NULL;
		struct mtls_diag diag = { "" };
		int r = parse(rows[i].text, &set, &diag);
		if (r != rows[i].want || set || !diag.text[0])
			fail_msg("%s: %d '%s'", rows[i].name, r, diag.text);
	}
	static const char nul[] = HEAD "code 1 - $6$salt$\0ne\nend 1\n";
	struct mtls_rescue_set *set = NULL;
	assert_int_equal(mtls_rescue_set_parse((const uint8_t *)nul, sizeof(nul) - 1, &set, NULL),
			 MTLS_E_CORRUPT);
}

static void bounds(void **state)
{
	(void)state;
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(1 << 20);
	struct mtls_rescue_set *set = NULL;
	(void)mtls_buf_append_str(&text, HEAD);
	for (int i = 1; i <= MTLS_RESCUE_CODES_MAX; i++)
		(void)mtls_buf_printf(&text, "code %d - $6$salt$%d\n", i, i);
	size_t most = text.len;
	(void)mtls_buf_printf(&text, "end %d\n", MTLS_RESCUE_CODES_MAX);
	assert_int_equal(mtls_rescue_set_parse(text.data, text.len, &set, NULL), 0);
	assert_int_equal(set->count, MTLS_RESCUE_CODES_MAX);
	mtls_rescue_set_free(set);
	text.len = most;
	(void)mtls_buf_printf(&text, "code %d - $6$salt$x\nend %d\n", MTLS_RESCUE_CODES_MAX + 1,
			      MTLS_RESCUE_CODES_MAX + 1);
	assert_int_equal(mtls_rescue_set_parse(text.data, text.len, &set, NULL), MTLS_E_CORRUPT);
	mtls_buf_reset(&text);
	while (text.len <= MTLS_RESCUE_FILE_MAX)
		(void)mtls_buf_append_str(&text, HEAD);
	assert_int_equal(mtls_rescue_set_parse(text.data, text.len, &set, NULL), MTLS_E_LIMIT);
	char users[MTLS_RESCUE_USERS_MAX + 8];
	memset(users, 'a', sizeof(users));
	users[sizeof(users) - 1] = '\0';
	assert_false(mtls_rescue_users_valid(users));
}

/* --- the store; needs root, whose file it is --- */

struct fixture {
	char folder[64], path[96];
};

static int make_folder(void **state)
{
	static struct fixture fixture;
	(void)snprintf(fixture.folder, sizeof(fixture.folder), "/tmp/test_rescue.XXXXXX");
	if (!mkdtemp(fixture.folder))
		return -1;
	(void)snprintf(fixture.path, sizeof(fixture.path), "%s/codes", fixture.folder);
	*state = &fixture;
	return 0;
}

static int remove_folder(void **state)
{
	const struct fixture *f = *state;
	(void)chmod(f->folder, 0700);
	(void)unlink(f->path);
	return rmdir(f->folder);
}

static void needs_root(void)
{
	if (geteuid() != 0)
		skip();
}

static struct mtls_rescue_set *sample(void)
{
	struct mtls_rescue_set *set = NULL;
	assert_int_equal(parse(HEAD ONE TWO "end 2\n", &set, NULL), 0);
	return set;
}

static void set_is_kept(void **state)
{
	const struct fixture *f = *state;
	needs_root();
	struct mtls_rescue_set *set = sample(), *again = NULL;
	struct mtls_diag diag = { "" };
	assert_int_equal(mtls_rescue_load(f->folder, &again, NULL), -ENOENT);
	char left[128];
	(void)snprintf(left, sizeof(left), "%s.AbCdEf", f->path);
	static const struct mtls_file_mode mode = { .mode = 0600 };
	assert_int_equal(mtls_file_replace(left, "x", 1, &mode, NULL), 0);
	assert_int_equal(mtls_rescue_save(f->folder, set, &diag), 0);
	assert_int_equal(access(left, F_OK), -1);
	struct stat st;
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(mtls_rescue_load(f->folder, &again, &diag), 0);
	assert_int_equal(again->count, 2);
	mtls_rescue_set_free(again);
	mtls_rescue_set_free(set);
	assert_int_equal(mtls_rescue_remove(f->folder, &diag), 0);
	assert_int_equal(mtls_rescue_remove(f->folder, &diag), -ENOENT);
}

static void others_files_are_not_believed(void **state)
{
	const struct fixture *f = *state;
	needs_root();
	struct mtls_rescue_set *set = sample(), *again = NULL;
	struct mtls_diag diag = { "" };
	assert_int_equal(mtls_rescue_save(f->folder, set, &diag), 0);
	mtls_rescue_set_free(set);
	static const mode_t modes[] = { 0604, 0602, 0660, 0666, 0644 };
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		assert_int_equal(chmod(f->path, modes[i]), 0);
		assert_int_equal(mtls_rescue_load(f->folder, &again, &diag), MTLS_E_UNTRUSTED);
	}
	assert_int_equal(chmod(f->path, 0600), 0);
	assert_int_equal(chown(f->path, 65534, 0), 0);
	assert_int_equal(mtls_rescue_load(f->folder, &again, &diag), MTLS_E_UNTRUSTED);
	assert_int_equal(chown(f->path, 0, 0), 0);
	assert_int_equal(mtls_rescue_load(f->folder, &again, &diag), 0);
	mtls_rescue_set_free(again);
	again = NULL;
	char other[128];
	(void)snprintf(other, sizeof(other), "%s.real", f->path);
	assert_int_equal(rename(f->path, other), 0);
	assert_int_equal(symlink(other, f->path), 0);
	assert_int_equal(mtls_rescue_load(f->folder, &again, &diag), -ELOOP);
	assert_null(again);
	assert_int_equal(unlink(other), 0);
}

static void folder_is_roots_alone(void **state)
{
	const struct fixture *f = *state;
	needs_root();
	struct mtls_diag diag = { "" };
	int fd = -1, second = -1;
	static const mode_t modes[] = { 0755, 0701, 0710, 01777, 0770 };
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		assert_int_equal(chmod(f->folder, modes[i]), 0);
		assert_int_equal(mtls_rescue_lock(f->folder, 0, &fd, &diag), MTLS_E_UNTRUSTED);
		assert_int_equal(mtls_rescue_folder_make(f->folder, &diag), MTLS_E_UNTRUSTED);
	}
	assert_int_equal(chmod(f->folder, 0700), 0);
	assert_int_equal(mtls_rescue_folder_make(f->folder, &diag), 0);
	assert_int_equal(mtls_rescue_lock(f->folder, 0, &fd, &diag), 0);
	assert_int_equal(mtls_rescue_lock(f->folder, 100, &second, &diag), MTLS_E_BUSY);
	assert_int_equal(close(fd), 0);
	assert_int_equal(mtls_rescue_lock(f->folder, 0, &second, &diag), 0);
	assert_int_equal(close(second), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_is_read_and_written),
		cmocka_unit_test(everything_else_is_refused),
		cmocka_unit_test(bounds),
		cmocka_unit_test_setup_teardown(set_is_kept, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(others_files_are_not_believed, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(folder_is_roots_alone, make_folder, remove_folder),
	};
	return cmocka_run_group_tests_name("rescue_set", tests, NULL, NULL);
}
