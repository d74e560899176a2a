/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Times pam_start, pam_authenticate, pam_end of several PAM services in turn, each time in a new
 * process that is what sudo is: real uid of the person, effective uid 0, no module loaded before.
 * Every hidden prompt is answered with one secret.
 *
 *	bench/bench_login CONFDIR USER SECRET ROUNDS SERVICE...
 *
 * prints "SERVICE MEDIAN LOWER UPPER" a line: microseconds, and the quartiles. The services take
 * turns within each round, so that drift of the machine hits all alike; one round is not counted.
 *Their order is another one in each round: who comes behind a service that empties the processor's
 *caches (yescrypt does) shall not always be the same one.
 */
#include <config.h>

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <security/pam_appl.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"

#define SERVICES_MAX 16
#define ROUNDS_MAX   10000

static int answer(int count, const struct pam_message **messages, struct pam_response **ret,
		  void *ctx)
{
	struct pam_response *responses = calloc((size_t)count, sizeof(*responses));
	if (!responses)
		return PAM_BUF_ERR;
	for (int i = 0; i < count; i++)
		if (messages[i]->msg_style == PAM_PROMPT_ECHO_OFF)
			responses[i].resp = strdup(ctx);
	*ret = responses;
	return PAM_SUCCESS;
}

/*
 * As sudo has done before it asks PAM: it knows whose user and groups it is for, so the services of
 * nsswitch.conf are loaded.
 */
static int know_groups(const char *name)
{
	const struct passwd *user = getpwnam(name);
	gid_t groups[64];
	int count = MTLS_COUNT(groups);

	return user ? getgrouplist(name, user->pw_gid, groups, &count) : -1;
}

/* In the child. */
static double login_once(const char *confdir, const char *service, const char *user, char *secret)
{
	struct pam_conv conv = { .conv = answer, .appdata_ptr = secret };
	struct timespec a, b;
	pam_handle_t *pamh = NULL;

	if (know_groups(user) < 0)
		exit(1);
	(void)clock_gettime(CLOCK_MONOTONIC, &a);
	int r = pam_start_confdir(service, user, &conv, confdir, &pamh);
	/* As sudo does it: modules that look for the person's agent want to know whose it is. */
	if (r == PAM_SUCCESS)
		r = pam_set_item(pamh, PAM_RUSER, user);
	/* And where the person is: cards are for those who sit here. */
	if (r == PAM_SUCCESS)
		r = pam_set_item(pamh, PAM_TTY, "pts/0");
	if (r == PAM_SUCCESS)
		r = pam_authenticate(pamh, 0);
	(void)pam_end(pamh, r);
	(void)clock_gettime(CLOCK_MONOTONIC, &b);
	if (r != PAM_SUCCESS) {
		(void)fprintf(stderr, "login: service %s refused '%s': PAM code %d\n", service,
			      user, r);
		exit(1);
	}
	return (double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_nsec - a.tv_nsec) / 1e3;
}

/* A process for each login, as it is in life: loading a module and its libraries is part of it. */
static double login_us(const char *confdir, const char *service, const char *user, char *secret)
{
	double us = 0;
	int fds[2];

	if (pipe(fds) < 0)
		exit(1);
	pid_t pid = fork();
	if (pid == 0) {
		us = login_once(confdir, service, user, secret);
		_exit(write(fds[1], &us, sizeof(us)) == sizeof(us) ? 0 : 1);
	}
	(void)close(fds[1]);
	ssize_t n = pid < 0 ? -1 : read(fds[0], &us, sizeof(us));
	(void)close(fds[0]);
	if (n != sizeof(us) || waitpid(pid, NULL, 0) != pid)
		exit(1);
	return us;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* The same orders in each run: a generator of ours, not the machine's. */
static void shuffle(size_t *order, size_t count)
{
	static uint32_t state = 1;

	for (size_t i = count; i > 1; i--) {
		state = state * 1664525 + 1013904223;
		const size_t k = (state >> 8) % i, moved = order[k];
		order[k] = order[i - 1];
		order[i - 1] = moved;
	}
}

static int become_setuid(const char *name)
{
	const struct passwd *user = getpwnam(name);

	return user && setresuid(user->pw_uid, 0, 0) == 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
	uint32_t rounds = 0;

	if (argc < 6 || argc - 5 > SERVICES_MAX || mtls_parse_u32(argv[4], &rounds) < 0 ||
	    !rounds || rounds > ROUNDS_MAX) {
		(void)fprintf(stderr, "usage: login CONFDIR USER SECRET ROUNDS SERVICE...\n");
		return 2;
	}
	if (become_setuid(argv[2]) < 0) {
		(void)fprintf(stderr, "login: cannot be what sudo is for '%s'\n", argv[2]);
		return 1;
	}
	size_t services = (size_t)(argc - 5);
	_cleanup_free_ double *times = calloc(services * rounds, sizeof(*times));
	if (!times)
		return 1;
	size_t order[SERVICES_MAX];
	for (size_t s = 0; s < services; s++) {
		order[s] = s;
		(void)login_us(argv[1], argv[5 + s], argv[2], argv[3]);
	}
	for (uint32_t i = 0; i < rounds; i++) {
		shuffle(order, services);
		for (size_t k = 0; k < services; k++) {
			const size_t s = order[k];
			times[s * rounds + i] = login_us(argv[1], argv[5 + s], argv[2], argv[3]);
		}
	}
	for (size_t s = 0; s < services; s++) {
		const double *sorted = times + s * rounds;
		qsort(times + s * rounds, rounds, sizeof(*times), compare);
		printf("%s %.1f %.1f %.1f\n", argv[5 + s], sorted[rounds / 2], sorted[rounds / 4],
		       sorted[rounds - 1 - rounds / 4]);
	}
	return 0;
}
