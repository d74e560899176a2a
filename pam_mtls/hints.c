/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The environment's hints. Runs in the host program; no state. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <security/pam_appl.h>

#include "lib/base/buf.h"
#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "pam_mtls/hints.h"

#define P11_PREFIX "unix:path="

bool hint_is_socket(const char *value)
{
	size_t len = strnlen(value, HINT_PATH_MAX + 1);

	return value[0] == '/' && len <= HINT_PATH_MAX &&
	       mtls_utf8_valid((const uint8_t *)value, len) &&
	       !mtls_has_control((const uint8_t *)value, len);
}

/* p11-kit would decode escapes and take further parts behind a semicolon. */
bool hint_is_p11_address(const char *value)
{
	const size_t prefix = strlen(P11_PREFIX);

	return strncmp(value, P11_PREFIX, prefix) == 0 && !strpbrk(value, "%;,") &&
	       hint_is_socket(value + prefix);
}

const char *hint_in_block(const char *block, size_t len, const char *name)
{
	const size_t name_len = strlen(name);

	while (len) {
		const char *end = memchr(block, '\0', len);
		if (!end)
			return NULL;
		size_t entry = (size_t)(end - block);
		if (entry > name_len && memcmp(block, name, name_len) == 0 &&
		    block[name_len] == '=')
			return block + name_len + 1;
		len -= entry + 1;
		block = end + 1;
	}
	return NULL;
}

/* What the kernel keeps of the environment that this program was started with. */
static void read_first_environment(struct mtls_buf *block)
{
	_cleanup_close_ int fd = open("/proc/self/environ", O_RDONLY | O_CLOEXEC);
	char chunk[4096];
	ssize_t n;

	if (fd < 0)
		return;
	while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		/* Too long is as if the rest were not there. */
		if (n < 0 || mtls_buf_append(block, chunk, (size_t)n) < 0)
			break;
	}
	explicit_bzero(chunk, sizeof(chunk));
}

static bool take(const char *value, bool (*fit)(const char *), char out[HINT_MAX])
{
	return value && fit(value) && mtls_strcopy(out, HINT_MAX, value) >= 0;
}

static void find_one(pam_handle_t *pamh, struct mtls_buf *block, const char *name,
		     bool (*fit)(const char *), char out[HINT_MAX])
{
	/* getenv() also where it is a stranger's: what it says is checked by the signer. */
	if (take(pam_getenv(pamh, name), fit, out) || take(getenv(name), fit, out))
		return;
	if (!block->len)
		read_first_environment(block);
	(void)take(hint_in_block((const char *)block->data, block->len, name), fit, out);
}

void hints_find(pam_handle_t *pamh, struct hints *ret)
{
	/* Others' secrets may stand in an environment. */
	_cleanup_buf_ struct mtls_buf block = MTLS_BUF_SECRET(HINT_ENVIRON_MAX);

	*ret = (struct hints){ .agent_socket = "" };
	find_one(pamh, &block, "SSH_AUTH_SOCK", hint_is_socket, ret->agent_socket);
	find_one(pamh, &block, "P11_KIT_SERVER_ADDRESS", hint_is_p11_address, ret->p11_address);
}
