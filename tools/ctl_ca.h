/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The CAs that `mtlsctl init` made: where they lie, and their keys, which only root may read. */
#ifndef MTLS_TOOLS_CTL_CA_H
#define MTLS_TOOLS_CTL_CA_H

#include <limits.h>

#include "tools/ctl_x509.h"

#define CTL_PEM_MAX 65536

#define CTL_CA_USER_CRT   "user-ca/ca.pem"
#define CTL_CA_USER_KEY   "private/user-ca.key"
#define CTL_CA_USER_CRL   "user-ca/crl.pem"
#define CTL_CA_SERVER_CRT "server-ca/ca.pem"
#define CTL_CA_SERVER_KEY "private/server-ca.key"
#define CTL_SERVER_CRT    "server.pem"
#define CTL_SERVER_KEY    "private/server.key"

/* "DIR/NAME". 0 or -ENAMETOOLONG. */
int ctl_dir_path(const char *dir, const char *name, char out[PATH_MAX]);

/*
 * Reads a certificate and its key of @dir, which must belong together, be ours, and the key
 * readable for nobody else. -ENOENT: one of the two is not there.
 */
int ctl_pair_read(const char *dir, const char *crt, const char *key, struct ctl_pair *ret,
		  struct mtls_diag *diag);

#endif
