/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Normal builds: the lists are complete as they are. */
#include <config.h>

#include "accountd/sandbox.h"

const char *const accountd_sandbox_extra[] = { NULL };
const size_t accountd_sandbox_extra_count = 0;

const rlim_t accountd_publisher_data_max = 1024UL << 20;
