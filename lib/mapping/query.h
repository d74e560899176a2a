/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a worker and a lookup process say to one another: one packet each way (SOCK_SEQPACKET), one
 * query at a time. Both ends are this program, but the lookup process runs foreign NSS modules and
 * the worker reads the network, so each checks the other's packets.
 */
#ifndef MTLS_MAPPING_QUERY_H
#define MTLS_MAPPING_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/name/account.h"
#include "lib/name/key.h"

enum mtls_lookup_kind {
	MTLS_LOOKUP_X509 = 0, /* certificate keys -> names of bound accounts; service x509 only */
	MTLS_LOOKUP_ACCOUNTS, /* an account name -> uid, gid; the host's order without x509 */
	MTLS_LOOKUP_KINDS,
};

enum mtls_lookup_status {
	MTLS_LOOKUP_FOUND = 0,
	MTLS_LOOKUP_NOTFOUND,
	MTLS_LOOKUP_FAILED,
	/* Made by the worker, never on the wire: */
	MTLS_LOOKUP_TIMEOUT,
	MTLS_LOOKUP_BUSY, /* too many wait */
};

#define MTLS_LOOKUP_KEYS_MAX  4
#define MTLS_LOOKUP_NAMES_MAX 128

/* One behind the other in the query's text, each with a NUL: a packet has no gaps to copy. */
struct mtls_lookup_key {
	uint32_t at;
	uint32_t len; /* text[at + len] is NUL and there is none before */
};

struct mtls_lookup_query {
	uint32_t id;
	uint32_t count; /* 1 to MTLS_LOOKUP_KEYS_MAX */
	struct mtls_lookup_key keys[MTLS_LOOKUP_KEYS_MAX];
	char text[MTLS_LOOKUP_KEYS_MAX * (MTLS_KEY_MAX + 1)];
};

struct mtls_lookup_name {
	uint32_t key; /* index of the key that named it */
	char text[MTLS_ACCOUNT_NAME_MAX + 1];
};

struct mtls_lookup_answer {
	uint32_t id;
	uint32_t status; /* enum mtls_lookup_status */
	uint32_t uid;    /* MTLS_LOOKUP_ACCOUNTS, FOUND */
	uint32_t gid;
	uint32_t count; /* FOUND: at least 1 */
	struct mtls_lookup_name names[MTLS_LOOKUP_NAMES_MAX];
};

/* Adds a key; false if it is empty, too long, has a NUL, or there are too many. */
bool mtls_lookup_query_add(struct mtls_lookup_query *query, const char *text, size_t len);

/* The key at @index, which is below count. */
const char *mtls_lookup_query_key(const struct mtls_lookup_query *query, uint32_t index);

/* Adds a name; false as above. */
bool mtls_lookup_answer_add(struct mtls_lookup_answer *answer, uint32_t key, const char *text);

/* The bytes to send: the unused rest is cut off. */
size_t mtls_lookup_query_size(const struct mtls_lookup_query *query);
size_t mtls_lookup_answer_size(const struct mtls_lookup_answer *answer);

/* True if a packet of @len bytes in @query/@answer is one that the functions above could make. */
bool mtls_lookup_query_valid(const struct mtls_lookup_query *query, size_t len);
bool mtls_lookup_answer_valid(const struct mtls_lookup_answer *answer, size_t len);

const char *mtls_lookup_kind_name(enum mtls_lookup_kind kind); /* "x509", "accounts" */
int mtls_lookup_kind_parse(const char *name);                  /* a kind, or MTLS_E_SYNTAX */

#endif
