/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The screen and the lines of `mtlsctl top`. The names are those of authd/counters.h. */
#include <config.h>

#include <stdio.h>
#include <time.h>

#include "lib/base/str.h"
#include "tools/ctl_rates.h"
#include "tools/ctl_term.h"
#include "tools/ctl_text.h"

#define VERDICTS    "mtls_authd_verdicts_total"
#define HANDSHAKES  "mtls_authd_handshakes_total"
#define CONNECTIONS "mtls_authd_connections"
#define ACCEPTED    "mtls_authd_connections_accepted_total"
#define LIMITED     "mtls_authd_connections_limited_total"
#define BROKEN      "mtls_authd_connections_broken_total"
#define LOOKUPS     "mtls_authd_lookups_total"
#define WAITING     "mtls_authd_lookups_waiting"
#define LATE        "mtls_authd_lookup_deadlines_total"
#define MEMO        "mtls_authd_chain_memo_total"
#define LOST        "mtls_authd_audit_records_lost_total"

static const char *style(enum ctl_style s)
{
	return ctl_style(stdout, s);
}

static void print_head(const struct ctl_rates *rates, struct mtls_buf *out)
{
	size_t at = 0;
	const struct mtls_control_fields *f = ctl_daemon_item(&rates->now->daemon, "daemon", &at);
	struct ctl_text moment, span;
	int64_t now = (int64_t)time(NULL);

	(void)mtls_buf_printf(
		out, "%smtls-authd %s%s  up %s, generation %s, %s   %s\n\n", style(CTL_STYLE_TITLE),
		ctl_field(f, "version"), style(CTL_STYLE_PLAIN),
		ctl_text_span(&span, now - (int64_t)ctl_field_u64(f, "started")),
		ctl_field(f, "generation"), ctl_field(f, "state"), ctl_text_moment(&moment, now));
}

/* Every value of a label that counted something, ever: rate, and how often in all. */
static void print_values(const struct ctl_rates *rates, const char *name, const char *except,
			 enum ctl_style how, struct mtls_buf *out)
{
	const struct mtls_control_fields *f;

	for (size_t at = 0; (f = ctl_daemon_item(&rates->now->daemon, "counter", &at));) {
		const char *value = ctl_field(f, "label-value");
		uint64_t all = ctl_field_u64(f, "value");
		if (!mtls_streq(ctl_field(f, "name"), name) || mtls_streq(value, except) || !all)
			continue;
		double rate = ctl_rates_of(rates, name, value, NULL);
		(void)mtls_buf_printf(
			out, "  %s%-20s %9.1f/s%s %12llu\n", rate > 0 ? style(how) : "", value,
			rate, rate > 0 ? style(CTL_STYLE_PLAIN) : "", (unsigned long long)all);
	}
}

static void print_row(const struct ctl_rates *rates, struct mtls_buf *out, const char *title,
		      const char *name, const char *label_value, const char *except,
		      enum ctl_style how)
{
	double rate = ctl_rates_of(rates, name, label_value, except);

	(void)mtls_buf_printf(out, "%-22s %s%9.1f/s%s\n", title, rate > 0 ? style(how) : "", rate,
			      rate > 0 ? style(CTL_STYLE_PLAIN) : "");
}

static void print_connections(const struct ctl_rates *rates, struct mtls_buf *out)
{
	const struct mtls_control_fields *f;
	const char *separator = ": ";

	(void)mtls_buf_printf(out, "\n%-22s %9.0f", "connections",
			      ctl_rates_now(rates, CONNECTIONS, NULL));
	for (size_t at = 0; (f = ctl_daemon_item(&rates->now->daemon, "counter", &at));) {
		if (!mtls_streq(ctl_field(f, "name"), CONNECTIONS) || !ctl_field_u64(f, "value"))
			continue;
		(void)mtls_buf_printf(out, "%s%s %s", separator, ctl_field(f, "label-value"),
				      ctl_field(f, "value"));
		separator = ", ";
	}
	(void)mtls_buf_append_str(out, "\n");
}

static void print_lookups(const struct ctl_rates *rates, struct mtls_buf *out)
{
	(void)mtls_buf_printf(out, "\n%-22s %9.1f/s, %.0f waiting\n", "lookups",
			      ctl_rates_of(rates, LOOKUPS, NULL, NULL),
			      ctl_rates_now(rates, WAITING, NULL));
	print_row(rates, out, "  replaced", LATE, NULL, NULL, CTL_STYLE_BAD);
	double hits = ctl_rates_of(rates, MEMO, "hit", NULL);
	double all = ctl_rates_of(rates, MEMO, NULL, NULL);
	if (all > 0)
		(void)mtls_buf_printf(out, "%-22s %9.0f %%\n", "chains known before",
				      100 * hits / all);
	if (ctl_rates_now(rates, LOST, NULL) > 0)
		(void)mtls_buf_printf(out, "%s%-22s %9.0f%s\n", style(CTL_STYLE_BAD),
				      "audit records lost", ctl_rates_now(rates, LOST, NULL),
				      style(CTL_STYLE_PLAIN));
}

static void print_workers(const struct ctl_rates *rates, struct mtls_buf *out)
{
	const struct mtls_control_fields *f;

	(void)mtls_buf_printf(out, "\n%s%-7s %-8s %-10s %12s %10s %10s%s\n", style(CTL_STYLE_DIM),
			      "worker", "pid", "state", "connections", "restarts", "generation",
			      style(CTL_STYLE_PLAIN));
	for (size_t at = 0; (f = ctl_daemon_item(&rates->now->daemon, "worker", &at));)
		(void)mtls_buf_printf(out, "%-7s %-8s %-10s %12s %10s %10s\n", ctl_field(f, "slot"),
				      ctl_field(f, "pid"), ctl_field(f, "state"),
				      ctl_field(f, "connections"), ctl_field(f, "restarts"),
				      ctl_field(f, "generation"));
}

int ctl_rates_print(const struct ctl_rates *rates, struct mtls_buf *out)
{
	print_head(rates, out);
	print_row(rates, out, "allowed", VERDICTS, "allowed", NULL, CTL_STYLE_GOOD);
	print_row(rates, out, "denied", VERDICTS, NULL, "allowed", CTL_STYLE_WARNING);
	print_values(rates, VERDICTS, "allowed", CTL_STYLE_WARNING, out);
	print_row(rates, out, "handshakes", HANDSHAKES, "ok", NULL, CTL_STYLE_PLAIN);
	print_row(rates, out, "  failed", HANDSHAKES, "failed", NULL, CTL_STYLE_WARNING);
	print_row(rates, out, "accepted", ACCEPTED, NULL, NULL, CTL_STYLE_PLAIN);
	print_row(rates, out, "turned away", LIMITED, NULL, NULL, CTL_STYLE_BAD);
	print_values(rates, LIMITED, NULL, CTL_STYLE_BAD, out);
	print_row(rates, out, "without a verdict", BROKEN, NULL, NULL, CTL_STYLE_WARNING);
	print_connections(rates, out);
	print_lookups(rates, out);
	print_workers(rates, out);
	return out->err;
}

void ctl_rates_print_line(const struct ctl_rates *rates, bool heading)
{
	struct ctl_text moment;

	if (heading)
		(void)printf("%-19s %10s %10s %12s %12s %12s %10s\n", "time", "allowed/s",
			     "denied/s", "handshakes/s", "turned-away/s", "connections",
			     "lookups/s");
	(void)printf("%-19s %10.1f %10.1f %12.1f %12.1f %12.0f %10.1f\n",
		     ctl_text_moment(&moment, (int64_t)time(NULL)),
		     ctl_rates_of(rates, VERDICTS, "allowed", NULL),
		     ctl_rates_of(rates, VERDICTS, NULL, "allowed"),
		     ctl_rates_of(rates, HANDSHAKES, "ok", NULL),
		     ctl_rates_of(rates, LIMITED, NULL, NULL),
		     ctl_rates_now(rates, CONNECTIONS, NULL),
		     ctl_rates_of(rates, LOOKUPS, NULL, NULL));
}
