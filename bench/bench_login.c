/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Times pam_start, pam_authenticate, pam_end of several PAM services in turn, in one process,
 *answering every hidden prompt with one secret.
 *
 *	bench/bench_login CONFDIR USER SECRET ROUNDS SERVICE...     prints "SERVICE median_us" a
 *line
 *
 * The services take turns within each round, so that drift of the machine hits all alike.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

static double login_us(const char *confdir, const char *service, const char *user, char *secret)
{
	struct pam_conv conv = { .conv = answer, .appdata_ptr = secret };
	struct timespec a, b;
	pam_handle_t *pamh = NULL;

	(void)clock_gettime(CLOCK_MONOTONIC, &a);
	int r = pam_start_confdir(service, user, &conv, confdir, &pamh);
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

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	uint32_t rounds = 0;

	if (argc < 6 || argc - 5 > SERVICES_MAX || mtls_parse_u32(argv[4], &rounds) < 0 ||
	    !rounds || rounds > ROUNDS_MAX) {
		(void)fprintf(stderr, "usage: login CONFDIR USER SECRET ROUNDS SERVICE...\n");
		return 2;
	}
	size_t services = (size_t)(argc - 5);
	_cleanup_free_ double *times = calloc(services * rounds, sizeof(*times));
	if (!times)
		return 1;
	for (uint32_t i = 0; i < rounds; i++)
		for (size_t s = 0; s < services; s++)
			times[s * rounds + i] = login_us(argv[1], argv[5 + s], argv[2], argv[3]);
	for (size_t s = 0; s < services; s++) {
		qsort(times + s * rounds, rounds, sizeof(*times), compare);
		printf("%s %.1f\n", argv[5 + s], times[s * rounds + rounds / 2]);
	}
	return 0;
}
