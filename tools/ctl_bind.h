/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Binding the certificate of an attempt that was refused. */
#ifndef MTLS_TOOLS_CTL_BIND_H
#define MTLS_TOOLS_CTL_BIND_H

#include "lib/cert/cert.h"

/*
 * The certificate that was refused in the attempt @id, which @user shall have; what is known of it
 * is printed. Only if its holder proved to have the key, and it would be accepted now. CTL_OK, or
 * CTL_FAILED after saying why not.
 */
int ctl_bind_cert_from_audit(const char *id, const char *user, struct mtls_cert **ret);

/* Asks on the terminal whether @user shall have it. CTL_OK: yes; CTL_FAILED: no, or nobody there.
 */
int ctl_bind_confirm(const char *user);

#endif
