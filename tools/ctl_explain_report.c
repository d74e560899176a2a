/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of an explanation: gathered, judged, shown. Owns their texts; one thread. */
#include <config.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "tools/ctl_explain.h"
#include "tools/ctl_term.h"

#define ROWS_MAX       512
#define NAME_WIDTH     13
#define LINE_MAX_BYTES 8192

void explain_report_done(struct explain_report *report)
{
	for (size_t i = 0; i < report->count; i++) {
		free(report->rows[i].text);
		mtls_strv_free(report->rows[i].hints);
	}
	free(report->rows);
	free(report->account);
	*report = (struct explain_report){ 0 };
}

void explain_add(struct explain_report *report, enum explain_state state, const char *name,
		 enum mtls_reason reason, const char *fmt, ...)
{
	va_list ap;
	char *text = NULL;

	struct explain_row *rows =
		report->count < ROWS_MAX
			? reallocarray(report->rows, report->count + 1, sizeof(*rows))
			: NULL;
	if (rows)
		report->rows = rows;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (!rows || !text) {
		free(text);
		report->err = -ENOMEM;
		return;
	}
	rows[report->count++] = (struct explain_row){
		.state = state, .name = name, .reason = reason, .text = text
	};
}

void explain_say(struct explain_report *report, enum mtls_reason reason, const char *name,
		 const char *good, const char *bad)
{
	const bool allowed = reason == MTLS_REASON_ALLOWED;

	explain_add(report, allowed ? EXPLAIN_PASSED : EXPLAIN_FAILED, name, reason, "%s",
		    allowed ? good : bad);
}

void explain_hint(struct explain_report *report, const char *fmt, ...)
{
	va_list ap;
	_cleanup_free_ char *text = NULL;

	if (!report->count)
		return;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (!text || mtls_strv_add(&report->rows[report->count - 1].hints, text) < 0)
		report->err = -ENOMEM;
}

enum mtls_reason explain_reason(const struct explain_report *report)
{
	for (size_t i = 0; i < report->count; i++)
		if (report->rows[i].state == EXPLAIN_FAILED)
			return report->rows[i].reason;
	return MTLS_REASON_ALLOWED;
}

bool explain_unknown(const struct explain_report *report)
{
	for (size_t i = 0; i < report->count; i++)
		if (report->rows[i].state == EXPLAIN_UNKNOWN)
			return true;
	return report->err != 0;
}

/* ------------------------------------------------------------------------------- verdict */

enum verdict {
	VERDICT_UNKNOWN = 0,
	VERDICT_DENIED,
	VERDICT_CHOOSE,
	VERDICT_ALLOWED,
};

/* A refusal stands whatever could not be looked at; an entry does not. */
static enum verdict judge(const struct explain_report *report)
{
	if (explain_reason(report) != MTLS_REASON_ALLOWED)
		return VERDICT_DENIED;
	if (explain_unknown(report) || (!report->choose && !report->account))
		return VERDICT_UNKNOWN;
	return report->choose ? VERDICT_CHOOSE : VERDICT_ALLOWED;
}

static const char *const verdict_names[] = {
	[VERDICT_UNKNOWN] = "unknown",
	[VERDICT_DENIED] = "denied",
	[VERDICT_CHOOSE] = "choose",
	[VERDICT_ALLOWED] = "allowed",
};

void explain_verdict_text(const struct explain_report *report, char *out, size_t size)
{
	const enum mtls_reason reason = explain_reason(report);

	switch (judge(report)) {
	case VERDICT_UNKNOWN:
		(void)snprintf(out, size, "cannot be told: something could not be looked at (?)");
		return;
	case VERDICT_DENIED:
		(void)snprintf(out, size, "would not enter: %s (%s)", mtls_reason_text(reason),
			       mtls_reason_token(reason));
		return;
	case VERDICT_CHOOSE:
		(void)snprintf(out, size, "would enter, and be asked which account");
		return;
	case VERDICT_ALLOWED:
		(void)snprintf(out, size, "would enter as '%s'", report->account);
		return;
	}
}

int explain_exit_code(const struct explain_report *report)
{
	switch (judge(report)) {
	case VERDICT_ALLOWED:
	case VERDICT_CHOOSE:
		return CTL_OK;
	case VERDICT_DENIED:
		return CTL_DENIED;
	case VERDICT_UNKNOWN:
		break;
	}
	return CTL_FAILED;
}

/* -------------------------------------------------------------------------------- shown */

static const struct {
	const char *mark, *word;
	enum ctl_style style;
} states[EXPLAIN_STATES] = {
	[EXPLAIN_FACT] = { "  ", "fact", CTL_STYLE_PLAIN },
	[EXPLAIN_PASSED] = { "ok", "passed", CTL_STYLE_GOOD },
	[EXPLAIN_FAILED] = { "NO", "failed", CTL_STYLE_BAD },
	[EXPLAIN_UNKNOWN] = { "? ", "unknown", CTL_STYLE_WARNING },
};

static void print_line(enum explain_state state, const char *name, const char *lead,
		       const char *text)
{
	char clean[LINE_MAX_BYTES];

	(void)ctl_term_text(text, 0, clean, sizeof(clean));
	(void)printf("%s%s%s %-*s %s%s\n", ctl_style(stdout, states[state].style),
		     states[state].mark, ctl_style(stdout, CTL_STYLE_PLAIN), NAME_WIDTH, name, lead,
		     clean);
}

static void print_row(const struct explain_row *row)
{
	const char *advice = mtls_reason_advice(row->reason);
	const bool failed = row->state == EXPLAIN_FAILED;

	print_line(row->state, row->name, "", row->text);
	if (failed && advice && *advice)
		print_line(EXPLAIN_FACT, "", "to do: ", advice);
	for (char **hint = row->hints; hint && *hint; hint++)
		print_line(EXPLAIN_FACT, "", "to do: ", *hint);
}

void explain_print(const struct explain_report *report, bool verdict)
{
	char text[1024];

	for (size_t i = 0; i < report->count; i++)
		print_row(&report->rows[i]);
	if (!verdict)
		return;
	explain_verdict_text(report, text, sizeof(text));
	const enum ctl_style style = explain_exit_code(report) == CTL_OK       ? CTL_STYLE_GOOD
				     : explain_exit_code(report) == CTL_DENIED ? CTL_STYLE_BAD
									       : CTL_STYLE_WARNING;
	char clean[1024];
	(void)ctl_term_text(text, 0, clean, sizeof(clean));
	(void)printf("   %-*s %s%s%s\n", NAME_WIDTH, "verdict", ctl_style(stdout, style), clean,
		     ctl_style(stdout, CTL_STYLE_PLAIN));
}

static json_t *row_json(const struct explain_row *row)
{
	const char *advice = row->state == EXPLAIN_FAILED ? mtls_reason_advice(row->reason) : NULL;
	json_t *todo = json_array();

	if (advice && *advice)
		(void)json_array_append_new(todo, json_string(advice));
	for (char **hint = row->hints; hint && *hint; hint++)
		(void)json_array_append_new(todo, json_string(*hint));
	return json_pack("{s:s, s:s, s:s*, s:s, s:o}", "check", row->name, "state",
			 states[row->state].word, "reason",
			 row->state == EXPLAIN_FAILED ? mtls_reason_token(row->reason) : NULL,
			 "text", row->text, "todo", todo);
}

json_t *explain_json(const struct explain_report *report)
{
	const enum mtls_reason reason = explain_reason(report);
	const bool denied = judge(report) == VERDICT_DENIED;
	json_t *rows = json_array();

	for (size_t i = 0; i < report->count; i++)
		(void)json_array_append_new(rows, row_json(&report->rows[i]));
	return json_pack("{s:s, s:s*, s:s*, s:s*, s:o}", "verdict", verdict_names[judge(report)],
			 "reason", denied ? mtls_reason_token(reason) : NULL, "text",
			 denied ? mtls_reason_text(reason) : NULL, "account", report->account,
			 "checks", rows);
}
