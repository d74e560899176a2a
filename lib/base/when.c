/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moments in words. Reads the time zone of the process; holds no state of its own. */
#include <config.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "lib/base/when.h"

#define LAST INT64_C(253402300799) /* the end of 9999 */

#define TAKEN                                                                                      \
	"now, today, yesterday, -2h, 2h ago (s, m, h, d, w), 14:00, 2026-11-30, "                  \
	"2026-11-30 14:00[:05][Z], @SECONDS"

/* Exactly @digits digits at *@at, which moves behind them. */
static bool take_number(const char **at, int digits, int *ret)
{
	int number = 0;

	for (int i = 0; i < digits; i++) {
		const char c = **at;
		if (c < '0' || c > '9')
			return false;
		number = number * 10 + (c - '0');
		(*at)++;
	}
	*ret = number;
	return true;
}

static bool take_char(const char **at, const char *any)
{
	if (!**at || !strchr(any, **at))
		return false;
	(*at)++;
	return true;
}

static bool take_date(const char **at, struct tm *tm)
{
	if (!take_number(at, 4, &tm->tm_year) || !take_char(at, "-") ||
	    !take_number(at, 2, &tm->tm_mon) || !take_char(at, "-") ||
	    !take_number(at, 2, &tm->tm_mday))
		return false;
	tm->tm_year -= 1900;
	tm->tm_mon -= 1;
	return true;
}

/* Hours and minutes; seconds may follow. */
static bool take_clock(const char **at, struct tm *tm)
{
	if (!take_number(at, 2, &tm->tm_hour) || !take_char(at, ":") ||
	    !take_number(at, 2, &tm->tm_min))
		return false;
	return !take_char(at, ":") || take_number(at, 2, &tm->tm_sec);
}

/* What mktime() makes of February 30 is another day: then there is no such moment. */
static int moment(const struct tm *want, bool utc, int64_t *ret)
{
	struct tm tm = *want;

	tm.tm_isdst = utc ? 0 : -1;
	const int64_t seconds = utc ? timegm(&tm) : mktime(&tm);
	if (seconds < 0 || seconds > LAST || tm.tm_year != want->tm_year ||
	    tm.tm_mon != want->tm_mon || tm.tm_mday != want->tm_mday ||
	    tm.tm_hour != want->tm_hour || tm.tm_min != want->tm_min || tm.tm_sec != want->tm_sec)
		return MTLS_E_LIMIT;
	*ret = seconds;
	return 0;
}

/* A date, a date with a clock, or a clock of today. */
static int parse_calendar(const char *text, time_t now, int64_t *ret)
{
	struct tm today = { 0 }, tm = { 0 };
	const char *at = text;

	if (!take_date(&at, &tm)) {
		at = text;
		if (!localtime_r(&now, &today) || !take_clock(&at, &tm) || *at)
			return MTLS_E_SYNTAX;
		tm.tm_year = today.tm_year;
		tm.tm_mon = today.tm_mon;
		tm.tm_mday = today.tm_mday;
		return moment(&tm, false, ret);
	}
	bool utc = false;
	if (*at) {
		if (!take_char(&at, " T") || !take_clock(&at, &tm))
			return MTLS_E_SYNTAX;
		utc = take_char(&at, "Z");
	}
	return *at ? MTLS_E_SYNTAX : moment(&tm, utc, ret);
}

/* "-2h" or "2h ago". */
static int parse_distance(const char *text, time_t now, int64_t *ret)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
	const bool minus = *text == '-';
	const char *at = text + (minus ? 1 : 0);
	const size_t digits = strspn(at, "0123456789");
	char number[11];
	uint32_t count;

	if (digits == 0 || digits >= sizeof(number))
		return MTLS_E_SYNTAX;
	memcpy(number, at, digits);
	number[digits] = '\0';
	if (mtls_parse_u32(number, &count) < 0)
		return MTLS_E_SYNTAX;
	for (size_t i = 0; i < MTLS_COUNT(units); i++) {
		if (at[digits] != units[i].unit)
			continue;
		if (!mtls_streq(at + digits + 1, minus ? "" : " ago"))
			return MTLS_E_SYNTAX;
		const int64_t seconds = (int64_t)now - (int64_t)count * units[i].seconds;
		if (seconds < 0)
			return MTLS_E_LIMIT;
		*ret = seconds;
		return 0;
	}
	return MTLS_E_SYNTAX;
}

/* The midnight of @days_ago. A day may have 23 hours: the calendar counts, not seconds. */
static int midnight(time_t now, int days_ago, int64_t *ret)
{
	struct tm tm;

	if (!localtime_r(&now, &tm))
		return MTLS_E_LIMIT;
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	tm.tm_mday -= days_ago;
	tm.tm_isdst = -1;
	const int64_t seconds = mktime(&tm);
	if (seconds < 0)
		return MTLS_E_LIMIT;
	*ret = seconds;
	return 0;
}

static int parse(const char *text, time_t now, int64_t *ret)
{
	uint64_t seconds;

	if (strlen(text) > MTLS_WHEN_MAX)
		return MTLS_E_SYNTAX;
	if (mtls_streq(text, "now")) {
		*ret = now;
		return 0;
	}
	if (mtls_streq(text, "today"))
		return midnight(now, 0, ret);
	if (mtls_streq(text, "yesterday"))
		return midnight(now, 1, ret);
	if (*text == '@') {
		int r = mtls_parse_u64(text + 1, &seconds);
		if (r < 0)
			return r;
		if (seconds > (uint64_t)LAST)
			return MTLS_E_LIMIT;
		*ret = (int64_t)seconds;
		return 0;
	}
	int r = parse_distance(text, now, ret);
	return r == MTLS_E_SYNTAX ? parse_calendar(text, now, ret) : r;
}

int mtls_when_parse(const char *text, time_t now, int64_t *ret, struct mtls_diag *diag)
{
	int r = parse(text, now, ret);

	if (r == MTLS_E_LIMIT)
		return mtls_diag_set(diag, r, "there is no moment '%.*s'", MTLS_WHEN_MAX, text);
	if (r < 0)
		return mtls_diag_set(diag, r, "'%.*s' is no moment; what is taken: %s",
				     MTLS_WHEN_MAX, text, TAKEN);
	return 0;
}

int mtls_when_parse_utc(const char *text, int64_t *ret_us)
{
	struct tm tm = { 0 };
	const char *at = text;
	int64_t seconds;
	int micros;

	if (!take_date(&at, &tm) || !take_char(&at, "T") || !take_number(&at, 2, &tm.tm_hour) ||
	    !take_char(&at, ":") || !take_number(&at, 2, &tm.tm_min) || !take_char(&at, ":") ||
	    !take_number(&at, 2, &tm.tm_sec) || !take_char(&at, ".") ||
	    !take_number(&at, 6, &micros) || !mtls_streq(at, "Z") ||
	    moment(&tm, true, &seconds) < 0)
		return MTLS_E_SYNTAX;
	*ret_us = seconds * 1000000 + micros;
	return 0;
}

void mtls_when_format(int64_t seconds, char out[MTLS_WHEN_TEXT_MAX])
{
	const time_t when = (time_t)seconds;
	struct tm tm;

	if (!localtime_r(&when, &tm) ||
	    !strftime(out, MTLS_WHEN_TEXT_MAX, "%Y-%m-%d %H:%M:%S", &tm))
		(void)snprintf(out, MTLS_WHEN_TEXT_MAX, "?");
}
