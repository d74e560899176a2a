/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The memo: two hash tables of the same kind, each with its entries in one array, threaded on a
 * list in the order of their last use. Entry 0 stands for "none", so that memory which was never
 * used is never touched.
 */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/crypto.h>

#include "lib/base/cleanup.h"
#include "lib/cert/cert_impl.h"
#include "lib/verify/memo_impl.h"

#define NONE       0
#define LABEL      "mtls chain memo 1"
#define NUMBERS    (8 + 1 + 1) /* generation, role, number of certificates */
#define CONTENT(n) (sizeof(LABEL) + NUMBERS + (n)*MTLS_MEMO_KEY_LEN)

struct entry {
	uint8_t key[MTLS_MEMO_KEY_LEN];
	uint32_t next;          /* in its bucket */
	uint32_t newer, older;  /* by last use */
	struct mtls_cert *cert; /* a reference; NULL in the table of paths */
};

struct table {
	uint32_t size, count;
	uint32_t newest, oldest;
	uint32_t mask;         /* number of buckets - 1 */
	uint32_t *buckets;     /* owned */
	struct entry *entries; /* owned; size + 1 */
};

struct mtls_memo {
	uint64_t generation;
	struct table paths, certs;
};

/* ------------------------------------------------------------------------------- tables */

static int init_table(struct table *table, uint32_t entries)
{
	uint32_t buckets = 1;

	while (buckets < entries)
		buckets *= 2;
	table->size = entries;
	table->mask = buckets - 1;
	table->buckets = calloc(buckets, sizeof(table->buckets[0]));
	table->entries = calloc((size_t)entries + 1, sizeof(table->entries[0]));
	return table->buckets && table->entries ? 0 : -ENOMEM;
}

static void free_table(struct table *table)
{
	for (uint32_t i = 1; i <= table->count; i++)
		mtls_cert_free(table->entries[i].cert);
	free(table->buckets);
	free(table->entries);
}

static uint32_t *bucket_of(const struct table *table, const uint8_t *key)
{
	uint32_t number;

	memcpy(&number, key, sizeof(number));
	return &table->buckets[number & table->mask];
}

static uint32_t find(const struct table *table, const uint8_t *key)
{
	uint32_t at = *bucket_of(table, key);

	while (at != NONE && memcmp(table->entries[at].key, key, MTLS_MEMO_KEY_LEN) != 0)
		at = table->entries[at].next;
	return at;
}

static void take_off_list(struct table *table, uint32_t at)
{
	const struct entry *entry = &table->entries[at];

	if (entry->newer != NONE)
		table->entries[entry->newer].older = entry->older;
	else
		table->newest = entry->older;
	if (entry->older != NONE)
		table->entries[entry->older].newer = entry->newer;
	else
		table->oldest = entry->newer;
}

static void put_first(struct table *table, uint32_t at)
{
	struct entry *entry = &table->entries[at];

	entry->newer = NONE;
	entry->older = table->newest;
	if (table->newest != NONE)
		table->entries[table->newest].newer = at;
	else
		table->oldest = at;
	table->newest = at;
}

/* A place for one more: a new one, or that of the entry which was not used for longest. */
static uint32_t make_room(struct table *table)
{
	if (table->count < table->size)
		return ++table->count;
	const uint32_t at = table->oldest;
	uint32_t *link = bucket_of(table, table->entries[at].key);
	while (*link != at)
		link = &table->entries[*link].next;
	*link = table->entries[at].next;
	take_off_list(table, at);
	mtls_cert_free(table->entries[at].cert);
	return at;
}

/* @cert: a reference that changes owner, or NULL. */
static void insert(struct table *table, const uint8_t *key, struct mtls_cert *cert)
{
	const uint32_t at = make_room(table);
	struct entry *entry = &table->entries[at];
	uint32_t *bucket = bucket_of(table, key);

	memcpy(entry->key, key, MTLS_MEMO_KEY_LEN);
	entry->cert = cert;
	entry->next = *bucket;
	*bucket = at;
	put_first(table, at);
}

/* NULL if it is not there; what is there is now the one used last. */
static const struct entry *use(struct table *table, const uint8_t *key)
{
	const uint32_t at = find(table, key);

	if (at == NONE)
		return NULL;
	take_off_list(table, at);
	put_first(table, at);
	return &table->entries[at];
}

/* --------------------------------------------------------------------------------- memo */

int mtls_memo_new(uint32_t entries, uint64_t generation, struct mtls_memo **ret)
{
	if (entries == 0 || entries > MTLS_MEMO_ENTRIES_MAX)
		return -EINVAL;
	_cleanup_(mtls_memo_freep) struct mtls_memo *memo = calloc(1, sizeof(*memo));
	if (!memo || init_table(&memo->paths, entries) < 0 || init_table(&memo->certs, entries) < 0)
		return -ENOMEM;
	memo->generation = generation;
	*ret = MTLS_TAKE(memo);
	return 0;
}

void mtls_memo_free(struct mtls_memo *memo)
{
	if (!memo)
		return;
	free_table(&memo->paths);
	free_table(&memo->certs);
	free(memo);
}

uint32_t mtls_memo_count(const struct mtls_memo *memo)
{
	return memo->paths.count;
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

bool mtls_memo_knows(struct mtls_memo *memo, const uint8_t *key)
{
	return use(&memo->paths, key);
}

struct mtls_cert *mtls_memo_cert(struct mtls_memo *memo, const uint8_t *der, size_t len)
{
	uint8_t key[MTLS_MEMO_KEY_LEN];

	if (len > MTLS_MEMO_CERT_MAX || gnutls_hash_fast(GNUTLS_DIG_SHA256, der, len, key) < 0)
		return NULL;
	const struct entry *entry = use(&memo->certs, key);
	return entry ? mtls_cert_ref(entry->cert) : NULL;
}

static void remember_cert(struct mtls_memo *memo, struct mtls_cert *cert)
{
	size_t len;

	(void)mtls_cert_der(cert, &len);
	if (len > MTLS_MEMO_CERT_MAX)
		return;
	mtls_cert_forget_crt(cert);
	if (find(&memo->certs, mtls_cert_sha256(cert)) == NONE)
		insert(&memo->certs, mtls_cert_sha256(cert), mtls_cert_ref(cert));
}

void mtls_memo_remember(struct mtls_memo *memo, const struct mtls_path *path)
{
	const struct mtls_cert *certs[MTLS_PATH_MAX];
	uint8_t key[MTLS_MEMO_KEY_LEN];

	if (!memo || path->count > MTLS_PATH_MAX)
		return;
	for (size_t i = 0; i < path->count; i++)
		certs[i] = path->certs[i];
	if (!mtls_memo_key(memo, path->role, certs, path->count, key))
		return;
	if (find(&memo->paths, key) == NONE)
		insert(&memo->paths, key, NULL);
	for (size_t i = 0; i + 1 < path->count; i++)
		remember_cert(memo, path->certs[i]);
}
