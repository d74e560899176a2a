/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is at the other end of a connection, as the kernel says. Filled once, at accept. */
#ifndef AUTHD_PEER_H
#define AUTHD_PEER_H

#include <stdint.h>
#include <sys/types.h>

enum peer_transport {
	PEER_UNIX,
	PEER_TCP,
};

#define PEER_ADDRESS_MAX 64

struct peer {
	enum peer_transport transport;
	uid_t uid;     /* unix: SO_PEERCRED at accept; TCP: (uid_t)-1 */
	uid_t invoker; /* unix, uid 0: who runs that program, as it says; 0: root */
	pid_t pid;     /* unix only; for the record, never for a decision */
	char address[PEER_ADDRESS_MAX]; /* TCP: numeric address; unix: "" */
	uint16_t port;                  /* TCP only */
	uint8_t network[16]; /* TCP: the address, IPv4 as v4-mapped, IPv6 cut to its /64 */
};

#endif
