/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads behind a block of the heap, in a sanitized build: the end-to-end tests must notice. As
 * told: `plain`, in a `forked` child, or `sandboxed`, where no file can be opened any more.
 * `undefined`: an integer overflow, for UBSan.
 */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int read_behind(void)
{
	volatile char *volatile block = malloc(16); /* so that only ASan can know its size */
	volatile size_t index = 16;

	return block ? block[index] : 0;
}

static int overflow(void)
{
	volatile int number = INT_MAX;

	return number + 1;
}

static int forbid_open(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "plain";
	int status;

	(void)close_range(3, ~0U, 0);
	if (strcmp(how, "plain") != 0) {
		pid_t pid = fork();
		if (pid != 0) {
			(void)waitpid(pid, &status, 0);
			return 1;
		}
	}
	if (strcmp(how, "sandboxed") == 0 && forbid_open() < 0)
		return 2;
	return strcmp(how, "undefined") == 0 ? overflow() : read_behind();
}
