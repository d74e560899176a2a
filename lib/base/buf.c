/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bounded byte buffer. Growth never uses realloc for secrets: the old block is cleared first. */
#include <config.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

#define BUF_FIRST 64

void mtls_buf_init(struct mtls_buf *buf, size_t max, bool wipe)
{
	*buf = (struct mtls_buf){ .max = max, .wipe = wipe };
}

static void release(struct mtls_buf *buf)
{
	if (buf->wipe && buf->data)
		explicit_bzero(buf->data, buf->cap);
	free(buf->data);
	buf->data = NULL;
	buf->cap = 0;
}

void mtls_buf_done(struct mtls_buf *buf)
{
	if (!buf)
		return;
	release(buf);
	buf->len = 0;
	buf->err = 0;
}

static int fail(struct mtls_buf *buf, int err)
{
	if (!buf->err)
		buf->err = err;
	return buf->err;
}

static int grow(struct mtls_buf *buf, size_t need)
{
	size_t cap = buf->cap ? buf->cap : BUF_FIRST;
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	uint8_t *data = malloc(cap);
	if (!data)
		return fail(buf, -ENOMEM);
	size_t len = buf->len;
	if (len)
		memcpy(data, buf->data, len);
	release(buf);
	buf->data = data;
	buf->cap = cap;
	return 0;
}

int mtls_buf_reserve(struct mtls_buf *buf, size_t len)
{
	if (buf->err)
		return buf->err;
	if (buf->len > buf->max || len > buf->max - buf->len)
		return fail(buf, MTLS_E_LIMIT);
	/* One byte more than asked, for the NUL of mtls_buf_cstr(). */
	if (buf->cap <= buf->len || buf->cap - buf->len <= len)
		return grow(buf, buf->len + len + 1);
	return 0;
}

int mtls_buf_append(struct mtls_buf *buf, const void *data, size_t len)
{
	int r = mtls_buf_reserve(buf, len);
	if (r < 0)
		return r;
	if (len)
		memcpy(buf->data + buf->len, data, len);
	buf->len += len;
	return 0;
}

int mtls_buf_append_str(struct mtls_buf *buf, const char *str)
{
	return mtls_buf_append(buf, str, strlen(str));
}

int mtls_buf_append_byte(struct mtls_buf *buf, uint8_t byte)
{
	return mtls_buf_append(buf, &byte, 1);
}

int mtls_buf_printf(struct mtls_buf *buf, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int need = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (need < 0)
		return fail(buf, MTLS_E_BUG);
	int r = mtls_buf_reserve(buf, (size_t)need);
	if (r < 0)
		return r;
	va_start(ap, fmt);
	(void)vsnprintf((char *)buf->data + buf->len, (size_t)need + 1, fmt, ap);
	va_end(ap);
	buf->len += (size_t)need;
	return 0;
}

void mtls_buf_consume(struct mtls_buf *buf, size_t len)
{
	if (len > buf->len)
		len = buf->len;
	if (!len)
		return;
	size_t rest = buf->len - len;
	memmove(buf->data, buf->data + len, rest);
	if (buf->wipe)
		explicit_bzero(buf->data + rest, len);
	buf->len = rest;
}

void mtls_buf_reset(struct mtls_buf *buf)
{
	if (buf->wipe && buf->data)
		explicit_bzero(buf->data, buf->cap);
	buf->len = 0;
	buf->err = 0;
}

const char *mtls_buf_cstr(struct mtls_buf *buf)
{
	if (mtls_buf_reserve(buf, 0) < 0)
		return NULL;
	buf->data[buf->len] = '\0';
	return (const char *)buf->data;
}

int mtls_buf_take(struct mtls_buf *buf, uint8_t **ret_data, size_t *ret_len)
{
	if (!mtls_buf_cstr(buf))
		return buf->err;
	*ret_data = MTLS_TAKE(buf->data);
	*ret_len = buf->len;
	buf->len = buf->cap = 0;
	return 0;
}
