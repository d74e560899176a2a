/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The makers of data; see make.c. Each returns false after a word on stderr. */
#ifndef BENCH_NSS_MAKE_H
#define BENCH_NSS_MAKE_H

#include <stdbool.h>
#include <stdint.h>

bool make_bare(uint32_t people, const char *path);     /* a cdb: bare.h; synced */
bool make_snapshot(uint32_t people, const char *path); /* by the publisher's builder */
bool make_files(uint32_t people,
		const char *folder); /* passwd, group, and libnss-cache's indexes */
bool make_db_text(uint32_t people, const char *which); /* input of makedb, to standard output */

#endif
