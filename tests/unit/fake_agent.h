/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An ssh-agent for tests, in a thread: with real keys, and with the manners of agents that are
 * locked, refuse, hang, go away or talk nonsense. Failures abort.
 */
#ifndef TESTS_FAKE_AGENT_H
#define TESTS_FAKE_AGENT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "tests/unit/certgen.h"

enum fake_agent_manner {
	AGENT_HELPS,
	AGENT_LOCKED,       /* shows nothing and refuses everything, as OpenSSH's does */
	AGENT_KNOWS_LITTLE, /* no extensions */
	AGENT_NO_LIST,      /* refuses to say which keys it has */
	AGENT_NO_SIGNATURE, /* not confirmed, or not allowed here */
	AGENT_GARBAGE,
	AGENT_GARBAGE_SIGNATURE,
	AGENT_OTHER_SIGNATURE, /* of other bytes */
	AGENT_HANGS,
	AGENT_HANGS_AT_SIGNATURE,
	AGENT_CLOSES,
	AGENT_CLOSES_AT_SIGNATURE,
};

#define FAKE_AGENT_KEYS 40

struct fake_agent {
	enum fake_agent_manner manner;
	const struct certgen *keys[FAKE_AGENT_KEYS]; /* P-256, P-384, P-521, Ed25519 */
	size_t key_count;
	const char *const *others; /* names of kinds of keys; NULL behind the last, or none */
	/* from here on its own */
	int fd;
	pthread_t thread;
	size_t connections, lists, signatures; /* read them behind fake_agent_stop() */
};

/* Listens at @fd, a listening socket, until fake_agent_stop(). */
void fake_agent_start(struct fake_agent *agent, int fd);
void fake_agent_stop(struct fake_agent *agent);

#endif
