/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One table: state and what is seen. Holds no state of its own. */
#include <config.h>

#include "lib/base/cleanup.h"
#include "tools/ctl_watch.h"

void ctl_watch_see(struct ctl_watch *watch, enum ctl_watch_seen seen, int64_t now)
{
	static const enum ctl_watch_state next[][3] = {
		/*                       UNKNOWN            ABSENT             PRESENT */
		[CTL_WATCH_WAITING] = { CTL_WATCH_WAITING, CTL_WATCH_WAITING, CTL_WATCH_THERE },
		[CTL_WATCH_THERE] = { CTL_WATCH_BLIND, CTL_WATCH_MISSING, CTL_WATCH_THERE },
		[CTL_WATCH_MISSING] = { CTL_WATCH_BLIND, CTL_WATCH_MISSING, CTL_WATCH_THERE },
		[CTL_WATCH_BLIND] = { CTL_WATCH_BLIND, CTL_WATCH_MISSING, CTL_WATCH_THERE },
	};
	const enum ctl_watch_state before = watch->state;

	watch->state = next[before][seen];
	if (watch->state == CTL_WATCH_MISSING && before != CTL_WATCH_MISSING)
		watch->since = now;
	if (watch->state == CTL_WATCH_BLIND && before != CTL_WATCH_BLIND)
		ctl_watch_trouble(watch, now);
}

void ctl_watch_trouble(struct ctl_watch *watch, int64_t now)
{
	watch->settled = now + CTL_WATCH_SETTLE_MS;
}

static int64_t due(const struct ctl_watch *watch)
{
	const int64_t delayed = watch->since + watch->delay_ms;

	return delayed > watch->settled ? delayed : watch->settled;
}

bool ctl_watch_removed(struct ctl_watch *watch, int64_t now)
{
	if (watch->state != CTL_WATCH_MISSING || now < due(watch))
		return false;
	watch->state = CTL_WATCH_WAITING;
	return true;
}

int64_t ctl_watch_left(const struct ctl_watch *watch, int64_t now)
{
	if (watch->state != CTL_WATCH_MISSING)
		return -1;
	return due(watch) > now ? due(watch) - now : 0;
}
