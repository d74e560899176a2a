/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opens the TLS half. */
#ifndef PAM_MTLS_TLS_HALF_H
#define PAM_MTLS_TLS_HALF_H

#include "lib/base/err.h"
#include "pam_mtls/half.h"

/*
 * Loads @path (MTLS_HALF_PATH; absolute) for good: it is never unloaded. Returns 0 with @ret set,
 * MTLS_E_CONFIG where it cannot be loaded, MTLS_E_VERSION where it is another version's.
 */
int tls_half_open(const char *path, const struct half_ops **ret, struct mtls_diag *diag);

#endif
