/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages between supervisor and worker, with descriptors. Holds no state. */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "authd/channel.h"
#include "lib/base/cleanup.h"
#include "lib/base/err.h"

union ancillary {
	char data[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

int channel_send(int fd, const struct channel_msg *msg, int pass)
{
	struct channel_msg copy = *msg;
	struct iovec iov = { .iov_base = &copy, .iov_len = sizeof(copy) };
	union ancillary anc = { 0 };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (pass >= 0) {
		hdr.msg_control = anc.data;
		hdr.msg_controllen = sizeof(anc.data);
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&hdr);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &pass, sizeof(pass));
	}
	return sendmsg(fd, &hdr, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int channel_recv(int fd, struct channel_msg *msg, int *ret_fd)
{
	struct iovec iov = { .iov_base = msg, .iov_len = sizeof(*msg) };
	union ancillary anc = { 0 };
	struct msghdr hdr = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = anc.data,
			      .msg_controllen = sizeof(anc.data) };
	_cleanup_close_ int received = -1;

	ssize_t n = recvmsg(fd, &hdr, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n < 0)
		return errno == EINTR || errno == EWOULDBLOCK ? -EAGAIN : -errno;
	const struct cmsghdr *cmsg = CMSG_FIRSTHDR(&hdr);
	if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS)
		memcpy(&received, CMSG_DATA(cmsg), sizeof(received));
	if (n == 0)
		return 0;
	if ((size_t)n != sizeof(*msg) || (hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return MTLS_E_PROTOCOL;
	*ret_fd = MTLS_TAKE_FD(received);
	return 1;
}
