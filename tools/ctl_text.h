/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Times as people read them. */
#ifndef MTLS_TOOLS_CTL_TEXT_H
#define MTLS_TOOLS_CTL_TEXT_H

#include <stdint.h>

#define CTL_TEXT_MAX 32

struct ctl_text {
	char text[CTL_TEXT_MAX];
};

/* "2026-11-30 23:45:07", local time; "?" for a time that there is not. The text is in @out. */
const char *ctl_text_moment(struct ctl_text *out, int64_t seconds);
/* "2026-11-30" */
const char *ctl_text_day(struct ctl_text *out, int64_t seconds);
/* "40 s", "12 min", "5 h", "3 days": the largest unit of which there are two. */
const char *ctl_text_span(struct ctl_text *out, int64_t seconds);

#endif
