/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who runs root's program: sudo and su connect as uid 0 for anybody. So that the daemon can count
 * such connections by person before it has read a request, the client gives its socket a name in
 * the abstract space, "mtls-auth/UID/RANDOM", which accept(2) returns. It is believed where the
 * kernel says that the peer is uid 0, and used for counting only. Pure.
 */
#ifndef MTLS_WIRE_INVOKER_H
#define MTLS_WIRE_INVOKER_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#define MTLS_INVOKER_NAME_MAX 40 /* bytes behind the leading NUL */

/* The name for @uid. @random keeps names apart and from being taken by others beforehand. */
void mtls_invoker_name(uid_t uid, uint64_t random, struct sockaddr_un *ret, socklen_t *ret_len);

/* The uid in the name of a peer, as accept(2) gave it; 0 where it has none of this form. */
uid_t mtls_invoker_uid(const struct sockaddr *name, socklen_t len);

#endif
