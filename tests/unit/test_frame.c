/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/wire/frame: messages out of a stream, however it is cut. */
#include <config.h>

#include "lib/base/cleanup.h"
#include "lib/wire/frame.h"
#include "tests/unit/wire_samples.h"

#define EXPECT_ALL (~UINT64_C(0))

static void append_sample(enum mtls_msg_type type, struct mtls_buf *out)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = sample(type);
	uint8_t *der = NULL;
	size_t len = 0;
	assert_int_equal(mtls_msg_encode(msg, &der, &len, NULL), 0);
	assert_int_equal(mtls_buf_append(out, der, len), 0);
	free(der);
}

static int next_type(struct mtls_frame *frame)
{
	struct mtls_diag diag = { 0 };
	struct mtls_msg *msg = NULL;
	int r = mtls_frame_next(frame, &msg, &diag);
	if (r < 0)
		assert_true(diag.text[0] != '\0');
	if (r <= 0) {
		assert_null(msg);
		return r;
	}
	assert_int_equal(r, 1);
	int type = (int)msg->type;
	mtls_msg_free(msg);
	return type;
}

/* All messages in one stream, pushed in pieces of every size up to 64 bytes. */
static void streams_may_be_cut_anywhere(void **state)
{
	(void)state;
	_cleanup_buf_ struct mtls_buf stream = MTLS_BUF(MTLS_MSG_MAX);
	for (size_t i = 0; i < MTLS_COUNT(sample_types); i++)
		append_sample(sample_types[i], &stream);
	for (size_t piece = 1; piece <= 64; piece++) {
		struct mtls_frame frame;
		size_t seen = 0;
		mtls_frame_init(&frame, piece % 2);
		mtls_frame_expect(&frame, EXPECT_ALL);
		for (size_t at = 0; at < stream.len; at += piece) {
			size_t n = stream.len - at < piece ? stream.len - at : piece;
			assert_int_equal(mtls_frame_push(&frame, stream.data + at, n), 0);
			for (int type; (type = next_type(&frame)) != 0; seen++)
				assert_int_equal(type, (int)sample_types[seen]);
		}
		assert_int_equal(seen, MTLS_COUNT(sample_types));
		assert_false(mtls_frame_pending(&frame));
		mtls_frame_done(&frame);
	}
}

static void two_messages_in_one_push(void **state)
{
	(void)state;
	_cleanup_buf_ struct mtls_buf stream = MTLS_BUF(MTLS_MSG_MAX);
	struct mtls_frame frame;
	append_sample(MTLS_MSG_AUTH_REQUEST, &stream);
	append_sample(MTLS_MSG_AUTH_CHOICE, &stream);

	mtls_frame_init(&frame, false);
	mtls_frame_expect(&frame, MTLS_EXPECT(AUTH_REQUEST));
	assert_int_equal(mtls_frame_push(&frame, stream.data, stream.len), 0);
	assert_int_equal(next_type(&frame), MTLS_MSG_AUTH_REQUEST);
	assert_true(mtls_frame_pending(&frame));
	/* The second is judged by what is expected when it is asked for. */
	mtls_frame_expect(&frame, MTLS_EXPECT(AUTH_CHOICE));
	assert_int_equal(next_type(&frame), MTLS_MSG_AUTH_CHOICE);
	assert_int_equal(next_type(&frame), 0);
	mtls_frame_done(&frame);

	mtls_frame_init(&frame, false);
	mtls_frame_expect(&frame, MTLS_EXPECT(AUTH_REQUEST));
	assert_int_equal(mtls_frame_push(&frame, stream.data, stream.len), 0);
	assert_int_equal(next_type(&frame), MTLS_MSG_AUTH_REQUEST);
	assert_int_equal(next_type(&frame), MTLS_E_PROTOCOL);
	assert_int_equal(next_type(&frame), MTLS_E_PROTOCOL);
	assert_int_equal(mtls_frame_push(&frame, "\x63", 1), MTLS_E_PROTOCOL);
	mtls_frame_done(&frame);
}

/* A message of two bytes is shorter than the longest header. */
static void short_messages_in_a_row(void **state)
{
	(void)state;
	struct mtls_frame frame;
	mtls_frame_init(&frame, false);
	mtls_frame_expect(&frame, MTLS_EXPECT(SIGNER_QUIT) | MTLS_EXPECT(SIGNER_LIST));
	assert_int_equal(mtls_frame_push(&frame, "\x77\0\x77\0\x77", 5), 0);
	assert_int_equal(mtls_frame_push(&frame, "\0\x70\x03\x02\x01\x01", 6), 0);
	assert_int_equal(next_type(&frame), MTLS_MSG_SIGNER_QUIT);
	assert_int_equal(next_type(&frame), MTLS_MSG_SIGNER_QUIT);
	assert_int_equal(next_type(&frame), MTLS_MSG_SIGNER_QUIT);
	assert_int_equal(next_type(&frame), MTLS_MSG_SIGNER_LIST);
	assert_int_equal(next_type(&frame), 0);
	mtls_frame_done(&frame);
}

static void bad_headers_are_refused_at_once(void **state)
{
	/* clang-format off */
	static const struct { const char *name, *bytes; size_t len; int want; } rows[] = {
		{ "expected", "\x61", 1, 0 },
		{ "expected, length begun", "\x61\x82", 2, 0 },
		{ "at the maximum (8192)", "\x61\x82\x1f\xfc", 4, 0 },
		{ "over the maximum by one", "\x61\x82\x1f\xfd", 4, MTLS_E_LIMIT },
		{ "64 KiB", "\x61\x83\x01\x00\x00", 5, MTLS_E_LIMIT },
		{ "16 MiB and more", "\x61\x84", 2, MTLS_E_LIMIT },
		{ "indefinite length", "\x61\x80", 2, MTLS_E_SYNTAX },
		{ "long form of a short length", "\x61\x81\x7f", 3, MTLS_E_SYNTAX },
		{ "length with a zero octet", "\x61\x82\x00", 3, MTLS_E_SYNTAX },
		{ "known type, not expected", "\x62", 1, MTLS_E_PROTOCOL },
		{ "reserved type", "\x64", 1, MTLS_E_PROTOCOL },
		{ "unknown type", "\x6f", 1, MTLS_E_PROTOCOL },
		{ "type 0", "\x60", 1, MTLS_E_PROTOCOL },
		{ "high tag", "\x7f\x01", 2, MTLS_E_PROTOCOL },
		{ "SEQUENCE", "\x30", 1, MTLS_E_PROTOCOL },
		{ "primitive", "\x41", 1, MTLS_E_PROTOCOL },
		{ "context class", "\xa1", 1, MTLS_E_PROTOCOL },
		{ "HTTP", "GET / HTTP/1.1\r\n", 16, MTLS_E_PROTOCOL },
		{ "TLS record", "\x16\x03\x01", 3, MTLS_E_PROTOCOL },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct mtls_frame frame;
		print_message("# row %s\n", rows[i].name);
		/* In one push, and byte by byte: the error comes with the byte that shows it. */
		mtls_frame_init(&frame, true);
		mtls_frame_expect(&frame, MTLS_EXPECT(AUTH_REQUEST));
		assert_int_equal(mtls_frame_push(&frame, rows[i].bytes, rows[i].len), rows[i].want);
		assert_int_equal(mtls_frame_pending(&frame), rows[i].want == 0);
		assert_int_equal(next_type(&frame), rows[i].want);
		mtls_frame_done(&frame);

		mtls_frame_init(&frame, true);
		mtls_frame_expect(&frame, MTLS_EXPECT(AUTH_REQUEST));
		int r = 0;
		for (size_t k = 0; k < rows[i].len && r == 0; k++)
			r = mtls_frame_push(&frame, rows[i].bytes + k, 1);
		assert_int_equal(r, rows[i].want);
		mtls_frame_done(&frame);
	}
}

static void nothing_is_expected_at_first(void **state)
{
	(void)state;
	struct mtls_frame frame;
	mtls_frame_init(&frame, false);
	assert_int_equal(next_type(&frame), 0);
	assert_int_equal(mtls_frame_push(&frame, "", 0), 0);
	assert_false(mtls_frame_pending(&frame));
	assert_int_equal(mtls_frame_push(&frame, "\x77\0", 2), MTLS_E_PROTOCOL);
	mtls_frame_done(&frame);
}

static void bad_bodies_end_the_stream(void **state)
{
	(void)state;
	struct mtls_frame frame;
	mtls_frame_init(&frame, false);
	mtls_frame_expect(&frame, EXPECT_ALL);
	assert_int_equal(mtls_frame_push(&frame, "\x70\x03\x02\x01\xff\x77\0", 7), 0);
	assert_int_equal(next_type(&frame), MTLS_E_SYNTAX);
	assert_false(mtls_frame_pending(&frame));
	assert_int_equal(next_type(&frame), MTLS_E_SYNTAX);
	assert_int_equal(mtls_frame_push(&frame, "\x77\0", 2), MTLS_E_SYNTAX);
	mtls_frame_done(&frame);
}

/* Memory is bounded even if nobody takes messages out. */
static void pushing_without_taking_is_limited(void **state)
{
	(void)state;
	static uint8_t zeros[4096];
	struct mtls_frame frame;
	size_t pushed = 0;
	int r;
	mtls_frame_init(&frame, false);
	mtls_frame_expect(&frame, EXPECT_ALL);
	assert_int_equal(mtls_frame_push(&frame, "\x71\x83\x01\x1f\xfb", 5), 0);
	while ((r = mtls_frame_push(&frame, zeros, sizeof(zeros))) == 0)
		pushed += sizeof(zeros);
	assert_int_equal(r, MTLS_E_LIMIT);
	assert_true(pushed >= MTLS_MSG_MAX && pushed <= 2 * MTLS_MSG_MAX);
	mtls_frame_done(&frame);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams_may_be_cut_anywhere),
		cmocka_unit_test(two_messages_in_one_push),
		cmocka_unit_test(short_messages_in_a_row),
		cmocka_unit_test(bad_headers_are_refused_at_once),
		cmocka_unit_test(nothing_is_expected_at_first),
		cmocka_unit_test(bad_bodies_end_the_stream),
		cmocka_unit_test(pushing_without_taking_is_limited),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
