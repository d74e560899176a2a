/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a request asks for: the verbs of lib/control/accounts.h over accountd/store.h. */
#ifndef ACCOUNTD_VERBS_H
#define ACCOUNTD_VERBS_H

#include "accountd/conn.h"

/*
 * Does what @request asks. Sets conn->end (the answer so far) and conn->phase: SEND, PUBLISH with
 * conn->stream, or ITEMS with conn->import. 0, or -ENOMEM: the connection is closed then.
 */
int verbs_run(struct conn *conn, const struct mtls_control_request *request);

/* The end that the client sends behind the items of an import: with code 0 it is made. */
int verbs_import(struct conn *conn, const struct mtls_control_end *end);

/* Sets @msg, a ControlEnd, to the answer for @err. */
int verbs_fail(struct mtls_msg *msg, int err, const struct mtls_diag *diag);

#endif
