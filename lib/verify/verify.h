/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The verifier: two steps, both pure (time and anchors are parameters; no file, no clock, no log).
 *
 * 1. mtls_verify_path(), inside the TLS handshake: bounds, then a path of valid signatures from the
 * leaf to an anchor of one role. Failure is a TLS alert.
 * 2. mtls_verify_policy(), after the handshake, on the *verified path*: times, usage, strength,
 * depth, identity, revocation. Failure is a reason.
 */
#ifndef MTLS_VERIFY_VERIFY_H
#define MTLS_VERIFY_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/cleanup.h"
#include "lib/base/err.h"
#include "lib/cert/cert.h"
#include "lib/wire/reason.h"

#define MTLS_PATH_MAX 10 /* leaf, intermediates, anchor */

enum mtls_role {
	MTLS_ROLE_USER = 0,
	MTLS_ROLE_HOST = 1,
};

enum mtls_verify_crl {
	MTLS_VERIFY_CRL_OFF = 0,
	MTLS_VERIFY_CRL_IF_PRESENT = 1,
	MTLS_VERIFY_CRL_REQUIRED = 2,
};

/* The anchors and CRLs of all named CAs. Built at start, then constant. */
struct mtls_anchors;

int mtls_anchors_new(struct mtls_anchors **ret);
void mtls_anchors_free(struct mtls_anchors *anchors);
MTLS_DEFINE_CLEANUP(struct mtls_anchors *, mtls_anchors_free)

/*
 * Adds the certificates of @pem (one or more) to CA @ca_name of @role. Returns the number added (>=
 * 1), MTLS_E_SYNTAX, MTLS_E_CERT (not a CA, weak), or MTLS_E_EXISTS: the same anchor in another
 * role or name.
 */
int mtls_anchors_add_pem(struct mtls_anchors *anchors, enum mtls_role role, const char *ca_name,
			 const uint8_t *pem, size_t len, struct mtls_diag *diag);

/* Adds a CRL (PEM or DER) and the policy of @ca_name. 0, MTLS_E_SYNTAX, MTLS_E_NOTFOUND. */
int mtls_anchors_add_crl(struct mtls_anchors *anchors, const char *ca_name, const uint8_t *data,
			 size_t len, struct mtls_diag *diag);
int mtls_anchors_set_crl_policy(struct mtls_anchors *anchors, const char *ca_name,
				enum mtls_verify_crl policy);

/* The anchors' DER certificates, for CertificateRequest's list: @index from 0; NULL behind the end.
 */
const uint8_t *mtls_anchors_der(const struct mtls_anchors *anchors, size_t index, size_t *ret_len);

struct mtls_verify_bounds {
	unsigned int max_certs; /* in the chain as sent */
	unsigned int max_depth; /* certificates of the path below the anchor */
	unsigned int min_rsa_bits;
	unsigned int max_rsa_bits;
};

/*
 * Cheap checks that need no signature: number, sizes, key types and key sizes of the chain as sent
 * (facts: a 16,384-bit RSA leaf costs a second of CPU otherwise). 0, MTLS_E_LIMIT, MTLS_E_CERT,
 * _SYNTAX.
 */
int mtls_verify_bounds(const struct mtls_verify_bounds *bounds, const uint8_t *const *der,
		       const size_t *len, size_t count, struct mtls_diag *diag);

/* The verified path: leaf first, anchor last; owned certificates. */
struct mtls_path {
	struct mtls_cert *certs[MTLS_PATH_MAX];
	size_t count; /* at least 2 */
	enum mtls_role role;
	const char *ca_name; /* borrowed from the anchors */
};

/*
 * Finds a path of valid signatures from der[0] through any of the certificates sent to an anchor of
 * exactly one role. Times, EKU and revocation are not looked at. Returns 0, MTLS_E_CERT (no path),
 * MTLS_E_LIMIT, MTLS_E_SYNTAX, -ENOMEM. @ret is filled on success only.
 */
int mtls_verify_path(const struct mtls_anchors *anchors, const struct mtls_verify_bounds *bounds,
		     const uint8_t *const *der, const size_t *len, size_t count,
		     struct mtls_path **ret, struct mtls_diag *diag);
void mtls_path_free(struct mtls_path *path);
MTLS_DEFINE_CLEANUP(struct mtls_path *, mtls_path_free)

/*
 * The policy for role user: every certificate's time at @now, leaf shape, KU, EKU present and
 * right, strength, depth, identity values, CRLs. Returns MTLS_REASON_ALLOWED or the reason of the
 * first failure;
 * @diag names the certificate and the cause, for the audit record.
 */
enum mtls_reason mtls_verify_policy(const struct mtls_anchors *anchors,
				    const struct mtls_verify_bounds *bounds,
				    const struct mtls_path *path, int64_t now,
				    struct mtls_diag *diag);

#endif
