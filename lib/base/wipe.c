/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any thread with a stack of the usual size. */
#include <config.h>

#include <string.h>

#include "lib/base/wipe.h"

#define DEPTH ((size_t)128 * 1024)

__attribute__((noinline)) void mtls_wipe_stack(void)
{
	char below[DEPTH];
	explicit_bzero(below, sizeof(below));
}
