/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which reason a chain that was refused has: for the daemon's verdict and for who explains it. */
#include <config.h>

#include "lib/verify/verify.h"

static enum mtls_reason reason_of(int err, enum mtls_reason of_cert)
{
	switch (err) {
	case 0:
		return MTLS_REASON_ALLOWED;
	case MTLS_E_CERT:
		return of_cert;
	case MTLS_E_LIMIT:
		return MTLS_REASON_CERT_BOUNDS;
	case MTLS_E_SYNTAX:
		return MTLS_REASON_CERT_REFUSED;
	default:
		return MTLS_REASON_INTERNAL;
	}
}

enum mtls_reason mtls_chain_parse_reason(int err)
{
	return reason_of(err, MTLS_REASON_CERT_BOUNDS);
}

enum mtls_reason mtls_chain_path_reason(int err)
{
	return reason_of(err, MTLS_REASON_ISSUER_UNTRUSTED);
}
