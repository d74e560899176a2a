/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Landlock, by system call: which folders a process may still reach. Where the kernel has none, or
 * an older one, the other walls (uid, seccomp) stand alone.
 */
#ifndef ACCOUNTD_LANDLOCK_H
#define ACCOUNTD_LANDLOCK_H

#include <stdbool.h>
#include <stddef.h>

struct landlock_folder {
	const char *path; /* one that does not exist is passed over */
	bool write;       /* make, change, rename and remove files there; else read only */
};

/* What lib/acctdb/local.h reads. */
/* clang-format off */
#define LANDLOCK_LOCAL_FILES \
	{ "/etc", false }, { "/run/sysusers.d", false }, \
	{ "/usr/local/lib/sysusers.d", false }, { "/usr/lib/sysusers.d", false }
/* clang-format on */

/*
 * From now on nothing but @folders can be opened, and no TCP port be used. Needs no_new_privs.
 * 1; 0 where the kernel cannot; -errno.
 */
int landlock_restrict(const struct landlock_folder *folders, size_t count);

#endif
