/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long programs take, from fork to their end:
 *
 *	spawn BUDGET_MS PROGRAM [ARGUMENT...] [-- PROGRAM [ARGUMENT...]]...
 *
 * runs them in turn until the time is up, each once at least, and prints the median of each in
 * microseconds, one a line. In turn, because what is wanted is often a difference of two.
 */
#include <config.h>

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/str.h"

#define PROGRAMS_MAX 4
#define RUNS_MAX     500

extern char **environ;

struct program {
	char **argv;
	double us[RUNS_MAX];
};

static double now_us(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/* Microseconds; negative when the program failed. */
static double once(char **argv, const posix_spawn_file_actions_t *actions)
{
	pid_t pid;
	int status = 1;
	double start = now_us();
	if (posix_spawn(&pid, argv[0], actions, NULL, argv, environ) != 0 ||
	    waitpid(pid, &status, 0) != pid || status != 0)
		return -1;
	return now_us() - start;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static size_t split(int argc, char **argv, struct program programs[PROGRAMS_MAX])
{
	size_t count = 1;
	programs[0].argv = argv;
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--") != 0)
			continue;
		argv[i] = NULL;
		if (count == PROGRAMS_MAX || i + 1 == argc)
			return 0;
		programs[count++].argv = argv + i + 1;
	}
	return count;
}

/* How many runs each had; 0 when one failed. */
static size_t run(struct program *programs, size_t count, double budget_us)
{
	posix_spawn_file_actions_t actions;
	size_t runs = 0;
	if (posix_spawn_file_actions_init(&actions) != 0 ||
	    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) !=
		    0)
		return 0;
	double end = now_us() + budget_us;
	for (; runs < RUNS_MAX && (runs == 0 || now_us() < end); runs++)
		for (size_t i = 0; i < count; i++)
			if ((programs[i].us[runs] = once(programs[i].argv, &actions)) < 0) {
				(void)fprintf(stderr, "spawn: %s failed\n", programs[i].argv[0]);
				return 0;
			}
	return runs;
}

int main(int argc, char **argv)
{
	static struct program programs[PROGRAMS_MAX];
	uint32_t budget_ms;
	size_t count = argc > 2 ? split(argc - 2, argv + 2, programs) : 0;
	if (count == 0 || mtls_parse_u32(argv[1], &budget_ms) < 0) {
		(void)fprintf(stderr, "usage: spawn BUDGET_MS PROGRAM... [-- PROGRAM...]\n");
		return 2;
	}
	size_t runs = run(programs, count, budget_ms * 1e3);
	if (runs == 0)
		return 1;
	for (size_t i = 0; i < count; i++) {
		qsort(programs[i].us, runs, sizeof(double), by_value);
		(void)printf("%.1f\n", programs[i].us[runs / 2]);
	}
	return 0;
}
