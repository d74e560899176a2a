/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a peer's Certificate message may hold before anything in it is decoded. */
#ifndef MTLS_TLS_INTAKE_H
#define MTLS_TLS_INTAKE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

/* DER elements of one certificate, outside of OCTET STRINGs; usual ones have a hundred. */
#define MTLS_TLS_ELEMENTS_MAX 1024

/*
 * Bounds on the body of a TLS 1.3 Certificate message (RFC 8446 section 4.4.2): number, sizes and
 * elements of its certificates. For the handshake hook of both sides, before GnuTLS parses it. An
 * empty list passes: that is another fault. 0, MTLS_E_LIMIT, MTLS_E_SYNTAX.
 */
int mtls_tls_certificate_message(const uint8_t *body, size_t len);

#endif
