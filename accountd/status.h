/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs that only tell: `status`, how the store, its sources and the snapshot stand;
 * `bind-list`. */
#ifndef ACCOUNTD_STATUS_H
#define ACCOUNTD_STATUS_H

#include "accountd/conn.h"

#define STATUS_CONFLICTS_MAX 1000 /* conflicts told; then one more says how many there are */

/* Queues the items. 0 or an error with @diag. */
int status_items(struct conn *conn, struct mtls_diag *diag);

#define STATUS_BINDINGS_MAX 1000 /* of one name */

/* Queues an item for each binding that names @name. 0, MTLS_E_LIMIT, or an error with @diag. */
int status_bindings(struct conn *conn, const char *name, struct mtls_diag *diag);

#endif
