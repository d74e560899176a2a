/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Why no card is there: pcscd asks polkit who may use readers, and closes the connections of those
 * who may not without a word. Modules take that for "no reader". So, when no token was found, one
 * question is asked here as libpcsclite asks its first: its version.
 */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "signer/source_token.h"

#define ANSWER_MS 300

/* CMD_VERSION of pcsc-lite's protocol 4: every number in the machine's own order. */
struct version_question {
	uint32_t size, command; /* bytes that follow; 0x11 */
	int32_t major, minor;
	uint32_t result;
};

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (mtls_strcopy(address.sun_path, sizeof(address.sun_path), path) < 0)
		return -ENAMETOOLONG;
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return MTLS_TAKE_FD(fd);
}

bool pcscd_refuses(const char *socket)
{
	const struct version_question question = {
		.size = 12, .command = 0x11, .major = 4, .minor = 4
	};
	uint8_t answer[12];
	_cleanup_close_ int fd = connect_to(socket);

	if (fd == -EACCES || fd == -EPERM)
		return true;
	if (fd < 0) /* not there, or too busy: it says nothing about us */
		return false;
	(void)send(fd, &question, sizeof(question), MSG_NOSIGNAL);
	if (mtls_wait_fd(fd, POLLIN, mtls_deadline_in_ms(ANSWER_MS)) < 0)
		return false;
	ssize_t n = recv(fd, answer, sizeof(answer), 0);
	return n == 0 || (n < 0 && (errno == ECONNRESET || errno == EPIPE));
}
