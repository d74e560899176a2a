/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Loaded before everything else into a PAM host: allocation number NOMEM_AT of pam_authenticate()
 * fails, and "allocations: N" is printed. Who dies of it is printed too ("died in: LIBRARY").
 */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include <security/pam_appl.h>

#define PUBLIC __attribute__((visibility("default")))

/* glibc's own names for its allocator: dlsym() would allocate. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static volatile bool armed;
static long allocations, fail_at;

static bool fails(void)
{
	if (!armed || ++allocations != fail_at)
		return false;
	errno = ENOMEM;
	return true;
}

PUBLIC void *malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

PUBLIC void *calloc(size_t count, size_t size)
{
	return fails() ? NULL : __libc_calloc(count, size);
}

PUBLIC void *realloc(void *old, size_t size)
{
	return fails() ? NULL : __libc_realloc(old, size);
}

static void died(int sig, siginfo_t *info, void *context)
{
	const char *name = "unknown";
#ifdef __x86_64__
	const ucontext_t *state = context;
	Dl_info where;
	if (dladdr((void *)state->uc_mcontext.gregs[REG_RIP], &where))
		name = where.dli_fname;
#endif
	(void)info;
	(void)context;
	(void)dprintf(STDOUT_FILENO, "died in: %s\n", name);
	_exit(128 + sig);
}

PUBLIC int pam_authenticate(pam_handle_t *pamh, int flags)
{
	int (*real)(pam_handle_t *, int) = NULL;
	const struct sigaction action = { .sa_sigaction = died, .sa_flags = SA_SIGINFO };
	const char *at = getenv("NOMEM_AT");

	*(void **)&real = dlsym(RTLD_NEXT, "pam_authenticate");
	fail_at = at ? atol(at) : 0;
	(void)sigaction(SIGSEGV, &action, NULL);
	allocations = 0;
	armed = true;
	int rc = real(pamh, flags);
	armed = false;
	(void)dprintf(STDOUT_FILENO, "allocations: %ld\n", allocations);
	return rc;
}
