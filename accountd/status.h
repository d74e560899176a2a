/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verb `status`: how the store, its sources and the snapshot stand. */
#ifndef ACCOUNTD_STATUS_H
#define ACCOUNTD_STATUS_H

#include "accountd/conn.h"

#define STATUS_CONFLICTS_MAX 1000 /* conflicts told; then one more says how many there are */

/* Queues the items. 0 or an error with @diag. */
int status_items(struct conn *conn, struct mtls_diag *diag);

#endif
