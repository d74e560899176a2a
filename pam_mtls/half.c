/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The TLS half: signer client, exchange, obey. Opened by pam_mtls.so after the signers were
 * started, so that both load at the same time. No state of its own.
 */
#include <config.h>

#include <errno.h>

#include "pam_mtls/half.h"

extern const struct half_ops mtls_half;

struct signing {
	const struct half_key *key;
	enum mtls_reason reason; /* of the last failure */
	struct mtls_diag diag;
};

static int sign(void *ctx, enum mtls_sign_scheme scheme, const uint8_t *content, size_t len,
		uint8_t *sig, size_t *sig_len)
{
	struct signing *signing = ctx;
	const struct half_key *key = signing->key;
	signer_client_notice(key->signer, key->notice_ms, key->notice, key->notice_ctx);
	signing->reason = signer_client_sign(key->signer, key->credential->id, scheme, content, len,
					     sig, sig_len, key->timeout_ms, &signing->diag);
	signer_client_notice(key->signer, 0, NULL, NULL);
	if (signing->reason == MTLS_REASON_SIGNER_TIMEOUT)
		return -ETIMEDOUT;
	if (signing->reason != MTLS_REASON_ALLOWED)
		return MTLS_E_CRYPTO;
	/* One login is one signature: the key ends while the verdict is waited for. */
	signer_client_quit(key->signer);
	return 0;
}

static enum mtls_reason run(struct mtls_exchange *exchange, const struct half_key *key,
			    const struct mtls_exchange_request *request,
			    mtls_exchange_choose *choose, void *choose_ctx,
			    struct mtls_msg **ret_reply, struct mtls_diag *diag)
{
	struct signing signing = { .key = key, .reason = MTLS_REASON_ALLOWED };
	const struct mtls_exchange_key exchange_key = {
		.chain = key->credential->chain,
		.chain_count = key->credential->chain_count,
		.key_type = key->credential->key_type,
		.sign = sign,
		.ctx = &signing,
	};
	enum mtls_reason reason = mtls_exchange_run(exchange, &exchange_key, request, choose,
						    choose_ctx, ret_reply, diag);
	if (reason != MTLS_REASON_ALLOWED && signing.reason != MTLS_REASON_ALLOWED) {
		if (diag)
			*diag = signing.diag;
		return signing.reason;
	}
	return reason;
}

__attribute__((visibility("default"))) const struct half_ops mtls_half = {
	.abi = MTLS_HALF_ABI,
	.size = sizeof(struct half_ops),
	.signer_client_new = signer_client_new,
	.signer_client_free = signer_client_free,
	.signer_client_list = signer_client_list,
	.signer_client_count = signer_client_count,
	.signer_client_credential = signer_client_credential,
	.signer_client_unlock = signer_client_unlock,
	.exchange_new = mtls_exchange_new,
	.exchange_free = mtls_exchange_free,
	.exchange_run = run,
	.exchange_accepted = mtls_exchange_accepted,
	.obey_verdict = mtls_obey_verdict,
	.msg_free = mtls_msg_free,
};
