/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The person's certificate and key as GnuTLS sees them, without decoding the certificate: a root
 * process must not parse what a person hands it. GnuTLS wants a public key beside the DER but uses
 * only its type, so a constant of that type stands in; a certificate that is something else fails
 * at the server. The private key is a callback; before it is asked to sign, the content was
 * rebuilt from the handshake and compared with what GnuTLS wants signed.
 */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "lib/client/exchange_impl.h"
#include "lib/tls/tls.h"

#define STAND_IN_OCTET 0xff
#define SCHEMES_MAX    3

struct key_kind {
	enum mtls_key_type type;
	gnutls_pk_algorithm_t algorithm;
	gnutls_ecc_curve_t curve; /* INVALID: RSA */
	unsigned int bits;
	unsigned int octets; /* of a coordinate or of the modulus that stands in */
	gnutls_sign_algorithm_t schemes[SCHEMES_MAX];
};

static const struct key_kind kinds[] = {
	{ MTLS_KEY_TYPE_RSA,
	  GNUTLS_PK_RSA,
	  GNUTLS_ECC_CURVE_INVALID,
	  2048,
	  256,
	  { GNUTLS_SIGN_RSA_PSS_RSAE_SHA256, GNUTLS_SIGN_RSA_PSS_RSAE_SHA384,
	    GNUTLS_SIGN_RSA_PSS_RSAE_SHA512 } },
	{ MTLS_KEY_TYPE_ECDSA_P256,
	  GNUTLS_PK_ECDSA,
	  GNUTLS_ECC_CURVE_SECP256R1,
	  256,
	  32,
	  { GNUTLS_SIGN_ECDSA_SECP256R1_SHA256 } },
	{ MTLS_KEY_TYPE_ECDSA_P384,
	  GNUTLS_PK_ECDSA,
	  GNUTLS_ECC_CURVE_SECP384R1,
	  384,
	  48,
	  { GNUTLS_SIGN_ECDSA_SECP384R1_SHA384 } },
	{ MTLS_KEY_TYPE_ECDSA_P521,
	  GNUTLS_PK_ECDSA,
	  GNUTLS_ECC_CURVE_SECP521R1,
	  521,
	  66,
	  { GNUTLS_SIGN_ECDSA_SECP521R1_SHA512 } },
	{ MTLS_KEY_TYPE_ED25519,
	  GNUTLS_PK_EDDSA_ED25519,
	  GNUTLS_ECC_CURVE_ED25519,
	  256,
	  32,
	  { GNUTLS_SIGN_EDDSA_ED25519 } },
};

static const struct key_kind *find_kind(enum mtls_key_type type)
{
	for (size_t i = 0; i < MTLS_COUNT(kinds); i++)
		if (kinds[i].type == type)
			return &kinds[i];
	return NULL;
}

static bool kind_signs(const struct key_kind *kind, gnutls_sign_algorithm_t algorithm)
{
	for (size_t i = 0; i < SCHEMES_MAX; i++)
		if (kind->schemes[i] == algorithm)
			return algorithm != GNUTLS_SIGN_UNKNOWN;
	return false;
}

static int key_info(gnutls_privkey_t privkey, unsigned int flags, void *ctx)
{
	const struct mtls_exchange *exchange = ctx;
	const struct key_kind *kind = find_kind(exchange->key->key_type);

	(void)privkey;
	if (!kind)
		return -1;
	if (flags & GNUTLS_PRIVKEY_INFO_PK_ALGO)
		return (int)kind->algorithm;
	if (flags & GNUTLS_PRIVKEY_INFO_PK_ALGO_BITS)
		return (int)kind->bits;
	if (flags & GNUTLS_PRIVKEY_INFO_HAVE_SIGN_ALGO)
		return kind_signs(kind, GNUTLS_FLAGS_TO_SIGN_ALGO(flags));
	return -1;
}

static int stop(struct mtls_exchange *exchange, enum mtls_reason reason, const char *why)
{
	exchange->callback_reason = mtls_exchange_fail(exchange, reason, "%s", why);
	return GNUTLS_E_PK_SIGN_FAILED;
}

/* Asks the key. The time that a person takes to touch it is added to the deadline. */
static int sign_content(struct mtls_exchange *exchange, gnutls_sign_algorithm_t algorithm,
			const uint8_t *content, size_t len, gnutls_datum_t *ret_signature)
{
	uint8_t signature[MTLS_SIGNATURE_MAX];
	size_t signature_len = sizeof(signature);
	const enum mtls_sign_scheme scheme = mtls_tls_scheme(algorithm);

	if (!scheme)
		return stop(exchange, MTLS_REASON_HANDSHAKE, "the signature scheme is not ours");
	const int64_t start = mtls_now_ms();
	int err = exchange->key->sign(exchange->key->ctx, scheme, content, len, signature,
				      &signature_len);
	exchange->deadline += mtls_now_ms() - start;
	if (err < 0)
		return stop(exchange,
			    err == -ETIMEDOUT ? MTLS_REASON_SIGNER_TIMEOUT
					      : MTLS_REASON_SIGNER_FAILED,
			    "the key did not sign");
	if (signature_len == 0 || signature_len > sizeof(signature))
		return stop(exchange, MTLS_REASON_SIGNER_FAILED, "the key gave no signature");
	ret_signature->data = gnutls_malloc(signature_len);
	if (!ret_signature->data)
		return GNUTLS_E_MEMORY_ERROR;
	memcpy(ret_signature->data, signature, signature_len);
	ret_signature->size = (unsigned int)signature_len;
	exchange->proven = true;
	return 0;
}

static int rebuild(const struct mtls_exchange *exchange, uint8_t *content)
{
	return mtls_transcript_content(&exchange->transcript, exchange->session, content);
}

/* ECDSA and RSA: GnuTLS has hashed already. */
static int sign_hash(gnutls_privkey_t privkey, gnutls_sign_algorithm_t algorithm, void *ctx,
		     unsigned int flags, const gnutls_datum_t *hash, gnutls_datum_t *signature)
{
	struct mtls_exchange *exchange = ctx;
	uint8_t content[MTLS_TRANSCRIPT_CONTENT_MAX];

	(void)privkey;
	(void)flags;
	int len = rebuild(exchange, content);
	if (len < 0 || !mtls_transcript_matches(content, (size_t)len, algorithm, hash))
		return stop(exchange, MTLS_REASON_HANDSHAKE,
			    "what is to be signed is not this handshake");
	return sign_content(exchange, algorithm, content, (size_t)len, signature);
}

/* Ed25519: the whole content comes; it must be the same one. */
static int sign_data(gnutls_privkey_t privkey, gnutls_sign_algorithm_t algorithm, void *ctx,
		     unsigned int flags, const gnutls_datum_t *data, gnutls_datum_t *signature)
{
	struct mtls_exchange *exchange = ctx;
	uint8_t content[MTLS_TRANSCRIPT_CONTENT_MAX];

	(void)privkey;
	(void)flags;
	int len = rebuild(exchange, content);
	if (len < 0 || data->size != (unsigned int)len || memcmp(data->data, content, data->size))
		return stop(exchange, MTLS_REASON_HANDSHAKE,
			    "what is to be signed is not this handshake");
	return sign_content(exchange, algorithm, content, (size_t)len, signature);
}

static int stand_in(const struct key_kind *kind, gnutls_pubkey_t pubkey)
{
	unsigned char octets[256], exponent[] = { 1, 0, 1 };
	const gnutls_datum_t number = { .data = octets, .size = kind->octets };
	const gnutls_datum_t e = { .data = exponent, .size = sizeof(exponent) };

	memset(octets, STAND_IN_OCTET, sizeof(octets));
	if (kind->curve == GNUTLS_ECC_CURVE_INVALID)
		return gnutls_pubkey_import_rsa_raw(pubkey, &number, &e);
	return gnutls_pubkey_import_ecc_raw(pubkey, kind->curve, &number,
					    kind->algorithm == GNUTLS_PK_ECDSA ? &number : NULL);
}

/* The DER stays the caller's: GnuTLS copies it into the Certificate message. */
static int load_chain(struct mtls_exchange *exchange, const struct key_kind *kind)
{
	const struct mtls_exchange_key *key = exchange->key;
	size_t total = 0;

	if (key->chain_count == 0 || key->chain_count > MTLS_CHAIN_MAX)
		return MTLS_E_LIMIT;
	for (size_t i = 0; i < key->chain_count; i++) {
		const struct mtls_bytes *der = &key->chain[i];
		if (der->len == 0 || der->len > MTLS_CERT_MAX)
			return MTLS_E_LIMIT;
		total += der->len;
		exchange->chain[i].type = GNUTLS_CRT_X509;
		exchange->chain[i].cert.data = der->data;
		exchange->chain[i].cert.size = (unsigned int)der->len;
	}
	if (total > MTLS_CHAIN_BYTES_MAX)
		return MTLS_E_LIMIT;
	if (gnutls_pubkey_init(&exchange->chain[0].pubkey) < 0) {
		exchange->chain[0].pubkey = NULL;
		return -ENOMEM;
	}
	return mtls_tls_error(stand_in(kind, exchange->chain[0].pubkey));
}

int mtls_exchange_key_load(struct mtls_exchange *exchange)
{
	const struct key_kind *kind = find_kind(exchange->key->key_type);

	if (!kind)
		return MTLS_E_UNSUPPORTED;
	int err = load_chain(exchange, kind);
	if (err < 0)
		return err;
	if (gnutls_privkey_init(&exchange->privkey) < 0) {
		exchange->privkey = NULL;
		return -ENOMEM;
	}
	/* Both callbacks always: with a missing one GnuTLS calls through NULL. */
	return mtls_tls_error(gnutls_privkey_import_ext4(exchange->privkey, exchange, sign_data,
							 sign_hash, NULL, NULL, key_info, 0));
}

void mtls_exchange_key_unload(struct mtls_exchange *exchange)
{
	if (exchange->chain[0].pubkey)
		gnutls_pubkey_deinit(exchange->chain[0].pubkey);
	memset(exchange->chain, 0, sizeof(exchange->chain));
	if (exchange->privkey)
		gnutls_privkey_deinit(exchange->privkey);
	exchange->privkey = NULL;
}

/*
 * The certificate is sent whatever CAs the server names: the credential was chosen before, the
 * server shall see what it refuses, and the person be told by whom it is and whose are taken.
 */
static int retrieve(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
		    gnutls_pcert_st **ret_chain, unsigned int *ret_count,
		    gnutls_ocsp_data_st **ocsp, unsigned int *ocsp_count,
		    gnutls_privkey_t *ret_privkey, unsigned int *flags)
{
	struct mtls_exchange *exchange = gnutls_session_get_ptr(session);

	if (info->nreqs > 0)
		mtls_exchange_cas_keep(&exchange->cas, info->req_ca_rdn, (size_t)info->nreqs);
	*ret_chain = exchange->chain;
	*ret_count = (unsigned int)exchange->key->chain_count;
	*ret_privkey = exchange->privkey;
	*ocsp = NULL;
	*ocsp_count = 0;
	*flags = 0; /* everything stays ours */
	return 0;
}

void mtls_exchange_key_use(gnutls_certificate_credentials_t credentials)
{
	gnutls_certificate_set_retrieve_function3(credentials, retrieve);
}
