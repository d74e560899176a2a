/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The name of a peer's socket: any bytes as an address of any length. What is read can be made. */
#include <config.h>

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/wire/invoker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sockaddr_un made;
	socklen_t len = 0;

	if (size < offsetof(struct sockaddr_un, sun_path) || size > sizeof(struct sockaddr_storage))
		return 0;
	/* Of its own length, so that a read behind it is seen. */
	struct sockaddr *name = malloc(size);
	if (!name)
		return 0;
	memcpy(name, data, size);
	uid_t uid = mtls_invoker_uid(name, (socklen_t)size);
	if (uid) {
		mtls_invoker_name(uid, 0, &made, &len);
		if (mtls_invoker_uid((struct sockaddr *)&made, len) != uid)
			abort();
	}
	free(name);
	return 0;
}
