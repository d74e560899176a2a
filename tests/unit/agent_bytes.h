/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An agent's messages, put together for tests. Failures abort. */
#ifndef TESTS_AGENT_BYTES_H
#define TESTS_AGENT_BYTES_H

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"

static inline void agent_put_u32(struct mtls_buf *out, uint32_t value)
{
	const uint8_t bytes[] = { (uint8_t)(value >> 24), (uint8_t)(value >> 16),
				  (uint8_t)(value >> 8), (uint8_t)value };
	if (mtls_buf_append(out, bytes, sizeof(bytes)) < 0)
		abort();
}

static inline void agent_put_string(struct mtls_buf *out, const void *data, size_t len)
{
	agent_put_u32(out, (uint32_t)len);
	if (len && mtls_buf_append(out, data, len) < 0)
		abort();
}

static inline void agent_put_text(struct mtls_buf *out, const char *text)
{
	agent_put_string(out, text, strlen(text));
}

/* The name of a key as agents have it; @curve NULL: none. */
static inline void agent_put_blob(struct mtls_buf *out, const char *name, const char *curve,
				  const void *point, size_t point_len)
{
	_cleanup_buf_ struct mtls_buf blob = MTLS_BUF(1 << 20);

	agent_put_text(&blob, name);
	if (curve)
		agent_put_text(&blob, curve);
	agent_put_string(&blob, point, point_len);
	agent_put_string(out, blob.data, blob.len);
}

#endif
