/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lib/wire and lib/name when memory is short: each allocation fails in turn, the answer is -ENOMEM,
 * nothing leaks (the sanitizers look), and the next try succeeds. The linker wraps the allocators.
 */
#include <config.h>

#include <errno.h>

#include "lib/base/cleanup.h"
#include "lib/name/dn.h"
#include "lib/name/key.h"
#include "lib/wire/frame.h"
#include "tests/unit/wire_samples.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
char *__wrap_strdup(const char *text);

static long allocations_left = -1; /* -1: without end */

static bool may_allocate(void)
{
	if (allocations_left < 0)
		return true;
	if (allocations_left == 0)
		return false;
	allocations_left--;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return may_allocate() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
	return may_allocate() ? __real_calloc(count, size) : NULL;
}

char *__wrap_strdup(const char *text)
{
	return may_allocate() ? __real_strdup(text) : NULL;
}

typedef int attempt(const void *ctx);

/* @try_it must fail with -ENOMEM until it has all it needs, and need something. */
static void fail_each_allocation(attempt *try_it, const void *ctx)
{
	for (long allowed = 0; allowed < 200; allowed++) {
		allocations_left = allowed;
		int r = try_it(ctx);
		allocations_left = -1;
		if (r == 0) {
			assert_true(allowed > 0);
			return;
		}
		assert_int_equal(r, -ENOMEM);
	}
	fail_msg("never succeeds");
}

struct encoded {
	const struct mtls_msg *msg;
	uint8_t *der;
	size_t len;
};

static int try_encode(const void *ctx)
{
	const struct encoded *e = ctx;
	uint8_t *der = NULL;
	size_t len = 0;
	int r = mtls_msg_encode(e->msg, &der, &len, NULL);
	free(der);
	return r;
}

static int try_decode(const void *ctx)
{
	const struct encoded *e = ctx;
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = NULL;
	int r = mtls_msg_decode(e->der, e->len, &msg, NULL);
	assert_int_equal(r == 0, msg != NULL);
	return r;
}

static int try_frame(const void *ctx)
{
	const struct encoded *e = ctx;
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = NULL;
	struct mtls_frame frame;
	mtls_frame_init(&frame, true);
	mtls_frame_expect(&frame, ~UINT64_C(0));
	int r = mtls_frame_push(&frame, e->der, e->len);
	if (r == 0)
		r = mtls_frame_next(&frame, &msg, NULL);
	assert_true(r != 0);
	mtls_frame_done(&frame);
	return r < 0 ? r : 0;
}

static void messages_without_memory(void **state)
{
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(sample_types); i++) {
		_cleanup_(mtls_msg_freep) struct mtls_msg *msg = sample(sample_types[i]);
		struct encoded e = { .msg = msg };
		print_message("# row %s\n", mtls_msg_type_name((int)sample_types[i]));
		assert_int_equal(mtls_msg_encode(msg, &e.der, &e.len, NULL), 0);
		fail_each_allocation(try_encode, &e);
		fail_each_allocation(try_decode, &e);
		fail_each_allocation(try_frame, &e);
		free(e.der);
	}
	_cleanup_(mtls_msg_freep) struct mtls_msg *choose = sample_reply(MTLS_VERDICT_CHOOSE);
	struct encoded e = { .msg = choose };
	assert_int_equal(mtls_msg_encode(choose, &e.der, &e.len, NULL), 0);
	fail_each_allocation(try_decode, &e);
	free(e.der);
}

static void setters_without_memory(void **state)
{
	(void)state;
	char *text = NULL;
	struct mtls_bytes bytes = { 0 };
	set_text(&text, "old");
	set_bytes(&bytes, "old", 3);
	allocations_left = 0;
	int of_text = mtls_msg_set_text(&text, "new");
	int of_bytes = mtls_msg_set_bytes(&bytes, "new", 3);
	const struct mtls_msg *msg = mtls_msg_new(MTLS_MSG_AUTH_REQUEST);
	allocations_left = -1;
	assert_int_equal(of_text, -ENOMEM);
	assert_int_equal(of_bytes, -ENOMEM);
	assert_null(msg);
	assert_string_equal(text, "old");
	assert_memory_equal(bytes.data, "old", 3);
	free(text);
	free(bytes.data);
}

/* Each of the two copies fails in turn; what was there before stays. */
static void pairs_without_memory(void **state)
{
	(void)state;
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = sample(MTLS_MSG_CONTROL_ITEM);
	struct mtls_control_fields *fields = &msg->u.control_item.fields;
	size_t had = fields->count;
	for (long allowed = 0; allowed < 2; allowed++) {
		allocations_left = allowed;
		int r = mtls_control_add(fields, "more", "value");
		allocations_left = -1;
		assert_int_equal(r, -ENOMEM);
		assert_int_equal(fields->count, had);
		assert_null(mtls_control_get(fields, "more"));
	}
	assert_int_equal(mtls_control_add(fields, "more", "value"), 0);
}

static int try_name(const void *ctx)
{
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(MTLS_DN_TEXT_MAX);
	int r = mtls_dn_canonical(ctx, strlen(ctx), &out, NULL);
	assert_true(r == 0 || out.len == 0);
	return r;
}

static int try_key(const void *ctx)
{
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(MTLS_KEY_MAX);
	enum mtls_key_kind kind;
	int r = mtls_key_parse(ctx, strlen(ctx), &kind, &out, NULL);
	assert_true(r == 0 || out.len == 0);
	return r;
}

static int try_key_of_parts(const void *ctx)
{
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(MTLS_KEY_MAX);
	return mtls_key_format_issuer_serial((const uint8_t *)"\x01", 1, ctx, &out);
}

static void names_without_memory(void **state)
{
	(void)state;
	fail_each_allocation(try_name, "CN=Alice+O=#0c0141+2.5.4.5=#0500,C=DE,L=a\\,b");
	fail_each_allocation(try_key, "issuer-serial:0102:CN=Example User CA, O=Example");
	fail_each_allocation(try_key, "subject:CN=Alice");
	fail_each_allocation(try_key_of_parts, "CN=Example User CA,O=Example");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_without_memory),
		cmocka_unit_test(setters_without_memory),
		cmocka_unit_test(pairs_without_memory),
		cmocka_unit_test(names_without_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
