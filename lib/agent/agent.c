/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The conversation with an agent: one question, one answer. Owns the socket. One thread. */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "lib/agent/agent_impl.h"
#include "lib/base/buf.h"
#include "lib/base/stream.h"

#define HEADER_LEN 4
#define FIRST_READ 16384 /* bytes: a usual answer at once */

struct mtls_agent {
	int fd;
	bool broken; /* what comes further may belong to another question */
	bool asked;  /* for the keys, ahead */
};

struct mtls_agent *mtls_agent_new(int fd)
{
	struct mtls_agent *agent = calloc(1, sizeof(*agent));

	if (agent)
		agent->fd = fd;
	return agent;
}

void mtls_agent_free(struct mtls_agent *agent)
{
	if (!agent)
		return;
	(void)close(agent->fd);
	free(agent);
}

/* --- connecting --- */

static int check_path(const char *path, uid_t owner, struct mtls_diag *diag)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return mtls_diag_set(diag, -errno, "'%s': %s", path, mtls_strerror(-errno));
	if (!S_ISSOCK(st.st_mode))
		return mtls_diag_set(diag, MTLS_E_UNTRUSTED, "'%s' is no socket", path);
	if (st.st_uid != owner)
		return mtls_diag_set(diag, MTLS_E_UNTRUSTED, "'%s' belongs to uid %u", path,
				     (unsigned int)st.st_uid);
	return 0;
}

/* Who listens: the path may have been exchanged since it was looked at. */
static int check_peer(int fd, uid_t owner, const char *path, struct mtls_diag *diag)
{
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -errno;
	if (peer.uid != owner && peer.uid != 0)
		return mtls_diag_set(diag, MTLS_E_UNTRUSTED, "at '%s' listens uid %u", path,
				     (unsigned int)peer.uid);
	return 0;
}

/*
 * The one call that blocks: where an agent accepts nobody and its queue is full, connect(2) of a
 * non-blocking unix socket gives up at once, and nothing tells when to try again.
 */
static int open_socket(const struct sockaddr_un *address, mtls_deadline deadline, int *ret_fd)
{
	const int left = mtls_deadline_left_ms(deadline);
	const struct timeval timeout = { .tv_sec = left / 1000, .tv_usec = left % 1000 * 1000L };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (left <= 0)
		return -ETIMEDOUT;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0)
		return -errno;
	int r;
	do
		r = connect(fd, (const struct sockaddr *)address, sizeof(*address));
	while (r < 0 && errno == EINTR && mtls_deadline_left_ms(deadline) > 0);
	if (r < 0)
		return errno == EAGAIN || errno == EINTR ? -ETIMEDOUT : -errno;
	*ret_fd = MTLS_TAKE_FD(fd);
	return 0;
}

int mtls_agent_connect(const char *path, uid_t owner, mtls_deadline deadline,
		       struct mtls_agent **ret, struct mtls_diag *diag)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;

	if (strlen(path) >= sizeof(address.sun_path))
		return mtls_diag_set(diag, MTLS_E_LIMIT, "the socket's path is too long");
	memcpy(address.sun_path, path, strlen(path));
	int r = check_path(path, owner, diag);
	if (r < 0)
		return r;
	r = open_socket(&address, deadline, &fd);
	if (r < 0)
		return mtls_diag_set(diag, r, "'%s': %s", path, mtls_strerror(r));
	r = check_peer(fd, owner, path, diag);
	if (r < 0)
		return r;
	*ret = mtls_agent_new(fd);
	if (!*ret)
		return -ENOMEM;
	(void)MTLS_TAKE_FD(fd);
	return 0;
}

/* --- one question, one answer --- */

/* Appends what has come, waiting for something. Also who sends without end is over in time. */
static int receive(int fd, struct mtls_buf *buf, mtls_deadline deadline)
{
	int r = mtls_buf_reserve(buf, FIRST_READ);

	if (r >= 0)
		r = mtls_deadline_left_ms(deadline) > 0 ? mtls_wait_fd(fd, POLLIN, deadline)
							: -ETIMEDOUT;
	if (r < 0)
		return r;
	ssize_t n = recv(fd, buf->data + buf->len, FIRST_READ, MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return MTLS_E_CLOSED;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	buf->len += (size_t)n;
	return 0;
}

/* One whole answer, without its length, to @answer. */
static int read_answer(int fd, mtls_deadline deadline, struct mtls_buf *answer)
{
	uint32_t len = 0;

	for (;;) {
		struct agent_in in = { answer->data, answer->len };
		if (agent_in_u32(&in, &len)) {
			if (len > MTLS_AGENT_MESSAGE_MAX)
				return MTLS_E_LIMIT;
			if (in.len > len) /* nobody asked for more */
				return MTLS_E_PROTOCOL;
			if (in.len == len)
				break;
		}
		int r = receive(fd, answer, deadline);
		if (r < 0)
			return r;
	}
	mtls_buf_consume(answer, HEADER_LEN);
	return 0;
}

/* Without a @question that was asked before. */
static int ask(struct mtls_agent *agent, const struct mtls_buf *question, mtls_deadline deadline,
	       struct mtls_buf *answer, struct mtls_diag *diag)
{
	int r = agent->broken ? MTLS_E_CLOSED : question ? question->err : 0;

	agent->broken = true;
	if (r >= 0 && question)
		r = mtls_stream_send(agent->fd, question->data, question->len, deadline);
	if (r >= 0)
		r = read_answer(agent->fd, deadline, answer);
	if (r < 0)
		return mtls_diag_set(diag, r, "the agent: %s", mtls_strerror(r));
	agent->broken = false;
	return 0;
}

static void put_u32(struct mtls_buf *buf, uint32_t value)
{
	const uint8_t bytes[] = { (uint8_t)(value >> 24), (uint8_t)(value >> 16),
				  (uint8_t)(value >> 8), (uint8_t)value };
	(void)mtls_buf_append(buf, bytes, sizeof(bytes));
}

static void put_string(struct mtls_buf *buf, const void *data, size_t len)
{
	put_u32(buf, (uint32_t)len);
	(void)mtls_buf_append(buf, data, len);
}

/* Room for what receive() reserves behind a whole message. */
#define ANSWER_BUF MTLS_BUF(HEADER_LEN + MTLS_AGENT_MESSAGE_MAX + FIRST_READ)

static void put_list_request(struct mtls_buf *question)
{
	put_u32(question, 1);
	(void)mtls_buf_append_byte(question, AGENT_REQUEST_IDENTITIES);
}

int mtls_agent_ask_ahead(struct mtls_agent *agent, mtls_deadline deadline)
{
	_cleanup_buf_ struct mtls_buf question = MTLS_BUF(HEADER_LEN + 1);

	put_list_request(&question);
	if (question.err < 0)
		return question.err;
	agent->asked = true;
	agent->broken = mtls_stream_send(agent->fd, question.data, question.len, deadline) < 0;
	return 0;
}

int mtls_agent_list(struct mtls_agent *agent, mtls_deadline deadline, struct mtls_agent_keys *ret,
		    struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf question = MTLS_BUF(HEADER_LEN + 1);
	_cleanup_buf_ struct mtls_buf answer = ANSWER_BUF;

	put_list_request(&question);
	int r = ask(agent, agent->asked ? NULL : &question, deadline, &answer, diag);
	agent->asked = false;
	if (r < 0)
		return r;
	_cleanup_free_ uint8_t *bytes = NULL;
	size_t len;
	r = mtls_buf_take(&answer, &bytes, &len);
	if (r < 0)
		return r;
	r = agent_read_keys(bytes, len, ret, diag);
	agent->broken = r < 0 && r != MTLS_E_DENIED;
	if (r >= 0)
		bytes = NULL; /* the list's */
	return r;
}

int mtls_agent_sign(struct mtls_agent *agent, const struct mtls_agent_key *key, const void *data,
		    size_t len, mtls_deadline deadline, uint8_t ret[MTLS_AGENT_SIGNATURE_MAX],
		    size_t *ret_len, struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf body = MTLS_BUF(MTLS_AGENT_MESSAGE_MAX);
	_cleanup_buf_ struct mtls_buf question = MTLS_BUF(HEADER_LEN + MTLS_AGENT_MESSAGE_MAX);
	_cleanup_buf_ struct mtls_buf answer = ANSWER_BUF;

	if (len > MTLS_AGENT_DATA_MAX)
		return mtls_diag_set(diag, MTLS_E_LIMIT, "too much to be signed");
	(void)mtls_buf_append_byte(&body, AGENT_SIGN_REQUEST);
	put_string(&body, key->blob, key->blob_len);
	put_string(&body, data, len);
	put_u32(&body, 0); /* flags: none but RSA's */
	put_string(&question, body.data, body.len);
	int r = body.err < 0 ? body.err : ask(agent, &question, deadline, &answer, diag);
	if (r < 0)
		return r;
	r = agent_read_signature(key->type, answer.data, answer.len, ret, ret_len, diag);
	agent->broken = r < 0 && r != MTLS_E_DENIED;
	return r;
}

int mtls_agent_is_locked(struct mtls_agent *agent, mtls_deadline deadline, struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf question = MTLS_BUF(HEADER_LEN + AGENT_HARMLESS_LEN);
	_cleanup_buf_ struct mtls_buf answer = ANSWER_BUF;

	put_string(&question, agent_harmless_request, AGENT_HARMLESS_LEN);
	int r = ask(agent, &question, deadline, &answer, diag);
	if (r < 0)
		return r;
	return answer.len == 1 && answer.data[0] == AGENT_SUCCESS ? 0 : 1;
}
