/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Certificates that lie beside keys, and are found by the key: files without a private key in the
 * person's folder, and the administrator's folder certs.d. There a file NAME.crt with 64
 * hexadecimal digits as NAME, the SHA-256 of the key's SubjectPublicKeyInfo, is opened only when
 * that key is looked for, so that a thousand persons cost a login nothing; files of other names are
 * all read, up to a number. For any source of keys: what is asked for is the identifier of a public
 * key.
 */
#ifndef MTLS_SIGNER_BESIDE_H
#define MTLS_SIGNER_BESIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/cleanup.h"
#include "signer/leaf.h"

#define BESIDE_NAMED_MAX 64  /* files of certs.d without a key's digest as their name */
#define BESIDE_CERTS_MAX 512 /* certificates in all */

struct beside;

/* Takes one remark about a file that is not used; borrowed for the call. */
typedef void beside_say(void *ctx, const char *path, const char *text);

/* "DIGEST.crt": opened only when that key is looked for. */
bool beside_named_by_digest(const char *name);

/*
 * Reads the administrator's folder, NULL for none; a missing folder is an empty one. Its files
 * count only if they and the folder are @owner's or root's and nobody else may write them. @say is
 * also called later. 0 or -ENOMEM.
 */
int beside_new(const char *folder, uid_t owner, beside_say *say, void *say_ctx,
	       struct beside **ret);
void beside_free(struct beside *beside);
MTLS_DEFINE_CLEANUP(struct beside *, beside_free)

/*
 * Adds the certificates of one file, PEM or DER. 0 or why it cannot be used: MTLS_E_SYNTAX,
 * MTLS_E_LIMIT, -ENOMEM; MTLS_E_UNTRUSTED: there is a private key in it.
 */
int beside_add(struct beside *beside, const char *path, const uint8_t *data, size_t len,
	       struct mtls_diag *diag);

/* Whether there may be a certificate for a key that is not known yet. */
bool beside_any(const struct beside *beside);

/*
 * The best usable certificate of this key (leaf_better()), and behind it the others of its file:
 * the issuers. Borrowed, at most @room; returns their number. For struct intake_input: @ctx is a
 * struct beside.
 */
size_t beside_find(void *ctx, const uint8_t *key_id, int64_t now, const struct leaf **certs,
		   size_t room);

/* Whether a certificate of this file was found for a key. */
bool beside_used(const struct beside *beside, const char *path);

#endif
