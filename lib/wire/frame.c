/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages out of a byte stream. One frame belongs to one connection and one thread. It holds at
 * most the message at its front and what came behind it in the same push.
 */
#include <config.h>

#include <string.h>

#include "lib/wire/asn1.h"
#include "lib/wire/frame.h"

/* A whole message may wait while the next one arrives; who pushes more without taking is wrong. */
#define FRAME_MAX   (2 * (size_t)MTLS_MSG_MAX)
#define TAG_MESSAGE 0x60
#define TYPE_MAX    30

void mtls_frame_init(struct mtls_frame *frame, bool wipe)
{
	*frame = (struct mtls_frame){ 0 };
	mtls_buf_init(&frame->buf, FRAME_MAX, wipe);
}

void mtls_frame_done(struct mtls_frame *frame)
{
	mtls_buf_done(&frame->buf);
	frame->expected = 0;
}

void mtls_frame_expect(struct mtls_frame *frame, uint64_t types)
{
	frame->expected = types;
}

/* After an error nothing of the stream can be trusted: what is held is dropped. */
static int fail(struct mtls_frame *frame, int err)
{
	frame->err = err;
	mtls_buf_reset(&frame->buf);
	return err;
}

/* A type that may come now. The tag alone decides, before there is a length. */
static bool is_expected(const struct mtls_frame *frame, uint8_t tag)
{
	int type = tag - TAG_MESSAGE;
	return type >= 0 && type <= TYPE_MAX && mtls_msg_type_max(type) > 0 &&
	       (frame->expected >> type & 1);
}

/*
 * Judges the header of the message at the front, of which @data are the first @len bytes. Returns 1
 * and the size of the whole message; 0 while the header is not complete; or an error.
 */
static int judge(const struct mtls_frame *frame, const uint8_t *data, size_t len, size_t *ret_size)
{
	struct mtls_asn1_header h;

	if (len == 0)
		return 0;
	if (!is_expected(frame, data[0]))
		return MTLS_E_PROTOCOL;
	int r = mtls_asn1_header(data, len, &h);
	if (r <= 0)
		return r;
	if (h.header_len + h.body_len > mtls_msg_type_max(h.tag - TAG_MESSAGE))
		return MTLS_E_LIMIT;
	*ret_size = h.header_len + h.body_len;
	return 1;
}

int mtls_frame_push(struct mtls_frame *frame, const void *data, size_t len)
{
	uint8_t head[MTLS_ASN1_HEADER_MAX];
	size_t size;

	if (frame->err)
		return frame->err;
	if (len == 0)
		return 0;
	/* The header may lie half in the buffer and half in the new bytes. */
	size_t held = frame->buf.len < sizeof(head) ? frame->buf.len : sizeof(head);
	size_t fresh = len < sizeof(head) - held ? len : sizeof(head) - held;
	if (held)
		memcpy(head, frame->buf.data, held);
	memcpy(head + held, data, fresh);
	/* A message that is held already was judged when it came, or will be by the next call. */
	if (held < sizeof(head)) {
		int r = judge(frame, head, held + fresh, &size);
		if (r < 0)
			return fail(frame, r);
	}
	int r = mtls_buf_append(&frame->buf, data, len);
	return r < 0 ? fail(frame, r) : 0;
}

int mtls_frame_next(struct mtls_frame *frame, struct mtls_msg **ret_msg, struct mtls_diag *diag)
{
	size_t size = 0;

	if (frame->err)
		return mtls_diag_set(diag, frame->err, "the stream failed before");
	int r = judge(frame, frame->buf.data, frame->buf.len, &size);
	if (r < 0) {
		const char *name = mtls_msg_type_name(frame->buf.data[0] - TAG_MESSAGE);
		(void)mtls_diag_set(diag, r, "%s: not expected now, or its header is malformed",
				    name ? name : "unknown message type");
		return fail(frame, r);
	}
	if (r == 0 || frame->buf.len < size)
		return 0;
	struct mtls_msg *msg = NULL;
	r = mtls_msg_decode(frame->buf.data, size, &msg, diag);
	if (r < 0)
		return fail(frame, r);
	mtls_buf_consume(&frame->buf, size);
	*ret_msg = msg;
	return 1;
}

bool mtls_frame_pending(const struct mtls_frame *frame)
{
	return frame->buf.len > 0;
}
