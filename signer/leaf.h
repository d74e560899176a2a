/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a signer has to know of a certificate: whose key it is, what a person is shown, and whether
 * it is one for logging in at all. Read from the bytes, without GnuTLS, so that signers whose keys
 * are elsewhere need not load it. Nothing is verified here: a certificate that lies just fails at
 * the server. Immutable; pure.
 */
#ifndef MTLS_SIGNER_LEAF_H
#define MTLS_SIGNER_LEAF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/cleanup.h"
#include "lib/base/err.h"
#include "lib/cert/der.h"
#include "lib/wire/msg.h"

#define LEAF_KEY_ID_LEN     32           /* SHA-256 of a SubjectPublicKeyInfo */
#define LEAF_FILE_MAX       (128 * 1024) /* bytes of a file of certificates */
#define LEAF_LIST_MAX       16           /* certificates in a file */
#define LEAF_EXTENSIONS_MAX 64
#define LEAF_TEXT_MAX       256 /* bytes of a name for a person */

struct leaf {
	uint8_t *der; /* owned; the slices point into it */
	size_t der_len;
	struct mtls_der raw_subject, raw_issuer;
	struct mtls_der spki;       /* the whole SubjectPublicKeyInfo */
	struct mtls_der public_key; /* its key: an EC point, 32 bytes of Ed25519, RSAPublicKey */
	struct mtls_der subject_id, authority_id; /* key identifiers; len 0: none */
	uint8_t key_id[LEAF_KEY_ID_LEN];
	enum mtls_key_type key_type; /* 0: of a kind that nobody can log in with */
	char *subject;               /* owned: its most specific CN, else its DN; "" if malformed */
	char *issuer;                /* likewise */
	int64_t not_before, not_after; /* seconds since 1970 */
	bool ca;                       /* of a CA, not of a person */
	bool attestation; /* a YubiKey's statement about a key, not a certificate to log in with */
};

/* SHA-256 of @len bytes to @out[LEAF_KEY_ID_LEN]. */
void leaf_digest(const void *data, size_t len, uint8_t *out);

/*
 * Reads one certificate, which is copied. 0, -ENOMEM, MTLS_E_LIMIT (over MTLS_CERT_MAX),
 * MTLS_E_SYNTAX (not exactly one certificate in DER).
 */
int leaf_from_der(const uint8_t *der, size_t len, struct leaf **ret, struct mtls_diag *diag);
void leaf_free(struct leaf *leaf);
MTLS_DEFINE_CLEANUP(struct leaf *, leaf_free)

/* Of one file. */
struct leaf_list {
	struct leaf *leaf[LEAF_LIST_MAX]; /* owned */
	size_t count;
};
void leaf_list_done(struct leaf_list *list);

/* True for PEM without a private key, or one certificate in DER: others may read it. */
bool leaf_is_public(const uint8_t *data, size_t len);

/*
 * All certificates of PEM text, of which there may be none, or the one in DER. Other blocks are
 * passed over. Codes of leaf_from_der(), and MTLS_E_LIMIT for more than LEAF_LIST_MAX. @ret must be
 * empty, and is on failure.
 */
int leaf_list_read(const uint8_t *data, size_t len, struct leaf_list *ret, struct mtls_diag *diag);

/* For a person and supported: what may be offered for a login. */
bool leaf_usable(const struct leaf *leaf);

/* Whether @a is to be preferred: valid at @now, then the newer one; else what ends later. */
bool leaf_better(const struct leaf *a, const struct leaf *b, int64_t now);

/* The same certificate, byte by byte. */
bool leaf_same(const struct leaf *a, const struct leaf *b);

/* Whether @issuer may have issued @leaf, by names and key identifiers; not by its signature. */
bool leaf_issued_by(const struct leaf *leaf, const struct leaf *issuer);

/*
 * The certificates to send for @leaf: itself, then its issuers among @others, in order; a root,
 * which need not be sent, ends it, and so do the limits of a chain. @chain's data is borrowed.
 * Returns how many, at least 1.
 */
size_t leaf_chain(const struct leaf *leaf, const struct leaf *const *others, size_t count,
		  struct mtls_bytes chain[MTLS_CHAIN_MAX]);

#endif
