/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A refused issuer in words: by whom the certificate is, and whose are accepted. */
#ifndef PAM_MTLS_ISSUER_H
#define PAM_MTLS_ISSUER_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/client/exchange.h"

#define ISSUER_SENTENCE_MAX 1024

/*
 * Appends one sentence, "It was issued by 'X'; accepted here: 'Y', 'Z' and 2 more.", in the
 * person's language if @translated. @issuer comes from the person's signer, @accepted from the
 * verified server; both are cleaned and cut. Nothing where the issuer is not known.
 */
void issuer_explain(const char *issuer, const struct mtls_exchange_accepted *accepted,
		    bool translated, struct mtls_buf *out);

#endif
