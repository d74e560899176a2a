/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The check of a client's chain inside the handshake, *before* its signature is computed: bounds,
 * then a path to an anchor. A self-made leaf with a 16,384-bit key would else cost a second of CPU
 * for each connection of anybody.
 */
#ifndef AUTHD_CHAIN_H
#define AUTHD_CHAIN_H

#include <gnutls/gnutls.h>

#include "lib/base/err.h"
#include "lib/verify/memo.h"
#include "lib/verify/verify.h"
#include "lib/wire/reason.h"

/*
 * Judges the chain that the peer of @session sent; @memo may be NULL. ALLOWED and *@ret_path, else
 * ISSUER_UNTRUSTED, CERT_BOUNDS, CERT_REFUSED, INTERNAL with @diag.
 */
enum mtls_reason chain_judge(gnutls_session_t session, const struct mtls_anchors *anchors,
			     const struct mtls_verify_bounds *bounds, struct mtls_memo *memo,
			     struct mtls_path **ret_path, struct mtls_diag *diag);

/* The reason for the record when gnutls_handshake() failed with @code for a cause of its own. */
enum mtls_reason chain_reason_of(int code);

/* The alert that tells the peer. */
gnutls_alert_description_t chain_alert(enum mtls_reason reason, int code);

#endif
