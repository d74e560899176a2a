/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The private key that belongs to a certificate: the same CKA_ID, or, where there is none, the only
 * one of its type. */
#include <config.h>

#include <string.h>

#include "signer/source_token.h"

void token_entry_lock(struct token_entry *entry)
{
	entry->unlocked = entry->have_key = false;
	mtls_buf_done(&entry->pin);
}

void token_entry_done(struct token_entry *entry)
{
	token_entry_lock(entry);
	free(entry->label);
	free(entry->issuer);
	free(entry->object_id.data);
	for (size_t i = 0; i < entry->chain_count; i++)
		free(entry->chain[i].data);
	*entry = (struct token_entry){ 0 };
}

/* The only one of the certificate's type; NULL: none, or several. */
static const struct mtls_token_object *only_one(const struct mtls_token_objects *objects,
						enum mtls_key_type type)
{
	const struct mtls_token_object *found = NULL;

	for (size_t i = 0; i < objects->count; i++) {
		if (objects->item[i].key_type != type)
			continue;
		if (found)
			return NULL;
		found = &objects->item[i];
	}
	return found;
}

static enum mtls_reason take_only_one(struct token_entry *entry, const struct mtls_bytes *id,
				      struct mtls_diag *diag)
{
	struct mtls_token_objects keys = { 0 };
	enum mtls_reason reason =
		id ? mtls_token_find_id(entry->token, MTLS_TOKEN_PRIVATE_KEY, id, &keys, diag)
		   : mtls_token_find(entry->token, MTLS_TOKEN_PRIVATE_KEY, NULL, &keys, diag);
	const struct mtls_token_object *key = only_one(&keys, entry->key_type);

	if (reason == MTLS_REASON_ALLOWED && key) {
		entry->key = key->handle;
		entry->always_authenticate = key->always_authenticate;
		entry->have_key = true;
	}
	mtls_token_objects_done(&keys);
	return reason;
}

enum mtls_reason token_find_key(struct token_entry *entry, struct mtls_diag *diag)
{
	enum mtls_reason reason = MTLS_REASON_ALLOWED;

	if (entry->have_key)
		return MTLS_REASON_ALLOWED;
	if (entry->object_id.len)
		reason = take_only_one(entry, &entry->object_id, diag);
	/* Some put key and certificate on a token under different ids. */
	if (reason == MTLS_REASON_ALLOWED && !entry->have_key)
		reason = take_only_one(entry, NULL, diag);
	if (reason == MTLS_REASON_ALLOWED && !entry->have_key) {
		(void)mtls_diag_set(diag, 0, "no private key on it for this certificate");
		reason = MTLS_REASON_KEY_UNUSABLE;
	}
	return reason;
}
