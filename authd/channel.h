/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The channel between supervisor and worker: one packet a message (SOCK_SEQPACKET), a
 * descriptor with some.
 */
#ifndef AUTHD_CHANNEL_H
#define AUTHD_CHANNEL_H

#include <stdint.h>

enum channel_type {
	CHANNEL_LOOKUP = 1,  /* to the worker, with a descriptor: a new lookup process */
	CHANNEL_ACCEPT,      /* to the worker, once it is ready: accept */
	CHANNEL_DRAIN,       /* to the worker: accept no more, end with the last connection */
	CHANNEL_STOP,        /* to the worker: accept no more, finish soon, end */
	CHANNEL_READY,       /* to the supervisor: prepared to accept */
	CHANNEL_CLOSED,      /* to the supervisor: accepts no more */
	CHANNEL_KILL_LOOKUP, /* to the supervisor: this one passed its deadline */
};

struct channel_msg {
	uint32_t type;
	uint32_t kind;       /* enum mtls_lookup_kind */
	uint32_t slot;       /* which of that kind */
	uint32_t generation; /* counts the processes that held the slot */
};

/* Sends without waiting; @pass -1: no descriptor. 0 or -errno. */
int channel_send(int fd, const struct channel_msg *msg, int pass);

/*
 * The next message: 1, 0 at the end of the stream, -EAGAIN, -errno, MTLS_E_PROTOCOL. *@ret_fd is
 * -1 or the caller's.
 */
int channel_recv(int fd, struct channel_msg *msg, int *ret_fd);

#endif
