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

/* Takes @fd (closed by signer_client_free). NULL when memory is short; then @fd is still the
 * caller's. */
struct signer_client *signer_client_new(int fd);
/* Tells the signer to quit and closes the socket. Never waits. */
void signer_client_free(struct signer_client *client);
MTLS_DEFINE_CLEANUP(struct signer_client *, signer_client_free)

/*
 * Asks for the list; a card may be there the next time. ALLOWED: credentials (maybe none) can be
 * read by _count and _credential, in the order in which they should be offered, and those of the
 * list before are gone; else SIGNER_FAILED, SIGNER_TIMEOUT, NO_CREDENTIAL, KEY_UNUSABLE, or a
 * reason of the source's own. @diag has the signer's detail in either case, which files it skipped
 * and why: with ALLOWED it may be empty.
 *
 * A credential that needs_secret may have chain_count 0: a PKCS#12 file hides its certificates too.
 * Then label is the file's name, issuer "", not_after 0, key_type 0 until it is unlocked.
 */
enum mtls_reason signer_client_list(struct signer_client *client, uint32_t timeout_ms,
				    struct mtls_diag *diag);
size_t signer_client_count(const struct signer_client *client);
/*
 * Borrowed, valid until signer_client_free(); a successful unlock may fill in what was hidden.
 * NULL behind the end.
 */
const struct mtls_signer_credential *signer_client_credential(const struct signer_client *client,
							      size_t index);

/*
 * Gives one secret for one credential of the list: ALLOWED, SECRET_WRONG, SECRET_EMPTY (@len 0,
 * which is right for MTLS_SECRET_PIN_PAD only: then @timeout_ms is a person's), KEY_UNUSABLE,
 * NO_CREDENTIAL (unknown @id), SIGNER_FAILED, SIGNER_TIMEOUT. @secret stays the caller's to wipe.
 * With ALLOWED the credential has its chain (it is listed anew if it had none) and *@ret_presence
 * says what the secret proved: NONE if the key is not protected by it. Both results are set in
 * every case, to NONE and MTLS_TRIES_UNKNOWN if nothing better is known.
 */
enum mtls_reason signer_client_unlock(struct signer_client *client, uint32_t id,
				      const uint8_t *secret, size_t len, uint32_t timeout_ms,
				      enum mtls_presence *ret_presence, uint32_t *ret_tries,
				      struct mtls_diag *diag);

/*
 * Signs a client CertificateVerify content. *@sig_len: room before, length after; unchanged unless
 * ALLOWED. SECRET_EMPTY: not unlocked; BAD_REQUEST: the signer refuses this content;
 * KEY_UNUSABLE: the scheme does not fit the key; NO_CREDENTIAL, SIGNER_FAILED, SIGNER_TIMEOUT.
 */
enum mtls_reason signer_client_sign(struct signer_client *client, uint32_t id,
				    enum mtls_sign_scheme scheme, const uint8_t *content,
				    size_t len, uint8_t *sig, size_t *sig_len, uint32_t timeout_ms,
				    struct mtls_diag *diag);

/*
 * From now on, @notice(@ctx) is called once if an answer has not come after @after_ms: a person may
 * have to touch a key, or to confirm at an agent, and should be told. NULL: no more.
 */
typedef void signer_client_notice_fn(void *ctx);
void signer_client_notice(struct signer_client *client, uint32_t after_ms,
			  signer_client_notice_fn *notice, void *ctx);

/*
 * No further question will come: the signer, and with it the key, ends now, while the caller goes
 * on. What was listed stays readable. Never waits.
 */
void signer_client_quit(struct signer_client *client);

#endif
