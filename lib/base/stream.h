/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stream sockets with a deadline. */
#ifndef MTLS_BASE_STREAM_H
#define MTLS_BASE_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/clock.h"

/*
 * Sends all of @data, at most until @deadline, whether or not @fd blocks, and without SIGPIPE.
 * Returns 0, -ETIMEDOUT, MTLS_E_CLOSED (the peer is gone), or -errno; then part of it may be sent.
 */
int mtls_stream_send(int fd, const uint8_t *data, size_t len, mtls_deadline deadline);

#endif
