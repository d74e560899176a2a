/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses as text and as the kernel has them. Pure. */
#include <config.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "authd/address.h"
#include "lib/base/str.h"
#include "lib/settings/authd.h"

static int parse_unix(const char *path, struct address *ret, struct mtls_diag *diag)
{
	struct sockaddr_un *sun = (struct sockaddr_un *)&ret->sa;

	if (path[0] != '/' || strlen(path) >= sizeof(sun->sun_path))
		return mtls_diag_set(diag, MTLS_E_CONFIG,
				     "listen: 'unix:%s': expected an absolute path of at most %zu "
				     "bytes",
				     path, sizeof(sun->sun_path) - 1);
	sun->sun_family = AF_UNIX;
	(void)mtls_strcopy(sun->sun_path, sizeof(sun->sun_path), path);
	ret->transport = PEER_UNIX;
	ret->len = sizeof(*sun);
	return 0;
}

/* Splits "[v6]:port", "v4:port", "[v6]", "v4". False if it has another shape. */
static bool split_port(const char *text, char *host, size_t size, uint16_t *ret_port)
{
	bool bracket = text[0] == '[';
	const char *start = text + bracket;
	size_t len = strcspn(start, bracket ? "]" : ":");
	const char *rest = start + len;
	uint32_t port = MTLS_TCP_PORT;

	if (bracket && *rest++ != ']')
		return false;
	if (*rest && (*rest != ':' || mtls_parse_u32(rest + 1, &port) < 0))
		return false;
	if (len == 0 || len >= size || port == 0 || port > UINT16_MAX)
		return false;
	memcpy(host, start, len);
	host[len] = '\0';
	*ret_port = (uint16_t)port;
	return true;
}

static int parse_tcp(const char *text, struct address *ret, struct mtls_diag *diag)
{
	struct sockaddr_in *sin = (struct sockaddr_in *)&ret->sa;
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)&ret->sa;
	char host[INET6_ADDRSTRLEN];
	uint16_t port = 0;

	if (split_port(text, host, sizeof(host), &port)) {
		ret->transport = PEER_TCP;
		if (text[0] != '[' && inet_pton(AF_INET, host, &sin->sin_addr) == 1) {
			sin->sin_family = AF_INET;
			sin->sin_port = htons(port);
			ret->len = sizeof(*sin);
			return 0;
		}
		if (text[0] == '[' && inet_pton(AF_INET6, host, &sin6->sin6_addr) == 1) {
			sin6->sin6_family = AF_INET6;
			sin6->sin6_port = htons(port);
			ret->len = sizeof(*sin6);
			return 0;
		}
	}
	return mtls_diag_set(diag, MTLS_E_CONFIG,
			     "listen: 'tcp:%s': expected a numeric address and port, such as "
			     "tcp:192.0.2.1:%d or tcp:[2001:db8::1]:%d",
			     text, MTLS_TCP_PORT, MTLS_TCP_PORT);
}

int address_parse(const char *text, struct address *ret, struct mtls_diag *diag)
{
	*ret = (struct address){ 0 };
	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(text + 5, ret, diag);
	if (strncmp(text, "tcp:", 4) == 0)
		return parse_tcp(text + 4, ret, diag);
	return mtls_diag_set(diag, MTLS_E_CONFIG,
			     "listen: '%s': expected unix:PATH or tcp:ADDRESS:PORT", text);
}

const char *address_path(const struct address *address)
{
	return ((const struct sockaddr_un *)&address->sa)->sun_path;
}

void address_to_peer(const struct sockaddr_storage *sa, struct peer *peer)
{
	static const uint8_t v4_mapped[12] = { [10] = 0xff, [11] = 0xff };

	memset(peer->network, 0, sizeof(peer->network));
	if (sa->ss_family == AF_INET6) {
		const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)sa;
		bool mapped = memcmp(&sin6->sin6_addr, v4_mapped, sizeof(v4_mapped)) == 0;
		/* One customer usually holds a whole /64. */
		memcpy(peer->network, &sin6->sin6_addr, mapped ? 16 : 8);
		peer->port = ntohs(sin6->sin6_port);
		(void)inet_ntop(AF_INET6, &sin6->sin6_addr, peer->address, sizeof(peer->address));
	} else if (sa->ss_family == AF_INET) {
		const struct sockaddr_in *sin = (const struct sockaddr_in *)sa;
		memcpy(peer->network, v4_mapped, sizeof(v4_mapped));
		memcpy(peer->network + 12, &sin->sin_addr, 4);
		peer->port = ntohs(sin->sin_port);
		(void)inet_ntop(AF_INET, &sin->sin_addr, peer->address, sizeof(peer->address));
	}
}
