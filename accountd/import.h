/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An import: items from the client are collected and then made in one change, all or nothing.
 * Numbers outside of the range that is kept are given anew, which the answer's items tell.
 */
#ifndef ACCOUNTD_IMPORT_H
#define ACCOUNTD_IMPORT_H

#include "accountd/conn.h"

#define IMPORT_BYTES_MAX (1UL << 30) /* of text, in all items of an import */

struct import;

/* The request's fields: keep-ids?, dry-run?. 0, MTLS_E_SYNTAX with @diag, -ENOMEM. */
int import_new(const struct mtls_control_fields *fields, struct import **ret,
	       struct mtls_diag *diag);
void import_free(struct import *import);
MTLS_DEFINE_CLEANUP(struct import *, import_free)

/* NULL: no. */
bool import_is_dry(const struct import *import);

/* Keeps one item; what is wrong with it is said at the end. 0 or -ENOMEM. */
int import_take(struct import *import, const struct mtls_control_item *item);

/*
 * Makes it all in the change that the caller has begun. @ret gets the fields of the end. 0 or an
 * error with @diag.
 */
int import_make(struct import *import, struct keeper *keeper, struct mtls_control_fields *ret,
		struct mtls_diag *diag);

/* Queues the next item of the answer to @conn: 1; 0: there was none left; or an error. */
int import_next_item(struct import *import, struct conn *conn);

#endif
