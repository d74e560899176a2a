/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What mtls-authd of this machine would say about a certificate, by the same code and files. */
#ifndef MTLS_TOOLS_CTL_JUDGE_H
#define MTLS_TOOLS_CTL_JUDGE_H

#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/cert/cert.h"

#define CTL_CHAIN_MAX 8

/* A certificate and its issuers, from a file. */
struct ctl_chain {
	struct mtls_cert *certs[CTL_CHAIN_MAX]; /* owned; the first is the person's */
	size_t count;
};
void ctl_chain_done(struct ctl_chain *chain);

/* From PEM (all of it) or DER. 0, MTLS_E_SYNTAX, MTLS_E_LIMIT, -ENOMEM. */
int ctl_chain_parse(const uint8_t *data, size_t len, struct ctl_chain *ret, struct mtls_diag *diag);

/* Appends the chain as PEM. */
int ctl_chain_pem(const struct ctl_chain *chain, struct mtls_buf *out, struct mtls_diag *diag);

/*
 * Whether the chain would be accepted now, by authd.conf of @dir. 0: it would; 1: this machine has
 * no authd.conf, so nobody knows; MTLS_E_CERT with the reason in @diag, or another error.
 */
int ctl_judge(const char *dir, const struct ctl_chain *chain, int64_t now, struct mtls_diag *diag);

#endif
