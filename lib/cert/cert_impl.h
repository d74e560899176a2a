/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Inside of struct mtls_cert, for the files of lib/cert, and the GnuTLS object for lib/verify,
 * which gives it to GnuTLS's path validation.
 */
#ifndef MTLS_CERT_CERT_IMPL_H
#define MTLS_CERT_CERT_IMPL_H

#include <stdatomic.h>

#include <gnutls/x509.h>

#include "lib/base/buf.h"
#include "lib/cert/cert.h"
#include "lib/cert/names.h"

#define MTLS_CERT_EXTENSIONS_MAX 64

struct mtls_cert {
	atomic_uint owners;
	uint8_t *der; /* owned; the slices below point into it */
	size_t der_len;
	gnutls_x509_crt_t crt; /* owned; NULL while nobody needs it */
	struct mtls_der serial, raw_subject, raw_issuer, spki, extensions;
	char *subject, *issuer, *label; /* owned */
	uint8_t sha256[32], spki_sha256[32];
	int64_t not_before, not_after;
	unsigned int flags;
	enum mtls_cert_algorithm algorithm;
	unsigned int key_bits;
};

/* Borrowed, until mtls_cert_forget_crt(); made if it is not there; NULL without memory. */
gnutls_x509_crt_t mtls_cert_crt(struct mtls_cert *cert);

/* Nine tenths of a certificate's memory, which only signatures need. */
void mtls_cert_forget_crt(struct mtls_cert *cert);

/* Sets flags from the extensions; 0, MTLS_E_SYNTAX, MTLS_E_LIMIT, -ENOMEM. */
int mtls_cert_read_extensions(struct mtls_cert *cert, struct mtls_diag *diag);

#endif
