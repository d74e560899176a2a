/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rebuilds what CertificateVerify signs from the handshake messages. For an ECDSA or RSA key GnuTLS
 * gives the signing callback only a digest, and a signer must see what it signs. The result is
 * compared with that digest, so a mistake here can refuse a login but never mislead the signer.
 */
#include <config.h>

#include <string.h>

#include <gnutls/crypto.h>

#include "lib/tls/transcript.h"

#define HEADER_LEN    4
#define MESSAGE_HASH  254 /* RFC 8446 section 4.4.1 */
#define MESSAGES_MAX  (4 * MTLS_CHAIN_BYTES_MAX)
#define LENGTH24_MAX  0xffffff
#define HELLO_RETRY   GNUTLS_HANDSHAKE_HELLO_RETRY_REQUEST
#define ANY_HASH_SIZE 64

void mtls_transcript_init(struct mtls_transcript *transcript)
{
	mtls_buf_init(&transcript->messages, MESSAGES_MAX, false);
	transcript->retried = 0;
}

void mtls_transcript_done(struct mtls_transcript *transcript)
{
	mtls_buf_done(&transcript->messages);
}

/* Messages that the hook shows but the transcript hash leaves out. */
static bool outside_transcript(unsigned int type)
{
	switch (type) {
	case GNUTLS_HANDSHAKE_CHANGE_CIPHER_SPEC:
	case GNUTLS_HANDSHAKE_HELLO_REQUEST:
	case GNUTLS_HANDSHAKE_NEW_SESSION_TICKET:
	case GNUTLS_HANDSHAKE_KEY_UPDATE:
		return true;
	default:
		return false;
	}
}

static int append(struct mtls_buf *buf, uint8_t type, const uint8_t *body, size_t len)
{
	if (len > LENGTH24_MAX)
		return MTLS_E_LIMIT;
	const uint8_t header[HEADER_LEN] = { type, (uint8_t)(len >> 16), (uint8_t)(len >> 8),
					     (uint8_t)len };
	(void)mtls_buf_append(buf, header, sizeof(header));
	return mtls_buf_append(buf, body, len);
}

/* The hash that the cipher suite fixes; it is not known before the ServerHello. */
static int hash_algorithm(gnutls_session_t session, gnutls_digest_algorithm_t *ret)
{
	const gnutls_digest_algorithm_t algorithm = gnutls_prf_hash_get(session);
	const unsigned int len = gnutls_hash_get_len(algorithm);

	if (len != 32 && len != 48)
		return MTLS_E_TLS;
	*ret = algorithm;
	return (int)len;
}

/* What stands for the first ClientHello after a HelloRetryRequest: a message with its hash. */
static int hash_first_hello(const struct mtls_transcript *transcript,
			    gnutls_digest_algorithm_t algorithm, size_t hash_len,
			    gnutls_hash_hd_t hd)
{
	uint8_t message[HEADER_LEN + ANY_HASH_SIZE] = { MESSAGE_HASH, 0, 0, (uint8_t)hash_len };

	if (gnutls_hash_fast(algorithm, transcript->messages.data, transcript->retried,
			     message + HEADER_LEN) < 0 ||
	    gnutls_hash(hd, message, HEADER_LEN + hash_len) < 0)
		return MTLS_E_TLS;
	return 0;
}

static int transcript_hash(const struct mtls_transcript *transcript, gnutls_session_t session,
			   uint8_t *ret_hash)
{
	const uint8_t *rest = transcript->messages.data + transcript->retried;
	gnutls_digest_algorithm_t algorithm;
	gnutls_hash_hd_t hd;
	int err = 0;

	int len = hash_algorithm(session, &algorithm);
	if (len < 0)
		return len;
	if (transcript->messages.len == 0 || gnutls_hash_init(&hd, algorithm) < 0)
		return MTLS_E_TLS;
	if (transcript->retried)
		err = hash_first_hello(transcript, algorithm, (size_t)len, hd);
	if (err == 0 && gnutls_hash(hd, rest, transcript->messages.len - transcript->retried) < 0)
		err = MTLS_E_TLS;
	gnutls_hash_deinit(hd, ret_hash);
	return err < 0 ? err : len;
}

int mtls_transcript_add(struct mtls_transcript *transcript, unsigned int type, const uint8_t *body,
			size_t len)
{
	if (outside_transcript(type))
		return 0;
	if (type == HELLO_RETRY) {
		if (transcript->retried)
			return MTLS_E_PROTOCOL;
		transcript->retried = transcript->messages.len;
		type = GNUTLS_HANDSHAKE_SERVER_HELLO; /* its type on the wire */
	}
	if (type > UINT8_MAX)
		return MTLS_E_PROTOCOL;
	return append(&transcript->messages, (uint8_t)type, body, len);
}

int mtls_transcript_content(const struct mtls_transcript *transcript, gnutls_session_t session,
			    uint8_t *out)
{
	uint8_t hash[ANY_HASH_SIZE];

	if (transcript->messages.err)
		return MTLS_E_TLS;
	int len = transcript_hash(transcript, session, hash);
	if (len < 0)
		return len;
	return mtls_transcript_client_verify(hash, (size_t)len, out);
}

bool mtls_transcript_matches(const uint8_t *content, size_t len, gnutls_sign_algorithm_t algorithm,
			     const gnutls_datum_t *digest)
{
	const gnutls_digest_algorithm_t hash = gnutls_sign_get_hash_algorithm(algorithm);
	uint8_t computed[ANY_HASH_SIZE];
	const unsigned int size = gnutls_hash_get_len(hash);

	if (size == 0 || size > sizeof(computed) || digest->size != size)
		return false;
	if (gnutls_hash_fast(hash, content, len, computed) < 0)
		return false;
	return memcmp(computed, digest->data, size) == 0;
}
