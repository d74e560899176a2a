/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bounded bytes with a sticky error: append ten times, test once. With @wipe every byte that was
 * ever stored is cleared before its memory is released (secrets).
 */
#ifndef MTLS_BASE_BUF_H
#define MTLS_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/cleanup.h"

struct mtls_buf {
	uint8_t *data; /* owned; NULL while empty */
	size_t len;    /* bytes used */
	size_t cap;    /* bytes allocated */
	size_t max;    /* limit on len; set by mtls_buf_init() */
	int err;       /* 0, or the first failure: -ENOMEM or MTLS_E_LIMIT */
	bool wipe;
};

/* An empty buffer that takes at most @max bytes. Allocates nothing. */
void mtls_buf_init(struct mtls_buf *buf, size_t max, bool wipe);
#define MTLS_BUF(limit)                                                                            \
	{                                                                                          \
		.max = (limit)                                                                     \
	}
#define MTLS_BUF_SECRET(limit)                                                                     \
	{                                                                                          \
		.max = (limit), .wipe = true                                                       \
	}

/* Releases (and with wipe: clears) the content; the buffer is empty and usable again. */
void mtls_buf_done(struct mtls_buf *buf);

/* Appends; returns 0 or the sticky error. After an error nothing more is appended. */
int mtls_buf_append(struct mtls_buf *buf, const void *data, size_t len);
int mtls_buf_append_str(struct mtls_buf *buf, const char *str);
int mtls_buf_append_byte(struct mtls_buf *buf, uint8_t byte);
int mtls_buf_printf(struct mtls_buf *buf, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Room for @len more bytes at data + len; the caller writes there and adds to len itself.
 * Returns 0 or the sticky error.
 */
int mtls_buf_reserve(struct mtls_buf *buf, size_t len);

/* Removes @len bytes (at most buf->len) from the front. */
void mtls_buf_consume(struct mtls_buf *buf, size_t len);

/* Drops the content (clears it with wipe), keeps memory, clears the error. */
void mtls_buf_reset(struct mtls_buf *buf);

/*
 * The content as a NUL-terminated string, valid until the next change; the NUL does not count in
 * len. NULL after an error or when memory is short.
 */
const char *mtls_buf_cstr(struct mtls_buf *buf);

/*
 * Gives the content away: @ret_data (malloc'ed, with an uncounted NUL behind it) and @ret_len.
 * The buffer is empty afterwards. Returns 0 or the sticky error.
 */
int mtls_buf_take(struct mtls_buf *buf, uint8_t **ret_data, size_t *ret_len);

static inline void mtls_buf_donep(struct mtls_buf *buf)
{
	mtls_buf_done(buf);
}
#define _cleanup_buf_ _cleanup_(mtls_buf_donep)

#endif
