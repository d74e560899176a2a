/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The numbers are the kernel's interface, written out here because the headers to build with are
 * often older than the kernel to run on.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "accountd/landlock.h"
#include "lib/base/cleanup.h"

#define CALL_CREATE      444
#define CALL_ADD_RULE    445
#define CALL_RESTRICT    446
#define CREATE_VERSION   1U
#define RULE_PATH        1
#define ABI_OF_REFER     2
#define ABI_OF_TRUNCATE  3
#define ABI_OF_NETWORK   4
#define ABI_OF_IOCTL_DEV 5
#define ABI_OF_SCOPES    6

enum right {
	RIGHT_EXECUTE = 1 << 0,
	RIGHT_WRITE_FILE = 1 << 1,
	RIGHT_READ_FILE = 1 << 2,
	RIGHT_READ_DIR = 1 << 3,
	RIGHT_REMOVE_DIR = 1 << 4,
	RIGHT_REMOVE_FILE = 1 << 5,
	RIGHT_MAKE_REG = 1 << 8,
	RIGHT_ABI_1 = (1 << 13) - 1, /* all of the first version */
	RIGHT_REFER = 1 << 13,
	RIGHT_TRUNCATE = 1 << 14,
	RIGHT_IOCTL_DEV = 1 << 15,
};
#define NETWORK_ALL 3U /* bind, connect */
#define SCOPES_ALL  3U /* abstract sockets, signals */

struct ruleset {
	uint64_t fs, net, scoped;
};

struct path_rule {
	uint64_t allowed;
	int32_t parent_fd;
} __attribute__((packed));

/* What this kernel can forbid; @ret_size: how much of struct ruleset it knows. */
static struct ruleset rights_of(long abi, size_t *ret_size)
{
	struct ruleset all = { .fs = RIGHT_ABI_1 };

	*ret_size = sizeof(all.fs);
	if (abi >= ABI_OF_REFER)
		all.fs |= RIGHT_REFER;
	if (abi >= ABI_OF_TRUNCATE)
		all.fs |= RIGHT_TRUNCATE;
	if (abi >= ABI_OF_NETWORK) {
		all.net = NETWORK_ALL;
		*ret_size += sizeof(all.net);
	}
	if (abi >= ABI_OF_IOCTL_DEV)
		all.fs |= RIGHT_IOCTL_DEV;
	if (abi >= ABI_OF_SCOPES) {
		all.scoped = SCOPES_ALL;
		*ret_size += sizeof(all.scoped);
	}
	return all;
}

static int add_folder(int ruleset, const struct ruleset *all, const struct landlock_folder *folder)
{
	const uint64_t read = RIGHT_READ_FILE | RIGHT_READ_DIR;
	const uint64_t write =
		read | RIGHT_WRITE_FILE | RIGHT_REMOVE_FILE | RIGHT_MAKE_REG | RIGHT_TRUNCATE;
	_cleanup_close_ int fd = open(folder->path, O_PATH | O_CLOEXEC | O_DIRECTORY);

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	const struct path_rule rule = {
		.allowed = (folder->write ? write : read) & all->fs,
		.parent_fd = fd,
	};
	return syscall(CALL_ADD_RULE, ruleset, RULE_PATH, &rule, 0) < 0 ? -errno : 0;
}

int landlock_restrict(const struct landlock_folder *folders, size_t count)
{
	size_t size = 0;
	long abi = syscall(CALL_CREATE, NULL, 0, CREATE_VERSION);

	if (abi < 1)
		return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -errno;
	const struct ruleset all = rights_of(abi, &size);
	_cleanup_close_ int ruleset = (int)syscall(CALL_CREATE, &all, size, 0);
	if (ruleset < 0)
		return -errno;
	for (size_t i = 0; i < count; i++) {
		int r = add_folder(ruleset, &all, &folders[i]);
		if (r < 0)
			return r;
	}
	return syscall(CALL_RESTRICT, ruleset, 0) < 0 ? -errno : 1;
}
