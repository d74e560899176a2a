/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A secret that went through SignerUnlock is nowhere in the heap afterwards: not in our buffers,
 * not in libtasn1's. The heap is searched as the kernel shows it. Sanitizers have a heap of their
 * own, which is not searched; with them only the messages' way is run.
 */
#include <config.h>

#include <stdio.h>

#include "lib/base/cleanup.h"
#include "lib/wire/frame.h"
#include "tests/unit/wire_samples.h"

#if defined(__has_feature)
#define CLANG_SANITIZER (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define CLANG_SANITIZER 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || CLANG_SANITIZER
#define HEAP_IS_SEARCHED false
#else
#define HEAP_IS_SEARCHED true
#endif

#define SECRET_LEN 400
#define WINDOW     24 /* what must not be found; free() itself overwrites the first 16 bytes */

/* Computed, so that the pattern searched for is nowhere in memory itself. */
static uint8_t secret_byte(size_t i)
{
	return (uint8_t)(0x41 + i * 7 % 26);
}

static bool window_at(const uint8_t *p, size_t first)
{
	for (size_t i = 0; i < WINDOW; i++)
		if (p[i] != secret_byte(first + i))
			return false;
	return true;
}

/* True if any window of the secret lies in [p, end). */
static bool found_in(const uint8_t *p, const uint8_t *end)
{
	for (; p + WINDOW <= end; p++)
		for (size_t first = 0; first < 26; first++)
			if (window_at(p, first))
				return true;
	return false;
}

/* Looks through the heap; true if the secret is there. */
static bool heap_has_secret(void)
{
	char line[512];
	bool found = false;
	_cleanup_fclose_ FILE *maps = fopen("/proc/self/maps", "re");

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		unsigned long start, end;
		if (strstr(line, "[heap]") && sscanf(line, "%lx-%lx", &start, &end) == 2)
			found |= found_in((const uint8_t *)start, (const uint8_t *)end);
	}
	return found;
}

static uint8_t *make_secret(size_t room)
{
	uint8_t *secret = malloc(room);
	assert_non_null(secret);
	for (size_t i = 0; i < SECRET_LEN; i++)
		secret[i] = secret_byte(i);
	return secret;
}

static struct mtls_msg *make_unlock(void)
{
	struct mtls_msg *msg = new_message(MTLS_MSG_SIGNER_UNLOCK);
	uint8_t *secret = make_secret(SECRET_LEN);
	set_bytes(&msg->u.signer_unlock.secret, secret, SECRET_LEN);
	explicit_bzero(secret, SECRET_LEN);
	free(secret);
	return msg;
}

static void encode_unlock(uint8_t **ret_der, size_t *ret_len)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = make_unlock();
	assert_int_equal(mtls_msg_encode(msg, ret_der, ret_len, NULL), 0);
}

static void the_search_finds(void **state)
{
	(void)state;
	uint8_t *secret = make_secret(SECRET_LEN);
	bool before = heap_has_secret();
	explicit_bzero(secret, SECRET_LEN);
	bool after = heap_has_secret();
	free(secret);
	assert_int_equal(before, HEAP_IS_SEARCHED);
	assert_false(after);
}

static void nothing_stays(void **state)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = NULL;
	struct mtls_frame frame;
	uint8_t *der = NULL;
	size_t len = 0;
	(void)state;

	encode_unlock(&der, &len);
	mtls_frame_init(&frame, true);
	mtls_frame_expect(&frame, MTLS_EXPECT(SIGNER_UNLOCK));
	/* In pieces, so that the frame's buffer has to grow. */
	for (size_t at = 0; at < len; at += 50) {
		size_t n = len - at < 50 ? len - at : 50;
		assert_int_equal(mtls_frame_push(&frame, der + at, n), 0);
	}
	explicit_bzero(der, len);
	free(der);
	assert_int_equal(mtls_frame_next(&frame, &msg, NULL), 1);
	assert_int_equal(msg->u.signer_unlock.secret.len, SECRET_LEN);
	mtls_frame_done(&frame);
	mtls_msg_free(MTLS_TAKE(msg));
	assert_false(heap_has_secret());
}

/* Refused by our own checks, behind libtasn1: what it had decoded is cleared as well. */
static void nothing_stays_of_a_refused_one(void **state)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = NULL;
	_cleanup_buf_ struct mtls_buf bad = MTLS_BUF_SECRET(4096);
	uint8_t *der = NULL;
	size_t len = 0;
	(void)state;

	/* An id that is negative, then the secret. */
	encode_unlock(&der, &len);
	assert_int_equal(mtls_buf_append(&bad, der, len), 0);
	explicit_bzero(der, len);
	free(der);
	assert_int_equal(bad.data[4], 0x02);
	assert_int_equal(bad.data[5], 0x01);
	bad.data[6] = 0xff;
	assert_int_equal(mtls_msg_decode(bad.data, bad.len, &msg, NULL), MTLS_E_SYNTAX);
	mtls_buf_done(&bad);
	assert_false(heap_has_secret());
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_search_finds),
	cmocka_unit_test(nothing_stays),
	cmocka_unit_test(nothing_stays_of_a_refused_one),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
