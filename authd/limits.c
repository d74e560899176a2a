/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connection counts. One entry for each peer that holds a connection, searched linearly: there are
 * at most max_connections of them, and the search costs less than the accept(2) before it.
 */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "authd/limits.h"

struct holder {
	enum peer_transport transport;
	uid_t uid;
	uint8_t network[16];
	uint32_t count; /* 0: a free entry */
};

struct limits {
	struct limits_config config;
	uint32_t total;
	struct holder holders[]; /* config.max_connections of them */
};

uint32_t limits_reserve(uint32_t max_connections)
{
	uint32_t eighth = max_connections / 8;
	return eighth ? eighth : 1;
}

int limits_new(const struct limits_config *config, struct limits **ret)
{
	struct limits *limits =
		calloc(1, sizeof(*limits) + config->max_connections * sizeof(limits->holders[0]));
	if (!limits)
		return -ENOMEM;
	limits->config = *config;
	*ret = limits;
	return 0;
}

void limits_free(struct limits *limits)
{
	free(limits);
}

uint32_t limits_total(const struct limits *limits)
{
	return limits->total;
}

static bool same_holder(const struct holder *holder, const struct peer *peer)
{
	if (holder->transport != peer->transport)
		return false;
	if (peer->transport == PEER_UNIX)
		return holder->uid == peer->uid;
	return memcmp(holder->network, peer->network, sizeof(peer->network)) == 0;
}

/* The entry of @peer, else a free one, else NULL. */
static struct holder *find(struct limits *limits, const struct peer *peer)
{
	struct holder *unused = NULL;

	for (uint32_t i = 0; i < limits->config.max_connections; i++) {
		struct holder *holder = &limits->holders[i];
		if (holder->count == 0)
			unused = unused ? unused : holder;
		else if (same_holder(holder, peer))
			return holder;
	}
	return unused;
}

static bool is_root(const struct peer *peer)
{
	return peer->transport == PEER_UNIX && peer->uid == 0;
}

bool limits_admit(struct limits *limits, const struct peer *peer)
{
	const struct limits_config *config = &limits->config;
	bool root = is_root(peer);
	uint32_t kept = root || config->reserved > config->max_connections ? 0 : config->reserved;
	if (limits->total >= config->max_connections - kept)
		return false;
	struct holder *holder = find(limits, peer);
	if (!holder)
		return false;
	uint32_t most =
		peer->transport == PEER_UNIX ? config->max_per_uid : config->max_per_address;
	if (!root && holder->count >= most)
		return false;
	holder->transport = peer->transport;
	holder->uid = peer->uid;
	memcpy(holder->network, peer->network, sizeof(holder->network));
	holder->count++;
	limits->total++;
	return true;
}

void limits_release(struct limits *limits, const struct peer *peer)
{
	struct holder *holder = find(limits, peer);

	assert(holder && holder->count > 0 && limits->total > 0);
	holder->count--;
	limits->total--;
}
