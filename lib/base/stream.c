/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stream sockets with a deadline. No state; any thread. */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "lib/base/err.h"
#include "lib/base/stream.h"

int mtls_stream_send(int fd, const uint8_t *data, size_t len, mtls_deadline deadline)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN) {
			int r = mtls_wait_fd(fd, POLLOUT, deadline);
			if (r < 0)
				return r;
			continue;
		}
		if (n < 0 && errno != EINTR)
			return errno == EPIPE || errno == ECONNRESET ? MTLS_E_CLOSED : -errno;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return 0;
}
