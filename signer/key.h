/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signatures for TLS 1.3, and the rule what may be signed at all. */
#ifndef MTLS_SIGNER_KEY_H
#define MTLS_SIGNER_KEY_H

#include <gnutls/abstract.h>

#include "lib/base/err.h"
#include "lib/wire/msg.h"

/*
 * Signs @content with @scheme if it is a TLS 1.3 client CertificateVerify content and nothing else
 * (MTLS_E_DENIED), and @scheme is one for @type (MTLS_E_UNSUPPORTED). 0 and @ret_signature, whose
 * data is the caller's to free(); -ENOMEM, MTLS_E_CRYPTO.
 */
int key_sign(gnutls_privkey_t key, enum mtls_key_type type, enum mtls_sign_scheme scheme,
	     const struct mtls_bytes *content, struct mtls_bytes *ret_signature);

#endif
