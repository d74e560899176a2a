/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The client half: connect, handshake, request, choice, reply, and the client's own checks of a
 * verdict. For pam_mtls (through its TLS half), mtlsctl, later askpass. Blocking, with deadlines;
 * no globals.
 */
#ifndef MTLS_CLIENT_EXCHANGE_H
#define MTLS_CLIENT_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/settings/pam_mtls.h"
#include "lib/wire/msg.h"

/* A credential as the exchange uses it. All borrowed. The DER is sent without decoding it. */
struct mtls_exchange_key {
	const struct mtls_bytes *chain; /* leaf first */
	size_t chain_count;
	enum mtls_key_type key_type;
	/*
	 * Signs @content, a client CertificateVerify content, with @scheme. Writes at most
	 * *@sig_len bytes to @sig and the length to *@sig_len. 0 or a negative code.
	 */
	int (*sign)(void *ctx, enum mtls_sign_scheme scheme, const uint8_t *content, size_t len,
		    uint8_t *sig, size_t *sig_len);
	void *ctx;
};

/* What is asked. All borrowed. The nonce is made inside. */
struct mtls_exchange_request {
	const char *service;
	const char *account; /* NULL: whoever the certificate belongs to */
	uint32_t uid;
	const char *tty;
	const char *remote_host;
	const char *remote_user;
};

/*
 * Asks the person which of @candidates: returns an index, or negative to give up. NULL callback:
 * a `choose` verdict is a refusal.
 */
typedef int mtls_exchange_choose(void *ctx, char *const *candidates, size_t count);

/*
 * What a TLS alert of the server means to the person. The daemon sends these on purpose, each for
 * one cause; PROTOCOL.md has the same table.
 *
 *	unknown_ca (48)               no path to an accepted CA                ISSUER_UNTRUSTED
 *	decrypt_error (51)            CertificateVerify is wrong               BAD_SIGNATURE
 *	certificate_required (116)    no certificate was sent                  CERT_REQUIRED
 *	bad_certificate (42)          number, size or key size over a bound    CERT_BOUNDS
 *	unsupported_certificate (43)  keyUsage without digitalSignature        KU_WRONG
 *	certificate_unknown (46)      it cannot be read                        CERT_REFUSED
 *	certificate_revoked, _expired (44, 45), access_denied (49)             CERT_REFUSED
 *	no_application_protocol (120), unexpected_message (10)                 PROTOCOL
 *	any other                                                              HANDSHAKE
 */
enum mtls_reason mtls_exchange_alert_reason(unsigned int alert);

struct mtls_exchange;

/*
 * Before a key is known, to overlap with the signer's start: loads server CA and prepares a
 * session. Returns 0, or -errno, MTLS_E_UNTRUSTED, _SYNTAX, _CONFIG, _TLS, all of which mean reason
 * CONFIG. CA files must belong to root or to the effective user. @settings is borrowed until
 * mtls_exchange_free().
 */
int mtls_exchange_new(const struct mtls_settings_client *settings, struct mtls_exchange **ret,
		      struct mtls_diag *diag);
void mtls_exchange_free(struct mtls_exchange *exchange);
MTLS_DEFINE_CLEANUP(struct mtls_exchange *, mtls_exchange_free)

/*
 * Connects, performs the handshake, sends the request, obeys `choose` once, reads the reply.
 * Nothing of the reply is believed yet but its nonce, which was compared.
 *
 * Returns MTLS_REASON_ALLOWED *only* with verdict ALLOWED in *@ret_reply; else the reason (from the
 * daemon's reply, from the alert, or of our own), and @diag has a sentence for the log. *@ret_reply
 * is set whenever a well-formed reply with our nonce came, else it is NULL; it is the caller's
 * (mtls_msg_free()).
 *
 * Reasons of our own: KEYLOG (SSLKEYLOGFILE is set and GnuTLS would honour it), UNREACHABLE (no
 * connection, or it ended before the server said anything), TIMEOUT, SERVER_*, HANDSHAKE, the
 * alerts' above, PROTOCOL (another ALPN, a session ticket, an unexpected end, more than one reply,
 * allowed without having asked for the certificate),
 * VERSION, NONCE, CHOOSE (nobody chose), NAME_MISMATCH (allowed is not who was chosen),
 * CERT_BOUNDS (the chain is over the limits of lib/wire/msg.h), SIGNER_TIMEOUT or SIGNER_FAILED
 * (@key->sign said -ETIMEDOUT or anything else), BAD_REQUEST, CONFIG, INTERNAL.
 *
 * The time that @key->sign and @choose take is a person's, and prolongs the deadline. Never raises
 * SIGPIPE. May be called again with another key: each run is a connection of its own.
 */
enum mtls_reason mtls_exchange_run(struct mtls_exchange *exchange,
				   const struct mtls_exchange_key *key,
				   const struct mtls_exchange_request *request,
				   mtls_exchange_choose *choose, void *choose_ctx,
				   struct mtls_msg **ret_reply, struct mtls_diag *diag);

/*
 * Whose certificates the server of the last run said it takes: common names, else whole names, in
 * the server's order, none twice. Its own words, not checked but for their form.
 */
#define MTLS_EXCHANGE_LABELS_MAX 4
#define MTLS_EXCHANGE_LABEL_MAX  129 /* bytes with the NUL; longer ones are cut */
struct mtls_exchange_accepted {
	char labels[MTLS_EXCHANGE_LABELS_MAX][MTLS_EXCHANGE_LABEL_MAX];
	size_t count;
	size_t more; /* names that are not among them */
};

/*
 * Empty unless the handshake completed with a server that was verified: before that, anybody can
 * have said it.
 */
void mtls_exchange_accepted(const struct mtls_exchange *exchange,
			    struct mtls_exchange_accepted *ret);

#endif
