/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/tls/transcript: what the signer may sign, and that the client rebuilds just that. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <gnutls/crypto.h>

#include "lib/tls/transcript.h"

#define PREFIX 98

static void make_content(uint8_t *out, size_t digest_len)
{
	memset(out, ' ', 64);
	memcpy(out + 64, "TLS 1.3, client CertificateVerify", 34);
	memset(out + PREFIX, 0xa5, digest_len);
}

static void only_client_contents_are_signed(void **state)
{
	/* One byte changed at an offset; or another length. */
	static const struct {
		const char *name;
		size_t digest_len;
		int offset; /* -1: nothing changed */
		uint8_t value;
		bool want;
	} rows[] = {
		{ "SHA-256", 32, -1, 0, true },
		{ "SHA-384", 48, -1, 0, true },
		{ "a digest of any value", 32, 98, 0x00, true },
		{ "empty digest", 0, -1, 0, false },
		{ "31 bytes", 31, -1, 0, false },
		{ "33 bytes", 33, -1, 0, false },
		{ "47 bytes", 47, -1, 0, false },
		{ "49 bytes", 49, -1, 0, false },
		{ "SHA-512 is not used by TLS 1.3", 64, -1, 0, false },
		{ "first space", 32, 0, '\t', false },
		{ "last space", 32, 63, 0, false },
		{ "server context", 32, 73, 's', false },
		{ "other version", 32, 70, '2', false },
		{ "last letter", 32, 96, 'Y', false },
		{ "no zero octet", 32, 97, 1, false },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		uint8_t content[PREFIX + 64];
		make_content(content, rows[i].digest_len);
		if (rows[i].offset >= 0)
			content[rows[i].offset] = rows[i].value;
		if (mtls_transcript_is_client_verify(content, PREFIX + rows[i].digest_len) !=
		    rows[i].want)
			fail_msg("row '%s'", rows[i].name);
	}
	assert_false(mtls_transcript_is_client_verify(NULL, 0));
	assert_false(mtls_transcript_is_client_verify((const uint8_t *)"x", 1));
}

static void server_context_is_refused(void **state)
{
	uint8_t content[PREFIX + 32];
	(void)state;
	memset(content, ' ', 64);
	memcpy(content + 64, "TLS 1.3, server CertificateVerify", 34);
	memset(content + PREFIX, 1, 32);
	assert_false(mtls_transcript_is_client_verify(content, sizeof(content)));
}

static void contents_are_built_as_they_are_recognised(void **state)
{
	uint8_t digest[64], out[MTLS_TRANSCRIPT_CONTENT_MAX], want[PREFIX + 48];
	(void)state;
	memset(digest, 0xa5, sizeof(digest));
	make_content(want, 48);
	assert_int_equal(mtls_transcript_client_verify(digest, 48, out), PREFIX + 48);
	assert_memory_equal(out, want, PREFIX + 48);
	assert_int_equal(mtls_transcript_client_verify(digest, 32, out), PREFIX + 32);
	assert_true(mtls_transcript_is_client_verify(out, PREFIX + 32));
	assert_int_equal(mtls_transcript_client_verify(digest, 64, out), MTLS_E_SYNTAX);
	assert_int_equal(mtls_transcript_client_verify(digest, 0, out), MTLS_E_SYNTAX);
}

static void digest_must_be_of_the_content(void **state)
{
	uint8_t content[PREFIX + 32], hash[64];
	(void)state;
	make_content(content, 32);
	assert_int_equal(gnutls_hash_fast(GNUTLS_DIG_SHA256, content, sizeof(content), hash), 0);
	gnutls_datum_t digest = { .data = hash, .size = 32 };
	const gnutls_sign_algorithm_t p256 = GNUTLS_SIGN_ECDSA_SECP256R1_SHA256;

	assert_true(mtls_transcript_matches(content, sizeof(content), p256, &digest));
	assert_true(mtls_transcript_matches(content, sizeof(content),
					    GNUTLS_SIGN_RSA_PSS_RSAE_SHA256, &digest));
	/* Another hash, another length, another content. */
	assert_false(mtls_transcript_matches(content, sizeof(content),
					     GNUTLS_SIGN_ECDSA_SECP384R1_SHA384, &digest));
	digest.size = 31;
	assert_false(mtls_transcript_matches(content, sizeof(content), p256, &digest));
	digest.size = 32;
	hash[31] ^= 1;
	assert_false(mtls_transcript_matches(content, sizeof(content), p256, &digest));
	assert_false(
		mtls_transcript_matches(content, sizeof(content), GNUTLS_SIGN_UNKNOWN, &digest));
}

static void messages_are_bounded(void **state)
{
	struct mtls_transcript transcript;
	static uint8_t body[65536];
	int err = 0;
	(void)state;
	mtls_transcript_init(&transcript);
	for (int i = 0; i < 5 && err == 0; i++)
		err = mtls_transcript_add(&transcript, GNUTLS_HANDSHAKE_CERTIFICATE_PKT, body,
					  sizeof(body));
	assert_int_equal(err, MTLS_E_LIMIT);
	uint8_t out[MTLS_TRANSCRIPT_CONTENT_MAX];
	/* A transcript that lost a message yields no content. */
	assert_int_equal(mtls_transcript_content(&transcript, NULL, out), MTLS_E_TLS);
	mtls_transcript_done(&transcript);

	mtls_transcript_init(&transcript);
	assert_int_equal(mtls_transcript_add(&transcript, 300, body, 1), MTLS_E_PROTOCOL);
	assert_int_equal(
		mtls_transcript_add(&transcript, GNUTLS_HANDSHAKE_NEW_SESSION_TICKET, body, 1), 0);
	assert_int_equal(transcript.messages.len, 0);
	assert_int_equal(mtls_transcript_add(&transcript, GNUTLS_HANDSHAKE_FINISHED, body, 258), 0);
	assert_memory_equal(transcript.messages.data, "\x14\x00\x01\x02", 4);
	assert_int_equal(transcript.messages.len, 262);
	mtls_transcript_done(&transcript);

	/* One HelloRetryRequest is marked and has its type on the wire; a second is refused. */
	const unsigned int retry = GNUTLS_HANDSHAKE_HELLO_RETRY_REQUEST;
	mtls_transcript_init(&transcript);
	assert_int_equal(mtls_transcript_add(&transcript, GNUTLS_HANDSHAKE_CLIENT_HELLO, body, 5),
			 0);
	assert_int_equal(mtls_transcript_add(&transcript, retry, body, 3), 0);
	assert_int_equal(transcript.retried, 9);
	assert_int_equal(transcript.messages.data[9], 2);
	assert_int_equal(mtls_transcript_add(&transcript, retry, body, 3), MTLS_E_PROTOCOL);
	mtls_transcript_done(&transcript);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_client_contents_are_signed),
		cmocka_unit_test(server_context_is_refused),
		cmocka_unit_test(contents_are_built_as_they_are_recognised),
		cmocka_unit_test(digest_must_be_of_the_content),
		cmocka_unit_test(messages_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
