/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The publisher's log. What it says is ordered by a process that may be broken into, so it is
 * bounded: a record that was left out of the snapshot before is not named again with each new one,
 * and there are so many lines in a while.
 */
#ifndef ACCOUNTD_AUDIT_H
#define ACCOUNTD_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"

#define AUDIT_LINES_MAX 100     /* lines at once */
#define AUDIT_LINE_MS   1000    /* until there is room for one more */
#define AUDIT_SUM_MS    10000   /* between lines that say how many were left out */
#define AUDIT_KNOWN_MAX 1000000 /* sentences of a stream that are known again at the next one */

/* Starts zeroed. One thread. */
struct audit {
	struct audit_set {
		uint64_t *hash; /* owned */
		size_t count, room;
	} before, now; /* sentences of the last stream, sorted, and of the one under way */
	int64_t spent; /* lines since @since, less what time has given back */
	int64_t since_ms;
	uint64_t left_out; /* lines since the last one about them */
	mtls_deadline quiet_until;
};

void audit_begin(struct audit *audit);
/* Something is left out of the snapshot: logged unless it was so in the stream before. */
void audit_dropped(struct audit *audit, const char *sentence);
/* After all of a stream; what one that was not @published left out is not known by it. */
void audit_end(struct audit *audit, bool published);
/* Any other line. */
void audit_line(struct audit *audit, enum mtls_log_level level, const char *sentence);
void audit_done(struct audit *audit);

#endif
