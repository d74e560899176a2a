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
 * Adds the certificates of @pem (one or more) to CA @ca_name of @role. Returns their number (>= 1),
 * -ENOMEM, MTLS_E_SYNTAX, MTLS_E_LIMIT, MTLS_E_CERT (not a CA, weak, name constraints), or
 * MTLS_E_EXISTS: the same name and key in another CA, or the CA in the other role. After an error
 * @anchors may hold a part of them: it is for nothing but mtls_anchors_free().
 */
int mtls_anchors_add_pem(struct mtls_anchors *anchors, enum mtls_role role, const char *ca_name,
			 const uint8_t *pem, size_t len, struct mtls_diag *diag);

/*
 * Adds one CRL in DER, or one or more in PEM, to CA @ca_name, which must have anchors already.
 * 0, -ENOMEM, MTLS_E_SYNTAX, MTLS_E_LIMIT, MTLS_E_NOTFOUND.
 */
int mtls_anchors_add_crl(struct mtls_anchors *anchors, const char *ca_name, const uint8_t *data,
			 size_t len, struct mtls_diag *diag);
/*
 * When list @index (from 0, as they were added) of CA @ca_name was made and when the next one comes
 * (-1: it does not say). 0, or MTLS_E_NOTFOUND behind the last one.
 */
int mtls_anchors_crl_times(const struct mtls_anchors *anchors, const char *ca_name, size_t index,
			   int64_t *ret_this, int64_t *ret_next);
/* Starts as MTLS_VERIFY_CRL_OFF. 0 or MTLS_E_NOTFOUND. */
int mtls_anchors_set_crl_policy(struct mtls_anchors *anchors, const char *ca_name,
				enum mtls_verify_crl policy);

/* The anchors, and their DER certificates: @index from 0; NULL behind the end. Borrowed. */
const struct mtls_cert *mtls_anchors_cert(const struct mtls_anchors *anchors, size_t index,
					  enum mtls_role *ret_role);
const uint8_t *mtls_anchors_der(const struct mtls_anchors *anchors, size_t index, size_t *ret_len);

struct mtls_verify_bounds {
	unsigned int max_certs; /* in the chain as sent */
	unsigned int max_depth; /* certificates of the path below the anchor */
	unsigned int min_rsa_bits;
	unsigned int max_rsa_bits;
};

/*
 * Cheap checks that need no signature: number, sizes, key types and key sizes of the chain as sent
 * (a 16,384-bit RSA leaf costs a second of CPU otherwise). 0, -ENOMEM, MTLS_E_LIMIT (number, bytes,
 * RSA above max_rsa_bits), MTLS_E_CERT (a type of key that is not accepted, RSA below 2048 bits),
 * MTLS_E_SYNTAX. min_rsa_bits and max_depth are the policy's: they get a reason, not an alert.
 */
int mtls_verify_bounds(const struct mtls_verify_bounds *bounds, const uint8_t *const *der,
		       const size_t *len, size_t count, struct mtls_diag *diag);

/* A chain as a peer sent it, parsed once, within the bounds. */
struct mtls_chain;

struct mtls_memo; /* lib/verify/memo.h */

/*
 * Parses a chain and holds it against @bounds: the errors of mtls_verify_bounds(). The bytes are
 * copied. A certificate that @memo (or NULL) has is not parsed again.
 */
int mtls_chain_parse(const struct mtls_verify_bounds *bounds, const uint8_t *const *der,
		     const size_t *len, size_t count, struct mtls_memo *memo,
		     struct mtls_chain **ret, struct mtls_diag *diag);
void mtls_chain_free(struct mtls_chain *chain);
MTLS_DEFINE_CLEANUP(struct mtls_chain *, mtls_chain_free)

/* The verified path: leaf first, anchor last; the certificates are counted references. */
struct mtls_path {
	struct mtls_cert *certs[MTLS_PATH_MAX];
	size_t count; /* at least 2 */
	enum mtls_role role;
	const char *ca_name; /* borrowed from the anchors */
	bool remembered;     /* its signatures were verified earlier, and not this time */
	bool quicker;        /* the memo saved some of the work */
};

/*
 * Finds a path of valid signatures from the first certificate of @chain through any of the others
 * to an anchor of exactly one role. Times, EKU and revocation are not looked at. A path that @memo
 * (or NULL) knows counts as one of valid signatures. Returns 0, MTLS_E_CERT (no path, or one to
 * each role), MTLS_E_LIMIT, -ENOMEM. @ret is filled on success only.
 */
int mtls_chain_path(const struct mtls_anchors *anchors, const struct mtls_chain *chain,
		    struct mtls_memo *memo, struct mtls_path **ret, struct mtls_diag *diag);

/* The reasons that their results mean: CERT_BOUNDS, CERT_REFUSED, ISSUER_UNTRUSTED, INTERNAL. */
enum mtls_reason mtls_chain_parse_reason(int err);
enum mtls_reason mtls_chain_path_reason(int err);

/* mtls_chain_parse() and mtls_chain_path() without a memo, with the errors of both. */
int mtls_verify_path(const struct mtls_anchors *anchors, const struct mtls_verify_bounds *bounds,
		     const uint8_t *const *der, const size_t *len, size_t count,
		     struct mtls_path **ret, struct mtls_diag *diag);
void mtls_path_free(struct mtls_path *path);
MTLS_DEFINE_CLEANUP(struct mtls_path *, mtls_path_free)

/*
 * The policy for role user, in this order: role, shape (a CA as leaf, unknown critical extensions,
 * name constraints, serials), identity values, strength, depth, every certificate's time at @now,
 * KU, CRLs, EKU present and right. Returns MTLS_REASON_ALLOWED or the reason of the first failure;
 * @diag names the certificate and the cause, for the audit record.
 */
enum mtls_reason mtls_verify_policy(const struct mtls_anchors *anchors,
				    const struct mtls_verify_bounds *bounds,
				    const struct mtls_path *path, int64_t now,
				    struct mtls_diag *diag);

/*
 * The outcome of one check: @reason ALLOWED or why it refuses, with @detail, a sentence ("" if
 * there is none). @detail NULL: it was not made, because it is about a path and there is none.
 */
typedef void mtls_policy_observer(void *ctx, const char *name, enum mtls_reason reason,
				  const char *detail);

/*
 * Makes every check of mtls_verify_policy(), in its order, whatever comes out, and tells @observer:
 * to explain, never to decide. A @path of one certificate is one without a verified path.
 */
void mtls_verify_policy_watch(const struct mtls_anchors *anchors,
			      const struct mtls_verify_bounds *bounds, const struct mtls_path *path,
			      int64_t now, mtls_policy_observer *observer, void *ctx);

#endif
