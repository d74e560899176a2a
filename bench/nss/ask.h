/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a contender answers, and who there is; see ask.c. */
#ifndef BENCH_NSS_ASK_H
#define BENCH_NSS_ASK_H

#include <stdbool.h>
#include <stdint.h>

/* Answers one question from beginning to end; false: not found, or not what was expected. */
typedef bool ask_fn(const char *name, uint32_t uid);

struct contender {
	const char *name;
	/* Before the first question; @service is what stood behind the name, or NULL. False after a
	 * word on stderr. */
	bool (*prepare)(const char *service);
	ask_fn *by_name, *by_uid, *groups;
	uint32_t (*enumerate)(void); /* how many users there were; NULL: it cannot */
};

extern const struct contender contender_glibc;  /* the functions that programs call */
extern const struct contender contender_module; /* libnss_mtls.so.2 without glibc around it */
extern const struct contender contender_bare;   /* a bare cdb: find and copy */

/* Keeps the compiler from leaving out what nobody reads. */
extern volatile unsigned int ask_sink;

#endif
