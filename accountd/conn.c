/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The connections and the two listening sockets; one timer watches all deadlines. */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "accountd/accountd.h"
#include "accountd/conn.h"
#include "accountd/import.h"
#include "accountd/verbs.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/wire/frame.h"

#define READ_SIZE   65536
#define ACCEPTS_MAX 16     /* in a row, before connections get their turn */
#define ITEMS_MAX   1000   /* of an answer queued at once */
#define LOW_WATER   262144 /* bytes of an answer below which more of it is made */
#define IDLE_MS     300000 /* between requests */
#define MOVE_MS     60000  /* for the next bytes of a request, or to take those of an answer */
#define TICK_MS     1000
#define QUIET_MS    1000 /* no further log line about refused peers before */

struct conn_io {
	struct conn *conn;
	uv_poll_t poll;
	int fd;
	struct mtls_frame frame;
	struct mtls_buf out;
	size_t out_at;
	mtls_deadline deadline;
	bool again; /* has a request, but it is the others' turn */
	bool closing;
};

struct door {
	uv_poll_t poll;
	struct server *server;
	int fd; /* borrowed */
	bool authd;
	size_t count, max;
};

struct server {
	struct keeper *keeper;
	struct door doors[2];
	uv_timer_t tick;
	struct conn *first;
	bool stopping;
	mtls_deadline quiet_until;
	int handles;
};

struct keeper *server_keeper(const struct server *server)
{
	return server->keeper;
}

/* ---------------------------------------------------------------------------- connection */

static void on_conn_closed(uv_handle_t *handle)
{
	struct conn *conn = handle->data;

	(void)close(conn->io->fd);
	mtls_frame_done(&conn->io->frame);
	mtls_buf_done(&conn->io->out);
	mtls_msg_free(conn->end);
	import_free(conn->import);
	free(conn->io);
	free(conn);
}

static void conn_close(struct conn *conn)
{
	struct server *server = conn->server;

	if (conn->io->closing)
		return;
	conn->io->closing = true;
	for (struct conn **at = &server->first; *at; at = &(*at)->next) {
		if (*at == conn) {
			*at = conn->next;
			break;
		}
	}
	server->doors[conn->authd].count--;
	if (!server->first)
		(void)uv_timer_stop(&server->tick);
	uv_close((uv_handle_t *)&conn->io->poll, on_conn_closed);
}

static bool sending(const struct conn_io *io)
{
	return io->out_at < io->out.len;
}

static void set_deadline(struct conn *conn)
{
	bool idle = conn->phase == CONN_REQUEST && !mtls_frame_pending(&conn->io->frame) &&
		    !sending(conn->io);

	conn->io->deadline = conn->phase == CONN_PUBLISH && !sending(conn->io)
				     ? INT64_MAX /* the publisher's judgement or end comes */
				     : mtls_deadline_in_ms(idle ? IDLE_MS : MOVE_MS);
}

static void queue(struct conn *conn, const struct mtls_msg *msg, int *err)
{
	struct conn_io *io = conn->io;
	_cleanup_free_ uint8_t *der = NULL;
	struct mtls_diag diag = { 0 };
	size_t len = 0;

	int r = mtls_msg_encode(msg, &der, &len, &diag);
	if (r >= 0 && io->out_at) {
		mtls_buf_consume(&io->out, io->out_at);
		io->out_at = 0;
	}
	if (r >= 0)
		r = mtls_buf_append(&io->out, der, len);
	if (r < 0)
		mtls_log(MTLS_LOG_ERROR, "answer: %s", mtls_diag_text(&diag, r));
	*err = r;
}

int conn_item(struct conn *conn, const struct mtls_msg *item)
{
	int r = 0;

	queue(conn, item, &r);
	return r;
}

/* Makes more of the answer while there is room: the items of an import, then the end. */
static int make_answer(struct conn *conn)
{
	int r = 0;

	while (r == 0 && conn->import && conn->io->out.len - conn->io->out_at < LOW_WATER) {
		for (int i = 0; r == 0 && conn->import && i < ITEMS_MAX; i++) {
			r = import_next_item(conn->import, conn);
			if (r == 0) {
				import_free(conn->import);
				conn->import = NULL;
			}
			r = r > 0 ? 0 : r;
		}
	}
	if (r == 0 && !conn->import && conn->phase == CONN_SEND && conn->end) {
		queue(conn, conn->end, &r);
		mtls_msg_free(conn->end);
		conn->end = NULL;
	}
	return r;
}

/* 1: all is sent; 0: the peer does not take more; -errno. */
static int send_out(struct conn_io *io)
{
	while (sending(io)) {
		ssize_t n = send(io->fd, io->out.data + io->out_at, io->out.len - io->out_at,
				 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		io->out_at += (size_t)n;
		set_deadline(io->conn);
	}
	mtls_buf_reset(&io->out);
	io->out_at = 0;
	return 1;
}

static void expect(struct conn *conn)
{
	mtls_frame_expect(&conn->io->frame,
			  conn->phase == CONN_ITEMS
				  ? MTLS_EXPECT(CONTROL_ITEM) | MTLS_EXPECT(CONTROL_END)
				  : MTLS_EXPECT(CONTROL_REQUEST));
}

/* One message of the client. 1: taken; 0: more bytes are needed; or an error. */
static int take_message(struct conn *conn)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = NULL;
	struct mtls_diag diag = { 0 };

	expect(conn);
	int r = mtls_frame_next(&conn->io->frame, &msg, &diag);
	if (r <= 0)
		return r;
	switch (msg->type) {
	case MTLS_MSG_CONTROL_REQUEST:
		r = verbs_run(conn, &msg->u.control_request);
		break;
	case MTLS_MSG_CONTROL_ITEM:
		r = import_take(conn->import, &msg->u.control_item);
		break;
	default:
		r = verbs_import(conn, &msg->u.control_end);
	}
	return r < 0 ? r : 1;
}

static void watch(struct conn *conn);

/* The answer is sent. 0: enough for now. */
static int next_request(struct conn *conn)
{
	conn->phase = CONN_REQUEST;
	conn->io->again = mtls_frame_pending(&conn->io->frame);
	return 0;
}

/* As far as it goes without waiting, but one request at most: then others get their turn. */
static void advance(struct conn *conn)
{
	int r = 1;

	if (conn->io->closing)
		return;
	conn->io->again = false;
	while (r > 0 && !conn->io->closing) {
		bool answering = conn->phase == CONN_SEND || conn->phase == CONN_PUBLISH;
		r = answering ? make_answer(conn) : 0;
		if (r >= 0)
			r = send_out(conn->io);
		if (r <= 0)
			break;
		if (conn->phase == CONN_PUBLISH)
			r = conn->import ? 1 : 0;
		else if (conn->phase == CONN_SEND && (conn->import || conn->end))
			r = 1;
		else if (conn->phase == CONN_SEND)
			r = next_request(conn);
		else
			r = take_message(conn);
	}
	if (conn->io->closing)
		return; /* what it asked for ended this process's work */
	set_deadline(conn);
	if (r < 0 || (conn->server->stopping && conn->phase == CONN_REQUEST && !sending(conn->io)))
		conn_close(conn);
	else
		watch(conn);
}

static int read_in(struct conn *conn)
{
	uint8_t bytes[READ_SIZE];
	ssize_t n = recv(conn->io->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return MTLS_E_CLOSED;
	set_deadline(conn);
	expect(conn);
	return mtls_frame_push(&conn->io->frame, bytes, (size_t)n);
}

static void on_conn(uv_poll_t *poll, int status, int events)
{
	struct conn *conn = poll->data;
	bool listening = conn->phase == CONN_REQUEST || conn->phase == CONN_ITEMS;
	int r = status;

	if (r >= 0 && (events & UV_READABLE) && listening)
		r = read_in(conn);
	/* Who hangs up while an answer is made does not want it; what was stored stays. */
	else if (r >= 0 && (events & UV_DISCONNECT))
		r = MTLS_E_CLOSED;
	if (r < 0)
		conn_close(conn);
	else
		advance(conn);
}

static void watch(struct conn *conn)
{
	int events = UV_DISCONNECT;

	if (sending(conn->io) || conn->io->again)
		events |= UV_WRITABLE;
	else if (conn->phase == CONN_REQUEST || conn->phase == CONN_ITEMS)
		events |= UV_READABLE;
	if (uv_poll_start(&conn->io->poll, events, on_conn) < 0)
		conn_close(conn);
}

static void on_tick(uv_timer_t *timer)
{
	struct server *server = timer->data;

	for (struct conn *conn = server->first, *next; conn; conn = next) {
		next = conn->next;
		if (conn->io->deadline != INT64_MAX &&
		    mtls_deadline_left_ms(conn->io->deadline) == 0)
			conn_close(conn);
	}
}

static int conn_new(struct door *door, int fd, const struct ucred *cred)
{
	struct server *server = door->server;
	struct conn *conn = calloc(1, sizeof(*conn));
	struct conn_io *io = calloc(1, sizeof(*io));

	if (!conn || !io || uv_poll_init(&server->keeper->loop, &io->poll, fd) < 0) {
		free(conn);
		free(io);
		return -ENOMEM;
	}
	*conn = (struct conn){ .server = server,
			       .authd = door->authd,
			       .uid = cred->uid,
			       .pid = cred->pid,
			       .phase = CONN_REQUEST,
			       .next = server->first,
			       .io = io };
	io->conn = conn;
	io->fd = fd;
	io->poll.data = conn;
	mtls_frame_init(&io->frame, false);
	mtls_buf_init(&io->out, CONN_OUT_MAX, false);
	if (!server->first)
		(void)uv_timer_start(&server->tick, on_tick, TICK_MS, TICK_MS);
	server->first = conn;
	door->count++;
	set_deadline(conn);
	watch(conn);
	return 0;
}

/* ----------------------------------------------------------------------------- the doors */

/* The socket's mode says the same; a mistake in either is then no hole. */
static bool welcome(const struct door *door, uid_t uid)
{
	return uid == 0 || (door->authd && uid == door->server->keeper->setup->authd_uid);
}

static void turn_away(struct server *server, const struct ucred *cred, const char *why)
{
	if (mtls_deadline_left_ms(server->quiet_until))
		return;
	server->quiet_until = mtls_deadline_in_ms(QUIET_MS);
	mtls_log(MTLS_LOG_WARNING, "connection of uid %u, process %ld closed: %s", cred->uid,
		 (long)cred->pid, why);
}

static void admit(struct door *door, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0) {
		(void)close(fd);
		return;
	}
	const char *why = NULL;
	if (!welcome(door, cred.uid))
		why = "it may not ask here";
	else if (door->count >= door->max)
		why = "too many connections";
	else if (conn_new(door, fd, &cred) < 0)
		why = "out of memory";
	if (why) {
		(void)close(fd);
		turn_away(door->server, &cred, why);
	}
}

static void on_door(uv_poll_t *poll, int status, int events)
{
	struct door *door = poll->data;

	(void)status;
	(void)events;
	for (int i = 0; i < ACCEPTS_MAX; i++) {
		int fd = accept4(door->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			admit(door, fd);
		else if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

/* -------------------------------------------------------------------------------- server */

int server_new(struct keeper *keeper, struct server **ret)
{
	static const struct {
		int fd;
		size_t max;
	} doors[] = { { ACCOUNTD_FD_CONTROL, CONN_MAX }, { ACCOUNTD_FD_AUTHD, CONN_AUTHD_MAX } };
	struct server *server = calloc(1, sizeof(*server));
	int r = 0;

	if (!server)
		return -ENOMEM;
	server->keeper = keeper;
	(void)uv_timer_init(&keeper->loop, &server->tick);
	server->tick.data = server;
	server->handles = 1;
	for (size_t i = 0; r >= 0 && i < MTLS_COUNT(doors); i++) {
		struct door *door = &server->doors[i];
		*door = (struct door){
			.server = server, .fd = doors[i].fd, .max = doors[i].max, .authd = i == 1
		};
		r = uv_poll_init(&keeper->loop, &door->poll, door->fd);
		if (r < 0)
			break;
		server->handles++;
		door->poll.data = door;
		r = uv_poll_start(&door->poll, UV_READABLE, on_door);
	}
	*ret = server; /* on failure too: the process ends and frees it like others */
	return r;
}

void server_stop(struct server *server)
{
	server->stopping = true;
	for (size_t i = 0; i < MTLS_COUNT(server->doors); i++)
		(void)uv_poll_stop(&server->doors[i].poll);
	for (struct conn *conn = server->first, *next; conn; conn = next) {
		next = conn->next;
		if (conn->phase == CONN_REQUEST && !sending(conn->io))
			conn_close(conn);
	}
}

bool server_idle(const struct server *server)
{
	for (const struct conn *conn = server->first; conn; conn = conn->next)
		if (conn->phase != CONN_REQUEST && conn->phase != CONN_ITEMS)
			return false;
	return true;
}

void server_judged(struct server *server, uint64_t number, int code, const char *text)
{
	for (struct conn *conn = server->first, *next; conn; conn = next) {
		next = conn->next;
		if (conn->io->closing || conn->phase != CONN_PUBLISH || conn->stream > number)
			continue;
		conn->phase = CONN_SEND;
		struct mtls_control_end *end = &conn->end->u.control_end;
		int r = 0;
		if (code < 0) {
			end->code = MTLS_CONTROL_UNPUBLISHED;
			r = mtls_msg_set_text(&end->text, text);
		}
		if (r < 0)
			conn_close(conn);
		else
			advance(conn);
	}
}

static void on_server_closed(uv_handle_t *handle)
{
	struct server *server = handle->data;

	if (handle != (uv_handle_t *)&server->tick)
		server = ((struct door *)handle->data)->server;
	if (--server->handles == 0)
		free(server);
}

void server_free(struct server *server)
{
	if (!server)
		return;
	while (server->first)
		conn_close(server->first);
	uv_close((uv_handle_t *)&server->tick, on_server_closed);
	for (size_t i = 0; i < MTLS_COUNT(server->doors); i++)
		if (server->doors[i].poll.data)
			uv_close((uv_handle_t *)&server->doors[i].poll, on_server_closed);
}
