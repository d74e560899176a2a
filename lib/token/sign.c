/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Signatures. The hash is made here and the token signs it bare, which all tokens can; where one
 * knows only mechanisms that hash themselves, it gets the content.
 */
#include <config.h>

#include <errno.h>
#include <nettle/sha2.h>

#include "lib/token/token_impl.h"

#define HASH_MAX SHA512_DIGEST_SIZE

struct job {
	const struct mtls_token_sign *sign;
	const struct scheme *scheme;
	uint8_t hash[HASH_MAX];
	CK_RSA_PKCS_PSS_PARAMS pss;
	uint8_t raw[MTLS_TOKEN_SIGNATURE_MAX];
	CK_ULONG raw_len;
};

static void hash_256(const uint8_t *data, size_t len, uint8_t *out)
{
	struct sha256_ctx ctx;
	sha256_init(&ctx);
	sha256_update(&ctx, len, data);
	sha256_digest(&ctx, SHA256_DIGEST_SIZE, out);
}

static void hash_384(const uint8_t *data, size_t len, uint8_t *out)
{
	struct sha512_ctx ctx;
	sha384_init(&ctx);
	sha384_update(&ctx, len, data);
	sha384_digest(&ctx, SHA384_DIGEST_SIZE, out);
}

static void hash_512(const uint8_t *data, size_t len, uint8_t *out)
{
	struct sha512_ctx ctx;
	sha512_init(&ctx);
	sha512_update(&ctx, len, data);
	sha512_digest(&ctx, SHA512_DIGEST_SIZE, out);
}

/* clang-format off */
static const struct scheme {
	enum mtls_sign_scheme scheme;
	enum mtls_key_type type;
	CK_MECHANISM_TYPE bare, combined;
	void (*hash)(const uint8_t *data, size_t len, uint8_t *out); /* NULL: the content itself */
	size_t hash_len;
	CK_MECHANISM_TYPE pss_hash; /* RSA */
	CK_RSA_PKCS_MGF_TYPE mgf;
	size_t signature; /* bytes of r and s, or of the signature; 0: RSA */
} schemes[] = {
	{ MTLS_SIGN_ECDSA_P256_SHA256, MTLS_KEY_TYPE_ECDSA_P256, CKM_ECDSA, CKM_ECDSA_SHA256, hash_256, 32, 0, 0, 64 },
	{ MTLS_SIGN_ECDSA_P384_SHA384, MTLS_KEY_TYPE_ECDSA_P384, CKM_ECDSA, CKM_ECDSA_SHA384, hash_384, 48, 0, 0, 96 },
	{ MTLS_SIGN_ECDSA_P521_SHA512, MTLS_KEY_TYPE_ECDSA_P521, CKM_ECDSA, CKM_ECDSA_SHA512, hash_512, 64, 0, 0, 132 },
	{ MTLS_SIGN_ED25519, MTLS_KEY_TYPE_ED25519, CKM_EDDSA, CKM_EDDSA, NULL, 0, 0, 0, 64 },
	{ MTLS_SIGN_RSA_PSS_RSAE_SHA256, MTLS_KEY_TYPE_RSA, CKM_RSA_PKCS_PSS, CKM_SHA256_RSA_PKCS_PSS, hash_256, 32, CKM_SHA256, CKG_MGF1_SHA256, 0 },
	{ MTLS_SIGN_RSA_PSS_RSAE_SHA384, MTLS_KEY_TYPE_RSA, CKM_RSA_PKCS_PSS, CKM_SHA384_RSA_PKCS_PSS, hash_384, 48, CKM_SHA384, CKG_MGF1_SHA384, 0 },
	{ MTLS_SIGN_RSA_PSS_RSAE_SHA512, MTLS_KEY_TYPE_RSA, CKM_RSA_PKCS_PSS, CKM_SHA512_RSA_PKCS_PSS, hash_512, 64, CKM_SHA512, CKG_MGF1_SHA512, 0 },
};
/* clang-format on */

static const struct scheme *find_scheme(const struct mtls_token_sign *sign)
{
	for (size_t i = 0; i < MTLS_COUNT(schemes); i++)
		if (schemes[i].scheme == sign->scheme && schemes[i].type == sign->type)
			return &schemes[i];
	return NULL;
}

/* C_SignInit, the login for this one use where the key wants it, C_Sign. */
static CK_RV sign_with(struct mtls_token *token, struct job *job, CK_MECHANISM_TYPE type,
		       const char **ret_call)
{
	const CK_FUNCTION_LIST *api = token->module->api;
	const struct mtls_token_sign *sign = job->sign;
	const bool bare = type == job->scheme->bare && job->scheme->hash;
	CK_MECHANISM mechanism = { .mechanism = type };
	union {
		const uint8_t *given;
		CK_BYTE *wanted;
	} data = { .given = bare ? job->hash : sign->content };

	if (job->scheme->type == MTLS_KEY_TYPE_RSA) {
		mechanism.pParameter = &job->pss;
		mechanism.ulParameterLen = sizeof(job->pss);
	}
	*ret_call = "C_SignInit";
	CK_RV rv = api->C_SignInit(token->session, &mechanism, sign->handle);
	if (rv == CKR_OK && sign->always_authenticate) {
		const struct mtls_token_pin pin = { .data = sign->pin, .len = sign->pin_len };
		*ret_call = "C_Login";
		rv = token_login(token, token->session, CKU_CONTEXT_SPECIFIC, pin);
	}
	if (rv != CKR_OK)
		return rv;
	*ret_call = "C_Sign";
	job->raw_len = sizeof(job->raw);
	return api->C_Sign(token->session, data.wanted,
			   bare ? job->scheme->hash_len : sign->content_len, job->raw,
			   &job->raw_len);
}

static int encode(const struct job *job, struct mtls_bytes *ret)
{
	const size_t want = job->scheme->signature;
	_cleanup_buf_ struct mtls_buf der = MTLS_BUF(MTLS_TOKEN_SIGNATURE_MAX);

	/* A module that says that it wrote more than there was room for. */
	if (job->raw_len == 0 || job->raw_len > sizeof(job->raw) || (want && job->raw_len != want))
		return MTLS_E_SYNTAX;
	if (job->scheme->bare != CKM_ECDSA)
		return mtls_msg_set_bytes(ret, job->raw, job->raw_len);
	int r = token_ecdsa_der(job->raw, job->raw_len, &der);
	return r < 0 ? r : mtls_buf_take(&der, &ret->data, &ret->len);
}

enum mtls_reason mtls_token_sign(struct mtls_token *token, const struct mtls_token_sign *sign,
				 struct mtls_bytes *ret_signature, struct mtls_diag *diag)
{
	struct job job = { .sign = sign, .scheme = find_scheme(sign) };
	const char *call = NULL;

	if (!job.scheme) {
		(void)mtls_diag_set(diag, 0, "this key has no such signature");
		return MTLS_REASON_KEY_UNUSABLE;
	}
	if (sign->always_authenticate && !sign->pin && !token->info.pin_pad)
		return MTLS_REASON_SECRET_EMPTY;
	enum mtls_reason reason = token_session(token, diag);
	if (reason != MTLS_REASON_ALLOWED)
		return reason;
	if (job.scheme->hash)
		job.scheme->hash(sign->content, sign->content_len, job.hash);
	job.pss = (CK_RSA_PKCS_PSS_PARAMS){ .hashAlg = job.scheme->pss_hash,
					    .mgf = job.scheme->mgf,
					    .sLen = job.scheme->hash_len };
	CK_RV rv = sign_with(token, &job, job.scheme->bare, &call);
	if (rv == CKR_MECHANISM_INVALID && job.scheme->combined != job.scheme->bare)
		rv = sign_with(token, &job, job.scheme->combined, &call);
	if (rv != CKR_OK)
		return token_failed(token, rv, call, diag);
	int r = encode(&job, ret_signature);
	if (r == MTLS_E_SYNTAX)
		(void)mtls_diag_set(diag, r, "C_Sign: a signature of %lu bytes", job.raw_len);
	return r >= 0               ? MTLS_REASON_ALLOWED
	       : r == MTLS_E_SYNTAX ? MTLS_REASON_MODULE_FAILED
				    : MTLS_REASON_SIGNER_FAILED;
}
