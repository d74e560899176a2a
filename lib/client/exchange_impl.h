/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inside of an exchange, for the files of lib/client. */
#ifndef MTLS_CLIENT_EXCHANGE_IMPL_H
#define MTLS_CLIENT_EXCHANGE_IMPL_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include "lib/client/exchange.h"
#include "lib/client/exchange_cas.h"
#include "lib/tls/transcript.h"
#include "lib/wire/frame.h"

struct mtls_exchange {
	const struct mtls_settings_client *settings;  /* borrowed */
	gnutls_certificate_credentials_t credentials; /* owned: the server CAs */
	gnutls_session_t session;                     /* owned; prepared, then one run's */

	/* Of one run. */
	int fd;
	mtls_deadline deadline;
	struct mtls_diag *diag; /* borrowed; may be NULL */
	struct mtls_transcript transcript;
	struct mtls_frame frame;
	const struct mtls_exchange_key *key; /* borrowed */
	gnutls_pcert_st chain[MTLS_CHAIN_MAX];
	gnutls_privkey_t privkey; /* owned */
	uint8_t nonce[MTLS_NONCE_LEN];
	bool heard;                       /* the server has sent a handshake message */
	bool ticket;                      /* the server has sent a session ticket */
	bool proven;                      /* the key has signed this handshake */
	bool server_verified;             /* by the callback; nothing else says so */
	bool complete;                    /* the handshake: what came in it is the server's */
	struct exchange_cas cas;          /* owned; kept until the next run */
	enum mtls_reason callback_reason; /* of a callback that stopped the handshake, or ALLOWED */
};

/*
 * exchange_key.c: the person's certificate and key, opaque. Sets chain and privkey of @exchange
 * from its key; then mtls_exchange_key_use() makes its credentials offer them. 0, -ENOMEM,
 * MTLS_E_LIMIT, MTLS_E_TLS, MTLS_E_UNSUPPORTED.
 */
int mtls_exchange_key_load(struct mtls_exchange *exchange);
void mtls_exchange_key_unload(struct mtls_exchange *exchange);
void mtls_exchange_key_use(gnutls_certificate_credentials_t credentials);

/*
 * exchange_io.c: the transport and what may go wrong with it. All wait until the deadline of
 * @exchange and return a reason, ALLOWED for success.
 */
void mtls_exchange_io_attach(struct mtls_exchange *exchange);
enum mtls_reason mtls_exchange_io_handshake(struct mtls_exchange *exchange);
enum mtls_reason mtls_exchange_io_send(struct mtls_exchange *exchange, const struct mtls_msg *msg);
enum mtls_reason mtls_exchange_io_reply(struct mtls_exchange *exchange, struct mtls_msg **ret);
/* Says goodbye; PROTOCOL if the server had more to say than its reply. */
enum mtls_reason mtls_exchange_io_close(struct mtls_exchange *exchange);

/* Sets the sentence and returns @reason. */
enum mtls_reason mtls_exchange_fail(struct mtls_exchange *exchange, enum mtls_reason reason,
				    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
