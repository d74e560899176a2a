/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Terminals in front of this machine. Pure; for both modules. */
#ifndef PAM_MTLS_CONSOLE_H
#define PAM_MTLS_CONSOLE_H

#include <stdbool.h>

/*
 * True if @tty, as PAM_TTY has it (with or without "/dev/"; NULL or "": none), matches one of
 * @patterns (fnmatch(3) without "/dev/"; NULL at the end, or NULL for none). It proves locality
 * only together with an empty PAM_RHOST.
 */
bool console_has(const char *tty, char *const *patterns);

#endif
