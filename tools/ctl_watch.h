/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When a card counts as removed. Pure: what is seen, and what time it is, come from outside. Times
 * are milliseconds of a monotonic clock.
 *
 * Nothing happens before the card was seen once. Contacts bounce, so it has to stay away for a
 * while; and after trouble (the service of the readers was started anew, a driver failed) for
 * longer, because readers come back one after the other. What cannot be seen is not gone.
 */
#ifndef MTLS_TOOLS_CTL_WATCH_H
#define MTLS_TOOLS_CTL_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#define CTL_WATCH_SETTLE_MS 10000 /* after trouble */

enum ctl_watch_seen {
	CTL_WATCH_UNKNOWN, /* nobody can tell */
	CTL_WATCH_ABSENT,
	CTL_WATCH_PRESENT,
};

enum ctl_watch_state {
	CTL_WATCH_WAITING, /* it has not been there yet, or not since it was removed */
	CTL_WATCH_THERE,   /* it is there */
	CTL_WATCH_MISSING, /* it is not; since `since` */
	CTL_WATCH_BLIND,   /* it was there, and nobody can tell now */
};

/* Embed it zeroed but for @delay_ms. */
struct ctl_watch {
	uint32_t delay_ms; /* how long it has to be away */
	enum ctl_watch_state state;
	int64_t since;   /* MISSING */
	int64_t settled; /* absence counts from here on at the earliest */
};

/* What was just seen. */
void ctl_watch_see(struct ctl_watch *watch, enum ctl_watch_seen seen, int64_t now);

/* Something failed, or began anew: what is seen in the next moments may be half of it. */
void ctl_watch_trouble(struct ctl_watch *watch, int64_t now);

/* True once for every removal, when the time for it has come. */
bool ctl_watch_removed(struct ctl_watch *watch, int64_t now);

/* Milliseconds until ctl_watch_removed() is to be asked again; -1: not before something is seen. */
int64_t ctl_watch_left(const struct ctl_watch *watch, int64_t now);

#endif
