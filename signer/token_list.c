/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which keys of which tokens are offered, with which certificates. What cannot be for logging in
 * goes first (certificates of CAs, statements of attestation, expired ones beside good ones); only
 * then one of several for the same key is chosen. In this order, because a YubiKey shows a
 * statement with the key and the CKA_ID of the login certificate.
 */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "signer/source_token.h"

struct certificate {
	struct leaf *leaf;        /* owned */
	struct mtls_token *token; /* borrowed */
	struct mtls_bytes id;     /* owned: CKA_ID */
	char *label;              /* owned: of the object */
};

struct candidate {
	struct mtls_token *token;
	const struct leaf *leaf; /* borrowed */
	const struct leaf *issuers[MTLS_CHAIN_MAX];
	size_t issuer_count;
	const struct mtls_bytes *id;
	const char *label;
};

struct listing {
	struct token_source *source;
	struct certificate certs[TOKEN_CERTS_MAX];
	size_t cert_count;
	struct mtls_token_objects keys[MTLS_TOKENS_MAX]; /* public keys, of each token */
	struct candidate candidates[2 * MTLS_CREDENTIALS_MAX];
	size_t count;
	enum mtls_reason trouble; /* the first token that could not be read; ALLOWED: none */
};

static void listing_free(struct listing *listing)
{
	if (!listing)
		return;
	for (size_t i = 0; i < listing->cert_count; i++) {
		leaf_free(listing->certs[i].leaf);
		free(listing->certs[i].id.data);
		free(listing->certs[i].label);
	}
	for (size_t i = 0; i < MTLS_COUNT(listing->keys); i++)
		mtls_token_objects_done(&listing->keys[i]);
	free(listing);
}
MTLS_DEFINE_CLEANUP(struct listing *, listing_free)

static const char *name_of(const struct mtls_token *token)
{
	const struct mtls_token_info *info = mtls_token_info(token);
	return info->label[0] ? info->label : info->module;
}

static void trouble(struct listing *listing, const struct mtls_token *token,
		    enum mtls_reason reason, const struct mtls_diag *diag)
{
	if (listing->trouble == MTLS_REASON_ALLOWED)
		listing->trouble = reason;
	token_say(listing->source, name_of(token),
		  diag->text[0] ? diag->text : mtls_reason_token(reason));
}

/* 0 or -ENOMEM. */
static int take_certificate(struct listing *listing, struct mtls_token *token,
			    struct mtls_token_object *object)
{
	struct mtls_diag diag = { 0 };
	struct certificate *cert = &listing->certs[listing->cert_count];

	if (listing->cert_count == MTLS_COUNT(listing->certs))
		return 0;
	int r = leaf_from_der(object->data.data, object->data.len, &cert->leaf, &diag);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		token_say(listing->source, name_of(token), mtls_diag_text(&diag, r));
		return 0;
	}
	cert->token = token;
	cert->id = object->id;
	cert->label = MTLS_TAKE(object->label);
	object->id = (struct mtls_bytes){ 0 };
	listing->cert_count++;
	return 0;
}

static int read_certificates(struct listing *listing, struct mtls_token *token)
{
	struct mtls_token_objects objects = { 0 };
	struct mtls_diag diag = { 0 };
	int r = 0;

	enum mtls_reason reason = mtls_token_find(token, MTLS_TOKEN_CERTIFICATE,
						  &listing->source->filters, &objects, &diag);
	for (size_t i = 0; i < objects.count && r >= 0; i++)
		r = take_certificate(listing, token, &objects.item[i]);
	if (reason != MTLS_REASON_ALLOWED)
		trouble(listing, token, reason, &diag);
	else if (objects.skipped)
		token_say(listing->source, name_of(token),
			  "not all of its certificates can be read");
	mtls_token_objects_done(&objects);
	return r;
}

static struct candidate *find_candidate(struct listing *listing, const struct mtls_token *token,
					const uint8_t *key_id)
{
	for (size_t i = 0; i < listing->count; i++) {
		struct candidate *candidate = &listing->candidates[i];
		if (candidate->token == token &&
		    memcmp(candidate->leaf->key_id, key_id, LEAF_KEY_ID_LEN) == 0)
			return candidate;
	}
	return NULL;
}

/* Once for each key of a token: is there a better certificate beside it? */
static void look_beside(struct listing *listing, struct candidate *candidate, const uint8_t *key_id)
{
	const struct leaf *found[MTLS_CHAIN_MAX + 1];
	int64_t now = listing->source->args.now;
	size_t count = beside_find(listing->source->beside, key_id, now, found, MTLS_COUNT(found));

	if (count == 0 || (candidate->leaf && !leaf_better(found[0], candidate->leaf, now)))
		return;
	candidate->leaf = found[0];
	candidate->issuer_count = count - 1;
	memcpy(candidate->issuers, found + 1, (count - 1) * sizeof(*found));
}

static void offer(struct listing *listing, struct mtls_token *token, const uint8_t *key_id,
		  const struct leaf *leaf, const struct mtls_bytes *id, const char *label)
{
	struct candidate *candidate = find_candidate(listing, token, key_id);
	if (candidate) { /* and it was looked for beside */
		if (!leaf || !leaf_better(leaf, candidate->leaf, listing->source->args.now))
			return;
		candidate->leaf = leaf;
		candidate->issuer_count = 0;
		return;
	}
	if (listing->count == MTLS_COUNT(listing->candidates))
		return;
	candidate = &listing->candidates[listing->count];
	*candidate = (struct candidate){ .token = token, .leaf = leaf, .id = id, .label = label };
	look_beside(listing, candidate, key_id);
	listing->count += candidate->leaf != NULL;
}

static void offer_certificates(struct listing *listing)
{
	for (size_t i = 0; i < listing->cert_count; i++) {
		const struct certificate *cert = &listing->certs[i];
		if (leaf_usable(cert->leaf))
			offer(listing, cert->token, cert->leaf->key_id, cert->leaf, &cert->id,
			      cert->label);
	}
}

/* Keys whose certificate is not on the token; asked for only where one may lie beside. */
static void offer_keys(struct listing *listing, struct mtls_token *token,
		       struct mtls_token_objects *keys)
{
	struct mtls_diag diag = { 0 };
	enum mtls_reason reason = mtls_token_find(token, MTLS_TOKEN_PUBLIC_KEY,
						  &listing->source->filters, keys, &diag);
	if (reason != MTLS_REASON_ALLOWED)
		trouble(listing, token, reason, &diag);
	for (size_t i = 0; i < keys->count; i++) {
		const struct mtls_token_object *key = &keys->item[i];
		uint8_t key_id[LEAF_KEY_ID_LEN];
		leaf_digest(key->data.data, key->data.len, key_id);
		offer(listing, token, key_id, NULL, &key->id, key->label);
	}
}

static bool is_valid(const struct candidate *candidate, int64_t now)
{
	return candidate->leaf->not_before <= now && now <= candidate->leaf->not_after;
}

static bool is_locked(const struct candidate *candidate)
{
	const struct mtls_token_info *info = mtls_token_info(candidate->token);
	return info->login_required && info->tries_left == 0;
}

/* Where there are good ones, the others only make a choice necessary. */
static void drop_expired(struct listing *listing)
{
	int64_t now = listing->source->args.now;
	size_t kept = 0;

	for (size_t i = 0; i < listing->count; i++)
		if (is_valid(&listing->candidates[i], now))
			listing->candidates[kept++] = listing->candidates[i];
	if (kept)
		listing->count = kept;
}

/* The same key twice: on two cards, or on one card that two modules show. */
static void drop_duplicates(struct listing *listing)
{
	size_t kept = 0;

	for (size_t i = 0; i < listing->count; i++) {
		const struct candidate *candidate = &listing->candidates[i];
		size_t k = 0;
		while (k < kept && memcmp(listing->candidates[k].leaf->key_id,
					  candidate->leaf->key_id, LEAF_KEY_ID_LEN) != 0)
			k++;
		if (k == kept)
			kept++;
		else if (!is_locked(&listing->candidates[k]) || is_locked(candidate))
			continue;
		listing->candidates[k] = *candidate;
	}
	listing->count = kept;
}

static bool same_chain(const struct token_entry *entry, const struct leaf *leaf)
{
	return entry->chain_count && entry->chain[0].len == leaf->der_len &&
	       memcmp(entry->chain[0].data, leaf->der, leaf->der_len) == 0;
}

static int set_chain(const struct listing *listing, const struct candidate *candidate,
		     struct token_entry *entry)
{
	const struct leaf *others[TOKEN_CERTS_MAX];
	struct mtls_bytes chain[MTLS_CHAIN_MAX];
	size_t count = 0;

	/* Beside the key lies its chain; with the certificate of the token, that of the token. */
	for (size_t i = 0; i < candidate->issuer_count; i++)
		others[count++] = candidate->issuers[i];
	for (size_t i = 0; i < listing->cert_count && !candidate->issuer_count; i++)
		if (listing->certs[i].leaf->ca)
			others[count++] = listing->certs[i].leaf;
	count = leaf_chain(candidate->leaf, others, count, chain);
	for (size_t i = 0; i < count; i++) {
		if (mtls_msg_set_bytes(&entry->chain[i], chain[i].data, chain[i].len) < 0)
			return -ENOMEM;
		entry->chain_count++;
	}
	return 0;
}

static char *label_of(const struct candidate *candidate)
{
	if (candidate->leaf->subject[0])
		return strdup(candidate->leaf->subject);
	return strdup(candidate->label && candidate->label[0] ? candidate->label
							      : name_of(candidate->token));
}

static int new_entry(const struct listing *listing, const struct candidate *candidate,
		     struct token_entry *entry)
{
	*entry = (struct token_entry){
		.token = candidate->token,
		.label = label_of(candidate),
		.issuer = strdup(candidate->leaf->issuer),
		.not_before = candidate->leaf->not_before,
		.not_after = candidate->leaf->not_after,
		.key_type = candidate->leaf->key_type,
	};
	memcpy(entry->key_id, candidate->leaf->key_id, sizeof(entry->key_id));
	mtls_buf_init(&entry->pin, MTLS_TOKEN_PIN_MAX, true);
	if (!entry->label || !entry->issuer ||
	    mtls_msg_set_bytes(&entry->object_id, candidate->id->data, candidate->id->len) < 0)
		return -ENOMEM;
	return set_chain(listing, candidate, entry);
}

/* The entry that an earlier list made of it, or a new one; NULL: memory or room is short. */
static struct token_entry *entry_for(const struct listing *listing,
				     const struct candidate *candidate)
{
	struct token_source *source = listing->source;

	for (size_t i = 0; i < source->count; i++) {
		struct token_entry *entry = &source->entries[i];
		if (entry->token == candidate->token && same_chain(entry, candidate->leaf))
			return entry;
	}
	if (source->count == MTLS_COUNT(source->entries))
		return NULL;
	struct token_entry *entry = &source->entries[source->count];
	if (new_entry(listing, candidate, entry) < 0) {
		token_entry_done(entry);
		return NULL;
	}
	entry->id = (uint32_t)++source->count;
	return entry;
}

/* Without a login the private key can be seen, and whether each use of it needs one. */
static bool settle(struct listing *listing, struct token_entry *entry)
{
	struct mtls_diag diag = { 0 };

	entry->needs_secret = true;
	if (mtls_token_info(entry->token)->login_required)
		return true;
	enum mtls_reason reason = token_find_key(entry, &diag);
	entry->needs_secret = reason == MTLS_REASON_ALLOWED && entry->always_authenticate;
	if (reason != MTLS_REASON_ALLOWED)
		trouble(listing, entry->token, reason, &diag);
	return reason == MTLS_REASON_ALLOWED;
}

static enum mtls_reason make_entries(struct listing *listing)
{
	struct token_source *source = listing->source;

	/* What is locked comes last. */
	for (int locked = 0; locked < 2; locked++)
		for (size_t i = 0; i < listing->count; i++) {
			const struct candidate *candidate = &listing->candidates[i];
			if (is_locked(candidate) != (locked == 1) ||
			    source->listed == MTLS_COUNT(source->order))
				continue;
			struct token_entry *entry = entry_for(listing, candidate);
			if (!entry)
				return MTLS_REASON_SIGNER_FAILED;
			entry->listed = settle(listing, entry);
			if (entry->listed)
				source->order[source->listed++] = entry;
		}
	return source->listed ? MTLS_REASON_ALLOWED : MTLS_REASON_NO_CREDENTIAL;
}

/* What will refuse the right PIN too. */
static void say_pin_state(struct token_source *source, const struct mtls_token *token)
{
	const struct mtls_token_info *info = mtls_token_info(token);

	if (info->login_required && !info->pin_set)
		token_say(source, name_of(token), "no PIN is set on it");
	else if (info->pin_to_be_changed)
		token_say(source, name_of(token), "its PIN has to be changed: mtlsctl pin change");
}

static enum mtls_reason read_tokens(struct listing *listing)
{
	struct token_source *source = listing->source;
	size_t count = mtls_tokens_count(source->tokens);

	for (size_t i = 0; i < count; i++) {
		struct mtls_token *token = mtls_tokens_at(source->tokens, i);
		say_pin_state(source, token);
		if (read_certificates(listing, token) < 0)
			return MTLS_REASON_SIGNER_FAILED;
	}
	offer_certificates(listing);
	for (size_t i = 0; i < count && beside_any(source->beside); i++)
		offer_keys(listing, mtls_tokens_at(source->tokens, i), &listing->keys[i]);
	drop_expired(listing);
	drop_duplicates(listing);
	enum mtls_reason reason = make_entries(listing);
	if (reason != MTLS_REASON_NO_CREDENTIAL)
		return reason;
	if (listing->trouble != MTLS_REASON_ALLOWED)
		return listing->trouble;
	token_say(source, name_of(mtls_tokens_at(source->tokens, 0)),
		  "there is no certificate for logging in on it, and none for its keys beside it");
	return reason;
}

/* Who asks again waits for a card: what shows none may have to be started anew to see it. */
static enum mtls_reason look(struct token_source *source)
{
	enum mtls_reason reason = mtls_tokens_look(source->tokens, &source->filters);

	if (reason == MTLS_REASON_NO_TOKEN && source->looked) {
		mtls_tokens_restart(source->tokens);
		reason = mtls_tokens_look(source->tokens, &source->filters);
	}
	source->looked = true;
	return reason;
}

enum mtls_reason token_list(struct token_source *source)
{
	mtls_buf_reset(&source->detail);
	(void)mtls_buf_append(&source->detail, source->opened.data, source->opened.len);
	if (source->failed.len)
		token_say(source, NULL, mtls_buf_cstr(&source->failed));
	mtls_buf_reset(&source->failed);
	source->listed = 0;
	for (size_t i = 0; i < source->count; i++)
		source->entries[i].listed = false;
	if (source->refused != MTLS_REASON_ALLOWED)
		return source->refused;
	enum mtls_reason reason = look(source);
	for (size_t i = 0; i < source->count; i++)
		if (!mtls_token_present(source->entries[i].token))
			token_entry_lock(&source->entries[i]);
	if (reason != MTLS_REASON_ALLOWED)
		return source->readers && pcscd_refuses(PCSCD_SOCKET) ? MTLS_REASON_READER_REFUSED
								      : reason;
	_cleanup_(listing_freep) struct listing *listing = calloc(1, sizeof(*listing));
	if (!listing)
		return MTLS_REASON_SIGNER_FAILED;
	listing->source = source;
	return read_tokens(listing);
}
