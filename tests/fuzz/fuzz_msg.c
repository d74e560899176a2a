/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages and frames. What decodes must encode to the same bytes; a stream must give the same
 * messages however it is cut; what encodes must decode.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/wire/frame.h"
#include "lib/wire/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

/* Encodes @msg and compares with @der. */
static void check_same(const struct mtls_msg *msg, const uint8_t *der, size_t len)
{
	uint8_t *again = NULL;
	size_t again_len = 0;

	must(mtls_msg_encode(msg, &again, &again_len, NULL) == 0);
	must(again_len == len && memcmp(again, der, len) == 0);
	free(again);
}

/* Pushes @data in pieces of @piece bytes; returns the bytes that whole messages took. */
static size_t run_stream(const uint8_t *data, size_t size, size_t piece)
{
	struct mtls_frame frame;
	struct mtls_diag diag = { 0 };
	size_t taken = 0;

	mtls_frame_init(&frame, piece % 2);
	mtls_frame_expect(&frame, ~UINT64_C(0));
	for (size_t at = 0; at < size && !frame.err; at += piece) {
		size_t n = size - at < piece ? size - at : piece;
		if (mtls_frame_push(&frame, data + at, n) < 0)
			break;
		for (;;) {
			_cleanup_(mtls_msg_freep) struct mtls_msg *msg = NULL;
			size_t held = frame.buf.len;
			if (mtls_frame_next(&frame, &msg, &diag) <= 0)
				break;
			size_t len = held - frame.buf.len;
			must(len <= size - taken && len <= mtls_msg_type_max((int)msg->type));
			check_same(msg, data + taken, len);
			taken += len;
		}
	}
	mtls_frame_done(&frame);
	return taken;
}

/* Kind, names and values are what stands between the spaces of @text. */
static void fill_item(struct mtls_control_item *item, char *text)
{
	char *rest = NULL;
	const char *name = strtok_r(text, " ", &rest);

	must(mtls_msg_set_text(&item->kind, name) == 0);
	while ((name = strtok_r(NULL, " ", &rest)) != NULL) {
		const char *value = strtok_r(NULL, " ", &rest);
		int r = mtls_control_add(&item->fields, name, value ? value : "");
		must(r == 0 || r == MTLS_E_EXISTS || r == MTLS_E_LIMIT);
		must(r != 0 ||
		     mtls_streq(mtls_control_get(&item->fields, name), value ? value : ""));
	}
}

/* What encodes must decode: fields filled with the input itself. */
static void run_encoder(const uint8_t *data, size_t size)
{
	static const enum mtls_msg_type types[] = { MTLS_MSG_SIGNER_END, MTLS_MSG_SIGNER_UNLOCK,
						    MTLS_MSG_CONTROL_ITEM };
	char text[1024] = "";

	memcpy(text, data, size < sizeof(text) ? size : sizeof(text) - 1);
	for (size_t i = 0; i < MTLS_COUNT(types); i++) {
		_cleanup_(mtls_msg_freep) struct mtls_msg *msg = mtls_msg_new(types[i]);
		_cleanup_(mtls_msg_freep) struct mtls_msg *back = NULL;
		_cleanup_free_ uint8_t *der = NULL;
		size_t len = 0;
		must(msg != NULL);
		if (types[i] == MTLS_MSG_CONTROL_ITEM)
			fill_item(&msg->u.control_item, text);
		else if (types[i] == MTLS_MSG_SIGNER_END)
			must(mtls_msg_set_text(&msg->u.signer_end.detail, text) == 0);
		else
			must(mtls_msg_set_bytes(&msg->u.signer_unlock.secret, data, size) == 0);
		if (mtls_msg_encode(msg, &der, &len, NULL) < 0)
			continue;
		must(mtls_msg_decode(der, len, &back, NULL) == 0);
		check_same(back, der, len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = NULL;
	struct mtls_diag diag = { 0 };

	run_encoder(data, size);
	int r = mtls_msg_decode(data, size, &msg, &diag);
	must((r == 0) == (msg != NULL) && (r == 0) == (diag.text[0] == '\0'));
	if (msg)
		check_same(msg, data, size);
	size_t taken = run_stream(data, size, 1 + size % 7);
	must(!msg || taken == size);
	must(run_stream(data, size, size < 4096 ? 4096 : 1024) == taken);
	return 0;
}
