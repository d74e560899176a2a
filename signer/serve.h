/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The signer's end of the protocol, without a descriptor: bytes in, bytes out. */
#ifndef MTLS_SIGNER_SERVE_H
#define MTLS_SIGNER_SERVE_H

#include "lib/wire/frame.h"
#include "signer/source.h"

struct serve {
	const struct source_ops *ops;
	void *source; /* borrowed; NULL: nothing can be listed, and `refusal` says why */
	struct mtls_diag refusal;
	/* Writes all of it; 0 or an error. The bytes may be part of a private conversation. */
	int (*send)(void *ctx, const uint8_t *data, size_t len);
	void *send_ctx;
	struct mtls_frame frame;
};

/* Sets up the frame; ops, source, send are the caller's. */
void serve_init(struct serve *serve);
void serve_done(struct serve *serve);

/*
 * Takes what arrived and answers each whole request. 1: go on; 0: quit was asked for; negative: the
 * client broke the protocol, or send failed.
 */
int serve_push(struct serve *serve, const uint8_t *data, size_t len);

#endif
