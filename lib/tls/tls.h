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

#include "lib/base/err.h"
#include "lib/wire/msg.h"

/* The shared priority object; made once, never freed before exit. 0 or MTLS_E_TLS. */
int mtls_tls_priority(gnutls_priority_t *ret, struct mtls_diag *diag);

/*
 * A session with our options (TLS 1.3, no tickets, no signals, ALPN offered, verify limits). The
 * caller adds credentials and transport. @flags: GNUTLS_CLIENT or GNUTLS_SERVER, GNUTLS_NONBLOCK.
 */
int mtls_tls_session_new(unsigned int flags, gnutls_session_t *ret, struct mtls_diag *diag);

/*
 * After the handshake, on both sides: TLS 1.3, ALPN mtls-auth/1 selected, not resumed, early data
 * not accepted. 0 or MTLS_E_PROTOCOL. GNUTLS_ALPN_MANDATORY does not do this (facts.md section 7).
 */
int mtls_tls_session_check(gnutls_session_t session, struct mtls_diag *diag);

/* GnuTLS code -> ours: MTLS_E_ALERT, MTLS_E_TLS, MTLS_E_CLOSED, -EAGAIN, -ENOMEM, -ETIMEDOUT. */
int mtls_tls_error(int gnutls_code);

/* TLS SignatureScheme of a GnuTLS signature algorithm, 0 if it is not one of ours; and back. */
enum mtls_sign_scheme mtls_tls_scheme(gnutls_sign_algorithm_t algorithm);
gnutls_sign_algorithm_t mtls_tls_sign_algorithm(enum mtls_sign_scheme scheme);

#endif
