/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A process that runs while an account is made: says "ready" when NAME does not exist, then asks
 * until it does, and prints the nanoseconds of CLOCK_MONOTONIC at which it did.
 */
#include <config.h>

#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#define PATIENCE_S 120
#define PAUSE_NS   100000 /* or it would take a core from the daemon */

static bool exists(const char *name)
{
	char buffer[1024];
	struct passwd pw, *found = NULL;
	return getpwnam_r(name, &pw, buffer, sizeof(buffer), &found) == 0 && found;
}

int main(int argc, char **argv)
{
	struct timespec ts, start;
	if (argc != 2 || exists(argv[1]) || clock_gettime(CLOCK_MONOTONIC, &start) < 0)
		return 1;
	(void)puts("ready");
	(void)fflush(stdout);
	do {
		const struct timespec pause = { .tv_nsec = PAUSE_NS };
		(void)nanosleep(&pause, NULL);
		bool seen = exists(argv[1]);
		(void)clock_gettime(CLOCK_MONOTONIC, &ts);
		if (seen) {
			(void)printf("%lld\n", ts.tv_sec * 1000000000LL + ts.tv_nsec);
			return 0;
		}
	} while (ts.tv_sec - start.tv_sec < PATIENCE_S);
	return 1;
}
