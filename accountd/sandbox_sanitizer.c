/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sanitizer builds, never installed: what their runtime calls, above all to report. */
#include <config.h>

#include "accountd/sandbox.h"
#include "lib/base/cleanup.h"

/*
 * The search for leaks at the end starts a process that traces this one, which the filter forbids.
 * The unit tests search, and the runtime asks this by its name.
 */
int __lsan_is_turned_off(void);
__attribute__((visibility("default"))) int __lsan_is_turned_off(void)
{
	return 1;
}

const char *const accountd_sandbox_extra[] = {
	"mprotect",  "sigaltstack", "rt_sigaction", "rt_sigprocmask",  "gettid",
	"tgkill",    "getrlimit",   "prlimit64",    "sched_yield",     "sched_getaffinity",
	"getrusage", "nanosleep",   "prctl",        "clock_nanosleep", "readlinkat",
	"open",      "stat",
};
const size_t accountd_sandbox_extra_count = MTLS_COUNT(accountd_sandbox_extra);

/* The runtime's own tables are larger than any limit. */
const rlim_t accountd_publisher_data_max = RLIM_INFINITY;
