/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lines in two directions over one window of the file. Forwards, data[from, to) is what was read
 * and not given out; backwards, data[from, to) is what lies before the lines given out, and the
 * window moves to the front of the file. One thread.
 */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/audit/lines.h"
#include "lib/audit/record.h"

#define BLOCK  (64 * 1024)
#define WINDOW (MTLS_AUDIT_LINE_MAX + 2 + BLOCK)

struct mtls_audit_lines {
	int fd;
	bool backwards;
	bool skipping;  /* within a line that is too long */
	uint64_t start; /* of that line, forwards */
	uint64_t base;  /* offset in the file of data[from] */
	uint64_t tail;  /* backwards: the end of the last whole line, once known */
	bool has_tail;
	size_t from, to;
	char data[WINDOW];
};

static int seek_end(struct mtls_audit_lines *lines)
{
	struct stat st;

	if (fstat(lines->fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ESPIPE;
	lines->base = (uint64_t)st.st_size;
	lines->from = lines->to = WINDOW;
	return 0;
}

int mtls_audit_lines_new(int fd, bool backwards, struct mtls_audit_lines **ret)
{
	struct mtls_audit_lines *lines = malloc(sizeof(*lines));
	if (!lines)
		return -ENOMEM;
	lines->fd = fd;
	lines->backwards = backwards;
	lines->skipping = false;
	lines->start = lines->base = lines->tail = 0;
	lines->has_tail = false;
	lines->from = lines->to = 0;
	int r = backwards ? seek_end(lines) : 0;
	if (r < 0) {
		free(lines);
		return r;
	}
	if (!backwards) {
		const off_t at = lseek(fd, 0, SEEK_CUR);
		lines->base = at > 0 ? (uint64_t)at : 0;
	}
	*ret = lines;
	return 0;
}

void mtls_audit_lines_free(struct mtls_audit_lines *lines)
{
	free(lines);
}

/* ------------------------------------------------------------------------------- forwards */

/* 1: more is there; 0: the end, for now; -errno. */
static int read_more(struct mtls_audit_lines *lines)
{
	memmove(lines->data, lines->data + lines->from, lines->to - lines->from);
	lines->to -= lines->from;
	lines->from = 0;
	for (;;) {
		ssize_t n = read(lines->fd, lines->data + lines->to, WINDOW - lines->to);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		lines->to += (size_t)n;
		return n > 0;
	}
}

static void drop(struct mtls_audit_lines *lines, size_t len)
{
	lines->from += len;
	lines->base += len;
}

static int next_forwards(struct mtls_audit_lines *lines, const char **ret, size_t *ret_len,
			 uint64_t *ret_offset)
{
	for (;;) {
		const char *at = lines->data + lines->from;
		const size_t have = lines->to - lines->from;
		const char *end = memchr(at, '\n', have);
		const size_t len = end ? (size_t)(end - at) : have;

		if (!lines->skipping && len > MTLS_AUDIT_LINE_MAX) {
			lines->skipping = true;
			lines->start = lines->base;
		}
		if (end) {
			*ret = at;
			*ret_len = len;
			*ret_offset = lines->skipping ? lines->start : lines->base;
			const bool skipped = lines->skipping;
			lines->skipping = false;
			drop(lines, len + 1);
			return skipped ? MTLS_E_LIMIT : 1;
		}
		if (lines->skipping)
			drop(lines, have);
		int r = read_more(lines);
		if (r <= 0)
			return r;
	}
}

/* ------------------------------------------------------------------------------ backwards */

/* A block more in front of the window; the caller knows that there is one, and room. */
static int read_before(struct mtls_audit_lines *lines)
{
	const size_t want = lines->base < BLOCK ? (size_t)lines->base : BLOCK;
	size_t done = 0;

	if (lines->from < want) {
		const size_t have = lines->to - lines->from;
		memmove(lines->data + WINDOW - have, lines->data + lines->from, have);
		lines->from = WINDOW - have;
		lines->to = WINDOW;
	}
	while (done < want) {
		ssize_t n = pread(lines->fd, lines->data + lines->from - want + done, want - done,
				  (off_t)(lines->base - want + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO; /* cut short under our hands */
		done += (size_t)n;
	}
	lines->from -= want;
	lines->base -= want;
	return 0;
}

static int next_backwards(struct mtls_audit_lines *lines, const char **ret, size_t *ret_len,
			  uint64_t *ret_offset)
{
	for (;;) {
		const size_t have = lines->to - lines->from;
		const char *at = lines->data + lines->from;
		/* The last byte is the line's own end; the one before it starts the line. */
		const bool whole = have > 0 && at[have - 1] == '\n';
		const size_t body = whole && !lines->skipping ? have - 1 : have;
		const char *before = body ? memrchr(at, '\n', body) : NULL;
		const size_t start = before ? (size_t)(before - at) + 1 : 0;

		if (!lines->has_tail && (before || whole || lines->base == 0)) {
			lines->tail = lines->base + (whole ? have : start);
			lines->has_tail = true;
		}
		if (before || lines->base == 0) {
			if (have == 0 && !lines->skipping)
				return 0;
			const bool skipped = lines->skipping || body - start > MTLS_AUDIT_LINE_MAX;
			lines->skipping = false;
			lines->to = lines->from + start;
			*ret_offset = lines->base + start;
			if (skipped)
				return MTLS_E_LIMIT;
			if (!whole)
				continue; /* the half line at the file's end */
			*ret = at + start;
			*ret_len = body - start;
			return 1;
		}
		if (body > MTLS_AUDIT_LINE_MAX) {
			lines->skipping = true;
			lines->to = lines->from;
		}
		int r = read_before(lines);
		if (r < 0)
			return r;
	}
}

int mtls_audit_lines_next(struct mtls_audit_lines *lines, const char **ret, size_t *ret_len,
			  uint64_t *ret_offset)
{
	return lines->backwards ? next_backwards(lines, ret, ret_len, ret_offset)
				: next_forwards(lines, ret, ret_len, ret_offset);
}

const char *mtls_audit_lines_rest(struct mtls_audit_lines *lines, size_t *ret_len)
{
	const char *rest = lines->data + lines->from;

	*ret_len = lines->to - lines->from;
	drop(lines, *ret_len);
	return *ret_len ? rest : NULL;
}

uint64_t mtls_audit_lines_offset(const struct mtls_audit_lines *lines)
{
	return lines->base + (lines->to - lines->from);
}

uint64_t mtls_audit_lines_tail(const struct mtls_audit_lines *lines)
{
	return lines->tail;
}
