/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The load generator: one connection after the other in each of many places, by one process. */
#ifndef BENCH_THROUGHPUT_LOAD_H
#define BENCH_THROUGHPUT_LOAD_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define LOAD_TEXT_MAX  4096 /* bytes of a request, and of what is expected */
#define LOAD_REPLY_MAX 16384

struct load_text {
	uint8_t data[LOAD_TEXT_MAX];
	size_t len;
};

struct load_target {
	struct sockaddr_storage address;
	socklen_t address_len;
};

struct load_plan {
	struct load_target target;
	SSL_CTX *tls;
	struct load_text request;
	struct load_text expected; /* must be somewhere in the reply */
	uint32_t places;           /* connections at a time, of one process */
	uint32_t seconds;
};

struct load_result {
	uint64_t done, failed;
	double seconds;
	char error[160]; /* of the first that failed */
};

/* "unix:/PATH" or "tcp:ADDRESS:PORT"; false if it is neither. */
bool load_parse_target(const char *text, struct load_target *ret);

/* A socket that does not block and has begun to connect; -1 and errno. */
int load_dial(const struct load_target *target);

/* Runs @plan in this process. */
void load_run(const struct load_plan *plan, struct load_result *ret);

#endif
