/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a certificate to the accounts it is bound to: the typed keys of the certificate, the union
 * of the names that service x509 gives for them, and the decision. Pure: the lookup is the
 * caller's.
 */
#ifndef MTLS_MAPPING_MAPPER_H
#define MTLS_MAPPING_MAPPER_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/cert/cert.h"
#include "lib/mapping/query.h"
#include "lib/wire/reason.h"

struct mtls_mapper_name {
	char text[MTLS_ACCOUNT_NAME_MAX + 1];
	enum mtls_key_kind kind; /* of the strongest key that named it */
	uint32_t keys;           /* bit i: keys[i] of the mapper named it */
};

struct mtls_mapper {
	char *keys[MTLS_LOOKUP_KEYS_MAX]; /* owned; strongest first */
	enum mtls_key_kind kinds[MTLS_LOOKUP_KEYS_MAX];
	size_t key_count;
	struct mtls_mapper_name names[MTLS_LOOKUP_NAMES_MAX]; /* sorted by bytes, each once */
	size_t name_count;
	bool answered; /* the keys were looked up, and this is what they gave */
};

/*
 * The keys of @cert: sha256, spki-sha256, issuer-serial, subject; the last two only where the
 * certificate has such names. @mapper is zeroed by the caller. 0, -ENOMEM, MTLS_E_*.
 */
int mtls_mapper_keys(struct mtls_mapper *mapper, const struct mtls_cert *cert);
void mtls_mapper_done(struct mtls_mapper *mapper);

/* The query for all keys. */
void mtls_mapper_query(const struct mtls_mapper *mapper, struct mtls_lookup_query *query);

/*
 * Takes an answer, FOUND or NOTFOUND. 0, or MTLS_E_CORRUPT for a name outside the grammar or a key
 * that was not asked: then nothing of the answer may be used.
 */
int mtls_mapper_add(struct mtls_mapper *mapper, const struct mtls_lookup_answer *answer);

/*
 * @asked NULL or empty: whoever it is. ALLOWED: *@ret_name is the account. CHOOSE: there are
 * several. UNMAPPED, MAPPED_OTHER.
 */
enum mtls_reason mtls_mapper_decide(const struct mtls_mapper *mapper, const char *asked,
				    const struct mtls_mapper_name **ret_name);

/* The entry of @name, or NULL. */
const struct mtls_mapper_name *mtls_mapper_find(const struct mtls_mapper *mapper, const char *name);

#endif
