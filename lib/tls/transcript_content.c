/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The shape of a TLS 1.3 client CertificateVerify content: pure, no GnuTLS, any thread. The signer
 * uses it as its only permission to sign, so that a key that logs in can be made to sign nothing
 * else: no e-mail, no other protocol, no server's side of a handshake.
 */
#include <config.h>

#include <string.h>

#include "lib/tls/transcript.h"

#define SPACES      64
#define CONTEXT     "TLS 1.3, client CertificateVerify"
#define CONTEXT_LEN sizeof(CONTEXT) /* with its zero octet */
#define PREFIX_LEN  (SPACES + CONTEXT_LEN)

static void write_prefix(uint8_t *out)
{
	memset(out, ' ', SPACES);
	memcpy(out + SPACES, CONTEXT, CONTEXT_LEN);
}

static bool digest_len_known(size_t len)
{
	return len == 32 || len == 48;
}

bool mtls_transcript_is_client_verify(const uint8_t *content, size_t len)
{
	uint8_t prefix[PREFIX_LEN];

	if (!content || len < PREFIX_LEN || !digest_len_known(len - PREFIX_LEN))
		return false;
	write_prefix(prefix);
	return memcmp(content, prefix, PREFIX_LEN) == 0;
}

int mtls_transcript_client_verify(const uint8_t *digest, size_t digest_len, uint8_t *out)
{
	if (!digest_len_known(digest_len))
		return MTLS_E_SYNTAX;
	write_prefix(out);
	memcpy(out + PREFIX_LEN, digest, digest_len);
	return (int)(PREFIX_LEN + digest_len);
}
