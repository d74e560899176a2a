/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where something came from, for limits, penalties and the order of lookups: a person of this
 * machine, an address, a remote host that a program of this machine named; or root itself, which is
 * never held against anybody. Pure, but for the secret.
 */
#ifndef AUTHD_ORIGIN_H
#define AUTHD_ORIGIN_H

#include <stdint.h>

#include "authd/peer.h"
#include "lib/wire/msg.h"

enum origin_kind {
	ORIGIN_ROOT = 0, /* uid 0 for itself, or for nobody that is known */
	ORIGIN_UID,
	ORIGIN_ADDRESS,
	ORIGIN_REMOTE,
};

/* Of one bit pattern each: nobody can choose addresses that fall together. */
struct origin_secret {
	uint8_t bytes[16];
};

struct origin {
	enum origin_kind kind;
	uint64_t key; /* 0 for ORIGIN_ROOT only */
};

/* 0 or -errno. */
int origin_secret_make(struct origin_secret *ret);

struct origin origin_of_uid(const struct origin_secret *secret, uid_t uid);

/* What the kernel says: before a request was read. */
struct origin origin_of_peer(const struct origin_secret *secret, const struct peer *peer);

/*
 * What @request says, where that counts: a program of root on this machine knows who runs it, and
 * from which remote host somebody came. Others are who they are as peers.
 */
struct origin origin_of_request(const struct origin_secret *secret, const struct peer *peer,
				const struct mtls_auth_request *request);

#endif
