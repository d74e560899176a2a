/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One look at the source files: what changed since the last one is read, judged, and handed on in
 * one change of the store. What was touched a moment ago waits until it was left alone: whoever
 * writes a file in place, or moves the old one away before the new one is there, is not done.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "accountd/source_files_impl.h"

typedef int parse_fn(const char *file, const uint8_t *text, size_t len, struct mtls_roster *roster,
		     struct mtls_diag *diag);

static int stat_is(int fd, const struct identity *want)
{
	struct identity is;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	identity_of(&st, &is);
	return identity_same(&is, want) ? 0 : -EAGAIN;
}

/* The file that was listed, and unchanged while it was read; else -EAGAIN. */
static int read_file(const struct source_files *files, const char *path,
		     const struct identity *want, struct mtls_buf *buf, struct mtls_diag *diag)
{
	_cleanup_close_ int fd = -1;
	int r = mtls_file_open_trusted(path, &files->trust, &fd, diag);

	if (r >= 0)
		r = stat_is(fd, want);
	if (r < 0)
		return r == -ENOENT ? -EAGAIN : r;
	if (want->size > MTLS_ROSTER_FILE_MAX)
		return mtls_diag_set(diag, MTLS_E_LIMIT,
				     "'%s': found %jd bytes, expected at most %d", path,
				     (intmax_t)want->size, MTLS_ROSTER_FILE_MAX);
	r = mtls_buf_reserve(buf, (size_t)want->size);
	if (r >= 0)
		r = mtls_fd_read_all(fd, buf);
	if (r >= 0)
		r = stat_is(fd, want);
	if (r < 0 && r != -EAGAIN)
		return mtls_diag_set(diag, r, "cannot read '%s': %s", path, mtls_strerror(r));
	return r;
}

static int read_part(const struct source_files *files, const struct source *source,
		     enum source_part part, struct mtls_roster *roster, struct mtls_diag *diag)
{
	static parse_fn *const parsers[PARTS] = {
		[PART_PASSWD] = mtls_roster_passwd,
		[PART_GROUP] = mtls_roster_group,
	};
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(MTLS_ROSTER_FILE_MAX);
	_cleanup_free_ char *path = NULL;

	if (identity_none(&source->now[part]))
		return 0;
	path = source_path(files, source->name, part);
	if (!path)
		return -ENOMEM;
	int r = read_file(files, path, &source->now[part], &text, diag);
	if (r >= 0)
		r = parsers[part](path, text.data, text.len, roster, diag);
	return r < 0 ? r : mtls_roster_check(path, roster, diag);
}

/* Each file is checked with its own name, then both are one roster. */
static int read_source(const struct source_files *files, const struct source *source,
		       struct mtls_roster *ret, struct mtls_diag *diag)
{
	struct mtls_roster users = { 0 }, groups = { 0 };

	int r = read_part(files, source, PART_PASSWD, &users, diag);
	if (r >= 0)
		r = read_part(files, source, PART_GROUP, &groups, diag);
	if (r < 0) {
		mtls_roster_done(&users);
		mtls_roster_done(&groups);
		return r;
	}
	*ret = users;
	ret->groups = groups.groups;
	ret->group_count = groups.group_count;
	ret->group_room = groups.group_room;
	ret->hashes_dropped += groups.hashes_dropped;
	return 0;
}

/* For how long something that changed at @changed must still be left alone, in milliseconds. */
static uint32_t unsettled_ms(const struct source_files *files, const struct timespec *changed)
{
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now) < 0)
		return 0;
	int64_t age = (int64_t)(now.tv_sec - changed->tv_sec) * 1000 +
		      (now.tv_nsec - changed->tv_nsec) / 1000000;
	/* Of the future: the clock was set back, or is another machine's. It says nothing then. */
	if (age < 0 || age >= files->settle_ms)
		return 0;
	return files->settle_ms - (uint32_t)age;
}

static void wait_at_least(struct source_files *files, uint32_t ms)
{
	if (ms > files->wait_ms)
		files->wait_ms = ms;
}

static bool source_present(const struct source *source)
{
	return !identity_none(&source->now[PART_PASSWD]) ||
	       !identity_none(&source->now[PART_GROUP]);
}

static bool source_changed(const struct source *source)
{
	for (int part = 0; part < PARTS; part++)
		if (!identity_same(&source->now[part], &source->tried[part]))
			return true;
	return source->retry || (!source_present(source) && source->held);
}

static bool source_settled(struct source_files *files, const struct source *source)
{
	uint32_t wait = 0;

	for (int part = 0; part < PARTS; part++) {
		/* A file that is not there: maybe it is just being replaced. */
		bool none = identity_none(&source->now[part]);
		const struct timespec *changed = none ? &files->modified : &source->now[part].ctime;
		uint32_t ms = unsettled_ms(files, changed);
		bool removed =
			none && (!identity_none(&source->tried[part]) || !source_present(source));
		if (ms > wait && (!none || removed))
			wait = ms;
	}
	wait_at_least(files, wait);
	return wait == 0;
}

/* The old state stays, and the log hears of each different reason once. */
static void set_broken(struct source_files *files, struct source *source, bool retry, int r,
		       const struct mtls_diag *diag)
{
	const char *text = mtls_diag_text(diag, r);

	source->retry = retry;
	source->pending = false;
	if (source->state == SOURCE_BROKEN && strcmp(source->error.text, text) == 0)
		return;
	source->state = SOURCE_BROKEN;
	(void)mtls_diag_set(&source->error, r, "%s", text);
	source_report(files, true, "source '%s' %s: %s", source->name,
		      source->held ? "keeps its old state" : "is not used", text);
}

static void set_gone(struct source_files *files, struct source *source)
{
	if (source->held)
		source_report(files, false, "source '%s' is gone: its files were removed",
			      source->name);
	source->state = SOURCE_GONE;
	source->held = false;
	source->users = source->groups = source->hashes_dropped = 0;
}

static void set_done(struct source_files *files, struct source *source)
{
	source->pending = false;
	source->error.text[0] = '\0';
	if (!source_present(source)) {
		set_gone(files, source);
		return;
	}
	source->state = SOURCE_GOOD;
	source->held = true;
	source_report(files, false, "source '%s': %zu users, %zu groups", source->name,
		      source->users, source->groups);
	if (source->hashes_dropped)
		source_report(files, false,
			      "source '%s': %zu password hashes dropped: accounts here have none",
			      source->name, source->hashes_dropped);
}

/* What is in the files, and what is the machine's trouble of this moment. */
static bool error_of_file(int r)
{
	return r == MTLS_E_SYNTAX || r == MTLS_E_LIMIT || r == MTLS_E_EXISTS ||
	       r == MTLS_E_UNTRUSTED || r == -ELOOP;
}

static int begin(struct source_files *files, bool *begun, struct mtls_diag *diag)
{
	int r = *begun ? 0 : files->ops->begin(files->ctx, diag);

	*begun = r >= 0;
	return r;
}

/* An error is one of begin; what is wrong with this source alone is noted in it. */
static int take_source(struct source_files *files, struct source *source, bool *begun,
		       struct mtls_diag *diag)
{
	struct mtls_roster roster = { 0 };
	struct mtls_diag why = { 0 };
	bool present = source_present(source);

	int r = present ? read_source(files, source, &roster, &why) : 0;
	if (r == -EAGAIN) {
		wait_at_least(files, files->settle_ms + 1);
		return 0;
	}
	memcpy(source->tried, source->now, sizeof(source->tried));
	source->retry = false;
	if (r < 0) {
		set_broken(files, source, !error_of_file(r), r, &why);
		return 0;
	}
	source->pending = true;
	r = begin(files, begun, diag);
	if (r >= 0) {
		int bad = files->ops->changed(files->ctx, source->name, present ? &roster : NULL,
					      &why);
		if (bad < 0)
			set_broken(files, source, true, bad, &why);
		source->users = bad < 0 ? source->users : roster.user_count;
		source->groups = bad < 0 ? source->groups : roster.group_count;
		source->hashes_dropped = bad < 0 ? source->hashes_dropped : roster.hashes_dropped;
	}
	mtls_roster_done(&roster);
	return r;
}

static int take_all(struct source_files *files, bool *begun, struct mtls_diag *diag)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < files->source_count; i++) {
		struct source *source = &files->sources[i];
		if (!source_changed(source) || !source_settled(files, source))
			continue;
		if (source_present(source) || source->held) {
			r = take_source(files, source, begun, diag);
			continue;
		}
		memset(source->tried, 0, sizeof(source->tried));
		source->retry = false;
		source->error.text[0] = '\0';
		set_gone(files, source);
	}
	return r;
}

static size_t count_pending(const struct source_files *files)
{
	size_t count = 0;

	for (size_t i = 0; i < files->source_count; i++)
		count += files->sources[i].pending;
	return count;
}

static int finish(struct source_files *files, bool begun, int r, struct mtls_diag *diag)
{
	bool any = count_pending(files) > 0;

	if (r >= 0 && any)
		r = files->ops->commit(files->ctx, diag);
	if (begun && (r < 0 || !any))
		files->ops->rollback(files->ctx);
	for (size_t i = 0; i < files->source_count; i++) {
		struct source *source = &files->sources[i];
		if (source->pending && r < 0)
			set_broken(files, source, true, r, diag);
		else if (source->pending)
			set_done(files, source);
	}
	return r < 0 ? r : any;
}

/* A missing folder is what most machines have, and worth a word only where it had sources. */
static int folder_failed(struct source_files *files, int r, const struct mtls_diag *diag)
{
	bool held = false;

	for (size_t i = 0; i < files->source_count; i++)
		held |= files->sources[i].held;
	if (r == -ENOENT && !held) {
		for (size_t i = 0; i < files->source_count; i++)
			files->sources[i].state = SOURCE_GONE;
		files->error.text[0] = '\0';
		return 0;
	}
	if (strcmp(files->error.text, diag->text) != 0)
		source_report(files, true, "%s%s", diag->text,
			      held ? "; its sources keep their old state" : "");
	files->error = *diag;
	return r;
}

int source_look(struct source_files *files)
{
	struct mtls_diag diag = { 0 };
	bool begun = false;

	files->wait_ms = 0;
	int r = source_list(files, &diag);
	if (r < 0)
		return folder_failed(files, r, &diag);
	if (files->error.text[0])
		source_report(files, false, "the folder '%s' can be read again", files->folder);
	files->error.text[0] = '\0';
	r = take_all(files, &begun, &diag);
	return finish(files, begun, r, &diag);
}
