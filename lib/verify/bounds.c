/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bounds on a chain as sent, before any signature of it is computed: a self-made leaf with a
 * 16,384-bit RSA key would otherwise cost a second of CPU, for nothing. Pure.
 */
#include <config.h>

#include <errno.h>
#include <stdlib.h>

#include "lib/cert/cert_impl.h"
#include "lib/verify/memo_impl.h"
#include "lib/verify/verify_impl.h"

int mtls_verify_bound_sizes(const struct mtls_verify_bounds *bounds, const size_t *len,
			    size_t count, struct mtls_diag *diag)
{
	size_t total = 0;

	if (count == 0)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "no certificate");
	if (count > bounds->max_certs || count > MTLS_CHAIN_MAX)
		return mtls_diag_set(diag, MTLS_E_LIMIT, "%zu certificates in the chain", count);
	for (size_t i = 0; i < count; i++) {
		if (len[i] > MTLS_CERT_MAX)
			return mtls_diag_set(diag, MTLS_E_LIMIT, "a certificate of %zu bytes",
					     len[i]);
		total += len[i];
	}
	if (total > MTLS_CHAIN_BYTES_MAX)
		return mtls_diag_set(diag, MTLS_E_LIMIT, "a chain of %zu bytes", total);
	return 0;
}

int mtls_verify_bound_one(const struct mtls_verify_bounds *bounds, const struct mtls_cert *cert,
			  struct mtls_diag *diag)
{
	const unsigned int bits = mtls_cert_key_bits(cert);

	switch (mtls_cert_algorithm(cert)) {
	case MTLS_CERT_ALG_P256:
	case MTLS_CERT_ALG_P384:
	case MTLS_CERT_ALG_P521:
	case MTLS_CERT_ALG_ED25519:
		return 0;
	case MTLS_CERT_ALG_RSA:
		if (bits > bounds->max_rsa_bits)
			return mtls_diag_set(diag, MTLS_E_LIMIT, "an RSA key of %u bits", bits);
		if (bits < MTLS_RSA_BITS_FLOOR)
			return mtls_diag_set(diag, MTLS_E_CERT, "an RSA key of %u bits", bits);
		return 0;
	default:
		return mtls_diag_set(diag, MTLS_E_CERT, "a key of a type that is not accepted");
	}
}

static int take_cert(struct mtls_chain *chain, struct mtls_memo *memo, const uint8_t *der,
		     size_t len, struct mtls_diag *diag)
{
	struct mtls_cert **cert = &chain->certs[chain->count++];

	*cert = memo ? mtls_memo_cert(memo, der, len) : NULL;
	if (!*cert)
		return mtls_cert_from_der(der, len, cert, diag);
	chain->quicker = true;
	return 0;
}

int mtls_chain_parse(const struct mtls_verify_bounds *bounds, const uint8_t *const *der,
		     const size_t *len, size_t count, struct mtls_memo *memo,
		     struct mtls_chain **ret, struct mtls_diag *diag)
{
	int err = mtls_verify_bound_sizes(bounds, len, count, diag);
	if (err < 0)
		return err;
	_cleanup_(mtls_chain_freep) struct mtls_chain *chain = calloc(1, sizeof(*chain));
	if (!chain)
		return -ENOMEM;
	for (size_t i = 0; err == 0 && i < count; i++) {
		err = take_cert(chain, memo, der[i], len[i], diag);
		if (err == 0)
			err = mtls_verify_bound_one(bounds, chain->certs[i], diag);
	}
	if (err < 0)
		return err;
	*ret = MTLS_TAKE(chain);
	return 0;
}

void mtls_chain_free(struct mtls_chain *chain)
{
	if (!chain)
		return;
	for (size_t i = 0; i < MTLS_CHAIN_MAX; i++)
		mtls_cert_free(chain->certs[i]);
	free(chain);
}

int mtls_verify_bounds(const struct mtls_verify_bounds *bounds, const uint8_t *const *der,
		       const size_t *len, size_t count, struct mtls_diag *diag)
{
	_cleanup_(mtls_chain_freep) struct mtls_chain *chain = NULL;

	return mtls_chain_parse(bounds, der, len, count, NULL, &chain, diag);
}
