/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of terminals against patterns. Pure; any thread. */
#include <config.h>

#include <fnmatch.h>
#include <stddef.h>
#include <string.h>

#include "pam_mtls/console.h"

bool console_has(const char *tty, char *const *patterns)
{
	if (!tty || !*tty)
		return false;
	if (strncmp(tty, "/dev/", 5) == 0)
		tty += 5;
	for (char *const *p = patterns; p && *p; p++)
		if (fnmatch(*p, tty, FNM_PATHNAME) == 0)
			return true;
	return false;
}
