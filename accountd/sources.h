/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the source files to the store: one change for each scan that found something. */
#ifndef ACCOUNTD_SOURCES_H
#define ACCOUNTD_SOURCES_H

#include "accountd/keeper.h"

/* Before the sandbox closes: makes what watches. 0 or an error with @diag. */
int sources_open(struct keeper *keeper, struct mtls_diag *diag);
/* With the store open: looks for the first time. */
int sources_start(struct keeper *keeper, struct mtls_diag *diag);
/*
 * A name or an id is free that was not: in the store, or on this machine. Who lost against it may
 * win now. Merges in a moment, once for several calls, if anybody did lose.
 */
void sources_recheck(struct keeper *keeper);

#endif
