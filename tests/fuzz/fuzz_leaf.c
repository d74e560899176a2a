/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file of certificates as a signer without GnuTLS reads it: PEM text or DER. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "signer/beside.h"
#include "signer/leaf.h"
#include "signer/pem.h"

#define NOW INT64_C(1800000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool condition)
{
	if (!condition)
		abort();
}

static void check_text(const char *text)
{
	size_t len = strlen(text);
	check(len <= LEAF_TEXT_MAX);
	check(len == 0 || !mtls_has_control((const uint8_t *)text, len));
	check(mtls_utf8_valid((const uint8_t *)text, len));
}

static void check_slice(const struct leaf *leaf, const struct mtls_der *slice)
{
	check(slice->len == 0 ||
	      (slice->data >= leaf->der && slice->data + slice->len <= leaf->der + leaf->der_len));
}

static void check_leaf(const struct leaf *leaf)
{
	struct mtls_bytes chain[MTLS_CHAIN_MAX];

	check(leaf->der_len > 0 && leaf->der_len <= MTLS_CERT_MAX);
	check_text(leaf->subject);
	check_text(leaf->issuer);
	check_slice(leaf, &leaf->spki);
	check_slice(leaf, &leaf->public_key);
	check_slice(leaf, &leaf->raw_subject);
	check_slice(leaf, &leaf->raw_issuer);
	check_slice(leaf, &leaf->subject_id);
	check_slice(leaf, &leaf->authority_id);
	check(!leaf_usable(leaf) || !leaf->ca);
	check(leaf_same(leaf, leaf));
	check(!leaf_better(leaf, leaf, NOW));
	check(leaf_chain(leaf, &leaf, 1, chain) == 1);
}

/* As a file beside keys: found by the key of each of its certificates. */
static void find_beside(const struct beside *beside, const struct leaf_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct leaf *found[LEAF_LIST_MAX];
		struct mtls_bytes chain[MTLS_CHAIN_MAX];
		size_t count = beside_find((struct beside *)(uintptr_t)beside,
					   list->leaf[i]->key_id, NOW, found, LEAF_LIST_MAX);
		if (leaf_usable(list->leaf[i]))
			check(count == list->count);
		if (!count)
			continue;
		check(leaf_usable(found[0]));
		check(memcmp(found[0]->key_id, list->leaf[i]->key_id, LEAF_KEY_ID_LEN) == 0);
		size_t length = leaf_chain(found[0], found, count, chain);
		check(length >= 1 && length <= MTLS_CHAIN_MAX);
		check(beside_used(beside, "file"));
	}
}

static void say(void *ctx, const char *path, const char *text)
{
	(void)ctx;
	check(path && *text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(leaf_list_done) struct leaf_list list = { .count = 0 };
	_cleanup_(beside_freep) struct beside *beside = NULL;
	struct mtls_diag diag = { 0 };
	struct pem_block block;
	size_t pos = 0;

	while (pem_next(data, size, &pos, &block))
		check(block.whole >= data && block.whole + block.whole_len <= data + size &&
		      block.body + block.body_len <= data + size && pos <= size);
	int r = leaf_list_read(data, size, &list, &diag);
	check(r >= 0 || list.count == 0);
	check(r >= 0 || r == -ENOMEM || diag.text[0]);
	for (size_t i = 0; i < list.count; i++)
		check_leaf(list.leaf[i]);
	check(beside_new(NULL, 0, say, NULL, &beside) == 0);
	r = beside_add(beside, "file", data, size, NULL);
	check((r == 0) == beside_any(beside));
	if (r == 0)
		find_beside(beside, &list);
	return 0;
}
