/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a certificate to the accounts it is bound to: the typed keys of the certificate, the union
 * of the names that service x509 gives for them, and the decision. Pure: the lookup is the
 * caller's.
 */
#ifndef AUTHD_MAPPER_H
#define AUTHD_MAPPER_H

#include <stddef.h>

#include "authd/lookup_proto.h"
#include "lib/cert/cert.h"
#include "lib/wire/reason.h"

struct mapper_name {
	char text[MTLS_ACCOUNT_NAME_MAX + 1];
	enum mtls_key_kind kind; /* of the strongest key that named it */
};

struct mapper {
	char *keys[LOOKUP_KEYS_MAX]; /* owned; strongest first */
	enum mtls_key_kind kinds[LOOKUP_KEYS_MAX];
	size_t key_count;
	struct mapper_name names[LOOKUP_NAMES_MAX]; /* sorted by bytes, each once */
	size_t name_count;
};

/*
 * The keys of @cert: sha256, spki-sha256, issuer-serial, subject; the last two only where the
 * certificate has such names. @mapper is zeroed by the caller. 0, -ENOMEM, MTLS_E_*.
 */
int mapper_keys(struct mapper *mapper, const struct mtls_cert *cert);
void mapper_done(struct mapper *mapper);

/* The query for all keys. */
void mapper_query(const struct mapper *mapper, struct lookup_query *query);

/*
 * Takes a FOUND answer. 0, or MTLS_E_CORRUPT for a name outside the grammar or a key that was not
 * asked: then nothing of the answer may be used.
 */
int mapper_add(struct mapper *mapper, const struct lookup_answer *answer);

/*
 * @asked NULL or empty: whoever it is. ALLOWED: *@ret_name is the account. CHOOSE: there are
 * several. UNMAPPED, MAPPED_OTHER.
 */
enum mtls_reason mapper_decide(const struct mapper *mapper, const char *asked,
			       const struct mapper_name **ret_name);

/* The entry of @name, or NULL. */
const struct mapper_name *mapper_find(const struct mapper *mapper, const char *name);

#endif
