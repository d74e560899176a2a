/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * accountd/source_files: a real folder, a real loop. Each case is a little script; what the store
 * and the log hear of it is one text, compared as a whole.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
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

#include "accountd/source_files.h"
#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/base/str.h"

#define SETTLE_MS   20
#define DEADLINE_MS 20000

enum op {
	END,
	WRITE,    /* file, text: in place, in the folder */
	APPEND,   /* file, text */
	PUT,      /* file, text: written elsewhere, renamed into the folder */
	MOVE,     /* file, to another name in the folder */
	DELETE,   /* file */
	LINK,     /* file: a symbolic link to text */
	MODE,     /* file, mode in octal: ".": the folder */
	MAKE_DIR, /* the folder */
	MAKE_PARENT,
	MOVE_DIR, /* the folder, to another name beside it */
	SWAP_DIR, /* the folder away, and another one with file and text in its place */
	KNOWN,    /* file is a source that the store has */
	START,    /* opens, and looks */
	POLL,     /* the same, with a poll every 20 ms */
	SCAN,     /* looks now */
	STOP,
	FAIL,   /* the step named file fails from now on, with text */
	HEAL,   /* nothing fails any more */
	EXPECT, /* waits until the log since the last time is text */
	STATES, /* text is what status would say */
};

struct step {
	enum op op;
	const char *file, *text;
};

struct world {
	uv_loop_t loop;
	uv_timer_t deadline;
	char base[64], folder[128];
	struct mtls_buf log;
	struct source_files *files;
	const char *known[8];
	size_t known_count;
	const char *failing, *failure;
	uint32_t settle_ms;
	bool late;
};

/* The log has '@' for the folder that all is in. */
static void note(struct world *w, const char *text)
{
	size_t n = strlen(w->base);

	while (*text) {
		bool base = strncmp(text, w->base, n) == 0;
		(void)mtls_buf_append_byte(&w->log, base ? '@' : (uint8_t)*text);
		text += base ? n : 1;
	}
	assert_int_equal(mtls_buf_append_byte(&w->log, '\n'), 0);
}

static int fails(struct world *w, const char *step, struct mtls_diag *diag)
{
	if (!mtls_streq(w->failing, step))
		return 0;
	return mtls_diag_set(diag, MTLS_E_DENIED, "%s", w->failure);
}

static int on_begin(void *ctx, struct mtls_diag *diag)
{
	note(ctx, "begin");
	return fails(ctx, "begin", diag);
}

static int on_changed(void *ctx, const char *source, const struct mtls_roster *roster,
		      struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf line = MTLS_BUF(65536);

	(void)mtls_buf_printf(&line, "%s%s", source, roster ? ":" : " gone");
	for (size_t i = 0; roster && i < roster->user_count; i++)
		(void)mtls_buf_printf(&line, " %s=%u", roster->users[i].name, roster->users[i].uid);
	for (size_t i = 0; roster && i < roster->group_count; i++)
		(void)mtls_buf_printf(&line, " %s[%zu]", roster->groups[i].name,
				      roster->groups[i].member_count);
	note(ctx, mtls_buf_cstr(&line));
	return fails(ctx, source, diag);
}

static int on_commit(void *ctx, struct mtls_diag *diag)
{
	note(ctx, "commit");
	return fails(ctx, "commit", diag);
}

static void on_rollback(void *ctx)
{
	note(ctx, "rollback");
}

static void on_report(void *ctx, bool error, const char *sentence)
{
	char line[2048];

	(void)snprintf(line, sizeof(line), "%c %s", error ? '!' : '-', sentence);
	note(ctx, line);
}

static const struct source_files_ops ops = { on_begin, on_changed, on_commit, on_rollback,
					     on_report };

static void open_files(struct world *w, uint32_t poll_ms)
{
	const struct source_files_options options = {
		.folder = w->folder,
		.ops = &ops,
		.ctx = w,
		.owner = getuid(),
		.settle_ms = w->settle_ms,
		.poll_ms = poll_ms,
	};

	assert_int_equal(source_files_new(&w->loop, &options, &w->files, NULL), 0);
	for (size_t i = 0; i < w->known_count; i++)
		assert_int_equal(source_files_known(w->files, w->known[i], NULL), 0);
	w->known_count = 0;
	(void)source_files_scan(w->files);
}

static void path_of(const struct world *w, const char *file, char out[512])
{
	(void)snprintf(out, 512, "%s/%s", w->folder, file);
}

static void write_file(const char *path, const char *text, int flags)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);

	assert_true(fd >= 0);
	assert_int_equal(mtls_fd_write_all(fd, text, strlen(text)), 0);
	assert_int_equal(close(fd), 0);
}

static void put_file(const struct world *w, const struct step *step)
{
	char temporary[512], path[512];

	(void)snprintf(temporary, sizeof(temporary), "%s/new", w->base);
	path_of(w, step->file, path);
	write_file(temporary, step->text, O_TRUNC);
	assert_int_equal(rename(temporary, path), 0);
}

static void move_dir(const struct world *w)
{
	char old[512];

	(void)snprintf(old, sizeof(old), "%s/old", w->base);
	assert_int_equal(rename(w->folder, old), 0);
}

static void swap_dir(const struct world *w, const struct step *step)
{
	char next[256], path[512];

	(void)snprintf(next, sizeof(next), "%s/next", w->base);
	assert_int_equal(mkdir(next, 0755), 0);
	(void)snprintf(path, sizeof(path), "%s/%s", next, step->file);
	write_file(path, step->text, O_TRUNC);
	move_dir(w);
	assert_int_equal(rename(next, w->folder), 0);
}

static void on_deadline(uv_timer_t *timer)
{
	struct world *w = timer->data;

	w->late = true;
}

/* Until the log is as expected, cannot become so any more, or the deadline is over. */
static void expect(struct world *w, const char *want)
{
	w->late = false;
	assert_int_equal(uv_timer_start(&w->deadline, on_deadline, DEADLINE_MS, 0), 0);
	for (;;) {
		const char *log = mtls_buf_cstr(&w->log);
		size_t n = strlen(log);
		if (n >= strlen(want) || w->late || strncmp(log, want, n) != 0)
			break;
		(void)uv_run(&w->loop, UV_RUN_ONCE);
	}
	(void)uv_timer_stop(&w->deadline);
	assert_string_equal(mtls_buf_cstr(&w->log), want);
	mtls_buf_reset(&w->log);
}

static int add_state(void *ctx, const struct source_info *info)
{
	static const char *const names[] = { "good", "broken", "gone" };
	char line[1024];

	(void)snprintf(line, sizeof(line), "%s %s%s %zu %zu %s", info->name, names[info->state],
		       info->held ? " held" : "", info->users, info->groups, info->error);
	note(ctx, line);
	return 0;
}

static void close_files(struct world *w)
{
	source_files_free(MTLS_TAKE(w->files));
	while (uv_loop_alive(&w->loop) && uv_run(&w->loop, UV_RUN_NOWAIT))
		;
}

static void run_file_step(struct world *w, const struct step *step)
{
	char path[512], to[512];

	path_of(w, step->file, path);
	switch (step->op) {
	case WRITE:
		write_file(path, step->text, O_TRUNC);
		break;
	case APPEND:
		write_file(path, step->text, O_APPEND);
		break;
	case PUT:
		put_file(w, step);
		break;
	case MOVE:
		path_of(w, step->text, to);
		assert_int_equal(rename(path, to), 0);
		break;
	case DELETE:
		assert_int_equal(unlink(path), 0);
		break;
	case LINK:
		assert_int_equal(symlink(step->text, path), 0);
		break;
	case MODE:
		assert_int_equal(chmod(path, (mode_t)strtoul(step->text, NULL, 8)), 0);
		break;
	default:
		fail();
	}
}

static void run_step(struct world *w, const struct step *step)
{
	char path[512];

	switch (step->op) {
	case MAKE_DIR:
		assert_int_equal(mkdir(w->folder, 0755), 0);
		break;
	case MAKE_PARENT:
		(void)snprintf(path, sizeof(path), "%s/parent", w->base);
		assert_int_equal(mkdir(path, 0755), 0);
		break;
	case MOVE_DIR:
		move_dir(w);
		break;
	case SWAP_DIR:
		swap_dir(w, step);
		break;
	case KNOWN:
		w->known[w->known_count++] = step->file;
		break;
	case START:
	case POLL:
		open_files(w, step->op == POLL ? SETTLE_MS : 10 * DEADLINE_MS);
		break;
	case SCAN:
		(void)source_files_scan(w->files);
		break;
	case STOP:
		close_files(w);
		break;
	case FAIL:
	case HEAL:
		w->failing = step->file;
		w->failure = step->text;
		break;
	case STATES:
		assert_int_equal(source_files_each(w->files, add_state, w), 0);
		expect(w, step->text);
		break;
	case EXPECT:
		expect(w, step->text);
		break;
	default:
		run_file_step(w, step);
	}
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static void run_script(const char *name, const char *folder, uint32_t settle_ms,
		       const struct step *steps)
{
	struct world w = { .log = MTLS_BUF(1 << 20), .settle_ms = settle_ms };
	const char *tmp = getenv("TMPDIR");

	print_message("# row '%s'\n", name);
	(void)snprintf(w.base, sizeof(w.base), "%s/sources.XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(w.base));
	assert_int_equal(chmod(w.base, 0755), 0);
	(void)snprintf(w.folder, sizeof(w.folder), "%s/%s", w.base, folder);
	assert_int_equal(uv_loop_init(&w.loop), 0);
	assert_int_equal(uv_timer_init(&w.loop, &w.deadline), 0);
	w.deadline.data = &w;
	for (const struct step *step = steps; step->op != END; step++)
		run_step(&w, step);
	if (w.files)
		close_files(&w);
	expect(&w, "");
	uv_close((uv_handle_t *)&w.deadline, NULL);
	(void)uv_run(&w.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w.loop), 0);
	mtls_buf_done(&w.log);
	assert_int_equal(nftw(w.base, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

#define A      "a:x:5001:5001::/:/bin/sh\n"
#define B      "b:x:5002:5002::/:/bin/sh\n"
#define G      "g:x:6000:a,b\n"
#define GOOD_A "begin\ncorp: a=5001\ncommit\n- source 'corp': 1 users, 0 groups\n"
#define GOOD_B "begin\ncorp: b=5002\ncommit\n- source 'corp': 1 users, 0 groups\n"
#define GONE   "begin\ncorp gone\ncommit\n- source 'corp' is gone: its files were removed\n"
#define BROKEN(what)                                                                               \
	"! source 'corp' " what ": @/accounts.d/corp.passwd:1: found no newline at the end of "    \
	"the last line, expected one: without it the file may be cut off\n"
#define NAME_WANT                                                                                  \
	"expected NAME.passwd or NAME.group, with a NAME of a-z, 0-9 and '-' that begins with "    \
	"a letter and is not 'store'\n"

#define OPEN_FOLDER                                                                                \
	"! the folder '@/accounts.d' is writable by group or others (mode 0777): chmod go-w"

struct script {
	const char *name;
	bool settle; /* one file at a time: also with a time to settle */
	struct step steps[16];
};

/* clang-format off */
static const struct script scripts[] = {
	{ "no folder is nothing to talk about", true, { { START, 0, 0 }, { SCAN, 0, 0 }, { EXPECT, 0, "" } } },
	{ "files at the start, by name, in one change", false, {
		{ MAKE_DIR, 0, 0 }, { WRITE, "b.passwd", B }, { WRITE, "a.passwd", A }, { WRITE, "a.group", G }, { WRITE, "c.group", G },
		{ START, 0, 0 },
		{ EXPECT, 0, "begin\na: a=5001 g[2]\nb: b=5002\nc: g[2]\ncommit\n- source 'a': 1 users, 1 groups\n"
			     "- source 'b': 1 users, 0 groups\n- source 'c': 0 users, 1 groups\n" },
		{ STATES, 0, "a good held 1 1 \nb good held 1 0 \nc good held 0 1 \n" } } },
	{ "a new file is seen, a second look sees nothing", true, {
		{ MAKE_DIR, 0, 0 }, { START, 0, 0 }, { WRITE, "corp.passwd", A }, { EXPECT, 0, GOOD_A }, { SCAN, 0, 0 }, { SCAN, 0, 0 } } },
	{ "written in place, seen half", true, {
		{ MAKE_DIR, 0, 0 }, { START, 0, 0 }, { WRITE, "corp.passwd", A }, { EXPECT, 0, GOOD_A },
		{ WRITE, "corp.passwd", "b:x:5002" }, { EXPECT, 0, BROKEN("keeps its old state") },
		{ SCAN, 0, 0 }, /* says it once */
		{ STATES, 0, "corp broken held 1 0 @/accounts.d/corp.passwd:1: found no newline at the end of the last line, expected one: without it the file may be cut off\n" },
		{ APPEND, "corp.passwd", ":5002::/:/bin/sh\n" }, { EXPECT, 0, GOOD_B } } },
	{ "new and broken", false, {
		{ MAKE_DIR, 0, 0 }, { START, 0, 0 }, { WRITE, "corp.passwd", "a" }, { EXPECT, 0, BROKEN("is not used") },
		{ DELETE, "corp.passwd", 0 }, { WRITE, "b.passwd", B }, { EXPECT, 0, "begin\nb: b=5002\ncommit\n- source 'b': 1 users, 0 groups\n" },
		{ STATES, 0, "b good held 1 0 \ncorp gone 0 0 \n" } } },
	{ "renamed into place", true, {
		{ MAKE_DIR, 0, 0 }, { PUT, "corp.passwd", A }, { START, 0, 0 }, { EXPECT, 0, GOOD_A },
		{ PUT, "corp.passwd", B }, { EXPECT, 0, GOOD_B }, { PUT, "corp.passwd", A }, { EXPECT, 0, GOOD_A } } },
	{ "an editor moves the old one away first", false, {
		{ MAKE_DIR, 0, 0 }, { PUT, "corp.passwd", A }, { START, 0, 0 }, { EXPECT, 0, GOOD_A },
		{ MOVE, "corp.passwd", ".corp.passwd~" }, { WRITE, "corp.passwd", B }, { EXPECT, 0, GOOD_B } } },
	{ "removed, and back", true, {
		{ MAKE_DIR, 0, 0 }, { PUT, "corp.passwd", A }, { START, 0, 0 }, { EXPECT, 0, GOOD_A },
		{ DELETE, "corp.passwd", 0 }, { EXPECT, 0, GONE }, { STATES, 0, "corp gone 0 0 \n" },
		{ WRITE, "corp.passwd", A }, { EXPECT, 0, GOOD_A } } },
	{ "one of two removed", false, {
		{ MAKE_DIR, 0, 0 }, { PUT, "corp.passwd", A }, { PUT, "corp.group", G }, { START, 0, 0 },
		{ EXPECT, 0, "begin\ncorp: a=5001 g[2]\ncommit\n- source 'corp': 1 users, 1 groups\n" },
		{ DELETE, "corp.group", 0 }, { EXPECT, 0, GOOD_A } } },
	{ "renamed from one source to another", false, {
		{ MAKE_DIR, 0, 0 }, { PUT, "corp.passwd", A }, { START, 0, 0 }, { EXPECT, 0, GOOD_A },
		{ MOVE, "corp.passwd", "x.passwd" },
		{ EXPECT, 0, "begin\ncorp gone\nx: a=5001\ncommit\n- source 'corp' is gone: its files were removed\n- source 'x': 1 users, 0 groups\n" } } },
	{ "an empty file is a source without accounts", false, {
		{ MAKE_DIR, 0, 0 }, { PUT, "corp.passwd", "" }, { START, 0, 0 },
		{ EXPECT, 0, "begin\ncorp:\ncommit\n- source 'corp': 0 users, 0 groups\n" } } },
	{ "hashes are said", false, {
		{ MAKE_DIR, 0, 0 }, { PUT, "corp.passwd", "a:$6$x$y:5001:5001::/:/bin/sh\n" }, { PUT, "corp.group", "g:hash:6000:\n" }, { START, 0, 0 },
		{ EXPECT, 0, "begin\ncorp: a=5001 g[0]\ncommit\n- source 'corp': 1 users, 1 groups\n- source 'corp': 2 password hashes dropped: accounts here have none\n" } } },
	{ "twice in a file", false, {
		{ MAKE_DIR, 0, 0 }, { PUT, "corp.passwd", A "b:x:5001:1::/:/\n" }, { START, 0, 0 },
		{ EXPECT, 0, "! source 'corp' is not used: @/accounts.d/corp.passwd:2: found the uid 5001 of line 1 again, expected it once\n" } } },
	{ "twice in the other file", false, {
		{ MAKE_DIR, 0, 0 }, { PUT, "corp.passwd", A }, { PUT, "corp.group", G G }, { START, 0, 0 },
		{ EXPECT, 0, "! source 'corp' is not used: @/accounts.d/corp.group:2: found the group 'g' of line 1 again, expected it once\n" } } },
	{ "others can write the file, then not", false, {
		{ MAKE_DIR, 0, 0 }, { PUT, "corp.passwd", A }, { MODE, "corp.passwd", "664" }, { START, 0, 0 },
		{ EXPECT, 0, "! source 'corp' is not used: '@/accounts.d/corp.passwd' is writable by group or others (mode 0664): chmod go-w\n" },
		{ MODE, "corp.passwd", "644" }, { EXPECT, 0, GOOD_A } } },
	{ "others can write the folder, then not", false, {
		{ MAKE_DIR, 0, 0 }, { PUT, "corp.passwd", A }, { START, 0, 0 }, { EXPECT, 0, GOOD_A }, { MODE, ".", "777" },
		{ SCAN, 0, 0 }, { SCAN, 0, 0 }, { EXPECT, 0, OPEN_FOLDER "; its sources keep their old state\n" },
		{ MODE, ".", "755" }, { EXPECT, 0, "- the folder '@/accounts.d' can be read again\n" } } },
	{ "a link is not followed", false, {
		{ MAKE_DIR, 0, 0 }, { LINK, "corp.passwd", "/etc/passwd" }, { START, 0, 0 },
		{ EXPECT, 0, "! source 'corp' is not used: cannot open '@/accounts.d/corp.passwd': Too many levels of symbolic links\n" } } },
	{ "other names, each once; hidden ones never", false, {
		{ MAKE_DIR, 0, 0 }, { PUT, "README", "" }, { PUT, ".corp.passwd.swp", "" }, { START, 0, 0 },
		{ EXPECT, 0, "! '@/accounts.d/README' is passed over: " NAME_WANT },
		{ PUT, "Corp.passwd", A }, { EXPECT, 0, "! '@/accounts.d/Corp.passwd' is passed over: " NAME_WANT },
		{ PUT, "store.passwd", A }, { EXPECT, 0, "! '@/accounts.d/store.passwd' is passed over: " NAME_WANT },
		{ PUT, ".passwd", A }, { PUT, "1.passwd", A }, { EXPECT, 0, "! '@/accounts.d/1.passwd' is passed over: " NAME_WANT },
		{ PUT, "stores.passwd", "" }, { EXPECT, 0, "begin\nstores:\ncommit\n- source 'stores': 0 users, 0 groups\n" } } },
	{ "the folder is made later", true, {
		{ START, 0, 0 }, { MAKE_DIR, 0, 0 }, { WRITE, "corp.passwd", A }, { EXPECT, 0, GOOD_A },
		{ WRITE, "corp.passwd", B }, { EXPECT, 0, GOOD_B } } },
	{ "the folder is replaced, and the new one watched", false, {
		{ MAKE_DIR, 0, 0 }, { WRITE, "corp.passwd", A }, { START, 0, 0 }, { EXPECT, 0, GOOD_A },
		{ SWAP_DIR, "corp.passwd", B }, { EXPECT, 0, GOOD_B }, { WRITE, "corp.passwd", A }, { EXPECT, 0, GOOD_A } } },
	{ "the folder is missing: its sources stay", false, {
		{ MAKE_DIR, 0, 0 }, { WRITE, "corp.passwd", A }, { START, 0, 0 }, { EXPECT, 0, GOOD_A }, { MOVE_DIR, 0, 0 },
		{ EXPECT, 0, "! cannot open the folder '@/accounts.d': No such file or directory; its sources keep their old state\n" },
		{ STATES, 0, "corp broken held 1 0 cannot open the folder '@/accounts.d': No such file or directory\n" },
		{ MAKE_DIR, 0, 0 }, { EXPECT, 0, "- the folder '@/accounts.d' can be read again\n" GONE } } },
	{ "restart: what is broken is not gone", true, {
		{ MAKE_DIR, 0, 0 }, { WRITE, "corp.passwd", "a" }, { KNOWN, "corp", 0 }, { START, 0, 0 }, { EXPECT, 0, BROKEN("keeps its old state") },
		{ STOP, 0, 0 }, { KNOWN, "corp", 0 }, { START, 0, 0 }, { EXPECT, 0, BROKEN("keeps its old state") },
		{ WRITE, "corp.passwd", A }, { EXPECT, 0, GOOD_A } } },
	{ "restart: what was removed meanwhile is gone", true, {
		{ MAKE_DIR, 0, 0 }, { KNOWN, "corp", 0 }, { START, 0, 0 }, { EXPECT, 0, GONE } } },
	{ "restart: without its folder nothing is gone", false, {
		{ KNOWN, "corp", 0 }, { START, 0, 0 },
		{ EXPECT, 0, "! cannot open the folder '@/accounts.d': No such file or directory; its sources keep their old state\n" },
		{ MAKE_DIR, 0, 0 }, { WRITE, "corp.passwd", A }, { EXPECT, 0, "- the folder '@/accounts.d' can be read again\n" GOOD_A } } },
	{ "one source is refused, the others go on", false, {
		{ MAKE_DIR, 0, 0 }, { WRITE, "corp.passwd", A }, { WRITE, "x.passwd", B }, { FAIL, "corp", "no" }, { START, 0, 0 },
		{ EXPECT, 0, "begin\ncorp: a=5001\n! source 'corp' is not used: no\nx: b=5002\ncommit\n- source 'x': 1 users, 0 groups\n" },
		{ HEAL, 0, 0 }, { SCAN, 0, 0 }, { EXPECT, 0, GOOD_A } } },
	{ "all are refused: the change is taken back", false, {
		{ MAKE_DIR, 0, 0 }, { WRITE, "corp.passwd", A }, { FAIL, "corp", "no" }, { START, 0, 0 },
		{ EXPECT, 0, "begin\ncorp: a=5001\n! source 'corp' is not used: no\nrollback\n" },
		{ SCAN, 0, 0 }, { EXPECT, 0, "begin\ncorp: a=5001\nrollback\n" } } },
	{ "the commit fails, and is tried again", false, {
		{ MAKE_DIR, 0, 0 }, { WRITE, "corp.passwd", A }, { FAIL, "commit", "disk full" }, { START, 0, 0 },
		{ EXPECT, 0, "begin\ncorp: a=5001\ncommit\nrollback\n! source 'corp' is not used: disk full\n" },
		{ HEAL, 0, 0 }, { SCAN, 0, 0 }, { EXPECT, 0, GOOD_A } } },
	{ "the removal fails, and is tried again", false, {
		{ MAKE_DIR, 0, 0 }, { KNOWN, "corp", 0 }, { FAIL, "commit", "disk full" }, { START, 0, 0 },
		{ EXPECT, 0, "begin\ncorp gone\ncommit\nrollback\n! source 'corp' keeps its old state: disk full\n" },
		{ HEAL, 0, 0 }, { SCAN, 0, 0 }, { EXPECT, 0, GONE } } },
	{ "begin fails, and is tried again", false, {
		{ MAKE_DIR, 0, 0 }, { WRITE, "corp.passwd", A }, { WRITE, "x.passwd", B }, { FAIL, "begin", "busy" }, { START, 0, 0 },
		{ EXPECT, 0, "begin\n! source 'corp' is not used: busy\n" }, { HEAL, 0, 0 }, { SCAN, 0, 0 },
		{ EXPECT, 0, "begin\ncorp: a=5001\nx: b=5002\ncommit\n- source 'corp': 1 users, 0 groups\n- source 'x': 1 users, 0 groups\n" } } },
};
/* clang-format on */

static void scripts_run(void **state)
{
	(void)state;
	/* Without one, all steps up to the next EXPECT are seen at once, however slow they are. */
	for (size_t i = 0; i < MTLS_COUNT(scripts); i++) {
		run_script(scripts[i].name, "accounts.d", 0, scripts[i].steps);
		if (scripts[i].settle)
			run_script(scripts[i].name, "accounts.d", SETTLE_MS, scripts[i].steps);
	}
}

/* A parent that comes later gives no event: the poll sees the folder. */
static void the_poll_is_a_backstop(void **state)
{
	static const struct step steps[] = {
		{ POLL, 0, 0 },
		{ MAKE_PARENT, 0, 0 },
		{ MAKE_DIR, 0, 0 },
		{ WRITE, "corp.passwd", A },
		{ EXPECT, 0, "begin\ncorp: a=5001\ncommit\n- source 'corp': 1 users, 0 groups\n" },
		{ END, 0, 0 },
	};

	(void)state;
	run_script("the parent comes later", "parent/accounts.d", 0, steps);
}

/* With an endless time to settle, what was touched just now is left alone. */
static void what_moves_is_left_alone(void **state)
{
	/* clang-format off */
	static const struct script rows[] = {
		{ "a file", false, { { MAKE_DIR, 0, 0 }, { WRITE, "corp.passwd", A }, { START, 0, 0 }, { SCAN, 0, 0 },
			{ STATES, 0, "corp broken 0 0 not read yet\n" } } },
		{ "a known one", false, { { MAKE_DIR, 0, 0 }, { WRITE, "corp.passwd", A }, { KNOWN, "corp", 0 }, { START, 0, 0 }, { SCAN, 0, 0 },
			{ STATES, 0, "corp good held 0 0 \n" } } },
		{ "a removed one", false, { { MAKE_DIR, 0, 0 }, { KNOWN, "corp", 0 }, { START, 0, 0 }, { SCAN, 0, 0 },
			{ STATES, 0, "corp good held 0 0 \n" } } },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		run_script(rows[i].name, "accounts.d", 100 * DEADLINE_MS, rows[i].steps);
}

/* One source more than there is room for is named and passed over, and gets the next free place. */
static void sources_have_a_limit(void **state)
{
	static struct step steps[2 * 64 + 16];
	static char names[64][16];
	_cleanup_buf_ struct mtls_buf want = MTLS_BUF(1 << 20);
	size_t n = 0;

	(void)state;
	steps[n++] = (struct step){ MAKE_DIR, 0, 0 };
	for (int i = 0; i < 64; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "s%02d.group", i);
		steps[n++] = (struct step){ WRITE, names[i], "" };
	}
	steps[n++] = (struct step){ START, 0, 0 };
	(void)mtls_buf_append_str(&want, "! '@/accounts.d/s63' is passed over: there are too many "
					 "sources already\nbegin\n");
	for (int i = 0; i < 63; i++)
		(void)mtls_buf_printf(&want, "s%02d:\n", i);
	(void)mtls_buf_append_str(&want, "commit\n");
	for (int i = 0; i < 63; i++)
		(void)mtls_buf_printf(&want, "- source 's%02d': 0 users, 0 groups\n", i);
	steps[n++] = (struct step){ EXPECT, 0, mtls_buf_cstr(&want) };
	steps[n++] = (struct step){ DELETE, "s07.group", 0 };
	steps[n++] = (struct step){
		EXPECT, 0,
		"begin\ns07 gone\ncommit\n- source 's07' is gone: its files were removed\n"
	};
	steps[n++] = (struct step){ SCAN, 0, 0 };
	steps[n++] = (struct step){ EXPECT, 0,
				    "begin\ns63:\ncommit\n- source 's63': 0 users, 0 groups\n" };
	run_script("64 sources", "accounts.d", 0, steps);
}

static void arguments_are_checked(void **state)
{
	/* clang-format off */
	static const struct { const char *row, *folder, *known; int want_new, want_known; } rows[] = {
		{ "good", "/nowhere/accounts.d", "corp-1", 0, 0 },
		{ "slashes at the end", "/nowhere/accounts.d//", "a", 0, 0 },
		{ "in the root", "/nowhere", "a", 0, 0 },
		{ "relative", "accounts.d", "a", -EINVAL, 0 },
		{ "the root", "/", "a", -EINVAL, 0 },
		{ "empty", "", "a", -EINVAL, 0 },
		{ "the store", "/nowhere", "store", 0, MTLS_E_SYNTAX },
		{ "an empty name", "/nowhere", "", 0, MTLS_E_SYNTAX },
		{ "a name of 32 bytes", "/nowhere", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 0, 0 },
		{ "a name of 33 bytes", "/nowhere", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 0, MTLS_E_SYNTAX },
		{ "a slash", "/nowhere", "a/b", 0, MTLS_E_SYNTAX },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct world w = { .log = MTLS_BUF(4096) };
		const struct source_files_options options = {
			.folder = rows[i].folder, .ops = &ops, .ctx = &w, .poll_ms = DEADLINE_MS
		};

		print_message("# row '%s'\n", rows[i].row);
		assert_int_equal(uv_loop_init(&w.loop), 0);
		int r = source_files_new(&w.loop, &options, &w.files, NULL);
		assert_int_equal(r, rows[i].want_new);
		if (r == 0)
			assert_int_equal(source_files_known(w.files, rows[i].known, NULL),
					 rows[i].want_known);
		close_files(&w);
		assert_int_equal(uv_loop_close(&w.loop), 0);
		mtls_buf_done(&w.log);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scripts_run),
		cmocka_unit_test(the_poll_is_a_backstop),
		cmocka_unit_test(what_moves_is_left_alone),
		cmocka_unit_test(sources_have_a_limit),
		cmocka_unit_test(arguments_are_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
