/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Secrets that other people's code leaves behind in this process. */
#ifndef MTLS_BASE_WIPE_H
#define MTLS_BASE_WIPE_H

/*
 * Clears the stack that functions which have returned were using, 128 KiB of it: libraries keep
 * passphrases in local arrays (GnuTLS's key derivation of PKCS#12 does). Not for threads with small
 * stacks.
 */
void mtls_wipe_stack(void);

#endif
