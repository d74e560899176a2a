/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Deadlines on CLOCK_MONOTONIC. A deadline is one number; it is passed down, never restarted. */
#ifndef MTLS_BASE_CLOCK_H
#define MTLS_BASE_CLOCK_H

#include <stdint.h>

typedef int64_t mtls_deadline; /* milliseconds of CLOCK_MONOTONIC */

int64_t mtls_now_ms(void); /* CLOCK_MONOTONIC */
int64_t mtls_now_us(void); /* the same, for durations */

mtls_deadline mtls_deadline_in_ms(uint32_t ms);

/* Milliseconds left, 0 when it has passed; at most INT_MAX, so it can be given to poll(2). */
int mtls_deadline_left_ms(mtls_deadline deadline);

/* The earlier of the two. */
mtls_deadline mtls_deadline_min(mtls_deadline a, mtls_deadline b);

/*
 * Waits until @fd has one of @events (poll(2)), through EINTR, at most until @deadline.
 * Returns 0, -ETIMEDOUT, or -errno.
 */
int mtls_wait_fd(int fd, short events, mtls_deadline deadline);

#endif
