/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sources pkcs11 and p11-kit, inside: what source_token.c and token_list.c share. */
#ifndef MTLS_SIGNER_SOURCE_TOKEN_H
#define MTLS_SIGNER_SOURCE_TOKEN_H

#include "lib/base/buf.h"
#include "lib/token/token.h"
#include "signer/beside.h"
#include "signer/leaf.h"
#include "signer/source.h"

#define TOKEN_CERTS_MAX 256 /* on all tokens together; more are not looked at */
/* In the life of a signer, with those gone. */
#define TOKEN_ENTRIES_MAX (2 * MTLS_CREDENTIALS_MAX)

/* One key on one token, with the certificate that is offered for it. Lives as long as the source.
 */
struct token_entry {
	uint32_t id;
	struct mtls_token *token; /* borrowed */
	uint8_t key_id[LEAF_KEY_ID_LEN];
	char *label, *issuer; /* owned */
	int64_t not_before, not_after;
	enum mtls_key_type key_type;
	struct mtls_bytes object_id;             /* owned: CKA_ID of certificate and keys */
	struct mtls_bytes chain[MTLS_CHAIN_MAX]; /* owned */
	size_t chain_count;
	bool listed; /* by the last list */
	bool needs_secret;
	bool unlocked; /* the PIN was right, and the private key is there */
	bool have_key;
	unsigned long key; /* its handle, with have_key */
	bool always_authenticate;
	struct mtls_buf pin; /* for the one signature of such a key; wiped behind it */
};

struct token_source {
	const char *name; /* of the source */
	struct source_args args;
	struct mtls_tokens *tokens;
	struct mtls_token_filter *filter[MTLS_TOKEN_FILTERS_MAX]; /* owned */
	struct mtls_token_filters filters;
	struct beside *beside;
	struct token_entry entries[TOKEN_ENTRIES_MAX];
	size_t count;
	struct token_entry *order[MTLS_CREDENTIALS_MAX]; /* of the last list */
	size_t listed;
	enum mtls_reason refused; /* why nothing may be opened; ALLOWED: it is open */
	bool looked;              /* there was a list before */
	bool readers;             /* ask pcscd whether it refuses us, when there is no token */
	struct mtls_buf failed; /* what an unlocking or a signature failed at, for the next list */
	struct mtls_buf opened; /* remarks from the opening, for each end mark */
	struct mtls_buf detail; /* opened, and those of the last list */
};

/* One more sentence: "'WHAT': TEXT". */
void token_say(struct token_source *source, const char *what, const char *text);

/*
 * token_list.c: looks at all readers and fills source->order. ALLOWED: something is there; else why
 * nothing is: NO_TOKEN, READER_REFUSED, MODULE_FAILED, TOKEN_GONE, NO_CREDENTIAL, SIGNER_FAILED.
 */
enum mtls_reason token_list(struct token_source *source);

/* token_key.c: the private key of @entry. ALLOWED: entry->key; KEY_UNUSABLE, or the token's reason.
 */
enum mtls_reason token_find_key(struct token_entry *entry, struct mtls_diag *diag);

void token_entry_lock(struct token_entry *entry);
void token_entry_done(struct token_entry *entry);

/* pcscd.c: true if the service for card readers at @socket takes connections and answers none. */
bool pcscd_refuses(const char *socket);
#define PCSCD_SOCKET "/run/pcscd/pcscd.comm"

/*
 * p11kit.c: ALLOWED: @address is "unix:path=/PATH", and there is a socket of @owner; NO_TOKEN:
 * there is nothing; else SOCKET_UNTRUSTED, with @diag.
 */
enum mtls_reason p11kit_address(const char *address, uid_t owner, struct mtls_diag *diag);

/*
 * True if somebody else than @owner or root listens at a socket that this process is connected to:
 * the path may have been exchanged between the look at it and the connection, which is p11-kit's.
 */
bool p11kit_stranger(uid_t owner);

#endif
