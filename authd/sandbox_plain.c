/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Normal builds: the worker's list is complete as it is. */
#include <config.h>

#include "authd/sandbox.h"

const char *const sandbox_extra[] = { NULL };
const size_t sandbox_extra_count = 0;
