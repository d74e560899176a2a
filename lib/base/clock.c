/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Monotonic deadlines. */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <time.h>

#include "lib/base/clock.h"

int64_t mtls_now_ms(void)
{
	struct timespec ts = { 0 };
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t mtls_now_us(void)
{
	struct timespec ts = { 0 };
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

mtls_deadline mtls_deadline_in_ms(uint32_t ms)
{
	return mtls_now_ms() + ms;
}

int mtls_deadline_left_ms(mtls_deadline deadline)
{
	int64_t left = deadline - mtls_now_ms();
	if (left <= 0)
		return 0;
	return left > INT_MAX ? INT_MAX : (int)left;
}

mtls_deadline mtls_deadline_min(mtls_deadline a, mtls_deadline b)
{
	return a < b ? a : b;
}

int mtls_wait_fd(int fd, short events, mtls_deadline deadline)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	for (;;) {
		int n = poll(&pfd, 1, mtls_deadline_left_ms(deadline));
		if (n > 0)
			return pfd.revents & POLLNVAL ? -EBADF : 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (mtls_deadline_left_ms(deadline) == 0)
			return -ETIMEDOUT;
	}
}
