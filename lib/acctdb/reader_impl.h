/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inside the reader: records in the file, before anybody says what they mean. */
#ifndef MTLS_ACCTDB_READER_IMPL_H
#define MTLS_ACCTDB_READER_IMPL_H

#include <endian.h>
#include <stdbool.h>
#include <string.h>

#include "lib/acctdb/reader.h"

#define MTLS_CDB_TOC_SIZE    2048 /* 256 tables: position and number of slots, 4 bytes each */
#define MTLS_CDB_RECORD_HEAD 8    /* lengths of key and value, which follow */

/* A record in the file; the value still has its checksum. */
struct mtls_acctdb_record {
	const uint8_t *key, *value;
	size_t key_len, len;
};

/* All numbers of the format are of 32 bits, little-endian, at any alignment. */
static inline uint32_t mtls_cdb_u32(const uint8_t *p)
{
	uint32_t value;
	memcpy(&value, p, sizeof(value));
	return le32toh(value);
}

/* The record at @at, if it lies before the tables as a whole. */
bool mtls_acctdb_record_at(const struct mtls_acctdb *db, uint32_t at,
			   struct mtls_acctdb_record *ret);

/* The verified value of @key without its checksum. 0, MTLS_E_NOTFOUND, MTLS_E_CORRUPT. */
int mtls_acctdb_find(const struct mtls_acctdb *db, const void *key, size_t key_len,
		     const uint8_t **ret_value, size_t *ret_len);

#endif
