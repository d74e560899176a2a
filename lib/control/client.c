/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The client half of a control socket. Who listens there is looked at before a byte is sent: the
 * folder of the socket is root's, but a socket outlives whoever bound it. After the first surprise
 * nothing is read any more. Blocking; every message has the whole timeout, whatever it is cut into.
 * Owns the socket; one thread.
 */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/base/stream.h"
#include "lib/control/client.h"
#include "lib/wire/frame.h"

#define READ_CHUNK 16384

struct mtls_control {
	int fd;
	uint32_t timeout_ms;
	bool broken; /* the stream is of no further use */
	struct mtls_frame frame;
};

/* connect(2) to a unix socket waits while its backlog is full, for as long as SO_SNDTIMEO says. */
static int connect_within(int fd, const struct sockaddr_un *address, uint32_t timeout_ms)
{
	struct timeval limit = { .tv_sec = timeout_ms / 1000,
				 .tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000 };

	if (timeout_ms == 0)
		limit.tv_usec = 1; /* 0 would mean: for ever */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return 0;
}

static int say_connect(int err, const char *path, struct mtls_diag *diag)
{
	if (err == -ENOENT || err == -ECONNREFUSED)
		return mtls_diag_set(diag, err, "the daemon does not run: nobody listens at '%s'",
				     path);
	return mtls_diag_set(diag, err, "'%s': cannot connect: %s", path, mtls_strerror(err));
}

static int check_peer(int fd, const char *path, uid_t owner, struct mtls_diag *diag)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return mtls_diag_set(diag, -errno, "'%s': who listens there is not known", path);
	if (peer.uid != 0 && peer.uid != owner)
		return mtls_diag_set(diag, MTLS_E_UNTRUSTED,
				     "'%s': uid %u listens there, instead of root or uid %u", path,
				     (unsigned int)peer.uid, (unsigned int)owner);
	return 0;
}

int mtls_control_connect(const char *path, uid_t owner, uint32_t timeout_ms,
			 struct mtls_control **ret, struct mtls_diag *diag)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (mtls_strcopy(address.sun_path, sizeof(address.sun_path), path) < 0)
		return mtls_diag_set(diag, MTLS_E_LIMIT, "'%s': too long for a socket", path);
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return mtls_diag_set(diag, -errno, "cannot make a socket: %s", strerror(errno));
	int r = connect_within(fd, &address, timeout_ms);
	if (r < 0)
		return say_connect(r, path, diag);
	r = check_peer(fd, path, owner, diag);
	if (r < 0)
		return r;
	struct mtls_control *control = calloc(1, sizeof(*control));
	if (!control)
		return -ENOMEM;
	control->fd = MTLS_TAKE_FD(fd);
	control->timeout_ms = timeout_ms;
	mtls_frame_init(&control->frame, false);
	mtls_frame_expect(&control->frame, MTLS_EXPECT(CONTROL_ITEM) | MTLS_EXPECT(CONTROL_END));
	*ret = control;
	return 0;
}

void mtls_control_free(struct mtls_control *control)
{
	if (!control)
		return;
	(void)close(control->fd);
	mtls_frame_done(&control->frame);
	free(control);
}

/* Any error ends the conversation, but for CLOSED in sending: the reason may still be readable. */
static int failed(struct mtls_control *control, int err, struct mtls_diag *diag, const char *what)
{
	struct mtls_diag inner = { 0 };

	control->broken = true;
	if (diag)
		inner = *diag;
	return mtls_diag_set(diag, err, "%s: %.400s", what, mtls_diag_text(&inner, err));
}

int mtls_control_send(struct mtls_control *control, const struct mtls_msg *msg,
		      struct mtls_diag *diag)
{
	_cleanup_free_ uint8_t *der = NULL;
	size_t len = 0;

	if (control->broken)
		return mtls_diag_set(diag, MTLS_E_CLOSED, "the conversation has failed before");
	if (msg->type != MTLS_MSG_CONTROL_REQUEST && msg->type != MTLS_MSG_CONTROL_ITEM &&
	    msg->type != MTLS_MSG_CONTROL_END)
		return mtls_diag_set(diag, MTLS_E_BUG, "not a control message");
	/* An answer that nobody asked for could be taken for the answer to this. */
	if (msg->type == MTLS_MSG_CONTROL_REQUEST && mtls_frame_pending(&control->frame))
		return failed(control, MTLS_E_PROTOCOL, diag, "the daemon spoke unasked");
	/* Nothing was sent: what cannot be said does not end the conversation. */
	int r = mtls_msg_encode(msg, &der, &len, diag);
	if (r < 0)
		return r;
	r = mtls_stream_send(control->fd, der, len, mtls_deadline_in_ms(control->timeout_ms));
	if (r == MTLS_E_CLOSED)
		return mtls_diag_set(diag, r, "the daemon closed the connection");
	return r < 0 ? failed(control, r, diag, "sending to the daemon") : 0;
}

/* Waits for bytes and hands them to the frame. */
static int read_some(struct mtls_control *control, mtls_deadline deadline)
{
	uint8_t chunk[READ_CHUNK];

	int r = mtls_wait_fd(control->fd, POLLIN, deadline);
	if (r < 0)
		return r;
	ssize_t n = recv(control->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return MTLS_E_CLOSED;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	return mtls_frame_push(&control->frame, chunk, (size_t)n);
}

int mtls_control_receive(struct mtls_control *control, struct mtls_msg **ret,
			 struct mtls_diag *diag)
{
	mtls_deadline deadline = mtls_deadline_in_ms(control->timeout_ms);

	if (control->broken)
		return mtls_diag_set(diag, MTLS_E_CLOSED, "the conversation has failed before");
	for (;;) {
		int r = mtls_frame_next(&control->frame, ret, diag);
		if (r > 0)
			return 0;
		/* A byte now and then does not move the deadline. */
		if (r == 0)
			r = mtls_deadline_left_ms(deadline) > 0 ? read_some(control, deadline)
								: -ETIMEDOUT;
		if (r < 0)
			return failed(control, r, diag, "the answer of the daemon");
	}
}
