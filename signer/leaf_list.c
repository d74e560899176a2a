/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Several certificates: files of them, which is to be preferred, and who issued whom. No state. */
#include <config.h>

#include <errno.h>
#include <nettle/base64.h>
#include <string.h>

#include "signer/leaf.h"
#include "signer/pem.h"

void leaf_list_done(struct leaf_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		leaf_free(list->leaf[i]);
	list->count = 0;
}

static int add_der(const uint8_t *der, size_t len, struct leaf_list *list, struct mtls_diag *diag)
{
	if (list->count == LEAF_LIST_MAX)
		return mtls_diag_set(diag, MTLS_E_LIMIT, "it holds more than %d certificates",
				     LEAF_LIST_MAX);
	int r = leaf_from_der(der, len, &list->leaf[list->count], diag);
	if (r >= 0)
		list->count++;
	return r;
}

static int add_block(const struct pem_block *block, struct leaf_list *list, struct mtls_diag *diag)
{
	struct base64_decode_ctx ctx;
	size_t len = BASE64_DECODE_LENGTH(block->body_len);

	if (len > 2 * MTLS_CERT_MAX) /* there may be many line ends */
		return mtls_diag_set(diag, MTLS_E_LIMIT,
				     "a certificate cannot be read: it is longer than %d bytes",
				     MTLS_CERT_MAX);
	_cleanup_free_ uint8_t *der = malloc(len ? len : 1);
	if (!der)
		return -ENOMEM;
	base64_decode_init(&ctx);
	if (!block->ended ||
	    !base64_decode_update(&ctx, &len, der, block->body_len, (const char *)block->body) ||
	    !base64_decode_final(&ctx))
		return mtls_diag_set(diag, MTLS_E_SYNTAX,
				     "a certificate cannot be read: its PEM block is damaged");
	return add_der(der, len, list, diag);
}

static int read_pem(const uint8_t *data, size_t len, struct leaf_list *list, struct mtls_diag *diag)
{
	struct pem_block block;
	size_t pos = 0;

	while (pem_next(data, len, &pos, &block)) {
		if (!pem_label_is(&block, "CERTIFICATE") &&
		    !pem_label_is(&block, "X509 CERTIFICATE"))
			continue;
		int r = add_block(&block, list, diag);
		if (r < 0)
			return r;
	}
	return 0;
}

int leaf_list_read(const uint8_t *data, size_t len, struct leaf_list *ret, struct mtls_diag *diag)
{
	int r;

	if (len > LEAF_FILE_MAX)
		return mtls_diag_set(diag, MTLS_E_LIMIT, "it is longer than %d bytes",
				     LEAF_FILE_MAX);
	r = pem_is(data, len) ? read_pem(data, len, ret, diag) : add_der(data, len, ret, diag);
	if (r < 0)
		leaf_list_done(ret);
	return r;
}

bool leaf_is_public(const uint8_t *data, size_t len)
{
	struct pem_block block;
	size_t pos = 0;

	if (!pem_is(data, len)) {
		_cleanup_(leaf_freep) struct leaf *leaf = NULL;
		return leaf_from_der(data, len, &leaf, NULL) >= 0;
	}
	while (pem_next(data, len, &pos, &block))
		if (pem_label_is_key(&block))
			return false;
	return true;
}

bool leaf_usable(const struct leaf *leaf)
{
	return leaf->key_type && !leaf->ca && !leaf->attestation;
}

static bool valid_at(const struct leaf *leaf, int64_t now)
{
	return leaf->not_before <= now && leaf->not_after >= now;
}

bool leaf_better(const struct leaf *a, const struct leaf *b, int64_t now)
{
	bool a_valid = valid_at(a, now), b_valid = valid_at(b, now);

	if (a_valid != b_valid)
		return a_valid;
	return a_valid ? a->not_before > b->not_before : a->not_after > b->not_after;
}

bool leaf_same(const struct leaf *a, const struct leaf *b)
{
	return a->der_len == b->der_len && memcmp(a->der, b->der, a->der_len) == 0;
}

static bool equal(const struct mtls_der *a, const struct mtls_der *b)
{
	return mtls_der_equal(a, b->data, b->len);
}

bool leaf_issued_by(const struct leaf *leaf, const struct leaf *issuer)
{
	return equal(&leaf->raw_issuer, &issuer->raw_subject) &&
	       (!leaf->authority_id.len || !issuer->subject_id.len ||
		equal(&leaf->authority_id, &issuer->subject_id));
}

/* So that a loop of issuers ends. */
static bool is_in(const struct leaf *leaf, const struct mtls_bytes *chain, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (chain[i].len == leaf->der_len &&
		    memcmp(chain[i].data, leaf->der, leaf->der_len) == 0)
			return true;
	return false;
}

static const struct leaf *issuer_of(const struct leaf *leaf, const struct leaf *const *others,
				    size_t count, const struct mtls_bytes *chain, size_t length)
{
	for (size_t i = 0; i < count; i++)
		if (leaf_issued_by(leaf, others[i]) && !leaf_issued_by(others[i], others[i]) &&
		    !is_in(others[i], chain, length))
			return others[i];
	return NULL;
}

size_t leaf_chain(const struct leaf *leaf, const struct leaf *const *others, size_t count,
		  struct mtls_bytes chain[MTLS_CHAIN_MAX])
{
	size_t length = 0, total = 0;

	while (leaf && length < MTLS_CHAIN_MAX) {
		total += leaf->der_len;
		if (total > MTLS_CHAIN_BYTES_MAX)
			break;
		chain[length++] = (struct mtls_bytes){ leaf->der, leaf->der_len };
		leaf = issuer_of(leaf, others, count, chain, length);
	}
	return length;
}
