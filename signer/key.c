/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The only place that signs. No state. */
#include <config.h>

#include <errno.h>

#include "lib/base/cleanup.h"
#include "lib/tls/transcript.h"
#include "signer/key.h"

static const struct {
	enum mtls_sign_scheme scheme;
	enum mtls_key_type type;
	gnutls_sign_algorithm_t algorithm;
} schemes[] = {
	{ MTLS_SIGN_RSA_PSS_RSAE_SHA256, MTLS_KEY_TYPE_RSA, GNUTLS_SIGN_RSA_PSS_RSAE_SHA256 },
	{ MTLS_SIGN_RSA_PSS_RSAE_SHA384, MTLS_KEY_TYPE_RSA, GNUTLS_SIGN_RSA_PSS_RSAE_SHA384 },
	{ MTLS_SIGN_RSA_PSS_RSAE_SHA512, MTLS_KEY_TYPE_RSA, GNUTLS_SIGN_RSA_PSS_RSAE_SHA512 },
	{ MTLS_SIGN_ECDSA_P256_SHA256, MTLS_KEY_TYPE_ECDSA_P256,
	  GNUTLS_SIGN_ECDSA_SECP256R1_SHA256 },
	{ MTLS_SIGN_ECDSA_P384_SHA384, MTLS_KEY_TYPE_ECDSA_P384,
	  GNUTLS_SIGN_ECDSA_SECP384R1_SHA384 },
	{ MTLS_SIGN_ECDSA_P521_SHA512, MTLS_KEY_TYPE_ECDSA_P521,
	  GNUTLS_SIGN_ECDSA_SECP521R1_SHA512 },
	{ MTLS_SIGN_ED25519, MTLS_KEY_TYPE_ED25519, GNUTLS_SIGN_EDDSA_ED25519 },
};

static gnutls_sign_algorithm_t algorithm_for(enum mtls_key_type type, enum mtls_sign_scheme scheme)
{
	for (size_t i = 0; i < MTLS_COUNT(schemes); i++)
		if (schemes[i].scheme == scheme && schemes[i].type == type)
			return schemes[i].algorithm;
	return GNUTLS_SIGN_UNKNOWN;
}

int key_sign(gnutls_privkey_t key, enum mtls_key_type type, enum mtls_sign_scheme scheme,
	     const struct mtls_bytes *content, struct mtls_bytes *ret_signature)
{
	gnutls_sign_algorithm_t algorithm = algorithm_for(type, scheme);
	const gnutls_datum_t data = { content->data, (unsigned int)content->len };
	gnutls_datum_t signature = { NULL, 0 };

	/* Anything else would make the signer an oracle for other protocols and for servers. */
	if (!mtls_transcript_is_client_verify(content->data, content->len))
		return MTLS_E_DENIED;
	if (algorithm == GNUTLS_SIGN_UNKNOWN)
		return MTLS_E_UNSUPPORTED;
	if (gnutls_privkey_sign_data2(key, algorithm, 0, &data, &signature) < 0)
		return MTLS_E_CRYPTO;
	int r = mtls_msg_set_bytes(ret_signature, signature.data, signature.size);
	gnutls_free(signature.data);
	return r;
}
