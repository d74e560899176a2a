/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Landlock. A filter of system calls sees no paths, and /proc/PID/mem is a file: so who took a
 * signer over could read, and with SANDBOX_TOKENS write, the memory of whatever else its user runs.
 * A process in a Landlock domain may only trace processes in that domain, whatever the domain
 * forbids besides; ours forbids what the filter forbids anyway. The numbers are the kernel's
 * interface, written out because the headers to build with are often older than the kernel.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "signer/domain.h"

#define CALL_CREATE    444
#define CALL_ADD_RULE  445
#define CALL_RESTRICT  446
#define CREATE_VERSION 1U
#define RULE_PATH      1
#define RIGHT_EXECUTE  (1U << 0)
#define RIGHT_REFER    (1U << 13)
#define SCOPE_SIGNAL   (1U << 1)
#define ABI_OF_REFER   2
#define ABI_OF_SCOPES  6

struct ruleset {
	uint64_t fs, net, scoped;
};

struct path_rule {
	uint64_t allowed;
	int32_t parent_fd;
} __attribute__((packed));

/* Every domain forbids to move files between folders unless a rule allows it: modules may. */
static int allow_moving(int ruleset)
{
	_cleanup_close_ int top = open("/", O_PATH | O_CLOEXEC | O_DIRECTORY);
	const struct path_rule rule = { .allowed = RIGHT_REFER, .parent_fd = top };

	if (top < 0)
		return -errno;
	return syscall(CALL_ADD_RULE, ruleset, RULE_PATH, &rule, 0) < 0 ? -errno : 0;
}

int domain_enter(void)
{
	struct ruleset rules = { .fs = RIGHT_EXECUTE | RIGHT_REFER };
	size_t size = sizeof(rules.fs);
	long abi = syscall(CALL_CREATE, NULL, 0, CREATE_VERSION);

	/* EPERM is the answer of containers that know nothing of it. */
	if (abi < 0)
		return errno == ENOSYS || errno == EOPNOTSUPP || errno == EPERM ? 0 : -errno;
	if (abi < ABI_OF_REFER) /* nothing would allow it */
		return 0;
	if (abi >= ABI_OF_SCOPES) {
		rules.scoped = SCOPE_SIGNAL;
		size = sizeof(rules);
	}
	_cleanup_close_ int ruleset = (int)syscall(CALL_CREATE, &rules, size, 0);
	if (ruleset < 0)
		return -errno;
	int r = allow_moving(ruleset);
	if (r < 0)
		return r;
	return syscall(CALL_RESTRICT, ruleset, 0) < 0 ? -errno : 1;
}
