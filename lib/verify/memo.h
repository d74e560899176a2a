/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The memo of verified chains, so that a known chain costs neither parsing nor a signature check
 * again: which paths had valid signatures, and the certificates in parsed form. It holds no
 * judgement but that of the signatures: names are compared, bounds, times, usages and revocation
 * are judged anew for every handshake.
 *
 * A path is a SHA-256 over the generation of the configuration, the role, and the SHA-256 of each
 * certificate from the leaf to the anchor. What GnuTLS says about a path is a function of exactly
 * these bytes, because times and CRLs are switched off there. A certificate is found by the SHA-256
 * of all its bytes. What was not asked for for longest goes first. For one thread.
 */
#ifndef MTLS_VERIFY_MEMO_H
#define MTLS_VERIFY_MEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/cleanup.h"
#include "lib/verify/verify.h"

#define MTLS_MEMO_ENTRIES_MAX 65536
#define MTLS_MEMO_CERT_MAX    2048 /* bytes; a longer certificate is parsed every time */

struct mtls_memo;

/*
 * For @entries paths and as many certificates, 1 to MTLS_MEMO_ENTRIES_MAX, of one configuration,
 * which @generation tells from others. 0, -ENOMEM, -EINVAL.
 */
int mtls_memo_new(uint32_t entries, uint64_t generation, struct mtls_memo **ret);
void mtls_memo_free(struct mtls_memo *memo);
MTLS_DEFINE_CLEANUP(struct mtls_memo *, mtls_memo_free)

/*
 * Remembers a path that mtls_verify_path() or mtls_chain_path() found, and its certificates but
 * for the anchor; nothing if @memo is NULL. The caller waits until the peer has proved to hold the
 * leaf's key: else anybody could fill the memo with other people's chains. What cannot be hashed is
 * not remembered.
 */
void mtls_memo_remember(struct mtls_memo *memo, const struct mtls_path *path);

/* How many paths are remembered. */
uint32_t mtls_memo_count(const struct mtls_memo *memo);

#endif
