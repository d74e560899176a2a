/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What client and server share of TLS: one priority string, session options, ALPN,
 * CertificateVerify contents. TLS 1.3 only; no tickets, resumption, 0-RTT, PSK, post-handshake
 * authentication.
 */
#ifndef MTLS_TLS_TLS_H
#define MTLS_TLS_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gnutls/gnutls.h>

#include "lib/base/cleanup.h"
#include "lib/base/err.h"
#include "lib/wire/msg.h"

/* Bounds of a peer's chain as GnuTLS itself knows them; lib/verify has finer ones. */
#define MTLS_TLS_KEY_BITS_MAX  8192
#define MTLS_TLS_HANDSHAKE_MAX (MTLS_CHAIN_BYTES_MAX + 4096) /* bytes of one handshake message */

/* The shared priority object; made once, never freed before exit. 0 or MTLS_E_TLS. */
int mtls_tls_priority(gnutls_priority_t *ret, struct mtls_diag *diag);

/*
 * Credentials without a certificate or anchor: verification profile MEDIUM, limits on depth and key
 * size. 0, -ENOMEM. The caller frees them with gnutls_certificate_free_credentials().
 */
int mtls_tls_credentials_new(gnutls_certificate_credentials_t *ret);

/*
 * A session with our options (TLS 1.3, no tickets, no signals, ALPN offered, bounded messages). The
 * caller adds credentials and transport, and bounds the handshake by a deadline of its own:
 * GnuTLS's timeout is off, because a person may be asked in the middle. @flags: GNUTLS_CLIENT or
 * GNUTLS_SERVER, GNUTLS_NONBLOCK. 0, -ENOMEM, MTLS_E_TLS.
 */
int mtls_tls_session_new(unsigned int flags, gnutls_session_t *ret, struct mtls_diag *diag);

/*
 * After the handshake, on both sides: TLS 1.3, ALPN mtls-auth/1 selected, not resumed, early data
 * not accepted. 0 or MTLS_E_PROTOCOL. GNUTLS_ALPN_MANDATORY does not do this.
 */
int mtls_tls_session_check(gnutls_session_t session, struct mtls_diag *diag);

/*
 * GnuTLS code -> ours: 0 for success, -EAGAIN, -ENOMEM, -ETIMEDOUT, MTLS_E_ALERT (the peer sent
 * one), MTLS_E_CLOSED (the connection ended), else MTLS_E_TLS.
 */
int mtls_tls_error(int gnutls_code);

/* TLS SignatureScheme of a GnuTLS signature algorithm, 0 if it is not one of ours; and back. */
enum mtls_sign_scheme mtls_tls_scheme(gnutls_sign_algorithm_t algorithm);
gnutls_sign_algorithm_t mtls_tls_sign_algorithm(enum mtls_sign_scheme scheme);

MTLS_DEFINE_CLEANUP(gnutls_session_t, gnutls_deinit)
MTLS_DEFINE_CLEANUP(gnutls_certificate_credentials_t, gnutls_certificate_free_credentials)

#endif
