/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names in a certificate, from their exact bytes. Pure, and without GnuTLS: signers have it too. */
#ifndef MTLS_CERT_NAMES_H
#define MTLS_CERT_NAMES_H

#include "lib/base/buf.h"
#include "lib/cert/der.h"

#define MTLS_CERT_SAN_MAX 256 /* names in a subjectAltName */

/*
 * The canonical form of @name (a DER Name) appended to @out; nothing for an empty name. 0,
 * -ENOMEM, MTLS_E_SYNTAX, MTLS_E_LIMIT.
 */
int mtls_cert_format_name(const struct mtls_der *name, struct mtls_buf *out);

/* The most specific common name in @name without escapes, appended to @out; nothing if none. */
int mtls_cert_common_name(const struct mtls_der *name, struct mtls_buf *out);

/* Checks every value of a GeneralNames (contents of the extension). As mtls_cert_format_name(). */
int mtls_cert_check_san(const struct mtls_der *value);

#endif
