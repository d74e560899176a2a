/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Speaks to a started signer: list, unlock, sign, quit. One deadline per call; a signer that passes
 * it, or answers anything unexpected, is a failure with a reason, and the connection is of no
 * further use.
 */
#ifndef MTLS_SIGNER_CLIENT_H
#define MTLS_SIGNER_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/clock.h"
#include "lib/wire/msg.h"

struct signer_client;

/* Takes @fd (closed by signer_client_free). NULL when memory is short. */
struct signer_client *signer_client_new(int fd);
void signer_client_free(struct signer_client *client);
MTLS_DEFINE_CLEANUP(struct signer_client *, signer_client_free)

/*
 * Asks for the list. ALLOWED: credentials (maybe none) can be read by _count and _credential; else
 * SIGNER_FAILED, SIGNER_TIMEOUT, NO_CREDENTIAL, KEY_UNUSABLE with @diag.
 */
enum mtls_reason signer_client_list(struct signer_client *client, uint32_t timeout_ms,
				    struct mtls_diag *diag);
size_t signer_client_count(const struct signer_client *client);
/* Borrowed, valid until signer_client_free(). NULL behind the end. */
const struct mtls_signer_credential *signer_client_credential(const struct signer_client *client,
							      size_t index);

/* ALLOWED, SECRET_WRONG, KEY_UNUSABLE, SIGNER_FAILED, SIGNER_TIMEOUT. @secret stays the caller's to
 * wipe. */
enum mtls_reason signer_client_unlock(struct signer_client *client, uint32_t id,
				      const uint8_t *secret, size_t len, uint32_t timeout_ms,
				      enum mtls_presence *ret_presence, uint32_t *ret_tries,
				      struct mtls_diag *diag);

/* Signs a client CertificateVerify content. *@sig_len: room before, length after. */
enum mtls_reason signer_client_sign(struct signer_client *client, uint32_t id,
				    enum mtls_sign_scheme scheme, const uint8_t *content,
				    size_t len, uint8_t *sig, size_t *sig_len, uint32_t timeout_ms,
				    struct mtls_diag *diag);

#endif
