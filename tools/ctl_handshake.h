/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which certificate a running mtls-authd shows. */
#ifndef MTLS_TOOLS_CTL_HANDSHAKE_H
#define MTLS_TOOLS_CTL_HANDSHAKE_H

#include <stdint.h>

#include "lib/base/err.h"
#include "lib/settings/pam_mtls.h"

/*
 * Shakes hands with @server ("unix:PATH", "tcp:ADDRESS:PORT"), showing no certificate of our own,
 * and gives the SHA-256 of the one it shows. @client, if not NULL, says which server would be
 * believed: another is MTLS_E_IDENTITY. 0, -errno (nobody listens), MTLS_E_TLS, -ETIMEDOUT.
 */
int ctl_handshake(const char *server, const struct mtls_settings_client *client,
		  uint32_t timeout_ms, uint8_t ret_sha256[32], struct mtls_diag *diag);

#endif
