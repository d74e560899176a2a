/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What mtls-authd counted between two answers to `status`. */
#ifndef MTLS_TOOLS_CTL_RATES_H
#define MTLS_TOOLS_CTL_RATES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "tools/ctl_daemon.h"

/* One moment. Embed it zeroed. */
struct ctl_reading {
	struct ctl_daemon daemon;
	int64_t at_ms; /* of the monotonic clock */
};

void ctl_reading_take(struct ctl_reading *reading);
void ctl_reading_done(struct ctl_reading *reading);
/* True if the daemon said how it is. */
bool ctl_reading_good(const struct ctl_reading *reading);

/* Two of them; @before may be of another run of the daemon: then rates are since its start. */
struct ctl_rates {
	const struct ctl_reading *before, *now;
};

/*
 * What counters named @name grew by in a second, those with @label_value or (NULL) all together,
 * without @except (may be NULL).
 */
double ctl_rates_of(const struct ctl_rates *rates, const char *name, const char *label_value,
		    const char *except);

/* The sum of samples as they stand now, likewise. */
double ctl_rates_now(const struct ctl_rates *rates, const char *name, const char *label_value);

/* The screen, lines with colours as standard output has them. 0 or the buffer's error. */
int ctl_rates_print(const struct ctl_rates *rates, struct mtls_buf *out);

/* One short line, for output that is no terminal; with a heading line where @heading. */
void ctl_rates_print_line(const struct ctl_rates *rates, bool heading);

/* NULL when memory is short. */
json_t *ctl_rates_json(const struct ctl_rates *rates);

#endif
