/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Certificates and CRLs from outside: the input is a row of DER elements, as a chain arrives. Every
 * field is read; bounds, a path to a fixed anchor (its key is thrown away) and the policy are
 * tried; the same bytes are read as a CRL too.
 */
#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cert/cert.h"
#include "lib/cert/der.h"
#include "lib/verify/crl.h"
#include "lib/verify/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CERTS_MAX 10
#define NOW       INT64_C(1800000000)

static const char anchor_pem[] =
	"-----BEGIN CERTIFICATE-----\n"
	"MIIBYzCCAQmgAwIBAgIETQAAATAKBggqhkjOPQQDAzAmMRAwDgYDVQQKEwdFeGFt\n"
	"cGxlMRIwEAYDVQQDEwlGdXp6IFJvb3QwIBcNMjYxMTIxMjIyNzE2WhgPMjEwMDAx\n"
	"MDEwMDAwMDBaMCYxEDAOBgNVBAoTB0V4YW1wbGUxEjAQBgNVBAMTCUZ1enogUm9v\n"
	"dDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABLZyhbl2pkefqntGmowM5OHjpIEl\n"
	"haJDshJaRe00lM417QiOGZUkVkQL1wu77/P7e2U72Z25a9iR4HFWHv+DtmijIzAh\n"
	"MA4GA1UdDwEB/wQEAwIBBjAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMDA0gA\n"
	"MEUCIQCi+KKiQIO8eS21Q6+kNnjC3P/FDC0Mx2BNctSBWf9vFgIgU0lRL90h22pw\n"
	"KOH9QMYGX4aZAFj4nluTo6rPD6U6MNw=\n"
	"-----END CERTIFICATE-----\n";

static const struct mtls_verify_bounds bounds = {
	.max_certs = 8, .max_depth = 4, .min_rsa_bits = 2048, .max_rsa_bits = 4096
};

static struct mtls_anchors *anchors(void)
{
	static struct mtls_anchors *made;
	if (made)
		return made;
	if (mtls_anchors_new(&made) < 0 ||
	    mtls_anchors_add_pem(made, MTLS_ROLE_USER, "fuzz", (const uint8_t *)anchor_pem,
				 sizeof(anchor_pem) - 1, NULL) != 1 ||
	    mtls_anchors_set_crl_policy(made, "fuzz", MTLS_VERIFY_CRL_IF_PRESENT) < 0)
		abort();
	return made;
}

/* What must hold for every certificate that is accepted at all. */
static void look_at(const struct mtls_cert *cert)
{
	size_t len;

	if (!mtls_cert_der(cert, &len) || len == 0)
		abort();
	(void)mtls_cert_serial(cert, &len);
	if (len > MTLS_SERIAL_MAX)
		abort();
	/* Texts that go to prompts, keys and records: no control characters, whatever came in. */
	const char *texts[] = { mtls_cert_subject(cert), mtls_cert_issuer(cert),
				mtls_cert_label(cert) };
	for (size_t i = 0; i < MTLS_COUNT(texts); i++)
		for (const char *c = texts[i]; *c; c++)
			if ((unsigned char)*c < 0x20 || *c == 0x7f)
				abort();
	(void)mtls_cert_flags(cert);
	(void)mtls_cert_key_bits(cert);
}

static void try_crl(const uint8_t *data, size_t size, const struct mtls_cert *issuer)
{
	struct mtls_crl *crl = NULL;
	const char *why;

	if (mtls_crl_from_der(data, size, &crl, NULL) < 0)
		return;
	(void)mtls_crl_names(crl, issuer);
	(void)mtls_crl_judge(crl, issuer, NOW, &why);
	(void)mtls_crl_lists(crl, issuer);
	mtls_crl_free(crl);
}

static void try_chain(const uint8_t *const *der, const size_t *len, size_t count)
{
	struct mtls_path *path = NULL;
	struct mtls_diag diag = { 0 };

	(void)mtls_verify_bounds(&bounds, der, len, count, &diag);
	if (mtls_verify_path(anchors(), &bounds, der, len, count, &path, &diag) < 0)
		return;
	if (path->count < 2)
		abort();
	(void)mtls_verify_policy(anchors(), &bounds, path, NOW, &diag);
	mtls_path_free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *der[CERTS_MAX];
	size_t len[CERTS_MAX], count = 0, anchor_len;
	struct mtls_der in = { .data = data, .len = size };
	struct mtls_der_element element;
	struct mtls_cert *cert = NULL;

	while (count < CERTS_MAX && mtls_der_next(&in, &element) == 0) {
		der[count] = element.whole.data;
		len[count++] = element.whole.len;
	}
	for (size_t i = 0; i < count; i++) {
		if (mtls_cert_from_der(der[i], len[i], &cert, NULL) < 0)
			continue;
		look_at(cert);
		mtls_cert_free(cert);
	}
	/* The bytes as they are, with whatever stands behind. */
	if (mtls_cert_from_der(data, size, &cert, NULL) == 0)
		mtls_cert_free(cert);
	try_chain(der, len, count);
	const uint8_t *anchor = mtls_anchors_der(anchors(), 0, &anchor_len);
	if (mtls_cert_from_der(anchor, anchor_len, &cert, NULL) < 0)
		abort();
	try_crl(data, size, cert);
	mtls_cert_free(cert);
	return 0;
}
