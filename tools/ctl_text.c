/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Times as people read them. Pure but for the time zone; one thread. */
#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "lib/base/cleanup.h"
#include "lib/base/when.h"
#include "tools/ctl_text.h"

const char *ctl_text_moment(struct ctl_text *out, int64_t seconds)
{
	char text[MTLS_WHEN_TEXT_MAX];

	mtls_when_format(seconds, text);
	(void)snprintf(out->text, sizeof(out->text), "%s", text);
	return out->text;
}

const char *ctl_text_day(struct ctl_text *out, int64_t seconds)
{
	time_t when = (time_t)seconds;
	struct tm tm;

	if (!localtime_r(&when, &tm) || !strftime(out->text, sizeof(out->text), "%Y-%m-%d", &tm))
		(void)snprintf(out->text, sizeof(out->text), "?");
	return out->text;
}

const char *ctl_text_span(struct ctl_text *out, int64_t seconds)
{
	static const struct {
		int64_t seconds;
		const char *name;
	} units[] = { { 86400, "days" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
	int64_t positive = seconds < 0 ? 0 : seconds;
	size_t i = 0;

	while (i + 1 < MTLS_COUNT(units) && positive < 2 * units[i].seconds)
		i++;
	(void)snprintf(out->text, sizeof(out->text), "%" PRId64 " %s", positive / units[i].seconds,
		       units[i].name);
	return out->text;
}
