/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A stream of items that tests of the builder change in one place. Failures fail the test; for
 * cmocka only.
 */
#ifndef TESTS_UNIT_BUILD_STREAM_H
#define TESTS_UNIT_BUILD_STREAM_H

#include "lib/acctdb/reader.h"
#include "tests/nss/people.h"

#define W     MTLS_ID_WINDOW_MIN
#define KEY_A "spki-sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define KEY_B "subject:CN=Both"
#define KEY_C "subject:CN=Carol"

enum { ALICE = W, BOB, CAROL, DAVE, CREW, STAFF };

/* Their gids as a list has them. */
#define IN_ALICE "\x41\xa1\x38\x77"
#define IN_CREW  "\x45\xa1\x38\x77"
#define IN_STAFF "\x46\xa1\x38\x77"

/*
 * alice: crew, staffers; bob: crew; carol: primary group staffers; dave: of another source, in
 * crew. Bindings of alice, of bob and a foreign name, of carol.
 */
struct people *stream_usual(void);

/* The stream as items that a row may change. */
struct stream {
	struct mtls_buf frames;
	struct mtls_acct_item items[128];
	size_t count;
};

void stream_make(struct people *people, struct stream *s);
/* Where the @nth item of a kind is. */
size_t stream_find(const struct stream *s, enum mtls_acct_item_kind kind, size_t nth);
struct mtls_acct_item *stream_item(struct stream *s, enum mtls_acct_item_kind kind, size_t nth);
/* These make the number of items at the end good again. */
void stream_insert(struct stream *s, size_t at, struct mtls_acct_item new);
void stream_take_out(struct stream *s, size_t at);
void stream_twice(struct stream *s, enum mtls_acct_item_kind kind, size_t nth);
void stream_swap(struct stream *s, enum mtls_acct_item_kind kind, size_t a, size_t b);

#define STR(text)                                                                                  \
	(struct mtls_acct_str)                                                                     \
	{                                                                                          \
		(text), sizeof(text) - 1                                                           \
	}
#define NAMES(n, text)                                                                             \
	(struct mtls_acct_names)                                                                   \
	{                                                                                          \
		(n), (const uint8_t *)(text), sizeof(text) - 1                                     \
	}
#define USER(nth)    (stream_item(s, MTLS_ACCT_ITEM_USER, (nth))->u.user.user)
#define GROUP(nth)   (stream_item(s, MTLS_ACCT_ITEM_GROUP, (nth))->u.group)
#define STONE(nth)   (stream_item(s, MTLS_ACCT_ITEM_TOMBSTONE, (nth))->u.tombstone)
#define MEMBERS(nth) (stream_item(s, MTLS_ACCT_ITEM_MEMBERS, (nth))->u.members)
#define BINDING(nth) (stream_item(s, MTLS_ACCT_ITEM_BINDING, (nth))->u.binding)
#define SOURCE(nth)  (stream_item(s, MTLS_ACCT_ITEM_SOURCE, (nth))->u.source)

/* Defines a change of a stream s. */
#define CHANGE(name, ...)                                                                          \
	static void name(struct stream *s)                                                         \
	{                                                                                          \
		__VA_ARGS__;                                                                       \
	}

struct outcome {
	int result;
	struct mtls_diag diag;
	struct mtls_acct_header header;
	uint32_t dropped;
	char sentences[2048];
};

/*
 * Builds a snapshot of it by the rules of @people, and opens that unless @ret_db is NULL. After a
 * refusal it makes sure that the builder does not forget it.
 */
int stream_build(const struct people *people, const struct stream *s, struct outcome *o,
		 struct mtls_acctdb *ret_db);

#endif
