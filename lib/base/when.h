/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moments as people write them ("-2h", "2026-11-30 14:00") and as records hold them (UTC). */
#ifndef MTLS_BASE_WHEN_H
#define MTLS_BASE_WHEN_H

#include <stdint.h>
#include <time.h>

#include "lib/base/err.h"

#define MTLS_WHEN_MAX 64 /* bytes of a moment in words */

/*
 * A moment in words to seconds since 1970; @now is the present one. Local time, as TZ says, but
 * where a Z stands behind:
 *
 *	now, today, yesterday		the latter two: their midnight
 *	-2h, 2h ago			N and one of s, m, h, d (24 hours), w
 *	14:00, 14:00:05			today
 *	2026-11-30			its midnight
 *	2026-11-30 14:00[:05][Z]	T may stand for the space
 *	@1700000000			seconds since 1970
 *
 * Exactly these: 0, MTLS_E_SYNTAX, or MTLS_E_LIMIT for a moment that there is not (February 30,
 * an hour that a clock change skips, before 1970, after 9999). @diag says what is taken.
 */
int mtls_when_parse(const char *text, time_t now, int64_t *ret, struct mtls_diag *diag);

/* "2026-11-30T14:00:05.123456Z", exactly, to microseconds since 1970. 0, MTLS_E_SYNTAX. */
int mtls_when_parse_utc(const char *text, int64_t *ret_us);

#define MTLS_WHEN_TEXT_MAX 32

/* "2026-11-30 14:00:05", local time; "?" if it cannot be said. */
void mtls_when_format(int64_t seconds, char out[MTLS_WHEN_TEXT_MAX]);

#endif
