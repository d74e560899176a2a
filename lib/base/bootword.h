/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The way back: the word `mtls=off` on the kernel command line, which only who starts the machine
 * can write there.
 */
#ifndef MTLS_BASE_BOOTWORD_H
#define MTLS_BASE_BOOTWORD_H

#include <stdbool.h>

#define MTLS_BOOTWORD_OFF "mtls=off"

/* True if the kernel command line @text has @word outside of quotes, exactly. */
bool mtls_bootword_in(const char *text, const char *word);

/*
 * True if the machine was started with MTLS_BOOTWORD_OFF. What cannot be read, or does not belong
 * to root, says no.
 */
bool mtls_bootword_off(void);

#endif
