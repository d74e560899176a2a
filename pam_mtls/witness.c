/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Notes of who entered. Without a file, which is nearly always, it costs one system call. */
#include <config.h>

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "pam_mtls/witness.h"

#define LINE_MAX_BYTES 320
#define FILE_MAX_BYTES 8192

void witness_note(const char *service, const char *user)
{
	char path[PATH_MAX], line[LINE_MAX_BYTES];
	struct timespec now = { 0 };
	struct stat st;

	/* The service is what the host program says: no other folder. */
	if (!service || !user || strchr(service, '/') || service[0] == '.')
		return;
	int n = snprintf(path, sizeof(path), WITNESS_FOLDER "/%s", service);
	if (n < 0 || (size_t)n >= sizeof(path))
		return;
	_cleanup_close_ int fd =
		open(path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != 0 ||
	    st.st_size > FILE_MAX_BYTES)
		return;
	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	n = snprintf(line, sizeof(line), "%ld %lld %s\n", (long)getpid(),
		     (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000, user);
	if (n > 0 && (size_t)n < sizeof(line))
		(void)mtls_fd_write_all(fd, line, (size_t)n);
}
