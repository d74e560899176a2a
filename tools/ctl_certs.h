/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* certs.d: certificates of persons, each under the digest of its key, root's and for all to read.
 */
#ifndef MTLS_TOOLS_CTL_CERTS_H
#define MTLS_TOOLS_CTL_CERTS_H

#include <limits.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

#define CTL_CERTS_FOLDER "certs.d"

/* The path of the certificate of the key with this SHA-256 (32 bytes). 0, -ENAMETOOLONG. */
int ctl_certs_path(const char *dir, const uint8_t *spki_sha256, char out[PATH_MAX],
		   struct mtls_diag *diag);

/* Writes @path as a whole or not at all; makes the folder if it is missing. 0 or an error. */
int ctl_certs_write(const char *dir, const char *path, const struct mtls_buf *content,
		    struct mtls_diag *diag);

#endif
