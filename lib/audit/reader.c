/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files of an audit, one after the other. Holds their descriptors; one thread. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/audit/lines.h"
#include "lib/audit/reader.h"
#include "lib/base/str.h"

struct source {
	int fd;
	char *name;
};

struct mtls_audit_reader {
	bool backwards;
	bool following;                              /* a half line is one that is being written */
	struct source sources[MTLS_AUDIT_FILES_MAX]; /* the newest first */
	size_t count;
	size_t at;                      /* in the order of reading */
	struct mtls_audit_lines *lines; /* of sources[at]; NULL: not begun */
	uint64_t tail;                  /* of the newest file: where its last whole line ends */
};

/* ------------------------------------------------------------------------------- opening */

static int open_trusted(const char *path, uid_t owner, int *ret, struct mtls_diag *diag)
{
	struct stat st;

	_cleanup_close_ int fd =
		open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return mtls_diag_set(diag, -errno, "'%s': %s", path, mtls_strerror(-errno));
	if (!S_ISREG(st.st_mode))
		return mtls_diag_set(diag, MTLS_E_UNTRUSTED, "'%s' is no file", path);
	if ((st.st_uid != 0 && st.st_uid != owner) || st.st_mode & (S_IWGRP | S_IWOTH))
		return mtls_diag_set(diag, MTLS_E_UNTRUSTED,
				     "'%s' can be written by others than root and mtls-authd "
				     "(owner %u, mode %04o): its records prove nothing",
				     path, (unsigned int)st.st_uid,
				     (unsigned int)st.st_mode & 07777);
	*ret = MTLS_TAKE_FD(fd);
	return 0;
}

static int add_source(struct mtls_audit_reader *reader, int fd, const char *name)
{
	char *copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	reader->sources[reader->count++] = (struct source){ .fd = fd, .name = copy };
	return 0;
}

static int open_one(struct mtls_audit_reader *reader, const char *path, uid_t owner,
		    struct mtls_diag *diag)
{
	_cleanup_close_ int fd = -1;

	int r = open_trusted(path, owner, &fd, diag);
	if (r < 0)
		return r;
	r = add_source(reader, fd, path);
	if (r < 0)
		return mtls_diag_set(diag, r, "out of memory");
	(void)MTLS_TAKE_FD(fd);
	return 0;
}

static struct mtls_audit_reader *new_reader(bool backwards)
{
	struct mtls_audit_reader *reader = calloc(1, sizeof(*reader));
	if (reader)
		reader->backwards = backwards;
	return reader;
}

int mtls_audit_reader_open(const char *path, uid_t owner, bool backwards,
			   struct mtls_audit_reader **ret, struct mtls_diag *diag)
{
	_cleanup_(mtls_audit_reader_freep) struct mtls_audit_reader *reader = new_reader(backwards);
	if (!reader)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	int r = open_one(reader, path, owner, diag);
	for (unsigned int i = 1; r >= 0 && i < MTLS_AUDIT_FILES_MAX; i++) {
		char sibling[PATH_MAX];
		struct stat st;
		int n = snprintf(sibling, sizeof(sibling), "%s.%u", path, i);
		if (n < 0 || (size_t)n >= sizeof(sibling) || lstat(sibling, &st) < 0)
			break;
		r = open_one(reader, sibling, owner, diag);
	}
	if (r < 0)
		return r;
	*ret = MTLS_TAKE(reader);
	return 0;
}

int mtls_audit_reader_take(int fd, const char *name, bool backwards, struct mtls_audit_reader **ret,
			   struct mtls_diag *diag)
{
	struct mtls_audit_reader *reader = new_reader(backwards);
	if (!reader || add_source(reader, fd, name) < 0) {
		free(reader);
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	}
	*ret = reader;
	return 0;
}

void mtls_audit_reader_free(struct mtls_audit_reader *reader)
{
	if (!reader)
		return;
	mtls_audit_lines_free(reader->lines);
	for (size_t i = 0; i < reader->count; i++) {
		(void)close(reader->sources[i].fd);
		free(reader->sources[i].name);
	}
	free(reader);
}

bool mtls_audit_reader_backwards(const struct mtls_audit_reader *reader)
{
	return reader->backwards;
}

bool mtls_audit_reader_compressed(const char *path)
{
	static const char *const endings[] = { ".1.gz", ".2.gz",  ".1.xz",
					       ".2.xz", ".1.zst", ".2.zst" };
	struct stat st;

	for (size_t i = 0; i < MTLS_COUNT(endings); i++) {
		char sibling[PATH_MAX];
		int n = snprintf(sibling, sizeof(sibling), "%s%s", path, endings[i]);
		if (n > 0 && (size_t)n < sizeof(sibling) && lstat(sibling, &st) == 0)
			return true;
	}
	return false;
}

/* ------------------------------------------------------------------------------- reading */

static struct source *current(struct mtls_audit_reader *reader)
{
	return &reader->sources[reader->backwards ? reader->at : reader->count - 1 - reader->at];
}

/*
 * What stands behind the last line end of all: a record that was given without one counts, half of
 * one, as a crash leaves it, does not.
 */
static int take_rest(struct mtls_audit_reader *reader, struct mtls_audit_record **ret)
{
	size_t len = 0;
	const char *rest = NULL;

	if (!reader->backwards && !reader->following)
		rest = mtls_audit_lines_rest(reader->lines, &len);
	return rest && mtls_audit_parse(rest, len, ret, NULL) == 0 ? 1 : 0;
}

/* Closes the chapter: true if there is another file. The last one stays, to be followed. */
static bool next_source(struct mtls_audit_reader *reader)
{
	if (reader->at + 1 >= reader->count)
		return false;
	mtls_audit_lines_free(reader->lines);
	reader->lines = NULL;
	reader->at++;
	return true;
}

static int place(const struct source *source, uint64_t offset, int err, struct mtls_diag *diag)
{
	const struct mtls_diag inner = *diag;
	return mtls_diag_set(diag, err, "'%s' at byte %" PRIu64 ": %s", source->name, offset,
			     mtls_diag_text(&inner, err));
}

static int next_line(struct mtls_audit_reader *reader, const char **ret, size_t *ret_len,
		     uint64_t *ret_offset)
{
	int r = 0;

	if (!reader->lines)
		r = mtls_audit_lines_new(current(reader)->fd, reader->backwards, &reader->lines);
	if (r >= 0)
		r = mtls_audit_lines_next(reader->lines, ret, ret_len, ret_offset);
	if (reader->backwards && reader->at == 0 && reader->lines)
		reader->tail = mtls_audit_lines_tail(reader->lines);
	return r;
}

int mtls_audit_reader_next(struct mtls_audit_reader *reader, struct mtls_audit_record **ret,
			   struct mtls_diag *diag)
{
	struct mtls_diag none = { 0 };

	if (!diag)
		diag = &none;
	for (;;) {
		const char *line = NULL;
		size_t len = 0;
		uint64_t offset = 0;
		diag->text[0] = '\0';
		int r = next_line(reader, &line, &len, &offset);
		if (r == 0) {
			if (next_source(reader))
				continue;
			return take_rest(reader, ret);
		}
		if (r == MTLS_E_LIMIT)
			(void)mtls_diag_set(diag, r, "a line of more than %d bytes",
					    MTLS_AUDIT_LINE_MAX);
		if (r < 0)
			return place(current(reader), offset, r, diag);
		r = mtls_audit_parse(line, len, ret, diag);
		return r < 0 ? place(current(reader), offset, r, diag) : 1;
	}
}

/* ----------------------------------------------------------------------------- following */

static int read_from(struct mtls_audit_reader *reader, uint64_t offset)
{
	mtls_audit_lines_free(reader->lines);
	reader->lines = NULL;
	reader->backwards = false;
	reader->at = reader->count - 1; /* forwards, the newest file is the last one */
	return lseek(reader->sources[0].fd, (off_t)offset, SEEK_SET) < 0 ? -errno : 0;
}

int mtls_audit_reader_turn(struct mtls_audit_reader *reader)
{
	reader->following = true;
	return reader->backwards ? read_from(reader, reader->tail) : 0;
}

int mtls_audit_reader_follow(struct mtls_audit_reader *reader, const char *path, uid_t owner,
			     struct mtls_diag *diag)
{
	struct source *source = &reader->sources[0];
	struct stat now, ours;

	if (stat(path, &now) < 0)
		return 0;
	if (fstat(source->fd, &ours) < 0)
		return mtls_diag_set(diag, -errno, "'%s': %s", path, mtls_strerror(-errno));
	if (now.st_dev != ours.st_dev || now.st_ino != ours.st_ino) {
		int fd = -1;
		int r = open_trusted(path, owner, &fd, diag);
		if (r < 0)
			return r;
		(void)close(source->fd);
		source->fd = fd;
	} else if (!reader->lines ||
		   (uint64_t)ours.st_size >= mtls_audit_lines_offset(reader->lines)) {
		return 0;
	}
	int r = read_from(reader, 0);
	return r < 0 ? mtls_diag_set(diag, r, "'%s': %s", path, mtls_strerror(r)) : 1;
}
