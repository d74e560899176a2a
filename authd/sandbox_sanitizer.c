/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sanitizer builds, never installed: what their runtime calls, above all to report. */
#include <config.h>

#include "authd/sandbox.h"
#include "lib/base/cleanup.h"

const char *const sandbox_extra[] = {
	"mprotect",
	"sigaltstack",
	"rt_sigaction",
	"rt_sigprocmask",
	"gettid",
	"getpid",
	"tgkill",
	"getrlimit",
	"prlimit64",
	"sched_yield",
	"sched_getaffinity",
	"getrusage",
	"nanosleep",
	"clock_nanosleep",
	"prctl",
	"readlink",
	"readlinkat",
	"openat",
	"open",
	"fstat",
	"newfstatat",
	"stat",
	"lseek",
	"getcwd",
	"pread64",
};
const size_t sandbox_extra_count = MTLS_COUNT(sandbox_extra);
