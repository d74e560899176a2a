/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Measures one contender in this process, which looks nothing else up:
 *
 *	ask CONTENDER[:SERVICE] PEOPLE POOL QUESTION...
 *
 * prints "QUESTION NANOSECONDS" a line, without the cost of the loop. Questions ask for random
 * accounts among POOL ones that lie evenly among all PEOPLE; they were all asked for before, so
 * that what is measured is a process that lives. A contender that needs milliseconds for an
 * answer is asked a few times only. A question with "once-" before its name is asked for
 * each account of the pool once, for a contender whose daemon must have seen an account before it
 * answers from memory.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/nss/ask.h"
#include "bench/nss/people.h"
#include "lib/base/cleanup.h"
#include "lib/base/str.h"

#define BUDGET_NS    60e6 /* of one measurement */
#define PARTS        15
#define FEW          3
#define COUNT_MAX    20000 /* in a part */
#define WARM_NS      9e3   /* who needs longer than this has nothing to warm up */
#define PATIENCE_NS  400e6 /* who needs longer than this is not asked again */
#define ONCE         "once-"
#define ENUMERATIONS 3 /* the best of */

volatile unsigned int ask_sink;

static struct {
	const struct contender *who;
	uint32_t people, pool, step;
	uint32_t random;
} run = { .random = 2463534242U };

struct lookup {
	const char *question;
	ask_fn *ask;
	char first; /* letter of the names: u for users, else nobody has them */
	bool warm;  /* ask for all of the pool first; groups and misses touch what names touched */
};

static double now_ns(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static uint32_t next_random(void)
{
	uint32_t x = run.random;
	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return run.random = x;
}

static bool nothing(const char *name, uint32_t uid)
{
	ask_sink += (unsigned int)name[3] + uid;
	return true;
}

/* SPREAD: evenly over the pool, for contenders that search from its beginning. */
enum order { RANDOM, IN_ORDER, SPREAD };

static inline uint32_t choose(enum order order, uint32_t i, uint32_t count)
{
	if (order == RANDOM)
		return next_random() % run.pool;
	return order == IN_ORDER ? i : (uint32_t)((2 * i + 1) * (uint64_t)run.pool / (2 * count));
}

/* Nanoseconds of @count questions; ends the program when an answer is wrong. */
static double loop(const struct lookup *what, uint32_t count, enum order order)
{
	bool expect = what->first == 'u';
	char name[PEOPLE_NAME_MAX];
	double start = now_ns();
	for (uint32_t i = 0; i < count; i++) {
		uint32_t pick = choose(order, i, count);
		people_name(pick * run.step, what->first, name);
		if (what->ask(name, people_uid(pick * run.step)) == expect)
			continue;
		(void)fprintf(stderr, "ask: %s, %s: wrong answer for %s\n", run.who->name,
			      what->question, name);
		exit(1);
	}
	return now_ns() - start;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* The median of parts: another process that got the core in between spoils one of them. */
static double typical(const struct lookup *what, uint32_t count)
{
	static const struct lookup empty = { "nothing", nothing, 'u', false };
	double parts[PARTS];
	for (int i = 0; i < PARTS; i++)
		parts[i] = (loop(what, count, RANDOM) - loop(&empty, count, RANDOM)) / count;
	qsort(parts, PARTS, sizeof(parts[0]), by_value);
	return parts[PARTS / 2];
}

static double measure(const struct lookup *what)
{
	(void)loop(what, 1, RANDOM);        /* loads the module, opens the files */
	double few = loop(what, 1, SPREAD); /* of the account in the middle */
	if (few > PATIENCE_NS)
		return few;
	few = loop(what, FEW, SPREAD) / FEW;
	if (what->warm && few < WARM_NS) {
		(void)loop(what, run.pool, IN_ORDER);
		few = loop(what, FEW, SPREAD) / FEW;
	}
	uint32_t count = (uint32_t)(BUDGET_NS / few / PARTS);
	if (count > COUNT_MAX)
		count = COUNT_MAX;
	return count ? typical(what, count) : few;
}

static double enumeration(void)
{
	double best = 0;
	double begin = now_ns();
	for (int i = 0; i < ENUMERATIONS && now_ns() - begin < PATIENCE_NS; i++) {
		double start = now_ns();
		uint32_t users = run.who->enumerate();
		double each = (now_ns() - start) / users;
		if (users < run.people) {
			(void)fprintf(stderr, "ask: %s: enumerated %u of %u users\n", run.who->name,
				      users, run.people);
			exit(1);
		}
		best = i == 0 || each < best ? each : best;
	}
	return best;
}

static bool answer(const char *question)
{
	const struct contender *who = run.who;
	const struct lookup lookups[] = {
		{ "name", who->by_name, 'u', true },
		{ "uid", who->by_uid, 'u', true },
		{ "miss", who->by_name, 'v', false },
		{ "groups", who->groups, 'u', false },
	};
	if (strcmp(question, "enumeration") == 0) {
		(void)printf("enumeration %.2f\n", enumeration());
		return true;
	}
	bool once = strncmp(question, ONCE, strlen(ONCE)) == 0;
	for (size_t i = 0; i < MTLS_COUNT(lookups); i++) {
		if (strcmp(question + (once ? strlen(ONCE) : 0), lookups[i].question) != 0)
			continue;
		(void)printf("%s %.2f\n", question,
			     once ? loop(&lookups[i], run.pool, IN_ORDER) / run.pool
				  : measure(&lookups[i]));
		return true;
	}
	return false;
}

static const struct contender *find_contender(const char *name, size_t len)
{
	static const struct contender *const all[] = { &contender_glibc, &contender_module,
						       &contender_bare };
	for (size_t i = 0; i < MTLS_COUNT(all); i++)
		if (strlen(all[i]->name) == len && memcmp(all[i]->name, name, len) == 0)
			return all[i];
	return NULL;
}

int main(int argc, char **argv)
{
	const char *service = argc > 4 ? strchr(argv[1], ':') : NULL;
	run.who = argc > 4 ? find_contender(argv[1], strcspn(argv[1], ":")) : NULL;
	if (!run.who || mtls_parse_u32(argv[2], &run.people) < 0 || run.people > PEOPLE_MAX ||
	    mtls_parse_u32(argv[3], &run.pool) < 0 || run.pool == 0 || run.pool > run.people) {
		(void)fprintf(stderr,
			      "usage: ask glibc[:SERVICE]|module|bare PEOPLE POOL QUESTION...\n");
		return 2;
	}
	run.step = run.people / run.pool;
	if (!run.who->prepare(service ? service + 1 : NULL))
		return 1;
	for (int i = 4; i < argc; i++)
		if (!answer(argv[i])) {
			(void)fprintf(stderr, "ask: what is '%s'?\n", argv[i]);
			return 2;
		}
	return 0;
}
