/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Preloaded: the process kills itself before its KILL_AT-th call of rename, fsync or unlink,
 * which are the steps between which a crash may leave something half done.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VISIBLE __attribute__((visibility("default")))

VISIBLE int rename(const char *from, const char *to);
VISIBLE int fsync(int fd);
VISIBLE int unlink(const char *path);

static void step(void)
{
	static long count;
	const char *at = getenv("KILL_AT");

	if (at && ++count == strtol(at, NULL, 10))
		(void)kill(getpid(), SIGKILL);
}

int rename(const char *from, const char *to)
{
	int (*next)(const char *, const char *);

	step();
	*(void **)&next = dlsym(RTLD_NEXT, "rename");
	return next(from, to);
}

int fsync(int fd)
{
	int (*next)(int);

	step();
	*(void **)&next = dlsym(RTLD_NEXT, "fsync");
	return next(fd);
}

int unlink(const char *path)
{
	int (*next)(const char *);

	/* The folder of a trial has many files, and nothing depends on it. */
	if (!strstr(path, "/trial."))
		step();
	*(void **)&next = dlsym(RTLD_NEXT, "unlink");
	return next(path);
}
