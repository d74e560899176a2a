/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Snapshots made by hand: any record, sealed, whatever it says. Values are put together here from
 * PROTOCOL.md alone, so that readers are not tested with the encoder's own mistakes.
 */
#ifndef TESTS_NSS_RAW_H
#define TESTS_NSS_RAW_H

#include <cdb.h>

#include "lib/acctdb/record.h"

/* All functions abort the test program when memory is short. */
struct raw {
	struct cdb_make cdb;
	int fd;
};

void raw_start(struct raw *raw);
/* @key with its kind byte; @value without checksum. */
void raw_put(struct raw *raw, const void *key, size_t key_len, const struct mtls_buf *value);
void raw_put_name(struct raw *raw, enum mtls_acct_kind kind, const char *name,
		  const struct mtls_buf *value);
void raw_put_id(struct raw *raw, enum mtls_acct_kind kind, uint32_t id,
		const struct mtls_buf *value);
/* The header of @format with this window and no foreign ranges; @flags in format 2 only. */
void raw_put_header(struct raw *raw, uint32_t format, const struct mtls_id_window *window,
		    uint32_t flags);
/* Appends the bytes of the file to @out. */
void raw_finish(struct raw *raw, struct mtls_buf *out);

void raw_u8(struct mtls_buf *out, uint8_t value);
void raw_u32(struct mtls_buf *out, uint32_t value);
void raw_u64(struct mtls_buf *out, uint64_t value);
void raw_str(struct mtls_buf *out, const char *text);
/* The head of a user. */
void raw_user(struct mtls_buf *out, uint32_t format, uint32_t uid, uint32_t gid,
	      const char *const fields[4]);

#endif
