/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How many connections one peer may hold: per uid on unix sockets, per address (IPv6: per /64) on
 * TCP, and in total. Root is held only by the total, and a share of the total is kept for it, so
 * nobody can lock an administrator out. Pure; counts only.
 */
#ifndef AUTHD_LIMITS_H
#define AUTHD_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "authd/peer.h"
#include "lib/base/cleanup.h"

struct limits_config {
	uint32_t max_connections;
	uint32_t reserved; /* of these, for unix peers with uid 0 */
	uint32_t max_per_uid;
	uint32_t max_per_address;
};

/* An eighth of @max_connections, at least one: what the daemon keeps for uid 0. */
uint32_t limits_reserve(uint32_t max_connections);

struct limits;

/* 0 or -ENOMEM. */
int limits_new(const struct limits_config *config, struct limits **ret);
void limits_free(struct limits *limits);
MTLS_DEFINE_CLEANUP(struct limits *, limits_free)

/* Counts a connection of @peer, or returns false: then nothing was counted. */
bool limits_admit(struct limits *limits, const struct peer *peer);

/* Gives back what limits_admit() counted. */
void limits_release(struct limits *limits, const struct peer *peer);

uint32_t limits_total(const struct limits *limits);

#endif
