/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inside of lib/verify: anchors and CAs as its files share them. */
#ifndef MTLS_VERIFY_VERIFY_IMPL_H
#define MTLS_VERIFY_VERIFY_IMPL_H

#include <gnutls/x509.h>

#include "lib/cert/cert.h"
#include "lib/verify/crl.h"
#include "lib/verify/verify.h"
#include "lib/wire/msg.h"

#define MTLS_ANCHORS_MAX 256
#define MTLS_CAS_MAX     64
#define MTLS_CRLS_MAX    256 /* of one CA */

/* What no configuration can lower: the floor of GnuTLS's profile MEDIUM. */
#define MTLS_RSA_BITS_FLOOR 2048

/*
 * How GnuTLS verifies signatures of a path. Times and CRLs are the policy's, which has the moment
 * as a parameter; GnuTLS would take the system's, and understands less of CRLs.
 */
#define MTLS_VERIFY_FLAGS                                                                          \
	(GNUTLS_PROFILE_TO_VFLAGS(GNUTLS_PROFILE_MEDIUM) | GNUTLS_VERIFY_DISABLE_TIME_CHECKS |     \
	 GNUTLS_VERIFY_DISABLE_TRUSTED_TIME_CHECKS | GNUTLS_VERIFY_DISABLE_CRL_CHECKS)

/* A CA by the name that the configuration gives it. */
struct mtls_verify_ca {
	char *name; /* owned */
	enum mtls_role role;
	enum mtls_verify_crl crl_policy;
	struct mtls_crl *crls[MTLS_CRLS_MAX]; /* owned */
	size_t crl_count;
};

struct mtls_verify_anchor {
	struct mtls_cert *cert;          /* owned */
	gnutls_x509_trust_list_t list;   /* owned; holds this anchor alone */
	const struct mtls_verify_ca *ca; /* borrowed */
};

struct mtls_anchors {
	struct mtls_verify_ca *cas[MTLS_CAS_MAX]; /* owned */
	size_t ca_count;
	struct mtls_verify_anchor anchors[MTLS_ANCHORS_MAX];
	size_t anchor_count;
};

struct mtls_chain {
	struct mtls_cert *certs[MTLS_CHAIN_MAX]; /* counted references */
	size_t count;
	bool quicker; /* the memo had one of them */
};

const struct mtls_verify_ca *mtls_anchors_find_ca(const struct mtls_anchors *anchors,
						  const char *name);

/* True if @subject's subject is, byte for byte, @issued's issuer. */
bool mtls_verify_names_chain(const struct mtls_cert *issued, const struct mtls_cert *subject);

/* True if both are the same certificate. */
bool mtls_verify_same(const struct mtls_cert *a, const struct mtls_cert *b);

/* The bounds of one parsed certificate; 0, MTLS_E_CERT, MTLS_E_LIMIT. */
int mtls_verify_bound_one(const struct mtls_verify_bounds *bounds, const struct mtls_cert *cert,
			  struct mtls_diag *diag);

/* Number and sizes of the certificates as sent; 0, MTLS_E_SYNTAX, MTLS_E_LIMIT. */
int mtls_verify_bound_sizes(const struct mtls_verify_bounds *bounds, const size_t *len,
			    size_t count, struct mtls_diag *diag);

#endif
