/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The memo as lib/verify asks it. */
#ifndef MTLS_VERIFY_MEMO_IMPL_H
#define MTLS_VERIFY_MEMO_IMPL_H

#include "lib/cert/cert.h"
#include "lib/verify/memo.h"

#define MTLS_MEMO_KEY_LEN 32 /* SHA-256 */

/*
 * The key of the path @certs, leaf first, anchor last, to an anchor of @role; at @ret_key, which
 * has MTLS_MEMO_KEY_LEN octets. False if it cannot be computed.
 */
bool mtls_memo_key(const struct mtls_memo *memo, enum mtls_role role,
		   const struct mtls_cert *const *certs, size_t count, uint8_t *ret_key);

/* Whether a path with that key was remembered; it is then the one used last. */
bool mtls_memo_knows(struct mtls_memo *memo, const uint8_t *key);

/* The certificate with exactly these bytes, one more reference; NULL if it was not remembered. */
struct mtls_cert *mtls_memo_cert(struct mtls_memo *memo, const uint8_t *der, size_t len);

#endif
