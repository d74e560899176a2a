/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The contract between the thin module and its TLS half, libmtls_exchange.so: one exported symbol,
 * a table of functions. Whatever needs GnuTLS or libtasn1 stands behind it, so that programs which
 * merely have a pam_mtls line in their service file do not load those.
 *
 * An old module stays mapped across an upgrade and may meet a new half: both the number and the
 * size are compared.
 */
#ifndef PAM_MTLS_HALF_H
#define PAM_MTLS_HALF_H

#include <stddef.h>
#include <stdint.h>

#include "lib/client/exchange.h"
#include "lib/client/obey.h"
#include "signer/client.h"

#define MTLS_HALF_ABI    2
#define MTLS_HALF_SYMBOL "mtls_half"
#define MTLS_HALF_PATH   MTLS_LIBDIR "/libmtls_exchange.so"

/* The key of one credential of one signer. Borrowed. */
struct half_key {
	struct signer_client *signer;
	const struct mtls_signer_credential *credential;
	uint32_t timeout_ms; /* for one signature */
	/* Called once if the signature has not come after @notice_ms; NULL: never. */
	signer_client_notice_fn *notice;
	void *notice_ctx;
	uint32_t notice_ms;
};

/* The functions named as in signer/client.h, lib/client/ and lib/wire/ are those. */
struct half_ops {
	uint32_t abi;
	uint32_t size; /* of this struct */

	struct signer_client *(*signer_client_new)(int fd);
	void (*signer_client_free)(struct signer_client *client);
	enum mtls_reason (*signer_client_list)(struct signer_client *client, uint32_t timeout_ms,
					       struct mtls_diag *diag);
	size_t (*signer_client_count)(const struct signer_client *client);
	const struct mtls_signer_credential *(*signer_client_credential)(
		const struct signer_client *client, size_t index);
	enum mtls_reason (*signer_client_unlock)(struct signer_client *client, uint32_t id,
						 const uint8_t *secret, size_t len,
						 uint32_t timeout_ms,
						 enum mtls_presence *ret_presence,
						 uint32_t *ret_tries, struct mtls_diag *diag);

	int (*exchange_new)(const struct mtls_settings_client *settings, struct mtls_exchange **ret,
			    struct mtls_diag *diag);
	void (*exchange_free)(struct mtls_exchange *exchange);
	/*
	 * mtls_exchange_run() with a key that a signer holds. A signature that the signer refused
	 * or did not make in time is the reason then, not the broken handshake that follows.
	 */
	enum mtls_reason (*exchange_run)(struct mtls_exchange *exchange, const struct half_key *key,
					 const struct mtls_exchange_request *request,
					 mtls_exchange_choose *choose, void *choose_ctx,
					 struct mtls_msg **ret_reply, struct mtls_diag *diag);
	void (*exchange_accepted)(const struct mtls_exchange *exchange,
				  struct mtls_exchange_accepted *ret);
	enum mtls_reason (*obey_verdict)(const struct mtls_auth_reply *reply,
					 const struct mtls_obey_local *local);
	void (*msg_free)(struct mtls_msg *msg);
};

#endif
