/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connections in fixed places; a connection is where its request is. Owned by the server. */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/control/authd.h"
#include "lib/control/server.h"
#include "lib/wire/frame.h"

#define READ_SIZE   4096
#define ACCEPTS_MAX 8 /* a round */

enum phase {
	PHASE_REQUEST, /* one is awaited */
	PHASE_WAIT,    /* the daemon works on it */
	PHASE_SEND,    /* the answer goes out */
};

struct mtls_control_call {
	const struct mtls_control_service *service;
	int fd; /* -1: a free place */
	pid_t pid;
	enum phase phase;
	struct mtls_frame frame;
	struct mtls_buf out;
	size_t out_at;
	uint64_t ticket;
	mtls_deadline deadline;
	bool begun; /* a part of a request is here */
	bool again; /* a whole request may be here, but it was the others' turn */
};

struct mtls_control_server {
	struct mtls_control_service service;
	struct mtls_control_call calls[MTLS_CONTROL_CALLS_MAX];
};

/* ----------------------------------------------------------------------------- connection */

static void call_close(struct mtls_control_call *call)
{
	(void)close(call->fd);
	call->fd = -1;
	mtls_frame_done(&call->frame);
	mtls_buf_done(&call->out);
}

static void call_begin(struct mtls_control_call *call, const struct mtls_control_service *service,
		       int fd, pid_t pid)
{
	*call = (struct mtls_control_call){
		.service = service, .fd = fd, .pid = pid, .phase = PHASE_REQUEST
	};
	mtls_frame_init(&call->frame, false);
	mtls_frame_expect(&call->frame, MTLS_EXPECT(CONTROL_REQUEST));
	mtls_buf_init(&call->out, MTLS_CONTROL_OUT_MAX, false);
	call->deadline = mtls_deadline_in_ms(call->service->idle_ms);
}

static int queue(struct mtls_control_call *call, const struct mtls_msg *msg)
{
	_cleanup_free_ uint8_t *der = NULL;
	size_t len = 0;
	int r = mtls_msg_encode(msg, &der, &len, NULL);

	return r < 0 ? r : mtls_buf_append(&call->out, der, len);
}

static int queue_end(struct mtls_control_call *call, const struct mtls_msg *end)
{
	int r = queue(call, end);

	call->phase = PHASE_SEND;
	call->deadline = mtls_deadline_in_ms(call->service->move_ms);
	return r;
}

/* Instead of what was told so far. */
static int queue_failure(struct mtls_control_call *call, int err, struct mtls_msg *msg)
{
	struct mtls_control_end *end = &msg->u.control_end;

	mtls_buf_reset(&call->out);
	end->code = MTLS_CONTROL_FAILED;
	for (size_t i = 0; i < end->fields.count; i++) {
		free(end->fields.field[i].name);
		free(end->fields.field[i].value);
	}
	end->fields = (struct mtls_control_fields){ 0 };
	int r = mtls_control_set_sentence(&end->text, mtls_strerror(err));
	return r < 0 ? r : queue_end(call, msg);
}

static int carry_out(struct mtls_control_call *call, const struct mtls_control_request *request)
{
	const struct mtls_control_service *service = call->service;
	_cleanup_(mtls_msg_freep) struct mtls_msg *end = mtls_msg_new(MTLS_MSG_CONTROL_END);

	if (!end)
		return -ENOMEM;
	int r = 0;
	if (request->version != MTLS_CONTROL_VERSION) {
		end->u.control_end.code = MTLS_CONTROL_USAGE;
		r = mtls_control_set_sentence(&end->u.control_end.text,
					      "the daemon speaks version 1: install programs of "
					      "one version");
	} else {
		r = service->handle(service->ctx, call, request, &end->u.control_end);
	}
	if (call->phase == PHASE_WAIT && r >= 0)
		return 0;
	call->phase = PHASE_REQUEST;
	if (r >= 0)
		r = queue_end(call, end);
	return r < 0 ? queue_failure(call, r, end) : 0;
}

/* One request, if a whole one is here. */
static int take(struct mtls_control_call *call)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = NULL;
	int r = mtls_frame_next(&call->frame, &msg, NULL);

	if (r > 0) {
		call->begun = false;
		return carry_out(call, &msg->u.control_request);
	}
	/* Its time counts from its first byte. */
	if (r == 0 && mtls_frame_pending(&call->frame) && !call->begun) {
		call->begun = true;
		call->deadline = mtls_deadline_in_ms(call->service->move_ms);
	}
	return r;
}

static int read_in(struct mtls_control_call *call)
{
	uint8_t bytes[READ_SIZE];
	ssize_t n = recv(call->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	return n == 0 ? MTLS_E_CLOSED : mtls_frame_push(&call->frame, bytes, (size_t)n);
}

/* As much as the peer takes; all of it: the next request may come. */
static int send_out(struct mtls_control_call *call)
{
	while (call->out_at < call->out.len) {
		ssize_t n = send(call->fd, call->out.data + call->out_at,
				 call->out.len - call->out_at, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		call->out_at += (size_t)n;
	}
	mtls_buf_done(&call->out); /* a long answer's memory is not kept */
	call->out_at = 0;
	call->phase = PHASE_REQUEST;
	call->again = mtls_frame_pending(&call->frame);
	call->deadline = mtls_deadline_in_ms(call->service->idle_ms);
	return 0;
}

static void advance(struct mtls_control_call *call, short events)
{
	int r = 0;

	if (call->phase == PHASE_REQUEST) {
		if (events)
			r = read_in(call);
		if (r >= 0 && (events || call->again)) {
			call->again = false;
			r = take(call);
		}
	} else if (call->phase == PHASE_WAIT && events) {
		r = MTLS_E_CLOSED; /* nothing but its end was asked for */
	}
	if (r >= 0 && call->phase == PHASE_SEND)
		r = send_out(call);
	if (r < 0 || mtls_deadline_left_ms(call->deadline) == 0)
		call_close(call);
}

/* --------------------------------------------------------------------------------- server */

/* Has asked for nothing now: it makes room if there is none. */
static bool idle(const struct mtls_control_call *call)
{
	return call->phase == PHASE_REQUEST && !call->begun && !call->again;
}

/* A free one, else that of who has been idle longest, else NULL. */
static struct mtls_control_call *find_place(struct mtls_control_server *server)
{
	struct mtls_control_call *oldest = NULL;

	for (size_t i = 0; i < MTLS_CONTROL_CALLS_MAX; i++) {
		struct mtls_control_call *call = &server->calls[i];
		if (call->fd < 0)
			return call;
		if (idle(call) && (!oldest || call->deadline < oldest->deadline))
			oldest = call;
	}
	return oldest;
}

/* The socket's mode says the same; a mistake in either is then no hole. */
static void admit(struct mtls_control_server *server)
{
	struct mtls_control_call *call;

	for (int i = 0; i < ACCEPTS_MAX && (call = find_place(server)) != NULL; i++) {
		struct ucred cred;
		socklen_t len = sizeof(cred);
		int fd = accept4(server->service.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0)
			return; /* poll tells again */
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 ||
		    cred.uid != server->service.uid) {
			(void)close(fd);
			continue;
		}
		if (call->fd >= 0)
			call_close(call);
		call_begin(call, &server->service, fd, cred.pid);
	}
}

int mtls_control_server_new(const struct mtls_control_service *service,
			    struct mtls_control_server **ret)
{
	struct mtls_control_server *server = calloc(1, sizeof(*server));

	if (!server)
		return -ENOMEM;
	server->service = *service;
	for (size_t i = 0; i < MTLS_CONTROL_CALLS_MAX; i++)
		server->calls[i].fd = -1;
	*ret = server;
	return 0;
}

void mtls_control_server_free(struct mtls_control_server *server)
{
	if (!server)
		return;
	for (size_t i = 0; i < MTLS_CONTROL_CALLS_MAX; i++)
		if (server->calls[i].fd >= 0)
			call_close(&server->calls[i]);
	free(server);
}

void mtls_control_server_watch(const struct mtls_control_server *server, struct pollfd *fds)
{
	static const short events[] = {
		[PHASE_REQUEST] = POLLIN, [PHASE_WAIT] = 0, [PHASE_SEND] = POLLOUT
	};
	bool room = false;

	for (size_t i = 0; i < MTLS_CONTROL_CALLS_MAX; i++) {
		const struct mtls_control_call *call = &server->calls[i];
		room = room || call->fd < 0 || idle(call);
		fds[i + 1] = (struct pollfd){ .fd = call->fd, .events = events[call->phase] };
	}
	fds[0] = (struct pollfd){ .fd = room ? server->service.fd : -1, .events = POLLIN };
}

mtls_deadline mtls_control_server_due(const struct mtls_control_server *server)
{
	mtls_deadline due = INT64_MAX;

	for (size_t i = 0; i < MTLS_CONTROL_CALLS_MAX; i++) {
		const struct mtls_control_call *call = &server->calls[i];
		if (call->fd >= 0)
			due = mtls_deadline_min(due, call->again ? 0 : call->deadline);
	}
	return due;
}

void mtls_control_server_run(struct mtls_control_server *server, const struct pollfd *fds)
{
	for (size_t i = 0; i < MTLS_CONTROL_CALLS_MAX; i++)
		if (server->calls[i].fd >= 0)
			advance(&server->calls[i], fds ? fds[i + 1].revents : 0);
	if (fds && fds[0].revents)
		admit(server);
}

size_t mtls_control_server_fds(const struct mtls_control_server *server, int *fds)
{
	size_t count = 0;

	for (size_t i = 0; i < MTLS_CONTROL_CALLS_MAX; i++)
		if (server->calls[i].fd >= 0)
			fds[count++] = server->calls[i].fd;
	return count;
}

int mtls_control_call_tell(struct mtls_control_call *call, const char *kind,
			   const struct mtls_control_pair *pairs, size_t count)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = NULL;
	int r = mtls_control_item_new(kind, pairs, count, &msg);

	return r < 0 ? r : queue(call, msg);
}

void mtls_control_call_wait(struct mtls_control_call *call, uint64_t ticket)
{
	call->phase = PHASE_WAIT;
	call->ticket = ticket;
	call->deadline = INT64_MAX; /* the daemon's own limits end it */
}

void mtls_control_server_answer(struct mtls_control_server *server, uint64_t ticket,
				const struct mtls_msg *end)
{
	for (size_t i = 0; i < MTLS_CONTROL_CALLS_MAX; i++) {
		struct mtls_control_call *call = &server->calls[i];
		if (call->fd < 0 || call->phase != PHASE_WAIT || call->ticket > ticket)
			continue;
		if (queue_end(call, end) < 0)
			call_close(call);
		else
			advance(call, 0);
	}
}

pid_t mtls_control_call_pid(const struct mtls_control_call *call)
{
	return call->pid;
}
