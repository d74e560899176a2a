/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sanitizer builds, never installed: what their runtime calls, above all to report. */
#include <config.h>

#include "accountd/sandbox.h"
#include "lib/base/cleanup.h"

const char *const accountd_sandbox_extra[] = {
	"mprotect",  "sigaltstack", "rt_sigaction", "rt_sigprocmask",  "gettid",
	"tgkill",    "getrlimit",   "prlimit64",    "sched_yield",     "sched_getaffinity",
	"getrusage", "nanosleep",   "prctl",        "clock_nanosleep", "readlinkat",
	"open",      "stat",
};
const size_t accountd_sandbox_extra_count = MTLS_COUNT(accountd_sandbox_extra);
