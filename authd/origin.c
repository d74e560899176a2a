/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys of origins: 64 bits of an HMAC, so that they are short and cannot be aimed at. */
#include <config.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include <gnutls/crypto.h>

#include "authd/origin.h"
#include "lib/base/cleanup.h"

#define NETWORK_LEN 16 /* an IPv6 address; of real ones the first half counts */
#define PREFIX_LEN  8
#define TEXT_MAX    256 /* of a remote host's name; what is behind does not count */

int origin_secret_make(struct origin_secret *ret)
{
	ssize_t n = getrandom(ret->bytes, sizeof(ret->bytes), 0);

	return n == (ssize_t)sizeof(ret->bytes) ? 0 : -EIO;
}

static struct origin make(const struct origin_secret *secret, enum origin_kind kind,
			  const void *data, size_t len)
{
	uint8_t text[1 + TEXT_MAX] = { (uint8_t)kind };
	uint8_t digest[32];
	struct origin origin = { .kind = kind };

	memcpy(text + 1, data, len);
	int r = gnutls_hmac_fast(GNUTLS_MAC_SHA256, secret->bytes, sizeof(secret->bytes), text,
				 1 + len, digest);
	/* Without memory everybody is one: a limit may be reached early, none is passed. */
	if (r >= 0)
		memcpy(&origin.key, digest, sizeof(origin.key));
	if (origin.key == 0)
		origin.key = 1;
	return origin;
}

struct origin origin_of_uid(const struct origin_secret *secret, uid_t uid)
{
	return uid == 0 ? (struct origin){ .kind = ORIGIN_ROOT }
			: make(secret, ORIGIN_UID, &uid, sizeof(uid));
}

struct origin origin_of_peer(const struct origin_secret *secret, const struct peer *peer)
{
	if (peer->transport == PEER_TCP)
		return make(secret, ORIGIN_ADDRESS, peer->network, sizeof(peer->network));
	return origin_of_uid(secret, peer->uid == 0 ? peer->invoker : peer->uid);
}

/* An IPv6 address counts by its /64, as a peer's does; a name in whatever case. */
static struct origin of_remote(const struct origin_secret *secret, const char *host)
{
	uint8_t network[NETWORK_LEN] = { 0 };
	char text[TEXT_MAX] = "";
	size_t len = strcspn(host, "%"); /* behind it: a zone */

	for (size_t i = 0; i < len && i < sizeof(text) - 1; i++)
		text[i] = (char)tolower((unsigned char)host[i]);
	if (inet_pton(AF_INET6, text, network) == 1 &&
	    !IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)network))
		return make(secret, ORIGIN_REMOTE, network, PREFIX_LEN);
	return make(secret, ORIGIN_REMOTE, text, strlen(text));
}

struct origin origin_of_request(const struct origin_secret *secret, const struct peer *peer,
				const struct mtls_auth_request *request)
{
	if (peer->transport != PEER_UNIX || peer->uid != 0)
		return origin_of_peer(secret, peer);
	/* sudo names its own host as the remote one: who runs it comes first. */
	if (request->uid != 0)
		return origin_of_uid(secret, request->uid);
	if (request->remote_host && *request->remote_host)
		return of_remote(secret, request->remote_host);
	return (struct origin){ .kind = ORIGIN_ROOT };
}
