/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Loaded into every program of a private root (/etc/ld.so.preload) before the runtime of
 * AddressSanitizer, when the tree was built with it: sets its options, and gives it a descriptor
 * for its reports that was opened at the start of the process and stays, because a sandboxed
 * process cannot open one when it needs it. Never installed, built without a sanitizer.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REPORTS "/run/mtls-test/sanitizer/report"
#define HIGH_FD 900 /* below the usual limit, above what programs count on */

const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

void __sanitizer_set_report_fd(void *fd) __attribute__((weak));

static int report_fd = -1;

__attribute__((visibility("default"))) const char *__asan_default_options(void)
{
	return "verify_asan_link_order=0:detect_leaks=0:exitcode=86:abort_on_error=0:allocator_may_"
	       "return_null=1:"
	       "handle_sigill=1:symbolize=0";
}

__attribute__((visibility("default"))) const char *__ubsan_default_options(void)
{
	return "print_stacktrace=0:symbolize=0:exitcode=86"; /* it writes to standard error */
}

/* Again in each child: the runtime opens a file of its own when the process id has changed. */
static void use_report_fd(void)
{
	if (report_fd >= 0 && __sanitizer_set_report_fd)
		__sanitizer_set_report_fd((void *)(intptr_t)report_fd);
}

__attribute__((constructor)) static void open_reports(void)
{
	int saved = errno;
	int fd = open(REPORTS, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0) {
		report_fd = fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
		(void)syscall(SYS_close, fd);
		use_report_fd();
		(void)pthread_atfork(NULL, NULL, use_report_fd);
	}
	errno = saved;
}

/* Programs that close what they do not know: all but that one. */
__attribute__((visibility("default"))) int close(int fd)
{
	if (fd >= 0 && fd == report_fd) {
		errno = EBADF;
		return -1;
	}
	return (int)syscall(SYS_close, fd);
}

__attribute__((visibility("default"))) int close_range(unsigned int first, unsigned int last,
						       int flags)
{
	unsigned int kept = (unsigned int)report_fd;
	if (report_fd < 0 || kept < first || kept > last)
		return (int)syscall(SYS_close_range, first, last, flags);
	if (kept > first && syscall(SYS_close_range, first, kept - 1, flags) < 0)
		return -1;
	return kept == last ? 0 : (int)syscall(SYS_close_range, kept + 1, last, flags);
}

__attribute__((visibility("default"))) void closefrom(int first)
{
	(void)close_range(first < 0 ? 0 : (unsigned int)first, ~0U, 0);
}
