/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's wall between a signer and the other processes of its user. */
#ifndef MTLS_SIGNER_DOMAIN_H
#define MTLS_SIGNER_DOMAIN_H

/*
 * From here on this process cannot look into another one, by ptrace(2) or through /proc (mem,
 * environ, maps, fd, root), however that one was started, nor signal one where the kernel knows how
 * to forbid it. Files are as they were. 1, 0 where the kernel has no Landlock, or -errno. Needs
 * no_new_privs.
 */
int domain_enter(void);

#endif
