/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where messages end in a byte stream. Bytes are pushed as they arrive; whole messages come out.
 * Type and length are judged from the header, before the body is stored: an unknown type, one that
 * is not expected, or a length over the type's maximum is an error at once.
 */
#ifndef MTLS_WIRE_FRAME_H
#define MTLS_WIRE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/wire/msg.h"

struct mtls_frame {
	struct mtls_buf buf;
	uint64_t expected; /* bit n: type n may come next */
	int err;           /* sticky */
};

#define MTLS_EXPECT(name) (UINT64_C(1) << MTLS_MSG_##name)

/* @wipe for streams that carry secrets. */
void mtls_frame_init(struct mtls_frame *frame, bool wipe);
void mtls_frame_done(struct mtls_frame *frame);

/* Says which types may come next. A message that has arrived already is judged by
 * mtls_frame_next(). */
void mtls_frame_expect(struct mtls_frame *frame, uint64_t types);

/* Takes @len bytes. Returns 0, -ENOMEM, MTLS_E_PROTOCOL (type), MTLS_E_LIMIT (length),
 * MTLS_E_SYNTAX. */
int mtls_frame_push(struct mtls_frame *frame, const void *data, size_t len);

/* The next whole message: 1 and @ret_msg, 0 when more bytes are needed, or an error as above. */
int mtls_frame_next(struct mtls_frame *frame, struct mtls_msg **ret_msg, struct mtls_diag *diag);

/* True if bytes of a message not yet taken are held: at the end of a stream that is an error. */
bool mtls_frame_pending(const struct mtls_frame *frame);

#endif
