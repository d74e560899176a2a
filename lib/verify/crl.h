/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A certificate revocation list: read once, its serials sorted, so that a question costs the same
 * for ten entries and for a million. What we do not implement (delta, indirect and partitioned
 * lists, unknown critical extensions) makes a list unusable, never "not revoked".
 */
#ifndef MTLS_VERIFY_CRL_H
#define MTLS_VERIFY_CRL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/cleanup.h"
#include "lib/base/err.h"
#include "lib/cert/cert.h"

#define MTLS_CRL_BYTES_MAX (64U << 20)

struct mtls_crl;

/*
 * Reads one list from DER, which is copied. 0, -ENOMEM, MTLS_E_SYNTAX, MTLS_E_LIMIT. A list that
 * can be read but not used is no error here: the judgement below says so where it matters.
 */
int mtls_crl_from_der(const uint8_t *der, size_t len, struct mtls_crl **ret,
		      struct mtls_diag *diag);
void mtls_crl_free(struct mtls_crl *crl);
MTLS_DEFINE_CLEANUP(struct mtls_crl *, mtls_crl_free)

/* True if its issuer's name is, byte for byte, the subject of @issuer. */
bool mtls_crl_names(const struct mtls_crl *crl, const struct mtls_cert *issuer);

enum mtls_crl_state {
	MTLS_CRL_STATE_UNUSABLE = 0, /* says nothing; @ret_why tells */
	MTLS_CRL_STATE_EXPIRED, /* genuine, but past its nextUpdate: revokes, but absolves not */
	MTLS_CRL_STATE_CURRENT,
};

/* What the list is worth at @now, when @issuer (of the verified path) should have signed it. */
enum mtls_crl_state mtls_crl_judge(struct mtls_crl *crl, const struct mtls_cert *issuer,
				   int64_t now, const char **ret_why);

/* True if @issuer's key made the list's signature, whatever else is wrong with it. */
bool mtls_crl_genuine(struct mtls_crl *crl, const struct mtls_cert *issuer);

/* Seconds since 1970; *@ret_next is -1 where the list does not say when the next one comes. */
void mtls_crl_times(const struct mtls_crl *crl, int64_t *ret_this, int64_t *ret_next);

/* True if @cert's serial is on the list. */
bool mtls_crl_lists(const struct mtls_crl *crl, const struct mtls_cert *cert);

#endif
