/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a service manager and a daemon say to each other: sd_notify(3) and sd_listen_fds(3), after
 * their manual pages. Ours, because libsystemd would bring its compressors into privileged daemons.
 */
#ifndef MTLS_SERVICE_NOTIFY_H
#define MTLS_SERVICE_NOTIFY_H

#include <stddef.h>
#include <stdint.h>

#define MTLS_SERVICE_FDS_MAX 16

/*
 * Remembers NOTIFY_SOCKET, WATCHDOG_* and LISTEN_* and takes them out of the environment, so that
 * no child speaks for us. Once, at start, before there are threads and before any file is opened.
 */
void mtls_service_init(void);

/* Sends "READY=1", "STATUS=...", "WATCHDOG=1", ...: a line each. 0 without a manager, or -errno. */
int mtls_service_notify(const char *state);

/* How often the watchdog wants to hear of us, in milliseconds (half of its limit); 0: never. */
uint32_t mtls_service_watchdog_ms(void);

/*
 * Takes a listening stream socket of the name @name (FileDescriptorName= of the unit) that the
 * manager passed: close-on-exec is set, each is given once. -ENOENT if there is none; -EPROTOTYPE
 * if it is something else.
 */
int mtls_service_take_socket(const char *name, int *ret_fd);

/* Likewise, the one that is bound to @path. */
int mtls_service_take_path(const char *path, int *ret_fd);

/* The name of a descriptor that was passed and not taken, from @index 0 on; NULL: no more. */
const char *mtls_service_left(size_t index);

#endif
