/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which system calls the children may still make. Everything else ends the process. A filter cannot
 * be taken off again and needs no_new_privs.
 */
#ifndef ACCOUNTD_SANDBOX_H
#define ACCOUNTD_SANDBOX_H

#include <stddef.h>
#include <sys/resource.h>

/* Files, the descriptors that it was given, memory: no exec, no new socket, no signal. */
int sandbox_store(void);
int sandbox_publisher(void);

/* What a sanitizer's runtime needs besides; empty in normal builds. */
extern const char *const accountd_sandbox_extra[];
extern const size_t accountd_sandbox_extra_count;

/*
 * Bytes of data that the publisher may have (RLIMIT_DATA): several times what four million accounts
 * need, so that a stream made up for it cannot take the machine's memory.
 */
extern const rlim_t accountd_publisher_data_max;

#endif
