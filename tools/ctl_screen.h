/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A terminal that is drawn over again and again: its second screen, without echo; what was there
 * comes back whatever ends the program. There is one of it.
 */
#ifndef MTLS_TOOLS_CTL_SCREEN_H
#define MTLS_TOOLS_CTL_SCREEN_H

#include <stdbool.h>

#include "lib/base/clock.h"

#define CTL_SCREEN_WIDTH_MAX 512 /* columns that are used */

enum ctl_screen_event {
	CTL_SCREEN_TIME,   /* the deadline has come */
	CTL_SCREEN_REDRAW, /* another size, or back in the foreground */
	CTL_SCREEN_QUIT,   /* q, the end of the input, or a signal */
};

/*
 * Takes the signals that end or stop a program, and with @full, where standard input and output are
 * terminals, the screen. 0 or -errno; ctl_screen_close() gives all back.
 */
int ctl_screen_open(bool full);

/* Waits for a key, a signal or @deadline. */
enum ctl_screen_event ctl_screen_wait(mtls_deadline deadline);

/* Draws @text, lines that end in newlines, each cut at the width of the screen. */
void ctl_screen_draw(const char *text);

/* Puts everything back; ends by the signal that ctl_screen_wait() met, if there was one. */
void ctl_screen_close(void);

#endif
