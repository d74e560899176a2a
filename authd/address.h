/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What to listen on: "unix:/absolute/path", "tcp:ADDRESS:PORT" (numeric; IPv6 in brackets). Pure.
 */
#ifndef AUTHD_ADDRESS_H
#define AUTHD_ADDRESS_H

#include <sys/socket.h>

#include "authd/peer.h"
#include "lib/base/err.h"

struct address {
	enum peer_transport transport;
	struct sockaddr_storage sa;
	socklen_t len;
};

/* 0 or MTLS_E_CONFIG with @diag. No name is resolved; the port may be left out (MTLS_TCP_PORT). */
int address_parse(const char *text, struct address *ret, struct mtls_diag *diag);

/* The path of a unix address. */
const char *address_path(const struct address *address);

/* Fills the TCP half of @peer from what accept(2) gave. */
void address_to_peer(const struct sockaddr_storage *sa, struct peer *peer);

#endif
