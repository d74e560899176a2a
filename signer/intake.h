/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the bytes of a person's file to a key and its certificates: PEM and PKCS#12. Decryption and
 * decoding are GnuTLS's; what is decided here is which key, which certificates, and whether a
 * secret was really needed. Pure: no files, no clock.
 */
#ifndef MTLS_SIGNER_INTAKE_H
#define MTLS_SIGNER_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gnutls/abstract.h>

#include "lib/base/cleanup.h"
#include "lib/base/err.h"
#include "lib/wire/msg.h"
#include "signer/leaf.h"

#define INTAKE_FILE_MAX       LEAF_FILE_MAX /* bytes of a file */
#define INTAKE_ITERATIONS_MAX 10000000      /* of a key derivation: several seconds */
#define INTAKE_KEY_ID_LEN     LEAF_KEY_ID_LEN

/*
 * Certificates from elsewhere for the key of @key_id: the best of them (leaf_better()) and its
 * issuers, at most @room, which are borrowed. Returns their number.
 */
typedef size_t intake_beside(void *ctx, const uint8_t *key_id, int64_t now,
			     const struct leaf **certs, size_t room);

/* What one credential is made of. All borrowed. */
struct intake_input {
	const uint8_t *data; /* PEM, PKCS#12, or a DER certificate */
	size_t len;
	const uint8_t *key_data; /* PEM private key from a file of its own, used if there is none in
				    data; NULL: none */
	size_t key_len;
	uint32_t iterations_max; /* INTAKE_ITERATIONS_MAX; a parameter for tests */
	intake_beside *beside;   /* NULL: no other certificates but those in data */
	void *beside_ctx;
	bool beside_any; /* there may be one for a key that cannot be read without a secret */
	int64_t now;     /* which of several certificates counts */
};

struct intake {
	gnutls_privkey_t key; /* owned; NULL while locked */
	bool locked;          /* a secret is needed for the key */
	bool by_secret; /* the key was encrypted, and the secret that was given decrypted it */
	enum mtls_key_type key_type;             /* 0 while the certificates are hidden */
	struct mtls_bytes chain[MTLS_CHAIN_MAX]; /* owned DER, leaf first, then its issuers */
	size_t chain_count; /* 0: hidden until unlocked (PKCS#12, or an encrypted key alone) */
	char *subject;      /* owned: CN or DN of the leaf; NULL if hidden */
	char *issuer;       /* likewise */
	int64_t not_after;
};

/* True if the bytes hold something private (a key, PKCS#12), so others must not read them. */
bool intake_is_secret(const uint8_t *data, size_t len);
/* True for PEM or DER bytes with certificates and without a private key. */
bool intake_lacks_key(const uint8_t *data, size_t len);

/*
 * Of several certificates for the key, in data or beside it, one counts: of those that are valid
 * now the newest; if there is none, the one that ends last.
 *
 * Reads what can be read with @secret, a string of at least one byte, or NULL for none.
 * Without a secret, a key that needs one gives an intake with `locked`. A key that the empty
 * passphrase opens is not protected, so it is never `locked` and never `by_secret`.
 *
 * Returns 0 and @ret; MTLS_E_SECRET: @secret is wrong; else the bytes cannot be used, and @diag has
 * the reason without a file name: MTLS_E_SYNTAX (damaged), MTLS_E_NOTFOUND (no key or certificate),
 * MTLS_E_CERT (they do not belong together), MTLS_E_LIMIT, MTLS_E_UNSUPPORTED, -ENOMEM.
 */
int intake_read(const struct intake_input *input, const char *secret, struct intake **ret,
		struct mtls_diag *diag);
void intake_free(struct intake *intake);
MTLS_DEFINE_CLEANUP(struct intake *, intake_free)

#endif
