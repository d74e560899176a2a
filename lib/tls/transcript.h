/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What CertificateVerify signs (RFC 8446 section 4.4.3). The pure half is used by the signer, which
 * must sign nothing else; the other half by the client, which rebuilds the content because GnuTLS
 * hands only a digest to the key.
 */
#ifndef MTLS_TLS_TRANSCRIPT_H
#define MTLS_TLS_TRANSCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gnutls/gnutls.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/wire/msg.h"

/* 64 spaces, the context string with its NUL, a digest of at most 48 bytes (SHA-384). */
#define MTLS_TRANSCRIPT_DIGEST_MAX  48
#define MTLS_TRANSCRIPT_CONTENT_MAX (64 + 34 + MTLS_TRANSCRIPT_DIGEST_MAX)

/*
 * True if @content is exactly 64 spaces, "TLS 1.3, client CertificateVerify", a zero octet and a
 * digest of 32 or 48 octets. In transcript_content.c: pure, no GnuTLS.
 */
bool mtls_transcript_is_client_verify(const uint8_t *content, size_t len);

/*
 * Writes the client's content for the transcript hash @digest (32 or 48 bytes) to @out, which has
 * MTLS_TRANSCRIPT_CONTENT_MAX bytes. Returns the length, or MTLS_E_SYNTAX for another length of
 * digest. In transcript_content.c.
 */
int mtls_transcript_client_verify(const uint8_t *digest, size_t digest_len, uint8_t *out);

/*
 * The handshake messages so far, as the transcript hash wants them. Fed by the handshake hook of
 * the session's owner (gnutls_handshake_set_hook_function(ANY, PRE)): GnuTLS calls it for every
 * message in both directions, in order, and for our own CertificateVerify only after it was signed.
 */
struct mtls_transcript {
	struct mtls_buf messages;
	/* Bytes of the first ClientHello if a HelloRetryRequest followed it: only its hash counts.
	 */
	size_t retried;
};

void mtls_transcript_init(struct mtls_transcript *transcript);
void mtls_transcript_done(struct mtls_transcript *transcript);

/*
 * One message: @type as the hook gets it, the body without its header. Returns 0, -ENOMEM,
 * MTLS_E_LIMIT, MTLS_E_PROTOCOL (a second HelloRetryRequest).
 */
int mtls_transcript_add(struct mtls_transcript *transcript, unsigned int type, const uint8_t *body,
			size_t len);

/*
 * The content that the client's CertificateVerify signs now, to @out (MTLS_TRANSCRIPT_CONTENT_MAX
 * bytes). Returns its length, or MTLS_E_TLS.
 */
int mtls_transcript_content(const struct mtls_transcript *transcript, gnutls_session_t session,
			    uint8_t *out);

/*
 * True if @digest is what signing @content with @algorithm starts from: GnuTLS and we have seen the
 * same handshake. Nothing may be signed otherwise.
 */
bool mtls_transcript_matches(const uint8_t *content, size_t len, gnutls_sign_algorithm_t algorithm,
			     const gnutls_datum_t *digest);

#endif
