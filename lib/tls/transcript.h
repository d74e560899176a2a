/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What CertificateVerify signs (RFC 8446 section 4.4.3). The pure half is used by the signer, which
 * must sign nothing else; the hook half by the client, which rebuilds the content because GnuTLS
 * hands only a digest to the key.
 */
#ifndef MTLS_TLS_TRANSCRIPT_H
#define MTLS_TLS_TRANSCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/wire/msg.h"

/*
 * True if @content is exactly 64 spaces, "TLS 1.3, client CertificateVerify", a zero octet and a
 * digest of 32 or 48 octets. In transcript_content.c: pure, no GnuTLS.
 */
bool mtls_transcript_is_client_verify(const uint8_t *content, size_t len);

#endif
