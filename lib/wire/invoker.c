/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of sockets that say who runs root's program. */
#include <config.h>

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/wire/invoker.h"

#define PREFIX     "mtls-auth/"
#define RANDOM_LEN 16 /* hexadecimal digits */
#define UID_MAX    10 /* decimal digits */

void mtls_invoker_name(uid_t uid, uint64_t random, struct sockaddr_un *ret, socklen_t *ret_len)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	int n = snprintf(ret->sun_path + 1, MTLS_INVOKER_NAME_MAX + 1, PREFIX "%u/%016" PRIx64,
			 (unsigned int)uid, random);
	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

uid_t mtls_invoker_uid(const struct sockaddr *name, socklen_t len)
{
	const size_t head = offsetof(struct sockaddr_un, sun_path) + 1;
	char text[MTLS_INVOKER_NAME_MAX + 1] = "";
	char digits[UID_MAX + 1] = "";
	uint32_t uid = 0;

	if (len <= head || len - head > MTLS_INVOKER_NAME_MAX || name->sa_family != AF_UNIX)
		return 0;
	const char *path = (const char *)name + head - 1;
	if (path[0] != '\0')
		return 0;
	memcpy(text, path + 1, len - head);
	if (strlen(text) != len - head || strncmp(text, PREFIX, strlen(PREFIX)) != 0)
		return 0;
	const char *number = text + strlen(PREFIX);
	size_t count = strcspn(number, "/");
	if (count == 0 || count > UID_MAX || strspn(number + count, "/") != 1)
		return 0;
	const char *random = number + count + 1;
	if (strlen(random) != RANDOM_LEN || strspn(random, "0123456789abcdef") != RANDOM_LEN)
		return 0;
	memcpy(digits, number, count);
	return mtls_parse_u32(digits, &uid) < 0 ? 0 : uid;
}
