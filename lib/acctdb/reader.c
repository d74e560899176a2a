/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The reader of the snapshot: opens it and finds records by their keys. It reads tinycdb's format
 * itself rather than through cdb_find(), because a lookup waits for memory and little else: when
 * the slot of a key is known, all parts of the record are asked for at once. Every offset is
 * checked against the file; the layout of the tables was checked when it was opened. An open
 * snapshot stays constant. Any thread.
 */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cdb.h>

#include "lib/acctdb/reader.h"
#include "lib/acctdb/reader_impl.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

#define SLOT_SIZE  8 /* hash, position of the record */
#define CACHE_LINE 64
#define PREFETCHED 4 /* lines of a record: more than most have */

/*
 * Slots that a lookup looks at: thousands of times the longest run of an honest file. A file can
 * have 2^29 in one run, and every lookup of every process would walk them all.
 */
#define PROBES_MAX (1U << 20)

/*
 * A writer lays the 256 tables out one behind the other, from the end of the records to the end of
 * the file. So a file that was cut, or that something was appended to, is known by its size.
 */
static int check_layout(const uint8_t *data, size_t size, uint32_t *ret_records_end)
{
	if (size < MTLS_CDB_TOC_SIZE || size > UINT32_MAX)
		return MTLS_E_CORRUPT;
	uint32_t records_end = mtls_cdb_u32(data);
	uint64_t at = records_end;
	if (at < MTLS_CDB_TOC_SIZE)
		return MTLS_E_CORRUPT;
	for (size_t i = 0; i < 256; i++) {
		if (mtls_cdb_u32(data + 8 * i) != at)
			return MTLS_E_CORRUPT;
		at += (uint64_t)mtls_cdb_u32(data + 8 * i + 4) * SLOT_SIZE;
		if (at > size)
			return MTLS_E_CORRUPT;
	}
	if (at != size)
		return MTLS_E_CORRUPT;
	*ret_records_end = records_end;
	return 0;
}

bool mtls_acctdb_record_at(const struct mtls_acctdb *db, uint32_t at,
			   struct mtls_acctdb_record *ret)
{
	if (at < MTLS_CDB_TOC_SIZE || at > db->records_end ||
	    db->records_end - at < MTLS_CDB_RECORD_HEAD)
		return false;
	size_t left = db->records_end - at - MTLS_CDB_RECORD_HEAD;
	size_t key_len = mtls_cdb_u32(db->data + at), len = mtls_cdb_u32(db->data + at + 4);
	if (key_len > left || len > left - key_len)
		return false;
	*ret = (struct mtls_acctdb_record){ .key = db->data + at + MTLS_CDB_RECORD_HEAD,
					    .key_len = key_len,
					    .len = len };
	ret->value = ret->key + key_len;
	return true;
}

/* All lines of a record come at the price of one; an address outside of the file does no harm. */
static void prefetch(const struct mtls_acctdb *db, uint32_t at)
{
	uintptr_t line = (uintptr_t)db->data + at;
	for (int i = 1; i < PREFETCHED; i++)
		__builtin_prefetch((const void *)(line += CACHE_LINE));
}

static int find_record(const struct mtls_acctdb *db, const void *key, size_t key_len,
		       struct mtls_acctdb_record *ret)
{
	uint32_t hash = cdb_hash(key, (unsigned int)key_len);
	const uint8_t *toc = db->data + (hash % 256) * SLOT_SIZE;
	const uint8_t *table = db->data + mtls_cdb_u32(toc);
	uint32_t slots = mtls_cdb_u32(toc + 4);
	uint32_t slot = slots ? (hash >> 8) % slots : 0;
	uint32_t most = slots < PROBES_MAX ? slots : PROBES_MAX;

	for (uint32_t i = 0; i < most; i++) {
		const uint8_t *p = table + (size_t)slot * SLOT_SIZE;
		uint32_t at = mtls_cdb_u32(p + 4);
		if (!at)
			return MTLS_E_NOTFOUND;
		if (mtls_cdb_u32(p) == hash) {
			prefetch(db, at);
			if (!mtls_acctdb_record_at(db, at, ret))
				return MTLS_E_CORRUPT;
			if (ret->key_len == key_len && memcmp(ret->key, key, key_len) == 0)
				return 0;
		}
		slot = slot + 1 < slots ? slot + 1 : 0;
	}
	return most < slots ? MTLS_E_CORRUPT : MTLS_E_NOTFOUND;
}

int mtls_acctdb_find(const struct mtls_acctdb *db, const void *key, size_t key_len,
		     const uint8_t **ret_value, size_t *ret_len)
{
	struct mtls_acctdb_record record;
	int r = find_record(db, key, key_len, &record);
	if (r >= 0)
		r = mtls_acct_verify(key, key_len, record.value, &record.len);
	if (r < 0)
		return r;
	*ret_value = record.value;
	*ret_len = record.len;
	return 0;
}

int mtls_acctdb_open_memory(struct mtls_acctdb *db, const void *data, size_t size)
{
	struct mtls_acctdb new = { .data = data, .size = size };
	int r = check_layout(data, size, &new.records_end);
	if (r < 0)
		return r;
	struct mtls_acct_key key;
	const uint8_t *value;
	size_t len;
	mtls_acct_key_plain(MTLS_ACCT_HEADER, &key);
	r = mtls_acctdb_find(&new, key.bytes, key.len, &value, &len);
	if (r >= 0)
		r = mtls_acct_header_decode(value, len, &new.header);
	if (r < 0)
		return r == MTLS_E_NOTFOUND ? MTLS_E_CORRUPT : r;
	*db = new;
	return 0;
}

int mtls_acctdb_open_fd(struct mtls_acctdb *db, int fd)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < MTLS_CDB_TOC_SIZE || st.st_size > UINT32_MAX)
		return MTLS_E_CORRUPT;
	size_t size = (size_t)st.st_size;
	void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	int r = mtls_acctdb_open_memory(db, map, size);
	if (r < 0) {
		(void)munmap(map, size);
		return r;
	}
	db->mapped = true;
	return 0;
}

int mtls_acctdb_open(struct mtls_acctdb *db, const char *path, uid_t owner, struct mtls_diag *diag)
{
	const struct mtls_file_trust trust = { .owner = owner };
	_cleanup_close_ int fd = -1;
	int r = mtls_file_open_trusted(path, &trust, &fd, diag);
	if (r < 0)
		return r;
	r = mtls_acctdb_open_fd(db, fd);
	if (r < 0)
		return mtls_diag_set(diag, r, "'%s': %s", path, mtls_strerror(r));
	return 0;
}

void mtls_acctdb_close(struct mtls_acctdb *db)
{
	if (db->mapped) {
		union {
			const void *in;
			void *out;
		} map = { .in = db->data };
		(void)munmap(map.out, db->size);
	}
	*db = (struct mtls_acctdb){ 0 };
}
