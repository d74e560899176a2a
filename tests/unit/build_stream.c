/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/build_stream.h"

struct people *stream_usual(void)
{
	struct people *p = people_new();
	uint8_t corp = people_source(p, "corp");
	(void)people_user(p, "alice");
	(void)people_user(p, "bob");
	(void)people_add(p, &(struct people_user){ .name = "carol", .uid = CAROL, .gid = STAFF });
	(void)people_add(p, &(struct people_user){ .name = "dave", .uid = DAVE, .source = corp });
	(void)people_group(p, "crew", CREW, 0);
	(void)people_group(p, "staffers", STAFF, corp);
	people_join(p, "crew", "alice");
	people_join(p, "crew", "bob");
	people_join(p, "crew", "dave");
	people_join(p, "staffers", "alice");
	people_bind(p, KEY_A, "alice");
	people_bind(p, KEY_B, "bob");
	people_bind(p, KEY_B, "Foreign.User@corp");
	people_bind(p, KEY_C, "carol");
	people_tombstone(p, false, W + 50, "gone");
	people_tombstone(p, false, W + 51, "gone");
	people_tombstone(p, true, W + 50, "gone");
	return p;
}

void stream_make(struct people *people, struct stream *s)
{
	mtls_buf_init(&s->frames, 1 << 20, false);
	people_frames(people, &s->frames);
	s->count = 0;
	for (size_t at = 0, size; at < s->frames.len; at += size) {
		assert_true(s->count < MTLS_COUNT(s->items));
		assert_int_equal(
			mtls_acct_frame_size(s->frames.data + at, s->frames.len - at, &size), 0);
		assert_int_equal(
			mtls_acct_item_decode(s->frames.data + at, size, &s->items[s->count++]), 0);
	}
}

size_t stream_find(const struct stream *s, enum mtls_acct_item_kind kind, size_t nth)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->items[i].kind == kind && nth-- == 0)
			return i;
	fail_msg("no such item");
	return 0;
}

struct mtls_acct_item *stream_item(struct stream *s, enum mtls_acct_item_kind kind, size_t nth)
{
	return &s->items[stream_find(s, kind, nth)];
}

void stream_insert(struct stream *s, size_t at, struct mtls_acct_item new)
{
	assert_true(s->count < MTLS_COUNT(s->items));
	memmove(&s->items[at + 1], &s->items[at], (s->count - at) * sizeof(new));
	s->items[at] = new;
	s->count++;
	s->items[s->count - 1].u.end.items = s->count;
}

void stream_take_out(struct stream *s, size_t at)
{
	memmove(&s->items[at], &s->items[at + 1], (s->count - at - 1) * sizeof(s->items[0]));
	s->count--;
	s->items[s->count - 1].u.end.items = s->count;
}

void stream_swap(struct stream *s, enum mtls_acct_item_kind kind, size_t a, size_t b)
{
	struct mtls_acct_item *x = stream_item(s, kind, a), *y = stream_item(s, kind, b), z = *x;
	*x = *y;
	*y = z;
}

void stream_twice(struct stream *s, enum mtls_acct_item_kind kind, size_t nth)
{
	size_t at = stream_find(s, kind, nth);
	stream_insert(s, at, s->items[at]);
}

static void note(void *ctx, const char *sentence)
{
	struct outcome *o = ctx;
	size_t used = strlen(o->sentences);
	assert_true(used + strlen(sentence) + 2 < sizeof(o->sentences));
	(void)sprintf(o->sentences + used, "%s\n", sentence);
}

static int build_into(int fd, const struct people *people, const struct stream *s,
		      struct outcome *o)
{
	const struct mtls_acctbuild_options options = {
		.ids = people->ids,
		.local = people->local,
		.created = 77,
		.fd = fd,
		.dropped = note,
		.ctx = o,
	};
	_cleanup_(mtls_acctbuild_freep) struct mtls_acctbuild *build = NULL;
	*o = (struct outcome){ .result = mtls_acctbuild_new(&options, &build, &o->diag) };
	for (size_t i = 0; o->result == 0 && i < s->count; i++)
		o->result = mtls_acctbuild_add(build, &s->items[i], &o->diag);
	if (o->result == 0)
		o->result = mtls_acctbuild_finish(build, &o->header, &o->diag);
	else if (build) {
		/* it does not forget */
		struct mtls_acct_header header;
		assert_int_equal(mtls_acctbuild_add(build, &s->items[0], NULL), o->result);
		assert_int_equal(mtls_acctbuild_finish(build, &header, NULL), o->result);
	}
	if (build)
		o->dropped = mtls_acctbuild_dropped(build);
	return o->result;
}

int stream_build(const struct people *people, const struct stream *s, struct outcome *o,
		 struct mtls_acctdb *ret_db)
{
	_cleanup_close_ int fd = memfd_create("snapshot", MFD_CLOEXEC);
	assert_true(fd >= 0);
	int r = build_into(fd, people, s, o);
	if (r == 0 && ret_db)
		assert_int_equal(mtls_acctdb_open_fd(ret_db, fd), 0);
	return r;
}
