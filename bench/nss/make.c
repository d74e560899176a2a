/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes the data of the contenders, the same accounts in each one's form:
 *
 *	make bare|snapshot PEOPLE PATH	prints the milliseconds that it took, sync included
 *	make files PEOPLE FOLDER	passwd and group, with the indexes of libnss-cache
 *	make db-text PEOPLE passwd|group
 */
#include <config.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bench/nss/make.h"
#include "bench/nss/people.h"
#include "lib/base/cleanup.h"
#include "lib/base/str.h"

static double now_ms(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		bool (*make)(uint32_t people, const char *where);
		bool timed;
	} kinds[] = {
		{ "bare", make_bare, true },
		{ "snapshot", make_snapshot, true },
		{ "files", make_files, false },
		{ "db-text", make_db_text, false },
	};
	uint32_t people;
	if (argc != 4 || mtls_parse_u32(argv[2], &people) < 0 || people > PEOPLE_MAX) {
		(void)fprintf(stderr, "usage: make KIND PEOPLE WHERE\n");
		return 2;
	}
	for (size_t i = 0; i < MTLS_COUNT(kinds); i++) {
		if (strcmp(argv[1], kinds[i].name) != 0)
			continue;
		double start = now_ms();
		if (!kinds[i].make(people, argv[3]))
			return 1;
		if (kinds[i].timed)
			(void)printf("%.2f\n", now_ms() - start);
		return fflush(stdout) == 0 ? 0 : 1;
	}
	(void)fprintf(stderr, "make: what is '%s'?\n", argv[1]);
	return 2;
}
