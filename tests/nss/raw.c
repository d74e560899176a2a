/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "tests/nss/raw.h"

#define VALUE_MAX (8 << 20)

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "raw: %s\n", what);
	abort();
}

void raw_start(struct raw *raw)
{
	raw->fd = memfd_create("raw", MFD_CLOEXEC);
	must(raw->fd >= 0 && cdb_make_start(&raw->cdb, raw->fd) == 0, "start");
}

void raw_put(struct raw *raw, const void *key, size_t key_len, const struct mtls_buf *value)
{
	_cleanup_buf_ struct mtls_buf sealed = MTLS_BUF(VALUE_MAX);
	must(mtls_buf_append(&sealed, value->data, value->len) == 0, "memory");
	must(mtls_acct_seal(key, key_len, &sealed) == 0, "seal");
	must(cdb_make_add(&raw->cdb, key, (unsigned int)key_len, sealed.data,
			  (unsigned int)sealed.len) == 0,
	     "add");
}

void raw_put_name(struct raw *raw, enum mtls_acct_kind kind, const char *name,
		  const struct mtls_buf *value)
{
	char key[512];
	must(strlen(name) < sizeof(key), "name");
	int n = snprintf(key, sizeof(key), "%c%s", kind, name);
	raw_put(raw, key, (size_t)n, value);
}

void raw_put_id(struct raw *raw, enum mtls_acct_kind kind, uint32_t id,
		const struct mtls_buf *value)
{
	_cleanup_buf_ struct mtls_buf key = MTLS_BUF(8);
	raw_u8(&key, (uint8_t)kind);
	raw_u32(&key, id);
	raw_put(raw, key.data, key.len, value);
}

void raw_put_header(struct raw *raw, uint32_t format, const struct mtls_id_window *window,
		    uint32_t flags)
{
	_cleanup_buf_ struct mtls_buf value = MTLS_BUF(256);
	must(mtls_buf_append_str(&value, "MTLSACCT") == 0, "memory");
	raw_u32(&value, format);
	raw_u32(&value, window->min);
	raw_u32(&value, window->max);
	raw_u64(&value, 1);
	raw_u64(&value, 1700000000);
	for (int i = 0; i < 4; i++)
		raw_u32(&value, 0);
	if (format > 1) {
		raw_u32(&value, flags);
		raw_u32(&value, 0);
	}
	raw_put(raw, "H", 1, &value);
}

void raw_finish(struct raw *raw, struct mtls_buf *out)
{
	must(cdb_make_finish(&raw->cdb) == 0, "finish");
	must(lseek(raw->fd, 0, SEEK_SET) == 0 && mtls_fd_read_all(raw->fd, out) == 0, "read");
	(void)close(raw->fd);
}

void raw_u8(struct mtls_buf *out, uint8_t value)
{
	must(mtls_buf_append_byte(out, value) == 0, "memory");
}

void raw_u32(struct mtls_buf *out, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		raw_u8(out, (uint8_t)(value >> 8 * i));
}

void raw_u64(struct mtls_buf *out, uint64_t value)
{
	for (int i = 0; i < 8; i++)
		raw_u8(out, (uint8_t)(value >> 8 * i));
}

void raw_str(struct mtls_buf *out, const char *text)
{
	size_t len = strlen(text);
	must(len < 256, "text");
	raw_u8(out, (uint8_t)len);
	must(mtls_buf_append(out, text, len) == 0, "memory");
}

void raw_user(struct mtls_buf *out, uint32_t format, uint32_t uid, uint32_t gid,
	      const char *const fields[4])
{
	raw_u32(out, uid);
	raw_u32(out, gid);
	if (format > 1)
		raw_u8(out, 0);
	for (int i = 0; i < 4; i++)
		raw_str(out, fields[i]);
}
