/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An environment block, as the kernel keeps it: what is found is in the block, ended, and fit. */
#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pam_mtls/hints.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void look(const char *block, size_t size, const char *name)
{
	const char *value = hint_in_block(block, size, name);

	if (!value)
		return;
	must(value > block && value <= block + size);
	must(memchr(value, '\0', (size_t)(block + size - value)) != NULL);
	must(value[-1] == '=' && memcmp(value - 1 - strlen(name), name, strlen(name)) == 0);
	if (hint_is_socket(value))
		must(value[0] == '/' && strlen(value) <= HINT_PATH_MAX);
	if (hint_is_p11_address(value))
		must(strlen(value) < HINT_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	look((const char *)data, size, "SSH_AUTH_SOCK");
	look((const char *)data, size, "P11_KIT_SERVER_ADDRESS");
	return 0;
}
