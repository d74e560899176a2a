/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Is the server the configured one: chain, name, purpose, times. */
#ifndef MTLS_TLS_PEER_H
#define MTLS_TLS_PEER_H

#include <stddef.h>
#include <stdint.h>

#include <gnutls/gnutls.h>

#include "lib/base/err.h"
#include "lib/wire/reason.h"

/*
 * Adds the PEM certificates of one server CA file to @credentials. A text without a certificate, or
 * with one that cannot be read, is an error: "no anchors" must never mean "anything goes".
 * Returns the number added (at least 1), MTLS_E_SYNTAX, -ENOMEM.
 */
int mtls_peer_trust(gnutls_certificate_credentials_t credentials, const uint8_t *pem, size_t len,
		    struct mtls_diag *diag);

/*
 * Bounds on the server's chain that need no signature: number and sizes of its certificates, size
 * and exponent of the leaf's key. For the moment before CertificateVerify is computed, which GnuTLS
 * does before it asks anybody about the chain: a stranger's key could make us compute for hours.
 * Returns MTLS_REASON_ALLOWED, or SERVER_UNTRUSTED with @diag.
 */
enum mtls_reason mtls_peer_bounds(gnutls_session_t session, struct mtls_diag *diag);

/*
 * Judges the certificate of the server that @session speaks to; for the verify callback, so that no
 * client certificate is shown to a stranger. It must chain to the trusted CAs of the session's
 * credentials, be valid now, not be a CA, carry serverAuth explicitly, and have @name among its
 * dNSName entries: the same letters, case aside. No wildcard and no common name counts.
 *
 * Returns MTLS_REASON_ALLOWED, or SERVER_UNTRUSTED, SERVER_EXPIRED, SERVER_NOT_YET, SERVER_PURPOSE,
 * SERVER_NAME with @diag.
 */
enum mtls_reason mtls_peer_verify(gnutls_session_t session, const char *name,
				  struct mtls_diag *diag);

#endif
