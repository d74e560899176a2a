/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* System-call filters: an allow list for workers, a deny list for lookup processes. */
#ifndef AUTHD_SANDBOX_H
#define AUTHD_SANDBOX_H

#include <stddef.h>

/*
 * Workers: no open, socket, connect, exec, fork, kill. Anything not listed kills the process.
 * Everything must have been opened and warmed up before. 0 or -errno.
 */
int sandbox_worker(void);

/*
 * Lookup processes: NSS modules need files and sockets, so only exec, ptrace, signals to others,
 * mounts and the like are refused (EPERM). 0 or -errno.
 */
int sandbox_lookup(void);

/*
 * Further calls for workers, by name: none in normal builds (sandbox_plain.c), what the runtime of
 * the sanitizers needs in those builds (sandbox_sanitizer.c). Chosen by the build.
 */
extern const char *const sandbox_extra[];
extern const size_t sandbox_extra_count;

#endif
