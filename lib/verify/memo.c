/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The memo: a hash table of entries in one array, threaded on a list in the order of their last
 * use. Entry 0 stands for "none", so that memory which was never used is never touched.
 */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/crypto.h>

#include "lib/base/cleanup.h"
#include "lib/verify/memo_impl.h"

#define NONE       0
#define LABEL      "mtls chain memo 1"
#define NUMBERS    (8 + 1 + 1) /* generation, role, number of certificates */
#define CONTENT(n) (sizeof(LABEL) + NUMBERS + (n)*MTLS_MEMO_KEY_LEN)

struct entry {
	uint8_t key[MTLS_MEMO_KEY_LEN];
	uint32_t next;         /* in its bucket */
	uint32_t newer, older; /* by last use */
};

struct mtls_memo {
	uint64_t generation;
	uint32_t size, count;
	uint32_t newest, oldest;
	uint32_t mask;          /* number of buckets - 1 */
	uint32_t *buckets;      /* owned */
	struct entry entries[]; /* size + 1 */
};

int mtls_memo_new(uint32_t entries, uint64_t generation, struct mtls_memo **ret)
{
	uint32_t buckets = 1;

	if (entries == 0 || entries > MTLS_MEMO_ENTRIES_MAX)
		return -EINVAL;
	while (buckets < entries)
		buckets *= 2;
	_cleanup_(mtls_memo_freep) struct mtls_memo *memo =
		calloc(1, sizeof(*memo) + (entries + 1) * sizeof(memo->entries[0]));
	if (!memo)
		return -ENOMEM;
	memo->buckets = calloc(buckets, sizeof(memo->buckets[0]));
	if (!memo->buckets)
		return -ENOMEM;
	memo->generation = generation;
	memo->size = entries;
	memo->mask = buckets - 1;
	*ret = MTLS_TAKE(memo);
	return 0;
}

void mtls_memo_free(struct mtls_memo *memo)
{
	if (!memo)
		return;
	free(memo->buckets);
	free(memo);
}

uint32_t mtls_memo_count(const struct mtls_memo *memo)
{
	return memo->count;
}

static uint8_t *append(uint8_t *at, const void *data, size_t len)
{
	memcpy(at, data, len);
	return at + len;
}

bool mtls_memo_key(const struct mtls_memo *memo, enum mtls_role role,
		   const struct mtls_cert *const *certs, size_t count, uint8_t *ret_key)
{
	uint8_t content[CONTENT(MTLS_PATH_MAX)];
	uint8_t *at = append(content, LABEL, sizeof(LABEL));

	if (count > MTLS_PATH_MAX)
		return false;
	for (int shift = 56; shift >= 0; shift -= 8)
		*at++ = (uint8_t)(memo->generation >> shift);
	*at++ = (uint8_t)role;
	*at++ = (uint8_t)count;
	for (size_t i = 0; i < count; i++)
		at = append(at, mtls_cert_sha256(certs[i]), MTLS_MEMO_KEY_LEN);
	return gnutls_hash_fast(GNUTLS_DIG_SHA256, content, CONTENT(count), ret_key) >= 0;
}

static uint32_t *bucket_of(struct mtls_memo *memo, const uint8_t *key)
{
	uint32_t number;

	memcpy(&number, key, sizeof(number));
	return &memo->buckets[number & memo->mask];
}

static uint32_t find(struct mtls_memo *memo, const uint8_t *key)
{
	uint32_t at = *bucket_of(memo, key);

	while (at != NONE && memcmp(memo->entries[at].key, key, MTLS_MEMO_KEY_LEN) != 0)
		at = memo->entries[at].next;
	return at;
}

static void take_off_list(struct mtls_memo *memo, uint32_t at)
{
	const struct entry *entry = &memo->entries[at];

	if (entry->newer != NONE)
		memo->entries[entry->newer].older = entry->older;
	else
		memo->newest = entry->older;
	if (entry->older != NONE)
		memo->entries[entry->older].newer = entry->newer;
	else
		memo->oldest = entry->newer;
}

static void put_first(struct mtls_memo *memo, uint32_t at)
{
	struct entry *entry = &memo->entries[at];

	entry->newer = NONE;
	entry->older = memo->newest;
	if (memo->newest != NONE)
		memo->entries[memo->newest].newer = at;
	else
		memo->oldest = at;
	memo->newest = at;
}

/* A place for one more: a new one, or that of the entry which was not used for longest. */
static uint32_t make_room(struct mtls_memo *memo)
{
	if (memo->count < memo->size)
		return ++memo->count;
	const uint32_t at = memo->oldest;
	uint32_t *link = bucket_of(memo, memo->entries[at].key);
	while (*link != at)
		link = &memo->entries[*link].next;
	*link = memo->entries[at].next;
	take_off_list(memo, at);
	return at;
}

static void insert(struct mtls_memo *memo, const uint8_t *key)
{
	const uint32_t at = make_room(memo);
	uint32_t *bucket = bucket_of(memo, key);

	memcpy(memo->entries[at].key, key, MTLS_MEMO_KEY_LEN);
	memo->entries[at].next = *bucket;
	*bucket = at;
	put_first(memo, at);
}

bool mtls_memo_knows(struct mtls_memo *memo, const uint8_t *key)
{
	const uint32_t at = find(memo, key);

	if (at == NONE)
		return false;
	take_off_list(memo, at);
	put_first(memo, at);
	return true;
}

void mtls_memo_remember(struct mtls_memo *memo, const struct mtls_path *path)
{
	const struct mtls_cert *certs[MTLS_PATH_MAX];
	uint8_t key[MTLS_MEMO_KEY_LEN];

	if (!memo || path->count > MTLS_PATH_MAX)
		return;
	for (size_t i = 0; i < path->count; i++)
		certs[i] = path->certs[i];
	if (!mtls_memo_key(memo, path->role, certs, path->count, key) || find(memo, key) != NONE)
		return;
	insert(memo, key);
}
