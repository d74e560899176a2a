/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mtlsctl top: what mtls-authd does just now, again and again: a screen on a terminal, a line each
 * time elsewhere. A daemon that goes away is waited for. One thread.
 */
#include <config.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "tools/ctl_action.h"
#include "tools/ctl_common.h"
#include "tools/ctl_rates.h"
#include "tools/ctl_screen.h"
#include "tools/ctl_term.h"

#define CMD              "top"
#define INTERVAL_DEFAULT 2
#define INTERVAL_MAX     3600
#define SCREEN_MAX       (256 * 1024)
#define HEADING_EVERY    20 /* lines */

struct top {
	uint32_t interval; /* seconds */
	bool once, json, full;
	unsigned int lines;
	struct ctl_reading before, now;
};

static int say_no_answer(const struct ctl_daemon *daemon)
{
	if (daemon->state == CTL_DAEMON_DOWN)
		return ctl_fail(CTL_NO_DAEMON, "mtls-authd does not run. Start it with: %s",
				ctl_start_command(CTL_AUTHD));
	if (daemon->err == -EACCES)
		return ctl_fail(CTL_FAILED, "only root may ask mtls-authd how it is: try sudo");
	return ctl_fail(CTL_FAILED, "mtls-authd: %s",
			daemon->err ? daemon->diag.text : "it does not say how it is");
}

static int print_json(const struct ctl_rates *rates)
{
	json_t *all = ctl_rates_json(rates);

	if (!all)
		return ctl_fail(CTL_FAILED, "out of memory");
	(void)json_dumpf(all, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
	(void)putchar('\n');
	json_decref(all);
	ctl_result_printed();
	return CTL_OK;
}

static int draw(const struct top *top, const struct ctl_rates *rates)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(SCREEN_MAX);

	int r = ctl_rates_print(rates, &text);
	if (r >= 0 && top->full)
		(void)mtls_buf_printf(&text, "\n%severy %u s; q ends%s",
				      ctl_style(stdout, CTL_STYLE_DIM), (unsigned int)top->interval,
				      ctl_style(stdout, CTL_STYLE_PLAIN));
	const char *all = mtls_buf_cstr(&text);
	if (!all)
		return ctl_fail(CTL_FAILED, "out of memory");
	if (top->full)
		ctl_screen_draw(all);
	else
		(void)fputs(all, stdout);
	return CTL_OK;
}

static int draw_missing(const struct top *top)
{
	char text[MTLS_DIAG_MAX + 128];

	(void)snprintf(text, sizeof(text), "mtls-authd does not answer: %s\n\nwaiting; q ends",
		       top->now.daemon.err ? top->now.daemon.diag.text
					   : "it does not say how it is");
	ctl_screen_draw(text);
	return CTL_OK;
}

/* One moment on the screen, or as a line. */
static int show(struct top *top)
{
	const struct ctl_rates rates = { &top->before, &top->now };

	if (!ctl_reading_good(&top->now))
		return top->full ? draw_missing(top) : say_no_answer(&top->now.daemon);
	if (top->json)
		return print_json(&rates);
	if (top->full || top->once)
		return draw(top, &rates);
	ctl_rates_print_line(&rates, top->lines++ % HEADING_EVERY == 0);
	return CTL_OK;
}

static void take(struct top *top)
{
	ctl_reading_done(&top->before);
	top->before = top->now;
	top->now = (struct ctl_reading){ 0 };
	ctl_reading_take(&top->now);
}

/* The first screen has no interval yet: rates since the start of the daemon would mislead. */
static int begin(struct top *top)
{
	ctl_reading_take(&top->before);
	ctl_reading_take(&top->now);
	if (!ctl_reading_good(&top->now))
		return say_no_answer(&top->now.daemon);
	return top->full ? show(top) : CTL_OK;
}

static int follow(struct top *top)
{
	mtls_deadline next = mtls_deadline_in_ms(top->interval * 1000);
	int code = begin(top);

	while (code == CTL_OK) {
		enum ctl_screen_event event = ctl_screen_wait(next);
		if (event == CTL_SCREEN_QUIT)
			return CTL_OK;
		if (event == CTL_SCREEN_TIME) {
			take(top);
			next = mtls_deadline_in_ms(top->interval * 1000);
		} else if (!top->full) {
			continue;
		}
		code = show(top);
		/* Nobody reads any more, or the disk is full: main() says so. */
		if (top->once || fflush(stdout) != 0)
			break;
	}
	return code;
}

struct options {
	const char *interval;
	bool once, json;
};

static const struct ctl_option options[] = {
	CTL_OPTION(struct options, interval, "interval", "SECONDS", "instead of 2"),
	CTL_OPTION(struct options, once, "once", NULL, "show one interval and end"),
	CTL_OPTION(struct options, json, "json", NULL, "print a JSON object a line"),
	{ 0 },
};

static int run_top(const struct ctl_action *action, int argc, char **argv)
{
	struct top top = { .interval = INTERVAL_DEFAULT };
	struct options o = { 0 };
	char **args;
	int count;

	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (!code)
		code = ctl_action_number(action, "interval", o.interval, 1, INTERVAL_MAX,
					 &top.interval);
	if (code)
		return code;
	top.once = o.once;
	top.json = o.json;
	top.full = !o.once && !o.json && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	int r = ctl_screen_open(top.full);
	if (r < 0)
		return ctl_error(CMD, "%s", mtls_strerror(r));
	code = follow(&top);
	ctl_screen_close();
	ctl_reading_done(&top.before);
	ctl_reading_done(&top.now);
	return code;
}

/* clang-format off */
static const struct ctl_action actions[] = {
	{ CMD, "", "", "Shows what mtls-authd does just now: verdicts by reason, handshakes, connections, lookups,\n"
	  "workers. On a terminal a screen, until q; elsewhere a line each time",
	  0, 0, options, run_top },
};
/* clang-format on */

const struct ctl_command ctl_top = {
	.name = CMD,
	.help = "watch verdicts, handshakes and connections",
	.actions = actions,
	.count = MTLS_COUNT(actions),
};
